"""Rank correlations between data sets: known orders, coverage, and scipy's tau."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from segsweep.stats.agreement import agreements, best_on_all
from segsweep.stats.engine import analyse
from segsweep.stats.null import Settings
from segsweep.stats.wording.agreement import agreement_texts
from stats_data import drawn

FEW = Settings(draws=400)
SIX = tuple(f"{model}/{loss}" for model in "mno" for loss in "ab")
STEPS = 0.15 * np.arange(6)
NAMES = ["ph2", "mine"]


def analysed(gaps, seed, sd=0.002, seeds=3, names=SIX):
    """Return the analysis of cells with these true means."""
    count = (seeds,) * len(gaps)
    return analyse(drawn(count, gaps=gaps, sd=sd, seed=seed, names=names), FEW, advise=False)


def test_clear_orders():
    """The same on another scale, and the reversed."""
    same = [analysed(STEPS, 0), analysed(2 * STEPS, 1)]
    back = [analysed(STEPS, 0), analysed(-STEPS, 1)]
    (up,), (down,) = agreements(same), agreements(back)

    assert (up.a, up.b, up.cells) == (0, 1, 6)
    assert (up.kendall, up.low, up.high) == (1, 1, 1)
    assert (down.kendall, down.low, down.high) == (-1, -1, -1)
    assert best_on_all(same) == ["o/b"]
    assert best_on_all(back) == []
    assert agreement_texts(NAMES, [up], ["o/b"]) == (
        "May be the best on both ph2 and mine: o/b.",
        "The ranking carries over, at least in part, between ph2 and mine: rank correlation of 6 "
        "cells 1.00 (1.00 to 1.00; Kendall's tau, 1 = the same order).",
    )
    said = agreement_texts(NAMES, [down], [])
    assert (
        said[0]
        == "No cell may be the best on both ph2 and mine: each set of candidates is at 95 %."
    )
    assert said[1].startswith("The ranking is reversed, at least in part, between")


def test_tau_is_scipys():
    """Of the means of the cells that both have, whatever their order."""
    first = analysed(0.02 * np.arange(6), 3)
    turned = SIX[::-1]
    second = analysed(0.02 * np.array([3, 5, 4, 1, 2, 0]), 4, names=turned)
    (found,) = agreements([first, second])
    means = dict(zip(turned, second.parts.mean, strict=True))

    tau = kendalltau(first.parts.mean, [means[name] for name in SIX]).statistic
    assert found.kendall == pytest.approx(tau)
    assert found.low <= found.high


@pytest.mark.slow
def test_interval_holds_the_true_correlation():
    """In at least 90 of 100 pairs of small sweeps; noise alone is almost never an order."""
    generator, inside, claimed = np.random.default_rng(0), 0, 0
    for draw in range(100):
        gaps = 0.03 * generator.standard_normal((2, 6))
        pair = [analysed(row, 2 * draw + k, sd=0.012) for k, row in enumerate(gaps)]
        (found,) = agreements(pair)
        inside += found.low <= kendalltau(*gaps).statistic <= found.high
        none = [analysed(np.zeros(6), 1000 + 2 * draw + k, sd=0.012) for k in range(2)]
        (found,) = agreements(none)
        claimed += found.low > 0 or found.high < 0

    assert inside >= 90
    assert claimed <= 8


def test_what_says_nothing_is_not_said():
    """Too few cells in common, a single cell, one seed, no analysis, other cells."""
    single = [analysed(STEPS[:1], k, names=SIX[:1]) for k in range(2)]
    two = [analysed(STEPS[:2], k, names=SIX[:2]) for k in range(2)]
    one_seed = [analysed(STEPS, 0), analysed(STEPS, 1, seeds=1)]
    other = [analysed(STEPS[:3], 0, names=SIX[:3]), analysed(STEPS[:3], 1, names=SIX[3:])]

    assert agreements(two) == agreements(one_seed) == agreements(other) == []
    assert agreements([two[0], None]) == []
    assert best_on_all(two) == ["m/b"]
    assert (
        best_on_all(single)
        is best_on_all(one_seed)
        is best_on_all(other)
        is best_on_all([two[0], None])
        is None
    )
    assert agreement_texts(NAMES, [], None) == ()


def test_many_pairs_are_not_all_told():
    """The worst agreement first; the rest is counted."""
    every = [analysed(STEPS if k % 2 else -STEPS, k) for k in range(5)]
    lines = agreement_texts([f"d{k}" for k in range(5)], agreements(every), best_on_all(every))

    assert len(lines) == 8
    assert lines[0].startswith("No cell may be the best on all 5")
    assert "reversed" in lines[1]
    assert lines[-1] == "4 more pairs of data sets agree better."
