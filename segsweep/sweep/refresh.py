"""Keeps a sweep's tables and page current while it runs, in a thread, without slowing it down."""

import threading
import time
from contextlib import suppress

from segsweep.store.paths import SweepPaths
from segsweep.store.run_cache import RunCache

SECONDS = 10.0
"""Minimum time between two refreshes."""
SHARE = 20
"""A refresh may take one part in this many of the time."""
SETTLE = 1.0
"""Seconds between a change and the refresh: runs in several slots start one after the other."""


class Refresher:
    """Writes the tables and the page from time to time in its own thread."""

    def __init__(self, sweep: SweepPaths, cache: RunCache) -> None:
        """Writes nothing yet; *cache* remembers the finished runs that were read."""
        self.sweep, self.cache = sweep, cache
        self.written = float("-inf")
        self.cost = 0.0
        self.changed = False
        self.noticed: float | None = None
        """When the change was first seen that is not written yet."""
        self.thread: threading.Thread | None = None
        self._imported = False

    def prepare(self) -> None:
        """Import in the thread what the first refresh needs, which takes seconds."""
        if self.thread is None:
            self.thread = threading.Thread(target=self._import, daemon=True)
            self.thread.start()

    def refresh_if_due(self) -> None:
        """Write if something changed and enough time has passed."""
        busy = self.thread is not None and self.thread.is_alive()
        now = time.monotonic()
        if self.changed and self.noticed is None:
            self.noticed = now
        since = now - self.written
        due = since > max(SECONDS, SHARE * self.cost)
        if self.noticed is not None and not busy and due and now - self.noticed >= SETTLE:
            self.changed, self.noticed = False, None
            self.thread = threading.Thread(target=self._write, daemon=True)
            self.thread.start()

    def wait(self) -> None:
        """Wait until a refresh that is in progress has finished."""
        if self.thread is not None:
            self.thread.join()

    def can_write(self) -> bool:
        """Whether a report can be written without importing anything, as after a signal."""
        self.wait()
        return self._imported

    def _write(self) -> None:
        self._import()  # once a command: not a cost of each refresh
        from segsweep.report.write import write_report

        started = time.monotonic()
        with suppress(Exception):  # the report at the end of the command raises it again
            write_report(self.sweep, self.cache, live=True)
        self.written = time.monotonic()
        self.cost = self.written - started

    def _import(self) -> None:
        import segsweep.report.preload  # noqa: F401

        self._imported = True
