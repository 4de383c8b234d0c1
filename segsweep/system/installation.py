"""Where segsweep is installed; no other module works this out from its own path."""

import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from segsweep.system.files import file_stamp, text_digest

PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of the package `segsweep`."""


def checkout() -> Path | None:
    """Return the git checkout that the package runs from; None for an installed package."""
    return PACKAGE.parent if (PACKAGE.parent / ".git").exists() else None


@cache
def conf_folder() -> Path:
    """Return the folder of config groups: in the package if installed, next to it in a checkout."""
    inside = PACKAGE / "conf"
    return inside if inside.is_dir() else PACKAGE.parent / "conf"


@cache
def code_stamp() -> str:
    """Return a digest that differs if segsweep, or what it calls, is another version.

    Of segsweep every file counts, of the others the version and the file that is imported first.
    """
    seen = [(str(path), file_stamp(path)) for path in sorted(PACKAGE.rglob("*.py"))]
    others = [(name, _version(name), _first_file(name)) for name in LIBRARIES]
    return text_digest(repr((sys.version, seen, others)))


LIBRARIES = ("torch", "torchvision", "numpy", "hydra-core", "omegaconf")
"""Distributions whose classes a config may name, or that compose it."""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _first_file(name: str) -> tuple[object, ...]:
    found = find_spec(name.removesuffix("-core"))
    return (
        () if found is None or not found.origin else (found.origin, file_stamp(Path(found.origin)))
    )
