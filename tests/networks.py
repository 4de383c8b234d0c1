"""The four networks under test: how they are built, run, looked into, and drawn in papers."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segsweep.models.segnet import SegNet
from segsweep.models.unet import UNet
from segsweep.models.unet2 import UNet2
from segsweep.models.unet3 import UNet3

NETWORKS = {"segnet": SegNet, "unet": UNet, "unet2": UNet2, "unet3": UNet3}
SMALL = (4, 6)
"""Two stages of few channels, so that a test takes milliseconds."""
either_layout = pytest.mark.parametrize(
    "layout", [torch.contiguous_format, torch.channels_last], ids=str
)
every_network = pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)


def seeded(build, *arguments, **keywords) -> nn.Module:
    """Build a network from a fixed seed."""
    torch.manual_seed(0)
    return build(*arguments, **keywords)


def images(count: int = 2, channels: int = 3, height: int = 16, width: int = 24) -> Tensor:
    """Return random images in [0, 1]."""
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, channels, height, width, generator=generator)


def parameters_of(model: nn.Module) -> int:
    """Count the trained numbers."""
    return sum(parameter.numel() for parameter in model.parameters())


def gradients(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Return the gradients of a smooth scalar by all parameters."""
    return list(torch.autograd.grad(model(x).square().mean(), list(model.parameters())))


def inputs_of(modules: nn.ModuleList, model: nn.Module, x: Tensor) -> list[Tensor]:
    """Return what each of *modules* is given, side by side, when *model* sees *x*."""
    return recorded(modules, model, x, lambda given, _: side_by_side(*given))


def side_by_side(*parts: Tensor) -> Tensor:
    """Return *parts* joined in their channels, pixels of those of half the size repeated."""
    height = max(part.shape[-2] for part in parts)
    factors = [height // part.shape[-2] for part in parts]
    sized = [
        part.repeat_interleave(n, -2).repeat_interleave(n, -1)
        for part, n in zip(parts, factors, strict=True)
    ]
    return torch.cat(sized, 1).contiguous(memory_format=layout_of(parts[0]))


def layout_of(x: Tensor) -> torch.memory_format:
    """Return how *x* lies in memory."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def outputs_of(modules: nn.ModuleList, model: nn.Module, x: Tensor) -> list[Tensor]:
    """Return what each of *modules* makes when *model* sees *x*."""
    return recorded(modules, model, x, lambda _, made: made)


def recorded(modules: nn.ModuleList, model: nn.Module, x: Tensor, pick) -> list[Tensor]:
    """Return what *pick* takes from each module's (inputs, output), in the order of the calls."""
    seen: list[Tensor] = []
    handles = [
        module.register_forward_hook(lambda _, given, made: seen.append(pick(given, made).clone()))
        for module in modules
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return seen


def windows(x: Tensor) -> np.ndarray:
    """Return the 2x2 windows of (B, C, H, W) as (B, C, H/2, W/2, 4)."""
    corners = [x[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
    return torch.stack(corners, dim=-1).numpy()


def steps_of(model: nn.Module, x: Tensor) -> list[Tensor]:
    """Train three steps; return each step's loss, gradients, weights and batch statistics."""
    optimizer, seen = torch.optim.SGD(model.parameters(), lr=0.1), []
    for _ in range(3):
        loss = model(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        parts = [loss, *(p.grad for p in model.parameters()), *model.state_dict().values()]
        seen += [part.detach().clone() for part in parts]
    return seen


class AsWritten(nn.Module):
    """A network the way papers draw it: torch's own layers, all upsampled, padded, joined.

    *plain* has no special kernels; its layers are copied.
    """

    def __init__(self, plain: nn.Module) -> None:
        super().__init__()
        self.inner = copy.deepcopy(plain)
        self.repeats = isinstance(plain, UNet2)
        for stages in (self.inner.encoder, self.inner.decoder):
            for index, stage in enumerate(stages):
                stages[index] = nn.Sequential(*stage)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits."""
        inner, passed = self.inner, []
        for stage, down in zip(inner.encoder, inner.downs, strict=True):
            skip = stage(x)
            less = down(skip)
            x, *beside = less if isinstance(less, tuple) else (less,)
            passed.append((skip, beside))
        x = inner.bottleneck(x)
        for up, stage in zip(inner.ups, inner.decoder, strict=True):
            skip, beside = passed.pop()
            x = nn.functional.interpolate(x, scale_factor=2) if self.repeats else up(x, *beside)
            x = stage(torch.cat([x, skip], 1) if inner.skips else x)
        return x
