"""Build all objects of a config once, without data, before the first run starts.

Finds problems that show only then: sizes, channels, arguments that constructors refuse.
"""

import json
from functools import cache

import torch

from segsweep.config.check import collect, once
from segsweep.config.run_config import Node, RunConfig
from segsweep.config.targets import build
from segsweep.config.validate import raise_all
from segsweep.errors import ConfigError
from segsweep.training.build import build_optimizer, build_scheduler
from segsweep.training.device import check_device


def check_built(config: RunConfig) -> None:
    """Build all objects of a config; raise one ConfigError that lists every problem."""
    problems: list[str] = []
    allow = config.allow
    collect(problems, lambda: check_device(config.device, config.trainer.precision))
    collect(problems, lambda: _check_model(config))
    collect(problems, lambda: _check_builds("loss", config.loss, allow))
    collect(problems, lambda: _check_builds("augment", config.augment, allow))
    collect(problems, lambda: _check_steps(config.optimizer, config.scheduler, allow))
    raise_all(problems)


@once
def _check_builds(node: str, values: Node, allow: tuple[str, ...]) -> None:
    build(node, values, allow)


@once
def _check_steps(optimizer: Node, scheduler: Node, allow: tuple[str, ...]) -> None:
    """Build the optimizer and its scheduler."""
    weight = torch.nn.Parameter(torch.zeros(1))
    built = build_optimizer(optimizer, [weight], allow)
    build_scheduler(scheduler, built, optimizer, 100, allow)


def _check_model(config: RunConfig) -> None:
    node = json.dumps(config.model, sort_keys=True)
    size, channels = config.data.height_width, config.data.channels
    _check_shapes(config.choices["model"], node, size, channels, config.allow)


@cache
def _check_shapes(
    name: str, node: str, size: tuple[int, int], channels: int, allow: tuple[str, ...]
) -> None:
    """Run the network on one image of the config's size and channels.

    On the CPU: the meta device would import the compiler, which takes over a second.
    """
    try:
        model = build("model", json.loads(node), allow).eval()
    except (RuntimeError, MemoryError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"model={name}: cannot be built on this machine ({reason})") from error
    _check_multiple(name, size, int(getattr(model, "size_multiple", 1)))
    try:
        with torch.inference_mode():
            logits = model(torch.zeros(1, channels, *size))
    except (ValueError, RuntimeError, TypeError) as error:
        raise ConfigError(
            f"model={name}: does not accept {channels} x {size[0]} x {size[1]} images "
            f"({str(error).splitlines()[0]})"
        ) from error
    if tuple(getattr(logits, "shape", ())) != (1, 1, *size):
        raise ConfigError(f"model={name}: must return logits (B, 1, H, W), one per pixel")


def _check_multiple(name: str, size: tuple[int, int], multiple: int) -> None:
    """Raise ConfigError if a side of *size* is not a multiple of *multiple*."""
    for side in size:
        if side % multiple:
            near = sorted({max(side // multiple, 2) * multiple, (side // multiple + 1) * multiple})
            raise ConfigError(
                f"data.size={side}: model={name} needs a multiple of "
                f"{multiple}; the nearest are {' and '.join(map(str, near))}"
            )
