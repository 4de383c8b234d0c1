"""Build all objects of a config once, without data, before the first run starts.

Finds problems that show only then: sizes, channels, arguments that constructors refuse.
"""

import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial

import torch

from segsweep.config.check import collect, once
from segsweep.config.run_config import Node, RunConfig
from segsweep.config.targets import build
from segsweep.config.validate import raise_all
from segsweep.errors import ConfigError
from segsweep.training.build import build_optimizer, build_scheduler
from segsweep.training.device import check_device
from segsweep.training.room import Step, large_output

MARK = "__dynamo_disable"
"""The attribute by which torch remembers that its compiler leaves a function alone."""


def call_here(
    config: RunConfig, nodes: Sequence[str], function: Callable[..., None], *arguments: object
) -> None:
    """Call a check of some option *nodes* in this process."""
    function(*arguments)


def check_built(config: RunConfig, call: Callable[..., None] = call_here) -> None:
    """Build all objects of a config; raise one ConfigError that lists every problem.

    Each check is called by *call*.
    """
    problems: list[str] = []

    def check(nodes: Sequence[str], function: Callable[..., None], *given: object) -> None:
        collect(problems, lambda: call(config, nodes, function, *given, config.allow))

    collect(problems, lambda: check_device(config.device, config.trainer.precision))
    check(["model"], check_model, *_model_of(config))
    check(["loss"], check_loss, config.choices["loss"], config.loss, config.data.ignores)
    check(["augment"], check_builds, "augment", config.augment)
    check(["optimizer", "scheduler"], check_steps, config.optimizer, config.scheduler)
    raise_all(problems)


@once
def check_builds(node: str, values: Node, allow: tuple[str, ...]) -> None:
    """Build the object of an option node."""
    build(node, values, allow)


@once
def check_loss(name: str, values: Node, ignores: bool, allow: tuple[str, ...]) -> None:
    """Build the loss; if pixels may be ignored, it must take an argument `valid`."""
    loss = build("loss", values, allow)
    if not ignores:
        return
    parameters = inspect.signature(getattr(loss, "forward", loss)).parameters
    every = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    if "valid" not in parameters and not every:
        raise ConfigError(
            f"loss={name}: not allowed with data.ignore: {values['_target_']} would count ignored "
            "pixels; give its forward an argument valid=None, the pixels that count, "
            "(B, 1, H, W) bool"
        )


@once
def check_steps(optimizer: Node, scheduler: Node, allow: tuple[str, ...]) -> None:
    """Build the optimizer and its scheduler."""
    weight = torch.nn.Parameter(torch.zeros(1))
    with _without_compiler():
        built = build_optimizer(optimizer, [weight], allow)
    build_scheduler(scheduler, built, optimizer, 100, allow)


@contextmanager
def _without_compiler() -> Iterator[None]:
    """Keep torch from importing its compiler, over a second, to mark a function of the optimizer.

    The mark says that the compiler leaves the function alone. Here nothing is compiled, so the
    function itself serves as the marked one. If torch no longer has it, the check is only slower.
    """
    function = getattr(torch.optim.Optimizer.add_param_group, "__wrapped__", None)
    if function is None or hasattr(function, MARK):
        yield
        return
    setattr(function, MARK, function)
    try:
        yield
    finally:
        delattr(function, MARK)


def _model_of(config: RunConfig) -> tuple[str, str, Step]:
    """Return what `check_model` needs: the option, its node, and a training step."""
    node = json.dumps(config.model, sort_keys=True)
    kind = config.device.partition(":")[0]
    step = Step(
        size=config.data.height_width,
        channels=config.data.channels,
        batch=config.trainer.batch,
        value_bytes=4 if config.trainer.precision == "float32" else 2,
        on_gpu=kind == "cuda" or (kind == "auto" and torch.cuda.device_count() > 0),
        size_key=config.data.size_key,
    )
    return config.choices["model"], node, step


@cache
def check_model(name: str, node: str, step: Step, allow: tuple[str, ...]) -> None:
    """Run the network on one image, without numbers if it is large.

    A small one is run with numbers, on the CPU: without them torch would import the compiler,
    which takes over a second.
    """
    size, make = step.size, partial(build, "model", json.loads(node), allow)
    try:
        found = large_output(name, make, step)
        model, shape = found if found is not None else (make().eval(), ())
    except (RuntimeError, MemoryError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"model={name}: cannot be built on this machine ({reason})") from error
    _check_multiple(name, step, int(getattr(model, "size_multiple", 1)))
    if not shape:
        try:
            with torch.inference_mode():
                logits = model(torch.zeros(1, step.channels, *size))
        except Exception as error:  # a user's network may raise anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise ConfigError(
                f"model={name}: does not accept {step.channels} x {size[0]} x {size[1]} images "
                f"({reason})"
            ) from error
        shape = tuple(getattr(logits, "shape", ()))
    if shape != (1, 1, *size):
        raise ConfigError(f"model={name}: must return logits (B, 1, H, W), one per pixel")


def _check_multiple(name: str, step: Step, multiple: int) -> None:
    """Raise ConfigError if a side of the images is not a multiple of *multiple*."""
    for side in step.size:
        if side % multiple:
            near = sorted({max(side // multiple, 2) * multiple, (side // multiple + 1) * multiple})
            raise ConfigError(
                f"{step.size_key}={side}: model={name} needs a multiple of "
                f"{multiple}; the nearest are {' and '.join(map(str, near))}"
            )
