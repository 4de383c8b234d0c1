"""Tables of the page: columns and rows, before they are HTML."""

from collections.abc import Sequence
from typing import Any

from pandas import DataFrame, Series

from segsweep.metrics import Metric, columns, label
from segsweep.report.collapse import is_collapsed
from segsweep.report.columns import BUDGET
from segsweep.report.content.images import image_table
from segsweep.report.content.material import Material
from segsweep.report.content.records import Record
from segsweep.report.content.rows import (
    COUNT,
    TEXT,
    YES,
    Listing,
    frame_listing,
    rows_listing,
)
from segsweep.report.content.search_listing import searches, trials

MOST_PAIRS = 10_000
"""Pairs that the page holds: those of 100 cells, with their interactions; pairs.csv has all.

20,000, as 200 cells have, take a browser three times as long to open as 2,000.
"""
FAMILIES = ("baseline", "architectures", "losses", "cells", "interaction")


def listings(material: Material) -> dict[str, Listing]:
    """Return all tables that have rows, by name."""
    made = (
        _cells(material),
        _pairs(material),
        _images(material),
        _runs(material),
        searches(material),
        trials(material),
        _reads(material),
        _elsewhere(material),
        _ensembles(material),
    )
    return {listing.name: listing for listing in made if listing.rows}


def _cells(material: Material) -> Listing:
    shown = (
        ("cell", "cell", TEXT),
        ("seeds", "seeds", COUNT),
        *([("failed", "failed", COUNT)] if material.cells["failed"].any() else []),
        (material.value, _title(material.value), 4),
        ("ci_low", "from", 4),
        ("ci_high", "to", 4),
        ("may_be_best", "may be best", YES),
        ("p_as_best", "p as best", 3),
        ("minus_best_low", "less best, from", 4),
        ("minus_best_high", "less best, to", 4),
        ("p_best", "chance best", 2),
        ("sd_seeds", "sd seeds", 4),
        ("sd_images", "sd images", 4),
        *((name, _title(name), 4) for name in _further(material) if name != material.value),
        ("lr", "lr", TEXT),
        ("seconds", "seconds", COUNT),
        ("parameters", "parameters", COUNT),
        ("multiply_adds", "multiply-adds", COUNT),
        *((name, name.replace("_", " "), COUNT) for name in BUDGET),
    )
    return frame_listing("cells", shown, material.cells)


def _further(material: Material) -> tuple[str, ...]:
    """Return the columns of all metrics: those of the test images, or of validation alone."""
    return columns("val") if material.validation_only else (*columns("test"), "val_iou")


def _title(column: str) -> str:
    return f"test {label(column)}" if column.startswith("test_") else label(column)


def _pairs(material: Material) -> Listing:
    higher = material.metric.higher_is_better
    shown = (
        ("family", "between", TEXT),
        ("a", "higher" if higher else "lower", TEXT),
        ("b", "lower" if higher else "higher", TEXT),
        ("difference", "difference", 4),
        ("ci_low", "from", 4),
        ("ci_high", "to", 4),
        ("p_adjusted", "p adjusted", 3),
        ("p_equal", "chance equal", 2),
        ("verdict", "verdict", TEXT),
        ("seeds_needed", "seeds needed", COUNT),
    )
    pairs = material.compared.pairs
    if pairs.empty:
        return Listing("pairs", shown, [])
    return frame_listing("pairs", shown, _turned(_clearest(pairs), material.metric))


def _clearest(pairs: DataFrame) -> DataFrame:
    """Return at most MOST_PAIRS pairs: main effects first, in each family the smallest p first."""
    place = pairs["family"].map({name: number for number, name in enumerate(FAMILIES)})
    size = -pairs["difference"].abs()
    ranked = pairs.assign(_place=place, _p=pairs["p_adjusted"].fillna(1), _size=size)
    ranked = ranked.sort_values(["_place", "_p", "_size"], kind="stable")
    return ranked.head(MOST_PAIRS)


def _turned(pairs: DataFrame, metric: Metric) -> DataFrame:
    """Return *pairs* turned so that a has the better mean."""
    down = metric.sign * pairs["difference"] < 0
    turned = pairs.copy()
    turned.loc[down, ["a", "b"]] = pairs.loc[down, ["b", "a"]].to_numpy()
    turned.loc[down, ["ci_low", "ci_high"]] = -pairs.loc[down, ["ci_high", "ci_low"]].to_numpy()
    better = pairs["verdict"].isin(["a better", "b better"])
    return turned.assign(
        difference=metric.sign * pairs["difference"].abs(),
        verdict=pairs["verdict"].mask(better, "better"),
    )


def _images(material: Material) -> Listing:
    shown = (
        ("image", "image", TEXT),
        ("mean", "mean", 3),
        ("sd", "sd of cells", 3),
        ("range", "range", 3),
        ("best_cell", "best cell", TEXT),
        ("best", "its value", 3),
        ("worst_cell", "worst cell", TEXT),
        ("worst", "its value", 3),
    )
    return frame_listing("images", shown, image_table(material.images, material.metric))


def _runs(material: Material) -> Listing:
    shown = (
        ("folder", "run", TEXT),
        ("cell", "cell", TEXT),
        ("seed", "seed", COUNT),
        ("fold", "fold", COUNT),
        ("status", "status", TEXT),
        *((name, _title(name), 4) for name in _further(material)),
        ("last_val_iou", "last val IoU", 4),
        ("collapsed", "collapsed", TEXT),
        ("best_epoch", "best epoch", COUNT),
        ("epochs", "epochs", COUNT),
        ("lr", "lr", TEXT),
        ("seconds", "seconds", COUNT),
        ("peak_memory_mb", "memory MB", COUNT),
        ("device", "device", TEXT),
        ("precision", "precision", TEXT),
        ("threads", "threads", COUNT),
        ("finished", "finished", TEXT),
    )
    rows = material.runs.to_dict("records")
    words = Series(["yes" if is_collapsed(row) else None for row in rows], material.runs.index)
    return frame_listing("runs", shown, material.runs.assign(collapsed=words))


def _reads(material: Material) -> Listing:
    shown = (
        ("time", "time", TEXT),
        ("run", "run", TEXT),
        ("reason", "reason", TEXT),
        ("images", "images", COUNT),
    )
    return rows_listing("reads", shown, material.reads.rows)


def _elsewhere(material: Material) -> Listing:
    shown = (
        ("data", "data", TEXT),
        ("cell", "cell", TEXT),
        ("images", "images", COUNT),
        ("seeds", "seeds", COUNT),
        ("here", "IoU here", 4),
        ("there", "IoU there", 4),
        ("low", "from", 4),
        ("high", "to", 4),
        ("may", "may be best there", YES),
    )
    return rows_listing("elsewhere", shown, material.elsewhere)


def _ensembles(material: Material) -> Listing:
    shown = (
        ("ensemble", "cells", TEXT),
        ("networks", "networks", COUNT),
        ("flips", "flips", YES),
        ("val_iou", "val IoU", 4),
        ("test_iou", "test IoU", 4),
        ("alone", "test IoU one by one", 4),
        ("time", "scored", TEXT),
    )
    return rows_listing("ensembles", shown, material.ensembles)


def grouped_failures(failures: Sequence[Record]) -> list[dict[str, Any]]:
    """Return failures grouped by cause and message, most frequent first."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for failure in failures:
        key = str(failure["cause"] or "unknown"), str(failure["error"] or "no error was stored")
        group = found.setdefault(key, {"cause": key[0], "error": key[1], "runs": [], "trace": ""})
        group["runs"].append(failure)
        group["trace"] = group["trace"] or failure["traceback"] or ""
    return sorted(found.values(), key=lambda group: -len(group["runs"]))
