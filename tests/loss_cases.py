"""Inputs and comparisons for the tests of losses; `LOSSES` holds every option of conf/loss."""

import importlib
import json
import math
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from segsweep import losses
from segsweep.system.installation import conf_folder

CONF = conf_folder() / "loss"
GOLDEN = json.loads((Path(__file__).parent / "golden_losses.json").read_text())


def loss_class(stem: str) -> type[torch.nn.Module]:
    """Return the class that conf/loss/<stem>.yaml names."""
    target = yaml.safe_load((CONF / f"{stem}.yaml").read_text())["_target_"]
    module, _, name = target.rpartition(".")
    return getattr(importlib.import_module(module), name)


LOSSES = {path.stem: loss_class(path.stem)() for path in sorted(CONF.glob("*.yaml"))}
"""Option name -> the loss with its default arguments."""
OTHER_SETTINGS = {
    "dice, tiny smooth": losses.DiceLoss(smooth=1e-6),
    "focal, root": losses.FocalLoss(gamma=0.5),
    "focal_lin, root": losses.FocalLinLoss(gamma=0.5, alpha=0.25),
    "focal_lin, large": losses.FocalLinLoss(gamma=50.0),
    "soft_dice, tiny smooth": losses.SoftDiceLoss(smooth=1e-6, batch=True),
    "jaccard, tiny smooth": losses.JaccardLoss(smooth=1e-6),
    "focal_tversky, steep": losses.FocalTverskyLoss(exponent=0.1, smooth=1e-6, batch=True),
    "lovasz, batch": losses.LovaszLoss(batch=True),
}
BY_IMAGE = [name for name, loss in LOSSES.items() if hasattr(loss, "batch")]
"""Losses with an argument `batch`."""


def random_case(shape: tuple[int, ...] = (3, 1, 13, 17), seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return float64 logits and a {0, 1} target with foreground in every image."""
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(shape, generator=generator, dtype=torch.float64)
    return logits, (torch.rand(shape, generator=generator) < 0.3).double()


def value_and_gradient(loss, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return a loss and its gradient with respect to the logits."""
    logits = logits.clone().requires_grad_()
    value = loss(logits, target)
    (gradient,) = torch.autograd.grad(value, logits)
    return value.detach(), gradient


def assert_same(loss, reference, logits: Tensor, target: Tensor, rtol: float = 1e-9) -> None:
    """Assert equal values and equal gradients."""
    ours = value_and_gradient(loss, logits, target)
    theirs = value_and_gradient(reference, logits, target)
    torch.testing.assert_close(ours[0], theirs[0].reshape(()), rtol=rtol, atol=0)
    torch.testing.assert_close(ours[1], theirs[1], rtol=rtol, atol=1e-3 * rtol)


def image_by_image(reference):
    """Return a loss that evaluates *reference* on each image separately and averages."""

    def loss(logits: Tensor, target: Tensor) -> Tensor:
        pairs = zip(logits.split(1), target.split(1), strict=True)
        return torch.stack([reference(*pair).reshape(()) for pair in pairs]).mean()

    return loss


def golden_input(case: dict) -> tuple[Tensor, Tensor]:
    """Return the logits and target that the formulas in a golden case describe."""
    k = np.arange(math.prod(case["shape"]), dtype=np.float64).reshape(case["shape"])
    names = {"sin": np.sin, "cos": np.cos, "k": k}
    logits, target = (eval(case[key], names) for key in ("logits", "target"))
    return torch.from_numpy(logits), torch.from_numpy(target).double()


def structural_loop(
    prob: np.ndarray, target: np.ndarray, valid: np.ndarray | None = None
) -> np.ndarray:
    """Return the structural error of one image, block by block, as it is defined.

    Pixels where *valid* is False are left out of their block.
    """
    height, width = prob.shape
    error = np.zeros((height, width))
    for top in range(-1, height + 1 - 2, 3):
        for left in range(-1, width + 1 - 2, 3):
            cells = [(r, c) for r in range(top, top + 3) for c in range(left, left + 3)]
            inside = [0 <= r < height and 0 <= c < width for r, c in cells]
            if valid is not None:
                counts = [not there or valid[c] for c, there in zip(cells, inside, strict=True)]
                inside = [there for there, count in zip(inside, counts, strict=True) if count]
                cells = [cell for cell, count in zip(cells, counts, strict=True) if count]
            if not cells:
                continue
            blocks = []
            for image in (target, prob):
                pairs = zip(cells, inside, strict=True)
                block = np.array([image[cell] if there else 0.0 for cell, there in pairs])
                blocks.append((block - block.mean() + 0.01) / (block.std() + 0.01))
            for cell, there, difference in zip(cells, inside, blocks[0] - blocks[1], strict=True):
                if there:
                    error[cell] = abs(difference)
    return error
