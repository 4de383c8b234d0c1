"""Inputs and comparisons for the tests of losses; `LOSSES` holds every option of conf/loss."""

import importlib
import json
import math
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

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
