"""The paragraph about two cells, and what four more seeds would settle."""

import re
from dataclasses import replace

import numpy as np
import pytest

from segsweep.stats.advice import EXTRA_SEEDS, Advice, Limit, power, simulated
from segsweep.stats.contrasts import CELLS, pairs
from segsweep.stats.engine import analyse
from segsweep.stats.moderation import Moderated, moderate
from segsweep.stats.null import Settings
from segsweep.stats.parts import Parts, parts_of
from segsweep.stats.verdicts import ADVISED, UNDECIDED
from segsweep.stats.wording.answer import answer
from segsweep.stats.wording.sentences import NEEDS_IMAGES, paragraph
from stats_data import drawn, of_tables

FEW = Settings(draws=1_000)


def sentences(words):
    """Return the number of sentences."""
    return len(re.findall(r"\.(?= [A-Z0-9]|$)", words))


def about(values, a="m/a", b="m/b", settings=FEW):
    """Return the paragraph about two cells of an analysis without advice."""
    return paragraph(analyse(values, settings, advise=False), a, b)


def test_undecided_pair_gets_advice_on_demand():
    """The same number of seeds as in an analysis with advice, in at most five sentences."""
    values = drawn((3,) * 4, gaps=[0.03, 0, 0, 0], images=80)
    result = analyse(values, FEW)
    tested = result.tested[CELLS]
    seen = set()
    for k, advice in tested.advice.items():
        words = about(values, tested.family.a[k], tested.family.b[k])
        if advice.seeds is not None:
            assert f"would probably be detected with {advice.seeds} seeds per cell." in words
        elif advice.limit is Limit.IMAGES:
            assert f"More seeds will not help: {NEEDS_IMAGES}." in words
        assert "4 more seeds of every cell " in words
        assert sentences(words) <= 5
        seen.add(advice.seeds is None)

    assert seen == {True, False}


def test_pair_far_down_the_list_has_advice_too():
    """Advice that the analysis does not contain is computed on demand."""
    result = analyse(drawn((3,) * 9), FEW)
    tested = result.tested[CELLS]
    left = [k for k, v in enumerate(tested.verdicts) if v == UNDECIDED and k not in tested.advice]
    k = left[-1]

    assert len(tested.advice) > ADVISED
    assert "4 more seeds of every cell would probably not settle it" in paragraph(
        result, tested.family.a[k], tested.family.b[k]
    )


@pytest.mark.parametrize(
    ("gap", "would"), [(0.04, "would probably"), (0.026, "may"), (0.001, "would probably not")]
)
def test_whether_four_more_seeds_would_settle_it(gap, would):
    """Three seeds each, seed means .018 apart at most, almost no image noise."""
    generator = np.random.default_rng(0)
    image = 0.1 * generator.standard_normal(60)
    luck = np.array([[-0.009], [0.0], [0.009]])
    tables = [0.8 + lift + image + luck for lift in (gap, 0.0, 0.0)]
    tables = [table + 1e-4 * generator.random((3, 60)) for table in tables]
    said = about(of_tables(tables[:2]), settings=replace(FEW, level=0.01))
    chance = float(re.search(r"probability (\d\.\d\d)\.$", said)[1])

    assert said.startswith("Undecided: ")
    assert f" 4 more seeds of every cell {would} settle it: " in said
    assert (
        "would probably" if chance >= 0.8 else "may" if chance > 0.5 else "would probably not"
    ) == (would)


def test_power_agrees_with_a_t_test():
    """Two cells with well-known seed sd and no image variance: the noncentral t."""
    from scipy import stats

    sd, size, nothing = 0.02, 0.03, np.zeros(2)
    parts = Parts(
        nothing, np.full(2, 2), np.full(2, sd**2), np.zeros((2, 2)), *[nothing] * 3, 1_000
    )
    known = Moderated(parts.variance, np.array(400.0), np.array(sd**2))
    family, options = pairs(["m/a", "m/b"]), Settings(draws=4_000)
    for seeds in (4, 6, 9):
        (found,) = power(family, parts, known, options, seeds, [0], np.array([size]))
        freedom = 2 * (seeds - 1)
        critical = stats.t.ppf(0.975, freedom)
        expected = stats.nct.sf(critical, freedom, size / sd / np.sqrt(2 / seeds))

        assert found == pytest.approx(expected, abs=0.07)


@pytest.mark.slow
def test_power_agrees_with_a_simulation():
    """Four cells: 7 seeds are simulated with the pilot's estimates as the truth."""
    result = analyse(drawn((3,) * 4, gaps=[0.03, 0, 0, 0], images=60, seed=1), FEW, advise=False)
    parts, tested = result.claimed_parts, result.tested[CELLS]
    k = 1
    known = tested.family, parts, result.moderated, FEW
    (chance,) = power(*known, parts.seeds + EXTRA_SEEDS, [k])
    generator, seen = np.random.default_rng(0), 0
    root = np.linalg.cholesky(parts.sigma + 1e-14 * np.eye(4))
    sd = np.sqrt(result.moderated.variance)[:, None]
    for _ in range(300):
        images = root @ generator.standard_normal((4, 60)) * np.sqrt(60)
        lucks = generator.standard_normal((4, 7)) * sd
        rest = parts.residual * 60 * 3
        noise = generator.standard_normal((4, 7, 60)) * np.sqrt(rest)[:, None, None]
        noise -= noise.mean(2, keepdims=True)
        tables = parts.mean[:, None, None] + images[:, None, :] + lucks[:, :, None] + noise
        again = analyse(of_tables(list(tables)), replace(FEW, draws=400), advise=False)
        seen += again.tested[CELLS].verdicts[k] == "a better"

    assert 0.2 < chance < 0.95
    assert seen / 300 == pytest.approx(chance, abs=0.12)


@pytest.mark.parametrize("size", [1e-9, -1e-9])
def test_claims_with_the_wrong_sign_do_not_count(size):
    """For a difference near 0, half of the false claims have the right sign."""
    parts = parts_of(drawn((5, 5)))
    known = pairs(["m/a", "m/b"]), parts, moderate(parts.variance, parts.seeds - 1)
    (found,) = power(*known, Settings(level=0.2), 5, [0], np.array([size]))

    assert found == pytest.approx(0.1, abs=0.025)


def test_more_seeds_for_one_cell_raise_the_chance():
    """One number of seeds for all cells, or one per cell."""
    parts = parts_of(drawn((3, 3, 3), gaps=[0.03, 0, 0], images=80))
    known = pairs(["m/a", "m/b", "m/c"]), parts, moderate(parts.variance, parts.seeds - 1), FEW
    (equal,) = power(*known, 3, [0])
    (same,) = power(*known, parts.seeds, [0])
    (more,) = power(*known, np.array([9, 9, 3]), [0])

    assert equal == same < more


def test_decided_pair_has_no_advice():
    """Which cell is better, p adjusted for all pairs, probabilities."""
    words = about(drawn((5, 5, 5), gaps=[0.3, 0, 0]))

    assert "p < 0.001, adjusted for all 3 pairs of the sweep." in words or (
        "p = 0.001, adjusted for all 3 pairs of the sweep." in words
    )
    assert "more seeds" not in words
    assert sentences(words) == 2


def test_equal_pair_has_no_advice():
    """Equal within the margin is a settled result."""
    words = about(drawn((40, 40), images=200, sd=0.002), settings=replace(FEW, margin=0.02))

    assert words.startswith("Equal within the margin: ")
    assert ", the sweep's only pair." in words
    assert "more seeds" not in words


def test_same_values_are_the_same_on_every_image():
    """No advice; a cell that differs on one image is not the same."""
    table, other = drawn((3, 3)).tables
    moved = table.copy()
    moved[:, 4] += 1e-6
    values = of_tables([table, table, moved, other])

    assert about(values) == (
        "The same on every image: m/a minus m/b is 0.0000 "
        f"{interval_of(values)}, p = 1.000, adjusted for all 6 pairs of the sweep."
    )
    assert about(values, "m/a", "m/c").startswith("Undecided: m/a minus m/c is -0.0000")
    assert "same" not in about(values, "m/a", "m/d")


def test_equal_means_of_different_images_are_not_the_same():
    """The same values on other images: no advice, but not the same either."""
    table = drawn((3,)).tables[0]
    words = about(of_tables([table, table[:, ::-1]]))

    assert words.startswith("Undecided: m/a minus m/b is ")
    assert words.endswith("No difference was observed, so no number of seeds can be computed.")


def interval_of(values):
    """Return the interval of the first pair as printed."""
    tested = analyse(values, FEW, advise=False).tested[CELLS]
    return f"({tested.low[0]:.4f} to {tested.high[0]:.4f})"


def test_one_seed_needs_more_seeds():
    """Undecided, without p, and with the first step."""
    words = about(drawn((1, 1), gaps=[0.4, 0]))

    assert "adjusted" not in words
    assert words.endswith(
        "With one seed per cell, this holds for these trained networks only. "
        "Run at least 3 seeds of each cell, for example seed=0,1,2."
    )


@pytest.mark.parametrize(("a", "b"), [("m/a", "m/c"), ("m/c", "m/a"), ("m/x", "m/a")])
def test_cell_without_claims_is_named(a, b):
    """A cell with one seed, and an unknown cell."""
    missing = ({a, b} - {"m/a"}).pop()
    with pytest.raises(KeyError, match=missing):
        about(drawn((3, 3, 1)), a, b)


def test_cell_with_itself_is_refused():
    """Also if it is the only cell."""
    with pytest.raises(KeyError, match="m/a"):
        about(drawn((3,)), "m/a", "m/a")


@pytest.mark.parametrize(
    ("seeds", "gaps", "seed", "words"),
    [
        (2, [0] * 8, 2, "would probably rule out none of the 7 others"),
        (2, [0.06, 0, 0, 0], 7, "would probably rule out 2 of the 3 others"),
        (2, [0.03, 0, 0, 0], 2, "may rule out one or more of the 3 others"),
        (3, [0.04, 0, 0, 0], 3, "would probably rule out the one other"),
        (2, [0.06, 0, 0, 0], 2, "would probably rule out both others"),
        (2, [0.045, 0], 1, "may rule out the one other"),
        (2, [0, 0], 2, "would probably not rule out the one other"),
    ],
)
def test_answer_counts_cells_that_four_more_seeds_rule_out(seeds, gaps, seed, words):
    """From the chance that each other candidate is ruled out, by the rule of the set."""
    values = drawn((seeds,) * len(gaps), gaps=gaps, images=200, seed=seed)
    result = analyse(values, FEW)
    tested = result.tested[CELLS]
    many = dict.fromkeys(tested.ruling_out, Advice(None, Limit.SEEDS))  # else a number is told
    said = answer(replace(result, tested={CELLS: replace(tested, ruling_out=many)}))
    known = tested.family, result.claimed_parts, result.moderated, FEW
    _, out = simulated(*known, result.claimed_parts.seeds + 4, [], len(values.cells))
    others = [values.cells.index(name) for name in said.best[1:]]
    sure = int((out[others].mean(1) >= 0.8).sum())

    condition = "" if " no" in words else ", if the true differences are as estimated"
    assert said.next[-1] == f"4 more seeds per cell {words} that may be the best{condition}."
    assert sorted(tested.ruling_out) == sorted(others)
    assert ("may" in words.split()[:1]) == (sure == 0 and out[others].any(0).mean() > 0.5)
    assert sure == {"2": 2, "both": 2, "the": 1}.get(
        words.split()[4 if "probably rule" in words else 0], 0
    )


def test_one_advice_on_seeds():
    """Where a number of seeds is told, or that no number would do, four more are not told too."""
    for gaps in ([0.03, 0, 0, 0], [0.06, 0, 0], [0, 0, 0]):
        said = answer(analyse(drawn((2,) * len(gaps), gaps=gaps, images=200, seed=2), FEW)).next

        assert sum(" seeds per cell would probably rule out " in text for text in said) <= 1
        assert not any(text.startswith("4 more seeds") for text in said)
        assert said


def test_no_advice_without_a_request():
    """Nor if the winner is clear."""
    quick = answer(analyse(drawn((2,) * 4), FEW, advise=False))
    clear = answer(analyse(drawn((5,) * 3, gaps=[0.3, 0, 0]), FEW))

    assert quick.next == ()
    assert clear.next == ()
