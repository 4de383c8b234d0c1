"""One command at a time works on a sweep: a file lock, who holds it, and a sign of life.

The system frees the file lock (flock) of a process that dies, so on one machine a dead
holder never stands in the way. Where the lock may not reach everybody, on a disk that other
hosts or containers share, or where there is none (Windows, some network disks), a holder
counts as alive until it has given no sign for a minute: a killed command then keeps others
waiting for that long, and of two commands that start in the same moment one may take
seconds to notice.
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
"""Between two signs of life."""
STALE_SECONDS = 60.0
"""Without a sign of life for so long, a holder elsewhere counts as dead."""
PATIENCE_SECONDS = 1.0
"""How long to try: whoever looks at the lock holds it for a moment."""
CONFIRM_SECONDS = 1.0
"""How long to wait before reading back who won, where two may have written."""
NO_FLOCK = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS)


class SweepLock:
    """The lock of a sweep, `outputs/<sweep>/lock`; a context manager.

    The file stays when the lock is released, and is then empty: to delete a file that
    others may be locking lets two of them in.
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
        """Take the lock's file; the times, all in seconds, are those of the module."""
        self.path = path
        self.beat, self.stale, self.patience, self.confirm = beat, stale, patience, confirm
        self._descriptor: int | None = None
        self._me: Holder | None = None
        self._ended = threading.Event()
        self._taken_over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def taken_over(self) -> bool:
        """Whether somebody else took over: this process was thought dead, and must stop."""
        return self._taken_over.is_set()

    def acquire(self) -> None:
        """Become the holder, or raise SweepLockedError with who it is."""
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
        """Let others in; whoever took over in the meantime is left alone."""
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
        os.close(descriptor)  # no other process has it, so the lock goes with it

    def publish_slots(self, slots: int) -> None:
        """Let `current_holder` say how many runs this command carries out at the same time."""
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
            silent = _seconds_since_touched(self.path)
            if silent < self.stale:
                raise SweepLockedError(self._refusal(before, silent))
        me = this_process()
        write_holder(descriptor, me)
        if unsure or not locked:
            self._confirm(me)
        return me

    def _wait_for_flock(self, descriptor: int) -> bool:
        """Return True with the file lock, False where there is none; raise if it is taken."""
        end = time.monotonic() + self.patience
        while (flock := _flock(descriptor)) is Flock.TAKEN:
            if time.monotonic() >= end:
                raise SweepLockedError(self._refusal(read_holder(self.path)))
            time.sleep(0.05)
        return flock is Flock.GOT

    def _confirm(self, me: Holder) -> None:
        """Raise SweepLockedError if somebody wrote after us: the last one has it."""
        time.sleep(self.confirm)
        winner = read_holder(self.path)
        if winner is None or winner.token != me.token:
            raise SweepLockedError(self._refusal(winner, 0.0))

    def _refusal(self, by: Holder | None, silent: float | None = None) -> str:
        """Return who is in the way and what to do; *silent* where that decides."""
        sweep = self.path.absolute().parent.name
        who = str(by) if by is not None else "another process, which has not said who it is"
        text = f"sweep {sweep} is being worked on by {who}"
        if silent is None:
            return f"{text}; wait for it, or stop it there, then start the same command again"
        free = datetime.now() + timedelta(seconds=max(self.stale - silent, 0))
        return (
            f"{text}, last sign of life {silent:.0f} s ago; wait for it, or stop it there; "
            f"if it is dead, the same command takes over from {free:%H:%M:%S} on"
        )

    def _beat_until(self, ended: threading.Event) -> None:
        """Give signs of life until the end, or until the lock is somebody else's."""
        pause = min(self.confirm, self.beat)  # soon at first: two may have started at once
        while not ended.wait(pause):
            pause = self.beat
            with contextlib.suppress(OSError):  # a disk that does not answer: next time
                if not self._is_ours():
                    self._taken_over.set()
                    return
                os.utime(self.path)

    def _is_ours(self) -> bool:
        """Whether the file still holds our token; OSError where that cannot be told."""
        try:
            found = read_holder(self.path)
        except FileNotFoundError:
            return False
        return found is not None and self._me is not None and found.token == self._me.token

    def _close_after_fork(self) -> None:
        """Close what a forked child has of its parent's lock, which stays the parent's."""
        descriptor, self._descriptor = self._descriptor, None
        self._thread = None
        if descriptor is not None:
            os.close(descriptor)


def current_holder(path: Path, *, stale: float = STALE_SECONDS) -> Holder | None:
    """Return who holds the lock at *path*, or None; creates nothing and keeps nobody out.

    Of a holder whose file lock may not reach here, the last sign of life decides, by this
    machine's clock.
    """
    try:
        found = read_holder(path)
        if found is None:
            return None
        silent = max(time.time() - path.stat().st_mtime, 0.0)
        flock = _probe_flock(path)
    except OSError:  # there is none, or it cannot be read
        return None
    decided = flock is Flock.TAKEN or (flock is Flock.GOT and found.is_local())
    held = flock is Flock.TAKEN if decided else silent < stale
    return replace(found, silent=silent) if held else None


class Flock(enum.Enum):
    """What came of asking the system for a file lock."""

    GOT = enum.auto()
    TAKEN = enum.auto()
    NONE = enum.auto()
    """This disk or system has no such locks."""


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
    """Ask for a shared lock, which other lookers may have too, and give it back at once."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return _flock(descriptor, shared=True)
    finally:
        os.close(descriptor)


def _seconds_since_touched(path: Path) -> float:
    """Return the age of *path* by the clock of its disk: that of a file made beside it."""
    probe = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        probe.touch()
        return max(probe.stat().st_mtime - path.stat().st_mtime, 0.0)
    finally:
        probe.unlink(missing_ok=True)


_held: "weakref.WeakSet[SweepLock]" = weakref.WeakSet()


def _close_in_child() -> None:
    for lock in list(_held):
        lock._close_after_fork()
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)
