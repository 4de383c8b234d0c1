"""Importance, against objectives of which it is known what matters."""

import math

import numpy as np
import pytest

from segsweep.sweep.search.importance import LEAST_TRIALS, importance

PARAMS = {
    "optimizer.lr": "tag(log, interval(1e-5, 1e-2))",
    "optimizer.weight_decay": "tag(log, interval(1e-5, 1e-1))",
}


def trials(key, count, seed):
    """Return random trials whose score depends on *key* alone, with a little noise."""
    draws = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        values = {
            "optimizer.lr": float(10 ** draws.uniform(-5, -2)),
            "optimizer.weight_decay": float(10 ** draws.uniform(-5, -1)),
        }
        score = 0.9 - 0.1 * abs(math.log10(values[key] / 3e-4)) + draws.normal(0, 0.01)
        found.append((values, float(score)))
    return found


@pytest.mark.parametrize("key", PARAMS)
def test_what_decides_the_score_comes_first(key):
    """In most of ten searches of twice the least number of trials."""
    found = [importance(PARAMS, trials(key, 2 * LEAST_TRIALS, seed)) for seed in range(10)]

    assert all(sum(one.values()) == pytest.approx(1) for one in found)
    assert sum(next(iter(one)) == key for one in found) >= 9


def test_too_few_trials():
    """Nothing is said; trials outside the range do not count."""
    few = trials("optimizer.lr", LEAST_TRIALS - 1, 0)
    outside = ({"optimizer.lr": 1.0, "optimizer.weight_decay": 1e-4}, 0.5)

    assert importance(PARAMS, [*few, outside]) is None
    assert importance(PARAMS, [*few, *few[:1]]) is not None


def test_equal_scores():
    """No key mattered."""
    same = [(values, 0.5) for values, _ in trials("optimizer.lr", LEAST_TRIALS, 0)]

    assert set(importance(PARAMS, same).values()) == {0.0}
