"""What a run is asked: data and target, computed from a data node and named in words."""

import pytest

from segsweep.config.cells import flat_values
from segsweep.config.truth import data_title, data_titles, data_words, file_word, target_of


@pytest.mark.parametrize(
    ("node", "target"),
    [
        ({}, "foreground"),
        ({"root": "/data/ph2", "size": 128}, "foreground"),
        ({"foreground": "half", "invert": False}, "foreground"),
        ({"foreground": "half", "invert": True}, "foreground, inverted"),
        ({"foreground": [10, 2, 2]}, "foreground=2,10"),
        ({"foreground": [2, 10], "invert": True}, "foreground=2,10, inverted"),
        ({"ignore": [255]}, "foreground, ignore=255"),
        ({"foreground": [1], "ignore": [255, 9]}, "foreground=1, ignore=9,255"),
        ({"ignore": [[9, 0, 9], [0, 0, 9]]}, "foreground, ignore=0,0,9+9,0,9"),
        ({"page": None, "foreground_color": None}, "foreground"),
        ({"foreground": "alpha"}, "foreground=alpha"),
        ({"foreground": "half", "foreground_color": [255, 0, 0]}, "foreground_color=255,0,0"),
        (
            {"foreground_color": [[9, 0, 9], [0, 0, 9], [9, 0, 9]], "invert": True},
            "foreground_color=0,0,9+9,0,9, inverted",
        ),
        ({"page": 3}, "foreground, page=3"),
    ],
)
def test_target_says_rule_inversion_and_ignored_values(node, target):
    """Arguments that a data set lacks say nothing; order and repetition of labels neither."""
    assert target_of(node) == target


def asked(option="folder", fingerprint="f" * 16, target="foreground", **arguments):
    """Return the flat values that name what a run is asked."""
    values = {"data": option, "data_fingerprint": fingerprint, "data_target": target}
    return values | {f"data.{key}": value for key, value in arguments.items()}


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([asked("ph2"), asked("ph2")], ["ph2"]),
        ([asked(target="foreground, inverted")], ["folder"]),
        ([asked(), asked(target="foreground, inverted")], ["folder", "folder, inverted"]),
        ([asked("b"), asked("a", "e" * 16)], ["a", "b"]),
        (
            [asked("synthetic", f"{n}" * 16, count=n, seed=0, size=16 * n) for n in (2, 3)],
            ["synthetic, count=2", "synthetic, count=3"],
        ),
        (
            [asked(fingerprint=n * 16, images=f"/d/{n}/x", masks=f"/d/m{n}") for n in "ab"],
            ["folder, masks=ma", "folder, masks=mb"],
        ),
        (
            [asked(fingerprint="a" * 16), asked(fingerprint="b" * 16)],
            ["folder, aaaaaa", "folder, bbbbbb"],
        ),
        (
            [asked("ph2"), asked("mine", "e" * 16), asked("mine", "e" * 16, "foreground=1,2")],
            ["mine", "mine, foreground=1,2", "ph2"],
        ),
    ],
)
def test_words_name_the_data_set_and_the_target_where_targets_differ(runs, words):
    """By option; then by the first argument that tells them apart; else by fingerprint."""
    assert list(data_words(runs).values()) == words


def test_target_is_computed_for_a_run_that_did_not_store_it(frozen):
    """Runs of older versions have the setting, but not the fact."""
    words = ("data=folder", "data.images=/", "data.invert=true")

    assert flat_values(frozen(*words))["data_target"] == "foreground, inverted"
    assert flat_values({**frozen(), "data_target": "stored"})["data_target"] == "stored"


def test_file_names_of_targets_differ_and_are_safe():
    """The usual target adds nothing; a long list of labels is shortened."""
    many = [f"foreground={','.join(map(str, range(first, 90)))}" for first in (1, 2)]
    names = {file_word(text) for text in ("foreground", "foreground, inverted", *many)}

    assert file_word("foreground") == ""
    assert file_word("foreground=1,2, inverted") == "foreground=1+2-inverted"
    assert len(names) == 4
    assert max(map(len, names)) < 60


def test_title_says_where_the_data_are():
    """Embedded images are called so; files have a place; a source of one's own its option."""
    drawn = {"data": "synthetic", "data.count": 24}

    assert data_title(drawn) == "synthetic (embedded images, drawn by a program)"
    assert data_title({"data": "ph2", "data.root": "/data/PH2"}) == "ph2 (/data/PH2)"
    assert data_title({"data": "folder", "data.images": "photos"}) == "folder (photos)"
    assert data_title({"data": "mine"}) == "mine"
    assert data_titles([drawn, drawn, {"data": "mine"}]) == f"{data_title(drawn)}; mine"


@pytest.mark.parametrize(
    ("tile", "overlap", "words"),
    [
        (256, 0.25, "tiles of 256x256, overlap 64"),
        ("[256, 128]", 0.5, "tiles of 256x128, overlap 128x64"),
        ([100, 30], 0, "tiles of 100x30, overlap 0"),
    ],
)
def test_title_names_tiles(tile, overlap, words):
    """And that images keep their own size."""
    values = {"data": "folder", "data.images": "photos"}
    tiled = {**values, "data.tile": tile, "data.overlap": overlap}

    assert data_title({**values, "data.tile": None}) == "folder (photos)"
    assert data_title(tiled) == f"folder (photos), {words}, at their own size"
