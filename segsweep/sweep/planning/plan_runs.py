"""Composes and checks every run that a command asks for; all errors are reported together."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from segsweep.errors import ConfigError, UserCodeError
from segsweep.store.outcome import NAN, Outcome
from segsweep.store.states import AttemptStatus, Cause
from segsweep.sweep.planning import user_code
from segsweep.sweep.planning.compose import Composer
from segsweep.sweep.planning.hydra_errors import one_line
from segsweep.sweep.planning.plan import PlannedRun, check_without_data, plan_checked

T = TypeVar("T")
R = TypeVar("R")


def plan_all(
    runs: Sequence[Sequence[str]], composer: Composer | None = None
) -> tuple[list[PlannedRun], list[Outcome]]:
    """Compose and check every run; return those that can start, and those that cannot.

    A run cannot start if a class of the user crashes, exits or hangs when it is checked. Raises
    ConfigError naming the runs with invalid values, and if no run is left.

    All runs are first checked without images, so a typo is reported before any is decoded.
    *composer* has composed the options of these runs before.
    """
    composed = (composer or Composer()).composed
    faults: dict[str, list[str]] = {}
    planned: dict[str, PlannedRun] = {}
    with user_code.in_processes():
        checked = _for_each(runs, runs, lambda words: check_without_data(*composed(words)), faults)
        kept = [run for run, _ in checked]
        for _, one in _for_each(kept, [config for _, config in checked], plan_checked, faults):
            planned.setdefault(one.name, one)
    if not planned:
        _raise_misfits(faults, len(runs))
    return list(planned.values()), left_out(faults)


def left_out(faults: Mapping[str, Sequence[str]]) -> list[Outcome]:
    """Print the runs that cannot start; return their outcomes."""
    for reason, cells in faults.items():
        print(f"{reason}; left out: {_some(cells)}", file=sys.stderr)
    return [
        Outcome(cell, AttemptStatus.FAILED, NAN, reason, cause=Cause.REFUSED)
        for reason, cells in faults.items()
        for cell in cells
    ]


def _for_each(
    runs: Sequence[Sequence[str]],
    items: Sequence[T],
    function: Callable[[T], R],
    faults: dict[str, list[str]],
) -> list[tuple[Sequence[str], R]]:
    """Return each run with *function* of its item; raise one ConfigError for all misfits.

    Runs whose own classes crash, exit or hang are added to *faults*, by the reason.
    """
    results: list[tuple[Sequence[str], R]] = []
    misfits: dict[str, list[str]] = {}
    fixed = set.intersection(*map(set, runs)) if len(runs) > 1 else set()
    for overrides, item in zip(runs, items, strict=True):
        try:
            results.append((overrides, function(item)))
        except UserCodeError as error:
            cell = " ".join(word for word in overrides if word not in fixed) or "the run"
            faults.setdefault(str(error), []).append(cell)
        except Exception as error:
            if len(runs) == 1:
                raise
            cell = " ".join(word for word in overrides if word not in fixed)
            for line in one_line(error, overrides).splitlines():
                misfits.setdefault(line, []).append(cell)
    _raise_misfits(misfits, len(runs))
    return results


def _some(cells: Sequence[str]) -> str:
    more = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
    return "; ".join(cells[:3]) + more


def _raise_misfits(misfits: Mapping[str, Sequence[str]], total: int) -> None:
    """Raise one ConfigError with a line per reason and the runs that have it."""
    lines = []
    for reason, cells in misfits.items():
        where = f" [in {_some(cells)}]" if len(cells) < total else ""
        lines.append(reason + where)
    if lines:
        raise ConfigError("\n".join(lines))
