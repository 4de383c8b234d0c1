"""The process of one task: prepare it for its slot, call the function, send back the result.

The process is forked from the fork server (`start_server`), which has torch imported.
One pipe connects it to the controller. If the pipe closes, the controller is dead: the worker
saves and ends, so that no run keeps training without a controller.
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
from typing import NamedTuple, TypeAlias

from segsweep.store.outcome import NAN, Outcome
from segsweep.store.states import AttemptStatus
from segsweep.sweep.processes.slots import Slot
from segsweep.system.signals import StopRequest, unblock_signals

STOP = "stop"
"""Sent by the controller to make a worker save and end."""
ORPHAN_SECONDS = 20.0
"""How long a worker may take to save after its controller died."""

Send: TypeAlias = Callable[[object], None]
SlotFunction: TypeAlias = Callable[..., object]
"""Called as function(*arguments, send=..., stop=..., slot=...); its result must pickle."""


class EpochDone(NamedTuple):
    """The message of a run after each epoch."""

    epoch: int
    epochs: int
    """All epochs of the run."""
    val_iou: float


class RunStarted(NamedTuple):
    """The message of a run that has claimed its folder: its status is running."""


def run_task(
    function: SlotFunction,
    arguments: Sequence[object],
    slot: Slot,
    log: Path | None,
    pipe: Connection,
) -> None:
    """Call *function* and send ("result", what it returned) through *pipe*.

    Output of the process is appended to *log*, or discarded without one.
    """
    # a request to stop may come twice: as a signal to the process group and through the pipe
    stop = StopRequest(second_interrupts=False)
    try:
        stop.install()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the controller
        unblock_signals()
        _redirect(log)
        _use_slot(slot)
        threading.Thread(target=_watch, args=(pipe,), daemon=True).start()
        result = function(*arguments, send=partial(_send_message, pipe), stop=stop, slot=slot)
    except KeyboardInterrupt:  # stopped before there was anything to save
        os._exit(130)
    _send(pipe, ("result", result))


def train(
    path: Path, allow: Sequence[str], epochs: int, *, send: Send, stop: StopRequest, slot: Slot
) -> Outcome:
    """Execute the run whose frozen config is at *path*.

    It sends `RunStarted` once the run is claimed and an `EpochDone` after each epoch.
    """
    from segsweep.errors import DiskFullError, Interrupted, RunClaimedError
    from segsweep.training.run import RunContext, execute

    def send_epoch(row: dict[str, float], best: bool) -> None:
        send(EpochDone(int(row["epoch"]), epochs, row["val_iou"]))

    name = path.parent.name
    device = None if slot.gpu is None else "cuda"  # the only GPU that the slot makes visible
    context = RunContext(
        stop=stop,
        on_start=lambda: send(RunStarted()),
        on_epoch=send_epoch,
        verbose=False,
        device=device,
    )
    try:
        return execute(path, allow, context)
    except (Interrupted, KeyboardInterrupt):
        return Outcome(name, AttemptStatus.INTERRUPTED, NAN)
    except RunClaimedError as error:
        return Outcome(name, AttemptStatus.CLAIMED, NAN, str(error))
    except DiskFullError as error:
        return Outcome(name, AttemptStatus.DISK_FULL, NAN, str(error))


def _redirect(log: Path | None) -> None:
    """Append all output to *log*, including that of libraries and crashes."""
    sys.stdout.flush()
    sys.stderr.flush()
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    target = os.open(log or os.devnull, flags, 0o666)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
    faulthandler.enable()


def _use_slot(slot: Slot) -> None:
    """Restrict this process to the slot's threads and GPU."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(slot.threads)
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    if slot.gpu is not None:
        os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"  # the order of `nvidia-smi`
        os.environ["CUDA_VISIBLE_DEVICES"] = slot.gpu
    with suppress(OSError):  # if memory runs out, the system kills a run, not the controller
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
    import torch

    torch.set_num_threads(slot.threads)


def _watch(pipe: Connection) -> None:
    """Wait for `STOP` or for the end of the controller, then ask this process to stop."""
    try:
        pipe.recv()
    except (EOFError, OSError):
        killer = threading.Timer(ORPHAN_SECONDS, os._exit, (130,))
        killer.daemon = True
        killer.start()
    os.kill(os.getpid(), signal.SIGTERM)


def _send_message(pipe: Connection, message: object) -> None:
    _send(pipe, ("message", message))


def _send(pipe: Connection, message: tuple[str, object]) -> None:
    with suppress(OSError):  # the controller is gone; `_watch` handles it
        pipe.send(message)
