"""Check a composed config: the type and range of each key, the arguments of each option."""

import re
from collections.abc import Callable, Mapping
from functools import cache, partial, wraps
from typing import ParamSpec, TypeVar

from segsweep.config.allow import granted
from segsweep.config.identity import NEUTRAL, allowed
from segsweep.config.kept_checks import keep_node, known_node
from segsweep.config.patterns import split_patterns
from segsweep.config.run_config import COMMON, Values, copied
from segsweep.config.schema import OPTION_NODES, Config, DataConfig
from segsweep.config.targets import check_node
from segsweep.config.validate import check_section, raise_all
from segsweep.errors import ConfigError
from segsweep.system.installation import conf_folder

P = ParamSpec("P")
R = TypeVar("R")
DRAWN = "segsweep.data.synthetic.Synthetic"
"""The class whose images all have the size `side`; with `data.size=side` nothing is resized."""
OF_SMP = "segsweep.models.smp.smp"
"""What builds networks of a library whose architectures may be named in any case."""
SWEEP_NAME = re.compile(r"[^\W_][\w .+=-]{0,99}")


def once(function: Callable[P, R]) -> Callable[P, R]:
    """Call *function* once for equal arguments, which are plain values; results are copied.

    The runs of a sweep share most of their parts. Arguments are compared as text, in which 1,
    1.0 and true differ. A call that raised is repeated.
    """
    known: dict[str, R] = {}

    @wraps(function)
    def cached(*arguments: P.args, **named: P.kwargs) -> R:
        key = f"{arguments!r}{named!r}"
        if key not in known:
            known[key] = function(*arguments, **named)
        return copied(known[key])

    return cached


def check_config(values: Values, choices: Mapping[str, str]) -> dict[str, object]:
    """Return the config complete, coerced and with its `choices`; *values* are resolved.

    Raises ConfigError with a line for each problem, or only one for a package that the user
    did not allow.
    """
    problems: list[str] = []
    checked = collect(problems, lambda: check_section(Config, values)) or dict(values)
    checked["allow"] = granted(allowed(checked))
    allow = tuple(allowed(checked))
    for node in OPTION_NODES:
        if line := _other_class(node, values, choices):
            problems.append(line)
        elif node in choices:
            given = checked[node]
            checked[node] = collect(problems, partial(_checked_node, node, given, allow))
    collect(problems, lambda: check_sweep_name(str(checked["sweep"])))
    collect(problems, lambda: _check_places(checked))
    collect(problems, lambda: _check_boundary(checked))
    problems += [
        f"{node}: choose one option, {node}=<name>; compare several with -m {node}=<name>,<name>"
        for node in OPTION_NODES
        if node not in choices
    ]
    raise_all(problems)
    checked["choices"] = {node: choices[node] for node in OPTION_NODES}
    return checked


def check_sweep_name(name: str) -> None:
    """Raise ConfigError unless *name* is a plain folder name."""
    if not SWEEP_NAME.fullmatch(name) or name != name.strip():
        raise ConfigError(
            f"sweep={name}: a folder name of letters, digits, space and _ . + = - "
            "that starts with a letter or digit; outputs=<folder> says where it is"
        )


def _check_places(config: Values) -> None:
    """Raise ConfigError for a path that is empty, as from an unset shell variable, or has a ~."""
    outputs = str(config["outputs"])
    if not outputs.strip() or outputs.startswith("~"):
        raise ConfigError(f"outputs={outputs}: give the path of a folder, without ~")
    data = config["data"] if isinstance(config["data"], Mapping) else {}
    split = data.get("split") or {}
    if split.get("file") == "":
        raise ConfigError("data.split.file is empty; give it as data.split.file=<path>, or null")
    others = [key for key in ("file", "fold") if split.get(key) is not None]
    if split.get("given") and others:
        raise ConfigError(
            f"data.split.given={str(split['given']).lower()}: not allowed with "
            f"data.split.{others[0]}; set only one"
        )
    if split.get("file") and split.get("fold") is not None:
        raise ConfigError(
            f"data.split.fold={split['fold']}: not allowed with data.split.file; set only one"
        )
    if split.get("fold") is not None and split.get("test") == 0:
        raise ConfigError(
            f"data.split.fold={split['fold']}: not allowed with data.split.test=0, since each fold "
            "is a test part; leave one of them out"
        )


def _check_boundary(config: Values) -> None:
    """Raise ConfigError for distances between outlines without masks at the native size."""
    evaluate = config.get("evaluate")
    if not isinstance(evaluate, Mapping):
        return
    if evaluate.get("boundary") is True and evaluate.get("at") == "train":
        raise ConfigError(
            "evaluate.at=train: not allowed with evaluate.boundary=true, which measures at the "
            "images' native size; use evaluate.at=both"
        )
    data = config["data"] if isinstance(config["data"], Mapping) else {}
    if evaluate.get("boundary") is True and (data.get("split") or {}).get("test") == 0:
        raise ConfigError(
            "evaluate.boundary=true: not allowed with data.split.test=0, since it measures test "
            "images; leave one of them out"
        )


def _other_class(node: str, values: Values, choices: Mapping[str, str]) -> str:
    """Return a message if a shipped option has another class; ids contain only option names."""
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
    """Return the class that a shipped option names, "" for a user's own option."""
    file = conf_folder() / node / f"{option}.yaml"
    if not file.is_file():
        return ""
    found = re.search(r"^_target_: *(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else ""


@once
def _checked_node(node: str, values: object, allow: tuple[str, ...]) -> dict[str, object]:
    known = known_node(node, values, allow)
    if known is None:
        known = _newly_checked(node, values, allow)
        keep_node(node, values, allow, known)
    return known


def _newly_checked(node: str, values: object, allow: tuple[str, ...]) -> dict[str, object]:
    if node != "data" or not isinstance(values, Mapping):
        other = check_node(node, values, allow, ("every",) if node == "scheduler" else ())
        if other["_target_"] == OF_SMP:  # one network has one id
            other["architecture"] = str(other["architecture"]).lower()
        return other
    problems: list[str] = []
    common = {key: values[key] for key in COMMON if key in values}
    rest = {key: value for key, value in values.items() if key not in COMMON}
    source = collect(problems, lambda: split_patterns(check_node(node, rest, allow, COMMON)))
    section = collect(problems, lambda: check_section(DataConfig, common, "data."))
    raise_all(problems)
    checked = {**(source or {}), **(section or {})}
    side = checked.get("side")
    if checked["_target_"] == DRAWN and checked["size"] in (side, [side, side]):
        checked["resize"] = NEUTRAL["data.resize"]  # both ways are the same: one id, one cell
    return checked


def collect(problems: list[str], function: Callable[[], R]) -> R | None:
    """Return what *function* returns; a ConfigError adds its lines to *problems* instead."""
    try:
        return function()
    except ConfigError as error:
        problems += str(error).splitlines()
        return None
