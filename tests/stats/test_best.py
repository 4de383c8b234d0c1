"""The set of the best against loops written from its definition, and what must always hold."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segsweep.stats.advice import simulated, simulated_claims
from segsweep.stats.best import candidates_of
from segsweep.stats.contrasts import ARCHITECTURES, CELLS, LOSSES, pairs
from segsweep.stats.engine import analyse
from segsweep.stats.levels import best_of_levels, levels_table
from segsweep.stats.null import Settings
from segsweep.stats.tables import comparison_table
from segsweep.stats.values import Values
from stats_data import drawn, of_tables, results_of
from stats_loops import image_factors, prepared, t_by_loops

FEW = Settings(draws=300)
GRID = ["m/a", "m/b", "n/a", "n/b"]


def best_by_loops(values, options):
    """Return p, low and high of each cell, term by term from the definition."""
    parts, moderated, draws = prepared(values, options)
    cells, own = range(len(parts.mean)), moderated.variance / parts.seeds
    row = {}
    for number, (a, b) in enumerate((a, b) for a in cells for b in cells if a < b):
        weights = np.zeros(len(cells))
        weights[a], weights[b] = 1, -1
        row[a, b] = number, weights

    def t(j, c, mean, variance, image=1.0):
        _, weights = row[min(j, c), max(j, c)]
        sign = 1 if j < c else -1
        return sign * t_by_loops(weights, mean, variance, parts.sigma, image)

    def error(j, c):
        _, weights = row[min(j, c), max(j, c)]
        unit = np.where(np.arange(len(cells)) == min(j, c), 1.0, 0.0)
        return 1 / t_by_loops(weights, unit, own, parts.sigma)

    factors = {key: image_factors(*value, parts, draws) for key, value in row.items()}
    p, critical = [], []
    for c in cells:
        others = [j for j in cells if j != c]
        observed = max(t(j, c, parts.mean, own) for j in others)
        maxima = sorted(
            max(
                t(j, c, draws.mean[:, k], draws.variance[:, k], factors[min(j, c), max(j, c)][k])
                for j in others
            )
            for k in range(options.draws)
        )
        p.append((sum(m >= observed for m in maxima) + 1) / (options.draws + 1))
        allowed = math.floor(options.level * (options.draws + 1) + 1e-9) - 1
        critical.append(maxima[options.draws - 1 - allowed])
    low, high = [], []
    for c in cells:
        ahead = {j: parts.mean[c] - parts.mean[j] for j in cells if j != c}
        high.append(max(0, min(d + critical[c] * error(j, c) for j, d in ahead.items())))
        rivals = [j for j in ahead if p[j] > options.level]
        low.append(min([0, *(ahead[j] - critical[j] * error(j, c) for j in rivals)]))
    return p, low, high


@pytest.mark.parametrize(("gaps", "seeds"), [([0, 0.02, 0.05], (3, 4, 3)), ([0] * 4, (2,) * 4)])
def test_agrees_with_loops(gaps, seeds):
    """p, both ends of the interval, and who is in the set."""
    values = drawn(seeds, gaps=gaps, images=12, seed=4)
    found = analyse(values, FEW).best
    p, low, high = best_by_loops(values, FEW)

    assert found.p == pytest.approx(p)
    assert found.low == pytest.approx(low, abs=1e-12)
    assert found.high == pytest.approx(high, abs=1e-12)
    assert found.may.tolist() == [value > 0.05 for value in p]


@given(
    seeds=st.lists(st.integers(2, 4), min_size=2, max_size=6),
    seed=st.integers(0, 10_000),
    spread=st.sampled_from([0, 0.01, 0.03, 0.1]),
)
@settings(max_examples=40, deadline=None)
def test_what_always_holds(seeds, seed, spread):
    """The highest is in; the set lies within that of all pairs; intervals and set agree."""
    gaps = spread * np.random.default_rng(seed).standard_normal(len(seeds))
    result = analyse(drawn(tuple(seeds), gaps=gaps, images=20, seed=seed), FEW, advise=False)
    found, tested = result.best, result.tested[CELLS]
    beaten = {
        loser
        for a, b, said in zip(tested.family.a, tested.family.b, tested.verdicts, strict=True)
        for loser in ([b] if said == "a better" else [a] if said == "b better" else [])
    }
    names = np.array(found.names)

    assert found.may[result.parts.mean.argmax()]
    assert not {*names[found.may]} & beaten
    assert (found.may == (found.high > 0)).all()
    assert (found.low <= np.minimum(found.difference, 0) + 1e-12).all()
    assert (found.high >= np.maximum(found.difference, 0) - 1e-12).all()
    if found.may.sum() == 1:
        assert found.low[found.may] == 0
    assert result.may_be_best.tolist() == found.may.tolist()


def test_equal_networks_stay_together():
    """Two cells with the same values on every image: distance 0, both in the set."""
    one = drawn((3,), seed=1).tables[0]
    found = analyse(of_tables([one, one.copy(), one - 0.3]), FEW).best

    assert found.may.tolist() == [True, True, False]
    assert found.difference[:2] == pytest.approx([0, 0])
    assert found.p[0] == pytest.approx(found.p[1], abs=0.1)


def test_equal_cells_have_one_answer():
    """Their draws differ, but nothing tells them apart; the difference is 0, and nothing else."""
    values = drawn((3, 3, 3), gaps=(0, 0, 0.02), sd=0.02, seed=1)
    tables = (values.tables[0], values.tables[0].copy(), values.tables[2])
    found = analyse(replace(values, tables=tables, equal=(0, 0, 1)), advise=False).tested[CELLS]
    best = found.best

    for column in (best.p, best.may, best.low, best.high):
        assert column[0] == column[1]
    assert (best.may == (best.high > 0)).all()
    assert (found.low[0], found.difference[0], found.high[0]) == (0, 0, 0)


def test_order_of_cells_does_not_matter():
    """Up to the random numbers, which belong to positions: the same cells are in."""
    gaps = [0.08, 0, 0.07, -0.1]
    values = drawn((5,) * 4, gaps=gaps, images=60, seed=2)
    order = [2, 0, 3, 1]
    turned = Values(
        tuple(values.cells[k] for k in order),
        tuple(values.tables[k] for k in order),
        tuple(values.seeds[k] for k in order),
        *(values.images, values.groups),
    )
    first, second = (analyse(one, Settings(draws=4_000)).best for one in (values, turned))

    assert first.p[order] == pytest.approx(second.p, abs=0.02)
    assert first.low[order] == pytest.approx(second.low, abs=0.004)
    assert {*np.array(first.names)[first.may]} == {*np.array(second.names)[second.may]}


def test_lower_is_better_turns_the_interval():
    """On the metric's scale the worse cell is above the best."""
    values = drawn((4, 4), gaps=[0, -0.2], images=40)
    result = analyse(replace(values, sign=-1, limits=(0.0, math.inf), unit=" px"), FEW)
    low, high = result.best.natural(-1)

    assert (low <= high).all()
    assert (low[1], high[1]) == (-result.best.high[1], -result.best.low[1])
    assert high[1] > 0.1


def test_columns_of_the_comparison():
    """p, interval and set of each cell; empty for a cell without claims."""
    values = drawn((4, 4, 1), gaps=[0, -0.2, 0], images=40)
    result = analyse(values, FEW)
    table = comparison_table(result, results_of(values)).set_index("loss")

    assert table.loc["a", "p_as_best"] == result.best.p[0]
    assert table.loc["b", "minus_best_low"] == result.best.low[1]
    assert table.loc["b", "minus_best_high"] == 0
    assert table.loc["c", ["p_as_best", "minus_best_low", "minus_best_high"]].isna().all()


def test_one_seed_makes_no_claim():
    """No set, no distance."""
    assert analyse(drawn((1, 1, 1)), FEW).best is None


def test_levels_have_their_own_set():
    """Loss b is better with both architectures; these are equal."""
    values = drawn((4,) * 4, gaps=[0, 0.2, 0, 0.2], names=GRID, images=60)
    result = analyse(values, FEW)
    losses = levels_table(result, "loss").set_index("loss")

    assert losses["may_be_best"].to_dict() == {"a": False, "b": True}
    assert losses.loc["a", "minus_best_high"] == 0
    assert losses.loc["a", "minus_best_low"] < -0.15
    assert levels_table(result, "model")["may_be_best"].all()
    assert result.tested[LOSSES].best.names == ("a", "b")


def test_levels_without_a_common_scale_have_no_set():
    """C shares two architectures with a, and two others with b: no single mean of c."""
    names = ["m/a", "n/a", "o/a", "m/b", "n/b", "p/b", "m/c", "n/c", "o/c", "p/c"]
    result = analyse(drawn((3,) * len(names), names=names, images=40), FEW, advise=False)

    assert len(result.tested[LOSSES].family.a) == 3
    assert candidates_of(result.tested[LOSSES].family) == ()
    assert best_of_levels(result, "loss") is None
    assert levels_table(result, "loss")["may_be_best"].isna().all()


def test_interaction_leaves_no_best_level():
    """Loss a is better with m, b with n."""
    values = drawn((5,) * 4, gaps=[0.3, 0, 0, 0.3], names=GRID, images=60)
    result = analyse(values, FEW)

    assert result.depends is not None
    assert best_of_levels(result, "model") is None
    assert result.tested[ARCHITECTURES].best is not None


def test_simulated_sets_have_the_level():
    """Without differences each cell leaves in at most 5 % of simulated sweeps, up to chance."""
    values = drawn((5,) * 5, images=60, seed=3)
    result = analyse(values, FEW)
    flat = replace(result.claimed_parts, mean=np.zeros(5))
    family = pairs(values.cells)
    known = family, flat, result.moderated, Settings(draws=2_000)
    claims, out = simulated(*known, flat.seeds, [0, 3], 5)

    assert claims.shape == (2, 2_000)
    assert out.shape == (5, 2_000)
    assert out.mean(1).tolist() == pytest.approx([0.05] * 5, abs=0.001)


def test_simulated_pairs_are_those_of_the_pairs_alone():
    """The pairs are judged as if nobody asked for the set."""
    values = drawn((4,) * 4, gaps=[0.05, 0, 0.02, 0], images=60, seed=3)
    result = analyse(values, FEW)
    known = pairs(values.cells), result.claimed_parts, result.moderated, Settings(draws=2_000)
    claims, _ = simulated(*known, 8, [0, 2, 5], 4)

    alone = simulated_claims(*known, 8, [0, 2, 5])  # with other errors of the image part
    assert claims.mean(1) == pytest.approx(alone.mean(1), abs=0.02)


def test_advice_is_for_those_that_may_be_the_best():
    """Each of the set except the highest, and none that is ruled out."""
    values = drawn((3,) * 5, gaps=[0.03, 0.01, 0, 0.02, -0.3], images=200, seed=1)
    result = analyse(values, FEW)
    tested = result.tested[CELLS]
    may = {*np.flatnonzero(tested.best.may).tolist()}

    assert 4 not in may
    assert {*tested.ruling_out} == may - {tested.best.highest}
