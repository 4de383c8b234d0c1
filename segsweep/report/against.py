"""Two sweeps beside each other: their values on common images, and settings that differ."""

from typing import TYPE_CHECKING, Any

from segsweep.errors import ConfigError
from segsweep.report.compared import Asked, empty_of, groups_for, named_results
from segsweep.report.records import settings_of
from segsweep.tables import Tables

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.stats.values import Values


def sweep_names(first: Tables, second: Tables) -> tuple[str, str]:
    """Return what to call each: its folder's name, or its whole path where those are the same."""
    both = first.sweep.root.resolve(), second.sweep.root.resolve()
    names = both[0].name, both[1].name
    return names if names[0] != names[1] else (str(both[0]), str(both[1]))


def values_of_both(first: Tables, second: Tables, asked: Asked) -> "Values":
    """Return the values of two sweeps; each cell's name ends in `;sweep=` and the sweep's name.

    Raises:
        ConfigError: they are one sweep, or have no data in common.

    """
    from pandas import concat

    from segsweep.stats.values import values_of

    if first.sweep.root.resolve() == second.sweep.root.resolve():
        raise ConfigError(f"{first.sweep.root}: a sweep cannot be compared with itself")
    _check_data(first, second)
    results, images = [], []
    for tables, name in zip((first, second), sweep_names(first, second), strict=True):
        own, rows = named_results(tables), tables.per_image
        cells = [f"{cell};sweep={name}" for cell in own["cell"]]
        results.append(own.assign(cell=cells, run_id=_apart(own, name)))
        images.append(rows.assign(run_id=_apart(rows, name)))
    return values_of(
        concat(results, ignore_index=True),
        concat(images, ignore_index=True),
        asked.metric,
        groups=groups_for(asked, first),
        empty=empty_of(first),
    )


def differing_settings(first: Tables, second: Tables) -> str:
    """Return what is set otherwise in the two sweeps, as one sentence; empty for nothing."""
    one, other = _settings(first), _settings(second)
    keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
    if not keys:
        return ""
    words = [f"{key} ({one.get(key, '-')}, {other.get(key, '-')})" for key in sorted(keys)]
    return f"The sweeps differ in {', '.join(words)}."


def _settings(tables: Tables) -> dict[str, Any]:
    return {row["key"]: row["value"] for row in settings_of(tables)[0]}


def _apart(frame: "DataFrame", name: str) -> list[str]:
    """Return run ids that are no longer the same where both sweeps hold the same run."""
    return [f"{name}/{run}" for run in frame["run_id"]]


def _check_data(first: Tables, second: Tables) -> None:
    one, other = _fingerprints(first), _fingerprints(second)
    if one and other and not one & other:
        raise ConfigError(
            f"{first.sweep.root} and {second.sweep.root} were made on different data "
            f"({', '.join(sorted(one))} and {', '.join(sorted(other))}): nothing to compare"
        )


def _fingerprints(tables: Tables) -> set[str]:
    done = tables.results[tables.results["status"] == "finished"]
    return {str(value) for value in done["data_fingerprint"].dropna()}
