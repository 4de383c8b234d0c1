"""Files with several pictures: the page that is asked for, never silently the first."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from fake_data import blob
from segsweep.data.decoding import Decoding
from segsweep.data.foreground import Foreground
from segsweep.data.images import read_sample, to_rgb
from segsweep.data.raster import decode
from segsweep.data.source import Sample
from segsweep.errors import DataError

PAGES = np.random.default_rng(0).integers(0, 256, (5, 21, 30, 3)).astype(np.uint8)
GREY = PAGES[..., 0].copy()
WIDE = PAGES.astype(np.uint16) * 257


def stack(values, **options):
    """Return a writer of a TIFF with a page for each item."""
    options = {"photometric": "rgb" if values.ndim == 4 else "minisblack", **options}
    return lambda path: tifffile.imwrite(path, values, **options)


def frames(values, **options):
    """Return a writer of an animation."""
    first, *more = map(Image.fromarray, values)
    return lambda path: first.save(path, save_all=True, append_images=more, **options)


STACKS = {
    "grey.tif": (stack(GREY, metadata=None), GREY),
    "colour.tif": (stack(PAGES), PAGES),
    "imagej.tif": (stack(GREY, imagej=True), GREY),
    "planes16.tif": (
        stack(np.moveaxis(WIDE, 3, 1), planarconfig="separate"),
        WIDE,
    ),
    "double.tif": (stack(GREY / 255), np.rint(GREY / 255 * 65535)),
    "lzw.tif": (frames(PAGES, compression="tiff_lzw"), PAGES),
    "grey.gif": (frames(GREY), GREY),
    "apng.png": (frames(PAGES), PAGES),
    "colour.webp": (frames(PAGES, lossless=True), PAGES),
}


def rgb(page):
    """Return a page as three channels."""
    return page if page.ndim == 3 else np.stack([page] * 3, axis=2)


@pytest.mark.parametrize("name", STACKS)
def test_page_is_read_and_none_is_the_default(tmp_path, name):
    """Each page comes back as it was written; without a number the file is refused."""
    write, pages = STACKS[name]
    write(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name}: has 5 pages: .*data\.page=1 to data\.page=5"):
        decode(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name}: has 5 pages: there is no data\.page=6"):
        decode(tmp_path / name, Decoding(6))
    for number, page in enumerate(pages, start=1):
        np.testing.assert_array_equal(rgb(page), to_rgb(decode(tmp_path / name, Decoding(number))))


@pytest.mark.parametrize("name", ["grey.tif", "colour.tif", "imagej.tif"])
def test_pages_are_those_of_a_second_reader(tmp_path, name):
    """Page k is what tifffile, which does not read these here, calls page k - 1."""
    STACKS[name][0](tmp_path / name)
    for number in (1, 3, 5):
        other = tifffile.imread(tmp_path / name, key=number - 1)

        np.testing.assert_array_equal(rgb(other), to_rgb(decode(tmp_path / name, Decoding(number))))


def test_smaller_copies_are_no_pages(tmp_path):
    """A pyramid of one picture, and a picture with a thumbnail, read as before."""
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GREY[0], subifds=1)
        file.write(GREY[0, ::2, ::2], subfiletype=1)
        file.write(GREY[0, ::4, ::4], subfiletype=1)
    read = decode(tmp_path / "a.tif")

    assert read.pages == 1
    np.testing.assert_array_equal(GREY[0], read.values)


@pytest.mark.parametrize(
    "options",
    [
        {"truncate": True},
        {"truncate": True, "imagej": True},
        {"volumetric": True, "tile": (1, 16, 16)},
    ],
)
def test_stack_with_one_directory_is_refused(tmp_path, options):
    """Pictures that the file does not list as pages are not lost in silence."""
    tifffile.imwrite(tmp_path / "a.tif", GREY, photometric="minisblack", **options)
    with pytest.raises(DataError, match=r"a\.tif: holds 5 pictures"):
        decode(tmp_path / "a.tif", Decoding(1))


def test_picture_cut_out_of_a_stack_is_one_picture(tmp_path):
    """Programs that save one page keep ImageJ's note on how many the stack had."""
    tifffile.imwrite(tmp_path / "stack.tif", GREY, imagej=True)
    note = tifffile.TiffFile(tmp_path / "stack.tif").pages[0].description
    assert "images=5" in note
    Image.fromarray(GREY[3]).save(tmp_path / "a.tif", tiffinfo={270: note})
    read = decode(tmp_path / "a.tif")

    assert read.pages == 1
    np.testing.assert_array_equal(GREY[3], read.values)


def pair(folder, images, masks):
    """Write a pair of files and return it as a sample."""
    tifffile.imwrite(folder / "i.tif", images, metadata=None)
    tifffile.imwrite(folder / "m.tif", masks, metadata=None)
    return Sample("a", "a", folder / "i.tif", folder / "m.tif")


def test_both_files_of_a_pair_name_their_pages(tmp_path):
    """Two stacks without data.page are one line that names both; with it the pages belong."""
    pairs = [blob(seed) for seed in range(5)]
    images, masks = (np.stack(kind) for kind in zip(*pairs, strict=True))
    sample = pair(tmp_path, images, masks * np.uint8(255))
    with pytest.raises(DataError, match=r"i\.tif: has 5 pages.*; and .*m\.tif: has 5 pages"):
        read_sample(sample, Foreground())
    for number, (image, mask) in enumerate(pairs, start=1):
        pixels = read_sample(sample, Foreground(), Decoding(number))

        np.testing.assert_array_equal(image, pixels.image)
        np.testing.assert_array_equal(mask, pixels.mask)


def test_mask_of_one_page_belongs_to_the_page_of_its_image(tmp_path):
    """A mask is often drawn on one slice only; an image of one page has no second one."""
    mask = GREY[0] > 99
    sample = pair(tmp_path, GREY, mask * np.uint8(255))

    np.testing.assert_array_equal(mask, read_sample(sample, Foreground(), Decoding(4)).mask)
    with pytest.raises(DataError, match=r"i\.tif: has one page: there is no data\.page=4"):
        read_sample(pair(tmp_path, GREY[0], mask * np.uint8(255)), Foreground(), Decoding(4))
