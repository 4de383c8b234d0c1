"""A process that calls functions of users' classes, so that a crash, exit or hang ends only it.

It is forked from the fork server (`start_server`) and calls one function after another. It
is killed when a call takes too long or too much memory, and ends when its controller does.
"""

import faulthandler
import multiprocessing
import os
import re
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NoReturn, TypeAlias

from segsweep.data.check import ProblemsError
from segsweep.errors import ConfigError, DataError, SegsweepError, UserCodeError
from segsweep.sweep.processes.server import start_server
from segsweep.system.machine import available_memory_mb, own_memory_mb
from segsweep.system.signals import unblock_signals

TICK = 0.05
"""Seconds between checks of time and memory."""
SHARE = 0.8
"""Share of the available memory that a call may take."""
DUMP_SECONDS = 0.3
"""How long a process that hangs may take to say where."""

PRELOAD = ("segsweep.sweep.places.preload",)
"""Imports that every run needs; the fork server imports them once."""

Send: TypeAlias = Callable[[object], None]
Function: TypeAlias = Callable[..., object]
"""Called as function(*arguments, send=...); its result must pickle."""


class Child:
    """One process; a new one starts with the first call and after each fault."""

    def __init__(self) -> None:
        """Start no process yet."""
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._alive: Connection | None = None
        self._log: Path | None = None

    def call(
        self,
        function: Function,
        *arguments: object,
        seconds: float,
        on_message: Callable[[object], None] = lambda message: None,
    ) -> object:
        """Return what *function* returns in the process; messages restart its *seconds*.

        Raises a ConfigError or DataError that it raises, UserCodeError for everything else.
        """
        try:
            process, pipe = self._started()
            pipe.send((function, arguments))
            return self._answer(process, pipe, seconds, on_message)
        except SegsweepError as error:
            if isinstance(error, UserCodeError):
                self.close()
            raise
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid or 0, signal.SIGKILL)
            self._process.kill()
            self._process.join()
        for pipe in (self._pipe, self._alive):
            if pipe is not None:
                pipe.close()
        if self._log is not None:
            self._log.unlink(missing_ok=True)
        self._process = self._pipe = self._alive = self._log = None

    def _started(self) -> tuple[BaseProcess, Connection]:
        if self._process is None or self._pipe is None:
            start_server(PRELOAD)
            context = multiprocessing.get_context("forkserver")
            ours, theirs = context.Pipe()
            self._alive, watched = context.Pipe()
            handle, name = tempfile.mkstemp(prefix="segsweep-", suffix=".log")
            os.close(handle)
            self._log = Path(name)
            arguments = (theirs, watched, self._log)
            process = context.Process(target=serve, args=arguments, daemon=True)
            process.start()
            theirs.close()
            watched.close()
            self._process, self._pipe = process, ours
        return self._process, self._pipe

    def _answer(
        self,
        process: BaseProcess,
        pipe: Connection,
        seconds: float,
        on_message: Callable[[object], None],
    ) -> object:
        """Wait for the result within the limits."""
        started, limit = time.monotonic(), SHARE * available_memory_mb()
        while True:
            if pipe in wait([pipe, process.sentinel], TICK):
                try:
                    kind, value = pipe.recv()
                except (EOFError, OSError):
                    kind = "ended"
                if kind == "value":
                    return value
                if kind == "error":
                    raise value
                if kind == "message":
                    started = time.monotonic()
                    on_message(value)
                    continue
            if not process.is_alive() or process.exitcode is not None:
                process.join()
                raise UserCodeError(f"{_ending(process.exitcode or 0)}{self._place()}")
            if own_memory_mb(process.pid or 0) > limit:
                raise UserCodeError(f"took more than {limit / 1024:.1f} GB of memory")
            if time.monotonic() - started > seconds:
                with suppress(OSError):
                    os.kill(process.pid or 0, signal.SIGUSR1)
                time.sleep(DUMP_SECONDS)
                raise UserCodeError(f"took longer than check_limit={seconds:g} s{self._place()}")

    def _place(self) -> str:
        """Return the innermost line of code that a crash or hang has dumped, if there is one."""
        text = "" if self._log is None else self._log.read_text(encoding="utf-8", errors="replace")
        found = re.search(r'most recent call first\):\s+File "(.*?)", line (\d+)', text)
        return f" ({Path(found[1]).name}, line {found[2]})" if found else ""


def serve(pipe: Connection, alive: Connection, log: Path) -> NoReturn:
    """Call what comes through *pipe*; end when the controller does, which closes *alive*."""
    with suppress(OSError):
        os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    unblock_signals()
    target = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(target, 1)
    os.dup2(target, 2)
    faulthandler.enable(all_threads=False)
    faulthandler.register(signal.SIGUSR1, all_threads=False)
    with suppress(OSError):  # if memory runs out, the system kills this process first
        Path("/proc/self/oom_score_adj").write_text("900", encoding="ascii")
    threading.Thread(target=_end_with, args=(alive,), daemon=True).start()

    def send(message: object) -> None:
        pipe.send(("message", message))

    while True:
        try:
            function, arguments = pipe.recv()
        except EOFError:
            os._exit(0)
        try:
            answer = ("value", function(*arguments, send=send))
        except ProblemsError as error:  # of plain values
            answer = ("error", error)
        except DataError as error:
            answer = ("error", DataError(str(error)))
        except SegsweepError as error:
            answer = ("error", ConfigError(str(error)))
        except BaseException as error:  # also KeyboardInterrupt and SystemExit
            answer = ("error", UserCodeError(_raised(error)))
        pipe.send(answer)
        sys.stdout.flush()


def _end_with(alive: Connection) -> None:
    with suppress(EOFError, OSError):
        alive.recv()
    os._exit(0)


def _raised(error: BaseException) -> str:
    text = " ".join(str(error).split())
    what = f"raised {type(error).__name__}" + (f": {text}" if text else "")
    if isinstance(error, SystemExit):
        what = f"called sys.exit with exit code {error.code or 0}"
    lines = traceback.extract_tb(error.__traceback__)
    return f"{what} ({Path(lines[-1].filename).name}, line {lines[-1].lineno})" if lines else what


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended its process with exit code {code}"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
    return f"was killed by {name}" if name == "SIGKILL" else f"crashed with {name}"
