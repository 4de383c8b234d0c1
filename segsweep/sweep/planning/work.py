"""What a command does with each run it asks for: leave it alone, or train it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

from segsweep import __version__
from segsweep.errors import SegsweepError, StoredFileError
from segsweep.store.json_files import Result, known_result, read_result
from segsweep.store.outcome import Outcome, failed_outcome, finished_outcome
from segsweep.store.run_cache import RunCache
from segsweep.store.states import Status
from segsweep.sweep.planning.damage import Damage, damages_of
from segsweep.sweep.planning.plan import PlannedRun

NOT_RETRIED = "(not retried: retry_failed=false)"


@dataclass(frozen=True)
class Work:
    """The runs that a command asks for, grouped by what it does with them."""

    finished: list[PlannedRun]
    """Finished before, left alone."""
    todo: list[PlannedRun]
    """To train: new, interrupted, failed and retried, or repeated."""
    repeated: list[PlannedRun]
    """The runs in `todo` that are finished and trained again because of `rerun`."""
    skipped: list[PlannedRun]
    """Failed before and not retried."""
    states: Mapping[str, Status]
    """Run name -> status before the command."""
    damages: Mapping[str, Damage] = field(default_factory=dict)
    """Name of a finished run -> its damaged files."""

    def lines(self) -> list[str]:
        """Return a line for each damaged file of a run: what is wrong, what is done."""
        found = [line for damage in self.damages.values() for line in damage.lines()]
        return [*found, *(line for run in self.todo for line in _lost_result(run))]


def work_for(planned: Sequence[PlannedRun], cache: RunCache | None = None) -> Work:
    """Group the runs by their status on disk and by `rerun` and `retry_failed`.

    A finished run that lost what only training brings back counts as repeated. *cache* keeps
    what is read of finished runs.
    """
    command = planned[0].command_config
    states = {run.name: run.paths.status() for run in planned}
    finished = [run for run in planned if states[run.name] is Status.FINISHED]
    damages = damages_of(finished, cache or RunCache())
    lost = {name for name, damage in damages.items() if damage.final}
    repeated = [run for run in finished if run.name in lost or _is_repeated(run, command.rerun)]
    names = {run.name for run in repeated}
    kept = [run for run in finished if run.name not in names]
    failed = [run for run in planned if states[run.name] is Status.FAILED]
    skipped = [] if command.retry_failed else failed
    names = {run.name for run in (*kept, *skipped)}
    todo = [run for run in planned if run.name not in names]
    return Work(kept, todo, repeated, skipped, states, damages)


def keep_whole(runs: Sequence[PlannedRun], cache: RunCache) -> None:
    """Examine the finished ones of *runs*: the next command need not read those that are whole.

    That command says what is damaged.
    """
    with suppress(SegsweepError, OSError):  # such as data that are gone by now
        damages_of([run for run in runs if run.paths.status() is Status.FINISHED], cache)


def outcomes_before(work: Work) -> list[Outcome]:
    """Return the outcomes of the runs that this command leaves alone."""
    finished = [one for run in work.finished if (one := finished_outcome(run.paths)) is not None]
    skipped = [failed_outcome(run.paths) for run in work.skipped]
    return [*finished, *(replace(one, error=f"{one.error} {NOT_RETRIED}") for one in skipped)]


def version_of(run: PlannedRun) -> str:
    """Return the version of segsweep that finished *run*; empty if unknown."""
    return (known_result(run.paths.result) or Result()).version


def _lost_result(run: PlannedRun) -> list[str]:
    """Return what is wrong with the result of a run, which counts as unfinished without it."""
    try:
        read_result(run.paths.result)
    except StoredFileError as error:
        return [f"{error}; the run is done again"]
    return []


def _is_repeated(run: PlannedRun, rerun: str) -> bool:
    return rerun == "all" or (rerun == "stale" and version_of(run) != __version__)
