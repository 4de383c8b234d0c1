"""Composes and checks every run that a command asks for; all errors are reported together."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from segsweep.errors import ConfigError
from segsweep.sweep.planning.compose import Composer
from segsweep.sweep.planning.hydra_errors import one_line
from segsweep.sweep.planning.plan import PlannedRun, check_without_data, plan_checked

T = TypeVar("T")
R = TypeVar("R")


def plan_all(runs: Sequence[Sequence[str]], composer: Composer | None = None) -> list[PlannedRun]:
    """Compose and check every run; raise ConfigError naming the runs with invalid values.

    All runs are first checked without images, so a typo is reported before any is decoded.
    *composer* has composed the options of these runs before.
    """
    composed = (composer or Composer()).composed
    configs = _for_each(runs, runs, lambda words: check_without_data(*composed(words)))
    planned: dict[str, PlannedRun] = {}
    for run in _for_each(runs, configs, plan_checked):
        planned.setdefault(run.name, run)
    return list(planned.values())


def _for_each(
    runs: Sequence[Sequence[str]], items: Sequence[T], function: Callable[[T], R]
) -> list[R]:
    """Return *function* of each run's item; raise one ConfigError for all runs that fail."""
    results: list[R] = []
    misfits: dict[str, list[str]] = {}
    fixed = set.intersection(*map(set, runs)) if len(runs) > 1 else set()
    for overrides, item in zip(runs, items, strict=True):
        try:
            results.append(function(item))
        except Exception as error:
            if len(runs) == 1:
                raise
            cell = " ".join(word for word in overrides if word not in fixed)
            for line in one_line(error, overrides).splitlines():
                misfits.setdefault(line, []).append(cell)
    _raise_misfits(misfits, len(runs))
    return results


def _raise_misfits(misfits: dict[str, list[str]], total: int) -> None:
    """Raise one ConfigError with a line per reason and the runs that have it."""
    lines = []
    for reason, cells in misfits.items():
        more = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
        where = f" [in {'; '.join(cells[:3])}{more}]" if len(cells) < total else ""
        lines.append(reason + where)
    if lines:
        raise ConfigError("\n".join(lines))
