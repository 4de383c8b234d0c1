"""What searches gained, against enumeration, tables of order statistics and counts by hand."""

import math
from itertools import combinations
from statistics import fmean, stdev

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segsweep.stats.ranges import End, Range
from segsweep.stats.search import (
    SearchedCell,
    Trial,
    TrialState,
    draws_of,
    ends_of,
    expected_best,
    expected_normal_best,
    further_gain,
    gain,
    last_gain,
    last_improvement,
    mattered,
    more_may_help,
    seed_sd,
)

LR = "optimizer.lr"
COMPLETE, PRUNED, DIVERGED = TrialState.COMPLETE, TrialState.PRUNED, TrialState.DIVERGED


def searched(values, states=(), own=0, **more):
    """Return the search of a cell whose trial k has the rate 10 ** -k and validation IoU *k*."""
    states = states or [COMPLETE] * len(values)
    trials = tuple(
        Trial(f"{k:012x}", {LR: 10.0**-k}, state, value if state == COMPLETE else math.nan)
        for k, (value, state) in enumerate(zip(values, states, strict=True))
    )
    complete = [one for one in trials if one.state == COMPLETE]
    best = max(complete, key=lambda one: one.val_iou)
    given = {
        **{"own": {} if own is None else trials[own].values, "sampler": "tpe"},
        "own_val_iou": math.nan if own is None else trials[own].val_iou,
        "counts": {state: states.count(state) for state in set(states)},
    }
    return SearchedCell(
        "unet/bce", None, trials, {}, best.values, best.val_iou, **{**given, **more}
    )


VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=7)


@given(values=VALUES, data=st.data())
@settings(max_examples=60)
def test_expected_best_is_the_mean_over_all_subsets(values, data):
    """The estimator of the best of k is the mean of the highest of every subset of k values."""
    count = data.draw(st.integers(1, len(values)))
    every = [max(chosen) for chosen in combinations(values, count)]

    assert expected_best(values, count) == pytest.approx(fmean(every))


def test_expected_best_is_unbiased():
    """The mean of the estimates from n draws is the expected best of k: k / (k + 1) if uniform."""
    draws = np.random.default_rng(0).random((20_000, 6))
    estimates = [expected_best(row, 3) for row in draws]

    assert fmean(estimates) == pytest.approx(3 / 4, abs=4 * stdev(estimates) / math.sqrt(20_000))


@pytest.mark.parametrize("count", [0, 4])
def test_expected_best_needs_enough_values(count):
    """Nothing is known of the best of more draws than there were."""
    with pytest.raises(ValueError, match="from 1 to 3"):
        expected_best([0.1, 0.2, 0.3], count)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(1, 0.0), (2, 0.56419), (3, 0.84628), (5, 1.16296), (8, 1.42360), (10, 1.53875)],
)
def test_expected_highest_of_normal_draws(count, expected):
    """Tabulated means of the largest normal order statistic (Harter 1961)."""
    assert expected_normal_best(count) == pytest.approx(expected, abs=1e-4)


def test_gain_in_sds_of_the_seeds():
    """Best .8, own .7, seeds with an sd of .05: two sds, beyond the .85 of three trials' luck."""
    one = searched([0.7, 0.8, 0.75], seeds=(0.75, 0.8, 0.85))

    assert seed_sd(one) == pytest.approx(0.05)
    assert gain(one) == pytest.approx(2.0)
    assert mattered(one) is True
    assert mattered(searched([0.7, 0.74, 0.72], seeds=(0.75, 0.8, 0.85))) is False


def test_luck_decides_at_the_expected_best():
    """With as many trials as there are, a gain just below and just above their expected best."""
    limit = expected_normal_best(4)
    seeds = (-1.0, 0.0, 1.0)  # an sd of 1
    below, above = ([0.0, limit + step, -1.0, -2.0] for step in (-0.01, 0.01))

    assert mattered(searched(below, seeds=seeds)) is False
    assert mattered(searched(above, seeds=seeds)) is True


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (searched([0.8, 0.7]), False),  # the own value was kept, whatever the seeds say
        (searched([0.7, 0.8]), None),  # no seeds
        (searched([0.7, 0.8], seeds=(0.8,)), None),
        (searched([0.7, 0.8], own=None, seeds=(0.8, 0.9)), None),
        (searched([0.7, 0.8], seeds=(0.8, 0.8)), True),  # seeds without spread
    ],
)
def test_what_is_unknown_is_not_said(one, said):
    """Two seeds and a trial at the own values are needed."""
    assert mattered(one) is said


def test_random_trials_may_gain_the_distance_of_the_two_best():
    """Leaving one of four draws out lowers the best by .1 once, so on average by .1 / 4."""
    one = searched([0.5, 0.8, 0.7, 0.6, 0.1], sampler="random")
    without = [
        max(0.5, *(0.8, 0.7, 0.6, 0.1)[:k], *(0.8, 0.7, 0.6, 0.1)[k + 1 :]) for k in range(4)
    ]

    assert draws_of(one) == [0.8, 0.7, 0.6, 0.1]
    assert further_gain(one) == pytest.approx(4 * fmean(0.8 - best for best in without))
    assert further_gain(one) == pytest.approx(0.1)


@given(values=st.lists(st.floats(0, 1), min_size=2, max_size=6))
@settings(max_examples=60)
def test_limit_holds_for_the_same_values_drawn_again(values):
    """If trials are drawn from these values, twice as many gain at most n times the last one.

    That is what the estimate estimates: gains of further draws fall, so n more gain at most n
    times the n-th.
    """
    n = len(values)
    below = [sum(other <= value for other in values) / n for value in values]

    def best_of(k):
        ordered = sorted(zip(values, below, strict=True))
        shares = [share**k for _, share in ordered]
        return sum(
            value * (share - before)
            for (value, _), share, before in zip(ordered, shares, [0, *shares], strict=False)
        )

    assert best_of(2 * n) - best_of(n) <= n * (best_of(n) - best_of(n - 1)) + 1e-9


def test_own_trial_is_no_random_draw():
    """Without own values all trials are draws; those that ended early rank last."""
    states = [COMPLETE, PRUNED, COMPLETE, DIVERGED, TrialState.FAILED]
    one = searched([0.5, 0, 0.8, 0, 0], states, own=None, sampler="random")

    assert draws_of(one) == [0.5, 0.8, 0.5, 0.5]


def test_best_so_far_of_other_samplers():
    """Of eight trials the last two are the last quarter: .84 against .80 before."""
    values = [0.5, 0.6, 0.8, 0.7, 0.1, 0.2, 0.84, 0.3]

    assert last_gain(searched(values)) == pytest.approx(0.04)
    assert last_improvement(searched(values)) == 7
    assert last_gain(searched([0.9, *values[1:]])) == 0
    assert math.isnan(last_gain(searched([0.9])))


@pytest.mark.parametrize(
    ("seeds", "sampler", "helps"),
    [
        ((), "tpe", True),  # .04 is more than the margin of .01
        ((0.5, 0.5 + 0.03 * math.sqrt(2)), "tpe", True),  # an sd of .03
        ((0.5, 0.5 + 0.05 * math.sqrt(2)), "tpe", False),
        ((), "grid", None),
    ],
)
def test_more_trials_may_help(seeds, sampler, helps):
    """A gain of the last quarter counts where it is beyond a seed's luck."""
    values = [0.5, 0.6, 0.8, 0.7, 0.1, 0.2, 0.84, 0.3]

    assert more_may_help(searched(values, seeds=seeds, sampler=sampler)) is helps


def test_chosen_values_at_an_end():
    """Only numbers with a known range are at an end."""
    ranges = {LR: Range(1e-5, 1e-2, log=True), "augment": None}
    one = SearchedCell("a", None, (), ranges, {LR: 9e-3, "augment": "flips", "model.depth": 3})

    assert ends_of(one) == {LR: End.UPPER}
    assert one.keys == (LR, "augment", "model.depth")


def test_failed_trials_are_no_part_of_the_budget():
    """Pruned and diverged trials took their share; failed ones are missing."""
    counts = {COMPLETE: 5, PRUNED: 2, DIVERGED: 1, TrialState.FAILED: 3, TrialState.OPEN: 4}

    assert SearchedCell("a", None, (), counts=counts).ended == 8
