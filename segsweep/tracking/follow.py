"""The process that records runs with a tracker: it follows their stored files as they grow.

A command starts it beside its runs and tells it their names, line by line. Nothing that a tracker
does, or fails to do, can reach a run: they share files only. It ends when its command does.
"""

import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from segsweep.config.schema import TrackerConfig
from segsweep.store.paths import SweepPaths
from segsweep.system.files import is_locked
from segsweep.system.terminal import visible
from segsweep.tracking.followed import Followed
from segsweep.tracking.tracker import EVERY_RUN, Tracker, open_tracker

SECONDS = 1.0
"""Shortest time between two looks at the files."""
SHARE = 20
"""Looking may take one part in this many of the time."""
RETRY_SECONDS = 10.0
"""Between two attempts to write a run's record."""
CLAIM_SECONDS = 25.0
"""How long runs may take to save and end after their command died."""
MOST_FAILURES = 3
"""In a row, in the end: then nothing more is tried."""
ORPHAN_SECONDS = 600.0
"""How long this process may outlive its command."""


class Follower:
    """All runs of a command that its tracker records."""

    def __init__(
        self,
        name: str,
        sweep: SweepPaths,
        make: Callable[[], Tracker],
        progress: Callable[[], None] = lambda: None,
        since: float = 0.0,
    ) -> None:
        """Follow no run yet.

        Args:
            name: the tracker's name.
            sweep: the runs' sweep.
            make: makes the tracker, when it is needed first.
            progress: called after each run that is looked at in the end.
            since: when the command started, in seconds of the epoch.

        """
        self.name, self.sweep, self._make, self._progress = name, sweep, make, progress
        self._since = since
        self.runs: dict[str, Followed] = {}
        self._done: set[str] = set()
        self._every, self._ending = False, False
        self._failures: list[str] = []
        """The errors of the latest attempts, all of which failed."""
        self._tracker: Tracker | None = None

    def add(self, name: str) -> None:
        """Follow the run in the folder *name*, or `EVERY_RUN`."""
        if name == EVERY_RUN:
            self._every = True
            folders = self.sweep.run_folders()
            self._done |= {run.root.name for run in folders if run.result.exists()}
        elif name not in self.runs:
            self._done.discard(name)
            self.runs[name] = Followed(self.sweep.run(name), self._since)

    def look(self, closing: bool = False) -> None:
        """Write what is new."""
        if self._every:
            self._find()
        for name, run in list(self.runs.items()):
            self._update(run, closing)
            if run.finished:
                del self.runs[name]
                self._done.add(name)
            if self._ending:
                self._progress()

    def close(self) -> list[str]:
        """Write what is left; return why records are behind, a line for each of their runs."""
        self._ending = True
        for run in self.runs.values():
            run.starts_no_more()
        self._failures.clear()
        self.look()
        end = time.monotonic() + CLAIM_SECONDS
        while self._still_trained() and time.monotonic() < end:
            time.sleep(SECONDS / 2)
            self.look()
            self._progress()
        self.look(closing=True)
        if self._tracker is not None:
            with suppress(Exception):
                self._tracker.close()
        return [run.error for run in self.runs.values() if run.error]

    def _still_trained(self) -> bool:
        return any(run.record and is_locked(run.paths.claim) for run in self.runs.values())

    def _find(self) -> None:
        """Follow what a search on other machines has planned in the meantime."""
        for paths in self.sweep.run_folders():
            if paths.root.name not in self._done:
                self.add(paths.root.name)

    def _update(self, run: Followed, closing: bool) -> None:
        if not self._ending and time.monotonic() < run.next_try:
            return
        if self._ending and len(self._failures) >= MOST_FAILURES:
            if run.is_behind():
                run.error = self._failures[-1]
                run.tell(self.name)
            return
        try:
            run.update(self._made, closing)
        except (Exception, SystemExit) as error:
            first = next(iter(str(error).splitlines()), "")
            run.error = visible(f"{type(error).__name__}: {first}".removesuffix(": "))
            run.next_try = time.monotonic() + RETRY_SECONDS
            run.drop()
            run.tell(self.name)
            self._failures.append(run.error)
        else:
            run.error = ""
            self._failures.clear()

    def _made(self) -> Tracker:
        if self._tracker is None:
            self._tracker = self._make()
        return self._tracker


def main(words: Sequence[str]) -> None:
    """Follow the runs that standard input names until it ends, then say how that went.

    *words* are the tracker, its mode, the folder of the sweep and when the command started.
    """
    name, mode, folder, since = words
    for number in (signal.SIGINT, signal.SIGTERM):  # the command decides when this process ends
        signal.signal(number, signal.SIG_IGN)
    names: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    source, answer = os.fdopen(os.dup(0), encoding="utf-8"), os.dup(1)
    silence = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # packages neither ask nor print
        os.dup2(silence, descriptor)
    threading.Thread(target=_read, args=(source, names), daemon=True).start()
    config, sweep = TrackerConfig(name=name, mode=mode), SweepPaths(Path(folder))
    follower = Follower(
        name,
        sweep,
        lambda: open_tracker(config, sweep),
        lambda: _answer(answer, "\n"),
        float(since),
    )
    _follow(follower, names)
    _answer(answer, json.dumps(follower.close()) + "\n")
    os._exit(0)  # whatever threads a package has left


def _follow(follower: Follower, names: "queue.SimpleQueue[str | None]") -> None:
    """Look at the files again and again until there are no more names."""
    pause = SECONDS
    while True:
        end = time.monotonic() + pause
        with suppress(queue.Empty):
            while (left := end - time.monotonic()) > 0:
                name = names.get(timeout=left)
                if name is None:
                    return
                follower.add(name)
        started = time.monotonic()
        follower.look()
        pause = max(SECONDS, SHARE * (time.monotonic() - started))


def _read(source: TextIO, names: "queue.SimpleQueue[str | None]") -> None:
    """Pass on each line; None in the end, and then this process does not last forever."""
    for line in source:
        names.put(line.rstrip("\n"))
    names.put(None)
    killer = threading.Timer(ORPHAN_SECONDS, os._exit, (1,))
    killer.daemon = True
    killer.start()


def _answer(descriptor: int, text: str) -> None:
    with suppress(OSError):  # the command is gone
        os.write(descriptor, text.encode())


if __name__ == "__main__":
    main(sys.argv[1:])
