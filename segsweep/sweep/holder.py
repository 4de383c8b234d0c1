"""Who holds a sweep's lock, as it stands in the lock's file."""

import json
import os
import secrets
import socket
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from segsweep.system.clock import time_text


@dataclass(frozen=True)
class Holder:
    """Who holds a sweep's lock."""

    host: str
    pid: int
    boot: str
    """The start of the machine that the pid belongs to."""
    namespace: str
    """The pid's name space: it differs between containers; "" where there is none."""
    since: str
    """ISO 8601."""
    token: str
    """Drawn anew by each holder."""
    slots: int | None = None
    """Runs that it carries out at the same time, where it said so."""
    silent: float = 0.0
    """Seconds since its last sign of life."""

    def is_local(self) -> bool:
        """Whether its pid is of this machine and container: a file lock then certainly counts."""
        return (self.host, self.boot, self.namespace) == (socket.gethostname(), *_pid_space())

    def __str__(self) -> str:
        """Return `pid 4711 on host gpu3 since 2026-11-24 10:02`."""
        try:
            since = f"{datetime.fromisoformat(self.since).astimezone():%Y-%m-%d %H:%M}"
        except ValueError:
            since = self.since
        return f"pid {self.pid} on host {self.host} since {since}"


def this_process() -> Holder:
    """Return a holder that is this process, with a token of its own."""
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
    """Write over what is there in one go, so that readers hardly ever see half of it."""
    values = {key: value for key, value in asdict(holder).items() if key != "silent"}
    text = (json.dumps(values) + "\n").encode()
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text)
    os.ftruncate(descriptor, len(text))
    os.fsync(descriptor)


def read_holder(path: Path) -> Holder | None:
    """Return who stands in the file, None where nobody does or it was cut short.

    OSError where it cannot be read.
    """
    for _ in range(3):  # it may be being written
        text = path.read_bytes()
        found = _parse(text)
        if found is not None or not text:
            break
        time.sleep(0.01)
    return found


def _parse(text: bytes) -> Holder | None:
    try:
        values: dict[str, Any] = json.loads(text)
        slots = values.get("slots")
        return Holder(
            host=str(values["host"]),
            pid=int(values["pid"]),
            boot=str(values["boot"]),
            namespace=str(values["namespace"]),
            since=str(values["since"]),
            token=str(values["token"]),
            slots=None if slots is None else int(slots),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


@cache
def _pid_space() -> tuple[str, str]:
    """Return what a pid of this process is counted in: the machine's start, the name space."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return boot, os.readlink("/proc/self/ns/pid")  # noqa: PTH115  a name, no path
    except OSError:  # no Linux: at least the machine
        import uuid

        return f"{uuid.getnode():x}", ""
