"""A folder that is there whole or not at all."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from segsweep.system.files import remove_left, resolved, scratch_folder


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Yield a private temporary folder; it becomes *path* only if the block succeeds.

    *path* is missing or an empty folder. What a killed process left is removed.
    """
    path = resolved(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".{path.name}.unfinished-"
    remove_left(path.parent, prefix)
    with scratch_folder(path.parent, prefix) as temporary:
        yield temporary
        temporary.replace(path)
