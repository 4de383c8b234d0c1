"""What is to be done with each run that a command asks for: which are finished, which to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from segsweep import __version__
from segsweep.store.outcome import Outcome, failed_outcome, finished_outcome
from segsweep.store.states import Status
from segsweep.sweep.planning.plan import Planned
from segsweep.system.files import read_json

NOT_AGAIN = "(not tried again: retry_failed=false)"


@dataclass(frozen=True)
class Work:
    """The runs that a command asks for, by what is to be done with them."""

    done: list[Planned]
    """Finished before."""
    todo: list[Planned]
    """New, interrupted, or failed and tried again."""
    again: list[Planned]
    """Of those to do: finished ones that the command asks for once more."""
    left: list[Planned]
    """Failed before, and not to be tried again."""
    states: Mapping[str, Status]
    """Name -> status before the command."""


def sort_out(planned: Sequence[Planned]) -> Work:
    """Look at what is there and return what is to be done."""
    command = planned[0].command
    states = {run.name: run.paths.status() for run in planned}
    finished = [run for run in planned if states[run.name] is Status.FINISHED]
    again = [run for run in finished if _is_asked_again(run, command.rerun)]
    names = {run.name for run in again}
    done = [run for run in finished if run.name not in names]
    failed = [run for run in planned if states[run.name] is Status.FAILED]
    left = [] if command.retry_failed else failed
    names = {run.name for run in (*done, *left)}
    todo = [run for run in planned if run.name not in names]
    return Work(done, todo, again, left, states)


def outcomes_before(work: Work) -> list[Outcome]:
    """Return the outcomes of runs that this command leaves alone."""
    finished = [one for run in work.done if (one := finished_outcome(run.paths)) is not None]
    left = [failed_outcome(run.paths) for run in work.left]
    return [*finished, *(replace(one, error=f"{one.error} {NOT_AGAIN}") for one in left)]


def _is_asked_again(run: Planned, rerun: str) -> bool:
    return rerun == "all" or (rerun == "stale" and version_of(run) != __version__)


def _version(run: Planned) -> str:
    """Return the version of segsweep that finished a run, empty if unknown."""
    return str((read_json(run.paths.result) or {}).get("version", ""))


def version_of(run: Planned) -> str:
    """Return the version of segsweep that finished *run*; empty if unknown."""
    return str((read_json(run.paths.result) or {}).get("version", ""))
