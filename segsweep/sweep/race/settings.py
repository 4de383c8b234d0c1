"""The settings of a command's race, checked: the same seeds for every cell, one test set."""

from collections.abc import Sequence
from dataclasses import dataclass

from segsweep.config.cells import cell_id, filled_keys, flat_values
from segsweep.config.truth import data_words, question_of
from segsweep.errors import ConfigError
from segsweep.stats.looks import looks_of
from segsweep.store.outcome import Outcome
from segsweep.store.race import RaceRow
from segsweep.sweep.planning.plan import PlannedRun, cell_by_run
from segsweep.system.names import plural

SEEDS = "seed=range(0,20)"
FIXED = (
    "the error of each look was fixed at the first one, so a race is not changed or extended; run "
    "the first command again to resume it, or give another sweep=<name>"
)


@dataclass(frozen=True)
class RaceSettings:
    """How a command races."""

    looks: tuple[int, ...]
    """Numbers of seeds at the looks; the last is that of all seeds."""
    seeds: tuple[int, ...]
    """In the order of the command."""
    hours: float | None = None


@dataclass
class RaceCell:
    """A cell of a race."""

    name: str
    """As the command tells its cells apart."""
    id: str
    units: dict[int, list[PlannedRun]]
    """Seed -> its runs, one per fold; seeds in the order of the race."""
    statistic: float = 0.0
    """At its last look; the smaller, the better the cell."""
    out: bool = False
    """Whether it is ruled out."""

    def runs(self, seeds: Sequence[int]) -> list[PlannedRun]:
        """Return the runs of *seeds*."""
        return [run for seed in seeds for run in self.units[seed]]


def race_of(planned: Sequence[PlannedRun], failed: Sequence[Outcome] = ()) -> RaceSettings | None:
    """Return the race that the runs of a command ask for; None if they ask for none.

    *failed* are the outcomes of its runs that cannot start.

    Raises ConfigError for one that cannot be held.
    """
    first = planned[0]
    asked, command = first.race, first.command_config
    if not asked.looks:
        if asked.hours is not None:
            raise ConfigError(
                f"race.hours={asked.hours:g}: has no effect without a race; add race=best"
            )
        return None
    if first.search.params and first.search.reuse is None:
        raise ConfigError(
            "race.looks: not in one command with a search; search first, then race at the values "
            "found with search.reuse=<that sweep>"
        )
    if command.rerun != "none":
        raise ConfigError(
            f"rerun={command.rerun}: not in a race, whose decisions stay with the runs they came "
            "from; leave it out"
        )
    if failed:
        raise ConfigError(
            f"race.looks: {plural(len(failed), 'run')} cannot start, and a race is not extended "
            "later; mend or leave out their cells"
        )
    _check_tested(planned)
    seeds = _seeds_of(planned)
    return RaceSettings(looks_of(asked.looks, len(seeds)), seeds, asked.hours)


def _check_tested(planned: Sequence[PlannedRun]) -> None:
    """Raise ConfigError unless all runs are scored on the same test set."""
    first = planned[0].config
    if first.kind != "run":
        raise ConfigError(
            f"kind={first.kind}: not in a race, which judges test images; leave it out"
        )
    if any(run.config.validation_only for run in planned):
        raise ConfigError(
            "race.looks: a race judges test images, and this split has none; give it some with "
            "data.split.test, or leave out the race"
        )
    values = [flat_values(run.config.values) for run in planned]
    if len({question_of(one) for one in values}) > 1:
        names = ", ".join(data_words(values).values())
        raise ConfigError(
            f"race.looks: one data set and target per race, not {names}; run a command, with a "
            "sweep=<name> of its own, for each"
        )


def _seeds_of(planned: Sequence[PlannedRun]) -> tuple[int, ...]:
    """Return the seeds in their order; ConfigError unless each cell has them all, several."""
    seeds = tuple(dict.fromkeys(run.config.seed for run in planned))
    if len(seeds) < 2:
        raise ConfigError(f"race.looks: a race needs several seeds; add {SEEDS}")
    cells = cell_by_run(planned)
    if len({*cells.values()}) < 2:
        raise ConfigError("race.looks: a race needs several cells; add model=<name>,<name>")
    repeated: dict[str, set[tuple[int, int | None]]] = {}
    for run in planned:
        unit = run.config.seed, run.config.data.split.fold
        repeated.setdefault(cells[run.name], set()).add(unit)
    first = next(iter(repeated.values()))
    for cell, units in repeated.items():
        if units != first:
            raise ConfigError(
                f"race.looks: {cell} has other seeds or folds than other cells; give all cells the "
                f"same, such as {SEEDS}"
            )
    return seeds


def race_cells(planned: Sequence[PlannedRun], settings: RaceSettings) -> list[RaceCell]:
    """Return the cells of a race, in the order of the command."""
    names, found = cell_by_run(planned), dict[str, RaceCell]()
    for run in planned:
        name, values = names[run.name], run.config.values
        if name not in found:
            units: dict[int, list[PlannedRun]] = {seed: [] for seed in settings.seeds}
            found[name] = RaceCell(name, cell_id(values, filled_keys(values)), units)
        found[name].units[run.config.seed].append(run)
    return list(found.values())


def check_same_race(
    rows: Sequence[RaceRow], cells: Sequence[RaceCell], settings: RaceSettings
) -> None:
    """Raise ConfigError if the *rows* of race.csv are of another race than the command's."""
    if not rows:
        return
    first = rows[0]
    if first.order != settings.seeds:
        raise ConfigError(
            f"seed: this sweep holds a race over the seeds {_words(first.order)}, not "
            f"{_words(settings.seeds)}; {FIXED}"
        )
    if first.looks != settings.looks:
        raise ConfigError(
            f"race.looks: this sweep holds a race with looks at {_words(first.looks)} seeds, not "
            f"{_words(settings.looks)}; {FIXED}"
        )
    entered = {row.cell_id: row.cell for row in rows if row.look == 1}
    asked = {cell.id: cell.name for cell in cells}
    if entered.keys() != asked.keys():
        other = sorted({*entered.values()} ^ {*asked.values()})
        what = f"of other cells than the command ({', '.join(other[:4])})"
        if not other:
            what = "of the same cells with other settings than the command"
        raise ConfigError(f"race.looks: this sweep holds a race {what}; {FIXED}")


def _words(numbers: Sequence[int]) -> str:
    """Return numbers as text, in the middle of many of them dots."""
    shown = [*numbers] if len(numbers) < 8 else [*numbers[:3], "...", *numbers[-2:]]
    return ", ".join(map(str, shown))
