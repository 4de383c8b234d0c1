"""The content of a lock's file: which process holds the sweep."""

import json
import os
import secrets
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from segsweep.system.clock import time_text


@dataclass(frozen=True)
class Holder:
    """The process that holds a sweep's lock."""

    host: str
    pid: int
    boot: str
    """Boot id of the machine that the pid belongs to."""
    namespace: str
    """The pid's namespace, different in each container; "" where the system has none."""
    since: str
    """ISO 8601."""
    token: str
    """Random, different for each holder."""
    slots: int | None = None
    """Runs that it executes at the same time; None until it is known."""
    beat: float | None = None
    """Its last heartbeat, in seconds since 1970 by the clock of the disk; None before the first.

    Copying a sweep renews the time of the file, not this one.
    """
    silent: float = 0.0
    """Seconds since its last heartbeat."""

    def is_local(self) -> bool:
        """Whether it is on this machine, in this container: its file lock is visible here."""
        return (self.host, self.boot, self.namespace) == (socket.gethostname(), *_pid_space())

    def last_beat(self, touched: float) -> float:
        """Return its last heartbeat; *touched* is the time of the file.

        The older of the two counts: a copy of the file is no heartbeat. Without a heartbeat in
        the file, for example in one of segsweep 0.1.0, its start is the last one.
        """
        if self.beat is not None:
            return min(touched, self.beat)
        with suppress(ValueError):
            return min(touched, datetime.fromisoformat(self.since).timestamp())
        return touched

    def __str__(self) -> str:
        """Return `pid 4711 on host gpu3 since 2026-11-24 10:02`."""
        try:
            since = f"{datetime.fromisoformat(self.since).astimezone():%Y-%m-%d %H:%M}"
        except ValueError:
            since = self.since
        return f"pid {self.pid} on host {self.host} since {since}"


def this_process() -> Holder:
    """Return this process as a holder, with a new token."""
    boot, namespace = _pid_space()
    return Holder(
        host=socket.gethostname(),
        pid=os.getpid(),
        boot=boot,
        namespace=namespace,
        since=time_text(),
        token=secrets.token_hex(8),
    )


def write_holder(descriptor: int, holder: Holder) -> None:
    """Overwrite the file with one write, so that readers rarely see half of it."""
    values = {key: value for key, value in asdict(holder).items() if key != "silent"}
    text = (json.dumps(values) + "\n").encode()
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text)
    os.ftruncate(descriptor, len(text))
    os.fsync(descriptor)


def read_holder(path: Path) -> Holder | None:
    """Return the holder in the file; None if the file is empty or damaged.

    Raises OSError if it cannot be read.
    """
    for _ in range(3):  # another process may be writing
        text = path.read_bytes()
        found = _parse(text)
        if found is not None or not text:
            break
        time.sleep(0.01)
    return found


def _parse(text: bytes) -> Holder | None:
    try:
        values: dict[str, str | float | None] = json.loads(text)
        slots, beat = values.get("slots"), values.get("beat")
        return Holder(
            host=str(values["host"]),
            pid=int(str(values["pid"])),
            boot=str(values["boot"]),
            namespace=str(values["namespace"]),
            since=str(values["since"]),
            token=str(values["token"]),
            slots=None if slots is None else int(slots),
            beat=None if beat is None else float(beat),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


@cache
def _pid_space() -> tuple[str, str]:
    """Return what makes a pid unique: the machine's boot id and the pid namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return boot, os.readlink("/proc/self/ns/pid")  # noqa: PTH115  a name, not a path
    except OSError:  # not Linux: the machine alone
        import uuid

        return f"{uuid.getnode():x}", ""
