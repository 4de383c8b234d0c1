"""How a race over cells went, in sentences."""

from collections.abc import Sequence

from segsweep.stats.looks import End
from segsweep.system.names import name_list, plural

ENDS = {
    End.ONE: "one cell is left",
    End.GOOD: "all that are left are as good as the best within {margin}",
    End.IMAGES: "endless seeds would not separate those that are left on these images",
    End.HOURS: "its hours are spent",
    End.SEEDS: "its seeds are used up",
}
STEPS = {
    End.IMAGES: "More test images or folds are needed to tell the cells that are left apart.",
    End.HOURS: "A new race with more hours, in a sweep of its own, would go further.",
    End.SEEDS: "Telling the cells that are left apart takes more test images or folds, or more "
    "seeds in a new race.",
}


def race_texts(
    end: str,
    cells: int,
    left: Sequence[str],
    look: tuple[int, int],
    runs: tuple[int, int, int],
    margin: float,
) -> tuple[str, ...]:
    """Return how far a race came, and what it saved.

    Args:
        end: why it ended, one of `End`; empty while it goes on.
        cells: how many entered.
        left: those that are not ruled out.
        look: the number of the last look, and its seeds.
        runs: those that it asked for, those of them that no look used, and those that all seeds of
            all cells would take.
        margin: the equivalence margin.

    """
    number, seeds = look
    asked, unused, every = runs
    if not end:
        return (
            f"The race goes on: after look {number} ({plural(seeds, 'seed')}), {len(left)} of "
            f"{plural(cells, 'cell')} may still be the best.",
        )
    why = ENDS[End(end)].format(margin=f"{margin:g}")
    saved = f"{asked} runs in place of {every}" if asked < every else plural(asked, "run")
    saved += f", {unused} of them not used by a look" if unused else ""
    return (f"The race ended at look {number} ({plural(seeds, 'seed')}): {why}; {saved}.",)


def race_steps(end: str) -> tuple[str, ...]:
    """Return what would settle more after a race that ended so."""
    return (STEPS[End(end)],) if end and End(end) in STEPS else ()


def race_note(seeds: int, cells: Sequence[str], every: int, metric: str = "") -> str:
    """Return what the numbers of a race are from.

    Args:
        seeds: those of the first look.
        cells: those that got more.
        every: how many entered.
        metric: another one than the race decides by; empty for that one.

    """
    start = "Seeds were given by results"
    first = f"the first {plural(seeds, 'seed')} of each cell"
    if metric:
        return f"{start}, by another metric than {metric}: here {first} are compared."
    more = f": {name_list(cells) or 'no cell'} got more" if len(cells) < every else ""
    return (
        f"{start}{more}. The set of the best holds with 95 % confidence over all looks; pairs, "
        f"averages and chances use {first}."
    )
