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


class Refresher:
    """Writes the tables and the page from time to time in its own thread."""

    def __init__(self, sweep: SweepPaths, cache: RunCache) -> None:
        """Writes nothing yet; *cache* remembers the finished runs that were read."""
        self.sweep, self.cache = sweep, cache
        self.written = 0.0
        self.cost = 0.0
        self.changed = False
        self.thread: threading.Thread | None = None

    def refresh_if_due(self) -> None:
        """Write if something changed and enough time has passed."""
        busy = self.thread is not None and self.thread.is_alive()
        since = time.monotonic() - self.written
        if self.changed and not busy and since > max(SECONDS, SHARE * self.cost):
            self.changed = False
            self.thread = threading.Thread(target=self._write, daemon=True)
            self.thread.start()

    def wait(self) -> None:
        """Wait until a refresh that is in progress has finished."""
        if self.thread is not None:
            self.thread.join()

    def _write(self) -> None:
        from segsweep.report.write import write_report

        started = time.monotonic()
        with suppress(Exception):  # the report at the end of the command raises it again
            write_report(self.sweep, self.cache, live=True)
        self.written = time.monotonic()
        self.cost = self.written - started
