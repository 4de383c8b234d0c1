"""A user's own folders: which files are pairs, and what is said about the rest."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fake_data import blob
from segsweep.data.folder import Folder, NamePattern
from segsweep.data.source import Sample
from segsweep.errors import DataError


def touch(folder, *names):
    """Make a folder of empty files; finding pairs reads no pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def found(source):
    """Return (id, image's name, mask's name) and (level, file's name, kind) of what find says."""
    samples, problems = source.find()
    rows = [(sample.id, sample.image.name, sample.mask.name) for sample in samples]
    kinds = [(p.level, Path(p.where).name, p.what.split(":")[0]) for p in problems]
    return rows, kinds


def test_two_folders_with_the_same_names(tmp_path):
    """By default the mask has the image's name with any ending, upper case included."""
    images = touch(tmp_path / "images", "b.jpg", "a.JPG", "c.d.png", "notes.txt", "Thumbs.db")
    masks = touch(tmp_path / "masks", "a.png", "c.d.bmp", "b.PNG", ".DS_Store", "._a.png")
    rows, problems = found(Folder(images, masks))

    assert rows == [("a", "a.JPG", "a.png"), ("b", "b.jpg", "b.PNG"), ("c.d", "c.d.png", "c.d.bmp")]
    assert problems == []


@pytest.mark.parametrize(
    ("pattern", "mask"),
    [
        ("{id}_segmentation.png", "x1_segmentation.png"),
        ("{id}_Segmentation.*", "x1_segmentation.PNG"),
        ("mask_{id}.tif", "mask_x1.tif"),
        ("{id}_*_final.gif", "x1_by_me_final.gif"),
        ("*-{id}.bmp", "2024-05-x1.bmp"),
        ("{id}(1).png", "x1(1).png"),
    ],
)
@pytest.mark.parametrize("shared", [False, True])
def test_mask_name_pattern_in_one_folder_or_two(tmp_path, pattern, mask, shared):
    """The pattern finds the mask, and in one folder decides which file is one."""
    images = touch(tmp_path / "images", "x1.jpg")
    masks = touch(images if shared else tmp_path / "masks", mask)

    assert found(Folder(images, None if shared else masks, pattern)) == (
        [("x1", "x1.jpg", mask)],
        [],
    )


def test_the_longest_known_id_owns_a_mask(tmp_path):
    """With a star, a_b_seg_2 belongs to image a_b, not to a, and c_seg_2 to c."""
    images = touch(tmp_path / "i", "a.png", "a_b.png", "c.png")
    masks = touch(tmp_path / "m", "a_b_seg_2.png", "a_seg.png", "c_seg_2.png")
    rows, problems = found(Folder(images, masks, "{id}_*.png"))

    assert [row[::2] for row in rows] == [
        ("a", "a_seg.png"),
        ("a_b", "a_b_seg_2.png"),
        ("c", "c_seg_2.png"),
    ]
    assert problems == []


@given(
    st.text(st.characters(codec="utf-8", exclude_characters="/\0\n"), min_size=1, max_size=8),
    st.sampled_from(["{id}_mask.png", "m{id}.tif", "{id}.*", "*_{id}.bmp", "{id}_*.gif"]),
)
def test_an_id_is_found_in_the_name_made_from_it(name, pattern):
    """Whatever characters an id has, special ones included, the pattern gives it back."""
    made = pattern.replace("*", "png").replace("{id}", name)

    assert name in NamePattern("mask_name", pattern).ids(made)


def test_image_name_leaves_other_images_out(tmp_path):
    """Superpixel pictures among ISIC's images are no images if image_name says jpg."""
    images = touch(tmp_path / "i", "a.jpg", "a_superpixels.png")
    masks = touch(tmp_path / "m", "a_segmentation.png")
    source = Folder(images, masks, "{id}_segmentation.png", image_name="{id}.jpg")

    assert found(source) == ([("a", "a.jpg", "a_segmentation.png")], [])


def test_every_problem_is_listed_at_once(tmp_path):
    """Missing halves on both sides, a duplicate id and two masks for one image."""
    images = touch(tmp_path / "i", "ok.png", "lone.png", "two.png", "two.jpg", "many.png")
    masks = touch(tmp_path / "m", "ok.png", "orphan.png", "two.png", "many.png", "many.bmp")
    rows, problems = found(Folder(images, masks))

    assert rows == [("ok", "ok.png", "ok.png")]
    assert sorted(problems) == [
        ("error", "lone.png", "image without mask"),
        ("error", "many.png", "more than one mask"),
        ("error", "orphan.png", "mask without image"),
        ("error", "two.png", "duplicate id"),
    ]


def test_order_does_not_depend_on_the_file_system(tmp_path, monkeypatch):
    """Listing the files backwards gives the same samples and problems."""
    images = touch(tmp_path / "i", "b.png", "a.png", "c.jpg", "c.png", "z.png", "y.png")
    masks = touch(tmp_path / "m", "a.png", "b.png", "c.png", "q.png", "p.png")
    forwards = Folder(images, masks).find()
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: iter(sorted(listed(self), reverse=True)))

    assert Folder(images, masks).find() == forwards


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: Folder(root / "none"), r"none: not a folder.*data\.images"),
        (lambda root: Folder(root / "i" / "a.png"), r"a\.png: not a folder.*data\.images"),
        (lambda root: Folder(root / "i", root / "none"), r"none: not a folder.*data\.masks"),
        (lambda root: Folder(root / "empty", root / "m"), r"empty: no images: none of its 0"),
        (lambda root: Folder(root / "text", root / "m"), r"text: no images: none of its 2.*\.png"),
        (lambda root: Folder(root / "i", root / "m", "{id}_seg.png"), r"a\.png, fits mask_name"),
        (lambda root: Folder(root / "i"), r"i: no images: every image file fits mask_name"),
        (
            lambda root: Folder(root / "i", root / "m", image_name="{id}.gif"),
            r"i: no images: no image file fits image_name",
        ),
    ],
)
def test_wrong_place_is_one_clear_line(tmp_path, make, message):
    """No folder, an empty one, one of text, and patterns that fit nothing or everything."""
    touch(tmp_path / "i", "a.png")
    touch(tmp_path / "m", "a.png")
    touch(tmp_path / "empty")
    touch(tmp_path / "text", "a.txt", "b.csv")
    with pytest.raises(DataError, match=message) as caught:
        make(tmp_path).find()

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "pattern",
    ["mask.png", "{id}{id}.png", "{name}.png", "{id}", "{id}_mask", "{id}.txt", "m/{id}.png"],
)
def test_wrong_pattern_is_refused(tmp_path, pattern):
    """A pattern without {id}, with two, without an ending or with a folder is refused at once."""
    with pytest.raises(ValueError, match=r"mask_name .*got"):
        Folder(tmp_path, mask_name=pattern)


def test_groups_come_from_the_file(tmp_path):
    """A CSV (here Excel's, with a byte order mark) groups; what it lacks or adds is a warning."""
    images, masks = (touch(tmp_path / name, "a.png", "b.png", "c.png") for name in "im")
    groups = tmp_path / "groups.csv"
    groups.write_text("\ufeffid,age,group\na,50,p1\nb,50,p1\nz,1,p2\n", encoding="utf-8")
    source = Folder(images, masks, groups_file=groups)

    assert [sample.group for sample in source.find()[0]] == ["p1", "p1", "c"]
    assert found(source)[1] == [
        ("warning", "c", "not in the groups file"),
        ("warning", "z", "in the groups file, but not a pair of files"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe\0", "cannot be read"),
        (b"", "first line must be id,group"),
        (b"id;group\na;p\n", "first line must be id,group"),
        (b"id,group\na\n", "line 2 needs an id and a group"),
        (b"id,group\na,p\na,q\n", "'a' has two groups: 'p' and 'q'"),
        (b"id,group\na.png,p\n", "names none of the images: their ids look like 'a'"),
    ],
)
def test_wrong_groups_file_is_one_clear_line(tmp_path, text, message):
    """A groups file that is missing, not CSV, or contradicts itself stops with its name."""
    images, masks = (touch(tmp_path / name, "a.png") for name in "im")
    if text is not None:
        (tmp_path / "groups.csv").write_bytes(text)
    with pytest.raises(DataError, match=rf"groups\.csv: .*{message}"):
        Folder(images, masks, groups_file=tmp_path / "groups.csv").find()


@pytest.mark.parametrize(
    ("foreground", "invert"), [("half", False), ("half", True), ([255], False)]
)
def test_pairs_are_read_by_the_rule(tmp_path, foreground, invert):
    """What was drawn comes back, turned over by invert."""
    image, mask = blob(3)
    Image.fromarray(image).save(tmp_path / "a.png")
    Image.fromarray(mask).convert("L").save(tmp_path / "a_mask.png")
    source = Folder(tmp_path, None, "{id}_mask.png", foreground, invert)
    (sample,), problems = source.find()
    pixels = source.read(sample)

    assert problems == []
    assert sample == Sample("a", "a", tmp_path / "a.png", tmp_path / "a_mask.png")
    np.testing.assert_array_equal(image, pixels.image)
    np.testing.assert_array_equal(mask != invert, pixels.mask)


@pytest.mark.parametrize(
    ("arguments", "signature"),
    [
        ({}, "folder reader=1 foreground=half invert=False"),
        ({"page": 2}, "folder reader=1 foreground=half invert=False page=2"),
    ],
)
def test_signature_of_the_first_release_stays(tmp_path, arguments, signature):
    """Caches are found by it: an argument that is not used adds nothing."""
    assert Folder(tmp_path, **arguments).signature == signature


def test_page_is_counted_from_one(tmp_path):
    """Page 0 is refused at once."""
    with pytest.raises(ValueError, match=r"page must be >= 1.*got 0"):
        Folder(tmp_path, page=0)


def test_signature_tells_the_rules_apart(tmp_path):
    """The same files under two rules are two data sets; the order of labels says nothing."""
    rules = [("half", False), ("half", True), ([1], False), ([1, 2], False), ([2, 1], False)]
    signatures = [
        Folder(tmp_path, foreground=foreground, invert=invert).signature
        for foreground, invert in rules
    ]

    assert len(set(signatures)) == 4
    assert signatures[3] == signatures[4]
