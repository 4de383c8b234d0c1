"""Keeps a sweep's tables and page current while it runs, beside the work, without slowing it."""

import threading
import time
from contextlib import suppress

from segsweep.store.paths import SweepPaths
from segsweep.store.tables import Known

SECONDS = 10.0
"""Between two writings, at least."""
SHARE = 20
"""Writing may take one part in this many of the time."""


class Refresher:
    """Writes tables and page now and then in a thread of its own."""

    def __init__(self, sweep: SweepPaths, known: Known) -> None:
        """Nothing is written yet; *known* remembers the finished runs that were read."""
        self.sweep, self.known = sweep, known
        self.written = 0.0
        self.cost = 0.0
        self.changed = False
        self.thread: threading.Thread | None = None

    def tick(self) -> None:
        """Write, if something changed and it is time."""
        busy = self.thread is not None and self.thread.is_alive()
        since = time.monotonic() - self.written
        if self.changed and not busy and since > max(SECONDS, SHARE * self.cost):
            self.changed = False
            self.thread = threading.Thread(target=self._write, daemon=True)
            self.thread.start()

    def close(self) -> None:
        """Wait for a writing that is under way."""
        if self.thread is not None:
            self.thread.join()

    def _write(self) -> None:
        from segsweep.report.write import write_report

        started = time.monotonic()
        with suppress(Exception):  # written again at the end, where what is wrong is said
            write_report(self.sweep, self.known, live=True)
        self.written = time.monotonic()
        self.cost = self.written - started
