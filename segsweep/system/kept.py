"""Results that one command keeps for the next ones, as JSON in a file that may be deleted."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from segsweep.system.files import read_plain, text_digest, write_text

MOST_BYTES = 1 << 25
"""A larger file was not written by a command."""


class Kept:
    """Key -> plain value, read from a file and written to it.

    The file counts only with the *stamp* it was written with: a digest of all that the values
    depend on. One that is damaged or has another stamp is ignored, and replaced by `save`.
    Several commands may use one file: the last one to save wins.
    """

    def __init__(self, path: Path, stamp: str, most: int) -> None:
        """Read the file at *path*; at *most* that many values are kept, the oldest go first."""
        self.path, self.stamp, self.most = path, stamp, most
        self._values = _read(path, stamp)
        self._changed = False

    def __getitem__(self, key: str) -> object:
        """Return the value of *key*, None if there is none."""
        return self._values.get(key)

    def __setitem__(self, key: str, value: object) -> None:
        """Keep *value*, unless JSON would change it."""
        with suppress(TypeError, ValueError, RecursionError):
            if repr(json.loads(json.dumps(value))) == repr(value):
                self._values[key] = value
                self._changed = True

    def save(self) -> None:
        """Write what is new, if the file's folder exists and can be written to."""
        if not self._changed or not self.path.parent.is_dir():
            return
        values = dict(list(self._values.items())[-self.most :])
        body = json.dumps(values)
        header = json.dumps({"stamp": self.stamp, "sha256": text_digest(body)})
        with suppress(OSError):  # a read-only folder or a full disk: the next command computes
            write_text(self.path, f"{header}\n{body}\n")
            self._changed = False


def _read(path: Path, stamp: str) -> dict[str, object]:
    """Return the values in a file; none if it is missing, damaged or of another stamp."""
    try:
        header, _, body = read_plain(path, MOST_BYTES).decode().partition("\n")
        said, body = json.loads(header), body.removesuffix("\n")
        fits = isinstance(said, Mapping) and said.get("stamp") == stamp
        if not fits or said.get("sha256") != text_digest(body):
            return {}
        values = json.loads(body)
    except (OSError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
