"""SIGTERM and Ctrl-C: the first finishes the batch, saves and stops; a second stops at once.

No import is interrupted: native libraries crash if they are imported again after an interruption.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

IMPORTS = "<frozen importlib._bootstrap>"
"""The file name of Python's own import code in a traceback."""
RETRY_SECONDS = 0.02
IMPORT_SECONDS = 20.0
"""How long a signal waits for an import to end; then the process ends at once."""


STOPPING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_blocked() -> Iterator[None]:
    """Block requests to stop in this thread and, for good, in processes started in the block.

    They may call `unblock_signals`.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def unblock_signals() -> None:
    """Let requests to stop reach this process, which was started in `signals_blocked`."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)


def exit_at_once() -> None:
    """End the process without cleanup, with the exit code of an interrupted command."""
    os.write(2, b"stopped before anything started\n")
    os._exit(130)


def _is_importing(module: str) -> bool:
    """Whether any thread is importing *module* right now."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


def _imports(frame: FrameType | None) -> int:
    """Return how many calls of Python's import code are in progress at *frame*."""
    count = 0
    while frame is not None:
        count += frame.f_code.co_filename == IMPORTS
        frame = frame.f_back
    return count


class StopRequest:
    """Whether the process was asked to stop, by a signal."""

    def __init__(self, *, second_interrupts: bool = True) -> None:
        """Start without a request; *second_interrupts*: a second signal stops at once."""
        self.requested = False
        self.installed = False
        """Whether it handles this process's signals: a KeyboardInterrupt without a request is
        then no signal."""
        self._second_interrupts = second_interrupts
        self._deferring = False
        self._imports_before = 0
        """Calls of import code around `install`: they do not end before the process."""
        self._waiting: threading.Timer | None = None
        """Sends a signal again that came during an import."""
        self._waiting_since = 0.0

    def __call__(self) -> bool:
        """Return whether to stop after this batch."""
        return self.requested

    @contextmanager
    def deferring(self) -> Iterator[None]:
        """Within the block a first signal only records the request; outside it interrupts."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    def install(self) -> None:
        """Handle SIGINT and SIGTERM; does nothing outside the main thread, which alone can."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._handle)
            signal.signal(signal.SIGTERM, self._handle)
            self.installed = True
            self._imports_before = _imports(sys._getframe())

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if _is_importing("torch"):  # takes seconds; nothing was started before it
            exit_at_once()
        if _imports(frame) > self._imports_before:
            self._try_later(number)
            return
        self._waiting = None
        again = self.requested
        self.requested = True
        if (again and self._second_interrupts) or not self._deferring:
            raise KeyboardInterrupt

    def _try_later(self, number: int) -> None:
        """Send the signal again shortly, because an import is in progress."""
        if self._waiting is None:
            self._waiting_since = time.monotonic()
        elif time.monotonic() - self._waiting_since > IMPORT_SECONDS:
            os.write(2, b"stopped during an import\n")
            os._exit(130)
        elif self._waiting.is_alive():
            return
        self._waiting = threading.Timer(RETRY_SECONDS, os.kill, (os.getpid(), number))
        self._waiting.daemon = True
        self._waiting.start()
