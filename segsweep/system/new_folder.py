"""A folder that is there whole or not at all."""

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path

from segsweep.system.files import resolved


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a private temporary folder; it becomes *path* only if the block succeeds.

    *path* is missing or an empty folder. What a killed process of this machine left is removed.
    """
    path = resolved(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    start = f".{path.name}.{platform.node()}-"
    for left in path.parent.glob(f"{escape(start)}*.tmp"):
        if not _is_running(left.name.removeprefix(start).removesuffix(".tmp")):
            shutil.rmtree(left, ignore_errors=True)
    temporary = path.with_name(f"{start}{os.getpid()}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _is_running(process: str) -> bool:
    """Whether the process of that number runs; True for what is no number."""
    if not process.isdecimal():
        return True
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True
