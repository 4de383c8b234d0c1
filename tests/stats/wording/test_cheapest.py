"""Which of several equal cells is the cheapest."""

import pandas as pd
import pytest

from segsweep.stats.wording.cheapest import ANY, cell_costs, take_as_good, take_cheapest
from segsweep.stats.wording.phrases import amount_text

CELLS = ["unet/bce", "unet/bce", "segnet/bce"]


def test_multiply_adds_come_first():
    """Means over the runs of a cell."""
    results = pd.DataFrame({"cell": CELLS, "multiply_adds": [4, 4, 2], "parameters": [1, 1, 9]})

    assert cell_costs(results) == (
        "multiply-adds per image",
        {"unet/bce": 4.0, "segnet/bce": 2.0},
    )


def test_one_old_run_means_parameters():
    """It has no multiply-adds; a mixture of two units compares nothing."""
    results = pd.DataFrame({"cell": CELLS, "multiply_adds": [4, None, 2], "parameters": [1, 1, 9]})

    assert cell_costs(results) == ("parameters", {"unet/bce": 1.0, "segnet/bce": 9.0})


def test_nothing_is_known():
    """Then no cell is named."""
    words, costs = cell_costs(pd.DataFrame({"cell": [], "parameters": []}))

    assert take_cheapest(["a/b", "c/d"], words, costs) == ANY


def test_sentences():
    """One cell, several that share a network, and all of them."""
    words, costs = "multiply-adds per image", {"a/b": 2e9, "a/c": 2e9, "d/b": 3.456e9}

    assert take_cheapest(["a/b", "d/b"], words, costs) == (
        "Take a/b: it needs the fewest multiply-adds per image (2 G)."
    )
    assert take_cheapest(["a/b", "a/c", "d/b"], words, costs) == (
        "Take one of a/b, a/c: they need the fewest multiply-adds per image (2 G)."
    )
    assert take_cheapest(["a/b", "a/c"], words, costs) == (
        "Take any of them: each needs 2 G multiply-adds per image."
    )


def test_sentences_about_cells_as_good_as_the_best():
    """None, one, several of which one is the cheapest, and several without known costs."""
    words, costs = "multiply-adds per image", {"a/b": 2e9, "d/b": 3.456e9}

    assert take_as_good([], "0.01", words, costs) == ()
    assert take_as_good(["d/b"], "0.01", words, costs) == (
        "Take d/b: as good as the best within 0.01.",
    )
    assert take_as_good(["d/b", "a/b"], "0.01", words, costs) == (
        "Take a/b: as good as the best within 0.01, and the cheapest (2 G multiply-adds per "
        "image).",
    )
    assert take_as_good(["d/b", "x/b"], "1 px", words, costs) == (
        "Take the cheapest of d/b, x/b: each is as good as the best within 1 px.",
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12, "12"),
        (1249, "1.25 k"),
        (931_969, "932 k"),
        (1.17e9, "1.17 G"),
        (2e13, "20 T"),
    ],
)
def test_amounts(value, text):
    """Three digits and a unit."""
    assert amount_text(value) == text
