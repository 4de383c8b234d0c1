"""Simulated sweeps with a known best cell: how often it is lost, and what is ruled out.

Values as in `simulate.py`. Three truths: all cells equal, the first better by .03, and true means
drawn from N(0, .015) anew for each sweep. The rows are written after each batch, and an interrupted
simulation resumes from them. Only pairs of cells and the set of the best are computed.

    OMP_NUM_THREADS=1 nice -19 python benchmarks/simulate_best.py --minutes 40
    python benchmarks/simulate_best.py --table     # prints tables and updates docs/statistics.md
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from stored_rows import run
from truth import GAP, Setting, draw, values

from segsweep.stats.contrasts import CELLS, Family, pairs
from segsweep.stats.engine import Analysis, analyse_families
from segsweep.stats.null import Settings
from segsweep.stats.verdicts import A_BETTER, B_BETTER

DOCS = Path(__file__).resolve().parents[1] / "docs"
OUT, DOCUMENT = DOCS / "results" / "simulation_best.csv", DOCS / "statistics.md"
BEGIN, END = "<!-- tables of the best -->", "<!-- end of tables of the best -->"
BATCH, DRAWS = 20, 1_000
EQUAL, ONE, DRAWN = "equal", "one better", "drawn"
SPREAD = 0.015
"""Standard deviation of the true means that are drawn."""


class Case(NamedTuple):
    """The parameters of a simulated sweep."""

    truth: str
    """equal | one better | drawn"""
    cells: int
    seeds: int
    sds: str
    values: str


@dataclass
class Row:
    """Sums over the sweeps of a case."""

    truth: str
    cells: int
    seeds: int
    sds: str
    values: str
    sweeps: int = 0
    lost: float = 0.0
    """Share of the truly best cells that are ruled out."""
    out: float = 0.0
    """Share of the other cells that are ruled out."""
    out_by_pairs: float = 0.0
    """The same if a cell were ruled out only by a pair of the family of all pairs."""
    size: int = 0
    """Cells that may be the best."""
    held: int = 0
    """Sweeps in which all intervals for the distance to the best hold."""
    good: int = 0
    """Sweeps in which a cell is called as good as the best within the margin."""
    wrongly_good: int = 0
    """Sweeps in which one of these is worse by more than the margin."""


def all_pairs(names: Sequence[str]) -> list[Family]:
    """Return the one family that is needed."""
    return [pairs(names)]


def one_sweep(row: Row, case: Case, generator: np.random.Generator) -> None:
    """Draw a sweep, analyse it, and count."""
    truth = np.zeros(case.cells)
    if case.truth == ONE:
        truth[0] = GAP
    if case.truth == DRAWN:
        truth = SPREAD * generator.standard_normal(case.cells)
    setting = Setting(case.seeds, case.cells, case.sds, case.values, 0.0)
    sweep = draw(setting, generator, case.seeds, truth)
    settings = Settings(draws=DRAWS, seed=int(generator.integers(2**31)))
    result = analyse_families(values(sweep), all_pairs, settings, advise=False)
    row.sweeps += 1
    _count(row, result, truth)


def _count(row: Row, result: Analysis, truth: NDArray[np.float64]) -> None:
    best = result.best
    assert best is not None, "at least two cells with two seeds"
    top = truth == truth.max()
    row.lost += float(np.mean(~best.may[top]))
    row.size += int(best.may.sum())
    distance = np.array([value - np.delete(truth, at).max() for at, value in enumerate(truth)])
    row.held += bool(np.all((best.low <= distance + 1e-12) & (distance <= best.high + 1e-12)))
    good = best.as_good(result.settings.margin)
    row.good += bool(good.any())
    row.wrongly_good += bool((good & (distance <= -result.settings.margin)).any())
    if not top.all():
        row.out += float(np.mean(~best.may[~top]))
        row.out_by_pairs += float(np.mean(_beaten(result)[~top]))


def _beaten(result: Analysis) -> NDArray[np.bool_]:
    """Return which cells are worse than another in the family of all pairs."""
    tested, beaten = result.tested[CELLS], set()
    for a, b, verdict in zip(tested.family.a, tested.family.b, tested.verdicts, strict=True):
        beaten |= {b} if verdict == A_BETTER else {a} if verdict == B_BETTER else set()
    return np.array([name in beaten for name in result.values.cells])


def cases() -> list[Case]:
    """Return all cases."""
    kinds = list(product((2, 3, 5, 10), ("equal", "spread"), ("normal", "skewed")))
    sizes = [(EQUAL, 2), (EQUAL, 4), (EQUAL, 20), (ONE, 2), (ONE, 4), (ONE, 20), (DRAWN, 20)]
    return [Case(truth, cells, *kind) for truth, cells in sizes for kind in kinds]


def batch(case: Case, seed: Sequence[int]) -> Row:
    """Return the sums over a batch."""
    row, generator = Row(*case), np.random.default_rng([*seed, 7])
    for _ in range(BATCH):
        one_sweep(row, case, generator)
    return row


COLUMNS: dict[str, Callable[[Row], float]] = {
    "ruled out": lambda row: row.out,
    "by all pairs": lambda row: row.out_by_pairs,
    "in the set": lambda row: row.size,
    "a best cell lost": lambda row: row.lost,
    "all intervals hold": lambda row: row.held,
    "called as good": lambda row: row.good,
    "wrongly": lambda row: row.wrongly_good,
}


def tables(rows: Sequence[Row]) -> str:
    """Return a table for each truth; normal and skewed values are pooled."""
    titles = {
        ONE: "One cell is better by .03",
        DRAWN: "True means drawn from N(0, .015)",
        EQUAL: "All cells are equal",
    }
    parts = []
    for truth, title in titles.items():
        own = [row for row in rows if row.truth == truth]
        names = [name for name in COLUMNS if truth != EQUAL or name not in list(COLUMNS)[:2]]
        head = ["cells", "seed sds", "seeds", "sweeps", *names]
        body = [_line(key, group, names) for key, group in _grouped(own)]
        parts.append(
            f"### {title}\n\n" + "\n".join(map(_markdown, [head, ["---"] * len(head), *body]))
        )
    return "\n\n".join(parts) + "\n"


def _grouped(rows: Sequence[Row]) -> Iterator[tuple[tuple[int, str, int], list[Row]]]:
    keys = sorted({(row.cells, row.sds, row.seeds) for row in rows})
    for key in keys:
        yield key, [row for row in rows if (row.cells, row.sds, row.seeds) == key]


def _line(key: tuple[int, str, int], group: Sequence[Row], names: Sequence[str]) -> list[str]:
    sweeps = sum(row.sweeps for row in group)
    shares = []
    for name in names:
        share = sum(COLUMNS[name](row) for row in group) / max(sweeps, 1)
        digits = 1 if name == "in the set" else 3 if "lost" in name or "hold" in name else 2
        shares.append(
            f"{share:.{digits}f}".replace("0.", ".", 1) if share < 1 else f"{share:.{digits}f}"
        )
    return [*map(str, key), str(sweeps), *shares]


def _markdown(line: Sequence[str]) -> str:
    return "| " + " | ".join(line) + " |"


if __name__ == "__main__":
    run(__doc__, Row, cases(), batch, tables, count="sweeps", out=OUT, shown=(DOCUMENT, BEGIN, END))
