"""Option nodes: find the class in `_target_`, check its arguments, and call it.

A user's own class works like one of segsweep once its package is allowed.
"""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from segsweep.config.allow import how_to_allow, is_reserved
from segsweep.config.kept_checks import keep_paths, known_paths
from segsweep.config.limits import NO_LIMITS, Limits
from segsweep.config.trusted import (
    SOURCES,
    TRUSTED,
    check_group,
    check_no_download,
    check_trusted,
    home_of,
    is_in,
    not_named,
)
from segsweep.config.validate import Hint, coerce, raise_all, unknown_key, within
from segsweep.errors import ConfigError, SegsweepError

UNCHECKED: Hint = Any
Arguments: TypeAlias = dict[str, tuple[Hint, bool]]
"""Name -> (annotation, required) of each parameter."""
CONTROL = ("_target_", "every")
"""Keys of a node that are not arguments."""
GIVEN = ("params", "optimizer", "total_steps", "T_max", "total_iters", "max_lr", "self")
"""Arguments that segsweep supplies; a config may still set those that are numbers."""
RANGES = {
    "optimizer.lr": Limits(above=0),
    "optimizer.weight_decay": Limits(low=0),
    "optimizer.momentum": Limits(low=0, below=1),
    "scheduler.eta_min": Limits(low=0),
    "scheduler.factor": Limits(above=0, high=1),
    "scheduler.patience": Limits(low=0),
    "scheduler.cooldown": Limits(low=0),
    "scheduler.total_iters": Limits(low=0),
}
"""Limits of the arguments of classes that segsweep does not define."""


def locate(target: str, allow: Sequence[str] = ()) -> Callable[..., Any]:
    """Return the class or function at the dotted path *target*.

    Only packages in TRUSTED, SOURCES or *allow* are imported, because importing a module runs
    it. A name that a trusted module has imported from elsewhere is not trusted, and neither is
    one of Python's own that an allowed package has imported. Raises ConfigError.
    """
    allow = tuple(allow)
    if not is_in(target, (*TRUSTED, SOURCES, *allow)):
        package = target.split(".")[0]
        if package in {name.split(".")[0] for name in TRUSTED}:
            raise ConfigError(f"_target_={target}: {not_named(package)}")
        line = f"_target_={target}: package {package!r} is not trusted"
        yours = f"; if it is yours, {how_to_allow(package)}"
        raise ConfigError(line if is_reserved(package) else line + yours)
    found = imported(target, f"_target_={target}")
    if not callable(found):
        raise ConfigError(f"_target_={target}: is not a class or function")
    if not _is_users(target, found, allow):
        check_trusted(target, found)
    return found


def imported(target: str, where: str) -> Any:
    """Return what is at the dotted path *target*, of a package that is allowed.

    Raises ConfigError, in which *where* names the place of the path, if it cannot be imported.
    """
    module, _, name = target.rpartition(".")
    try:
        _add_working_folder(target.split(".")[0])
        return getattr(importlib.import_module(module), name)
    except Exception as error:  # a user's module may raise anything
        raise ConfigError(f"{where}: cannot be imported ({_error_text(error)})") from error


def _is_users(target: str, found: object, allow: tuple[str, ...]) -> bool:
    """Whether *found* is code of an allowed package, or of one that it may import from."""
    named = inspect.isclass(found) or inspect.isroutine(found)
    return is_in(target, allow) and not (named and is_reserved(home_of(found)))


def _add_working_folder(package: str) -> None:
    """Make a package in the working folder importable, as `python -m` does."""
    here = str(Path.cwd())
    if here not in sys.path and importlib.util.find_spec(package) is None:
        sys.path.append(here)


def _error_text(error: Exception) -> str:
    plain = isinstance(error, ImportError | AttributeError | ValueError | TypeError)
    text = " ".join(str(error).split())
    return text if plain and text else f"{type(error).__name__}: {text}".removesuffix(": ")


def is_users(target: str, allow: Sequence[str]) -> bool:
    """Whether *target* is in a package that the user allows: importing it may do anything."""
    return is_in(target, tuple(allow))


def remember(target: str, allow: Sequence[str], found: Arguments | str) -> None:
    """Use what another process found out about *target*: its parameters, or an error."""
    _remembered[target, tuple(allow)] = found


_remembered: dict[tuple[str, tuple[str, ...]], Arguments | str] = {}


def portable_arguments(target: str, allow: Sequence[str]) -> Arguments:
    """Return the parameters of *target*; annotations by classes of the user become Any."""
    known = arguments_of(target, tuple(allow))
    return {
        name: (hint if _is_plain(hint) else UNCHECKED, need) for name, (hint, need) in known.items()
    }


def _is_plain(hint: Hint) -> bool:
    if hint in (UNCHECKED, Ellipsis) or isinstance(hint, str | int | float | None):
        return True
    if inner := get_args(hint):
        return all(map(_is_plain, inner)) and _is_plain(get_origin(hint))
    homes = ("builtins", "typing", "types", "pathlib", "collections.abc")
    return getattr(hint, "__module__", "") in homes


def arguments_of(target: str, allow: tuple[str, ...] = ()) -> Arguments:
    """Return name -> (annotation, required) for the parameters of *target*."""
    known = _remembered.get((target, allow))
    if isinstance(known, str):
        raise ConfigError(known)
    return _arguments_of(target, allow) if known is None else known


@cache
def _arguments_of(target: str, allow: tuple[str, ...]) -> Arguments:
    function = locate(target, allow)
    called = function.__init__ if inspect.isclass(function) else function
    try:
        hints = get_type_hints(called)
    except (NameError, TypeError):
        hints = {}  # annotations that cannot be read are not checked
    return {
        name: (hints.get(name, UNCHECKED), parameter.default is parameter.empty)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def check_node(
    node: str, values: object, allow: Sequence[str] = (), other_keys: Sequence[str] = ()
) -> dict[str, object]:
    """Return the arguments of option node *node*, coerced to its target's annotations.

    *other_keys* are keys of the node that are not arguments. Raises ConfigError with a line
    for each argument that is unknown, missing or invalid.
    """
    if not isinstance(values, Mapping) or "_target_" not in values:
        raise ConfigError(f"{node}={values!r}: choose one of the options in conf/{node}/")
    target = str(values["_target_"])
    known = arguments_of(target, tuple(allow))
    if (target, tuple(allow)) not in _remembered:
        check_trusted_node(node, target, values, tuple(allow))
    checked: dict[str, object] = {key: values[key] for key in CONTROL if key in values}
    problems = []
    for key, value in values.items():
        if key == "_target_" or (key == "every" and node == "scheduler"):
            continue
        if key not in known:
            problems.append(unknown_key(f"{node}.{key}", {*known, *other_keys} - {*GIVEN}))
            continue
        try:
            checked[key] = _check_argument(f"{node}.{key}", value, known[key][0])
        except ConfigError as error:
            problems.append(str(error))
    needed = [key for key, (_, required) in known.items() if required and key not in GIVEN]
    problems += [f"{node}.{key} is not set" for key in needed if key not in values]
    raise_all(problems)
    return checked


def check_trusted_node(
    node: str, target: str, values: Mapping[str, object], allow: tuple[str, ...]
) -> None:
    """Raise ConfigError if a trusted target is of another group, or would download weights."""
    found = locate(target, allow)
    if not _is_users(target, found, allow):
        check_group(node, target, found)
        check_no_download(node, found, values)


def _check_argument(key: str, value: object, hint: Hint) -> object:
    if _is_path(hint) and value == "":
        raise ConfigError(f"{key} is empty; give it as {key}=<path>")
    limits = RANGES.get(key, NO_LIMITS)
    return plain(within(key, coerce(key, value, hint), limits))


def plain(value: object) -> object:
    """Return *value* as in YAML and JSON: paths as text, tuples as lists."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def path_arguments(target: str, allow: Sequence[str] = ()) -> frozenset[str]:
    """Return the names of arguments annotated as Path; ids contain the content of their files."""
    return _path_arguments(target, tuple(allow))


@cache
def _path_arguments(target: str, allow: tuple[str, ...]) -> frozenset[str]:
    paths = known_paths(target, allow)
    if paths is None:
        known = arguments_of(target, allow)
        paths = frozenset(name for name, (hint, _) in known.items() if _is_path(hint))
        keep_paths(target, allow, paths)
    return paths


def _is_path(hint: Hint) -> bool:
    union = get_origin(hint) in (Union, UnionType)
    return hint is Path or (union and any(map(_is_path, get_args(hint))))


def build(
    node: str,
    values: Mapping[str, object],
    allow: Sequence[str] = (),
    given: Mapping[str, object] | None = None,
) -> Any:
    """Call the node's target with its arguments, and with those *given* that it accepts.

    Values of the config take precedence over *given* ones. An error that the target raises
    becomes a ConfigError that names the node.
    """
    target = str(values["_target_"])
    known = arguments_of(target, tuple(allow))
    arguments = {key: value for key, value in (given or {}).items() if key in known}
    for key, value in values.items():
        if key not in CONTROL:
            arguments[key] = _expanded(coerce(f"{node}.{key}", value, known[key][0]))
    try:
        return locate(target, allow)(**arguments)
    except (SegsweepError, MemoryError, RuntimeError):  # torch's errors describe this machine
        raise
    except Exception as error:
        raise ConfigError(f"{node}: {_error_text(error)}") from error


def _expanded(value: object) -> object:
    return value.expanduser() if isinstance(value, Path) else value
