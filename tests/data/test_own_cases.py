"""Folders as people have them, one quirk each, through the command that checks them."""

import numpy as np
import pytest
import tifffile
from PIL import Image

IDS = [f"c{index:02d}" for index in range(16)]
WORDS = ("data", "data=folder", "data.images=images", "data.masks=masks", "data.size=32")


def pair(seed, side=48):
    """Return a light image with a dark disc, and the disc as 0 and 1."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:side, :side]
    row, column, radius = 24 + random.integers(-6, 6), 24 + random.integers(-6, 6), 12
    mask = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
    noise = random.integers(-20, 20, (side, side, 3))
    image = np.clip(np.where(mask, 90, 200)[..., None] + noise, 0, 255).astype(np.uint8)
    return image, mask.astype(np.uint8)


def save(path, array):
    """Write an image file; a TIFF gets a page for each item of a stack."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        tifffile.imwrite(path, array, metadata=None)
    else:
        Image.fromarray(array).save(path)


def test_stack(segsweep, tmp_path):
    """Five pages in each file: an error that says so; data.page reads the one that is asked for."""
    for index, name in enumerate(IDS):
        pages = [pair(100 * index + page) for page in range(5)]
        save(tmp_path / f"images/{name}.tif", np.stack([image for image, _ in pages]))
        save(tmp_path / f"masks/{name}.tif", np.stack([mask * 255 for _, mask in pages]))
    code, out, error = segsweep(*WORDS)

    assert (code, out) == (2, "")
    assert error.count("c03.tif: has 5 pages") == 2
    assert "data.page=1 to data.page=5" in error
    code, out, _ = segsweep(*WORDS, "data.page=3")
    shares = [pair(100 * index + 2)[1].mean() for index in range(16)]
    assert code == 0
    assert f"{np.mean(shares):.3f}"[1:] in out


def test_twelve_bit(segsweep, tmp_path):
    """Values up to 4095 in 16 bits: one warning that gives the range; with it there is none."""
    for index, name in enumerate(IDS):
        image, mask = pair(index)
        save(tmp_path / f"images/{name}.tif", image[..., 0].astype(np.uint16) * 16)
        save(tmp_path / f"masks/{name}.png", mask * 255)
    code, out, _ = segsweep(*WORDS)
    warnings = [line for line in out.splitlines() if line.startswith("warning")]

    assert code == 0
    assert len(warnings) == 1
    assert "only 5% of their range" in warnings[0]
    assert "data.range=[0,4095]" in warnings[0]
    code, out, _ = segsweep(*WORDS, "data.range=[0,4095]")
    assert code == 0
    assert "warning" not in out


def test_mixed_labels(segsweep, tmp_path):
    """Six masks hold 255 where 1 is meant: they are named, and no object counts as none."""
    for index, name in enumerate(IDS):
        image, mask = pair(index)
        save(tmp_path / f"images/{name}.png", image)
        save(tmp_path / f"masks/{name}.png", mask * (1 if index % 3 else 255))
    code, out, _ = segsweep(*WORDS, "data.foreground=[1]")
    (warning,) = [line for line in out.splitlines() if line.startswith("warning")]

    assert code == 0
    assert "value 255" in warning
    assert warning.endswith("the object: c00.png, c03.png, c06.png, c09.png, c12.png, c15.png")
    assert "no foreground" not in out
    code, out, _ = segsweep(*WORDS, "data.foreground=[1,255]")
    assert code == 0
    assert "warning" not in out


@pytest.mark.parametrize("value", [1, 255])
def test_no_foreground_anywhere_names_the_values(segsweep, tmp_path, value):
    """If no mask holds the label, the error stands beside the values that there are."""
    for index, name in enumerate(IDS[:4]):
        image, mask = pair(index)
        save(tmp_path / f"images/{name}.png", image)
        save(tmp_path / f"masks/{name}.png", mask * value)
    code, _, error = segsweep(*WORDS, "data.foreground=[7]")

    assert code == 2
    assert "no foreground anywhere" in error
    assert f"value {value}: not selected by data.foreground" in error


def test_long_list_is_whole_in_a_file(segsweep, tmp_path):
    """Of 30 damaged files 20 have a line on the screen; the file that it names has them all."""
    for index in range(30):
        image, mask = pair(index)
        save(tmp_path / f"images/{index:02}.png", image)
        save(tmp_path / f"masks/{index:02}.png", mask * 255)
        (tmp_path / f"images/{index:02}.png").write_bytes(b"")
    code, _, error = segsweep(*WORDS)

    assert code == 2
    assert error.splitlines()[-1] == "all 30 problems, one a line: outputs/.cache/problems.txt"
    text = (tmp_path / "outputs/.cache/problems.txt").read_text()
    assert [f"{index:02}.png: empty file" in text for index in range(30)] == [True] * 30
