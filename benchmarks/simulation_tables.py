"""Markdown tables of the results of `simulate.py`, for docs/statistics.md."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulate import Row

CLAIMS = {
    "segsweep": "segsweep, all pairs",
    "bootstrap": "bootstrap",
    "t_test": "t over seeds",
    "wilcoxon": "Wilcoxon",
    "wilcoxon_one_pair": "Wilcoxon, one fixed pair",
    "autorank": "autorank",
}
FAMILIES = ("architectures", "losses", "interaction")
FOUND = ("found", "found_bootstrap", "found_t_test")
WHERE = ("cells", "sds", "seeds")
TITLES = ("cells", "seed sds", "seeds")


def tables(rows: Sequence["Row"]) -> str:
    """Return all tables; normal and skewed values are pooled unless a column separates them."""
    equal = [row for row in rows if row.gap == 0]
    gaps = [row for row in rows if row.gap > 0 and not row.pilot]
    pilots = [row for row in rows if row.pilot]
    parts = {
        "Sweeps with any false claim": _claims(equal),
        "False claims in the other families": _families(equal),
        "Coverage of intervals": _intervals([*equal, *gaps]),
        "True differences of .03 found": _found(gaps),
        "With the advised number of seeds": _advised(pilots),
    }
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in parts.items()) + "\n"


def _claims(rows: Sequence["Row"]) -> str:
    body = [
        [*key, _count(group), *(_share(group, name) for name in CLAIMS)]
        for key, group in _grouped(rows, WHERE)
    ]
    return _markdown([*TITLES, "sweeps", *CLAIMS.values()], body)


def _families(rows: Sequence["Row"]) -> str:
    body = [
        [*key, _count(group), *(_share(group, name) for name in FAMILIES)]
        for key, group in _grouped([row for row in rows if row.cells > 2], WHERE)
    ]
    return _markdown([*TITLES, "sweeps", *FAMILIES], body)


def _intervals(rows: Sequence["Row"]) -> str:
    body = [
        [*key, _count(group), _share(group, "cell_intervals", 3), _share(group, "joint", 3)]
        for key, group in _grouped(rows, ("cells", "sds", "values"))
    ]
    head = ["cells", "seed sds", "values", "sweeps", "single cell", "all pairs (simultaneous)"]
    return _markdown(head, body)


def _found(rows: Sequence["Row"]) -> str:
    body = [
        [
            *key,
            _count(group),
            *(_share(group, name) for name in FOUND),
            *(_share(group, name) for name in ("segsweep", "bootstrap", "t_test")),
        ]
        for key, group in _grouped(rows, WHERE)
    ]
    wrong = [f"false: {name}" for name in ("segsweep", "bootstrap", "t over seeds")]
    head = [*TITLES, "sweeps", "segsweep, all pairs", "bootstrap", "t over seeds", *wrong]
    return _markdown(head, body)


def _advised(rows: Sequence["Row"]) -> str:
    body = []
    for key, group in _grouped(rows, ("cells", "sds", "pilot")):
        mean = sum(row.advised for row in group) / sum(row.sweeps for row in group)
        body.append([*key, _count(group), f"{mean:.1f}", _share(group, "found")])
    head = ["cells", "seed sds", "seeds of the first sweep", "sweeps", "advised, mean", "found"]
    return _markdown(head, body)


def _grouped(
    rows: Sequence["Row"], names: Sequence[str]
) -> Iterable[tuple[list[str], list["Row"]]]:
    """Yield groups of rows with the same values of *names*, in order."""
    keys = sorted({tuple(getattr(row, name) for name in names) for row in rows})
    for key in keys:
        group = [row for row in rows if tuple(getattr(row, name) for name in names) == key]
        yield [str(value) for value in key], group


def _count(rows: Sequence["Row"]) -> str:
    return str(sum(row.sweeps for row in rows))


def _share(rows: Sequence["Row"], name: str, digits: int = 2) -> str:
    """Return a count divided by its number of sweeps; empty without sweeps."""
    over = "autorank_sweeps" if name == "autorank" else "sweeps"
    sweeps = sum(getattr(row, over) for row in rows)
    if not sweeps:
        return ""
    share = sum(getattr(row, name) for row in rows) / sweeps
    return f"{share:.{digits}f}".replace("0.", ".", 1)


def _markdown(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    rule = ["---"] * len(head)
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, rule, *body))
