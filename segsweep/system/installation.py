"""Where segsweep is installed; no other module works this out from its own path."""

from functools import cache
from pathlib import Path

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
