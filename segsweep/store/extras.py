"""Quick checks of the stored files of a finished run that no table needs. No torch."""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

from segsweep.errors import StoredFileError
from segsweep.store.paths import RunPaths
from segsweep.system.files import open_plain


def damaged_extras(paths: RunPaths) -> Iterator[StoredFileError]:
    """Yield what is wrong with the outlines and the checkpoints of a finished run, if they exist.

    Only their ends are read, which takes microseconds: a command does this for all of its runs.
    """
    if paths.outlines.exists() and not _is_whole_json(paths.outlines):
        yield StoredFileError(paths.outlines, "damaged, not JSON")
    if paths.checkpoints.is_dir():
        for path in sorted(paths.checkpoints.glob("*.pt")):
            if not _is_archive(path):
                yield StoredFileError(path, "damaged, not a checkpoint")


def _is_whole_json(path: Path) -> bool:
    """Whether a file begins and ends as a JSON object does."""
    try:
        with open_plain(path) as file:
            start = file.read(1)
            file.seek(max(file.seek(0, os.SEEK_END) - 2, 0))
            return start == b"{" and file.read().rstrip() == b"}"
    except OSError:
        return False


def _is_archive(path: Path) -> bool:
    """Whether a file ends as torch's files do, which are ZIP archives."""
    try:
        with open_plain(path) as file:
            return zipfile.is_zipfile(file)
    except OSError:
        return False
