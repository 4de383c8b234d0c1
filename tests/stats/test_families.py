"""The baseline family, and what an analysis keeps for later questions."""

import numpy as np
import pytest

from segsweep.stats.contrasts import BASELINE, CELLS, against
from segsweep.stats.engine import analyse
from segsweep.stats.moderation import moderate
from segsweep.stats.null import Settings
from segsweep.stats.parts import parts_of
from segsweep.stats.tables import pairs_table
from segsweep.stats.wording.sentences import paragraph
from stats_data import drawn

FEW = Settings(draws=2_000)


def test_baseline_by_hand():
    """Every other cell is a, in order; the baseline is b and not compared with itself."""
    family = against("n", ["m", "n", "o"])

    assert (family.a, family.b) == (("m", "o"), ("n", "n"))
    assert family.matrix.toarray().tolist() == [[1, -1, 0], [0, -1, 1]]


def test_baseline_is_a_separate_family():
    """One cell above, one below, one equal: C - 1 rows, also in the table of pairs."""
    values = drawn((6,) * 4, gaps=[0, 0.2, -0.2, 0], images=50)
    table = pairs_table(analyse(values, FEW, baseline="m/a"))
    rows = table[table["family"] == BASELINE]
    means = [t.mean() for t in values.tables]

    assert rows["a"].tolist() == ["m/b", "m/c", "m/d"]
    assert set(rows["b"]) == {"m/a"}
    assert rows["difference"].tolist() == pytest.approx([mean - means[0] for mean in means[1:]])
    assert rows["verdict"].tolist() == ["a better", "b better", "undecided"]
    assert rows["seeds_needed"].isna().tolist()[:2] == [True, True]


def test_fewer_contrasts_have_more_power():
    """Nine pairs with the baseline have narrower intervals and smaller p than all 45."""
    tested = analyse(drawn((4,) * 10, seed=3), FEW, advise=False, baseline="m/a").tested
    pairs = {*zip(tested[CELLS].family.a, tested[CELLS].family.b, strict=True)}
    first = [k for k, name in enumerate(tested[CELLS].family.a) if name == "m/a"]
    width = {name: tested[name].high - tested[name].low for name in (CELLS, BASELINE)}

    assert len(pairs) == 45
    assert (width[BASELINE] < 0.95 * width[CELLS][first]).all()
    assert (tested[BASELINE].p <= tested[CELLS].p[first] + 0.01).all()


def test_baseline_changes_nothing_else():
    """The other families, may_be_best and the chances stay the same."""
    values = drawn((3,) * 4, gaps=[0.1, 0, 0, 0])
    without, beside = analyse(values, FEW), analyse(values, FEW, baseline="m/c")

    assert BASELINE not in without.tested
    assert list(beside.tested) == [*without.tested, BASELINE]
    assert beside.tested[CELLS].p.tolist() == without.tested[CELLS].p.tolist()
    assert beside.may_be_best.tolist() == without.may_be_best.tolist()
    assert beside.p_best.tolist() == without.p_best.tolist()


@pytest.mark.parametrize("name", ["m/x", "m/c"])
def test_baseline_that_cannot_be_compared_is_named(name):
    """An unknown cell, and a cell about which no claim is possible."""
    with pytest.raises(KeyError, match=name):
        analyse(drawn((3, 3, 1)), FEW, baseline=name)


def test_baseline_of_one_seed_has_no_p():
    """Intervals hold for these networks only."""
    tested = analyse(drawn((1, 1, 1), gaps=[0.5, 0, 0]), FEW, baseline="m/a").tested[BASELINE]

    assert np.isnan(tested.p).all()
    assert set(tested.verdicts) == {"undecided"}
    assert (tested.high < 0).all()


def test_only_cell_as_baseline_has_no_family():
    """There is no other cell."""
    assert analyse(drawn((3,)), FEW, baseline="m/a").tested == {}


def test_what_is_kept_is_of_the_claimed_cells():
    """Draws, parts and moderated variances, without the cell that is left out."""
    values = drawn((3, 4, 1))
    result = analyse(values, FEW)
    whole = parts_of(values)
    moderated = moderate(whole.variance, whole.seeds - 1)

    assert result.claimed.tolist() == [0, 1]
    assert result.means.shape == (2, 2_000)
    np.testing.assert_array_equal(result.claimed_parts.mean, whole.mean[:2])
    np.testing.assert_array_equal(result.claimed_parts.seeds, [3, 4])
    np.testing.assert_array_equal(result.claimed_parts.sigma, whole.sigma[:2, :2])
    np.testing.assert_array_equal(result.moderated.variance, moderated.variance[:2])


def test_draws_that_are_kept_are_those_that_were_used():
    """Intervals are their quantiles; p_best is how often a cell is the highest."""
    result = analyse(drawn((3, 3, 3, 3)), FEW)
    low, high = np.quantile(result.means, [0.025, 0.975], axis=1)
    best = [(result.means.argmax(0) == cell).mean() for cell in range(4)]

    np.testing.assert_allclose(result.low, low)
    np.testing.assert_allclose(result.high, high)
    np.testing.assert_allclose(result.p_best, best)
    np.testing.assert_allclose(result.means.mean(1), result.parts.mean, atol=0.003)


@pytest.mark.parametrize("seeds", [1, 4])
def test_one_group_of_images_has_no_interval(seeds):
    """One patient gives no estimate of image variance: no interval and no claim."""
    values = drawn((seeds,) * 3, gaps=[0.3, 0, 0], groups=[0] * 30)
    result = analyse(values, FEW)
    table = pairs_table(result)

    assert not result.claims
    assert np.isnan([result.low, result.high]).all()
    assert table[["ci_low", "ci_high", "p_adjusted"]].isna().all(axis=None)
    assert set(table["verdict"]) == {"undecided"}
    assert "(no interval)" in paragraph(result, "m/a", "m/b")
    assert paragraph(result, "m/a", "m/b").endswith("Use test images of at least two groups.")
