"""Atomic writes, JSON, CSV, digests and locks, for every module that uses the disk."""

import csv
import errno
import hashlib
import json
import math
import os
import shutil
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from io import BufferedReader, FileIO
from pathlib import Path
from threading import get_ident
from typing import Any, TypeAlias

from filelock import FileLock, Timeout

from segsweep.system.csv_cells import Lines, safe

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object as `json` reads it: values are numbers, texts, lists, objects or None."""
MOST_BYTES = 1 << 30
"""A larger file is not read into memory at once."""


def open_plain(path: Path) -> BufferedReader:
    """Open a plain file to read its bytes; OSError for a folder, a pipe or a device.

    Opening a pipe that nobody writes to would wait for ever.
    """
    return os.fdopen(_plain_descriptor(path)[0], "rb")


def read_plain(path: Path, most: int = MOST_BYTES) -> bytes:
    """Return the bytes of a plain file; OSError as `open_plain`, or if it has more than *most*."""
    descriptor, size = _plain_descriptor(path)
    with FileIO(descriptor) as file:  # without a buffer: a large sweep has thousands of small files
        if size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
        return file.readall()


def _plain_descriptor(path: Path) -> tuple[int, int]:
    """Return the descriptor and the size of a plain file, open to be read."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return descriptor, status.st_size


def resolved(path: Path) -> Path:
    """Return the absolute path without symlinks; a symlink that leads to itself stays as it is.

    `Path.resolve` raises RuntimeError for that one, which is no OSError.
    """
    return Path(os.path.realpath(path))


NO_WRITING = (errno.EACCES, errno.EPERM, errno.EROFS)
"""The system's errors for a folder that may be read only."""


def refuses_writing(error: BaseException, folder: Path) -> bool:
    """Whether *error* says that a file inside *folder* may not be written."""
    if not isinstance(error, OSError) or error.errno not in NO_WRITING or not error.filename:
        return False
    return Path(os.fsdecode(error.filename)).absolute().is_relative_to(folder.absolute())


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a private temporary path; it becomes *path* only if the block succeeds.

    The bytes reach the disk before the file is renamed, so neither a kill nor a power
    failure leaves a half-written file under the real name.
    """
    name = os.fsdecode(os.fsencode(path.name)[:200])  # 255 bytes are allowed, with the rest
    temporary = path.with_name(f".{name}.{os.getpid()}-{get_ident()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write *text* (UTF-8) atomically: readers see the old file or the new one, never a part."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def has_text(path: Path, text: str) -> bool:
    """Whether the file at *path* exists and its content is exactly *text*."""
    try:
        data = text.encode()
        return path.stat().st_size == len(data) and read_plain(path) == data
    except OSError:
        return False


def has_content(path: Path) -> bool:
    """Whether the file at *path* exists and is not empty, as a power failure can leave it."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def write_if_changed(path: Path, text: str) -> bool:
    """Write *text* unless it is already the file's content; return whether it was written."""
    if has_text(path, text):
        return False
    write_text(path, text)
    return True


def write_json(path: Path, values: Mapping[str, object]) -> None:
    """Write *values* as indented JSON, atomically; NaN and infinities become null."""
    write_text(path, json.dumps(_without_nan(values), indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> JsonObject | None:
    """Return the JSON object in the file; None if it is missing, damaged or not an object."""
    try:
        values = json.loads(read_plain(path).decode())
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def csv_text(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> str:
    """Return *rows* as CSV with exactly *columns*; missing values and None are empty.

    Text cells are written as `system/csv_cells.py` says.
    """
    lines = Lines()
    writer = csv.DictWriter(lines, columns, lineterminator=Lines.END)
    writer.writeheader()
    writer.writerows({key: safe(row.get(key)) for key in columns} for row in rows)
    return lines.getvalue()


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last *count* lines of a text file, however long it is; none if it is missing."""
    try:
        with open_plain(path) as file:
            file.seek(max(file.seek(0, os.SEEK_END) - 400 * count, 0))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return []


def file_status(path: Path) -> os.stat_result:
    """Return the status of a file; OSError for all else, since opening a pipe may wait forever."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "Not a file, but a pipe or device", str(path))
    return status


def size_of_folder(folder: Path) -> int:
    """Return the bytes of all files in *folder*; files that disappear meanwhile count as 0."""
    size = 0
    for above, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += os.lstat(Path(above) / name).st_size
    return size


def file_stamp(path: Path | str) -> tuple[int, ...]:
    """Return what tells one version of a file from another; empty if there is no such file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - of many files; a Path costs as much again
    except OSError:
        return ()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def is_settled(stamp: tuple[int, ...]) -> bool:
    """Whether a file with that stamp exists and its next change will change the stamp.

    Two changes at once may have the same time.
    """
    return bool(stamp) and time.time_ns() - max(stamp[2:]) > _FRESH_NS


_FRESH_NS = 2_000_000_000


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, 64 hex digits."""
    with open_plain(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_digest(text: str) -> str:
    """Return the sha256 of *text* in UTF-8, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock on *path* and hold it; the system releases it when the process dies."""
    with FileLock(path):
        yield


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Yield True if this process got the lock on *path*, False if another process holds it.

    Waits up to a second, because `is_locked` takes the lock briefly to test it.
    """
    lock = FileLock(path, timeout=1)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def is_locked(path: Path) -> bool:
    """Whether a live process holds the lock on *path*; creates nothing."""
    if not path.exists():
        return False
    lock = FileLock(path, timeout=0)
    try:
        with lock:
            return False
    except Timeout:
        return True
    except OSError:  # a read-only folder: nobody trains there
        return False


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield a new folder in *parent* that is deleted at the end.

    It is locked while it is in use, so that `remove_left` deletes it after a kill.
    """
    folder = parent / f"{prefix}{os.getpid()}-{os.urandom(4).hex()}"
    lock = parent / f"{folder.name}.lock"
    with locked(lock):
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # Windows keeps an open file
                lock.unlink()


def remove_left(parent: Path, prefix: str) -> None:
    """Delete the scratch folders with that *prefix* that dead processes left in *parent*.

    One without a lock, as older versions made them, counts as left after an hour.
    """
    for folder in parent.glob(f"{escape(prefix)}*/"):
        lock = parent / f"{folder.name}.lock"
        try:
            is_left = not is_locked(lock) if lock.exists() else _age(folder) > OLD_SECONDS
        except OSError:  # its owner has just deleted it
            continue
        if is_left:
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink(missing_ok=True)


OLD_SECONDS = 3600.0


def _age(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _without_nan(value: object) -> object:
    """Return *value* with NaN and infinities as None: JSON does not have them."""
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
