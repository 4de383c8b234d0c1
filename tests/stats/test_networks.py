"""Cells whose networks count the same are equal; networks that predict nothing are named."""

import numpy as np
import pandas as pd
import pytest

from segsweep.metrics import COUNTS
from segsweep.stats.engine import analyse
from segsweep.stats.networks import constant_masks, equal_cells
from segsweep.stats.notes import EMPTY, FULL, ConstantMasks, GroupedImages
from segsweep.stats.tables import comparison_table, pairs_table
from segsweep.stats.values import values_of
from segsweep.stats.verdicts import IDENTICAL
from segsweep.stats.wording.answer import answer
from segsweep.stats.wording.notes import note_texts, warning_texts, warnings_of
from segsweep.stats.wording.sentences import paragraph

NOTHING, ALL = [(0, 0, 9, 7), (0, 0, 5, 11)], [(9, 7, 0, 0), (5, 11, 0, 0)]
GOOD, OTHER = [(8, 1, 1, 6), (5, 0, 0, 11)], [(7, 1, 2, 6), (4, 0, 1, 11)]
"""Counts of networks on two images with 9 and 5 pixels of foreground."""


def counted(cells):
    """Return counts of cells: name -> a list of networks, each with counts per image."""
    rows = [
        (cell, seed, f"i{image}", *counts)
        for cell, networks in cells.items()
        for seed, network in enumerate(networks)
        for image, counts in enumerate(network)
    ]
    return pd.DataFrame(rows, columns=["cell", "seed", "image", *COUNTS])


def values(cells):
    """Return the values of `counted`, through the tables of a sweep."""
    rows = counted(cells)
    ids = [f"{cell}-{seed}" for cell, seed in zip(rows["cell"], rows["seed"], strict=True)]
    images = rows.assign(run_id=ids, split="test", at="train")[
        ["run_id", "split", "at", "image", *COUNTS]
    ]
    return values_of(results(cells), images)


def results(cells):
    """Return results.csv of `counted`."""
    known = {"status": "finished", "fold": None, "data_fingerprint": "d"}
    return pd.DataFrame(
        [
            {
                **{"run_id": f"{cell}-{seed}", "model": cell.split("/")[0]},
                **{"loss": cell.split("/")[1], "seed": seed, **known},
            }
            for cell, networks in cells.items()
            for seed, _ in enumerate(networks)
        ]
    )


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        ([GOOD], [GOOD], True),
        ([GOOD], [OTHER], False),
        ([GOOD, OTHER], [OTHER, GOOD], True),
        ([GOOD, GOOD], [GOOD, GOOD, GOOD], True),
        ([GOOD, OTHER], [GOOD, OTHER, OTHER], False),
        ([GOOD], [GOOD[::-1]], False),
    ],
)
def test_cells_are_equal_if_their_networks_count_the_same(a, b, equal):
    """On every image, in any order of seeds; alike networks in any number."""
    numbers = equal_cells(counted({"m/a": a, "m/b": b}))

    assert (numbers["m/a"] == numbers["m/b"]) == equal


def test_constant_masks_are_counted_per_cell():
    """Nothing, or everything, on all images; one other image is enough to be left out."""
    nearly = [NOTHING[0], OTHER[1]]
    found = constant_masks(
        counted({"m/a": [NOTHING, GOOD], "m/b": [nearly, ALL], "m/c": [NOTHING, NOTHING]})
    )

    assert found == (
        ConstantMasks(EMPTY, 2, (("m/a", 1, 2), ("m/c", 2, 2))),
        ConstantMasks(FULL, 2, (("m/b", 1, 2),)),
    )


def test_constant_masks_that_are_right_are_no_fault():
    """Images without foreground are rightly predicted empty, those without background full."""
    right = {"m/a": [[(0, 0, 0, 16), (0, 0, 0, 16)]], "m/b": [[(16, 0, 0, 0), (16, 0, 0, 0)]]}

    assert constant_masks(counted({"m/a": right["m/a"]})) == ()
    assert constant_masks(counted({"m/b": right["m/b"]})) == ()


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (
            (("unet2/bce", 3, 3),),
            "unet2/bce predicts empty masks on all 15 test images; "
            "train longer or raise the learning rate.",
        ),
        (
            (("unet2/bce", 1, 3),),
            "unet2/bce predicts empty masks on all 15 test images in 1 of 3 seeds; "
            "train longer or raise the learning rate.",
        ),
        (
            (("unet/bce", 2, 2), ("unet2/bce", 1, 3)),
            "unet/bce, unet2/bce (1 of 3 seeds) predict empty masks on all 15 test images; "
            "train longer or raise the learning rate.",
        ),
    ],
)
def test_empty_masks_in_one_sentence(cells, sentence):
    """Which cells, on how many images, in how many seeds if not in all, and what to do."""
    assert warning_texts([ConstantMasks(EMPTY, 15, cells)]) == (sentence,)


def test_full_masks_and_warnings_of_some_cells():
    """The counterpart; a paragraph on two cells repeats only what is about them."""
    full = ConstantMasks(FULL, 1, (("m/a", 1, 1), ("m/b", 1, 1)))

    assert warnings_of([full], ("m/b", "m/c")) == (
        "m/b predicts full masks on the test image; train longer or change the learning rate.",
    )
    assert warnings_of([full], ("m/c",)) == ()


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_cells_share_rank_and_verdict(seeds):
    """Two of three cells count the same: no order between them; the third is another cell."""
    cells = {"m/a": [GOOD] * seeds, "m/b": [GOOD] * seeds, "m/c": [OTHER] * seeds}
    known = values(cells)
    analysis = analyse(known, advise=False)
    pairs = pairs_table(analysis).set_index(["a", "b"])
    table = comparison_table(analysis, results(cells)).set_index("loss")
    said = answer(analysis)

    assert known.classes.tolist() == [0, 0, 1]
    assert pairs["verdict"]["m/a", "m/b"] == IDENTICAL
    assert pairs["difference"]["m/a", "m/b"] == 0
    assert IDENTICAL not in pairs["verdict"].drop(("m/a", "m/b")).tolist()
    assert table["rank"].to_dict() == {"a": 1, "b": 1, "c": 3}
    assert "Equal on every image: m/a, m/b." in (*said.settled, *said.notes)
    assert "m/a has the highest" not in said.text
    assert said.warnings == ()
    assert paragraph(analysis, "m/a", "m/b").startswith("The same on every image: m/a minus m/b")


@pytest.mark.parametrize(
    ("seeds", "headline"),
    [
        (
            1,
            "No claim about methods: one seed per cell. All of these 2 trained networks are equal "
            "on every image.",
        ),
        (2, "Settled: the 2 cells that may be the best are equal on every image: m/a, m/b."),
    ],
)
def test_all_cells_equal(seeds, headline):
    """No cell is called the highest; nothing is advised about seeds that would separate them."""
    cells = {"m/a": [NOTHING] * seeds, "m/b": [NOTHING] * seeds}
    analysis = analyse(values(cells))
    said = answer(analysis)

    assert said.headline == headline
    assert said.warnings == (
        "m/a, m/b predict empty masks on all 2 test images; "
        "train longer or raise the learning rate.",
    )
    assert said.text.startswith(said.warnings[0])
    assert not any("separate" in text for text in said.next)
    assert pairs_table(analysis)["verdict"].tolist() == [IDENTICAL]


def test_mixed_number_of_seeds_has_one_mean():
    """Equal cells have exactly the same mean, however many seeds were averaged."""
    uneven = [[(1, 1, 1, 13), (2, 1, 0, 13), (5, 2, 3, 6)]]
    analysis = analyse(values({"m/a": uneven * 3, "m/b": uneven * 7, "m/c": uneven * 10}))

    assert len(np.unique(analysis.parts.mean)) == 1


def test_one_seed_says_what_intervals_without_0_are():
    """With one seed a clear difference stands beside "undecided": a sentence says why."""
    rng = np.random.default_rng(0)
    images = 30
    high = [[(90 + int(n), 0, 10 - int(n), 100) for n in rng.integers(0, 5, images)]]
    low = [[(40 + int(n), 0, 60 - int(n), 100) for n in rng.integers(0, 5, images)]]
    said = answer(analyse(values({"m/a": high, "m/b": low})))

    assert said.unsettled == (
        "The only pair has an interval that excludes 0: these trained networks differ on new "
        "images. With one seed per cell no verdict on the methods is given.",
    )


def test_images_are_called_by_their_part():
    """One validation image, and groups of some, are not called test images."""
    alone = ConstantMasks(EMPTY, 1, (("unet/bce", 1, 1),))

    assert warning_texts([alone], "validation")[0].startswith(
        "unet/bce predicts empty masks on the validation image;"
    )
    assert warning_texts([alone])[0].startswith("unet/bce predicts empty masks on the test image;")
    assert note_texts([GroupedImages(30, 5)], "validation")[0].startswith("30 validation images in")
