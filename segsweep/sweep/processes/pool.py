"""Executes tasks in slots, each in a separate process; a free slot takes the next task at once.

The processes are forked from one server that has torch imported, so each starts in
hundredths of a second, and a crash, a kill, `sys.exit` or a hang affects only its own task.
"""

import heapq
import multiprocessing
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from segsweep.store.states import AttemptStatus, Cause
from segsweep.sweep.processes.server import start_server
from segsweep.sweep.processes.slots import Slot
from segsweep.sweep.processes.worker import STOP, SlotFunction, run_task
from segsweep.system.machine import oom_kills, own_memory_mb

TICK = 0.2
"""Seconds between checks of time limits and requests to stop."""
GRACE = 10.0
"""Seconds that a process has to end after its time limit or after its result."""
SERVER_SECONDS = 20.0
"""How long to retry starting a process."""
OUT_OF_MEMORY = "out of memory: killed before it took all of this machine's"
LONGER = "with a higher time_limit the same command resumes it; or lower trainer.epochs"


@dataclass(frozen=True)
class Task:
    """A function to call in a slot."""

    name: str
    function: SlotFunction
    arguments: Sequence[object]
    seconds: float = 0.0
    """Expected duration: the longest task starts first."""
    log: Path | None = None
    """File for its output; None: discarded."""


@dataclass(frozen=True)
class TaskResult:
    """A task's return value, or why there is none."""

    task: Task
    value: object = None
    cause: Cause = Cause.NONE
    """KILLED, EXITED or TIME_LIMIT; NONE if there is a value."""
    error: str = ""


@dataclass
class _Running:
    task: Task
    slot: Slot
    process: BaseProcess
    pipe: Connection
    started: float
    ooms: int
    """The system's count of out-of-memory kills when it started."""
    value: object = None
    done: bool = False
    limit_hit: bool = False
    memory_hit: bool = False
    ending_since: float | None = None
    """When it was asked to stop or sent its result; it should end soon after."""


@dataclass
class Pool:
    """Executes tasks in its slots."""

    slots: Sequence[Slot]
    time_limit: float | None = None
    """Maximum seconds of a task; None: unlimited."""
    memory_mb: float | None = None
    """Memory of all running tasks together, above which the largest is killed; None: unlimited."""
    on_start: Callable[[Task, Slot], None] = lambda task, slot: None
    on_message: Callable[[Task, object], None] = lambda task, message: None
    """Called with each message that a running task sends."""
    on_poll: Callable[[], None] = lambda: None
    """Called several times a second."""
    _waiting: list[tuple[float, int, Task]] = field(default_factory=list)
    """A heap: the longest task first, equal ones in the order of adding."""
    _numbers: Iterator[int] = field(default_factory=count)
    _running: list[_Running] = field(default_factory=list)
    _stopping: bool = False

    def add(self, task: Task) -> None:
        """Add *task* to the waiting ones, after those that take longer."""
        heapq.heappush(self._waiting, (-task.seconds, next(self._numbers), task))

    def free(self) -> int:
        """Return how many further tasks could start now."""
        return max(0, len(self.slots) - len(self._running) - len(self._waiting))

    def run(self, tasks: Sequence[Task], stop: Callable[[], bool]) -> Iterator[TaskResult]:
        """Execute *tasks* and those added in the meantime; yield each result as it comes.

        When *stop* returns True, no further task starts and running ones are asked to save
        and end. If the caller closes this iterator early, running tasks are killed.
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
        """Start no further task; ask running ones to save and end."""
        self._waiting.clear()
        if not self._stopping:
            self._stopping = True
            for running in self._running:
                _ask_to_stop(running)

    def _fill(self) -> None:
        taken = {running.slot.number for running in self._running}
        for slot in self.slots:
            if self._waiting and slot.number not in taken:
                task = self._waiting[0][-1]
                self._running.append(_start(task, slot))
                heapq.heappop(self._waiting)
                self.on_start(task, slot)

    def _finished_tasks(self) -> Iterator[TaskResult]:
        """Wait briefly for messages; yield the results of processes that ended."""
        sources = [item for one in self._running for item in (one.process.sentinel, one.pipe)]
        ready = wait(sources, TICK) if sources else []
        for one in list(self._running):
            if one.pipe in ready or one.process.sentinel in ready:
                self._receive(one)
            if one.process.sentinel in ready:
                self._running.remove(one)
                yield _result(one, self.time_limit)
            else:
                _enforce_limits(one, self.time_limit)
        self._enforce_memory()

    def _enforce_memory(self) -> None:
        """Kill the largest task if all together take too much, before the system kills any."""
        if self.memory_mb is None:
            return
        taken = [own_memory_mb(one.process.pid or 0) for one in self._running]
        if sum(taken) > self.memory_mb:
            one = self._running[taken.index(max(taken))]
            one.memory_hit = True
            one.process.kill()

    def _receive(self, one: _Running) -> None:
        """Read all messages in its pipe."""
        with suppress(EOFError, OSError):
            while one.pipe.poll():
                kind, message = one.pipe.recv()
                if kind == "result":
                    one.value, one.done, one.ending_since = message, True, time.monotonic()
                else:
                    self.on_message(one.task, message)

    def _kill_all(self) -> None:
        for one in self._running:
            one.process.kill()
        for one in self._running:
            one.process.join()
        self._running.clear()
        self._waiting.clear()


def _start(task: Task, slot: Slot) -> _Running:
    """Start the task's process, from a new server if the old one was killed.

    A killed server seems alive for some hundredths of a second, until its memory is freed.
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


def _ask_to_stop(one: _Running) -> None:
    with suppress(OSError):
        one.pipe.send(STOP)


def _enforce_limits(one: _Running, limit: float | None) -> None:
    """Ask a task over its time limit to stop; kill a process that does not end in time."""
    now = time.monotonic()
    if one.ending_since is None and limit is not None and now - one.started > limit:
        one.limit_hit, one.ending_since = True, now
        _ask_to_stop(one)
    elif one.ending_since is not None and now - one.ending_since > GRACE:
        one.process.kill()


def _result(one: _Running, limit: float | None) -> TaskResult:
    one.process.join()
    code = one.process.exitcode or 0
    one.pipe.close()
    one.process.close()
    status = getattr(one.value, "status", AttemptStatus.FINISHED)
    if one.limit_hit and not (one.done and status == AttemptStatus.FINISHED):
        error = f"took longer than time_limit={limit:g} s; {LONGER}"
        return TaskResult(one.task, cause=Cause.TIME_LIMIT, error=error)
    if one.done:
        return TaskResult(one.task, one.value)
    if one.memory_hit:
        return TaskResult(one.task, cause=Cause.KILLED, error=OUT_OF_MEMORY)
    if code < 0 or code == 255:  # 255: the fork server was killed and cannot send
        return TaskResult(one.task, cause=Cause.KILLED, error=_killed(-code, one.ooms))
    error = f"the process ended with exit code {code}"
    return TaskResult(one.task, cause=Cause.EXITED, error=error)


def _killed(number: int, ooms: int) -> str:
    if oom_kills() > ooms:
        return "killed by the system: out of memory"
    name = signal.Signals(number).name if number in signal.valid_signals() else "an unknown signal"
    more = " (by a user or the system)" if name == "SIGKILL" else ""
    return f"killed by {name}{more}"
