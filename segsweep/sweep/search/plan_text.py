"""What a search will do, in words and as a table, before it starts."""

from collections.abc import Mapping, Sequence

from segsweep.sweep.planning.budget import Budget, Room
from segsweep.sweep.planning.plan import PlannedRun
from segsweep.sweep.planning.plan_table import cost_lines
from segsweep.sweep.search.settings import Settings
from segsweep.system.names import plural
from segsweep.system.progress import duration

Groups = Mapping[tuple[str, int | None], Sequence[PlannedRun]]
"""(cell, fold) -> its runs."""


def search_lines(
    groups: Groups, settings: Settings, left: Mapping[str, tuple[int, int]]
) -> list[str]:
    """Return the lines about a search that starts; *left* as in `print_search_plan`."""
    runs = next(iter(groups.values()))
    epochs = sorted({settings.epochs(run.config) for runs in groups.values() for run in runs})
    pruner = settings.config.pruner
    most, ended = ("", "") if pruner == "none" else ("at most ", f" (pruner {pruner})")
    lasting = "1 epoch" if epochs == [1] else f"{' or '.join(map(str, epochs))} epochs"
    each = f"{plural(settings.n_trials, 'trial')} of {most}{lasting}{ended}"
    where = plural(len(groups), "cell")
    if runs[0].config.data.split.fold is not None:
        where = "1 cell and fold" if len(groups) == 1 else f"{len(groups)} cells and folds"
    params = ", ".join(f"{key} in {text}" for key, text in settings.params.items())
    finals = sum(map(len, groups.values()))
    lines = [
        f"search: {params}; {each} for each of {where}, then "
        f"{plural(finals, 'run')} at the values found"
    ]
    trials_left, finals_left = (sum(pair[place] for pair in left.values()) for place in (0, 1))
    all_trials = settings.n_trials * len(groups)
    if (trials_left, finals_left) != (all_trials, finals):
        lines.append(
            f"finished before: {all_trials - trials_left} of {plural(all_trials, 'trial')}, "
            f"{finals - finals_left} of {plural(finals, 'run')}"
        )
    return lines


def print_search_plan(
    groups: Groups,
    settings: Settings,
    left: Mapping[str, tuple[int, int]],
    seconds: Mapping[str, tuple[float, float]],
    budget: Budget | None,
    room: Room,
) -> None:
    """Print what the search would do, a row per cell and fold, and what that needs.

    *left* and *seconds* are title of a cell's search -> its trials and final runs that are still to
    do, and the expected seconds of a trial and of a final run.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from segsweep.system.console import console_on

    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("cell", overflow="fold", min_width=12)
    for name in ("trials", "to do", "time", "runs", "time "):
        table.add_column(name, justify="right", no_wrap=True)
    for (title, (trial, final)), runs in zip(seconds.items(), groups.values(), strict=True):
        times = [duration(one) if one else "-" for one in (trial, final)]
        counts = [str(settings.n_trials), str(left[title][0]), times[0], str(len(runs)), times[1]]
        table.add_row(Text(title), *counts)
    console = console_on()
    console.print(table)
    lines = [] if budget is None else cost_lines(budget, room)
    for line in (*search_lines(groups, settings, left), *lines):
        console.print(line, soft_wrap=True)
