"""Two sweeps compared: their values on common images, and the settings that differ."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from segsweep.config.cells import SEPARATOR, split_name
from segsweep.errors import ConfigError
from segsweep.report.content.records import settings_of
from segsweep.report.placement import placement_notes
from segsweep.report.question import (
    Asked,
    comparable,
    groups_for,
    named_results,
    with_group_notes,
)
from segsweep.store.states import Status
from segsweep.store.tables import Tables

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.stats.values import Values


def sweep_names(first: Tables, second: Tables) -> tuple[str, str]:
    """Return a name for each: its folder's name, or its path where both names are the same."""
    both = first.sweep.root.resolve(), second.sweep.root.resolve()
    names = both[0].name, both[1].name
    return names if names[0] != names[1] else (str(both[0]), str(both[1]))


def values_of_both(first: Tables, second: Tables, asked: Asked) -> "Values":
    """Return the values of two sweeps; each cell's name ends in `@sweep=` and the sweep's name.

    Raises:
        ConfigError: they are one sweep, or have no data in common.

    """
    from pandas import concat

    from segsweep.stats.runs import SWEEP_KEY
    from segsweep.stats.values import values_of

    if first.sweep.root.resolve() == second.sweep.root.resolve():
        raise ConfigError(
            f"{first.sweep.root}: a sweep cannot be compared with itself; give another"
        )
    common = _common_data(first, second)
    results, images = [], []
    for tables, name in zip((first, second), sweep_names(first, second), strict=True):
        own, rows = _on_common_data(tables, common), tables.per_image
        cells = [f"{cell}{SWEEP_KEY}{name}" for cell in own["cell"]]
        results.append(own.assign(cell=cells, run_id=_apart(own, name)))
        images.append(rows.assign(run_id=_apart(rows, name)))
    runs = comparable(first)
    groups = groups_for(asked, runs)
    values = values_of(
        concat(results, ignore_index=True),
        concat(images, ignore_index=True),
        asked.metric,
        groups=groups or None,
        empty=runs.empty,
    )
    return with_group_notes(values, groups, asked)


def differing_settings(first: Tables, second: Tables) -> str:
    """Return one sentence on the settings in which the sweeps differ; empty if in none."""
    one, other = _settings(first), _settings(second)
    keys = [key for key in {**one, **other} if _differs(key, one, other)]
    if not keys:
        return ""
    words = [f"{key} ({one.get(key, '-')}, {other.get(key, '-')})" for key in sorted(keys)]
    return f"The sweeps differ in {', '.join(words)}."


def differing_placements(first: Tables, second: Tables) -> tuple[str, ...]:
    """Return a sentence each if the finished runs on common data differ in precision or kernels."""
    common = _common_data(first, second)
    runs = [
        run
        for run in (*first.runs, *second.runs)
        if run.kind == "run" and run.status == Status.FINISHED
        if run.columns.get("data_fingerprint") in common
    ]
    return placement_notes(runs)


def _differs(key: str, one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Whether *key* differs; an argument of an option that only one sweep has is ignored."""
    if ": " in key and not (key in one and key in other):
        return False
    return one.get(key) != other.get(key)


def _settings(tables: Tables) -> dict[str, object]:
    """Return the settings that all runs share, and the arguments of each model and loss."""
    shared, options = settings_of(tables)
    arguments = {
        f"{row['group']}={row['option']}: {row['key']}": row["value"]
        for row in options
        if row["key"] not in tables.swept
    }
    return {**{row["key"]: row["value"] for row in shared}, **arguments}


def _apart(frame: "DataFrame", name: str) -> list[str]:
    """Return run ids that stay distinct where both sweeps hold the same run."""
    return [f"{name}/{run}" for run in frame["run_id"]]


def _on_common_data(tables: Tables, common: set[str]) -> "DataFrame":
    """Return the runs on data that both sweeps have; the data are left out of the cells' names."""
    runs = named_results(tables)
    names = [_without_data(cell) for cell in runs["cell"]]
    return runs.assign(cell=names)[runs["data_fingerprint"].isin(common)]


def _without_data(cell: str) -> str:
    parts = split_name(cell)
    return SEPARATOR.join(part for part in parts if not part.startswith("data="))


def _common_data(first: Tables, second: Tables) -> set[str]:
    """Return the fingerprint of the data with the most finished runs that both sweeps have."""
    one, other = _fingerprints(first), _fingerprints(second)
    common = [name for name in one if name in other]
    if not common and one and other:
        raise ConfigError(
            f"{first.sweep.root} and {second.sweep.root} were made on different data "
            f"({', '.join(sorted(one))} and {', '.join(sorted(other))}): nothing to compare"
        )
    return {max(common, key=lambda name: (one[name] + other[name], name))} if common else set()


def _fingerprints(tables: Tables) -> dict[str, int]:
    """Return fingerprint of the data -> number of finished runs."""
    done = tables.results[tables.results["status"] == Status.FINISHED]
    return {
        str(name): int(count) for name, count in done["data_fingerprint"].value_counts().items()
    }
