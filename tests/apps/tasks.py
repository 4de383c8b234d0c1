"""Small things to do in a slot, for the tests of the pool."""

import ctypes
import os
import sys
import threading
import time
from pathlib import Path


def add(a, b, **_):
    """Return the sum."""
    return a + b


def place(*, slot, **_):
    """Return where this process is and what it was given."""
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return os.getpid(), slot.number, torch.get_num_threads(), visible


def count(to, *, tell, **_):
    """Tell each number from 1 on."""
    for number in range(1, to + 1):
        tell(number)
    return to


def fail(**_):
    """Raise."""
    raise RuntimeError("broken here")


def leave(code, **_):
    """Say so and leave the process."""
    print("about to leave")
    sys.exit(code)


def die(number, **_):
    """Be killed by a signal."""
    os.kill(os.getpid(), number)
    time.sleep(60)


def crash(**_):
    """Read where nothing is."""
    ctypes.string_at(0)


def leave_alone(number, **_):
    """Send oneself a signal that does nothing."""
    os.kill(os.getpid(), number)
    time.sleep(0.1)
    return "still here"


def hang(file, *, stop, **_):
    """Note the process and do nothing for an hour, whatever one is told."""
    with stop.deferring():
        _note(file)
        time.sleep(3600)


def hang_after(seconds, file, *, stop, **_):
    """Hang as *hang* does, in a process that waits so long once its controller is gone."""
    from segsweep.sweep.processes import worker

    worker.ORPHAN_SECONDS = seconds
    hang(file, stop=stop)


def work_until_stopped(file, *, stop, **_):
    """Note the process, then wait to be told to stop; note that too and return."""
    with stop.deferring():
        _note(file)
        while not stop():
            time.sleep(0.01)
        _note(f"{file}.saved")
    return "saved"


def wait_for(file, **_):
    """Return once another task has made *file*."""
    end = time.monotonic() + 60
    while not Path(file).exists():
        if time.monotonic() > end:
            return "in vain"
        time.sleep(0.01)
    return "came"


def make(file, **_):
    """Make *file*."""
    _note(file)
    return "made"


def linger(**_):
    """Return, and leave a thread that keeps the process from ending."""
    threading.Thread(target=time.sleep, args=(3600,)).start()
    return "done"


def _note(file):
    """Make *file* whole, with this process's id in it."""
    path = Path(file)
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(str(os.getpid()))
    temporary.replace(path)
