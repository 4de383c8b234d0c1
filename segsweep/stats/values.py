"""From the tables of a sweep to values that can be compared: cells x seeds x images.

Every cell is scored on the same images; seeds belong to their cell. What cannot be compared is
left out, and said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pandas import DataFrame, isna

from segsweep.metrics import METRICS, Empty, per_image

Array = NDArray[np.float64]
Strings = tuple[str, ...]

SEED = "seed"
"""The columns of results.csv between run_id and this one name a cell."""


@dataclass(frozen=True)
class Values:
    """Per-image values of the cells that can be compared, all on the same images."""

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

    @property
    def means(self) -> Array:
        """The mean over seeds of each cell on each image, (cells, images)."""
        return np.array([table.mean(0) for table in self.tables])

    @property
    def factors(self) -> list[tuple[str, str]]:
        """For each cell its architecture, and the rest of its name: the loss, further keys."""
        return [(name.partition("/")[0], name.partition("/")[2]) for name in self.cells]


def values_of(
    results: DataFrame,
    per_image: DataFrame,
    metric: str = "iou",
    at: str = "train",
    split: str = "test",
    groups: Mapping[str, str] | None = None,
    empty: Empty = "one",
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

    Raises:
        ValueError: unknown metric.

    """
    frame, notes = frame_of(results, per_image, metric, at, split, empty)
    if groups is not None:
        frame = frame.assign(group=[groups.get(str(image), str(image)) for image in frame["image"]])
    return compared_values(frame, notes)


def frame_of(
    results: DataFrame,
    per_image: DataFrame,
    metric: str = "iou",
    at: str = "train",
    split: str = "test",
    empty: Empty = "one",
) -> tuple[DataFrame, list[str]]:
    """Return columns cell, seed, image, value of complete seeds on one data set, and notes.

    A seed with folds is complete when it has every fold that any run of the sweep has.
    Arguments as in `values_of`.
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}; got {metric!r}")
    runs, notes = _of_one_data_set(_named(results))
    runs, more = _complete(runs)
    wanted = per_image[(per_image["at"] == at) & (per_image["split"] == split)]
    rows = wanted.merge(runs, on="run_id", how="inner", sort=False)
    without = sorted(set(runs["run_id"]) - set(rows["run_id"]))
    if without:
        notes.append(f"{_many(len(without), 'finished run')} without per-image counts left out.")
    rows = rows[~rows["unit"].isin(runs.loc[runs["run_id"].isin(without), "unit"])]
    value = _scored(rows, metric, empty)
    frame = rows[["cell", "seed", "image"]].assign(value=value)
    return frame.reset_index(drop=True), notes + more


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
        said.append(f"{_many(fewer, 'image')} not scored by every run left out of the comparison.")
    groups = _groups(known, [str(name) for name in whole.columns])
    cells = sorted(set(whole.index.get_level_values(0)))
    parts = [whole.loc[[cell]] for cell in cells]
    orders = [sorted(range(len(part)), key=lambda row: _number(part.index[row][1])) for part in parts]
    return Values(
        tuple(cells),
        tuple(part.to_numpy(float)[order] for part, order in zip(parts, orders, strict=True)),
        tuple(
            tuple(part.index[row][1] for row in order)
            for part, order in zip(parts, orders, strict=True)
        ),
        tuple(str(name) for name in whole.columns),
        groups,
        tuple(said),
    )


def cell_names(results: DataFrame) -> list[str]:
    """Return the cell of each run: `unet2/dice`, further swept keys after a semicolon."""
    if "cell" in results:
        return [str(name) for name in results["cell"]]
    before = list(results.columns[: list(results.columns).index(SEED)])
    beside = [key for key in before if key not in ("run_id", "model", "loss", "data_fingerprint")]
    return [
        ";".join([f"{row['model']}/{row['loss']}", *_beside(row, beside)])
        for row in results.to_dict("records")
    ]


def _beside(row: Mapping[Any, Any], keys: Sequence[str]) -> list[str]:
    return [f"{key}={_plain(row[key])}" for key in keys if not isna(row[key])]


def _plain(value: Any) -> Any:
    """Return 80 for the 80.0 that a column with gaps makes of it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _number(seed: str) -> tuple[float, str]:
    return (float(seed), "") if seed.lstrip("-").isdigit() else (np.inf, seed)


def _named(results: DataFrame) -> DataFrame:
    """Return the runs with the columns that matter here, `cell` among them."""
    names = ["run_id", "seed", "fold", "status", "data_fingerprint"]
    kept = DataFrame({name: results.get(name) for name in names}, index=results.index)
    if "evaluate.empty" in results:
        kept["empty"] = results["evaluate.empty"]
    return kept.assign(cell=cell_names(results))


def _of_one_data_set(runs: DataFrame) -> tuple[DataFrame, list[str]]:
    """Return the runs on the data that most finished runs have."""
    finished = runs.loc[runs["status"] == "finished", "data_fingerprint"].dropna()
    counts = finished.value_counts()
    if len(counts) < 2:
        return runs, []
    used = min(counts[counts == counts.max()].index)
    left = int(counts.sum() - counts[used])
    note = (
        f"{len(counts)} different data sets in one sweep: only the {counts[used]} finished runs on "
        f"{used} are compared, {left} on other data are left out."
    )
    return runs[runs["data_fingerprint"] == used], [note]


def _complete(runs: DataFrame) -> tuple[DataFrame, list[str]]:
    """Return the finished runs of seeds that have all their folds, with a column `unit`."""
    whole = runs.assign(
        unit=[f"{cell} {seed}" for cell, seed in zip(runs["cell"], runs["seed"], strict=True)]
    )
    finished = whole[whole["status"] == "finished"]
    notes = []
    if lost := int((whole["status"] == "failed").sum()):
        notes.append(f"{_many(lost, 'run')} failed; {'its' if lost == 1 else 'their'} cells have fewer seeds.")
    if still := int(whole["status"].isin(["planned", "running", "interrupted"]).sum()):
        notes.append(f"{_many(still, 'run')} not finished yet.")
    if missing := sorted(set(whole["cell"]) - set(finished["cell"])):
        notes.append(f"No finished run: {', '.join(missing)}.")
    folds = set(whole["fold"].dropna())
    if not folds:
        return finished, notes
    per_unit = finished.groupby("unit")["fold"]
    short = [unit for unit, has in per_unit if has.notna().any() and set(has.dropna()) != folds]
    if short:
        notes.append(
            f"{_many(len(short), 'seed')} without all {len(folds)} folds left out: "
            f"{', '.join(short[:5])}{' ...' if len(short) > 5 else ''}."
        )
    return finished[~finished["unit"].isin(short)], notes


def _scored(rows: DataFrame, metric: str, empty: Empty) -> Array:
    """Return the metric of each row, by its own run's policy where runs differ in it."""
    counts = [rows[name].to_numpy(np.int64) for name in ("tp", "fp", "fn", "tn")]
    if "empty" not in rows:
        return per_image(metric, *counts, empty)
    skipped = per_image(metric, *counts, "skip")
    return np.where(rows["empty"] == "skip", skipped, per_image(metric, *counts, "one"))


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
    names = ", ".join(f"{cell} seed {seed}" for cell, seed in alien[:5])
    note = f"{_many(len(alien), 'seed')} scored on other images left out: {names}"
    return frame[kept], [note + (" ..." if len(alien) > 5 else "") + "."]


def _groups(frame: DataFrame, images: Sequence[str]) -> NDArray[np.int64]:
    """Return the number of each image's group."""
    if "group" not in frame:
        return np.arange(len(images))
    group = dict(zip(frame["image"], frame["group"].astype(str), strict=True))
    numbers = np.unique([group[image] for image in images], return_inverse=True)[1]
    return numbers.astype(np.int64)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
