"""SIGTERM and Ctrl-C: the first finishes the batch, saves and stops; a second stops at once."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def exit_at_once() -> None:
    """End the process without cleanup, with the exit code of an interrupted command."""
    os.write(2, b"stopped before anything started\n")
    os._exit(130)


def _is_importing(module: str) -> bool:
    """Whether any thread is importing *module* right now."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


class StopRequest:
    """Whether the process was asked to stop, by a signal."""

    def __init__(self, *, second_interrupts: bool = True) -> None:
        """Start without a request; *second_interrupts*: a second signal stops at once."""
        self.requested = False
        self._second_interrupts = second_interrupts
        self._deferring = False

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

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if _is_importing("torch"):  # an exception raised inside its C++ part aborts
            exit_at_once()
        again = self.requested
        self.requested = True
        if (again and self._second_interrupts) or not self._deferring:
            raise KeyboardInterrupt
