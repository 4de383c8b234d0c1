"""A user's own folders: which files are pairs, and what is said about the rest."""

import re
import shlex
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fake_data import blob
from layouts import IDS, pair, save, write_halves
from segsweep.data.check import format_problems
from segsweep.data.fingerprint import data_fingerprint
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
    st.sampled_from(
        ["{id}_mask.png", "m{id}.tif", "{id}.*", "*_{id}.bmp", "{id}_*.gif", "**/a-{id}.*"]
    ),
)
def test_an_id_is_found_in_the_name_made_from_it(name, pattern):
    """Whatever characters an id has, special ones included, the pattern gives it back."""
    made = pattern.replace("**/", "x/y/").replace("*", "png").replace("{id}", name)

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
        ("error", "i", "image without mask"),
        ("error", "m", "mask without image"),
        ("error", "many.png", "more than one mask"),
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
    [
        "mask.png",
        "{id}{id}.png",
        "{name}.png",
        "{id}",
        "{id}_mask",
        "{id}.txt",
        "../{id}.png",
        "/{id}.png",
    ],
)
def test_wrong_pattern_is_refused(tmp_path, pattern):
    """A pattern without {id}, with two, without an ending or outside the folder is refused."""
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
        (b"", "needs a header with the columns id and group"),
        (b"id,group\na\n", "row without a group: line 2 \\(a\\)"),
        (b"id,group\na,p\na,q\n", "two groups for one image: a has p in line 2 and q in line 3"),
        (b"id,group\nb.png,p\n", "names none of the images: .* look like 'b.png', theirs like 'a'"),
    ],
)
def test_wrong_groups_file_is_one_clear_line(tmp_path, text, message):
    """A groups file that is missing, not CSV, or contradicts itself is an error with its name."""
    images, masks = (touch(tmp_path / name, "a.png") for name in "im")
    if text is not None:
        (tmp_path / "groups.csv").write_bytes(text)
    _, (problem, *others) = Folder(images, masks, groups_file=tmp_path / "groups.csv").find()

    assert [one for one in others if one.level == "error"] == []
    assert (problem.level, problem.where) == ("error", str(tmp_path / "groups.csv"))
    assert re.search(message, problem.what)


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
        ({"range": [0, 4095]}, "folder reader=1 foreground=half invert=False range=0,4095"),
        ({"foreground": "alpha"}, "folder reader=1 foreground=alpha invert=False"),
        (
            {"foreground_color": [[9, 9, 9], [0, 0, 7]]},
            "folder reader=1 foreground=0,0,7+9,9,9 invert=False",
        ),
    ],
)
def test_signature_of_the_first_release_stays(tmp_path, arguments, signature):
    """Caches are found by it: an argument that is not used adds nothing."""
    assert Folder(tmp_path, **arguments).signature == signature


@pytest.mark.parametrize(
    "arguments",
    [
        *({"page": 0}, {"range": [5]}, {"range": [5, 5]}, {"range": [0, float("inf")]}),
        *({"foreground_color": []}, {"foreground_color": [1, 2]}, {"foreground_color": [1, 2, -1]}),
        {"foreground_color": [255, 0, 0], "foreground": [1]},
    ],
)
def test_wrong_argument_is_refused(tmp_path, arguments):
    """Numbers out of range are refused at once, with the key and the value."""
    with pytest.raises(ValueError, match=rf"{next(iter(arguments))} .*got"):
        Folder(tmp_path, **arguments)


def test_signature_tells_the_rules_apart(tmp_path):
    """The same files under two rules are two data sets; the order of labels says nothing."""
    rules = [("half", False), ("half", True), ([1], False), ([1, 2], False), ([2, 1], False)]
    signatures = [
        Folder(tmp_path, foreground=foreground, invert=invert).signature
        for foreground, invert in rules
    ]

    assert len(set(signatures)) == 4
    assert signatures[3] == signatures[4]


def lone(folder, **options):
    """Return the samples' ids and the lines about a folder with `images` and `masks`."""
    samples, problems = Folder(folder / "images", folder / "masks", **options).find()
    return [sample.id for sample in samples], format_problems(problems).splitlines()


def test_lone_files_are_one_error_of_each_kind(tmp_path):
    """With the number, the first names and the switch, however many there are."""
    touch(tmp_path / "images", *(f"a{n:02d}.png" for n in range(40)))
    touch(tmp_path / "masks", *(f"a{n:02d}.png" for n in range(30, 70)))
    ids, lines = lone(tmp_path)

    assert len(ids) == 10
    assert [line.split(": ")[0] for line in lines] == ["error", "error"]
    assert "30 of 40 images, such as a00.png, a01.png, a02.png and 27 more: " in lines[0]
    assert "30 of 40 masks, such as a40.png, a41.png, a42.png and 27 more: " in lines[1]
    assert all(line.endswith("; data.unmatched=skip leaves them out") for line in lines)


def test_lone_files_are_left_out_on_request(tmp_path):
    """One warning says how many; the fingerprint is that of the pairs alone."""
    touch(tmp_path / "images", "a.png", "b.png", "c.png")
    touch(tmp_path / "masks", "b.png", "d.png", "e.png")
    ids, lines = lone(tmp_path, unmatched="skip")

    assert ids == ["b"]
    assert lines == [
        "warning: left out: images without masks: 2, masks without images: 2: "
        "a.png, c.png, d.png and 1 more"
    ]
    touch(tmp_path / "masks", "a.png", "c.png")
    for name in "de":
        (tmp_path / "masks" / f"{name}.png").unlink()

    assert lone(tmp_path, unmatched="skip") == (["a", "b", "c"], [])


def test_skipping_everything_is_refused(tmp_path):
    """Not an empty data set."""
    touch(tmp_path / "images", "a.png")
    touch(tmp_path / "masks", "b.png")
    with pytest.raises(DataError, match="no pairs: none of 1 images has a mask"):
        lone(tmp_path, unmatched="skip")


@pytest.mark.parametrize(
    ("image", "mask", "words"),
    [
        ("{}.jpg", "{}_segmentation.png", """'data.mask_name="{id}_segmentation.png"'"""),
        ("{}.jpg", "m {}.png", """'data.mask_name="m {id}.png"'"""),
        (
            "{}_image.jpg",
            "{}_mask.png",
            """'data.image_name="{id}_image.*"' 'data.mask_name="{id}_mask.png"'""",
        ),
        (
            "image{}.jpg",
            "mask{}.png",
            """'data.image_name="image{id}.*"' 'data.mask_name="mask{id}.png"'""",
        ),
    ],
)
def test_hint_with_the_pattern_that_fits_all(tmp_path, image, mask, words):
    """One line, quoted for the shell; the words it gives pair every image."""
    names = [f"{number:03d}" for number in range(5, 45)]
    touch(tmp_path / "images", *(image.format(name) for name in names))
    touch(tmp_path / "masks", *(mask.format(name) for name in names))
    _, (line,) = lone(tmp_path)
    given = dict(word.split("=", 1) for word in shlex.split(words))
    patterns = {key.removeprefix("data."): text.strip('"') for key, text in given.items()}

    assert line.endswith(f"; all have one with {words}")
    assert lone(tmp_path, **patterns) == (names, [])


def test_no_hint_where_no_pattern_fits_all(tmp_path):
    """A pattern that pairs only some images is not offered."""
    touch(tmp_path / "images", "a.png", "b.png", "c.png")
    touch(tmp_path / "masks", "a_m.png", "b_m.png", "c.png")

    assert all("unmatched=skip" in line for line in lone(tmp_path)[1])


def test_no_hint_where_only_masks_are_left_over(tmp_path):
    """Every image has its mask; another pattern would hide that an image is missing."""
    touch(tmp_path / "images", "a.png")
    touch(tmp_path / "masks", "a.png", "b.png")

    assert "mask without image: 1 of 2 masks, such as b.png: " in lone(tmp_path)[1][0]


def test_hint_in_one_folder(tmp_path):
    """Also where the masks are in the folder of images."""
    touch(tmp_path, "a.jpg", "b.jpg", "a_seg.png", "b_seg.png")
    with pytest.raises(DataError, match=r"""one with 'data\.mask_name="\{id\}_seg\.\*"'"""):
        Folder(tmp_path).find()


def test_case_differs_and_is_said(tmp_path):
    """IMG_1.JPG and img_1.png are a pair; one warning lists them. The ids are the images'."""
    touch(tmp_path / "images", "IMG_1.JPG", "IMG_2.JPG")
    touch(tmp_path / "masks", "img_1.png", "img_2.png")

    assert lone(tmp_path) == (
        ["IMG_1", "IMG_2"],
        [
            "warning: mask and image differ in upper and lower case: taken as a pair: "
            "img_1.png, img_2.png"
        ],
    )


def test_names_that_differ_only_in_case_keep_their_own_masks(tmp_path):
    """a.png and A.png are two images where the file system can tell them apart."""
    touch(tmp_path / "images", "a.png", "A.png", "B.png")
    if len(list((tmp_path / "images").iterdir())) < 3:
        pytest.skip("this file system takes a.png and A.png for one")
    touch(tmp_path / "masks", "a.png", "A.png", "B.png")

    assert lone(tmp_path) == (["A", "B", "a"], [])


def test_accents_composed_or_not_are_a_pair(tmp_path):
    """Without a word: some systems store an accent as a character of its own."""
    names = [unicodedata.normalize("NFC", name) for name in ("lésion", "naevus ñ")]
    touch(tmp_path / "images", *(f"{name}.png" for name in names))
    touch(tmp_path / "masks", *(unicodedata.normalize("NFD", f"{name}.png") for name in names))

    assert lone(tmp_path) == (names, [])


@pytest.mark.parametrize(
    ("files", "options", "ids"),
    [
        (
            ["case 1/photo.jpg", "case 1/lesion.png", "case 2/photo.jpg", "case 2/lesion.png"],
            {"image_name": "{id}/photo.jpg", "mask_name": "{id}/lesion.png"},
            ["case 1", "case 2"],
        ),
        (
            ["x/deep/a.jpg", "b.jpg", "x/a_mask.png", "y/b_mask.png"],
            {"image_name": "**/{id}.jpg", "mask_name": "**/{id}_mask.png"},
            ["a", "b"],
        ),
        (
            ["site 1/images/a.png", "site 1/masks/a.png", "two/images/b.png", "two/masks/b.png"],
            {"image_name": "*/images/{id}.png", "mask_name": "*/masks/{id}.png"},
            ["a", "b"],
        ),
        (
            ["one/images/a.png", "one/masks/a.png", "two/images/a.png", "two/masks/a.png"],
            {"image_name": "{folder}/images/{id}.*", "mask_name": "{folder}/masks/{id}.*"},
            ["one-a", "two-a"],
        ),
        (
            ["p1/p1_scan/p1.png", "p1/p1_mask/p1_m.png", ".hidden/.x/.png"],
            {"image_name": "{id}/*_scan/*.png", "mask_name": "{id}/*_mask/*_m.png"},
            ["p1"],
        ),
    ],
)
def test_patterns_with_folders(tmp_path, files, options, ids):
    """A folder a case, folders at any depth, several folders with the same names."""
    for file in files:
        touch((tmp_path / file).parent, Path(file).name)
    samples, problems = Folder(tmp_path, **options).find()

    assert [sample.id for sample in samples] == ids
    assert problems == []
    for sample in samples:
        assert sample.image.relative_to(tmp_path).as_posix() in files
        assert sample.image != sample.mask


def test_masks_of_one_case_are_united(tmp_path):
    """Each of two masks holds half of the object; the fingerprint counts both files."""
    write_halves(tmp_path)
    source = Folder(tmp_path, image_name="{id}/images/*.png", mask_name="{id}/masks/*.png")
    samples, problems = source.find()
    hashes = {str(path): path.name for sample in samples for path in sample.files}
    changed = hashes | {str(samples[0].more_masks[0]): "another"}

    assert problems == []
    assert [sample.id for sample in samples] == IDS
    for index, sample in enumerate(samples):
        np.testing.assert_array_equal(source.read(sample).mask, pair(index)[1] > 0)
    assert data_fingerprint(source, samples, hashes) != data_fingerprint(source, samples, changed)


def test_united_masks_must_have_one_size(tmp_path):
    """The message names the file that differs."""
    write_halves(tmp_path)
    save(np.zeros((8, 8), np.uint8), tmp_path / "s00/masks/s00-1.png")
    source = Folder(tmp_path, image_name="{id}/images/*.png", mask_name="{id}/masks/*.png")
    with pytest.raises(DataError, match=r"s00-1\.png: sizes differ: mask 8x8, s00-0\.png 32x32"):
        source.read(source.find()[0][0])


PLACES = {
    "files": (
        {"images": "cases/{id}/photo.jpg", "masks": "cases/{id}/lesion.png"},
        {"images": "cases", "image_name": "{id}/photo.jpg", "mask_name": "{id}/lesion.png"},
    ),
    "any depth": (
        {"images": "deep/**/{id}.jpg", "masks": "truth/**/{id}_seg.*"},
        {"image_name": "**/{id}.jpg", "mask_name": "**/{id}_seg.*", "images": "deep"}
        | {"masks": "truth"},
    ),
    "folders": (
        {"images": "parts/{split}/images", "masks": "parts/{split}/masks"},
        {"images": "parts", "image_name": "{split}/images/{id}.*"}
        | {"mask_name": "{split}/masks/{id}.*"},
    ),
    "folders and names": (
        {"images": "parts/*/images", "masks": "truth/**", "mask_name": "{id}_seg.png"},
        {"images": "parts", "masks": "truth", "image_name": "*/images/{id}.*"}
        | {"mask_name": "**/{id}_seg.png"},
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_pattern_in_the_place_of_a_folder(tmp_path, monkeypatch, name):
    """It means the folder before it and a pattern of names: the same pairs."""
    monkeypatch.chdir(tmp_path)
    for number, part in enumerate(("train", "val", "test")):
        touch(tmp_path / f"cases/c{number}", "photo.jpg", "lesion.png")
        touch(tmp_path / f"deep/{'x/' * number}", f"c{number}.jpg")
        touch(tmp_path / f"truth/{'y/' * number}", f"c{number}_seg.png")
        touch(tmp_path / f"parts/{part}/images", f"c{number}.png")
        touch(tmp_path / f"parts/{part}/masks", f"c{number}.png")
    short, long = (
        {k: Path(v) if k[-1] == "s" else v for k, v in one.items()} for one in PLACES[name]
    )
    source, plain = Folder(**short), Folder(**long)
    samples, problems = source.find()

    assert (samples, problems) == plain.find()
    assert source.signature == plain.signature
    assert [sample.id for sample in samples] == ["c0", "c1", "c2"]
    assert problems == []
    assert source.gives_split == (name == "folders")


def test_folder_whose_name_looks_like_a_pattern(tmp_path):
    """What is there counts."""
    touch(tmp_path / "a*b", "x.png", "x_m.png")

    assert found(Folder(tmp_path / "a*b", mask_name="{id}_m.png"))[0] == [("x", "x.png", "x_m.png")]


@pytest.mark.parametrize(
    ("names", "pattern", "masks"),
    [
        (["i1.png", "i1_mask_1.png", "i1_mask_2.png"], "{id}_mask_*.png", [2]),
        (["i_1.png", "i_1_a.png", "i_1_b.png", "i_2.png", "i_2_a.png"], "{id}_*.png", [2, 1]),
        (["i1.jpg", "i1-x.png", "i1-y.png", "i2.jpg", "i2-x.png"], "{id}-*.png", [2, 1]),
    ],
)
def test_masks_beside_their_image_are_united(tmp_path, names, pattern, masks):
    """A star in the name of a mask takes all that begin with the image's own name."""
    touch(tmp_path, *names)
    samples, problems = Folder(tmp_path, mask_name=pattern).find()

    assert problems == []
    assert [1 + len(sample.more_masks) for sample in samples] == masks


def test_groups_may_have_endings_spaces_and_other_case(tmp_path):
    """As a table of files has them."""
    images, masks = (touch(tmp_path / name, "A 1.png", "b.png", "c.png") for name in "im")
    groups = tmp_path / "groups.csv"
    groups.write_text("id,group\na 1.PNG,p1\n b ,p1\nphotos/c.jpg,p2\n")
    samples, problems = Folder(images, masks, groups_file=groups).find()

    assert [sample.group for sample in samples] == ["p1", "p1", "p2"]
    assert problems == []
