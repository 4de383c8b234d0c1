"""What is to be compared, and what can be: values on common images, and their groups."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from segsweep import metrics
from segsweep.config.cells import NEUTRAL, SEPARATOR, as_cell_name, idle_keys
from segsweep.errors import ConfigError, StoredFileError
from segsweep.store.paths import RunPaths
from segsweep.store.records import read_split
from segsweep.store.run_cache import RunRecord
from segsweep.store.tables import Tables

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.stats.runs import Counted
    from segsweep.stats.values import Values


SIZES = ("data.size", "data.resize", "data.tile")
"""Settings that change the size, or the pixels, on which scores at the training size are taken."""


@dataclass(frozen=True)
class Asked:
    """What the user asks a comparison for."""

    metric: str = "iou"
    """One of `segsweep.metrics.METRICS`."""
    baseline: str | None = None
    """A cell with which all others are compared, as a separate family."""
    groups: Path | None = None
    """CSV with the columns id and group; None: the groups stored with the data."""

    def __post_init__(self) -> None:
        """Understand a cell's name as earlier versions wrote it."""
        if self.baseline is not None:
            object.__setattr__(self, "baseline", as_cell_name(self.baseline))


@dataclass(frozen=True)
class Comparable:
    """The runs of a sweep that can be compared; worked out once for a report."""

    tables: Tables
    """Of one comparison."""
    results: "DataFrame"
    """results.csv with a column `cell`."""
    counted: "Counted"
    """The runs that count, and sentences about the others."""

    @property
    def at(self) -> metrics.Size:
        """The size at which all cells can be compared; see `scored_at`."""
        return scored_at(self.counted_runs, [self.tables.per_image])

    @property
    def empty(self) -> metrics.Empty:
        """What two empty masks are worth in this sweep."""
        run = self.first_run
        values = run.settings if run is not None else {}
        return "skip" if values.get("evaluate.empty") == "skip" else "one"

    @property
    def first_run(self) -> RunRecord | None:
        """The first run that counts: it is on the data that are compared."""
        return next(iter(self.counted_runs), None)

    @property
    def counted_results(self) -> "DataFrame":
        """The rows of `results` of the runs that count."""
        return self.results[self.results["run_id"].isin(self.counted[0]["run_id"])]

    @property
    def counted_runs(self) -> list[RunRecord]:
        """The runs that count."""
        used = set(self.counted[0]["run_id"])
        return [run for run in self.tables.runs if run.run_id in used]


def differing_sizes(runs: Iterable[RunRecord]) -> tuple[str, ...]:
    """Return the settings by which *runs* see images at different sizes."""
    seen = [run.settings for run in runs]
    return tuple(
        key
        for key in SIZES
        if len({str(own.get(key, NEUTRAL.get(key))) for own in seen if key not in idle_keys(own)})
        > 1
    )


def scored_at(runs: Sequence[RunRecord], per_image: "Iterable[DataFrame]") -> metrics.Size:
    """Return the size at which *runs* can be compared: train, or native where sizes differ.

    Runs that saw images at different sizes are compared at the training size only if none has
    counts at the images' own size.
    """
    if not differing_sizes(runs):
        return "train"
    ids = {run.run_id for run in runs}
    native = (rows.loc[rows["at"] == "native", "run_id"] for rows in per_image)
    return "native" if any(ids & set(names) for names in native) else "train"


def comparable(tables: Tables) -> Comparable:
    """Return the runs that can be compared, of the *tables* of one comparison."""
    from segsweep.stats.runs import counted_runs

    results = named_results(tables)
    return Comparable(tables, results, counted_runs(results))


def values_of_sweep(runs: Comparable, asked: Asked) -> "Values":
    """Return the values of a sweep that can be compared.

    Raises:
        ConfigError: there is no such metric, or cells that it cannot compare.
        DataError: the groups file cannot be read, contradicts itself, or names no image.

    """
    from segsweep.stats.values import values_of

    check_metric(asked.metric)
    check_tolerance(asked.metric, runs.counted_runs)
    groups = groups_for(asked, runs)
    values = values_of(
        runs.results,
        runs.tables.per_image,
        asked.metric,
        runs.at,
        groups=groups or None,
        empty=runs.empty,
        counted=runs.counted,
        split="val" if runs.tables.validation_only else "test",
    )
    return with_group_notes(values, groups, asked)


def named_results(tables: Tables) -> "DataFrame":
    """Return results.csv with a column `cell`."""
    cells = [run.cell for run in tables.runs if run.kind == "run"]
    return tables.results.assign(cell=cells)


def split_cell(cell: str, tables: Tables) -> tuple[str | None, str]:
    """Return the comparison that a cell's name stands for, and the cell's name in it.

    None: the name does not say which comparison.
    """
    if cell not in {run.cell for run in tables.runs}:
        return None, cell
    for data, own in tables.comparisons().items():
        there = {run.path: run.cell for run in own.runs}
        for run in tables.runs:
            if run.cell == cell and run.path in there:
                short = there[run.path]
                return (None if short == cell else data), short
    return None, cell


def check_metric(metric: str) -> None:
    """Raise ConfigError for an unknown metric."""
    from segsweep.config.validate import check_word

    check_word("metric", metric, metrics.METRICS)


def check_tolerance(metric: str, runs: Sequence[RunRecord]) -> None:
    """Raise ConfigError for nsd where *runs* were measured with different tolerances."""
    if metric != "nsd":
        return
    key = "evaluate.tolerance"
    measured = [run.settings for run in runs if run.settings.get("evaluate.boundary") is True]
    found = sorted({float(str(own.get(key, NEUTRAL[key]))) for own in measured})
    if len(found) > 1:
        values = ", ".join(f"{value:g}" for value in found)
        raise ConfigError(
            f"nsd: runs were measured with different tolerances ({key}={values}); "
            "it can be compared only where they are the same"
        )


def check_measured(metric: str, tables: Tables) -> None:
    """Raise ConfigError for a stored metric that none of the finished runs has."""
    known = metrics.METRICS[metric]
    if known.stored is None or tables.per_image.empty:
        return
    if known.stored not in tables.per_image or tables.per_image[known.stored].isna().all():
        raise ConfigError(
            f"{metric}: no finished run of {tables.sweep.root.name} has it; train with "
            "evaluate.boundary=true (these are other runs than those without it)"
        )


def check_cell(cell: str, compared: Iterable[str], tables: Tables) -> None:
    """Raise ConfigError, with the reason, where *cell* is not among the *compared* ones."""
    from segsweep.config.validate import nearest

    if cell in set(compared):
        return
    known = sorted({run.cell for run in tables.runs if run.kind == "run"})
    if cell in known:
        raise ConfigError(f"{cell}: none of its runs is finished and can be compared")
    longer = [name for name in known if name.startswith(f"{cell}{SEPARATOR}")]
    if longer:
        raise ConfigError(f"{cell}: no such cell; it stands for {', '.join(longer)}")
    there = f"cells are {', '.join(known)}{nearest(cell, known)}" if known else "there is none"
    raise ConfigError(f"{cell}: no such cell; {there}")


def groups_for(asked: Asked, runs: Comparable) -> dict[str, str]:
    """Return image -> group from the file that the user named, else from the data.

    Raises:
        DataError: the file cannot be read, contradicts itself, or names none of the images.

    """
    from segsweep.data.groups import groups_from

    if asked.groups is None:
        return _stored_groups(runs)
    images = set(runs.tables.per_image["image"])
    return groups_from(asked.groups, images) if images else {}


def with_group_notes(values: "Values", groups: Mapping[str, str], asked: Asked) -> "Values":
    """Return *values* with notes on groups of images, and on images that are in none."""
    from segsweep.stats.notes import GroupedImages, UngroupedImages

    images, count = len(values.images), len(set(values.groups.tolist()))
    notes = list(values.notes)
    if count < images:
        notes.append(GroupedImages(images, count))
    alone = sum(image not in groups for image in values.images)
    if asked.groups is not None and alone:
        notes.append(UngroupedImages(alone, asked.groups.name))
    return replace(values, notes=tuple(notes))


def _stored_groups(runs: Comparable) -> dict[str, str]:
    """Return image -> group (patient, lesion) from the first split.csv that can be read."""
    for run in runs.counted_runs:
        try:
            rows = read_split(RunPaths(run.path).split)
        except StoredFileError as damage:
            runs.tables.note(damage)
        else:
            return {row["id"]: row["group"] for row in rows if row["group"]}
    return {}
