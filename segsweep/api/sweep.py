"""A sweep in a notebook: tables, comparisons, runs and networks. No torch until one is used."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from segsweep.api.run import Run
from segsweep.errors import ConfigError, RunNotFoundError
from segsweep.store.find import only_run, runs_named
from segsweep.store.paths import SweepPaths

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.metrics import Metric
    from segsweep.report.comparison import Comparisons
    from segsweep.store.run_cache import RunCache
    from segsweep.store.tables import Tables
    from segsweep.sweep.status_view import StatusView
    from segsweep.use.predictor import Predictor


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

    def run(self, name: str | PathLike[str]) -> "Run":
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
        metric: "str | Metric" = "iou",
        baseline: str | None = None,
        by: str | None = None,
        groups: str | PathLike[str] | None = None,
    ) -> "Comparisons":
        """Compare the cells: which may be the best, and which differences are real.

        Cells on different data, or with different targets (what counts as foreground), are never
        compared: the result is a list of comparisons, one for each. Most sweeps have one.

        Args:
            metric: iou, dice, score, precision, ... (`segsweep.metrics.METRICS`), or one of your
                own, from counts.
            baseline: a cell, such as "unet/bce", that every other is compared with.
            by: model | loss: a row per model or loss, averaged over the rest.
            groups: a CSV with the columns id and group: images of one patient belong together.

        Raises:
            ConfigError: there is no such metric, cell or *by*; or both *baseline* and *by*.
            DataError: the groups file cannot be used.

        """
        from segsweep.config.own_metric import own_metric
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
        asked = Asked(own_metric(metric), baseline, None if groups is None else Path(groups))
        own = tables.comparisons().values()
        every = []
        for compared, runs in zip(compare_all(tables, asked), own, strict=True):
            frame, sentences = part(compared, compared.swept, by)
            every.append(Comparison(frame, tuple(sentences), compared, runs))
        return Comparisons(tuple(every))

    def best(self, cheapest: bool = False, allow: Sequence[str] = ()) -> "Predictor":
        """Return the best run by validation of the cells that may be the best, to be used.

        Args:
            cheapest: of the cells that are as good as the best within the margin, the one with
                the fewest multiply-adds.
            allow: packages of your own that configs may name.

        Raises StoreError if no run is finished, or the sweep has several comparisons.

        """
        from segsweep.use.choose import choose_best
        from segsweep.use.predictor import Predictor

        return Predictor(choose_best(self._read(), cheapest), tuple(allow))

    def cell(self, name: str, allow: Sequence[str] = ()) -> "Predictor":
        """Return the run with the highest validation IoU of a cell, such as "unet2/bce".

        Raises StoreError if there is no such cell, or none of its runs is finished.
        """
        from segsweep.use.choose import choose_cell
        from segsweep.use.predictor import Predictor

        return Predictor(choose_cell(self._read(), name), tuple(allow))

    def ensemble(
        self, cells: int = 1, cell: str | None = None, allow: Sequence[str] = ()
    ) -> "Predictor":
        """Return all runs of some cells, of which probabilities are averaged.

        Args:
            cells: the number of cells, the best by validation.
            cell: one cell by name, in place of the best ones.
            allow: packages of your own that configs may name.

        Raises StoreError if there are fewer cells, or none of that name.

        """
        from segsweep.use.choose import choose_ensemble
        from segsweep.use.predictor import Predictor

        return Predictor(choose_ensemble(self._read(), cells, cell), tuple(allow))

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
