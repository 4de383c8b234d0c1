"""From the tables of a sweep to values that can be compared: cells x seeds x images.

Every cell is scored on the same images; seeds belong to their cell. What cannot be compared is
left out, and said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from segsweep import metrics
from segsweep.stats.runs import Counted, counted_runs, listed, many, open_notes, spoken

Array = NDArray[np.float64]
Strings = tuple[str, ...]


@dataclass(frozen=True)
class Values:
    """Per-image values of the cells that can be compared, all on the same images; higher is better.

    A metric where lower is better stands here with its sign turned (`sign`).
    """

    cells: Strings
    """Names, sorted: `unet2/dice`, further keys after a semicolon."""
    tables: tuple[Array, ...]
    """For each cell its values, (seeds, images)."""
    seeds: tuple[Strings, ...]
    """For each cell its seeds."""
    images: Strings
    groups: NDArray[np.int64]
    """For each image the number of its group (patient, lesion); without groups all differ."""
    notes: Strings = ()
    """Sentences: what was left out, and why."""
    data: str = ""
    """Fingerprint of the data that the values are from."""
    limits: tuple[float, float] = (-np.inf, np.inf)
    """The lowest and the highest value that there can be: a mean lies between them."""
    sign: int = 1
    """-1 where lower is better: then every value here is the metric's with its sign turned."""
    margin: float = 0.01
    """Two means closer than this are equal for practical purposes."""
    runs: DataFrame | None = None
    """The runs that count, as `counted_runs` returns them; None for values made by hand."""

    @property
    def means(self) -> Array:
        """The mean over seeds of each cell on each image, (cells, images)."""
        return np.array([table.mean(0) for table in self.tables])

    def natural(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Return both ends of intervals as the metric has them, the lower one first."""
        return (low, high) if self.sign > 0 else (-high, -low)

    @property
    def factors(self) -> list[tuple[str, str, str]]:
        """For each cell its architecture, its loss, and the further keys of its name."""
        return [factors_of(name) for name in self.cells]


def factors_of(cell: str) -> tuple[str, str, str]:
    """Return the parts of `unet2/dice;trainer.epochs=80`: unet2, dice, trainer.epochs=80."""
    both, _, keys = cell.partition(";")
    model, _, loss = both.partition("/")
    return model, loss, keys


def values_of(
    results: DataFrame,
    per_image: DataFrame,
    metric: str = "iou",
    at: str = "train",
    split: str = "test",
    groups: Mapping[str, str] | None = None,
    empty: metrics.Empty = "one",
    counted: Counted | None = None,
) -> Values:
    """Return what can be compared in a sweep.

    Args:
        results: a row per run, as in results.csv; a column `cell`, where there is one, names
            the cells, otherwise the columns before `seed` do.
        per_image: counts per image, as in per_image.csv.
        metric: one of `segsweep.metrics.METRICS`.
        at: train | native, the size at which images were scored.
        split: test | val.
        groups: image -> group; an image that is missing is a group of its own.
        empty: what an image with two empty masks is worth; with "skip" an image on which any
            network scores so is left out of the comparison. A column `evaluate.empty` of
            *results* goes before.
        counted: `counted_runs(results)`, where it is known already.

    Raises:
        ValueError: unknown metric.

    """
    runs, said = counted if counted is not None else counted_runs(results)
    frame, notes = _frame_of((runs, said), per_image, metric, at, split, empty)
    if groups is not None:
        frame = frame.assign(group=[groups.get(str(image), str(image)) for image in frame["image"]])
    values = _oriented(compared_values(frame, notes), metrics.METRICS[metric])
    used = runs["data_fingerprint"].dropna()
    return replace(
        values,
        notes=(*values.notes, *open_notes(results)),
        data=str(used.iloc[0]) if len(used) else "",
        runs=runs,
    )


def _oriented(values: Values, metric: metrics.Metric) -> Values:
    """Return *values* so that higher is better, with the limits and the margin of *metric*."""
    low, high = metric.limits
    if metric.higher_is_better:
        return replace(values, limits=(low, high), margin=metric.margin)
    turned = tuple(-table for table in values.tables)
    return replace(values, tables=turned, limits=(-high, -low), sign=-1, margin=metric.margin)


def frame_of(
    results: DataFrame,
    per_image: DataFrame,
    metric: str = "iou",
    at: str = "train",
    split: str = "test",
    empty: metrics.Empty = "one",
) -> tuple[DataFrame, list[str]]:
    """Return columns cell, seed, image, value of complete seeds on one data set, and notes.

    A seed with folds is complete when it has every fold that any run of the sweep has.
    Arguments as in `values_of`.
    """
    return _frame_of(counted_runs(results), per_image, metric, at, split, empty)


def _frame_of(
    counted: Counted,
    per_image: DataFrame,
    metric: str,
    at: str,
    split: str,
    empty: metrics.Empty,
) -> tuple[DataFrame, list[str]]:
    if metric not in metrics.METRICS:
        raise ValueError(f"metric must be one of {', '.join(metrics.METRICS)}; got {metric!r}")
    runs, notes = counted[0], list(counted[1])
    rows = _rows_of(runs, per_image, at, split)
    without = sorted(set(runs["run_id"]) - set(rows["run_id"]))
    if without:
        notes.append(f"{many(len(without), 'finished run')} without per-image counts left out.")
    rows = rows[~rows["unit"].isin(runs.loc[runs["run_id"].isin(without), "unit"])]
    value = _scored(rows, metric, empty)
    frame = rows[["cell", "seed", "image"]].assign(value=value)
    return frame.reset_index(drop=True), notes


def means_beside(
    values: Values,
    results: DataFrame,
    per_image: DataFrame,
    names: Sequence[str],
    empty: metrics.Empty = "one",
) -> dict[str, Array]:
    """Return other metrics of the cells of *values*, on their seeds and images: name -> (C,).

    Args:
        values: of test images at the size of training.
        results: as for `values_of`, as are *per_image* and *empty*.
        per_image: counts per image.
        names: metrics.
        empty: what an image with two empty masks is worth.

    """
    rows = _rows_of(counted_runs_of(values, results), per_image)
    rows = rows[rows["image"].astype(str).isin(values.images)]
    rows = rows.drop_duplicates(["cell", "seed", "image"])
    scored = DataFrame({name: _scored(rows, name, empty) for name in names}, index=rows.index)
    means = scored.groupby(rows["cell"]).mean().reindex(values.cells)
    return {name: means[name].to_numpy(float) for name in names}


def counted_runs_of(values: Values, results: DataFrame) -> DataFrame:
    """Return the runs of *results* that *values* are from; columns as of `counted_runs`."""
    runs = counted_runs(results)[0] if values.runs is None else values.runs
    known = {
        (cell, seed) for cell, own in zip(values.cells, values.seeds, strict=True) for seed in own
    }
    units = zip(runs["cell"], runs["seed"].astype(str), strict=True)
    return runs[[unit in known for unit in units]]


def _rows_of(
    runs: DataFrame, per_image: DataFrame, at: str = "train", split: str = "test"
) -> DataFrame:
    """Return the counts of *runs* with what is known of each."""
    wanted = per_image[(per_image["at"] == at) & (per_image["split"] == split)]
    return wanted.merge(runs, on="run_id", how="inner", sort=False)


def compared_values(frame: DataFrame, notes: Sequence[str] = ()) -> Values:
    """Return the values of *frame* on the images that all its cells and seeds have.

    Args:
        frame: columns cell, seed, image, value, and group where images belong together. A
            value that is missing counts as an image that is missing.
        notes: sentences to hand on.

    """
    said = list(notes)
    columns = {name: frame[name].astype(str) for name in ("cell", "seed", "image")}
    known = frame.assign(**columns).dropna(subset=["value"])
    known = known.drop_duplicates(["cell", "seed", "image"])
    known, alien = _with_usual_images(known)
    said += alien
    wide = known.pivot(index=["cell", "seed"], columns="image", values="value")
    whole = wide.dropna(axis="columns")
    if (fewer := wide.shape[1] - whole.shape[1]) > 0:
        said.append(f"{many(fewer, 'image')} not scored by every run left out of the comparison.")
    if not whole.shape[1]:
        whole = whole.iloc[:0]
    rows: dict[str, list[str]] = {}
    for cell, seed in sorted(whole.index, key=lambda unit: (unit[0], _number(unit[1]))):
        rows.setdefault(cell, []).append(seed)
    said += _unequal({cell: len(seeds) for cell, seeds in rows.items()})
    images = tuple(str(name) for name in whole.columns)
    return Values(
        tuple(rows),
        tuple(whole.loc[[(c, s) for s in seeds]].to_numpy(float) for c, seeds in rows.items()),
        tuple(map(tuple, rows.values())),
        images,
        _groups(known, images),
        tuple(said),
    )


def _unequal(seeds: Mapping[str, int]) -> list[str]:
    """Return the cells with the fewest seeds, where cells have unequal numbers of them."""
    least, most = min(seeds.values(), default=0), max(seeds.values(), default=0)
    if least == most:
        return []
    fewest = [spoken(cell) for cell, count in seeds.items() if count == least]
    return [f"Cells have {least} to {most} seeds; fewest: {listed(fewest)}."]


def _number(seed: str) -> tuple[float, str]:
    return (float(seed), "") if seed.lstrip("-").isdigit() else (np.inf, seed)


def _scored(rows: DataFrame, metric: str, empty: metrics.Empty) -> Array:
    """Return the metric of each row, by its own run's policy where runs differ in it."""
    if "empty" not in rows:
        return metrics.of_rows(metric, rows, empty)
    skipped, whole = metrics.of_rows(metric, rows, "skip"), metrics.of_rows(metric, rows, "one")
    return np.where(rows["empty"] == "skip", skipped, whole)


def _with_usual_images(frame: DataFrame) -> tuple[DataFrame, list[str]]:
    """Leave out the seeds that lack more than half of the images that most seeds have."""
    sets = {unit: frozenset(rows) for unit, rows in frame.groupby(["cell", "seed"])["image"]}
    if len(set(sets.values())) < 2:
        return frame, []
    tally: dict[frozenset[str], int] = {}
    for images in sets.values():
        tally[images] = tally.get(images, 0) + 1
    usual = max(tally, key=lambda images: (tally[images], len(images), sorted(images)))
    alien = [unit for unit, images in sets.items() if 2 * len(images & usual) < len(usual)]
    if not alien:
        return frame, []
    kept = ~frame.set_index(["cell", "seed"]).index.isin(alien)
    names = listed([spoken(str(cell), seed) for cell, seed in alien])
    return frame[kept], [f"{many(len(alien), 'seed')} scored on other images left out: {names}."]


def _groups(frame: DataFrame, images: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of each image's group."""
    if "group" not in frame:
        return np.arange(len(images))
    group = dict(zip(frame["image"], frame["group"].astype(str), strict=True))
    numbers = np.unique([group[image] for image in images], return_inverse=True)[1]
    return numbers.astype(np.int64)
