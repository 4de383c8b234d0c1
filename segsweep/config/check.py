"""Check a composed config as a whole, before anything is trained.

First every key's type and range, then what only shows when things are built: network,
loss, optimizer, scheduler, augmentation.
"""

import dataclasses
import inspect
import json
import re
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

from segsweep.config.schema import (
    OPTION_NODES,
    Config,
    DataConfig,
    SplitConfig,
    check_section,
    raise_all,
)
from segsweep.config.targets import build, check_node
from segsweep.errors import ConfigError
from segsweep.system.installation import conf_folder

P = ParamSpec("P")
R = TypeVar("R")
COMMON = tuple(item.name for item in dataclasses.fields(DataConfig))
SWEEP_NAME = re.compile(r"[^\W_][\w .+=-]{0,99}")


def once(function: Callable[P, R]) -> Callable[P, R]:
    """Call *function* once for equal arguments, which are plain values; results are copied.

    The runs of a sweep have most of their parts in common. Told apart by their text, in which
    1, 1.0 and true differ. What was refused is tried again.
    """
    known: dict[str, R] = {}

    @wraps(function)
    def remembering(*arguments: P.args, **named: P.kwargs) -> R:
        key = f"{arguments!r}{named!r}"
        if key not in known:
            known[key] = function(*arguments, **named)
        return copied(known[key])

    return remembering


def copied(values: Any) -> Any:
    """Return plain *values* with dicts and lists of their own."""
    if isinstance(values, dict):
        return {key: copied(item) for key, item in values.items()}
    return [copied(item) for item in values] if isinstance(values, list) else values


def check_config(
    values: Mapping[str, Any], choices: Mapping[str, Any], *, built: bool = True
) -> dict[str, Any]:
    """Return the config complete, coerced and with its `choices`; values are resolved.

    With *built*, all that it names is built once too: what was planned has been, and need not
    be again.

    Raises ConfigError with a line for each problem.
    """
    problems: list[str] = []
    checked = _collect(problems, check_section, Config, values) or dict(values)
    for node in OPTION_NODES:
        if line := _other_class(node, values, choices):
            problems.append(line)
        else:
            allow = tuple(checked.get("allow") or ())
            checked[node] = _collect(problems, _checked_node, node, checked[node], allow)
    _collect(problems, check_sweep_name, str(checked["sweep"]))
    _collect(problems, _check_places, checked)
    problems += [
        f"{node}: choose one option, {node}=<name>; -m {node}=<name>,<name> compares several"
        for node in OPTION_NODES
        if node not in choices
    ]
    raise_all(problems)
    checked["choices"] = {node: choices[node] for node in OPTION_NODES}
    if built:
        check_built(checked)
    return checked


def check_sweep_name(name: str) -> None:
    """Raise ConfigError unless *name* is one plain folder name."""
    if not SWEEP_NAME.fullmatch(name) or name != name.strip():
        raise ConfigError(
            f"sweep={name}: a folder name of letters, digits, space and _ . + = - "
            "that starts with a letter or digit; outputs=<folder> says where it stands"
        )


def _check_places(config: Mapping[str, Any]) -> None:
    """Raise ConfigError for a folder or file that an empty shell variable would give."""
    outputs = str(config["outputs"])
    if not outputs.strip() or outputs.startswith("~"):
        raise ConfigError(f"outputs={outputs}: give a folder, written out in full")
    split = (config["data"] if isinstance(config["data"], Mapping) else {}).get("split") or {}
    if split.get("file") == "":
        raise ConfigError("data.split.file is empty; give it as data.split.file=<path>, or null")
    if split.get("file") and split.get("fold") is not None:
        raise ConfigError(
            f"data.split.fold={split['fold']}: data.split.file gives the split; set one of the two"
        )


def _other_class(node: str, values: Mapping[str, Any], choices: Mapping[str, Any]) -> str:
    """Return a line if a shipped option was given another class: ids go by option names."""
    named = values.get(node)
    if not isinstance(named, Mapping) or "_target_" not in named:
        return ""
    shipped = _shipped_target(node, str(choices.get(node)))
    if shipped in ("", named["_target_"]):
        return ""
    return (
        f"{node}._target_={named['_target_']}: {node}={choices[node]} is {shipped}; "
        f"put another class into a file conf/{node}/<name>.yaml"
    )


@cache
def _shipped_target(node: str, option: str) -> str:
    """Return the class that an option of ours names, "" for an option that is not ours."""
    file = conf_folder() / node / f"{option}.yaml"
    if not file.is_file():
        return ""
    found = re.search(r"^_target_: *(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


def check_built(config: Mapping[str, Any]) -> None:
    """Build everything that a config names, without data; raise ConfigError listing misfits."""
    from segsweep.training.device import check_device

    problems: list[str] = []
    allow = tuple(config["allow"])
    _collect(problems, check_device, config["device"], config["trainer"]["precision"])
    _collect(problems, _check_model, config)
    for node in ("loss", "augment"):
        _collect(problems, _check_node_builds, node, config[node], allow)
    _collect(problems, _check_steps, config["optimizer"], config["scheduler"], allow)
    raise_all(problems)


@once
def _check_node_builds(node: str, values: Mapping[str, Any], allow: tuple[str, ...]) -> None:
    build(node, values, allow)


@once
def _check_steps(
    optimizer: Mapping[str, Any], scheduler: Mapping[str, Any], allow: tuple[str, ...]
) -> None:
    """Build the optimizer, and the scheduler on it."""
    import torch

    config = {"optimizer": optimizer, "scheduler": scheduler, "allow": allow}
    weight = torch.nn.Parameter(torch.zeros(1))
    build_scheduler(config, build_optimizer(config, [weight]), 100)


def build_optimizer(config: Mapping[str, Any], parameters: Any) -> Any:
    """Return the optimizer over *parameters*."""
    return build("optimizer", config["optimizer"], config["allow"], params=parameters)


def build_scheduler(config: Mapping[str, Any], optimizer: Any, total: int) -> Any:
    """Return the scheduler; *total* is the run's length in the unit in which it steps."""
    every = config["scheduler"].get("every")
    if every not in ("step", "epoch", "val_loss"):
        raise ConfigError(f"scheduler.every={every}: allowed are step, epoch, val_loss")
    lengths = dict.fromkeys(("total_steps", "T_max", "total_iters"), total)
    peak = config["optimizer"].get("lr", optimizer.defaults.get("lr"))
    given = {"optimizer": optimizer, "max_lr": peak, **lengths}
    scheduler = build("scheduler", config["scheduler"], config["allow"], **given)
    if _goes_by_loss(scheduler) != (every == "val_loss"):
        told = "takes no loss; allowed are step, epoch"
        wants = "goes by a loss; allowed is val_loss"
        what = told if every == "val_loss" else wants
        raise ConfigError(f"scheduler.every={every}: {type(scheduler).__name__} {what}")
    return scheduler


def _goes_by_loss(scheduler: Any) -> bool:
    """Whether the scheduler's step must be given a figure, as ReduceLROnPlateau's must."""
    first = next(iter(inspect.signature(scheduler.step).parameters.values()), None)
    usual = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return first is not None and first.kind in usual and first.default is first.empty


def image_size(config: Mapping[str, Any]) -> tuple[int, int]:
    """Return the height and width that the network sees."""
    size = config["data"]["size"]
    if isinstance(size, int):
        return size, size
    if len(size) != 2:
        raise ConfigError(f"data.size={size}: one number, or [height, width]")
    return size[0], size[1]


def split_config(config: Mapping[str, Any]) -> SplitConfig:
    """Return the split's settings."""
    return SplitConfig(**config["data"]["split"])


def source_node(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data node without what every data set has: the source's own arguments."""
    return {key: value for key, value in config["data"].items() if key not in COMMON}


@once
def _checked_node(node: str, values: Any, allow: tuple[str, ...]) -> dict[str, Any]:
    if node != "data" or not isinstance(values, Mapping):
        return check_node(node, values, allow, ("every",) if node == "scheduler" else ())
    problems: list[str] = []
    common = {key: values[key] for key in COMMON if key in values}
    rest = {key: value for key, value in values.items() if key not in COMMON}
    checked = _collect(problems, check_node, node, rest, allow, COMMON) or {}
    checked |= _collect(problems, check_section, DataConfig, common, "data.") or {}
    raise_all(problems)
    return checked


def _check_model(config: Mapping[str, Any]) -> None:
    node = json.dumps(config["model"], sort_keys=True)
    channels = config["data"]["channels"]
    _check_shapes(
        config["choices"]["model"], node, image_size(config), channels, tuple(config["allow"])
    )


@cache
def _check_shapes(
    name: str, node: str, size: tuple[int, int], channels: int, allow: tuple[str, ...]
) -> None:
    """Send one image through the network: sizes and channels must fit.

    For real and not on the meta device, which imports the compiler (over a second).
    """
    import torch

    try:
        model = build("model", json.loads(node), allow).eval()
    except (RuntimeError, MemoryError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(f"model={name}: cannot be built on this machine ({reason})") from error
    multiple = int(getattr(model, "size_multiple", 1))
    for side in size:
        if side % multiple:
            near = sorted({max(side // multiple, 2) * multiple, (side // multiple + 1) * multiple})
            raise ConfigError(
                f"data.size={side}: model={name} needs a multiple of "
                f"{multiple}; the nearest are {' and '.join(map(str, near))}"
            )
    try:
        with torch.inference_mode():
            logits = model(torch.zeros(1, channels, *size))
    except (ValueError, RuntimeError, TypeError) as error:
        raise ConfigError(
            f"model={name}: does not take {channels} x {size[0]} x {size[1]} images "
            f"({str(error).splitlines()[0]})"
        ) from error
    if tuple(getattr(logits, "shape", ())) != (1, 1, *size):
        raise ConfigError(f"model={name}: must return logits (B, 1, H, W), one per pixel")


def _collect(problems: list[str], function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except ConfigError as error:
        problems += str(error).splitlines()
        return None
