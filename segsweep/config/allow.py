"""Which packages of their own the user allows a config to name.

A config is data that people send each other, so it cannot allow itself anything: packages come
from the command line or from the user's file `trust.yaml` only.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import yaml

from segsweep.errors import ConfigError

OURS = ("segsweep", "torch", "torchvision", "hydra", "hydra_plugins", "omegaconf")
"""Packages of which segsweep itself decides what a config may name."""
_ALLOW = re.compile(r"\+{0,2}allow=(.*)", re.DOTALL)
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_words: Sequence[str] | None = None
_WORD = "add allow=[{package}] to the command line"
_FLAG = "add --allow {package} to the command line (from Python: allow=['{package}'])"
_how = _WORD


@contextmanager
def command_line(words: Sequence[str]) -> Iterator[None]:
    """Take *words* as the overrides that the user wrote, until the block ends.

    Outside such a block, a config's packages were allowed before: by the command that started
    this process.
    """
    global _words
    before, _words = _words, list(words)
    try:
        yield
    finally:
        _words = before


@contextmanager
def allowed_by_flag() -> Iterator[None]:
    """Advise `--allow`, as what uses a trained network takes it, until the block ends."""
    global _how
    before, _how = _how, _FLAG
    try:
        yield
    finally:
        _how = before


def how_to_allow(package: str) -> str:
    """Return what a user does to allow a package of their own."""
    return f"{_how.format(package=package)}, or to {trust_text()}"


def granted(asked: Sequence[str]) -> list[str]:
    """Return the packages that the user allows; *asked* is the key `allow` of a composed config.

    Raises ConfigError if *asked* names one that only a config file allows, or one that nobody
    may allow.
    """
    file = trust_file()
    trusted = _trusted(file) if file is not None else []
    given = list(asked) if _words is None else [*_on_command_line(_words), *trusted]
    for name in asked:
        _check_is_name(name, f"allow=[{name or repr(name)}]")
        if name not in given:
            raise ConfigError(
                f"allow=[{name}]: set by a config file; only you may allow a package: "
                f"on the command line, allow=[{name}], or in {trust_text()}"
            )
    allowed = list(dict.fromkeys([*asked, *trusted]))
    for name in allowed:
        _check_name(name, file if name not in asked else None)
    return allowed


def is_reserved(package: str) -> bool:
    """Whether nobody may allow *package*: Python's own modules can run anything."""
    top = package.split(".")[0]
    return top in sys.stdlib_module_names or top in OURS


HOMES = ("XDG_CONFIG_HOME", "HOME", "USERPROFILE")
"""The variables that say where `trust.yaml` is."""


def trust_file() -> Path | None:
    """Return the path of the user's `trust.yaml`, which need not exist; None without a home."""
    return _trust_file(tuple(os.environ.get(name, "") for name in HOMES))


@cache
def _trust_file(places: tuple[str, ...]) -> Path | None:
    """Return the file by the environment's values of HOMES; it is asked for twice a run."""
    base = places[0]
    try:
        folder = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    except RuntimeError:  # no home folder
        return None
    return folder / "segsweep" / "trust.yaml"


def trust_text() -> str:
    """Return the place of `trust.yaml` as a user writes it."""
    file = trust_file()
    if file is None:
        return "~/.config/segsweep/trust.yaml"
    with suppress(RuntimeError, ValueError):  # no home folder, or a file outside it
        return str("~" / file.relative_to(Path.home()))
    return str(file)


def _on_command_line(words: Sequence[str]) -> list[str]:
    found = [match[1] for word in words if (match := _ALLOW.fullmatch(word)) is not None]
    return [name for value in found for name in re.split(r"[\s,\[\]()'\"]+", value) if name]


def _check_name(name: str, file: Path | None) -> None:
    where = f"allow=[{name}]" if file is None else f"{file}: allow: [{name}]"
    _check_is_name(name, where)
    if is_reserved(name):
        ours = name.split(".")[0] in OURS
        fixed = "what a config may name of it is fixed; allow a package of your own that uses it"
        python = "part of Python itself, without networks or losses; allow a package of your own"
        raise ConfigError(f"{where}: {fixed if ours else python}")


def _check_is_name(name: str, where: str) -> None:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: not the name of a package")


def _trusted(file: Path) -> list[str]:
    """Return the packages in `trust.yaml`; none if there is no such file. Raises ConfigError."""
    try:
        status = file.stat()
    except OSError:  # no such file, or a home folder that belongs to somebody else
        return []
    return list(_read(file, status.st_mtime_ns, status.st_size))


@cache
def _read(file: Path, time: int, size: int) -> tuple[str, ...]:
    """Return the packages in the version of *file* that has this *time* and *size*."""
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, RecursionError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "problem", None)
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = "" if line is None else f" in line {line + 1}"
        raise ConfigError(
            f"{file}: cannot be read ({reason or type(error).__name__}{where}); "
            "write it as allow: [mypackage], or delete it"
        ) from error
    if values is None:
        return ()
    names = values.get("allow") if isinstance(values, dict) else None
    if not isinstance(names, list) or set(values) != {"allow"} or not _all_text(names):
        raise ConfigError(f"{file}: wanted one key with a list, as in allow: [mypackage]")
    return tuple(names)


def _all_text(names: list[object]) -> bool:
    return all(isinstance(name, str) for name in names)
