"""Atomic writes and locks, for every module that touches the disk."""

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any

from filelock import FileLock, Timeout


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a private temporary path; it becomes *path* only if the block succeeds.

    The bytes reach the disk before the name does, so neither a kill nor a power
    failure leaves a half-written file under the real name.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.tmp")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write *text* (UTF-8) so that readers see the old file or the new one, never half."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def holds(path: Path, text: str) -> bool:
    """Whether the file at *path* is there and holds *text*."""
    try:
        return path.read_bytes() == text.encode()
    except OSError:
        return False


def has_content(path: Path) -> bool:
    """Whether the file at *path* is there and not empty: a power failure may leave a bare name."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def write_if_changed(path: Path, text: str) -> bool:
    """Write *text* unless the file already holds it; True if it was written."""
    if holds(path, text):
        return False
    write_text(path, text)
    return True


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write *values* as indented JSON, atomically; NaN becomes null."""
    write_text(path, json.dumps(_plain(values), indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the file's object, or None where it is missing or cut short."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def csv_text(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Return *rows* as CSV with exactly *columns*; missing values and None are empty."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last *count* lines of a text file, however long it is; none if it is missing."""
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - 400 * count, 0))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]
    except OSError:
        return []


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def text_digest(text: str) -> str:
    """Return the sha256 of *text* in UTF-8, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on *path*, waiting for it; the system frees it when the holder dies."""
    with FileLock(path):
        yield


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Yield True in the one process that holds *path*, False in any other.

    Waits a moment, because `is_locked` holds it for a moment to look.
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
    except OSError:  # a folder that can only be read: nobody trains there
        return False


def _plain(value: Any) -> Any:
    """Return *value* with NaN and infinities as None: they are no JSON."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
