"""SIGTERM and Ctrl-C: finish the batch, save, leave; a second Ctrl-C leaves at once."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


def leave() -> None:
    """End the process at once, with the exit code of an interrupted command."""
    os.write(2, b"stopped before anything started\n")
    os._exit(130)


def _is_importing(module: str) -> bool:
    """Whether *module* is being imported right now, by whatever thread."""
    spec = getattr(sys.modules.get(module), "__spec__", None)
    return bool(getattr(spec, "_initializing", False))


class StopRequest:
    """Whether somebody asked to stop."""

    def __init__(self, *, hasty: bool = True) -> None:
        """Nobody has yet; not *hasty*: a second signal says the same as the first."""
        self.asked = False
        self._hasty = hasty
        self._patient = False

    def __call__(self) -> bool:
        """Return whether to stop after this batch."""
        return self.asked

    @contextmanager
    def patient(self) -> Iterator[None]:
        """In the block a first signal only sets the flag; elsewhere it interrupts at once."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def install(self) -> None:
        """Listen to SIGINT and SIGTERM; only a process's main thread can."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._handle)
            signal.signal(signal.SIGTERM, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if _is_importing("torch"):  # its C++ part aborts where Python code that it calls raises
            leave()
        again = self.asked
        self.asked = True
        if (again and self._hasty) or not self._patient:
            raise KeyboardInterrupt
