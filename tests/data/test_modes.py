"""How image files store their pixels, told from their heads."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from segsweep.data.modes import is_notable, mode_of, modes_of

SMALL = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def pillow(mode, name="a.png"):
    """Return a function that writes an image of a mode of Pillow's."""
    return lambda folder: Image.new(mode, (4, 4)).save(folder / name)


def tiff(array, **how):
    """Return a function that writes a TIFF."""
    return lambda folder: tifffile.imwrite(folder / "a.tif", array, **how)


WRITERS = {
    "RGB": pillow("RGB"),
    "RGB with alpha": pillow("RGBA"),
    "grey": pillow("L", "a.bmp"),
    "grey with alpha": pillow("LA"),
    "grey 16 bits": pillow("I;16"),
    "grey float": tiff(SMALL[..., 0].astype(np.float32)),
    "1 bit": pillow("1"),
    "palette": pillow("P", "a.gif"),
    "CMYK": pillow("CMYK", "a.jpg"),
    "RGB 16 bits": tiff(SMALL.astype(np.uint16), photometric="rgb"),
    "grey 32 bits": lambda folder: np.save(folder / "a.npy", SMALL[..., 0].astype(np.int32)),
}


@pytest.mark.parametrize("mode", WRITERS)
def test_mode_of_a_file(tmp_path, mode):
    """In words, with the number of bits where it is not 8."""
    WRITERS[mode](tmp_path)
    (path,) = tmp_path.iterdir()

    assert mode_of(path) == mode


def test_files_that_cannot_be_read_are_left_out(tmp_path):
    """The check of all files explains them."""
    pillow("RGB")(tmp_path)
    (tmp_path / "b.png").write_bytes(b"\x89PNG")
    paths = sorted(tmp_path.iterdir())

    assert modes_of([*paths, tmp_path / "none.png", tmp_path]) == {"RGB": 1}


def test_notable_are_mixed_and_unusual_modes():
    """One plain mode needs no word."""
    assert [is_notable(modes_of([])), is_notable({"RGB": 3}), is_notable({"1 bit": 1})] == [
        False
    ] * 3
    assert [is_notable({"RGB": 3, "grey": 1}), is_notable({"palette": 2})] == [True] * 2
