"""What a race will do, what each look found and why it ended, in words."""

from collections.abc import Mapping, Sequence

from segsweep.stats.looks import End
from segsweep.store.race import Decision, RaceRow
from segsweep.sweep.planning.budget import Budget, Room, makespan
from segsweep.sweep.planning.plan_table import cost_lines
from segsweep.sweep.race.race import Race
from segsweep.system.names import plural
from segsweep.system.progress import duration

MOST_NAMED = 6
"""Cells that a line names."""
ENDS = {
    End.ONE: "only {left} may be the best",
    End.GOOD: "{left} are as good as the best within the margin",
    End.IMAGES: "further seeds would not separate {left}, because the images are too few",
    End.HOURS: "race.hours are spent; {left} may be the best",
    End.SEEDS: "all seeds are used up; {left} may be the best",
}
"""Why a race has ended."""


def race_lines(race: Race, finished: int) -> list[str]:
    """Return the lines about a race that starts or resumes.

    *finished* is the number of its runs that finished before.
    """
    looks, cells = race.settings.looks, race.cells
    folds = len(next(iter(cells[0].units.values())))
    where = "" if folds == 1 else f" and {folds} folds"
    least, most = (len(cells) * count * folds for count in (looks[0], looks[-1]))
    lines = [
        f"race: looks at {', '.join(map(str, looks))} seeds{where} of {len(cells)} cells; "
        f"at least {plural(least, 'run')}, at most {most}"
    ]
    if finished or race.looks_taken:
        taken = f"{race.looks_taken} of {plural(len(looks), 'look')} taken"
        left = f"{plural(len(race.left), 'cell')} left" if race.looks_taken else ""
        before = f"{plural(finished, 'run')} finished before"
        lines.append("race: " + ", ".join(filter(None, [before, taken, left])))
    return lines


def look_line(rows: Sequence[RaceRow]) -> str:
    """Return a line about the look of these *rows* of race.csv."""
    first = rows[0]
    names = {
        one: [row.cell for row in rows if row.decision is one]
        for one in (Decision.OUT, Decision.SHORT)
    }
    left = len(rows) - len(names[Decision.OUT])
    found = f"{left} of {plural(len(rows), 'cell')} may still be the best"
    out = f"; out: {named(names[Decision.OUT])}" if names[Decision.OUT] else ""
    short = names[Decision.SHORT]
    told = f"; short of seeds, so not judged: {named(short)}" if short else ""
    return f"look {first.look}, {plural(first.looks[first.look - 1], 'seed')}: {found}{out}{told}"


def end_line(race: Race) -> str:
    """Return why a race has ended, and what it saved; empty if it goes on."""
    if not race.end:
        return ""
    left = [cell.name for cell in race.left]
    text = ENDS[End(race.end)].format(left=named(left))
    every = sum(len(runs) for cell in race.cells for runs in cell.units.values())
    asked, used = race.asked(), {name for row in race.rows for name in row.runs}
    unused = sum(run.config.run_id not in used for run in asked)
    more = f"; {unused} of the {len(asked)} not used by a look" if unused else ""
    counts = f"{len(asked)} of {plural(every, 'run')}, {every - len(asked)} saved"
    return f"race ended: {text}; {counts}{more}"


def time_line(race: Race, seconds: Mapping[str, float], slots: int) -> str:
    """Return how long the rest of a race takes; empty if no run's *seconds* are known."""
    least, most = (
        makespan([seconds.get(run.name, 0.0) for run in runs], slots)
        for runs in (race.waiting(), race.possible())
    )
    if not most:
        return ""
    return f"race: at least about {duration(least)}, at most about {duration(most)}"


def print_race_plan(
    race: Race, seconds: Mapping[str, float], finished: int, budget: Budget | None, room: Room
) -> None:
    """Print what a race would do, a row per cell, and what that needs.

    Args:
        race: with the looks that were taken.
        seconds: expected seconds of each run that may start, by name, where they are known.
        finished: its runs that finished before.
        budget: of all runs that may start; None if unknown.
        room: what this machine has.

    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    from segsweep.system.console import console_on

    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False)
    table.add_column("cell", overflow="fold", min_width=12)
    for name in ("finished", "at least", "at most", "time"):
        table.add_column(name, justify="right", no_wrap=True)
    least, most = ({run.name for run in runs} for runs in (race.waiting(), race.possible()))
    done = {run.name for run in race.asked()}
    for cell in race.cells:
        names = {run.name for run in cell.runs([*cell.units])}
        times = [seconds[name] for name in names if seconds.get(name)]
        counts = [str(len(names & some)) for some in (done, least, most)]
        time = duration(sum(times) / len(times)) if times else "-"
        table.add_row(Text(cell.name), *counts, time)
    console = console_on()
    console.print(table)
    slots = budget.slots if budget is not None else 1
    lines = [*race_lines(race, finished), time_line(race, seconds, slots), end_line(race)]
    more = [] if budget is None else cost_lines(budget, room)[1:]
    for line in filter(None, [*lines, *more]):
        console.print(line, soft_wrap=True)


def named(cells: Sequence[str]) -> str:
    """Return the names of cells as text; of many, the first ones."""
    more = len(cells) - MOST_NAMED
    shown = ", ".join(cells[:MOST_NAMED])
    return f"{shown} and {more} more" if more > 0 else shown
