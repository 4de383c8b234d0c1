"""Two sweeps compared: their values on common images, and the settings that differ."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from segsweep.errors import ConfigError
from segsweep.report.content.records import settings_of
from segsweep.report.placement import placement_notes
from segsweep.report.question import (
    Asked,
    check_measured,
    check_tolerance,
    comparable,
    groups_for,
    named_results,
    scored_at,
    with_group_notes,
)
from segsweep.report.validation import check_tested
from segsweep.store.run_cache import RunRecord
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


def shared_comparisons(first: Tables, second: Tables) -> list[tuple[str, Tables, Tables]]:
    """Return name and tables of each comparison that both sweeps have, finished ones if any.

    Raises:
        ConfigError: they are one sweep, or have no data and target in common.

    """
    if first.sweep.root.resolve() == second.sweep.root.resolve():
        raise ConfigError(
            f"{first.sweep.root}: a sweep cannot be compared with itself; give another"
        )
    there = {tables.question: tables for tables in second.comparisons().values()}
    shared = [
        (data, tables, there[tables.question])
        for data, tables in first.comparisons().items()
        if tables.question is not None and tables.question in there
    ]
    if not shared:
        raise ConfigError(
            f"{first.sweep.root} and {second.sweep.root} were made on different data, or with "
            f"different targets ({_questions(first)} and {_questions(second)}): nothing to compare"
        )
    finished = [row for row in shared if _finished(row[1]) and _finished(row[2])]
    return finished or shared


def values_of_both(first: Tables, second: Tables, asked: Asked) -> "Values":
    """Return the values of one comparison in two sweeps.

    Each cell's name ends in `@sweep=` and the sweep's name. Where the sweeps differ in the size
    that the network sees, images are scored at their own size.
    """
    from pandas import concat

    from segsweep.stats.runs import SWEEP_KEY
    from segsweep.stats.values import values_of

    results, images = [], []
    check_tolerance(asked.metric, [*first.runs, *second.runs])
    for tables, name in zip((first, second), sweep_names(first, second), strict=True):
        check_measured(asked.metric, tables)
        check_tested(name, tables)
        own, rows = named_results(tables), tables.per_image
        cells = [f"{cell}{SWEEP_KEY}{name}" for cell in own["cell"]]
        results.append(own.assign(cell=cells, run_id=_apart(own, name)))
        images.append(rows.assign(run_id=_apart(rows, name)))
    runs = comparable(first)
    groups = groups_for(asked, runs)
    counted = [*runs.counted_runs, *comparable(second).counted_runs]
    values = values_of(
        concat(results, ignore_index=True),
        concat(images, ignore_index=True),
        asked.metric,
        scored_at(counted, (first.per_image, second.per_image)),
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
    """Return a sentence each if the finished runs of one comparison differ in how they computed."""
    return placement_notes([*_finished(first), *_finished(second)])


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


def _finished(tables: Tables) -> list[RunRecord]:
    return [run for run in tables.runs if run.kind == "run" and run.status == Status.FINISHED]


def _questions(tables: Tables) -> str:
    """Return fingerprint and target of each comparison."""
    asked = [own.question for own in tables.comparisons().values()]
    return "; ".join(" ".join(question) for question in asked if question) or "no run"
