"""Every format is really written, then read back against the array it was written from."""

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from fake_data import png, write_bmp16, write_lzw16, write_png16
from segsweep.data.foreground import Foreground
from segsweep.data.images import (
    image_files,
    read_mask,
    read_sample,
    to_rgb,
    without_copies,
)
from segsweep.data.raster import decode
from segsweep.data.source import Sample
from segsweep.errors import DataError

RANDOM = np.random.default_rng(0)
COLOUR = RANDOM.integers(0, 256, (21, 30, 4)).astype(np.uint8)  # tall and wide enough for tiles
WIDE = RANDOM.integers(0, 65536, (21, 30, 4)).astype(np.uint16)
INDICES = RANDOM.integers(0, 7, (21, 30)).astype(np.uint8)
PALETTE = np.array(
    [[0, 0, 0], [255, 0, 0], [0, 255, 0], [9, 99, 199], [1, 2, 3], [50] * 3, [7] * 3]
)
BITS = INDICES > 3
HALF = Foreground()


def three(grey):
    """Return grey as three equal channels."""
    return np.stack([grey] * 3, axis=2)


def palette_image():
    """Return INDICES coloured by PALETTE."""
    image = Image.fromarray(INDICES)
    image.putpalette(PALETTE.astype(np.uint8).tobytes())
    return image


def tiff(path, pixels, **options):
    """Write an array with tifffile, which knows layouts that Pillow does not."""
    options = {"photometric": "rgb" if pixels.ndim == 3 else "minisblack"} | options
    tifffile.imwrite(path, pixels, **options)


def save(picture, **options):
    """Return a writer for a Pillow image or an array."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    return lambda path: image.save(path, **options)


def array(values):
    """Return a writer of an array file."""
    return lambda path: np.save(path, values)


ALPHA = np.dstack([COLOUR[..., :1], COLOUR[..., 3:]])
LOSSLESS = {
    "1-bit.png": (save(BITS), three(BITS * np.uint8(255))),
    "grey.png": (save(COLOUR[..., 0]), three(COLOUR[..., 0])),
    "grey alpha.png": (save(ALPHA), three(COLOUR[..., 0])),
    "rgb.png": (save(COLOUR[..., :3]), COLOUR[..., :3]),
    "rgba.png": (save(COLOUR), COLOUR[..., :3]),
    "palette.png": (save(palette_image()), PALETTE[INDICES]),
    "see-through colour.png": (save(palette_image(), transparency=2), PALETTE[INDICES]),
    "see-through colours.png": (
        save(palette_image(), transparency=bytes([0, 9, 99])),
        PALETTE[INDICES],
    ),
    "grey16.png": (save(WIDE[..., 0]), three(WIDE[..., 0])),
    "grey16 alpha.png": (lambda path: write_png16(path, WIDE[..., :2]), three(WIDE[..., 0])),
    "rgb16.png": (lambda path: write_png16(path, WIDE[..., :3]), WIDE[..., :3]),
    "rgba16.png": (lambda path: write_png16(path, WIDE), WIDE[..., :3]),
    "1-bit.bmp": (save(BITS), three(BITS * np.uint8(255))),
    "grey.bmp": (save(COLOUR[..., 0]), three(COLOUR[..., 0])),
    "palette.bmp": (save(palette_image()), PALETTE[INDICES]),
    "rgb.bmp": (save(COLOUR[..., :3]), COLOUR[..., :3]),
    "rgba.bmp": (save(COLOUR), COLOUR[..., :3]),
    "grey.gif": (save(COLOUR[..., 0]), three(COLOUR[..., 0])),
    "palette.gif": (save(palette_image()), PALETTE[INDICES]),
    "see-through.gif": (save(palette_image(), transparency=1), PALETTE[INDICES]),
    "grey.webp": (save(COLOUR[..., 0], lossless=True), three(COLOUR[..., 0])),
    "rgb.webp": (save(COLOUR[..., :3], lossless=True), COLOUR[..., :3]),
    "rgba.webp": (save(COLOUR, lossless=True, exact=True), COLOUR[..., :3]),
    "bool.npy": (array(BITS), three(BITS * np.uint8(255))),
    "grey.npy": (array(COLOUR[..., 0]), three(COLOUR[..., 0])),
    "one channel.npy": (array(COLOUR[..., :1]), three(COLOUR[..., 0])),
    "rgb.npy": (array(COLOUR[..., :3]), COLOUR[..., :3]),
    "rgba.npy": (array(COLOUR), COLOUR[..., :3]),
    "by columns.npy": (array(np.asfortranarray(COLOUR[..., :3])), COLOUR[..., :3]),
    "rgb16.npy": (array(WIDE[..., :3].astype(">u2")), WIDE[..., :3]),
    "int64.npy": (array(WIDE[..., 0].astype(np.int64)), three(WIDE[..., 0])),
    "float.npy": (array(np.float32(WIDE[..., :3] / 65535)), WIDE[..., :3]),
    "fax.tif": (save(BITS, compression="group4"), three(BITS * np.uint8(255))),
    "rgb16 lzw.tif": (lambda path: write_lzw16(path, WIDE[..., :3], False), WIDE[..., :3]),
    "rgb16 lzw predictor.tif": (lambda path: write_lzw16(path, WIDE[..., :3], True), WIDE[..., :3]),
    "white is zero.tif": (
        lambda path: tiff(path, WIDE[..., 0], photometric="miniswhite"),
        three(65535 - WIDE[..., 0]),
    ),
    "int32.tif": (
        lambda path: tiff(path, WIDE[..., 0].astype(np.int32)),
        three(WIDE[..., 0]),
    ),
    "float.tif": (lambda path: tiff(path, np.float32(WIDE[..., 0] / 65535)), three(WIDE[..., 0])),
    "double.tif": (lambda path: tiff(path, WIDE[..., 0] / 65535), three(WIDE[..., 0])),
}
for compression in (None, "tiff_lzw", "tiff_adobe_deflate"):
    for kind, picture, truth in (
        ("1-bit", BITS, three(BITS * np.uint8(255))),
        ("grey", COLOUR[..., 0], three(COLOUR[..., 0])),
        ("grey16", WIDE[..., 0], three(WIDE[..., 0])),
        ("rgb", COLOUR[..., :3], COLOUR[..., :3]),
        ("rgba", COLOUR, COLOUR[..., :3]),
        ("palette", palette_image(), PALETTE[INDICES]),
    ):
        LOSSLESS[f"{kind} {compression}.tif"] = (save(picture, compression=compression), truth)
for order in "<>":
    for tile in (None, (16, 16)):
        for planes in ("contig", "separate"):
            for squeeze in (None, "zlib"):
                stored = WIDE[..., :3] if planes == "contig" else np.moveaxis(WIDE[..., :3], 2, 0)
                LOSSLESS[f"rgb16 {order} {tile} {planes} {squeeze}.tif"] = (
                    lambda path, pixels=stored, o=order, t=tile, p=planes, s=squeeze: tiff(
                        path, pixels, byteorder=o, tile=t, planarconfig=p, compression=s
                    ),
                    WIDE[..., :3],
                )


def read_image(path):
    """Return an image file as (H, W, 3)."""
    return to_rgb(decode(path))


@pytest.fixture(autouse=True)
def no_warning_leaks():
    """Whatever a file does, the caller sees no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_come_back_exactly(tmp_path, name):
    """Each lossless format in each depth and colour kind is what was written, alpha dropped."""
    write, truth = LOSSLESS[name]
    write(tmp_path / name)
    read = read_image(tmp_path / name)

    assert read.dtype == (np.uint16 if truth.dtype == np.uint16 else np.uint8)
    np.testing.assert_array_equal(truth, read)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_jpg_comes_back_nearly(tmp_path, mode, options):
    """A smooth picture survives jpg within the loss of the format, CMYK included."""
    ramp = np.add.outer(np.arange(40), np.arange(60) * 2)
    truth = np.stack([ramp, ramp[::-1], 255 - ramp], axis=2).astype(np.uint8)
    if mode == "L":
        truth = three(truth[..., 0])
    Image.fromarray(truth).convert(mode).save(tmp_path / "a.jpg", quality=98, **options)

    np.testing.assert_allclose(truth, read_image(tmp_path / "a.jpg").astype(int), atol=6)


def test_sixteen_bit_bmp_comes_back_within_five_bits(tmp_path):
    """A 16-bit BMP holds five bits a channel and reads as 8 bits."""
    write_bmp16(tmp_path / "a.bmp", COLOUR[:, :29, :3])
    read = read_image(tmp_path / "a.bmp")

    np.testing.assert_allclose(COLOUR[:, :29, :3].astype(int), read.astype(int), atol=8)


def test_only_image_names_are_listed_in_order(tmp_path):
    """Endings count in any case; hidden files, resource forks and system litter do not."""
    for name in ("b.PNG", "a.tiff", "._a.tiff", ".c.png", "Thumbs.db", "desktop.ini", "n.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()

    assert [path.name for path in image_files(tmp_path)] == ["a.tiff", "b.PNG"]


def test_copies_with_the_later_endings_are_left_out():
    """An array or a webp beside an image of the same name is no second image of that name."""
    names = ["a.jpg", "a.npy", "a.webp", "b.npy", "c.tif", "d.webp", "e.jpg", "e.png"]
    kept = without_copies([Path(name) for name in names])

    assert [path.name for path in kept] == ["a.jpg", "b.npy", "c.tif", "d.webp", "e.jpg", "e.png"]


# Where the stored top-left and top-right corners are shown, from the words of the EXIF standard:
# "the 0th row is at the visual ..., the 0th column at the visual ...".
SHOWN = {
    1: ("top left", "top right"),
    2: ("top right", "top left"),
    3: ("bottom right", "bottom left"),
    4: ("bottom left", "bottom right"),
    5: ("top left", "bottom left"),
    6: ("top right", "bottom right"),
    7: ("bottom right", "top right"),
    8: ("bottom left", "top left"),
}
CORNER = {
    "top left": (0, 0),
    "top right": (0, -1),
    "bottom left": (-1, 0),
    "bottom right": (-1, -1),
}


def corners(height=16, width=24):
    """Return a picture whose top-left quarter is white and top-right quarter is grey."""
    picture = np.zeros((height, width), np.uint8)
    picture[: height // 2, : width // 2] = 255
    picture[: height // 2, width // 2 :] = 120
    return picture


def tagged(orientation):
    """Return the tag block of a camera held that way."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("orientation", SHOWN)
@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "lzw.tif", "rgb16.tif"])
def test_orientation_tag_turns_the_image(tmp_path, suffix, orientation):
    """The corners are shown where the standard's table puts them, in each format with tags."""
    path = tmp_path / f"a.{suffix}"
    if suffix == "rgb16.tif":
        tiff(path, three(corners().astype(np.uint16)), extratags=[(274, 3, 1, orientation, True)])
    elif suffix.endswith("tif"):
        compression = "tiff_lzw" if "lzw" in suffix else None
        tags = {274: orientation}
        Image.fromarray(corners()).save(path, compression=compression, tiffinfo=tags)
    else:
        Image.fromarray(corners()).save(path, exif=tagged(orientation), quality=100)
    read = read_image(path)[..., 0].astype(int)

    assert ((24, 16) if orientation >= 5 else (16, 24)) == read.shape
    white, grey = SHOWN[orientation]
    assert abs(read[CORNER[white]] - 255) < 4
    assert abs(read[CORNER[grey]] - 120) < 4


def pair(folder, image_tag, mask, mask_tag=None):
    """Write a tagged jpg and a mask, and read both."""
    Image.fromarray(corners()).save(folder / "a.jpg", exif=tagged(image_tag), quality=100)
    options = {} if mask_tag is None else {"exif": tagged(mask_tag)}
    Image.fromarray(mask).save(folder / "m.png", **options)
    return read_sample(Sample("a", "a", folder / "a.jpg", folder / "m.png"), HALF)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_mask_on_stored_pixels_is_turned_with_its_image(tmp_path, orientation):
    """A mask without a tag, drawn on the stored pixels, still covers the white quarter."""
    pixels = pair(tmp_path, orientation, corners() > 200)

    np.testing.assert_array_equal(pixels.image[..., 0] > 200, pixels.mask)


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_mask_on_shown_image_stays(tmp_path, orientation):
    """Of quarter turns the sizes tell that a mask was drawn on the shown image."""
    Image.fromarray(corners()).save(tmp_path / "b.jpg", exif=tagged(orientation), quality=100)
    shown = read_image(tmp_path / "b.jpg")[..., 0] > 200
    pixels = pair(tmp_path, orientation, shown)

    np.testing.assert_array_equal(shown, pixels.mask)
    np.testing.assert_array_equal(pixels.image[..., 0] > 200, pixels.mask)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_mask_with_a_tag_is_turned_by_its_own(tmp_path, orientation):
    """A mask saved with the camera's tag is turned once, not twice."""
    pixels = pair(tmp_path, orientation, corners() > 200, orientation)

    np.testing.assert_array_equal(pixels.image[..., 0] > 200, pixels.mask)


def test_mask_that_fits_neither_way_is_refused(tmp_path):
    """The message names the mask, its size, and both sizes the image can have."""
    with pytest.raises(DataError, match=r"m\.png: sizes differ: .*10x11.*16x24.*24x16"):
        pair(tmp_path, 6, np.ones((10, 11), bool))


def test_broken_exif_does_not_spoil_the_pixels(tmp_path):
    """A tag block of nonsense is ignored."""
    Image.fromarray(corners()).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0nonsense")

    assert read_image(tmp_path / "a.jpg").shape == (16, 24, 3)


def mask_of(folder, picture, foreground="half", invert=False, name="m.png"):
    """Write a mask and return it and whether it is grey, read back by the rule."""
    image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
    image.save(folder / name)
    found = read_mask(folder / name, Foreground.of(foreground, invert))
    return found.mask, found.grey


U8, U16 = np.uint8, np.uint16


@pytest.mark.parametrize(
    ("stored", "foreground", "expected", "grey"),
    [
        (np.array([[False, True, True]]), "half", [0, 1, 1], False),
        (np.array([[0, 127, 128, 255]], U8), "half", [0, 0, 1, 1], True),
        (np.array([[0, 255, 255]], U8), "half", [0, 1, 1], False),
        (np.array([[0, 32767, 32768, 65535]], U16), "half", [0, 0, 1, 1], True),
        (np.array([[0, 0, 0]], U8), "half", [0, 0, 0], False),
        (np.array([[0, 1, 2, 3]], U8), [1, 3], [0, 1, 0, 1], False),
        (np.array([[0, 1, 2, 3]], U8), [0], [1, 0, 0, 0], False),
        (np.array([[0, 300, 700]], U16), [700], [0, 0, 1], False),
        (np.array([[False, True]]), [1], [0, 1], False),
        (np.array([[False, True]]), [255], [0, 1], False),
        (np.array([[False, True]]), [0], [1, 0], False),
        (three(np.array([[0, 9, 200]], U8)), [9], [0, 1, 0], False),
    ],
)
@pytest.mark.parametrize("invert", [False, True])
def test_foreground_rule_equals_hand_count(tmp_path, stored, foreground, expected, grey, invert):
    """Half means half of the file's own range and may be grey; labels mean the stored values."""
    mask, is_grey = mask_of(tmp_path, stored, foreground, invert)

    np.testing.assert_array_equal([[bool(value) != invert for value in expected]], mask)
    assert grey == is_grey


def test_palette_mask_by_colour_and_by_index(tmp_path):
    """Half looks at the colours' luminance, labels at the indices, with any palette order."""
    image = Image.fromarray(np.array([[0, 1, 2]], U8))
    image.putpalette([255, 255, 255, 0, 0, 255, 255, 255, 0])  # white, blue, yellow
    for suffix in ("png", "gif", "bmp", "tif"):
        by_colour = mask_of(tmp_path, image, "half", name=f"a.{suffix}")
        by_index = mask_of(tmp_path, image, [1, 2], name=f"b.{suffix}")

        assert by_colour[0].tolist() == [[True, False, True]]
        assert by_index[0].tolist() == [[False, True, True]]


@pytest.mark.parametrize("top", [1.0, 0.6])
def test_float_mask_is_cut_at_one_half(tmp_path, top):
    """A float mask's range is 0 to 1."""
    tifffile.imwrite(tmp_path / "m.tif", np.array([[0, 0.5, top]], np.float32))
    mask = read_mask(tmp_path / "m.tif", HALF).mask

    assert mask.tolist() == [[False, False, True]]


@pytest.mark.parametrize(
    ("stored", "advice"),
    [
        (np.array([[0, 1, 1]], U8), r"values 0 1 .*data\.foreground=\[1\]"),
        (np.array([[1, 2, 3]], U8), r"values 1 2 3 .*data\.foreground=\[3\]"),
        (np.array([[0, 255]], U16), r"values 0 255 .*data\.foreground=\[255\]"),
        (np.array([[[0, 0, 0], [255, 0, 0]]], U8), r"colours lie below; .*color=\[255,0,0\]"),
    ],
)
@pytest.mark.parametrize("invert", [False, True])
def test_mask_that_half_cannot_see_is_refused(tmp_path, stored, advice, invert):
    """Numbered labels and dark colours are not taken for an empty mask; one line says so."""
    with pytest.raises(DataError, match=rf"m\.png: nothing is above half.*{advice}") as caught:
        mask_of(tmp_path, stored, "half", invert)

    assert "\n" not in str(caught.value)


def test_dark_palette_mask_is_refused_with_its_index(tmp_path):
    """PASCAL's dark red on black asks for the palette index."""
    image = Image.fromarray(np.array([[0, 1]], U8))
    image.putpalette([0, 0, 0, 128, 0, 0])
    with pytest.raises(DataError, match=r"data\.foreground=\[1\]"):
        mask_of(tmp_path, image)


def test_labels_of_a_colour_mask_are_refused(tmp_path):
    """Label values mean nothing where the three channels differ."""
    with pytest.raises(DataError, match=r"m\.png: a colour mask has no label values"):
        mask_of(tmp_path, COLOUR[..., :3], [1])


@pytest.mark.parametrize("foreground", ["white", 1, [], [True], [-1], [70000], [0.5]])
def test_foreground_values_are_checked(foreground):
    """Anything but a rule is refused, with the value given."""
    with pytest.raises(ValueError, match=r"foreground.*got"):
        Foreground.of(foreground)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "lzw.tif", "gif", "webp"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_truncated_file_is_an_error(tmp_path, suffix, share):
    """A file cut short anywhere is refused with its name in one line."""
    path = tmp_path / f"a.{suffix}"
    options = {"compression": "tiff_lzw"} if suffix == "lzw.tif" else {}
    Image.fromarray(COLOUR[..., :3]).save(path, **options)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(
        DataError, match=r"a\.[a-z.]+: (truncated or damaged|not an image)"
    ) as caught:
        read_image(path)

    assert "\n" not in str(caught.value)


def test_png_without_its_end_is_an_error(tmp_path):
    """Also where all pixels happen to be there, a PNG that lost its end is truncated."""
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-1])
    with pytest.raises(DataError, match="truncated"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty file"),
        (b"not a picture", "not an image"),
        (b"II*\0garbage", "not an image|truncated or damaged"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"),
    ],
)
def test_file_that_is_no_image_is_an_error(tmp_path, content, message):
    """An empty file, text, rubbish and PostScript under an image's name are told apart."""
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.png: ({message})"):
        read_image(tmp_path / "a.png")


@pytest.mark.parametrize("name", ["absent.png", "folder.png"])
def test_path_that_cannot_be_opened_is_an_error(tmp_path, name):
    """A missing file and a folder are named with the system's reason."""
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(DataError, match=rf"{name}: cannot be opened: (No such|Is a)"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_decompression_bomb_is_an_error(tmp_path, side):
    """A small file that claims a huge picture is refused before it is unpacked, unwarned."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(png(header, zlib.compress(b"\0" * 100)))
    with pytest.raises(DataError, match=r"a\.png: decompression bomb"):
        read_image(tmp_path / "a.png")


def test_decompression_bomb_in_a_tiff_pillow_does_not_know(tmp_path, monkeypatch):
    """The limit holds for what tifffile reads too."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 9)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 80)
    with pytest.raises(DataError, match="decompression bomb"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "pixels",
    [np.array([[0.0, 255.0]]), np.array([[0.0, np.nan]]), np.array([[-1, 5]], np.int32)],
)
def test_values_of_unknown_range_are_refused(tmp_path, pixels):
    """Floats beyond [0, 1] and negative numbers have no known white."""
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    with pytest.raises(DataError, match=r"a\.tif: values out of range"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("pixels", "options"),
    [
        (WIDE, {"extrasamples": ["assocalpha"]}),  # colours multiplied by alpha
        (np.zeros((9, 9, 5), np.uint8), {"photometric": "minisblack", "planarconfig": "contig"}),
        (np.zeros((9, 9), np.complex64), {}),
    ],
)
def test_exotic_tiff_is_refused(tmp_path, pixels, options):
    """What has no plain meaning as grey or colour is not guessed at."""
    tiff(tmp_path / "a.tif", pixels, **options)
    with pytest.raises(DataError, match=r"a\.tif: (unsupported kind of TIFF|values out)"):
        read_image(tmp_path / "a.tif")


def test_both_files_of_a_broken_pair_are_named(tmp_path):
    """An unreadable image does not hide that its mask is unreadable too."""
    (tmp_path / "a.png").touch()
    (tmp_path / "m.png").touch()
    with pytest.raises(DataError, match=r"a\.png: empty file.*; and .*m\.png: empty file"):
        read_sample(Sample("a", "a", tmp_path / "a.png", tmp_path / "m.png"), HALF)
    Image.fromarray(corners()).save(tmp_path / "m.png")
    with pytest.raises(
        DataError, match=r"a\.png: empty file, 0 bytes: copy it again or remove it$"
    ):
        read_sample(Sample("a", "a", tmp_path / "a.png", tmp_path / "m.png"), HALF)


def test_sample_without_files_is_refused():
    """A source that draws its images cannot be read from files."""
    with pytest.raises(DataError, match="x: needs the files"):
        read_sample(Sample("x", "x"), HALF)
