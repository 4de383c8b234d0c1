"""Simulated sweeps with a known truth: how often each method makes false claims or finds a gap.

IoU values of cells x seeds x images are drawn with the variation found in practice: images hard for
all cells (sd .1), images hard for one cell (.02), seeds (.012, equal in all cells or multiplied by
exp(N(0, .5))) and the rest (.045); 50 test and 50 validation images, scored by the same networks.
Each method then says which cell is better. The rows are written after each batch, and an
interrupted simulation resumes from them.

    OMP_NUM_THREADS=1 nice -19 python benchmarks/simulate.py --minutes 40
    python benchmarks/simulate.py --quick          # few sweeps of each setting; writes no file
    python benchmarks/simulate.py --table          # prints tables and updates docs/statistics.md
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from other_methods import METHODS, Sweep
from simulation_tables import tables
from stored_rows import put_between, read_rows, write_rows
from truth import GAP, MEAN, Setting, draw, values

from segsweep.stats.advice import seeds_needed
from segsweep.stats.contrasts import CELLS, pairs
from segsweep.stats.engine import Analysis, analyse
from segsweep.stats.moderation import moderate
from segsweep.stats.null import Settings
from segsweep.stats.parts import parts_of
from segsweep.stats.verdicts import A_BETTER, B_BETTER

DOCS = Path(__file__).resolve().parents[1] / "docs"
OUT, DOCUMENT = DOCS / "results" / "simulation.csv", DOCS / "statistics.md"
BEGIN, END = "<!-- tables -->", "<!-- end of tables -->"
BATCH, DRAWS, ADVISED_BATCH, AUTORANK = 20, 1_000, 5, 40


@dataclass
class Row:
    """Counts of one setting; shares of pairs and cells are summed over the sweeps."""

    seeds: int
    cells: int
    sds: str
    values: str
    gap: float
    pilot: int
    sweeps: int = 0
    segsweep: int = 0
    """Sweeps with any false "A is better" between cells."""
    architectures: int = 0
    """The same between architectures; then for losses and the interaction."""
    losses: int = 0
    interaction: int = 0
    wilcoxon_one_pair: int = 0
    wilcoxon: int = 0
    t_test: int = 0
    bootstrap: int = 0
    autorank: int = 0
    autorank_sweeps: int = 0
    """Sweeps on which autorank was run: it is slow and optional."""
    joint: int = 0
    """Sweeps in which the simultaneous intervals of all pairs contain the true differences."""
    cell_intervals: float = 0.0
    """Share of the cells' intervals that contain the true mean, summed over sweeps."""
    best_kept: int = 0
    """Sweeps in which the truly best cell is among those that may be the best."""
    found: float = 0.0
    """Share of the true differences that segsweep finds, summed over sweeps."""
    found_wilcoxon: float = 0.0
    found_t_test: float = 0.0
    found_bootstrap: float = 0.0
    advised: int = 0
    """Seeds advised after the pilots, summed over sweeps."""

    def key(self) -> Setting:
        """Return the setting."""
        return Setting(*(getattr(self, name) for name in Setting._fields))


def one_sweep(row: Row, setting: Setting, generator: np.random.Generator) -> None:
    """Draw a sweep, apply every method to it, and count."""
    seeds = setting.seeds
    if setting.pilot:
        seeds = _advised(setting, generator)
        row.advised += seeds
    sweep = draw(setting, generator, seeds)
    settings = Settings(draws=DRAWS, seed=int(generator.integers(2**31)))
    result = analyse(values(sweep), settings, advise=False)
    truth = np.zeros(setting.cells)
    truth[0] = setting.gap
    row.sweeps += 1
    _count_ours(row, result, truth)
    if not setting.pilot:
        _count_others(row, sweep, truth, generator)


def _advised(setting: Setting, generator: np.random.Generator) -> int:
    """Return the seeds that a pilot's advice gives for finding the true gap."""
    pilot = values(draw(setting, generator, setting.pilot))
    parts = parts_of(pilot)
    settings = Settings(draws=DRAWS, seed=int(generator.integers(2**31)))
    moderated = moderate(parts.variance, parts.seeds - 1, settings.most)
    family = pairs(pilot.cells)
    (advice,) = seeds_needed(family, parts, moderated, settings, [0], np.array([setting.gap]))
    return advice.seeds or 100


def _count_ours(row: Row, result: Analysis, truth: NDArray[np.float64]) -> None:
    cells = result.tested[CELLS]
    row.segsweep += _false(result, CELLS, truth)
    row.architectures += _false(result, "architectures", truth)
    row.losses += _false(result, "losses", truth)
    row.interaction += _false(result, "interaction", truth)
    true = cells.family.of(truth)
    row.joint += bool(np.all((cells.low <= true + 1e-12) & (true <= cells.high + 1e-12)))
    mean = MEAN + truth
    row.cell_intervals += float(np.mean((result.low <= mean) & (mean <= result.high)))
    row.best_kept += bool(result.may_be_best[truth == truth.max()].all())
    found = [cells.verdicts[k] == A_BETTER for k in np.flatnonzero(true > 0)]
    row.found += float(np.mean(found)) if found else 0.0


def _false(result: Analysis, family: str, truth: NDArray[np.float64]) -> bool:
    """Whether the family has any false claim."""
    if family not in result.tested:
        return False
    tested = result.tested[family]
    true = np.round(tested.family.of(truth), 9)
    right = {A_BETTER: 1, B_BETTER: -1}
    claims = zip(tested.verdicts, np.sign(true), strict=True)
    return any(verdict in right and sign != right[verdict] for verdict, sign in claims)


def _count_others(
    row: Row, sweep: Sweep, truth: NDArray[np.float64], generator: np.random.Generator
) -> None:
    for name, method in METHODS.items():
        if name == "autorank" and not _slow_ones(row):
            continue
        better = method(sweep, generator)
        if better is None:
            continue
        wrong = better & (truth[:, None] <= truth[None, :] + 1e-9)
        setattr(row, name, getattr(row, name) + bool(wrong.any()))
        if name == "autorank":
            row.autorank_sweeps += 1
        if truth[0] > 0 and hasattr(row, f"found_{name}"):
            found = getattr(row, f"found_{name}") + float(better[0, 1:].mean())
            setattr(row, f"found_{name}", found)


def _slow_ones(row: Row) -> bool:
    """Whether this sweep is one of those that autorank is tried on."""
    return row.gap == 0 and (row.sds, row.values) == ("equal", "skewed") and row.sweeps <= AUTORANK


def settings_in_order() -> list[Setting]:
    """Return the grid, then gaps, then pilots."""
    grid = list(product((2, 3, 5, 10), (2, 4, 20), ("equal", "spread"), ("normal", "skewed")))
    equal = [Setting(*point, 0.0) for point in grid]
    gaps = [Setting(*point, GAP) for point in grid]
    pilots = [
        Setting(0, cells, sds, "skewed", GAP, pilot)
        for cells, sds, pilot in product((2, 4, 20), ("equal", "spread"), (3, 5))
    ]
    return equal + gaps + pilots


def read(path: Path) -> dict[Setting, Row]:
    """Return the stored rows; none if the file does not exist."""
    return {row.key(): row for row in read_rows(path, Row)}


def write(path: Path, rows: dict[Setting, Row]) -> None:
    """Write the rows atomically."""
    write_rows(path, Row, rows.values())


def rounds(rows: dict[Setting, Row]) -> Iterator[tuple[Row, Setting, int]]:
    """Yield, without end, the setting that is furthest behind its share of sweeps."""
    order = settings_in_order()
    for setting in order:
        rows.setdefault(setting, Row(**setting._asdict()))
    while True:
        setting = min(order, key=lambda setting: rows[setting].sweeps / _often(setting))
        yield rows[setting], setting, ADVISED_BATCH if setting.pilot else BATCH


def _often(setting: Setting) -> float:
    """Return the weight of a setting: 2 for equal cells, 1 for a gap, 1/2 for a pilot."""
    return 0.5 if setting.pilot else 1.0 if setting.gap else 2.0


def simulate(path: Path | None, minutes: float, sweeps: float = np.inf) -> dict[Setting, Row]:
    """Run until *minutes* are over or every setting has its share of *sweeps*."""
    rows = read(path) if path else {}
    end = time.monotonic() + 60 * minutes
    for row, setting, batch in rounds(rows):
        if time.monotonic() > end or row.sweeps / _often(setting) >= sweeps:
            break
        seed = [settings_in_order().index(setting), row.sweeps]
        generator = np.random.default_rng(seed)
        for _ in range(batch):
            one_sweep(row, setting, generator)
        if path:
            write(path, {setting: row for setting, row in rows.items() if row.sweeps})
    return rows


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--quick", action="store_true", help="few sweeps; writes no file")
    parser.add_argument("--table", action="store_true", help="print tables of the stored rows")
    arguments = parser.parse_args()
    if arguments.table:
        shown = tables(list(read(arguments.out).values()))
        print(shown)
        document(shown)
    elif arguments.quick:
        print(tables([row for row in simulate(None, 60, BATCH).values() if row.sweeps]))
    else:
        simulate(arguments.out, arguments.minutes)


def document(shown: str) -> None:
    """Replace the tables between their marks in docs/statistics.md."""
    put_between(DOCUMENT, BEGIN, END, shown)


if __name__ == "__main__":
    main()
