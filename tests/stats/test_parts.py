"""Variance components and moderated variances against loops written from the formulas."""

import math

import numpy as np
import pytest
from scipy.special import digamma, polygamma

from segsweep.stats.moderation import moderate, prior_of, trigamma_inverse
from segsweep.stats.parts import image_covariance, parts_of, positive, two_way_sds
from stats_data import drawn, of_tables


def mean_squares(table):
    """Return MS_seed, MS_image and MS_res of a table, by loops."""
    rows, columns = len(table), len(table[0])
    grand = sum(sum(row) for row in table) / (rows * columns)
    of_row = [sum(row) / columns for row in table]
    of_column = [sum(row[i] for row in table) / rows for i in range(columns)]
    seed = columns * sum((m - grand) ** 2 for m in of_row) / (rows - 1)
    image = rows * sum((m - grand) ** 2 for m in of_column) / (columns - 1)
    rest = 0.0
    for s in range(rows):
        for i in range(columns):
            rest += (table[s][i] - of_row[s] - of_column[i] + grand) ** 2
    return seed, image, rest / ((rows - 1) * (columns - 1))


def covariance_by_loops(values):
    """Return the image covariance minus the residual part, before projection."""
    n, groups = len(values.images), sorted(set(values.groups.tolist()))
    scale = len(groups) / (len(groups) - 1) / n**2
    sigma = np.zeros((len(values.cells),) * 2)
    for c, first in enumerate(values.tables):
        for d, second in enumerate(values.tables):
            for group in groups:
                sums = []
                for table in (first, second):
                    grand = sum(map(sum, table)) / table.size
                    inside = [i for i in range(n) if values.groups[i] == group]
                    sums.append(sum(sum(table[:, i]) / len(table) - grand for i in inside))
                sigma[c, d] += scale * sums[0] * sums[1]
        if len(first) > 1:
            sigma[c, c] -= scale * residual_by_loops(first, values.groups, groups)
    return sigma


def residual_by_loops(table, of_image, groups):
    """Return sums over seeds and groups of squared summed residuals, over S (S - 1)."""
    seeds, total = len(table), 0.0
    for row in table:
        for group in groups:
            inside = [i for i in range(table.shape[1]) if of_image[i] == group]
            part = sum(row[i] - table[:, i].mean() - row.mean() + table.mean() for i in inside)
            total += part**2
    return total / (seeds * (seeds - 1))


def smyth_by_loops(variances, freedom):
    """Return d0 (without limit) and s0^2; trigamma is inverted by bisection."""
    e = [
        math.log(v) - digamma(d / 2) + math.log(d / 2)
        for v, d in zip(variances, freedom, strict=True)
    ]
    middle = sum(e) / len(e)
    spread = sum((x - middle) ** 2 for x in e) / (len(e) - 1)
    excess = spread - sum(polygamma(1, d / 2) for d in freedom) / len(freedom)
    if excess <= 1e-4:
        return math.inf, math.exp(middle)
    low, high = 1e-8, 1e8
    for _ in range(400):
        half = math.sqrt(low * high)
        low, high = (half, high) if polygamma(1, half) > excess else (low, half)
    return 2 * low, math.exp(middle + digamma(low) - math.log(low))


@pytest.mark.parametrize("shape", [(2, 5), (3, 20), (6, 4)])
def test_two_way_table_agrees_with_loops(shape):
    """Seed and image effects exceed the residual, so that neither is set to 0."""
    generator = np.random.default_rng(1)
    table = (
        generator.normal(size=shape) + 9 * np.arange(shape[0])[:, None] + 7 * np.arange(shape[1])
    )
    seed, image, rest = mean_squares(table.tolist())
    of_seeds, of_images = two_way_sds(table)

    assert of_seeds == pytest.approx(math.sqrt((seed - rest) / shape[1]))
    assert of_images == pytest.approx(math.sqrt((image - rest) / shape[0]))


def test_negative_variance_estimates_are_zero():
    """A negative variance estimate gives 0."""
    of_seeds, _ = two_way_sds(np.array([[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0]]))

    assert of_seeds == 0


def test_one_seed_has_no_seed_variance():
    """Values 1, 2, 3: the sd over images is 1, the sd over seeds unknown."""
    of_seeds, of_images = two_way_sds(np.array([[1.0, 2.0, 3.0]]))

    assert math.isnan(of_seeds)
    assert of_images == pytest.approx(1)


@pytest.mark.parametrize("groups", [None, np.repeat(np.arange(10), 3), [0] * 10 + [*range(1, 21)]])
@pytest.mark.parametrize("seeds", [(3, 3, 3), (2, 5, 1)])
def test_image_covariance_agrees_with_loops(groups, seeds):
    """With and without groups, unequal seeds, one seed; the same projection."""
    values = drawn(seeds, groups=groups)
    weight, direction = np.linalg.eigh(covariance_by_loops(values))
    expected = direction @ np.diag(np.maximum(weight, 0)) @ direction.T

    np.testing.assert_allclose(image_covariance(values)[0], expected, atol=1e-15)


def test_groups_of_identical_images_count_once():
    """Repeating every image three times in groups adds no information."""
    once = drawn((3, 3), images=12)
    thrice = of_tables([np.repeat(t, 3, axis=1) for t in once.tables], np.repeat(np.arange(12), 3))

    for one, other in zip(image_covariance(once), image_covariance(thrice), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-18)


def test_covariance_has_no_negative_direction():
    """A residual larger than the variance gives 0; the other variance stays."""
    sigma = positive(np.diag([3.0, 1.0]), np.array([1.0, 2.0]))

    np.testing.assert_allclose(sigma, np.diag([2.0, 0.0]), atol=1e-15)


def test_means_and_seed_variances_by_hand():
    """Seed means 1 and 3 have mean 2 and variance 2; one seed has no variance."""
    parts = parts_of(of_tables([np.array([[0.0, 2.0], [2.0, 4.0]]), np.array([[1.0, 5.0]])]))

    assert parts.mean.tolist() == [2, 3]
    assert parts.variance[0] == pytest.approx(2)
    assert math.isnan(parts.variance[1])
    assert (parts.groups, parts.seeds.tolist()) == (2, [2, 1])


@pytest.mark.parametrize("x", [1e-3, 0.1, 1.0, 7.0, 300.0, 5000.0])
def test_inverse_of_trigamma(x):
    """trigamma_inverse(trigamma(x)) is x."""
    assert trigamma_inverse(polygamma(1, np.array([x])))[0] == pytest.approx(x, rel=1e-9)


@pytest.mark.parametrize("spread", [0.01, 0.3, 2.0])
def test_moderation_agrees_with_loops(spread):
    """Similar to very different variances, unequal freedoms, with the limit of d0."""
    generator = np.random.default_rng(3)
    freedom = np.array([1, 2, 2, 4, 4, 9, 9, 2])
    true = np.exp(spread * generator.standard_normal(8))
    variance = true * generator.chisquare(freedom) / freedom
    weight, common = smyth_by_loops(variance, freedom)
    weight = min(weight, 10)
    result = moderate(variance, freedom)

    assert result.weight == pytest.approx(weight)
    assert result.common == pytest.approx(common)
    for c in range(8):
        expected = (weight * common + freedom[c] * variance[c]) / (weight + freedom[c])
        assert result.variance[c] == pytest.approx(expected)


def test_common_variance_counts_ten_degrees_at_most():
    """Equal variances would be pooled completely; the limit keeps some uncertainty."""
    result = moderate(np.array([1.0, 1.0, 1.0, 1.0]), np.full(4, 2))

    assert result.weight == 10
    assert moderate(np.ones(4), np.full(4, 2), most=4).weight == 4


def test_draws_are_moderated_one_by_one():
    """With a second axis of draws each column is moderated separately."""
    variance = np.random.default_rng(4).chisquare(2, (5, 7))
    together = moderate(variance, np.full(5, 2))
    alone = [moderate(column, np.full(5, 2)).variance for column in variance.T]

    np.testing.assert_allclose(together.variance, np.array(alone).T)


def test_two_cells_have_no_common_variance():
    """Each cell keeps its own variance."""
    result = moderate(np.array([1.0, 4.0]), np.array([2, 2]))

    assert result.weight == 0
    assert result.variance.tolist() == [1, 4]


def test_cell_with_one_seed_takes_the_common_variance():
    """With three other cells; with two there is no common variance."""
    freedom = np.array([3, 3, 3, 0])
    result = moderate(np.array([1.0, 2.0, 3.0, np.nan]), freedom)
    few = moderate(np.array([1.0, 2.0, np.nan]), freedom[1:])

    assert result.variance[3] == pytest.approx(float(result.common))
    assert few.variance[:2].tolist() == [1, 2]
    assert math.isnan(few.variance[2])


def test_zero_variance_does_not_break_the_logarithm():
    """A cell with identical seeds gets a very small variance."""
    weight, common = prior_of(np.array([0.0, 1.0, 1.0, 1.0]), np.full(4, 2))

    assert np.isfinite([weight, common]).all()
    assert prior_of(np.zeros(4), np.full(4, 2))[1] < 1e-300
