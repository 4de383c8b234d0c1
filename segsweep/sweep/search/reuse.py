"""`search.reuse`: runs at the values that a search found in another sweep, without any trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segsweep.config.cells import cell_id, title_of
from segsweep.config.validate import raise_all
from segsweep.errors import ConfigError, StoreError
from segsweep.store.chosen import Chosen, add_chosen, read_chosen
from segsweep.store.find import find_sweep
from segsweep.store.paths import SweepPaths
from segsweep.sweep.planning.hydra_errors import one_line
from segsweep.sweep.planning.plan import PlannedRun, sweep_of
from segsweep.sweep.search.cell import group_runs
from segsweep.sweep.search.planner import Planner
from segsweep.sweep.search.settings import Settings
from segsweep.sweep.search.space import Value, check_key

FILE = "chosen.csv"


@dataclass(frozen=True)
class Reused:
    """A command's runs at values found elsewhere."""

    sweep: SweepPaths
    planned: list[PlannedRun]
    rows: list[Chosen]
    """The rows of this sweep's chosen.csv."""
    lines: list[str]
    """Which values go to which cell."""

    def is_recorded(self) -> bool:
        """Whether chosen.csv has the rows already."""
        try:
            there = read_chosen(self.sweep)
        except StoreError:
            return False
        return all(row in there for row in self.rows)

    def record(self) -> None:
        """Write the rows; runs at other values of these cells are superseded from then on."""
        add_chosen(self.sweep, self.rows)


def reused(planned: Sequence[PlannedRun], settings: Settings, planner: Planner) -> Reused:
    """Return *planned* at the values that `search.reuse` names.

    Raises ConfigError, with a line per cell, if a cell has no values there, or several, or if they
    cannot be given to its runs.
    """
    sweep = sweep_of(planned[0].config)
    source = str(settings.config.reuse)
    found = _rows_of(source, sweep, planned[0].config.outputs)
    problems, rows, at_values, lines = list[str](), list[Chosen](), dict[str, PlannedRun](), [""]
    for (cell, fold), runs in group_runs(planned).items():
        try:
            row = _row_for(runs[0], found, settings.params)
            at_values |= {run.name: _at(run, row, planner) for run in runs}
        except ConfigError as error:
            problems.append(f"search.reuse={source}: {title_of(cell, fold)}: {error}")
            continue
        identity = cell_id(runs[0].config.values, row.values)
        study = _name_of(source, planned[0].config.outputs)
        mine = replace(row, cell=cell, cell_id=identity, trial="", trials=(), own={}, study=study)
        rows.append(mine)
        lines.append(f"  {title_of(cell, fold)}: {words_in(row.values)}")
    raise_all(problems)
    lines[0] = f"search.reuse={source}: no trials; the values found there are used:"
    return Reused(sweep, [at_values[run.name] for run in planned], rows, lines)


def words_in(values: Mapping[str, object]) -> str:
    """Return chosen values as text: `optimizer.lr=0.00213`."""
    return ", ".join(f"{key}={shown(value)}" for key, value in values.items())


def shown(value: object) -> str:
    """Return a chosen value as text, a number with four digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _rows_of(source: str, sweep: SweepPaths, outputs: str) -> list[Chosen]:
    """Return the rows of the other sweep's chosen.csv."""
    try:
        there = _source_of(source, outputs)
        if there.root.resolve() == sweep.root.resolve():
            raise ConfigError(
                "this sweep itself; name another one, or leave out search.reuse to use the values "
                "that its own search found"
            )
        if not there.chosen.exists():
            raise ConfigError(f"no search has chosen values there: {there.chosen} does not exist")
        return read_chosen(there)
    except (ConfigError, StoreError, OSError) as error:
        text = str(error).removeprefix(f"{source}: ")
        raise ConfigError(f"search.reuse={source}: {text}") from error


def _source_of(source: str, outputs: str) -> SweepPaths:
    path = Path(source).expanduser()
    if path.name == FILE:
        return SweepPaths(path.parent)
    return SweepPaths(
        find_sweep(str(path), Path(outputs), "give a sweep's name, or the path of its folder")
    )


def _name_of(source: str, outputs: str) -> str:
    """Return what chosen.csv calls the other sweep: its name below outputs, else its path."""
    root = _source_of(source, outputs).root.resolve()
    return root.name if root.parent == Path(outputs).resolve() else str(root)


def _row_for(run: PlannedRun, rows: Sequence[Chosen], params: Mapping[str, str]) -> Chosen:
    """Return the row of the run's model, loss and fold; of these keys, if *params* has any."""
    model, loss = run.config.choices["model"], run.config.choices["loss"]
    fold = run.config.data.split.fold
    alike = [row for row in rows if (row.model, row.loss) == (model, loss)]
    of_fold = [row for row in alike if row.fold == fold]
    fits = [row for row in of_fold if not params or set(row.values) == set(params)]
    if len(fits) == 1:
        return fits[0]
    if len(fits) > 1:
        names = "; ".join(f"{title_of(row.cell, row.fold)}: {words_in(row.values)}" for row in fits)
        raise ConfigError(f"{len(fits)} candidates there ({names}); set the values yourself")
    if of_fold:
        keys = ", ".join(of_fold[0].values)
        raise ConfigError(f"the values there are of {keys}, not of {', '.join(params)}")
    if alike:
        folds = ", ".join("none" if row.fold is None else str(row.fold) for row in alike)
        mine = "without folds" if fold is None else f"of fold {fold}"
        raise ConfigError(f"no values there {mine}; there are some of fold {folds}")
    known = ", ".join(dict.fromkeys(f"{row.model}/{row.loss}" for row in rows))
    raise ConfigError(f"no values there; the search there is over for {known}")


def _at(run: PlannedRun, row: Chosen, planner: Planner) -> PlannedRun:
    values: dict[str, Value] = {}
    for key, value in row.values.items():
        if not isinstance(value, str | int | float | bool | None):
            raise ConfigError(f"{key}={value}: not a value of a search")
        check_key(key)
        given = [word for word in run.words if word.partition("=")[0].lstrip("+") == key]
        if given:
            raise ConfigError(f"{given[0]}: {key} comes from there; leave it out")
        values[key] = value
    try:
        return planner.final(run, values)
    except Exception as error:  # Hydra's, of any class
        text = one_line(error, run.words).splitlines()[0]
        raise ConfigError(f"{words_in(values)}: {text}") from error
