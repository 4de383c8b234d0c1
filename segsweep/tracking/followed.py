"""One run as a tracker's process follows it: its stored files, and how much its record holds."""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from segsweep.errors import StoreError
from segsweep.store.paths import RunPaths
from segsweep.store.states import Status
from segsweep.system.files import claimed, file_stamp
from segsweep.tracking.facts import Row, ending_of, epochs_of, facts_of
from segsweep.tracking.tracker import Record, Tracker


@dataclass
class Followed:
    """A run, and its record as far as it is written."""

    paths: RunPaths
    since: float = 0.0
    """When the command started, in seconds of the epoch."""
    record: Record | None = None
    rows: list[Row] = field(default_factory=list)
    """The epochs in the record, while it is open."""
    seen: tuple[tuple[int, ...], ...] | None = None
    """The stamps of the files whose content is in the record."""
    error: str = ""
    """Why the last attempt to write failed; empty if it did not."""
    told: bool = False
    """Whether the run's log says that an attempt failed."""
    next_try: float = 0.0
    started: bool = False
    """Whether the command has trained it, as far as files show."""
    finished: bool = False
    last_start: tuple[int, ...] | None = None
    """In the end: the stamp of what a run writes when it starts. If it changes, another command has
    started the run, whose own process writes its record."""
    held: ExitStack | None = None
    """Holds the lock of the record while it is open."""

    def update(self, tracker: Callable[[], Tracker], closing: bool = False) -> None:
        """Write what the run's files hold beyond the record; *closing*: nothing will follow."""
        stamps, taken_over = self._stamps(), self._is_taken_over()
        if taken_over and self.record is None:
            return
        if stamps == self.seen and not (closing and self.record is not None):
            return
        if taken_over:
            self._end(Status.INTERRUPTED)
            return
        status = self.paths.status()
        self.started = self.started or status is Status.RUNNING or self._is_written_since()
        if not self.started:
            return
        rows = epochs_of(self.paths)
        if self.record is not None and rows[: len(self.rows)] != self.rows:  # from scratch
            self.drop()
        if self.record is None:
            if not self._is_mine():
                if closing:
                    raise StoreError("another command is still writing the run's record")
                return
            self.record = tracker().open(facts_of(self.paths), rows)
            self.rows = rows[: self.record.held]
        self.record.add(rows[len(self.rows) :])
        self.rows = rows
        if closing or status in (Status.FINISHED, Status.FAILED):
            self._end(status)
        self.seen, self.finished = stamps, status is Status.FINISHED

    def is_behind(self) -> bool:
        """Whether the command has trained it since its record was written."""
        trained = self.started or self._is_written_since()
        return self.record is not None or (trained and self._stamps() != self.seen)

    def drop(self) -> None:
        """Close the record after an error, or because it is to be replaced."""
        if self.record is not None:
            with suppress(Exception):
                self.record.drop()
        self._release()

    def starts_no_more(self) -> None:
        """Remember which start of the run was the command's last: the command has ended."""
        self.last_start = file_stamp(self.paths.environment)

    def tell(self, name: str) -> None:
        """Say once in the run's log that the tracker *name* fails."""
        if not self.told:
            self.told = True
            line = f"tracker={name}: not written ({self.error}); the run goes on\n"
            with suppress(OSError), self.paths.log.open("a", encoding="utf-8") as log:
                log.write(line)

    def _end(self, status: Status) -> None:
        if self.record is not None:
            self.record.end(ending_of(self.paths, status))
        self._release()

    def _is_mine(self) -> bool:
        """Whether this process holds the lock of the record, now or already."""
        if self.held is None:
            with ExitStack() as stack:
                if stack.enter_context(claimed(self.paths.tracked)):
                    self.held = stack.pop_all()
        return self.held is not None

    def _release(self) -> None:
        self.record, self.rows = None, []
        if self.held is not None:
            self.held.close()
            self.held = None

    def _is_taken_over(self) -> bool:
        last = self.last_start
        return last is not None and last != file_stamp(self.paths.environment)

    def _files(self) -> tuple[Path, ...]:
        return (self.paths.history, self.paths.failure, self.paths.result)

    def _stamps(self) -> tuple[tuple[int, ...], ...]:
        return tuple(map(file_stamp, self._files()))

    def _is_written_since(self) -> bool:
        there = [path for path in self._files() if path.exists()]
        return any(path.stat().st_mtime >= self.since for path in there)
