"""Composes and checks every run that a command asks for; all errors are reported together."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from segsweep.data.check import ProblemsError, format_problems
from segsweep.data.source import Problem
from segsweep.data.split import problem_text
from segsweep.errors import ConfigError, UserCodeError
from segsweep.store.outcome import NAN, Outcome
from segsweep.store.states import AttemptStatus, Cause
from segsweep.sweep.planning import user_code
from segsweep.sweep.planning.compose import Composer
from segsweep.sweep.planning.hydra_errors import one_line
from segsweep.sweep.planning.plan import PlannedRun, check_without_data, each_once, plan_checked
from segsweep.tracking.tracker import check_one_tracker

T = TypeVar("T")
R = TypeVar("R")


def plan_all(
    runs: Sequence[Sequence[str]], composer: Composer | None = None
) -> tuple[list[PlannedRun], list[Outcome]]:
    """Compose and check every run; return those that can start, each once, and those that cannot.

    Raises what `plan_by_words` raises.
    """
    by_words, failed = plan_by_words(runs, composer)
    return each_once(by_words.values()), failed


def plan_by_words(
    runs: Sequence[Sequence[str]], composer: Composer | None = None
) -> tuple[dict[tuple[str, ...], PlannedRun], list[Outcome]]:
    """Compose and check every run; return those that can start by their words, and the others.

    Different words may be the same run. A run cannot start if a class of the user crashes, exits
    or hangs when it is checked. Raises ConfigError naming the runs with invalid values,
    and if no run is left.

    All runs are first checked without images, so a typo is reported before any is decoded.
    *composer* has composed the options of these runs before.
    """
    composed = (composer or Composer()).composed
    faults: dict[str, list[str]] = {}
    planned: dict[tuple[str, ...], PlannedRun] = {}
    runs = list(dict.fromkeys(tuple(words) for words in runs))
    with user_code.in_processes():
        checked = _for_each(runs, runs, lambda words: check_without_data(*composed(words)), faults)
        check_one_tracker([config.tracker for _, config in checked])
        kept = [run for run, _ in checked]
        for words, one in _for_each(kept, [config for _, config in checked], plan_checked, faults):
            planned[tuple(words)] = replace(one, words=tuple(words))
    if not planned:
        Misfits(faults).raise_all(len(runs))
    return planned, left_out(faults)


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
    misfits = Misfits()
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
            misfits.add(error, overrides, cell)
    misfits.raise_all(len(runs))
    return results


def _some(cells: Sequence[str]) -> str:
    more = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
    return "; ".join(cells[:3]) + more


@dataclass
class Misfits:
    """Why runs cannot be planned, each reason once, with the runs that have it."""

    lines: dict[str, list[str]] = field(default_factory=dict)
    problems: dict[Problem, list[str]] = field(default_factory=dict)
    """Those of data and splits."""
    folder: Path | None = None
    """For the whole list of problems."""

    def add(self, error: Exception, overrides: Sequence[str], cell: str) -> None:
        """Add what *error* says about the run *cell*."""
        if isinstance(error, ProblemsError) and error.problems:
            self.folder = error.folder or self.folder
            for problem in error.problems:
                self.problems.setdefault(problem, []).append(cell)
            return
        for line in one_line(error, overrides).splitlines():
            self.lines.setdefault(line, []).append(cell)

    def raise_all(self, total: int) -> None:
        """Raise one ConfigError with a line per reason and the runs, of *total*, that have it."""
        lines = [f"{reason}{_where(cells, total)}" for reason, cells in self.lines.items()]
        found = [
            one if one.level == "warning" else replace(one, what=one.what + _where(cells, total))
            for one, cells in self.problems.items()
        ]
        if found:
            text = (
                format_problems(found, self.folder) if lines else problem_text(found, self.folder)
            )
            lines.append(text)
        if lines:
            raise ConfigError("\n".join(lines))


def _where(cells: Sequence[str], total: int) -> str:
    return f" [in {_some(cells)}]" if len(cells) < total else ""
