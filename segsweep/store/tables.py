"""A sweep as tidy tables, built from the files of its runs. No torch."""

import io
import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from segsweep import metrics
from segsweep.errors import StoredFileError, StoreError
from segsweep.store.find import no_sweep
from segsweep.store.paths import SweepPaths
from segsweep.store.records import PER_IMAGE, history_columns, image_columns, image_header
from segsweep.store.run_cache import (
    PRUNED,
    RunCache,
    RunRecord,
    StoredRun,
    has_boundary,
    measured_columns,
)
from segsweep.store.run_rows import images_of, means_of, read_images, with_empty
from segsweep.store.states import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pandas import DataFrame

    from segsweep.config.truth import Question
    from segsweep.store.chosen import Chosen

NAMES = ("run_id", "kind", "cell", "model", "loss", "seed")
"""The columns that name a run in the table of epochs."""
DATA = "data"
"""Among the swept keys where a sweep has several comparisons."""


@dataclass(frozen=True)
class Tables:
    """A sweep as tidy tables, built on first use from the files alone."""

    sweep: SweepPaths
    runs: list[RunRecord]
    """All runs, trials included."""
    swept: list[str]
    """Dotted keys, besides model and loss, whose values differ between cells."""
    cache: RunCache
    chosen: "tuple[Chosen, ...]" = ()
    """What the searches of the sweep chose."""
    noted: dict[Path, str] = field(default_factory=dict)
    """A line for each damaged file that is no part of a run in `runs`, by its path."""

    @property
    def damages(self) -> tuple[str, ...]:
        """A line for each file that was left out because it is damaged, of those used so far."""
        of_runs = (self.cache.damages(run.path).values() for run in self.runs)
        lines = {error.path: str(error) for errors in of_runs for error in errors}
        return tuple({**self.noted, **lines}.values())

    def note(self, damage: StoredFileError) -> None:
        """Warn of a damaged file, once, and list it among the damages."""
        if damage.path not in self.noted:
            self.noted[damage.path] = str(damage)
            warnings.warn(f"{damage.path}: ignored: {damage.reason}", stacklevel=3)

    @property
    def validation_only(self) -> bool:
        """Whether no run has a test part; False without runs."""
        return bool(self.runs) and all(run.validation_only for run in self.runs)

    @property
    def question(self) -> "Question | None":
        """What all runs are asked: data and target; None where they differ or there is none."""
        from segsweep.config.truth import question_of

        found = {question_of(run.settings) for run in self.runs}
        return found.pop() if len(found) == 1 else None

    def comparisons(self) -> "dict[str, Tables]":
        """Return the tables of each comparison by its name, sorted.

        Runs on different data or with different targets are in different ones. Cells there are
        named without `data`; the runs of one that has only trials are left out.
        """
        if DATA not in self.swept:
            return {next((run.data for run in self.runs), ""): self}
        compared = [run for run in self.runs if run.kind == "run"] or self.runs
        swept = [key for key in self.swept if key != DATA]
        names = sorted({run.data for run in compared})
        return {name: replace(self, runs=self._named(name, swept), swept=swept) for name in names}

    def _named(self, data: str, swept: list[str]) -> list[RunRecord]:
        from segsweep.config.cells import cell_name

        runs = [run for run in self.runs if run.data == data]
        return [replace(run, cell=cell_name(run.settings, swept)) for run in runs]

    @cached_property
    def results(self) -> "DataFrame":
        """One row per run, without trials (docs/tables.md)."""
        return self._frame("run")

    @cached_property
    def trials(self) -> "DataFrame":
        """One row per trial, with the same columns."""
        return self._frame("trial")

    @cached_property
    def per_image(self) -> "DataFrame":
        """Columns run_id, split, at, image, tp, fp, fn, tn; all finished runs.

        Stored metrics follow if a run has some.
        """
        return read_images(io.StringIO(self.per_image_text))

    @cached_property
    def per_image_text(self) -> str:
        """The table `per_image` as CSV."""
        finished = [run.path for run in self.runs if run.status == Status.FINISHED]
        rows = [self.cache.images(path) for path in finished]
        headers = {image_header(own) for own in rows if own} or {PER_IMAGE}
        if len(headers) > 1:  # some have stored metrics
            headers, rows = {image_columns()}, [with_empty(own) for own in rows]
        return ",".join(headers.pop()) + "\n" + "".join(rows)

    @cached_property
    def history(self) -> "DataFrame":
        """Columns run_id, kind, cell, model, loss, seed and those of history.csv."""
        from pandas import DataFrame, read_csv

        rows = [self.cache.epochs(run.path) for run in self.runs]
        counts = [text.count("\n") for text in rows]
        number = [place for place, count in enumerate(counts) for _ in range(count)]
        named = [[getattr(run, name) for name in NAMES] for run in self.runs]
        names = DataFrame(named, columns=list(NAMES)).iloc[number].reset_index(drop=True)
        epochs = read_csv(io.StringIO(f"{','.join(history_columns())}\n{''.join(rows)}"))
        return names.join(epochs)

    @property
    def compared_history(self) -> "DataFrame":
        """The rows of `history` of runs that are compared: no trials, no superseded runs."""
        left_out = [run.run_id for run in self.runs if run.status == Status.SUPERSEDED]
        rows = self.history
        return rows[(rows["kind"] == "run") & ~rows["run_id"].isin(left_out)]

    def _frame(self, kind: str) -> "DataFrame":
        from pandas import DataFrame

        searched = sorted({key for run in self.runs if run.kind == kind for key in _tried(run)})
        names = ["run_id", "model", "loss", *self.swept, *searched, *measured_columns()]
        rows = [self._with_metrics(run) for run in self.runs if run.kind == kind]
        there = {key for row in rows for key, value in row.items() if value is not None}
        absent = {*metrics.columns("test")} - {*metrics.known_columns("test", there)}
        names += [PRUNED] if PRUNED in there else []
        columns = [name for name in dict.fromkeys(names) if name not in absent]
        return DataFrame([{key: row.get(key) for key in columns} for row in rows], columns=columns)

    def _with_metrics(self, run: RunRecord) -> "Mapping[str, object]":
        """Return the run's columns; metrics that its result lacks are computed from its counts."""
        stored = [f"test_{name}" for name in metrics.BOUNDARY] if has_boundary(run) else []
        missing = [
            name
            for part in _scored_parts(run)
            for name in metrics.known_columns(part, stored)
            if run.columns.get(name) is None
        ]
        if not missing or run.status != Status.FINISHED:
            return run.columns
        images = images_of(self.cache.images(run.path))
        empty: metrics.Empty = "skip" if run.settings.get("evaluate.empty") == "skip" else "one"
        return {**run.columns, **means_of(images, missing, empty)}


def read_all(
    folder: Path | str, cache: RunCache | None = None, warn_ignored: bool = True
) -> Tables:
    """Return all runs and tables of a sweep, with a warning for each damaged file.

    Works on a sweep that is unfinished, crashed, copied or running.

    Args:
        folder: the sweep's folder.
        cache: finished runs that were read before; they are not read again.
        warn_ignored: warn of files and folders in `runs/` that are not runs. Set it to False
            while the sweep runs: a new folder has no config for a moment.

    Raises:
        StoreError: there is no sweep in *folder*.

    """
    from segsweep.config.cells import swept_among, with_data_words

    cache = RunCache() if cache is None else cache
    sweep = SweepPaths(Path(folder))
    if not sweep.runs.is_dir():
        raise no_sweep(sweep.root)
    noted: dict[Path, str] = {}
    if warn_ignored:
        _warn_of_ignored(sweep, noted)
    runs = []
    for paths in sweep.run_folders():
        try:
            runs.append(cache.run(paths))
        except (StoreError, KeyError, TypeError, AttributeError) as error:
            reason = "" if isinstance(error, StoreError) else f"{paths.config}: incomplete, "
            noted[paths.config] = f"{paths.root.name} ignored: {reason}{error}"
            warnings.warn(noted[paths.config], stacklevel=2)
    chosen = _chosen(sweep, noted)
    placed = _placed(runs, chosen)
    _check_chosen(sweep, placed, noted)
    settings = [record.settings for record in placed]
    swept = swept_among([run.config.values for run in runs], settings)
    named = zip(placed, with_data_words(settings), strict=True)
    records = [_with_cell(record, values, swept) for record, values in named]
    return Tables(sweep, records, swept, cache, tuple(chosen), noted)


def _chosen(sweep: SweepPaths, noted: dict[Path, str]) -> "list[Chosen]":
    """Return what searches chose; [] without a search."""
    if not sweep.chosen.exists():
        return []
    from segsweep.store.chosen import read_chosen

    try:
        return read_chosen(sweep)
    except StoredFileError as damage:
        noted[sweep.chosen] = str(damage)
        warnings.warn(f"{sweep.chosen}: ignored: {damage.reason}", stacklevel=3)
        return []


def _check_chosen(sweep: SweepPaths, runs: "Sequence[RunRecord]", noted: dict[Path, str]) -> None:
    """Note that a run at values which a search chose has no row: these are written before it."""
    from segsweep.config.cells import SEARCHED

    final = (run for run in runs if run.kind == "run" and run.settings.get(SEARCHED))
    if sweep.chosen not in noted and any(run.chosen is None for run in final):
        from segsweep.store.chosen import AGAIN

        reason = "lacks values that were chosen" if sweep.chosen.exists() else "missing"
        noted[sweep.chosen] = f"{sweep.chosen}: {reason}; {AGAIN}"
        warnings.warn(noted[sweep.chosen], stacklevel=3)


def _placed(runs: "Sequence[StoredRun]", rows: "Sequence[Chosen]") -> list[RunRecord]:
    """Return the runs, those at chosen values as searched, those at earlier ones as superseded."""
    if not rows:
        return [run.record for run in runs]
    from segsweep.config.cells import SEARCHED
    from segsweep.store.chosen import ChosenValues

    found, chosen = [], ChosenValues(rows)
    for run in runs:
        record = run.record
        if record.kind != "run":
            found.append(record)
            continue
        standing = chosen.standing(run.config.values)
        if standing.searched:
            settings = {**record.settings, SEARCHED: standing.searched}
            record = replace(record, settings=settings, chosen=standing.row)
        if standing.superseded:
            columns = {**record.columns, "status": Status.SUPERSEDED}
            record = replace(record, status=Status.SUPERSEDED, columns=columns)
        found.append(record)
    return found


def _with_cell(run: RunRecord, values: "Mapping[str, object]", swept: list[str]) -> RunRecord:
    """Return the run with its cell, the name of its data and the values of the swept keys."""
    from segsweep.config.cells import cell_name

    columns = {**run.columns, **{key: values.get(key) for key in (*swept, *_tried(run))}}
    name = cell_name(values, swept)
    return replace(run, columns=columns, cell=name, data=str(values["data"]))


def _tried(run: RunRecord) -> list[str]:
    """Return the keys of which a trial tried a value, besides the learning rate."""
    from segsweep.config.cells import SEARCHED

    keys = str(run.settings.get(SEARCHED) or "").split(",") if run.kind == "trial" else []
    return [key for key in keys if key not in ("", "lr")]


def _warn_of_ignored(sweep: SweepPaths, noted: dict[Path, str]) -> None:
    """Warn of entries in `runs/` that are not runs; hidden files belong to the system."""
    for path in sorted(sweep.runs.iterdir()):
        if not path.name.startswith(".") and not (path / "config.yaml").is_file():
            line = f"{path}: ignored: no config.yaml"
            if path.is_dir():  # it may have been a run
                noted[path] = line
            warnings.warn(line, stacklevel=3)


def _scored_parts(run: RunRecord) -> tuple[metrics.Part, ...]:
    """Return the parts of the data on which *run* is scored."""
    return ("val", "test") if run.is_tested else ("val",)
