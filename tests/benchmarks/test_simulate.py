"""A small run of the simulation: claims with equal cells and with a true difference."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def simulate():
    """Return benchmarks/simulate.py as a module."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import simulate

        yield simulate
    finally:
        sys.path.remove(str(BENCHMARKS))


def counted(simulate, setting, sweeps):
    """Return the counts of *sweeps* sweeps of a setting."""
    row, generator = simulate.Row(*setting), np.random.default_rng(0)
    for _ in range(sweeps):
        simulate.one_sweep(row, setting, generator)
    return row


@pytest.mark.parametrize("values", ["normal", "skewed"])
def test_values_have_the_stated_moments(simulate, values):
    """Mean, sd over images, sd over seeds and gap, over many draws; skewed values in [0, 1]."""
    import truth

    generator = np.random.default_rng(0)
    setting = truth.Setting(4, 2, "equal", values, truth.GAP)
    drawn = [simulate.draw(setting, generator, 4).test for _ in range(400)]
    tests = np.array(drawn)

    assert tests[:, 1].mean() == pytest.approx(truth.MEAN, abs=0.003)
    assert (tests[:, 0] - tests[:, 1]).mean() == pytest.approx(truth.GAP, abs=0.002)
    assert tests[:, 1].mean(1).std(-1).mean() == pytest.approx(0.105, abs=0.008)
    of_seeds = tests[:, 1].mean(-1).var(-1, ddof=1).mean() - truth.REST**2 / truth.IMAGES
    assert np.sqrt(of_seeds) == pytest.approx(truth.SEED, rel=0.1)
    if values == "skewed":
        assert tests.min() >= 0
        assert tests.max() <= 1
        assert stats.skew(tests[:, 1].ravel()) < -0.8


def test_quick_simulation_of_equal_methods(simulate):
    """Wilcoxon over images claims a difference in every third sweep, segsweep in hardly any.

    With a true share of .05, more than 8 of 60 sweeps have probability .003.
    """
    row = counted(simulate, simulate.Setting(3, 4, "equal", "normal", 0.0), 60)

    assert row.segsweep <= 8
    assert row.wilcoxon >= 15
    assert row.cell_intervals / row.sweeps > 0.88


def test_large_gap_is_found(simulate):
    """With ten seeds and two cells it is found nearly always, and never reversed."""
    row = counted(simulate, simulate.Setting(10, 2, "equal", "skewed", 0.03), 20)

    assert row.found >= 16
    assert row.segsweep == 0
    assert row.best_kept == 20


def test_rows_are_read_back(simulate, tmp_path):
    """An interrupted simulation resumes with its stored counts."""
    path = tmp_path / "simulation.csv"
    first = simulate.Row(2, 4, "equal", "skewed", 0.0, 0, sweeps=20, segsweep=3, found=1.25)
    simulate.write(path, {first.key(): first})

    assert simulate.read(path) == {first.key(): first}


def test_tables_replace_older_ones(simulate, tmp_path, monkeypatch):
    """Normal and skewed values are pooled; text outside the marks is kept."""
    rows = [
        simulate.Row(2, 4, "equal", values, 0.0, 0, sweeps=20, segsweep=count, autorank=count)
        for values, count in (("normal", 1), ("skewed", 3))
    ]
    page = tmp_path / "page.md"
    page.write_text(f"above\n{simulate.BEGIN}\nstale words\n{simulate.END}\nbelow\n")
    monkeypatch.setattr(simulate, "DOCUMENT", page)
    simulate.document(simulate.tables(rows))
    text = page.read_text()

    assert text.startswith("above\n")
    assert text.endswith("\nbelow\n")
    assert "stale words" not in text
    assert "| 4 | equal | 2 | 40 | .10 | .00 | .00 | .00 | .00 |  |" in text


@pytest.mark.slow
@pytest.mark.parametrize("sds", ["equal", "spread"])
@pytest.mark.parametrize("cells", [2, 4, 20])
def test_false_claims_stay_within_limits(simulate, cells, sds):
    """In 150 sweeps of 3 seeds: at most the 99.9 % quantile of a true share of .06."""
    row = counted(simulate, simulate.Setting(3, cells, sds, "skewed", 0.0), 150)

    assert row.segsweep <= stats.binom.ppf(0.999, 150, 0.06)


@pytest.mark.slow
def test_advised_seeds_find_the_gap(simulate):
    """After pilots of 5 seeds, the advised seeds find a gap of .03 in most sweeps."""
    row = counted(simulate, simulate.Setting(0, 4, "equal", "skewed", 0.03, 5), 60)

    assert row.found / row.sweeps >= 0.7
