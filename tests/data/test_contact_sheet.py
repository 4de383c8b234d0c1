"""The contact sheet: where thumbnails are, that outlines show, that writing is atomic."""

import numpy as np
import pytest
from PIL import Image

from fake_data import blob
from segsweep.data import contact_sheet as sheet
from segsweep.data.contact_sheet import CAPTION, GAP, INNER, OUTER, contact_sheet, outline


def item(name, shade=0.5, mask=None, shape=(20, 30)):
    """Return a plain image with a mask, empty by default."""
    return name, np.full((*shape, 3), shade), np.zeros(shape, bool) if mask is None else mask


def read(path):
    """Return the sheet's pixels."""
    with Image.open(path) as image:
        return np.array(image)


def drawn(text):
    """Return a mask from a picture in text."""
    return np.array([[character == "#" for character in line] for line in text.split()])


def test_outline_equals_the_one_drawn_by_hand():
    """Inside is the mask's rim, also at the picture's edge; outside touches it by a side."""
    inner, outer = outline(drawn("..... .###. .###. .###. ....."))

    np.testing.assert_array_equal(drawn("..... .###. .#.#. .###. ....."), inner)
    np.testing.assert_array_equal(drawn(".###. #...# #...# #...# .###."), outer)


def test_full_mask_has_a_frame_and_empty_mask_nothing():
    """All-full and all-empty masks look different."""
    full, empty = outline(np.ones((4, 5), bool)), outline(np.zeros((4, 5), bool))

    np.testing.assert_array_equal(drawn("##### #...# #...# #####"), full[0])
    assert not (full[1].any() or empty[0].any() or empty[1].any())


def test_no_outline_beside_ignored_pixels():
    """The mask may go on there; a picture of `i` is ignored."""
    text = "..... .##i. .##i. .iii. ....."
    inner, outer = outline(drawn(text), drawn(text.replace("#", ".").replace("i", "#")))

    np.testing.assert_array_equal(drawn("..... .##.. .#... ..... ....."), inner)
    np.testing.assert_array_equal(drawn(".##.. #.... #.... ..... ....."), outer)


def test_ignored_pixels_are_hatched(tmp_path):
    """In two greys that the image does not have, without a line around."""
    labels = np.zeros((20, 30), np.uint8)
    labels[5:15, 8:22] = 2
    contact_sheet([item("a", 1.0, labels)], tmp_path / "a.png", thumb=60)
    part = read(tmp_path / "a.png")[GAP : GAP + 60, GAP : GAP + 60]
    colours, counts = np.unique(part.reshape(-1, 3), axis=0, return_counts=True)

    assert [tuple(map(int, one)) for one in colours] == [*sheet.LINES, (255, 255, 255)]
    assert counts[:2].sum() == 20 * 28


@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_outline_shows_on_dark_and_on_light(tmp_path, shade):
    """Both tones are on the sheet, so that one of them differs from any background."""
    mask = np.zeros((20, 30), bool)
    mask[5:15, 8:22] = True
    contact_sheet([item("a", shade, mask)], tmp_path / "a.png", thumb=60)
    colours = {tuple(pixel) for row in read(tmp_path / "a.png")[GAP : GAP + 60] for pixel in row}

    assert {INNER, OUTER} <= colours
    assert (round(shade * 255),) * 3 in colours


def test_thumbnails_stand_in_rows_in_order(tmp_path):
    """Seven images in three columns make three rows; each cell's middle has its image's shade."""
    shades = np.linspace(0.1, 0.9, 7)
    shown = contact_sheet(
        (item(f"x{i}", shade) for i, shade in enumerate(shades)),
        tmp_path / "new" / "a.png",
        columns=3,
        thumb=30,
    )
    picture = read(tmp_path / "new" / "a.png")
    width, height = 30 + GAP, 30 + GAP + CAPTION

    assert shown == 7
    assert picture.shape == (3 * height + GAP, 3 * width + GAP, 3)
    for index, shade in enumerate(shades):
        middle = (GAP + index // 3 * height + 15, GAP + index % 3 * width + 15)
        assert abs(picture[middle][0] - shade * 255) <= 1


@pytest.mark.parametrize(
    "name", ["a", "ISIC_0024306_a_very_long_name_indeed", "病変-07", "a\nb", ""]
)
def test_caption_is_drawn_within_its_cell(tmp_path, name):
    """Any id is written below its thumbnail, shortened where it is too long."""
    contact_sheet([item(name), item(name)], tmp_path / "a.png", columns=2, thumb=40)
    below = read(tmp_path / "a.png")[GAP + 40 : GAP + 40 + CAPTION]

    assert (below < 128).any() == bool(name)
    assert (below[:, GAP + 40 : GAP + 40 + GAP] == 255).all()


def test_sides_keep_their_ratio(tmp_path):
    """A tall image is not stretched to a square."""
    contact_sheet([item("a", 0.0, shape=(40, 10))], tmp_path / "a.png", thumb=40)
    dark = (read(tmp_path / "a.png")[GAP : GAP + 40] < 50).all(axis=2)

    assert (dark.any(axis=1).sum(), dark.any(axis=0).sum()) == (40, 10)


def test_grey_images_and_tiny_masks_show(tmp_path):
    """One channel is drawn as grey; a mask far smaller than a thumbnail's pixel is not lost."""
    mask = np.zeros((200, 200), bool)
    mask[100:102, 100:102] = True
    contact_sheet([("a", np.full((200, 200, 1), 0.5), mask)], tmp_path / "a.png", thumb=20)
    cell = read(tmp_path / "a.png")[GAP : GAP + 20, GAP : GAP + 20].reshape(-1, 3).tolist()

    assert [128, 128, 128] in cell
    assert list(INNER) in cell


def test_limits_keep_the_sheet_small(tmp_path, monkeypatch):
    """No more images are drawn, or even read, than the limits on images and pixels allow."""
    asked = []
    items = (asked.append(i) or item(str(i)) for i in range(100))

    assert contact_sheet(items, tmp_path / "a.png", limit=5, thumb=16) == 5
    assert len(asked) == 5
    monkeypatch.setattr(sheet, "MOST_PIXELS", 3 * (16 + GAP) * (16 + GAP + CAPTION))
    assert contact_sheet([item("a")] * 9, tmp_path / "a.png", thumb=16) == 3


def test_failure_leaves_the_old_sheet(tmp_path):
    """If reading fails midway the file that was there stays, and no other appears."""
    contact_sheet([item("a")], tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()

    def breaks():
        yield item("a")
        raise RuntimeError("unreadable")

    with pytest.raises(RuntimeError):
        contact_sheet(breaks(), tmp_path / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == before


@pytest.mark.parametrize("wrong", [{"columns": 0}, {"thumb": 0}, {"limit": -1}])
def test_numbers_are_checked(tmp_path, wrong):
    """Sizes and counts below one are refused."""
    with pytest.raises(ValueError, match="at least 1"):
        contact_sheet([item("a")], tmp_path / "a.png", **wrong)


def test_no_images_is_an_error(tmp_path):
    """Without images there is no sheet."""
    with pytest.raises(ValueError, match="no images to show"):
        contact_sheet([], tmp_path / "a.png")


def test_real_looking_sheet_has_every_outline(tmp_path):
    """Six noisy blobs each get both tones in their own cell."""
    blobs = [(f"IMD{i:03}", blob(i)[0] / 255, blob(i)[1]) for i in range(6)]
    contact_sheet(blobs, tmp_path / "a.png", columns=6, thumb=48)
    picture = read(tmp_path / "a.png")

    for index in range(6):
        cell = picture[:, GAP + index * (48 + GAP) :][:, :48].reshape(-1, 3).tolist()
        assert list(INNER) in cell
        assert list(OUTER) in cell
