"""A sweep in a notebook: `sweep = segsweep.open("outputs/main")`. No torch here.

Whatever state a sweep is in, it can be opened: half finished, failed, copied from another
machine, or running. A damaged file is ignored, or its run is, with a warning that names it.
What the columns of the frames mean: docs/tables.md.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from segsweep.errors import ConfigError, RunNotFoundError
from segsweep.store.find import find_sweep, only_run, runs_named
from segsweep.store.json_files import known_failure, known_result
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import read_config
from segsweep.store.states import Status

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.report.comparison import Comparisons
    from segsweep.store.run_cache import RunCache
    from segsweep.store.tables import Tables
    from segsweep.sweep.status_view import StatusView

RESULT = ("best_epoch", "epochs", "val_iou", "test_iou", "test_dice", "seconds")
"""What a run's HTML shows of its result."""
VALIDATED = ("best_epoch", "epochs", "val_iou", "val_dice", "n_test", "seconds")
"""The same of a run without a test part."""


def open(sweep: str | os.PathLike[str], outputs: str | os.PathLike[str] = "outputs") -> "Sweep":
    """Open a sweep to read its results. Writes nothing; files are read on first use.

    Args:
        sweep: the sweep's folder, or its name in *outputs*.
        outputs: the folder that holds the sweeps.

    Raises:
        SweepNotFoundError: there is no such sweep; the message lists those in *outputs*.

    """
    hint = "set another folder with outputs="
    return Sweep(find_sweep(os.fspath(sweep), Path(outputs), hint))


class Sweep:
    """A sweep's folder as tables, runs and comparisons.

    The tables are read on first use and then kept, so that the cells of a notebook agree with
    each other; `refresh()` makes the next use read them again. Each frame is a copy; changing
    it changes no later comparison. `status()`, and what a `Run` says outside its frames, is
    read each time.
    """

    def __init__(self, folder: Path) -> None:
        """Look at the sweep in *folder*; `segsweep.open` finds it by name."""
        self.folder = folder
        """As it was given: relative to where Python was started, or absolute."""
        self._cache: RunCache | None = None
        self._tables: Tables | None = None

    @property
    def name(self) -> str:
        """The sweep's name."""
        return self.folder.resolve().name

    @property
    def results(self) -> "DataFrame":
        """A row per run, in any status: keys, seed, status, scores (results.csv)."""
        return self._read().results.copy()

    @property
    def trials(self) -> "DataFrame":
        """A row per run of a learning-rate search, the columns of `results` (trials.csv)."""
        return self._read().trials.copy()

    @property
    def chosen(self) -> "DataFrame":
        """A row per cell and fold that was searched: the values chosen, and from how many trials.

        The columns of chosen.csv, with a column per chosen key in place of `values`; empty
        without a search. StoredFileError if that file is damaged.
        """
        from segsweep.store.chosen import chosen_frame

        return chosen_frame(SweepPaths(self.folder))

    @property
    def per_image(self) -> "DataFrame":
        """A row per finished run, part, size and image: the four counts (per_image.csv)."""
        return self._read().per_image.copy()

    @property
    def history(self) -> "DataFrame":
        """A row per run and epoch.

        Columns: run_id, kind, cell, model, loss, seed, then those of a run's history.csv: epoch,
        train_loss, val_loss, val_iou, val_dice, val_score, lr, seconds.
        """
        return self._read().history.copy()

    @property
    def runs(self) -> "list[Run]":
        """All runs, trials included, by the name of their folder."""
        return [Run(self, paths) for paths in SweepPaths(self.folder).run_folders()]

    def run(self, name: str | os.PathLike[str]) -> "Run":
        """Return one run.

        Args:
            name: its id, the start of its id, or the name or path of its folder.

        Raises:
            RunNotFoundError: no run, or more than one, matches.

        """
        word = Path(name).name
        found = runs_named(word, self.folder)
        if not found:
            raise RunNotFoundError(
                f"{name}: no run of that id or name in {self.folder}; sweep.runs lists them"
            )
        return Run(self, only_run(word, found))

    def status(self) -> "StatusView":
        """Return how far the sweep is, as its files say now."""
        from segsweep.sweep.status import sweep_status
        from segsweep.sweep.status_view import StatusView

        return StatusView(sweep_status(self.folder))

    def compare(
        self,
        metric: str = "iou",
        baseline: str | None = None,
        by: str | None = None,
        groups: str | os.PathLike[str] | None = None,
    ) -> "Comparisons":
        """Compare the cells: which may be the best, and which differences are real.

        Cells on different data, or with different targets (what counts as foreground), are never
        compared: the result is a list of comparisons, one for each. Most sweeps have one.

        Args:
            metric: iou, dice, score, precision, ... (`segsweep.metrics.METRICS`).
            baseline: a cell, such as "unet/bce", that every other is compared with.
            by: model | loss: a row per model or loss, averaged over the rest.
            groups: a CSV with the columns id and group: images of one patient belong together.

        Raises:
            ConfigError: there is no such metric, cell or *by*; or both *baseline* and *by*.
            DataError: the groups file cannot be used.

        """
        from segsweep.config.validate import check_word
        from segsweep.report.comparison import Comparison, Comparisons
        from segsweep.report.comparisons import compare_all
        from segsweep.report.part import BY, part
        from segsweep.report.question import Asked

        if by is not None:
            check_word("by", by, BY)
        if by is not None and baseline is not None:
            raise ConfigError("by and baseline: give only one of them")
        tables = self._read()
        asked = Asked(metric, baseline, None if groups is None else Path(groups))
        own = tables.comparisons().values()
        every = []
        for compared, runs in zip(compare_all(tables, asked), own, strict=True):
            frame, sentences = part(compared, compared.swept, by)
            every.append(Comparison(frame, tuple(sentences), compared, runs))
        return Comparisons(tuple(every))

    def refresh(self) -> "Sweep":
        """Forget the tables; the next use reads what has changed. Returns the sweep itself."""
        self._tables = None
        return self

    def _read(self) -> "Tables":
        from segsweep.store.run_cache import RunCache
        from segsweep.store.tables import read_all
        from segsweep.sweep.lock import current_holder

        if self._tables is None:
            self._cache = self._cache or RunCache()
            idle = current_holder(SweepPaths(self.folder).lock) is None
            self._tables = read_all(self.folder, self._cache, warn_ignored=idle)
        return self._tables

    def __repr__(self) -> str:
        """Return one line: name, runs by status, time left."""
        return f"Sweep {self.status().summary}"

    def _repr_html_(self) -> str:
        from segsweep.report.notebook import sweep_html

        status = self.status()
        there = SweepPaths(self.folder).runs.is_dir()
        return sweep_html([status.summary, *status.warnings], self._read() if there else None)


class Run:
    """One run of a sweep.

    `history` and `per_image` are the run's part of the sweep's tables (see `Sweep`); all else
    is read from the run's files each time.
    """

    def __init__(self, sweep: Sweep, paths: RunPaths) -> None:
        """Look at the run of *sweep* at *paths*; `Sweep.run` finds it by id or name."""
        self.sweep = sweep
        self._paths = paths

    @property
    def folder(self) -> Path:
        """The run's folder: config.yaml, history.csv, checkpoints/, train.log, ..."""
        return self._paths.root

    @property
    def name(self) -> str:
        """The name of its folder: model, loss, seed, id."""
        return self._paths.root.name

    @property
    def id(self) -> str:
        """The run's id: 12 hex digits."""
        return self.name.rpartition("-")[2]

    @property
    def status(self) -> str:
        """One of planned, running, interrupted, failed, finished."""
        return self._paths.status()

    @property
    def config(self) -> Mapping[str, object]:
        """The frozen config, as in config.yaml. StoreError if that file is damaged."""
        return read_config(self._paths.config).values

    @property
    def result(self) -> Mapping[str, object] | None:
        """What result.json says: scores, epochs, seconds; None unless the run is finished."""
        result = known_result(self._paths.result)
        return None if result is None else result.values

    @property
    def history(self) -> "DataFrame":
        """A row per epoch: epoch, train_loss, val_loss, val_iou, val_dice, val_score, lr, seconds.

        The columns of `Sweep.history`.
        """
        return _of_run(self.sweep.history, self.id)

    @property
    def per_image(self) -> "DataFrame":
        """The run's counts per image, the columns of `Sweep.per_image`; empty until finished."""
        return _of_run(self.sweep.per_image, self.id)

    def __repr__(self) -> str:
        """Return one line: name and status, and why it failed."""
        return f"Run {self._line()}"

    def _line(self) -> str:
        status = self.status
        failure = known_failure(self._paths.failure) if status == Status.FAILED else None
        why = f" ({failure.cause}: {failure.error})" if failure is not None else ""
        return f"{self.name}: {status}{why}"

    def _repr_html_(self) -> str:
        from segsweep.report.notebook import run_html

        result = self.result or {}
        names = VALIDATED if result.get("n_test") == 0 else RESULT
        values = {name: result[name] for name in names if result.get(name) is not None}
        return run_html([self._line()], values, self.history)


def _of_run(frame: "DataFrame", run_id: str) -> "DataFrame":
    """Return the rows of one run."""
    return frame[frame["run_id"] == run_id].reset_index(drop=True)
