"""The values that searches chose, in a sweep's chosen.csv: one row per cell and fold. No torch."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, get_type_hints

from segsweep.config.cells import SEARCHED, cell_id, filled_keys, flat_key, flat_values
from segsweep.errors import StoredFileError, StoreError
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import read_config, read_rows
from segsweep.system.files import csv_text, write_if_changed

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.config.run_config import Values


@dataclass(frozen=True)
class Chosen:
    """What the search of one cell, in one fold, has found so far."""

    cell: str
    """The cell's name when it was searched."""
    model: str
    loss: str
    fold: int | None
    cell_id: str
    """Of the cell whatever the values (`segsweep.config.cells.cell_id`)."""
    values: Mapping[str, object]
    """Dotted key -> the chosen value."""
    params: Mapping[str, str]
    """Dotted key -> what it was searched among."""
    trial: str
    """The run_id of the best trial; empty for values of another sweep."""
    val_iou: float | None
    """Validation IoU of the best trial."""
    own_val_iou: float | None
    """Validation IoU of the trial at the config's own values."""
    n_trials: int
    """The trials that were asked for."""
    complete: int
    pruned: int
    """Ended early because they fell behind."""
    diverged: int
    """Ended early because the loss became NaN or infinite."""
    failed: int
    epochs: int
    """Of all trials together, those that ended early included."""
    seconds: float
    """Of all trials together."""
    study: str
    """The study's name, or the sweep that the values come from."""
    sampler: str = ""
    """What suggested the values; empty if unknown."""
    own: Mapping[str, object] = field(default_factory=dict)
    """Dotted key -> the config's own value; empty where these are outside what was searched."""
    trials: Sequence[str] = ()
    """The run_id of each trial, in the order in which they were asked for; empty if unknown."""

    @property
    def title(self) -> str:
        """The cell, and the fold if there is one, as they are shown."""
        return self.cell if self.fold is None else f"{self.cell} fold {self.fold}"

    @property
    def ended(self) -> int:
        """The trials that count: all but those that failed."""
        return self.complete + self.pruned + self.diverged

    @property
    def searched(self) -> str:
        """The searched keys, as cells are told apart by them."""
        return ",".join(sorted(map(flat_key, self.values)))


COLUMNS = tuple(item.name for item in fields(Chosen))
LATER = tuple(
    item.name
    for item in fields(Chosen)
    if item.default is not MISSING or item.default_factory is not MISSING
)
"""Columns that an earlier version did not write."""


AGAIN = "the command of its search writes it again, from the trials"
"""What to do about a chosen.csv that is damaged or lost."""


def read_chosen(sweep: SweepPaths) -> list[Chosen]:
    """Return the rows of chosen.csv, [] without one; StoredFileError if it is damaged."""
    try:
        return _rows(sweep)
    except StoredFileError as damage:
        raise StoredFileError(sweep.chosen, f"{damage.reason}; {AGAIN}", damage.field) from damage


def _rows(sweep: SweepPaths) -> list[Chosen]:
    rows = read_rows(sweep.chosen)
    if not rows and sweep.chosen.exists():
        raise StoredFileError(sweep.chosen, "damaged, it has no row")
    hints = get_type_hints(Chosen)
    found = []
    for number, row in enumerate(rows, 2):
        try:
            names = [name for name in COLUMNS if name in row or name not in LATER]
            values = {name: _value(row[name], hints[name]) for name in names}
            found.append(Chosen(**values))  # type: ignore[arg-type]
        except (KeyError, ValueError, TypeError) as error:
            raise StoredFileError(sweep.chosen, f"damaged, line {number}") from error
    return found


def _value(text: str, hint: object) -> object:
    if hint in (str, int, float):
        return hint(text)
    if hint in (int | None, float | None):
        kind = int if hint == int | None else float
        return None if text == "" else kind(text)
    value = json.loads(text)
    if not isinstance(value, list if hint == Sequence[str] else dict):
        raise ValueError(text)
    return tuple(value) if isinstance(value, list) else value


def chosen_frame(sweep: SweepPaths) -> "DataFrame":
    """Return chosen.csv with a column per chosen key, between `fold` and the scores."""
    from pandas import DataFrame

    chosen = read_chosen(sweep) if sweep.chosen.exists() else []
    keys = list(dict.fromkeys(key for one in chosen for key in one.values))
    left_out = ("cell_id", "values", "params", "own", "trials")
    names = [name for name in COLUMNS if name not in left_out]
    columns = [*names[: names.index("trial")], *keys, *names[names.index("trial") :]]
    rows = [{**asdict(one), **one.values} for one in chosen]
    return DataFrame([{key: row.get(key) for key in columns} for row in rows], columns=columns)


def add_chosen(sweep: SweepPaths, new: Sequence[Chosen]) -> None:
    """Write *new* rows in place of those of the same cells and folds; a damaged file is told.

    The same commands write the rows of other cells again, from their studies.
    """
    try:
        there = _rows(sweep)
    except StoredFileError as damage:
        print(f"{damage}; written again, with the cells of this command", file=sys.stderr)
        there = []
    rows = {_key(one): one for one in (*there, *new)}
    write_chosen(sweep.chosen, list(rows.values()))


def write_chosen(path: Path, rows: Sequence[Chosen]) -> None:
    """Write chosen.csv, unless it has these rows."""
    texts = []
    for one in rows:
        values: dict[str, object] = asdict(one)
        for name in ("values", "params", "own", "trials"):
            values[name] = json.dumps(values[name], ensure_ascii=False)
        texts.append({key: "" if value is None else value for key, value in values.items()})
    write_if_changed(path, csv_text(texts, COLUMNS))


def _key(one: Chosen) -> tuple[str, int | None]:
    return one.cell_id, one.fold


@dataclass(frozen=True)
class Standing:
    """How a run stands to the searches of its sweep."""

    searched: str = ""
    """The searched keys, "" if the run's values were given and no search chose them."""
    row: Chosen | None = None
    """What the search of its cell chose; None before its end."""
    superseded: bool = False
    """Whether the search has chosen other values since."""


class ChosenValues:
    """Tells which runs are at the values that a search chose."""

    def __init__(self, rows: Sequence[Chosen]) -> None:
        """*rows* are those of a sweep."""
        self._rows = {_key(one): one for one in rows}
        self._keys = {tuple(one.values): None for one in rows}

    def standing(self, config: "Values") -> Standing:
        """Return how the run with this frozen *config* stands to the searches."""
        fold = _fold(config)
        if filled := filled_keys(config):
            row = self._rows.get((cell_id(config, filled), fold))
            searched = str(flat_values(config)[SEARCHED])
            return Standing(searched, row, row is not None and not _has_values(config, row))
        for keys in self._keys:
            row = self._rows.get((cell_id(config, keys), fold))
            if row is not None and _has_values(config, row):
                return Standing(row.searched, row)
        return Standing()


def superseded_among(sweep: SweepPaths, runs: Iterable[RunPaths]) -> set[str]:
    """Return the names of those of *runs* whose searches have chosen other values since.

    A run whose config, or a sweep whose chosen.csv, cannot be read counts as not superseded.
    """
    try:
        chosen = ChosenValues(read_chosen(sweep))
    except StoredFileError:
        return set()
    found = set()
    for paths in runs:
        with suppress(StoreError):
            if chosen.standing(read_config(paths.config).values).superseded:
                found.add(paths.root.name)
    return found


def _fold(config: "Values") -> int | None:
    found = flat_values(config).get("data.split.fold")
    return found if isinstance(found, int) else None


def _has_values(config: "Values", row: Chosen) -> bool:
    named = flat_values(config)
    return all(str(named.get(flat_key(key))) == str(value) for key, value in row.values.items())
