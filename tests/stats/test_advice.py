"""Advised seeds, the winner's optimism, and the competing methods of the simulation."""

from dataclasses import replace

import numpy as np
import pytest
from classic import holm, wilcoxon_over_images
from scipy import stats

from segsweep.stats.advice import STEPS, Limit, seeds_needed
from segsweep.stats.contrasts import CELLS, pairs
from segsweep.stats.engine import analyse
from segsweep.stats.moderation import Moderated, moderate
from segsweep.stats.null import Settings
from segsweep.stats.optimism import optimism
from segsweep.stats.parts import Parts, parts_of
from segsweep.stats.verdicts import UNDECIDED
from stats_data import drawn, of_tables

FEW = Settings(draws=1_000)


def known_parts(sd, seeds=40, image_sd=0.0, cells=2):
    """Return parts of cells with a well-known seed sd and the given image sd."""
    count = np.full(cells, seeds)
    variance = np.full(cells, sd**2)
    sigma = np.eye(cells) * image_sd**2
    nothing = np.zeros(cells)
    return Parts(nothing, count, variance, sigma, nothing, np.sqrt(variance), nothing, 10_000)


def advised(parts, size):
    """Return the advice for the first pair at a true difference of *size*."""
    moderated = moderate(parts.variance, parts.seeds - 1)
    family = pairs([f"m/{cell}" for cell in range(len(parts.mean))])
    return seeds_needed(family, parts, moderated, FEW, [0], np.array([size]))[0]


@pytest.mark.parametrize("size", [0.02, 0.03, 0.05])
def test_seeds_agree_with_the_power_of_a_t_test(size):
    """Two cells, a seed sd of .02 as from 400 seeds, no image variance: the textbook number."""
    parts = replace(known_parts(0.02), seeds=np.array([2, 2]))
    known = Moderated(parts.variance, np.array(400.0), np.array(0.02**2))
    family = pairs(["m/a", "m/b"])
    advice = seeds_needed(family, parts, known, FEW, [0], np.array([size]))[0]
    classical = next(seeds for seeds in STEPS if t_test_power(size / 0.02, seeds) >= 0.8)
    place = STEPS.index(classical)

    assert advice.seeds in STEPS[max(place - 1, 0) : place + 2]


def t_test_power(effect, seeds):
    """Return the power of a two-sided t test between two groups of *seeds*."""
    freedom = 2 * (seeds - 1)
    critical = stats.t.ppf(0.975, freedom)
    return stats.nct.sf(critical, freedom, effect / np.sqrt(2 / seeds))


def test_larger_differences_need_fewer_seeds():
    """The number decreases with the difference and always exceeds the number of seeds."""
    parts = parts_of(drawn((3, 3, 3, 3), images=100))
    seeds = [advised(parts, size).seeds or 1_000 for size in (0.02, 0.04, 0.08, 0.3)]

    assert seeds == sorted(seeds, reverse=True)
    assert seeds[0] > seeds[-1] > 3


def test_images_alone_may_keep_it_undecided():
    """With an image sd of .02 and a difference of .02, no number of seeds is enough."""
    advice = advised(known_parts(0.001, image_sd=0.02), 0.02)

    assert (advice.seeds, advice.limit) == (None, Limit.IMAGES)


def test_more_seeds_than_the_largest_step():
    """No image variance, and a difference of a fiftieth of the seed sd."""
    advice = advised(known_parts(0.05), 0.001)

    assert (advice.seeds, advice.limit) == (None, Limit.SEEDS)


def test_advice_is_for_what_is_undecided():
    """Undecided pairs of the leading cell have advice; decided pairs have none."""
    result = analyse(drawn((3,) * 4, gaps=[0.02, 0, 0, -0.4], images=60), FEW)
    tested = result.tested[CELLS]
    undecided = {k for k, verdict in enumerate(tested.verdicts) if verdict == UNDECIDED}

    assert undecided
    assert set(tested.advice) == undecided
    assert all(a.seeds is None or a.seeds > 3 for a in tested.advice.values())


def test_choosing_among_equal_cells_is_selection_bias():
    """Ten cells that differ only by image noise lose their lead on the images left out."""
    generator = np.random.default_rng(2)
    tables = [0.8 + 0.1 * generator.standard_normal((1, 40)) for _ in range(10)]
    result = optimism(of_tables(tables), 0)

    assert result.gap > 0.5 * result.chosen
    assert result.left_out < result.chosen


def test_clear_winner_has_no_selection_bias():
    """A cell that is better on every image keeps its lead."""
    result = optimism(drawn((2, 2), gaps=[0.3, 0]), 0)

    assert result.chosen == pytest.approx(0.15, abs=0.02)
    assert result.gap == pytest.approx(0, abs=0.002)


def test_optimism_agrees_with_loops():
    """The same draws of groups, computed one by one."""
    values = drawn((2, 2, 2), images=12, groups=np.repeat(np.arange(6), 2))
    result = optimism(values, 5, draws=200)
    drawn_groups = np.random.default_rng(8).multinomial(6, np.full(6, 1 / 6), 200)
    lead = values.means - values.means.mean(0)
    inside, outside = [], []
    for times in drawn_groups:
        chosen = [i for i in range(12) for _ in range(times[values.groups[i]])]
        rest = [i for i in range(12) if times[values.groups[i]] == 0]
        winner = int(np.argmax([row[chosen].mean() for row in lead]))
        inside.append(lead[winner][chosen].mean())
        outside += [lead[winner][rest].mean()] if rest else []

    assert result.chosen == pytest.approx(np.mean(inside))
    assert result.left_out == pytest.approx(np.mean(outside))


def test_one_cell_has_no_optimism():
    """There is nothing to choose from."""
    assert np.isnan(optimism(drawn((3,)), 0).gap)


def test_holm_agrees_with_statsmodels():
    """Adjusted p-values in the given order, including ties and ones."""
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    generator = np.random.default_rng(0)
    for size in (1, 2, 7, 40):
        p = np.round(generator.random(size) ** 3, 2)

        np.testing.assert_allclose(holm(p), multitest.multipletests(p, method="holm")[1])


def test_holm_by_hand():
    """For .01, .04, .03: adjusted .03, .06, .06, as adjusted p-values never decrease."""
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])


def test_wilcoxon_agrees_with_scipy():
    """One row at a time; for equal values, where scipy has no result, p is 1."""
    generator = np.random.default_rng(1)
    a, b = generator.random((3, 30)), generator.random((3, 30))
    a[2] = b[2]
    p = wilcoxon_over_images(a, b)

    assert p[:2] == pytest.approx([stats.wilcoxon(a[k], b[k]).pvalue for k in range(2)])
    assert p[2] == 1
