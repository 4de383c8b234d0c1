"""From the tables of a sweep to comparable values: cells x seeds x images.

All cells are scored on the same images; seeds are nested in cells. What cannot be compared is
left out and noted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame

from segsweep import metrics
from segsweep.stats.networks import compared_counts, constant_masks, equal_cells
from segsweep.stats.notes import (
    ConstantMasks,
    Note,
    OtherImages,
    PartlyScoredImages,
    UnequalSeeds,
)
from segsweep.stats.runs import SEPARATOR, Counted, counted_runs, missing_runs, runs_without

Array = NDArray[np.float64]
Strings = tuple[str, ...]


@dataclass(frozen=True)
class Values:
    """Per-image values of the comparable cells, all on the same images; higher is better.

    Values of a metric for which lower is better are negated (`sign`).
    """

    cells: Strings
    """Names, sorted: `unet2/dice`, further keys after an at sign."""
    tables: tuple[Array, ...]
    """For each cell its values, (seeds, images)."""
    seeds: tuple[Strings, ...]
    """For each cell its seeds."""
    images: Strings
    groups: NDArray[np.int64]
    """For each image the number of its group (patient, lesion); all differ if there are none."""
    notes: tuple[Note, ...] = ()
    """What was left out or is missing, and why."""
    at: metrics.Size = "train"
    """train | native: the size at which images were scored, but for a metric that has only one."""
    limits: tuple[float, float] = (-np.inf, np.inf)
    """Lowest and highest possible value, with the sign of the values here."""
    sign: int = 1
    """-1 if lower is better: the values here are the metric's, negated."""
    margin: float = 0.01
    """Equivalence margin of the metric."""
    unit: str = ""
    """What stands behind a value, with a space before it: ` px`; empty for a share."""
    runs: DataFrame | None = None
    """The runs that count, from `counted_runs`; None for values made by hand."""
    equal: tuple[int, ...] = ()
    """For each cell a number; cells whose networks have the same counts share it. () if unknown."""
    warnings: tuple[ConstantMasks, ...] = ()
    """Cells whose networks predict nothing, or everything."""

    @property
    def means(self) -> Array:
        """Mean over seeds of each cell on each image, (cells, images)."""
        return np.array([table.mean(0) for table in self.tables])

    @property
    def classes(self) -> NDArray[np.int64]:
        """For each cell the number that it shares with the cells equal to it, (cells,)."""
        return np.array(self.equal or range(len(self.cells)), np.int64)

    def natural(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Return the ends of intervals on the scale of the metric, the lower one first."""
        return (low, high) if self.sign > 0 else (-high, -low)

    @property
    def factors(self) -> list[tuple[str, str, str]]:
        """Architecture, loss and further keys of each cell."""
        return [factors_of(name) for name in self.cells]


def factors_of(cell: str) -> tuple[str, str, str]:
    """Return the parts of `unet2/dice@trainer.epochs=80`: unet2, dice, trainer.epochs=80."""
    both, _, keys = cell.partition(SEPARATOR)
    model, _, loss = both.partition("/")
    return model, loss, keys


def values_of(
    results: DataFrame,
    per_image: DataFrame,
    metric: str = "iou",
    at: metrics.Size = "train",
    split: str = "test",
    groups: Mapping[str, str] | None = None,
    empty: metrics.Empty = "one",
    counted: Counted | None = None,
) -> Values:
    """Return the comparable values of a sweep.

    Args:
        results: one row per run, as in results.csv; the column `cell`, if present, names the
            cells, otherwise the columns before `seed` do.
        per_image: counts per image, as in per_image.csv.
        metric: one of `segsweep.metrics.METRICS`.
        at: train | native, the size at which images were scored; a metric that is measured at one
            size only is taken at that one.
        split: test | val.
        groups: image -> group; an image that is not listed is its own group.
        empty: value of an image whose mask and prediction are both empty; with "skip" such an
            image is left out for all cells. A column `evaluate.empty` of *results* takes
            precedence.
        counted: `counted_runs(results)`, if it is known already.

    Raises:
        ValueError: unknown metric, or runs on different data or with different targets.

    """
    counted = counted or counted_runs(results)
    frame, notes = _frame_of(counted, per_image, metric, at, split, empty)
    if groups is not None:
        frame = frame.assign(group=[groups.get(str(image), str(image)) for image in frame["image"]])
    values = _oriented(compared_values(frame, notes), metrics.METRICS[metric])
    counts = compared_counts(frame, values.cells, values.seeds, values.images)
    stored = metrics.METRICS[metric].stored is not None  # equal counts, other outlines
    equal = equal_cells(counts, ["value"] if stored else [])
    return replace(
        values,
        equal=tuple(equal[cell] for cell in values.cells),
        warnings=constant_masks(counts),
        notes=(*values.notes, *missing_runs(results)),
        at=at,
        runs=counted[0],
    )


def _oriented(values: Values, metric: metrics.Metric) -> Values:
    """Return *values* so that higher is better, with the limits and the margin of *metric*."""
    low, high = metric.limits
    values = replace(values, margin=metric.margin, unit=metric.unit and f" {metric.unit}")
    if metric.higher_is_better:
        return replace(values, limits=(low, high))
    negated = tuple(-table for table in values.tables)
    return replace(values, tables=negated, limits=(-high, -low), sign=-1)


def _frame_of(
    counted: Counted,
    per_image: DataFrame,
    metric: str,
    at: metrics.Size,
    split: str,
    empty: metrics.Empty,
) -> tuple[DataFrame, list[Note]]:
    """Return cell, seed, image, counts and value of complete seeds, and notes."""
    if metric not in metrics.METRICS:
        raise ValueError(f"metric must be one of {', '.join(metrics.METRICS)}; got {metric!r}")
    runs, notes = counted[0], list(counted[1])
    rows = _rows_of(runs, per_image, metrics.METRICS[metric].size(at), split)
    without, left_out = runs_without(runs, rows, metrics.METRICS[metric])
    notes += left_out
    rows = rows[~rows["unit"].isin(runs.loc[runs["run_id"].isin(without), "unit"])]
    value = _scored(rows, metric, empty)
    frame = rows[["cell", "seed", "image", *metrics.COUNTS]].assign(value=value)
    return frame.reset_index(drop=True), notes


def further_means(
    values: Values,
    results: DataFrame,
    per_image: DataFrame,
    names: Sequence[str],
    empty: metrics.Empty = "one",
) -> dict[str, Array]:
    """Return further metrics of the cells of *values* on the same seeds and images: name -> (C,).

    Args:
        values: of test images.
        results: as in `values_of`.
        per_image: as in `values_of`.
        names: metrics.
        empty: as in `values_of`.

    """
    runs, found = counted_runs_of(values, results), dict[str, Array]()
    sizes = {name: metrics.METRICS[name].size(values.at) for name in names}
    for at in set(sizes.values()):
        rows = _rows_of(runs, per_image, at)
        rows = rows[rows["image"].astype(str).isin(values.images)]
        rows = rows.drop_duplicates(["cell", "seed", "image"])
        own = [name for name in names if sizes[name] == at]
        scored = DataFrame({name: _scored(rows, name, empty) for name in own}, index=rows.index)
        means = scored.groupby(rows["cell"]).mean().reindex(values.cells)
        found |= {name: means[name].to_numpy(float) for name in own}
    return found


def counted_runs_of(values: Values, results: DataFrame) -> DataFrame:
    """Return the runs of *results* behind *values*; columns as in `counted_runs`."""
    runs = counted_runs(results)[0] if values.runs is None else values.runs
    known = {
        (cell, seed) for cell, own in zip(values.cells, values.seeds, strict=True) for seed in own
    }
    units = zip(runs["cell"], runs["seed"].astype(str), strict=True)
    return runs[[unit in known for unit in units]]


def _rows_of(runs: DataFrame, per_image: DataFrame, at: str, split: str = "test") -> DataFrame:
    """Return the per-image counts of *runs*, joined with the columns of *runs*."""
    wanted = per_image[(per_image["at"] == at) & (per_image["split"] == split)]
    return wanted.merge(runs, on="run_id", how="inner", sort=False)


def compared_values(frame: DataFrame, notes: Sequence[Note] = ()) -> Values:
    """Return the values of *frame* on the images that all its cells and seeds have.

    Args:
        frame: columns cell, seed, image, value, and group if images belong together. A missing
            value counts as a missing image.
        notes: put before the new ones.

    """
    columns = {name: frame[name].astype(str) for name in ("cell", "seed", "image")}
    known = frame.assign(**columns).dropna(subset=["value"])
    known = known.drop_duplicates(["cell", "seed", "image"])
    known, other_images = _with_usual_images(known)
    wide = known.pivot(index=["cell", "seed"], columns="image", values="value")
    whole = wide.dropna(axis="columns")
    dropped = wide.shape[1] - whole.shape[1]
    partly = [PartlyScoredImages(dropped)] if dropped else []
    if not whole.shape[1]:
        whole = whole.iloc[:0]
    rows: dict[str, list[str]] = {}
    for cell, seed in sorted(whole.index, key=lambda unit: (unit[0], _number(unit[1]))):
        rows.setdefault(cell, []).append(seed)
    unequal = _unequal({cell: len(seeds) for cell, seeds in rows.items()})
    images = tuple(str(name) for name in whole.columns)
    return Values(
        tuple(rows),
        tuple(whole.loc[[(c, s) for s in seeds]].to_numpy(float) for c, seeds in rows.items()),
        tuple(map(tuple, rows.values())),
        images,
        _groups(known, images),
        (*notes, *other_images, *partly, *unequal),
    )


def _unequal(seeds: Mapping[str, int]) -> list[Note]:
    """Return the cells with the fewest seeds if numbers of seeds differ."""
    least, most = min(seeds.values(), default=0), max(seeds.values(), default=0)
    if least == most:
        return []
    fewest = tuple(cell for cell, count in seeds.items() if count == least)
    return [UnequalSeeds(least, most, fewest)]


def _number(seed: str) -> tuple[float, str]:
    return (float(seed), "") if seed.lstrip("-").isdigit() else (np.inf, seed)


def _scored(rows: DataFrame, metric: str, empty: metrics.Empty) -> Array:
    """Return the metric of each row, with its own run's empty-mask policy if runs differ."""
    stored = metrics.METRICS[metric].stored
    if stored is not None and stored not in rows:
        return np.full(len(rows), np.nan)
    if "empty" not in rows:
        return metrics.of_rows(metric, rows, empty)
    skipped, whole = metrics.of_rows(metric, rows, "skip"), metrics.of_rows(metric, rows, "one")
    return np.where(rows["empty"] == "skip", skipped, whole)


def _with_usual_images(frame: DataFrame) -> tuple[DataFrame, list[Note]]:
    """Leave out seeds that lack more than half of the images that most seeds have."""
    sets = {unit: frozenset(rows) for unit, rows in frame.groupby(["cell", "seed"])["image"]}
    if len(set(sets.values())) < 2:
        return frame, []
    tally: dict[frozenset[str], int] = {}
    for images in sets.values():
        tally[images] = tally.get(images, 0) + 1
    usual = max(tally, key=lambda images: (tally[images], len(images), sorted(images)))
    others = [unit for unit, images in sets.items() if 2 * len(images & usual) < len(usual)]
    if not others:
        return frame, []
    kept = ~frame.set_index(["cell", "seed"]).index.isin(others)
    units = tuple((str(cell), str(seed)) for cell, seed in others)
    return frame[kept], [OtherImages(units)]


def _groups(frame: DataFrame, images: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of each image's group."""
    if "group" not in frame:
        return np.arange(len(images))
    group = dict(zip(frame["image"], frame["group"].astype(str), strict=True))
    numbers = np.unique([group[image] for image in images], return_inverse=True)[1]
    return numbers.astype(np.int64)
