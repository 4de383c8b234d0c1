"""How far from the best cells are, in sentences."""

import re
from dataclasses import replace

import pytest

from segsweep.stats.engine import analyse
from segsweep.stats.null import Settings
from segsweep.stats.wording.answer import answer
from segsweep.stats.wording.best import WHY_UNDECIDED, as_good
from stats_data import drawn

FEW = Settings(draws=1_000)
COSTS = "multiply-adds per image", {"m/a": 3e9, "m/b": 1e9, "m/c": 2e9}


def calm(gaps, seed=0):
    """Return values with little noise: differences of .01 can be told."""
    return drawn((20,) * len(gaps), gaps=gaps, images=200, sd=0.002, seed=seed)


def test_cheaper_cell_as_good_as_the_best_is_named():
    """A is the best, b a little worse, within .01 and cheaper; c is far below."""
    result = analyse(calm([0.008, 0, -0.2]), FEW)
    said = answer(result, costs=COSTS)

    assert said.headline == "With 95 % confidence m/a is the best of 3 cells."
    assert as_good(result) == ["m/a", "m/b"]
    assert "As good as the best within 0.01: m/a, m/b." in said.settled
    assert said.next == (
        "Take m/b: as good as the best within 0.01, and the cheapest (1 G multiply-adds per "
        "image).",
    )


def test_distance_of_the_highest_while_several_may_be_the_best():
    """Neither of two is ruled out, and the pair is not equal within the margin."""
    result = analyse(calm([0.006, 0, -0.2]), replace(FEW, margin=0.008))
    said = answer(result, costs=COSTS)
    (low,) = re.findall(r"^m/a is at most (0\.\d+) below the best\.$", said.settled[0])

    assert said.best == ("m/a", "m/b")
    assert float(low) == pytest.approx(-result.best.low[0], abs=1e-4)
    assert said.settled[1] == "As good as the best within 0.008: m/a, m/b."
    assert said.next[0].startswith("Take m/b: as good as the best within 0.008")


@pytest.mark.parametrize(
    ("gaps", "sd", "seed", "told"),
    [
        ([0, 0, 0], 0.3, 2, False),  # seeds scatter over a good part of the range
        ([0, 0, -0.6], 0.15, 2, True),  # wide, but far less than what lies between the cells
        ([0, 0, 0], 0.002, 0, True),  # near, whatever lies between them
    ],
)
def test_distance_that_says_nothing_is_left_out(gaps, sd, seed, told):
    """Against half of what lies between the best and the worst mean, and ten margins."""
    result = analyse(drawn((4,) * 3, gaps=gaps, images=100, sd=sd, seed=seed), FEW, advise=False)
    bound = -result.best.low[result.best.highest]
    means = [result.mean(cell)[0] for cell in range(3)]
    found = [text for text in answer(result).settled if " below the best." in text]

    assert (bound <= max(0.1, (max(means) - min(means)) / 2)) == told
    assert len(found) == told


def test_undecided_pairs_beside_the_best_are_explained():
    """The best is found by the narrower test, while its pair with the second stays open."""
    said = answer(analyse(calm([0.008, 0, -0.2]), replace(FEW, margin=0.008)))

    assert said.best == ("m/a",)
    assert said.settled[0] == WHY_UNDECIDED
    assert said.next == ()


def test_losses_that_are_ruled_out_are_told_without_a_settled_pair():
    """The sets of architectures and losses stand beside the claims about pairs."""
    names = [f"{model}/{loss}" for model in "mn" for loss in "abcd"]
    values = drawn((3,) * 8, gaps=[0.05, 0.03, 0, 0] * 2, images=100, names=names, seed=3)
    said = answer(analyse(values, FEW))
    (text,) = [one for one in said.settled if one.startswith("Losses") and "confidence" in one]

    assert re.search(r"with 95 % confidence (a is the best of 4|the best is one of these)", text)
