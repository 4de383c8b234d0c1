"""The analysis against loops with the same draws, textbook cases and invariants."""

import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.linalg import sqrtm

from segsweep.stats.contrasts import CELLS, against, families, interaction, main_effects, pairs
from segsweep.stats.engine import analyse
from segsweep.stats.moderation import moderate
from segsweep.stats.null import (
    STREAMS,
    Settings,
    adjusted_p,
    chi2_over_freedom,
    critical_value,
    max_t,
    standard_errors,
)
from segsweep.stats.posterior import posterior_means, ranks
from segsweep.stats.values import Values, compared_values
from segsweep.stats.verdicts import A_BETTER, B_BETTER, EQUAL, UNDECIDED
from stats_data import as_frame, drawn, of_tables
from stats_loops import family_by_loops, prepared

FEW = Settings(draws=400)
GRID = ["m/a", "m/b", "n/a", "n/b"]


def null_by_loops(parts, moderated, options):
    """Return the null draws, computed number by number from the same random numbers."""
    random, draws, cells = np.random.default_rng(options.seed), options.draws, len(parts.mean)
    freedom = [int(s) - 1 for s in parts.seeds]
    posterior = [float(moderated.weight) + d for d in freedom]
    first = random.chisquare(np.array(posterior)[:, None], (cells, draws))
    second = random.standard_normal((cells, draws))
    third = random.chisquare(np.array(freedom, float)[:, None], (cells, draws))
    fourth = random.standard_normal((cells, draws))
    images = random.standard_normal((STREAMS, draws))
    root = np.real(sqrtm(parts.sigma + 1e-18 * np.eye(cells)))
    means, variances = np.empty((cells, draws)), np.empty((cells, draws))
    for k in range(draws):
        estimated = np.empty(cells)
        for c in range(cells):
            true = moderated.variance[c] * posterior[c] / first[c, k]
            seeds = math.sqrt(true / parts.seeds[c]) * second[c, k]
            means[c, k] = seeds + sum(root[c, d] * fourth[d, k] for d in range(cells))
            estimated[c] = true * third[c, k] / freedom[c]
        variances[:, k] = moderate(estimated, np.array(freedom)).variance / parts.seeds
    return means, variances, images


def test_null_draws_agree_with_loops():
    """Four cells with unequal numbers of seeds."""
    parts, moderated, draws = prepared(drawn((3, 4, 2, 5)), Settings(draws=50))
    means, variances, images = null_by_loops(parts, moderated, Settings(draws=50))

    np.testing.assert_allclose(draws.mean, means, atol=1e-7)
    np.testing.assert_allclose(draws.variance, variances, rtol=1e-9)
    np.testing.assert_allclose(draws.images, images)


@pytest.mark.parametrize("number", range(5))
def test_t_and_adjusted_p_agree_with_loops(number):
    """Each family of a 2 x 2 grid: t, and the share of draws that reach it."""
    values = drawn((3, 4, 2, 5), gaps=[0.03, 0, 0.01, 0], names=GRID)
    result = analyse(values, FEW, baseline="n/a")
    found = [*families(values.cells, values.factors), against("n/a", values.cells)]
    family = found[number]
    t, p = family_by_loops(values, family.matrix.toarray(), FEW)
    tested = result.tested[family.name]

    np.testing.assert_allclose(tested.t, t, rtol=1e-9)
    np.testing.assert_allclose(tested.p, p, rtol=1e-12)


def test_blocks_change_nothing(monkeypatch):
    """The maxima do not depend on the number of draws per block."""
    values = drawn((3, 3, 3, 3))
    parts, _, draws = prepared(values, FEW)
    whole = max_t(pairs(values.cells), parts, draws)
    monkeypatch.setattr("segsweep.stats.null.BLOCK", 7 * 6)
    monkeypatch.setattr("segsweep.stats.null.LEAST_DRAWS", 1)

    np.testing.assert_allclose(max_t(pairs(values.cells), parts, draws), whole, rtol=1e-12)


def test_intervals_and_p_agree():
    """An interval excludes 0 exactly if the adjusted p is at most the level."""
    for seed in range(20):
        for tested in analyse(
            drawn((3, 3, 3, 3), gaps=[0.05, 0.03, 0, 0], seed=seed, names=GRID), FEW, advise=False
        ).tested.values():
            outside = (tested.low > 0) | (tested.high < 0)

            assert (outside == (tested.p <= 0.05)).all()


def test_critical_value_by_hand():
    """For maxima 1 ... 99 and level .05, p = (reached + 1) / 100: four may be reached, so 95."""
    maxima = np.arange(1.0, 100.0)

    assert critical_value(maxima, 0.05) == 95
    assert adjusted_p(np.array([95.0, 95.5, -95.5, 1000.0, 0.0]), maxima) == pytest.approx(
        [0.06, 0.05, 0.05, 0.01, 1.0]
    )


def test_one_seed_gives_the_paired_t_interval_over_images():
    """Two networks: the textbook interval of their difference, and no claim."""
    values = drawn((1, 1), images=25, gaps=[0.2, 0])
    result = analyse(values, Settings(draws=40_000))
    tested = result.tested[CELLS]
    first, second = values.tables
    expected = stats.ttest_rel(first[0], second[0]).confidence_interval(0.95)

    assert [tested.low[0], tested.high[0]] == pytest.approx(expected, rel=0.02)
    assert not result.claims
    assert tested.verdicts == [UNDECIDED]
    assert np.isnan(tested.p).all()
    assert result.may_be_best.all()
    assert np.isnan(result.p_best).all()


def test_chances_agree_with_the_t_distribution():
    """Identical seeds leave image variance only: a tail of t with n - 1 degrees of freedom."""
    values = drawn((3, 3), images=20, seed=5)
    values = of_tables([np.repeat(table[:1], 3, axis=0) for table in values.tables])
    tested = analyse(values, Settings(draws=40_000, margin=0.005)).tested[CELLS]
    first, second = (table[0] for table in values.tables)
    error = stats.sem(first - second)
    beyond = [stats.t.sf((0.005 + s * (second - first).mean()) / error, 19) for s in (1, -1)]

    assert [tested.chances.better[0], tested.chances.worse[0]] == pytest.approx(beyond, abs=0.01)
    assert tested.chances.equal[0] == pytest.approx(1 - sum(beyond), abs=0.02)


def test_cell_interval_agrees_with_the_t_distribution():
    """Identical seeds: the t interval over images."""
    values = drawn((2, 2, 2), images=20, sd=0.0)
    values = of_tables([np.repeat(table[:1], 2, axis=0) for table in values.tables])
    result = analyse(values, Settings(draws=40_000))
    image = values.tables[1][0]
    expected = stats.t.interval(0.95, 19, image.mean(), stats.sem(image))

    assert [result.low[1], result.high[1]] == pytest.approx(expected, abs=0.02 * np.ptp(expected))


def test_same_predictions_are_no_difference():
    """Two cells with identical values: difference 0, p 1, both may be best."""
    table = drawn((4,)).tables[0]
    result = analyse(of_tables([table, table]), FEW)
    tested = result.tested[CELLS]

    assert tested.difference[0] == 0
    assert tested.p[0] == 1
    assert tested.verdicts == [UNDECIDED]
    assert result.may_be_best.all()


def test_cells_without_any_variance_do_not_divide_by_zero():
    """Three constant cells: a difference of 0 is not significant, one of .1 is."""
    with np.errstate(all="raise"):
        result = analyse(of_tables([np.full((3, 9), x) for x in (0.8, 0.8, 0.9)]), FEW)
    tested = result.tested[CELLS]

    assert tested.p[0] == 1
    assert tested.verdicts == [EQUAL, B_BETTER, B_BETTER]
    assert result.may_be_best.tolist() == [False, False, True]


@pytest.mark.parametrize("seed", range(10))
def test_shift_on_all_images_is_found(seed):
    """A shift of .05 on every image with five seeds is detected, p_best above .95."""
    table = drawn((5,), images=50, seed=seed).tables[0]
    result = analyse(of_tables([table, table + 0.05]))

    assert result.tested[CELLS].verdicts == [B_BETTER]
    assert result.may_be_best.tolist() == [False, True]
    assert result.p_best[1] > 0.95


def test_equal_within_the_margin():
    """Forty seeds with little variance: the interval lies inside the margin."""
    result = analyse(drawn((40, 40), images=200, sd=0.002), replace(FEW, margin=0.02))

    assert result.tested[CELLS].verdicts == [EQUAL]


def test_cell_beaten_by_any_other_is_ruled_out():
    """One cell far below the others: all others may be best."""
    result = analyse(drawn((5, 5, 5, 5), gaps=[0, -0.3, 0, 0]), FEW)

    assert result.may_be_best.tolist() == [True, False, True, True]
    assert result.p_best[1] == 0
    assert result.p_best.sum() == pytest.approx(1)


def test_cell_that_a_pair_rules_out_is_not_among_the_best():
    """All pairs at once are the stricter test."""
    for seed in range(15):
        gaps = [0, 0.04, 0.02, 0.06, 0]
        result = analyse(drawn((4,) * 5, gaps=gaps, seed=seed), FEW, advise=False)
        tested = result.tested[CELLS]
        beaten = set()
        for a, b, said in zip(tested.family.a, tested.family.b, tested.verdicts, strict=True):
            beaten |= {b} if said == A_BETTER else {a} if said == B_BETTER else set()

        may = {c for c, in_ in zip(result.values.cells, result.may_be_best, strict=True) if in_}

        assert may
        assert not may & beaten


def test_one_cell_has_an_interval_and_nothing_else():
    """There are no pairs and no families."""
    result = analyse(drawn((3,)), FEW)

    assert result.tested == {}
    assert result.low[0] < result.parts.mean[0] < result.high[0]
    assert result.may_be_best.tolist() == [True]


def test_contrasts_of_a_grid_by_hand():
    """2 x 2: main effects as means over the other factor, and the interaction."""
    factors = [tuple(name.split("/")) for name in GRID]
    model, loss = main_effects(factors)
    together = interaction(factors)

    assert model.matrix.toarray().tolist() == [[0.5, 0.5, -0.5, -0.5]]
    assert loss.matrix.toarray().tolist() == [[0.5, -0.5, 0.5, -0.5]]
    assert together.matrix.toarray().tolist() == [[1, -1, -1, 1]]
    assert (model.a, model.b, loss.a, loss.b) == (("m",), ("n",), ("a",), ("b",))
    assert (together.a, together.b) == (("m: a - b",), ("n: a - b",))


def test_missing_cell_is_left_out_of_what_is_averaged():
    """Loss c exists with m only: it is not used to compare m and n."""
    factors = [("m", "a"), ("m", "b"), ("m", "c"), ("n", "a"), ("n", "b")]
    model, loss = main_effects(factors)

    assert model.matrix.toarray().tolist() == [[0.5, 0.5, 0, -0.5, -0.5]]
    assert list(zip(loss.a, loss.b, strict=True)) == [("a", "b")]


def test_factor_without_a_second_other_level_has_no_family():
    """Three losses of one architecture: pairs of cells cover all comparisons."""
    assert [f.name for f in families(["m/a", "m/b", "m/c"], [("m", x) for x in "abc"])] == [CELLS]


def test_further_keys_are_averaged_over_and_never_mixed():
    """Losses are compared at equal numbers of epochs; epochs are not losses."""
    names = [f"{m}/{x}@epochs={e}" for m in "mn" for x in "ab" for e in (1, 2)]
    values = drawn((2,) * 8, names=names)
    found = {family.name: family for family in families(values.cells, values.factors)}

    assert found["losses"].matrix.toarray().tolist() == [[0.25, 0.25, -0.25, -0.25] * 2]
    assert found["architectures"].matrix.toarray().tolist() == [[0.25] * 4 + [-0.25] * 4]
    assert found["interaction"].a == ("m: a@epochs=1 - b@epochs=1", "m: a@epochs=2 - b@epochs=2")
    assert found["interaction"].matrix.toarray()[0].tolist() == [1, 0, -1, 0, -1, 0, 1, 0]


def test_ranks_agree_with_scipy():
    """Kendall's tau of every draw; probabilities of ranks sum to 1 over rows and columns."""
    values = drawn((3, 3, 3, 3, 3))
    parts, moderated, _ = prepared(values, FEW)
    means = posterior_means(parts, moderated, Settings(draws=60))
    result = ranks(parts, means)
    expected = [stats.kendalltau(parts.mean, column).statistic for column in means.T]

    np.testing.assert_allclose(result.kendall, expected)
    np.testing.assert_allclose(result.share.sum(0), 1)
    np.testing.assert_allclose(result.share.sum(1), 1)
    np.testing.assert_allclose(result.share[:, 0], result.best)


@pytest.mark.parametrize("freedom", [3, 12, 49])
def test_chi2_of_normal_numbers(freedom):
    """Quantiles of chi2 / freedom from .01 to .99."""
    share = np.array([0.01, 0.1, 0.5, 0.9, 0.99])
    made = chi2_over_freedom(stats.norm.ppf(share), np.array(float(freedom)))

    np.testing.assert_allclose(made, stats.chi2.ppf(share, freedom) / freedom, atol=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_cells_that_are_the_same_network_give_no_warning(seed):
    """Identical predictions, common early in training, cause no division by zero."""
    random = np.random.default_rng(seed)
    pool = [random.random((1, 6)) for _ in range(3)]
    cells = tuple(f"{model}/{loss}" for model in "abcd" for loss in "vwxyz")
    tables = tuple(pool[random.integers(3)] for _ in cells)
    images = tuple(map(str, range(6)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = analyse(Values(cells, tables, (("0",),) * 20, images, np.arange(6)), FEW)

    assert np.isfinite(result.low).all()


def test_same_values_give_the_same_answer():
    """The seed of the generator is fixed."""
    values = drawn((3, 3, 3))
    one, two = analyse(values, FEW), analyse(values, FEW)

    assert one.tested[CELLS].p.tolist() == two.tested[CELLS].p.tolist()
    assert one.p_best.tolist() == two.p_best.tolist()


SEEDS = st.lists(st.integers(1, 4), min_size=2, max_size=4)
NUMBERS = st.integers(0, 10_000)


@settings(max_examples=25, deadline=None)
@given(SEEDS, NUMBERS, st.floats(-0.5, 0.5))
def test_constant_added_to_all_changes_nothing(seeds, number, constant):
    """Differences, errors and p stay the same; only the means move."""
    values = drawn(seeds, images=12, seed=number)
    moved = replace(values, tables=tuple(table + constant for table in values.tables))
    before, after = analyse(values, FEW, advise=False), analyse(moved, FEW, advise=False)

    np.testing.assert_allclose(after.parts.mean, before.parts.mean + constant)
    for name, tested in before.tested.items():
        np.testing.assert_allclose(after.tested[name].difference, tested.difference, atol=1e-12)
        np.testing.assert_allclose(after.tested[name].error, tested.error, rtol=1e-6)
        np.testing.assert_allclose(after.tested[name].p, tested.p, atol=3 / 400)


@settings(max_examples=25, deadline=None)
@given(SEEDS, NUMBERS, st.randoms(use_true_random=False))
def test_order_of_rows_changes_nothing(seeds, number, random):
    """Cells, seeds and images may come in any order."""
    frame = as_frame(drawn(seeds, images=8, seed=number))
    order = list(range(len(frame)))
    random.shuffle(order)
    one = analyse(compared_values(frame), FEW, advise=False)
    two = analyse(compared_values(frame.iloc[order]), FEW, advise=False)

    assert one.values.cells == two.values.cells
    for name, tested in one.tested.items():
        np.testing.assert_array_equal(two.tested[name].p, tested.p)
        np.testing.assert_array_equal(two.tested[name].low, tested.low)


@settings(max_examples=25, deadline=None)
@given(SEEDS, NUMBERS)
def test_invariants_of_any_sweep(seeds, number):
    """P in (0, 1], intervals contain differences, probabilities sum to 1, some cell may be best."""
    result = analyse(drawn(seeds, images=10, seed=number), FEW, advise=False)

    assert result.may_be_best.any()
    assert (result.low < result.parts.mean)[result.claimed].all()
    for tested in result.tested.values():
        assert ((tested.low <= tested.difference) & (tested.difference <= tested.high)).all()
        if result.claims:
            assert ((tested.p > 0) & (tested.p <= 1)).all()
            chance = tested.chances
            np.testing.assert_allclose(chance.better + chance.equal + chance.worse, 1)


def test_permuted_cells_give_permuted_results():
    """Cells under other names and in another order, up to simulation error."""
    values = drawn((4, 4, 4), gaps=[0.02, 0.01, 0], seed=8)
    turned = of_tables(values.tables[::-1])
    one, two = (analyse(v, Settings(draws=20_000)).tested[CELLS] for v in (values, turned))

    np.testing.assert_allclose(two.difference, -one.difference[::-1], atol=1e-15)
    np.testing.assert_allclose(two.error, one.error[::-1])
    np.testing.assert_allclose(two.p, one.p[::-1], atol=0.015)


def test_standard_error_is_that_of_a_difference_of_means():
    """Two cells of five seeds: Welch's error of the seed means plus the image part."""
    values = drawn((5, 5))
    parts, moderated, _ = prepared(values, FEW)
    seeds = [table.mean(1).var(ddof=1) / 5 for table in values.tables]
    sigma = parts.sigma
    expected = math.sqrt(sum(seeds) + sigma[0, 0] + sigma[1, 1] - 2 * sigma[0, 1])

    assert standard_errors(pairs(values.cells), parts, moderated)[0] == pytest.approx(expected)


@pytest.mark.slow
def test_two_hundred_cells_stay_in_memory():
    """19,900 pairs with 10,000 draws need less than 1 GB."""
    import tracemalloc

    names = [f"m{m:02d}/l{x:02d}" for m in range(20) for x in range(10)]
    values = drawn((5,) * 200, images=50, names=names)
    tracemalloc.start()
    result = analyse(values, advise=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert len(result.tested[CELLS].t) == 19_900
    assert peak < 1e9
