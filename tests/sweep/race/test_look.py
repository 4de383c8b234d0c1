"""What a look finds from stored counts: the same as from the numbers themselves."""

from types import SimpleNamespace

import numpy as np
import pytest

from segsweep.stats.looks import End
from segsweep.stats.race import take_look
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import read_reads
from segsweep.sweep.race.look import StoredCounts
from stats_data import of_tables

IMAGES, PIXELS = 20, 1000
LEVELS = {"a": 700, "b": 690, "c": 400}
"""What the command calls its cells -> their mean intersection; unions have all PIXELS."""
RESULT = {"run_id": "x", "epochs": 3, "best_epoch": 2, "val_iou": 0.5, "n_test": IMAGES}
ERRORS = 0.02, 0.03


@pytest.fixture
def sweep(tmp_path):
    """Return a sweep."""
    return SweepPaths(tmp_path / "main")


@pytest.fixture
def runs(sweep, frozen, write_run):
    """Return cell -> its runs of three seeds, with counts on disk, and cell -> their IoUs."""
    draws, found, tables = np.random.default_rng(0), {}, {}
    for cell, level in LEVELS.items():
        tables[cell] = level + draws.integers(-40, 40, (3, IMAGES))
        for seed, hits in enumerate(tables[cell]):
            config = frozen(f"loss={'bce' if cell == 'a' else 'dice'}", seed=seed)
            counts = [
                ("test", "train", f"{image:03d}", hit, 0, PIXELS - hit, 24)
                for image, hit in enumerate(hits.tolist())
            ]
            counts += [("val", "train", "900", 5, 0, 0, 1019)]
            folder = write_run(sweep.root, config, result=RESULT, epochs=3, counts=counts)
            found.setdefault(cell, []).append(SimpleNamespace(paths=RunPaths(folder)))
    return found, {cell: table / PIXELS for cell, table in tables.items()}


def test_stored_counts_are_judged_like_their_values(sweep, runs):
    """Cells have the names of the command; runs that do not count at the look are not read."""
    found, tables = runs
    look = StoredCounts(sweep).judge(found, *ERRORS, 2)
    names = [*LEVELS]
    direct = take_look(of_tables([tables[cell] for cell in names], names=names), *ERRORS, True)

    assert [one.cell for one in look.cells] == names
    assert [one.out for one in look.cells] == [False, False, True]
    for one, other in zip(look.cells, direct.cells, strict=True):
        assert one.mean == pytest.approx(tables[one.cell].mean())
        assert (one.seeds, one.out) == (3, other.out)
        assert (one.statistic, one.p) == pytest.approx((other.statistic, other.p))
        assert (one.low, one.high) == pytest.approx((other.low, other.high))
    assert look.end == direct.end


def test_the_same_runs_lead_to_the_same_numbers(sweep, runs):
    """To the last digit, in a new process too: the generator's seed is fixed, order is not kept."""
    found, _ = runs
    first = StoredCounts(sweep).judge(found, *ERRORS, 2)
    reverse = {cell: own[::-1] for cell, own in reversed(found.items())}

    assert StoredCounts(sweep).judge(reverse, *ERRORS, 2) == first


def test_only_the_given_runs_count(sweep, runs):
    """Two seeds of each: the third, which is finished too, changes nothing."""
    found, tables = runs
    look = StoredCounts(sweep).judge({cell: own[:2] for cell, own in found.items()}, *ERRORS, 2)

    assert [one.seeds for one in look.cells] == [2, 2, 2]
    for one in look.cells:
        assert one.mean == pytest.approx(tables[one.cell][:2].mean())


@pytest.mark.filterwarnings("ignore:.*per_image.csv")
def test_a_run_without_its_counts_does_not_count(sweep, runs):
    """Its cell then has a seed less than the look: it is short."""
    found, _ = runs
    found["a"][0].paths.per_image.unlink()
    look = StoredCounts(sweep).judge(found, *ERRORS, 2)

    assert {one.cell: one.seeds for one in look.cells} == {"a": 2, "b": 3, "c": 3}


@pytest.mark.parametrize(("final", "end"), [(0.03, None), (None, End.SEEDS)])
def test_nothing_to_compare(sweep, runs, final, end):
    """One cell with finished runs, or none: nobody is ruled out."""
    found, _ = runs
    for used in ({}, {"b": found["b"]}):
        look = StoredCounts(sweep).judge(used, 0.02, final, 2)
        assert look.end is end
        assert not any(one.out for one in look.cells)


def test_the_logs_of_test_reads_name_the_looks(sweep, runs):
    """Once for each run that counts, however often a look is taken again; no other run's."""
    found, _ = runs
    left_out = found["c"].pop()
    for look in (1, 1, 2):
        StoredCounts(sweep).judge(found, *ERRORS, look)

    for run in (run for own in found.values() for run in own):
        reads = read_reads(run.paths.test_reads)
        assert [read["reason"] for read in reads] == ["look 1 of the race", "look 2 of the race"]
        assert {read["images"] for read in reads} == {str(IMAGES)}
    assert not left_out.paths.test_reads.exists()
