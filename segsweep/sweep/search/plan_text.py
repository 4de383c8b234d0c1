"""What a search will do, in words and as a table, before it starts."""

from collections.abc import Mapping, Sequence

from segsweep.sweep.planning.budget import makespan
from segsweep.sweep.planning.plan import PlannedRun
from segsweep.sweep.processes.slots import Slot
from segsweep.sweep.search.settings import Settings
from segsweep.system.progress import duration

Groups = Mapping[tuple[str, int | None], Sequence[PlannedRun]]
"""(cell, fold) -> its runs."""


def search_lines(groups: Groups, settings: Settings) -> list[str]:
    """Return the lines about a search that starts."""
    runs = next(iter(groups.values()))
    epochs = sorted({settings.epochs(run.config) for runs in groups.values() for run in runs})
    each = f"{settings.n_trials} trials of {' or '.join(map(str, epochs))} epochs"
    where = "cell" if runs[0].config.data.split.fold is None else "cell and fold"
    params = ", ".join(f"{key} in {text}" for key, text in settings.params.items())
    finals = sum(map(len, groups.values()))
    return [
        f"search: {params}; {each} for each of {_count(len(groups), where)}, then "
        f"{_count(finals, 'run')} at the values found"
    ]


def print_search_plan(
    groups: Groups,
    settings: Settings,
    seconds: Mapping[str, tuple[float, float]],
    slots: Sequence[Slot],
) -> None:
    """Print what the search would do, a row per cell and fold, and how long that takes."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from segsweep.system.console import console_on

    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("cell", overflow="fold", min_width=12)
    for name in ("trials", "time", "runs", "time "):
        table.add_column(name, justify="right", no_wrap=True)
    chains, single = [], []
    for (title, (trial, final)), runs in zip(seconds.items(), groups.values(), strict=True):
        times = [duration(one) if one else "-" for one in (trial, final)]
        table.add_row(Text(title), str(settings.n_trials), times[0], str(len(runs)), times[1])
        chains.append(settings.n_trials * trial + final)
        single += [trial] * settings.n_trials + [final] * len(runs)
    console = console_on()
    console.print(table)
    for line in search_lines(groups, settings):
        console.print(line, soft_wrap=True)
    if all(single):
        together = max(makespan(single, len(slots) or 1), max(chains, default=0.0))
        console.print(f"about {duration(together)} in {_count(len(slots) or 1, 'slot')}")


def _count(number: int, word: str) -> str:
    many = "cells and folds" if word == "cell and fold" else f"{word}s"
    return f"{number} {word if number == 1 else many}"
