"""The test of a family of contrasts in plain loops, to check the vectorized code."""

import math

from segsweep.stats.moderation import moderate
from segsweep.stats.null import STREAMS, null_draws
from segsweep.stats.parts import parts_of


def prepared(values, options):
    """Return parts, moderated variances and null draws of *values*."""
    parts = parts_of(values)
    moderated = moderate(parts.variance, parts.seeds - 1, options.most)
    return parts, moderated, null_draws(parts, moderated, options)


def t_by_loops(weights, mean, variance, sigma, image=1.0):
    """Return k.m / sqrt(sum k^2 v + k'Sigma k), term by term."""
    cells = range(len(weights))
    top = sum(weights[c] * mean[c] for c in cells)
    below = sum(weights[c] ** 2 * variance[c] for c in cells)
    for c in cells:
        below += image * sum(weights[c] * weights[d] * sigma[c, d] for d in cells)
    return top / math.sqrt(below)


def image_factors(number, weights, parts, draws):
    """Return the factors of contrast *number*'s image part in every draw, by the formulas."""
    cells = range(len(weights))
    kept = sum(weights[c] * weights[d] * parts.sigma[c, d] for c in cells for d in cells)
    taken = sum(weights[c] ** 2 * parts.residual[c] for c in cells)
    nu = max((parts.groups - 1) * (kept / (kept + taken)) ** 2, 1)
    normal = draws.images[number % STREAMS]
    return [max(1 - 2 / (9 * nu) + z * math.sqrt(2 / (9 * nu)), 0) ** 3 for z in normal]


def family_by_loops(values, rows, options):
    """Return t and adjusted p of the contrasts *rows* (weights of every cell), as one family."""
    parts, moderated, draws = prepared(values, options)
    own = moderated.variance / parts.seeds
    expected = [t_by_loops(row, parts.mean, own, parts.sigma) for row in rows]
    drawn_t = [
        [
            abs(t_by_loops(row, draws.mean[:, k], draws.variance[:, k], parts.sigma, factor))
            for k, factor in enumerate(image_factors(contrast, row, parts, draws))
        ]
        for contrast, row in enumerate(rows)
    ]
    maxima = [max(column) for column in zip(*drawn_t, strict=True)]
    reached = [sum(m >= abs(t) for m in maxima) for t in expected]
    return expected, [(count + 1) / (options.draws + 1) for count in reached]
