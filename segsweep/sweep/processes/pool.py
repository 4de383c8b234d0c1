"""Tasks in slots, each in a process of its own; a free slot takes the next one at once.

The processes are forks of one server that has torch imported, so that each starts in
hundredths of a second, and whatever happens to one (a crash, a kill, `sys.exit`, a hang)
costs that one only.
"""

import heapq
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from segsweep.errors import ConfigError
from segsweep.store.states import AttemptStatus, Cause
from segsweep.sweep.processes.slots import Slot
from segsweep.sweep.processes.worker import STOP, SlotFunction, run_task
from segsweep.system.machine import oom_kills

TICK = 0.2
"""Seconds between looks at the clock and at requests to stop."""
GRACE = 10.0
"""Seconds that a task over its time limit, or one that is done, has to leave."""
SERVER_SECONDS = 20.0
"""How long to try to start a process."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Task:
    """Something to do in a slot."""

    name: str
    function: SlotFunction
    arguments: Sequence[Any]
    seconds: float = 0.0
    """How long it is expected to take: the longest goes first."""
    log: Path | None = None
    """Where its output goes."""


@dataclass(frozen=True)
class TaskResult:
    """How a task ended: with a value, or without a word and why."""

    task: Task
    value: Any = None
    cause: Cause = Cause.NONE
    """KILLED, EXITED or TIME_LIMIT; NONE where there is a value."""
    error: str = ""


@dataclass
class _Running:
    task: Task
    slot: Slot
    process: Any
    pipe: Connection
    started: float
    ooms: int
    value: Any = None
    done: bool = False
    limit_hit: bool = False
    leaving: float | None = None
    """Since when it should be about to end."""


@dataclass
class Pool:
    """Slots and what runs in them."""

    slots: Sequence[Slot]
    time_limit: float | None = None
    """Seconds a task may take; None: any."""
    on_start: Callable[[Task, Slot], None] = lambda task, slot: None
    on_message: Callable[[Task, Any], None] = lambda task, message: None
    """Given what a task tells while it runs."""
    on_poll: Callable[[], None] = lambda: None
    """Called several times a second."""
    _waiting: list[tuple[float, int, Task]] = field(default_factory=list)
    """A heap: the longest first, of equals the one that was added first."""
    _numbers: Iterator[int] = field(default_factory=count)
    _running: list[_Running] = field(default_factory=list)
    _stopping: bool = False

    def add(self, task: Task) -> None:
        """Let *task* wait for a slot, behind those that take longer."""
        heapq.heappush(self._waiting, (-task.seconds, next(self._numbers), task))

    def run(self, tasks: Sequence[Task], stop: Callable[[], bool]) -> Iterator[TaskResult]:
        """Do all *tasks*, and those added meanwhile; yield each as it ends.

        When *stop* says so, nothing more is started and what runs is asked to leave in good
        order. If the caller leaves early, what runs is killed.
        """
        for task in tasks:
            self.add(task)
        try:
            while self._waiting or self._running:
                if stop():
                    self.stop()
                self._fill()
                yield from self._finished_tasks()
                self.on_poll()
        finally:
            self._kill_all()

    def stop(self) -> None:
        """Start nothing more, and ask what runs to save and leave."""
        self._waiting.clear()
        if not self._stopping:
            self._stopping = True
            for running in self._running:
                _ask(running)

    def _fill(self) -> None:
        taken = {running.slot.number for running in self._running}
        for slot in self.slots:
            if self._waiting and slot.number not in taken:
                task = self._waiting[0][-1]
                self._running.append(_start(task, slot))
                heapq.heappop(self._waiting)
                self.on_start(task, slot)

    def _finished_tasks(self) -> Iterator[TaskResult]:
        """Wait a moment for news; yield the tasks whose process has ended."""
        sources = [item for one in self._running for item in (one.process.sentinel, one.pipe)]
        ready = wait(sources, TICK) if sources else []
        for one in list(self._running):
            if one.pipe in ready or one.process.sentinel in ready:
                self._listen(one)
            if one.process.sentinel in ready:
                self._running.remove(one)
                yield _result(one, self.time_limit)
            else:
                _hurry(one, self.time_limit)

    def _listen(self, one: _Running) -> None:
        """Take everything that its pipe holds."""
        with suppress(EOFError, OSError):
            while one.pipe.poll():
                kind, message = one.pipe.recv()
                if kind == "result":
                    one.value, one.done, one.leaving = message, True, time.monotonic()
                else:
                    self.on_message(one.task, message)

    def _kill_all(self) -> None:
        for one in self._running:
            one.process.kill()
        for one in self._running:
            one.process.join()
        self._running.clear()
        self._waiting.clear()


def start_server(preload: Sequence[str] | None = None) -> None:
    """Start the fork server, unless it runs; it imports while the caller does other things.

    The server has one thread and asks no GPU: a process that did cannot be forked safely.

    Args:
        preload: modules that the server imports, so that no forked process has to; those given
            last where not given.

    """
    from multiprocessing import forkserver

    if "forkserver" not in multiprocessing.get_all_start_methods():
        raise ConfigError(
            "hydra/launcher=segsweep: this system cannot fork processes; "
            "hydra/launcher=basic works everywhere, hydra/launcher=joblib in parallel"
        )
    context = multiprocessing.get_context("forkserver")
    if preload is not None:
        _preload[:] = preload
    context.set_forkserver_preload(list(_preload))
    with _environment(ONE_THREAD):
        forkserver.ensure_running()


_preload: list[str] = []
"""What a server imports, also one that takes the place of a killed one."""


def stop_server() -> None:
    """End the fork server at once; nothing it started is left by then."""
    from multiprocessing import forkserver

    server = getattr(forkserver, "_forkserver", None)
    pid = getattr(server, "_forkserver_pid", None)  # the library's own way waits for it
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _start(task: Task, slot: Slot) -> _Running:
    """Start the task's process; with a new server, should that have been killed.

    A killed server counts as alive for some hundredths of a second: until its memory is free.
    """
    end = time.monotonic() + SERVER_SECONDS
    while True:
        try:
            return _forked(task, slot)
        except (EOFError, OSError):
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def _forked(task: Task, slot: Slot) -> _Running:
    start_server()
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    arguments = (task.function, tuple(task.arguments), slot, task.log, theirs)
    process = context.Process(target=run_task, args=arguments, name=task.name, daemon=True)
    process.start()
    theirs.close()
    return _Running(task, slot, process, ours, time.monotonic(), oom_kills())


def _ask(one: _Running) -> None:
    with suppress(OSError):
        one.pipe.send(STOP)


def _hurry(one: _Running, limit: float | None) -> None:
    """Ask a task over its time limit to leave; kill one that should have left and has not."""
    now = time.monotonic()
    if one.leaving is None and limit is not None and now - one.started > limit:
        one.limit_hit, one.leaving = True, now
        _ask(one)
    elif one.leaving is not None and now - one.leaving > GRACE:
        one.process.kill()


def _result(one: _Running, limit: float | None) -> TaskResult:
    one.process.join()
    code = one.process.exitcode
    one.pipe.close()
    one.process.close()
    if one.limit_hit and not (one.done and _is_success(one.value)):
        return TaskResult(
            one.task, cause=Cause.TIME_LIMIT, error=f"took longer than time_limit={limit:g} s"
        )
    if one.done:
        return TaskResult(one.task, one.value)
    if code < 0 or code == 255:  # 255: the fork server was killed and cannot send
        return TaskResult(one.task, cause=Cause.KILLED, error=_killed(-code, one.ooms))
    return TaskResult(
        one.task, cause=Cause.EXITED, error=f"the process ended with exit code {code}"
    )


def _is_success(value: Any) -> bool:
    return getattr(value, "status", AttemptStatus.FINISHED) == AttemptStatus.FINISHED


def _killed(number: int, ooms: int) -> str:
    if oom_kills() > ooms:
        return "killed by the system: out of memory"
    name = signal.Signals(number).name if number in signal.valid_signals() else "an unknown signal"
    more = " (by hand, or by the system)" if name == "SIGKILL" else ""
    return f"killed by {name}{more}"


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Have *values* in the environment for what is started in the block."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
