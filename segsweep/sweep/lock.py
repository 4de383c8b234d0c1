"""The lock of a sweep: one command at a time. A file lock, the holder's name, a heartbeat.

The system frees the file lock (flock) of a process that dies, so a dead holder on the same
machine never blocks others. A file lock may not be seen by everybody, on a disk that other
hosts or containers share, or may not exist (Windows, some network disks). There a holder
counts as alive until it has sent no heartbeat for a minute: a killed command blocks others
for that long, and of two commands that start at the same moment one may take seconds to notice.
A heartbeat is written into the file too, so that a copied sweep does not seem to be in use.
"""

import contextlib
import enum
import errno
import os
import secrets
import threading
import time
import weakref
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType

from segsweep.errors import SweepLockedError
from segsweep.sweep.holder import Holder, read_holder, this_process, write_holder

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

BEAT_SECONDS = 10.0
"""Between two heartbeats."""
STALE_SECONDS = 60.0
"""A holder elsewhere counts as dead after this time without a heartbeat."""
PATIENCE_SECONDS = 1.0
"""How long to retry: a process that only checks the lock holds it for a moment."""
CONFIRM_SECONDS = 1.0
"""How long to wait, if two processes may have written, before reading who wrote last."""
NO_FLOCK = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)


class SweepLock:
    """The lock of a sweep, `outputs/<sweep>/lock`; a context manager.

    The file of a released lock is empty and stays: deleting a file that other processes may
    be locking would let two of them acquire it.
    """

    def __init__(
        self,
        path: Path,
        *,
        beat: float = BEAT_SECONDS,
        stale: float = STALE_SECONDS,
        patience: float = PATIENCE_SECONDS,
        confirm: float = CONFIRM_SECONDS,
    ) -> None:
        """*path* is the lock's file; the times are in seconds, documented at the constants."""
        self.path = path
        self.beat, self.stale, self.patience, self.confirm = beat, stale, patience, confirm
        self._descriptor: int | None = None
        self._me: Holder | None = None
        self._ended = threading.Event()
        self._taken_over = threading.Event()
        self._thread: threading.Thread | None = None
        self._writing = threading.Lock()

    @property
    def taken_over(self) -> bool:
        """Whether another process took the lock because this one seemed dead: it must stop."""
        return self._taken_over.is_set()

    def acquire(self) -> None:
        """Acquire the lock, or raise SweepLockedError naming the holder."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)  # not inherited
        try:
            me = self._become_holder(descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor, self._me = descriptor, me
        _held.add(self)
        self._ended, self._taken_over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat_until, args=(self._ended,), daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Release the lock, unless another process has taken it over."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(timeout=2.0)  # a network disk may hang
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        _held.discard(self)
        with contextlib.suppress(OSError):
            if self._is_ours():
                os.ftruncate(descriptor, 0)
        os.close(descriptor)  # no other process has it open, so this frees the file lock

    def publish_slots(self, slots: int) -> None:
        """Write into the lock how many runs this command executes at the same time."""
        with self._writing:
            if self._descriptor is not None and self._me is not None and self._is_ours():
                self._me = replace(self._me, slots=slots)
                write_holder(self._descriptor, self._me)

    def __enter__(self) -> "SweepLock":
        """Acquire."""
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        """Release."""
        self.release()

    def _become_holder(self, descriptor: int) -> Holder:
        locked = self._wait_for_flock(descriptor)
        before = read_holder(self.path)
        unsure = before is not None and not (locked and before.is_local())
        if before is not None and unsure:
            silent = _seconds_silent(self.path, before)
            if silent < self.stale:
                raise SweepLockedError(self._refusal(before, silent))
        os.utime(descriptor)
        me = replace(this_process(), beat=os.fstat(descriptor).st_mtime)
        write_holder(descriptor, me)
        if unsure or not locked:
            self._confirm(me)
        return me

    def _wait_for_flock(self, descriptor: int) -> bool:
        """Return True with the file lock, False if the disk has none; raise if it is taken."""
        end = time.monotonic() + self.patience
        while (flock := _flock(descriptor)) is Flock.TAKEN:
            if time.monotonic() >= end:
                raise SweepLockedError(self._refusal(read_holder(self.path)))
            time.sleep(0.05)
        return flock is Flock.GOT

    def _confirm(self, me: Holder) -> None:
        """Raise SweepLockedError if another process wrote after this one: the last one wins."""
        time.sleep(self.confirm)
        winner = read_holder(self.path)
        if winner is None or winner.token != me.token:
            raise SweepLockedError(self._refusal(winner, 0.0))

    def _refusal(self, by: Holder | None, silent: float | None = None) -> str:
        """Return who holds the lock and what to do; *silent*: seconds since its heartbeat."""
        sweep = self.path.absolute().parent.name
        who = str(by) if by is not None else "an unknown process"
        text = f"sweep {sweep} is in use by {who}"
        if silent is None:
            return f"{text}; wait for it or stop it there, then run the same command again"
        free = datetime.now() + timedelta(seconds=max(self.stale - silent, 0))
        return (
            f"{text}, last heartbeat {silent:.0f} s ago; wait for it or stop it there; "
            f"if it is dead, run the same command again after {free:%H:%M:%S}"
        )

    def _beat_until(self, ended: threading.Event) -> None:
        """Send heartbeats until *ended*, or until another process has the lock."""
        pause = min(self.confirm, self.beat)  # the first one early: two may have started at once
        while not ended.wait(pause):
            pause = self.beat
            with contextlib.suppress(OSError):  # the disk does not answer: retry next time
                if not self._is_ours():
                    self._taken_over.set()
                    return
                self._send_heartbeat()

    def _send_heartbeat(self) -> None:
        """Renew the time of the file and write that time, by the clock of the disk, into it."""
        os.utime(self.path)
        with self._writing:
            if self._descriptor is not None and self._me is not None and self._is_ours():
                self._me = replace(self._me, beat=os.fstat(self._descriptor).st_mtime)
                write_holder(self._descriptor, self._me)

    def _is_ours(self) -> bool:
        """Whether the file still holds this lock's token; OSError if it cannot be read."""
        try:
            found = read_holder(self.path)
        except FileNotFoundError:
            return False
        return found is not None and self._me is not None and found.token == self._me.token

    def _close_after_fork(self) -> None:
        """In a forked child: close the inherited descriptor; the parent keeps the lock."""
        descriptor, self._descriptor = self._descriptor, None
        self._thread = None
        if descriptor is not None:
            os.close(descriptor)


def current_holder(path: Path, *, stale: float = STALE_SECONDS) -> Holder | None:
    """Return who holds the lock at *path*, or None; creates nothing and blocks nobody.

    If the holder's file lock may not be visible here, its last heartbeat decides, by this
    machine's clock.
    """
    try:
        found = read_holder(path)
        if found is None:
            return None
        silent = max(time.time() - found.last_beat(path.stat().st_mtime), 0.0)
        flock = _probe_flock(path)
    except OSError:  # no such file, or it cannot be read
        return None
    decided = flock is Flock.TAKEN or (flock is Flock.GOT and found.is_local())
    held = flock is Flock.TAKEN if decided else silent < stale
    return replace(found, silent=silent) if held else None


class Flock(enum.Enum):
    """The system's answer to a request for a file lock."""

    GOT = enum.auto()
    TAKEN = enum.auto()
    NONE = enum.auto()
    """This disk or system has no file locks."""


def _flock(descriptor: int, *, shared: bool = False) -> Flock:
    if fcntl is None:
        return Flock.NONE
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES):
            return Flock.TAKEN
        if error.errno in NO_FLOCK:
            return Flock.NONE
        raise
    return Flock.GOT


def _probe_flock(path: Path) -> Flock:
    """Request a shared lock, which several checking processes may have, and free it at once."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return _flock(descriptor, shared=True)
    finally:
        os.close(descriptor)


def _seconds_silent(path: Path, holder: Holder) -> float:
    """Return the age of the last heartbeat by its disk's clock: against a file next to it."""
    probe = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        probe.touch()
        last = holder.last_beat(path.stat().st_mtime)
        return max(probe.stat().st_mtime - last, 0.0)
    finally:
        probe.unlink(missing_ok=True)


_held: "weakref.WeakSet[SweepLock]" = weakref.WeakSet()


def _close_in_child() -> None:
    for lock in list(_held):
        lock._close_after_fork()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
