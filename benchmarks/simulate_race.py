"""Simulated races with a known best cell: what is ruled out, what is lost, with how many runs.

20 cells, values as in `simulate.py`, up to 20 seeds, looks at 3, 5, 8, 12 and 20 of them, judged by
segsweep's own code. Beside the race, the same sweep with a fixed number of seeds for every cell.
Rows are written after each batch, and an interrupted simulation resumes from them.

    OMP_NUM_THREADS=1 nice -19 python benchmarks/simulate_race.py --minutes 40
    python benchmarks/simulate_race.py --table     # prints tables and updates docs/statistics.md
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import truth
from numpy.typing import NDArray
from stored_rows import run
from truth import GAP, Setting, draw, values

from segsweep.stats.looks import End, looks_of, spending
from segsweep.stats.null import Settings
from segsweep.stats.race import take_look
from segsweep.stats.values import Values

DOCS = Path(__file__).resolve().parents[1] / "docs"
OUT, DOCUMENT = DOCS / "results" / "simulation_race.csv", DOCS / "statistics.md"
BEGIN, END = "<!-- tables of races -->", "<!-- end of tables of races -->"
CELLS, SEEDS, LOOKS, FIXED = 20, 20, (3, 5, 8, 12, 20), (8, 12, 20)
BATCH, DRAWS = 5, 2_000
EQUAL, ONE, DRAWN, CLOSE = "equal", "one better by .03", "drawn from N(0, .015)", "close"
"""close: one is the best, ten are .005 to .015 below it, nine .03."""


class Case(NamedTuple):
    """The parameters of a simulated race."""

    truth: str
    images: int
    sds: str


@dataclass
class Row:
    """Sums over the races of a case."""

    truth: str
    images: int
    sds: str
    races: int = 0
    runs: int = 0
    out: float = 0.0
    """Share of the cells that are not the best and are ruled out."""
    lost: float = 0.0
    """Share of the best cells that are ruled out."""
    size: int = 0
    """Cells that are left."""
    one: int = 0
    """Races that end with one cell; then the other ends."""
    good: int = 0
    by_images: int = 0
    seeds: int = 0
    fixed_8_out: float = 0.0
    """The same with a fixed number of seeds for every cell."""
    fixed_8_lost: float = 0.0
    fixed_8_size: int = 0
    fixed_12_out: float = 0.0
    fixed_12_lost: float = 0.0
    fixed_12_size: int = 0
    fixed_20_out: float = 0.0
    fixed_20_lost: float = 0.0
    fixed_20_size: int = 0


ENDS = {End.ONE: "one", End.GOOD: "good", End.IMAGES: "by_images", End.SEEDS: "seeds"}


def gaps_of(kind: str, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return the true means of the cells, less that of a cell."""
    gaps = np.zeros(CELLS)
    if kind == ONE:
        gaps[0] = GAP
    if kind == DRAWN:
        gaps = 0.015 * generator.standard_normal(CELLS)
    if kind == CLOSE:
        gaps[1:11], gaps[11:] = -np.linspace(0.005, 0.015, 10), -0.03
    return gaps


def first_seeds(whole: Values, cells: Iterable[str], seeds: int) -> Values:
    """Return the first *seeds* seeds of some cells."""
    kept = [at for at, name in enumerate(whole.cells) if name in set(cells)]
    return replace(
        whole,
        cells=tuple(whole.cells[at] for at in kept),
        tables=tuple(whole.tables[at][:seeds] for at in kept),
        seeds=tuple(whole.seeds[at][:seeds] for at in kept),
    )


def one_race(row: Row, case: Case, generator: np.random.Generator) -> None:
    """Draw a sweep, race over it, and judge it with fixed seeds."""
    gaps = gaps_of(case.truth, generator)
    truth.IMAGES = case.images
    sweep = draw(Setting(SEEDS, CELLS, case.sds, "normal", 0.0), generator, SEEDS, gaps)
    whole = values(sweep)
    settings = Settings(draws=DRAWS, seed=int(generator.integers(2**31)))
    row.races += 1
    left, runs, end = race(whole, settings)
    setattr(row, ENDS[end], getattr(row, ENDS[end]) + 1)
    row.runs += runs
    _count(row, "", whole, left, gaps)
    for seeds in FIXED:
        look = take_look(first_seeds(whole, whole.cells, seeds), 0.05, settings=settings)
        _count(row, f"fixed_{seeds}_", whole, look.left, gaps)


def race(whole: Values, settings: Settings) -> tuple[list[str], int, End]:
    """Return the cells that a race leaves, its runs, and why it ended."""
    looks = looks_of(LOOKS, SEEDS)
    errors = spending(len(looks))
    left, runs, before = list(whole.cells), 0, 0
    for number, (seeds, error) in enumerate(zip(looks, errors, strict=True)):
        runs += len(left) * (seeds - before)
        final = errors[-1] if seeds < looks[-1] else None
        look = take_look(first_seeds(whole, left, seeds), error, final, number > 0, settings)
        left, before = look.left, seeds
        if look.end is not None:
            return left, runs, look.end
    raise AssertionError("the last look ends a race")


def _count(
    row: Row, start: str, whole: Values, left: Sequence[str], gaps: NDArray[np.float64]
) -> None:
    kept = np.array([name in set(left) for name in whole.cells])
    top = gaps == gaps.max()
    found = {
        "out": float(np.mean(~kept[~top])) if not top.all() else 0.0,
        "lost": float(np.mean(~kept[top])),
        "size": int(kept.sum()),
    }
    for name, value in found.items():
        setattr(row, start + name, getattr(row, start + name) + value)


def cases() -> list[Case]:
    """Return all cases."""
    grid = [(ONE, 50), (ONE, 200), (DRAWN, 50), (DRAWN, 200), (CLOSE, 50), (EQUAL, 50)]
    return [Case(kind, images, sds) for kind, images in grid for sds in ("equal", "spread")]


def batch(case: Case, seed: Sequence[int]) -> Row:
    """Return the sums over a batch."""
    row, generator = Row(*case), np.random.default_rng([*seed, 11])
    for _ in range(BATCH):
        one_race(row, case, generator)
    return row


def tables(rows: Sequence[Row]) -> str:
    """Return one table: the race, and fixed numbers of seeds beside it."""
    head = ["true means", "images", "seed sds", "races", "ruled out", "left", "runs", "best lost"]
    head += [f"{8 if n == 8 else n} seeds ({CELLS * n} runs): out, left, lost" for n in FIXED]
    body = [head, ["---"] * len(head)]
    for row in rows:
        known = [row.out, row.size, row.runs, row.lost]
        out, left, runs, lost = (value / row.races for value in known)
        line = [row.truth, str(row.images), row.sds, str(row.races)]
        line += [_share(out, row), f"{left:.1f}", f"{runs:.0f}", f"{lost:.3f}"]
        for seeds in FIXED:
            three = [
                getattr(row, f"fixed_{seeds}_{name}") / row.races
                for name in ("out", "size", "lost")
            ]
            line.append(f"{_share(three[0], row)}, {three[1]:.1f}, {three[2]:.3f}")
        body.append(line)
    return "\n".join("| " + " | ".join(line) + " |" for line in body) + "\n"


def _share(value: float, row: Row) -> str:
    return "-" if row.truth == EQUAL else f"{value:.2f}"


if __name__ == "__main__":
    run(__doc__, Row, cases(), batch, tables, count="races", out=OUT, shown=(DOCUMENT, BEGIN, END))
