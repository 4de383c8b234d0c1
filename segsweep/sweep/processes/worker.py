"""What happens inside a process of a slot: settle down, do one thing, say how it went.

The process is a fork of the server (`server.py`), which has torch imported. Between it and
the controller there is one pipe. If that closes, the controller is dead: the worker saves
and ends, so that nothing trains on unattended.
"""

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from segsweep.sweep.processes.slots import Slot
from segsweep.system.signals import StopRequest

STOP = "stop"
"""What the controller sends to end a worker in good order."""
ORPHAN_SECONDS = 20.0
"""How long a worker may take to save once its controller is gone."""

Send = Callable[[Any], None]
SlotFunction = Callable[..., Any]
"""Called as work(*arguments, send, stop, slot); what it returns must pickle."""


def run_task(
    function: SlotFunction, arguments: Sequence[Any], slot: Slot, log: Path | None, pipe: Connection
) -> None:
    """Do one thing in this process and send ("result", its result) through *pipe*.

    What the process prints goes to the end of *log*, or nowhere.
    """
    stop = StopRequest(
        second_interrupts=False
    )  # a whole group may be signalled, and the pipe says it too
    try:
        stop.install()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process: one will act
        _redirect(log)
        _settle(slot)
        threading.Thread(target=_watch, args=(pipe,), daemon=True).start()
        result = function(*arguments, send=partial(_send_message, pipe), stop=stop, slot=slot)
    except KeyboardInterrupt:  # before there was anything to save
        os._exit(130)
    _send(pipe, ("result", result))


def train(
    path: Path, allow: Sequence[str], epochs: int, *, send: Send, stop: StopRequest, slot: Slot
) -> Any:
    """Carry out the run whose frozen config is at *path*; return its Outcome."""
    from segsweep.errors import DiskFullError, Interrupted, RunClaimedError
    from segsweep.store.outcome import NAN, Outcome
    from segsweep.store.states import AttemptStatus
    from segsweep.training.run import Around, execute

    def each_epoch(row: dict[str, float], best: bool) -> None:
        send((int(row["epoch"]), epochs, row["val_iou"]))

    name = path.parent.name
    device = None if slot.gpu is None else "cuda"  # the one that the slot lets it see
    around = Around(stop=stop, each_epoch=each_epoch, verbose=False, device=device)
    try:
        return execute(path, allow, around)
    except (Interrupted, KeyboardInterrupt):
        return Outcome(name, AttemptStatus.INTERRUPTED, NAN)
    except RunClaimedError as error:
        return Outcome(name, AttemptStatus.CLAIMED, NAN, str(error))
    except DiskFullError as error:
        return Outcome(name, AttemptStatus.DISK_FULL, NAN, str(error))


def _redirect(log: Path | None) -> None:
    """Let all output, that of libraries and of a crash too, end up in *log*."""
    sys.stdout.flush()
    sys.stderr.flush()
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    target = os.open(log or os.devnull, flags, 0o666)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    faulthandler.enable()


def _settle(slot: Slot) -> None:
    """Take the slot's share of the machine."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(slot.threads)
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    if slot.gpu is not None:
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # as `nvidia-smi` counts them
        os.environ["CUDA_VISIBLE_DEVICES"] = slot.gpu
    with suppress(OSError):  # out of memory, the system should end a run, not the controller
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    import torch

    torch.set_num_threads(slot.threads)


def _watch(pipe: Connection) -> None:
    """Wait for the word to stop, or for the controller's end."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        killer = threading.Timer(ORPHAN_SECONDS, os._exit, (130,))
        killer.daemon = True
        killer.start()
    os.kill(os.getpid(), signal.SIGTERM)


def _send_message(pipe: Connection, message: Any) -> None:
    _send(pipe, ("message", message))


def _send(pipe: Connection, message: Any) -> None:
    with suppress(OSError):  # the controller is gone; the watching thread acts on it
        pipe.send(message)
