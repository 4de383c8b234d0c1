"""Small tasks for the tests of the process pool; each runs in a slot's process."""

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path


def add(a, b, **_):
    """Return the sum."""
    return a + b


def blocked_signals(**_):
    """Return the signals that do not reach this process."""
    return sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))


def place(*, slot, **_):
    """Return the process id, slot, threads and visible GPUs of this process."""
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return os.getpid(), slot.number, torch.get_num_threads(), visible


def parent_and_modules(**_):
    """Return the id of the process that forked this one, and the modules that it has."""
    return os.getppid(), sorted(sys.modules)


def count(to, *, send, **_):
    """Report each number from 1 to *to*."""
    for number in range(1, to + 1):
        send(number)
    return to


def fail(**_):
    """Raise an error."""
    raise RuntimeError("broken here")


def leave(code, **_):
    """Print a line and exit the process."""
    print("about to leave")
    sys.exit(code)


def die(number, **_):
    """Kill this process with a signal."""
    os.kill(os.getpid(), number)
    time.sleep(60)


def crash(**_):
    """Crash by reading address 0."""
    ctypes.string_at(0)


def grow(megabytes, **_):
    """Take that much memory in steps, then wait a while."""
    taken = []
    for _ in range(0, megabytes, 16):
        taken.append(bytearray(os.urandom(1 << 20) * 16))
        time.sleep(0.02)
    time.sleep(1)
    return "grown"


def leave_alone(number, **_):
    """Send this process a signal that does not end it."""
    os.kill(os.getpid(), number)
    time.sleep(0.1)
    return "still here"


def hang(file, *, stop, **_):
    """Write the process id to *file*, then ignore every request to stop for an hour."""
    with stop.deferring():
        _write_pid(file)
        time.sleep(3600)


def hang_after(seconds, file, *, stop, **_):
    """Hang like `hang`, in a worker that allows itself *seconds* once its controller is gone."""
    from segsweep.sweep.processes import worker

    worker.ORPHAN_SECONDS = seconds
    hang(file, stop=stop)


def work_until_stopped(file, *, stop, **_):
    """Write the process id, wait for a request to stop, write `<file>.saved` and return."""
    with stop.deferring():
        _write_pid(file)
        while not stop():
            time.sleep(0.01)
        _write_pid(f"{file}.saved")
    return "saved"


def wait_for(file, **_):
    """Wait up to a minute until another task has created *file*."""
    end = time.monotonic() + 60
    while not Path(file).exists():
        if time.monotonic() > end:
            return "timed out"
        time.sleep(0.01)
    return "came"


def make(file, **_):
    """Create *file*."""
    _write_pid(file)
    return "made"


def linger(**_):
    """Return, but leave a thread that keeps the process alive."""
    threading.Thread(target=time.sleep, args=(3600,)).start()
    return "done"


def _write_pid(file):
    """Create *file* atomically, with this process's id in it."""
    path = Path(file)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(str(os.getpid()))
    temporary.replace(path)


def imported_by_run(path, **named):
    """Execute the run at *path*; return how it ended and the modules that it imported."""
    from segsweep.sweep.processes.worker import train

    before = set(sys.modules)
    outcome = train(path, (), 1, **named)
    return outcome.status, sorted(set(sys.modules) - before)
