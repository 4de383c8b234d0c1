"""Which layout is found in a folder, and what mask files hold."""

from pathlib import Path

import numpy as np
import pytest

from layouts import IDS, pair, part_of, save, write_halves, write_pairs, write_table
from segsweep.data.layouts import find_layout
from segsweep.data.mask_values import foreground_of, looks_like_mask, mask_values, value_lines
from segsweep.errors import DataError

LAYOUTS = {
    "two folders": (lambda n: f"images/{n}.png", lambda n: f"masks/{n}.png", {}),
    "other words": (
        lambda n: f"data/JPEGImages/{n}.jpg",
        lambda n: f"data/SegmentationClass/{n}.png",
        {},
    ),
    "ending of a name": (
        lambda n: f"photos/{n}.jpg",
        lambda n: f"truth/{n}_segmentation.png",
        {"mask_name": "{id}_segmentation.png"},
    ),
    "two endings": (
        lambda n: f"i/{n}_image.png",
        lambda n: f"m/{n}_mask.png",
        {"image_name": "{id}_image.*", "mask_name": "{id}_mask.png"},
    ),
    "one folder": (lambda n: f"{n}.jpg", lambda n: f"{n}_mask.png", {"mask_name": "{id}_mask.*"}),
    "one folder, two words": (
        lambda n: f"{n}-photo.png",
        lambda n: f"{n}-label.png",
        {"image_name": "{id}-photo.*", "mask_name": "{id}-label.*"},
    ),
    "a folder a case": (
        lambda n: f"case {n}/photo.jpg",
        lambda n: f"case {n}/lesion.png",
        {"image_name": "{id}/photo.jpg", "mask_name": "{id}/lesion.png"},
    ),
    "a folder a case, names with the case": (
        lambda n: f"{n}/{n}.png",
        lambda n: f"{n}/{n}_mask.png",
        {"image_name": "{id}/*.png", "mask_name": "{id}/*_mask.png"},
    ),
    "folders in a case": (
        lambda n: f"all/{n}/{n}_scan/{n}.bmp",
        lambda n: f"all/{n}/{n}_lesion/{n}_lesion.bmp",
        {"image_name": "{id}/*_scan/*.bmp", "mask_name": "{id}/*_lesion/*_lesion.bmp"},
    ),
    "parts": (
        lambda n: f"{part_of(n)}/images/{n}.png",
        lambda n: f"{part_of(n)}/masks/{n}.png",
        {"image_name": "{split}/images/{id}.*", "mask_name": "{split}/masks/{id}.*"},
    ),
    "parts inside": (
        lambda n: f"images/{part_of(n)}/{n}.png",
        lambda n: f"masks/{part_of(n)}/{n}.png",
        {"image_name": "{split}/{id}.*", "mask_name": "{split}/{id}.*"},
    ),
    "parts beside each other": (
        lambda n: f"{part_of(n)}/{n}.png",
        lambda n: f"{part_of(n)}annot/{n}.png",
        {"image_name": "{split}/{id}.*", "mask_name": "{split}annot/{id}.*"},
    ),
    "parts in names of folders": (
        lambda n: f"images_{part_of(n)}/{n}.png",
        lambda n: f"masks_{part_of(n)}/{n}.png",
        {"image_name": "images_{split}/{id}.*", "mask_name": "masks_{split}/{id}.*"},
    ),
    "sites": (
        lambda n: f"site{int(n[1:]) // 1}/images/a.png",
        lambda n: f"site{int(n[1:]) // 1}/masks/a.png",
        {"image_name": "{id}/images/a.png", "mask_name": "{id}/masks/a.png"},
    ),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts_are_found(tmp_path, name):
    """All pairs, each image with its own mask, and nothing left over."""
    image, mask, patterns = LAYOUTS[name]
    write_pairs(tmp_path, image, mask)
    layout = find_layout([tmp_path])
    given = {k: v for k, v in layout.arguments.items() if k not in ("images", "masks")}
    pairs = {(one.image, one.mask) for one in layout.samples}

    assert given == patterns
    assert pairs == {(tmp_path / image(one), tmp_path / mask(one)) for one in IDS}
    assert not layout.left_over


def test_parts_are_those_of_the_folders(tmp_path):
    """train, val and test; other names for them are understood."""
    calls = {"train": "Training", "val": "valid", "test": "test"}
    write_pairs(
        tmp_path,
        lambda n: f"{calls[part_of(n)]}/images/{n}.png",
        lambda n: f"{calls[part_of(n)]}/masks/{n}.png",
    )
    layout = find_layout([tmp_path])

    assert [sample.part for sample in layout.samples] == [part_of(name) for name in IDS]


def test_several_folders_with_the_same_names(tmp_path):
    """Images 0.png to 11.png in each; they are not taken for the masks of each other."""
    for place in ("north", "south"):
        write_pairs(
            tmp_path / place,
            lambda n: f"images/{int(n[1:])}.png",
            lambda n: f"masks/{int(n[1:])}.png",
        )
    layout = find_layout([tmp_path])
    moved = {one.image: Path(str(one.image).replace("images", "masks")) for one in layout.samples}

    assert layout.arguments["image_name"] == "{folder}/images/{id}.*"
    assert len(layout.samples) == len({one.id for one in layout.samples}) == 2 * len(IDS)
    assert moved == {one.image: one.mask for one in layout.samples}


def test_masks_with_any_names_are_united(tmp_path):
    """As in data sets of nuclei, where each object's file has a name of its own."""
    for index, name in enumerate(IDS[:6]):
        image, mask = pair(index)
        save(image, tmp_path / name / "images" / f"{name}.png")
        for part in range(3):
            save(mask, tmp_path / name / "masks" / f"{7 * index + part:03x}{'abc'[part]}q.png")
    layout = find_layout([tmp_path])

    assert layout.arguments["mask_name"] == "{id}/masks/*.png"
    assert [len(sample.files) for sample in layout.samples] == [4] * 6


def test_masks_of_a_case_are_united(tmp_path):
    """Two files a case, one image."""
    layout = find_layout([write_halves(tmp_path)])

    assert layout.arguments["mask_name"] == "{id}/masks/*.png"
    assert [len(sample.files) for sample in layout.samples] == [3] * len(IDS)


def test_table_in_the_folder_decides(tmp_path):
    """It says more than names do: groups and parts."""
    write_pairs(tmp_path)
    rows = [
        {
            "Image": f"images/{n}.png",
            "mask": f"masks/{n}.png",
            "split": part_of(n),
            "patient": n[:2],
        }
        for n in IDS
    ]
    table = write_table(tmp_path / "list.csv", rows)
    for place in (tmp_path, table):
        layout = find_layout([place])

        assert layout.option == "pairs"
        assert layout.arguments["image_column"] == "Image"
        assert layout.arguments["group_column"] == "patient"
        assert [sample.part for sample in layout.samples] == [part_of(name) for name in IDS]


def test_exchanged_folders_are_noticed(tmp_path):
    """By what the files look like."""
    write_pairs(tmp_path)
    right = find_layout([tmp_path / "images", tmp_path / "masks"])
    wrong = find_layout([tmp_path / "masks", tmp_path / "images"])

    assert not right.exchanged
    assert wrong.exchanged
    assert wrong.arguments == right.arguments


def test_names_that_say_nothing_are_told_apart_by_pixels(tmp_path):
    """Folders a and b: the one with few values holds the masks."""
    write_pairs(tmp_path, lambda n: f"b/{n}.png", lambda n: f"a/{n}.png")

    assert find_layout([tmp_path]).arguments["images"] == str(tmp_path / "b")


def test_left_over_files_are_listed(tmp_path):
    """Halves without a partner, and pictures that belong to nothing."""
    write_pairs(tmp_path)
    (tmp_path / "masks/s03.png").unlink()
    save(pair(0)[0], tmp_path / "logo.png")
    layout = find_layout([tmp_path])

    assert len(layout.samples) == len(IDS) - 1
    assert {Path(name).name for name in layout.left_over} == {"logo.png", "s03.png"}


def test_nothing_to_find_is_one_line(tmp_path):
    """No images, images without masks, a table without the columns."""
    (tmp_path / "empty").mkdir()
    save(pair(0)[0], tmp_path / "lone/a.png")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    for place in ("empty", "lone", "t.csv"):
        with pytest.raises(DataError, match=r"no images in it|no pairs|no table") as caught:
            find_layout([tmp_path / place])

        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sets", "labels", "ignored"),
    [
        ([[0, 255]], None, None),
        ([[0, 1]], [1], None),
        ([[0, 1], [0, 255]], [1, 255], None),
        ([[0, 1, 2, 7]], [1, 2, 7], None),
        ([[0, 1, 2, 255], [0, 1]], [1, 2], [255]),
        ([[0, 1, 255]], [1], [255]),
        ([[0, 1, 255], [0, 255]], [1], None),
        ([[0, 1, 200, 255]], [1, 200, 255], None),
        ([[0, 5, 15, 255], [0, 7]], [5, 7, 15], [255]),
        ([[0, 50, 255]], [50, 255], None),
        ([[0, 90, 170, 255]], [90, 170, 255], None),
        ([[0], [0, 255]], None, None),
        ([list(range(0, 250, 5))], None, None),
    ],
)
def test_foreground_follows_from_the_values(tmp_path, sets, labels, ignored):
    """Half of the range where that is clear, else every value but 0, and but a border of 255.

    That is ignored where it stands beside a label in every file.
    """
    for index, values in enumerate(sets):
        drawn = np.resize(np.array(values, np.uint8), (16, 16))
        save(drawn, tmp_path / f"{index}.png")
    found = mask_values(sorted(tmp_path.glob("*.png")))

    choice = foreground_of(found)
    assert (choice.keys or {}).get("foreground") == labels
    assert (choice.keys or {}).get("ignore") == ignored
    assert ("taken as ignored" in choice.why) == (ignored is not None)
    assert sum(found.files.values()) + found.grey == len(sets)


def coloured(path, colours, alpha=None):
    """Write a mask: a border and stripes of the first colour, the other colours between them."""
    drawn = np.zeros((16, 16, 3 if alpha is None else 4), np.uint8)
    drawn[..., :3] = colours[0]
    for place, colour in enumerate(colours[1:], 1):
        drawn[4 * place - 3 : 4 * place - 1, 2:14, :3] = colour
    if alpha is not None:
        drawn[..., 3] = alpha
    save(drawn, path)


BLACK, WHITE, RED, BLUE = [0, 0, 0], [255, 255, 255], [200, 0, 10], [0, 0, 130]


@pytest.mark.parametrize(
    ("masks", "keys"),
    [
        ([[BLACK, RED]], {"foreground_color": RED}),
        ([[RED, BLACK]], {"foreground_color": RED}),
        ([[WHITE, BLUE]], {"foreground_color": BLUE}),
        ([[BLACK, RED], [BLACK], [BLACK, RED]], {"foreground_color": RED}),
        ([[BLACK, WHITE]], {}),
        ([[BLACK, RED, BLUE]], None),
        ([[BLACK, RED], [BLACK, BLUE]], None),
        ([[WHITE, RED, BLUE]], None),
    ],
)
def test_colour_of_the_object(tmp_path, masks, keys):
    """The one that is not the background: black, or what is most frequent at the borders."""
    for number, colours in enumerate(masks):
        coloured(tmp_path / f"{number}.png", colours)
    found = mask_values(sorted(tmp_path.glob("*.png")))
    choice = foreground_of(found)

    assert choice.keys == keys
    assert bool(choice.examples) == (keys is None)
    if len(masks) == 3:
        assert [*value_lines(found)] == ["[0,0,0]     3 files", "[200,0,10]  2 files"]


def test_masks_in_the_alpha_channel(tmp_path):
    """Where nothing else varies; an empty one beside them says nothing else."""
    disc = pair(0)[1][::2, ::2]
    coloured(tmp_path / "a.png", [WHITE], disc)
    coloured(tmp_path / "b.png", [WHITE], 0)
    found = mask_values(sorted(tmp_path.glob("*.png")))

    assert foreground_of(found).keys == {"foreground": "alpha"}
    assert looks_like_mask(tmp_path / "a.png")
    coloured(tmp_path / "c.png", [BLACK, WHITE], 255)
    assert foreground_of(mask_values(sorted(tmp_path.glob("*.png")))).keys is None


def test_other_masks_of_the_same_images_are_named(tmp_path):
    """As of the field of view beside those of vessels; what the user names is taken."""
    write_pairs(tmp_path)
    for index, name in enumerate(IDS[:9]):
        save(255 - pair(index)[1], tmp_path / f"view/{name}_view.png")
    layout = find_layout([tmp_path])
    (other,) = layout.others
    named = find_layout([tmp_path], other.arguments)

    assert other.arguments["mask_name"] == "{id}_view.png"
    assert (len(layout.samples), len(other.samples)) == (12, 9)
    assert named.arguments == other.arguments
    assert {one.mask.parent.name for one in named.samples} == {"view"}


def test_other_kinds_of_files_are_named(tmp_path):
    """Where masks are stored in files that are no images."""
    for name in IDS:
        save(pair(0)[0], tmp_path / f"image/{name}.png")
        (tmp_path / f"image/{name}.mat").touch()
    with pytest.raises(DataError, match=r"12 image files \(files of other kinds: 12 \.mat\); name"):
        find_layout([tmp_path])


def test_images_with_their_masks_in_alpha(tmp_path):
    """A folder of such images alone."""
    for index, name in enumerate(IDS[:4]):
        image, mask = pair(index)
        save(np.dstack([image, mask]), tmp_path / f"{name}.png")
    layout = find_layout([tmp_path])

    assert layout.arguments == {"images": str(tmp_path), "foreground": "alpha"}
    assert [one.image for one in layout.samples] == [one.mask for one in layout.samples]


def write_objects(root, image, mask, parts=2):
    """Write images, and masks that hold a stripe each of their object."""
    for index, name in enumerate(IDS):
        pixels, drawn = pair(index)
        save(pixels, root / image(name))
        for number, rows in enumerate(np.array_split(np.arange(32), parts)):
            piece = np.zeros_like(drawn)
            piece[rows] = drawn[rows]
            save(piece, root / mask(name, number))


@pytest.mark.parametrize(
    ("image", "mask", "pattern"),
    [
        (lambda n: f"{n}.png", lambda n, k: f"{n}_mask_{k + 1}.png", "{id}_mask_*.*"),
        (lambda n: f"{n}.jpg", lambda n, k: f"{n}_{n[::-1]}{'xyz'[k]}.png", "{id}_*.*"),
        (lambda n: f"a_{n[1:]}.png", lambda n, k: f"a_{n[1:]}_{k}.png", "{id}_*.*"),
        (lambda n: f"images/{n}.png", lambda n, k: f"masks/{n}_{k}.png", "{id}_*.png"),
        (lambda n: f"images/{n}.png", lambda n, k: f"masks/{n}-{'xyz'[k]}.png", "{id}-*.png"),
    ],
)
def test_masks_in_one_flat_folder_are_united(tmp_path, image, mask, pattern):
    """Numbered, or called in any way, beside their images or in a folder of their own."""
    write_objects(tmp_path, image, mask, 3)
    layout = find_layout([tmp_path])

    assert layout.arguments["mask_name"] == pattern
    assert [len(sample.files) for sample in layout.samples] == [4] * len(IDS)
    assert not layout.left_over


def test_masks_by_two_people_are_not_united(tmp_path):
    """They mark the same; those of one person are taken, the others are left over."""
    for index, name in enumerate(IDS):
        image, mask = pair(index)
        save(image, tmp_path / f"{name}.jpg")
        for person in (1, 2):
            save(mask, tmp_path / f"{name}_{person}.png")
    layout = find_layout([tmp_path])

    assert layout.arguments["mask_name"] in ("{id}_1.*", "{id}_2.*")
    assert len(layout.left_over) == len(IDS)


def test_masks_and_photographs_look_different(tmp_path):
    """A mask stored as JPEG still looks like one."""
    image, mask = pair(1)
    for name, array in (("i.png", image), ("m.png", mask), ("i.jpg", image), ("m.jpg", mask)):
        save(array, tmp_path / name)

    assert [looks_like_mask(tmp_path / name) for name in ("m.png", "m.jpg")] == [True, True]
    assert [looks_like_mask(tmp_path / name) for name in ("i.png", "i.jpg")] == [False, False]
