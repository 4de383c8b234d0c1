"""The range of values, and masks by value, colour and alpha, against hand-made arrays."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from fake_data import write_png16
from segsweep.data.decoding import Decoding
from segsweep.data.folder import Folder
from segsweep.data.foreground import Foreground, Selected
from segsweep.data.images import read_mask, to_rgb
from segsweep.data.raster import decode
from segsweep.errors import DataError

RANDOM = np.random.default_rng(0)
TWELVE = RANDOM.integers(0, 4096, (21, 30)).astype(np.uint16)
MASK = RANDOM.random((21, 30)) < 0.4


@pytest.mark.parametrize(
    ("values", "span", "expected"),
    [
        (TWELVE, [0, 4095], TWELVE / 4095),
        (TWELVE, [1000, 2000], np.clip((TWELVE - 1000.0) / 1000, 0, 1)),
        (TWELVE.astype(np.int16) - 1000, [-1000, 3095], TWELVE / 4095),
        (TWELVE.astype(np.float32), [0, 4095], TWELVE / 4095),
        ((TWELVE // 16).astype(np.uint8), [0, 63], np.clip(TWELVE // 16 / 63, 0, 1)),
        (TWELVE, None, TWELVE / 65535),
    ],
)
@pytest.mark.parametrize("suffix", ["tif", "npy"])
def test_range_becomes_zero_to_one(tmp_path, suffix, values, span, expected):
    """Low is black, high is white, the rest in proportion; signed numbers and floats too."""
    path = tmp_path / f"a.{suffix}"
    np.save(path, values) if suffix == "npy" else tifffile.imwrite(path, values)
    image = to_rgb(decode(path, Decoding.of(None, span)))

    assert image.shape == (21, 30, 3)
    np.testing.assert_allclose(image[..., 1] / np.iinfo(image.dtype).max, expected, atol=1e-5)


def test_numbers_that_are_none_have_no_range(tmp_path):
    """NaN is refused, also with a range."""
    np.save(tmp_path / "a.npy", np.array([[0.0, np.nan]]))
    with pytest.raises(DataError, match=r"a\.npy: values out of range"):
        decode(tmp_path / "a.npy", Decoding.of(None, [0, 9]))


def rule(folder, picture, name="m.png", **arguments):
    """Write a mask and return what the rule finds in it."""
    if callable(picture):
        picture(folder / name)
    elif name.endswith("npy"):
        np.save(folder / name, picture)
    else:
        image = Image.fromarray(picture) if isinstance(picture, np.ndarray) else picture
        image.save(folder / name)
    foreground = Foreground.of(arguments.pop("foreground", "half"), **arguments)
    return read_mask(folder / name, foreground)


@pytest.mark.parametrize(
    ("stored", "labels", "unnamed"),
    [
        ([0, 1, 1], [1], []),
        ([0, 255, 255], [1], ["value 255"]),
        ([255, 255, 255], [1], ["value 255"]),
        ([0, 1, 2], [1, 2], []),
        ([0, 1, 3], [1, 2], ["value 3"]),
        ([0, 0, 0], [1], []),
        ([0, 1, 1], [0], []),
        ([0, 1, 255], [0], ["value 1", "value 255"]),
        (range(30), [1], ["more than 8 values"]),
    ],
)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_values_that_no_rule_names(tmp_path, kind, stored, labels, unnamed):
    """Everything but the labels and 0; where 0 is the label, a lone other value is the rest."""
    values = np.array([list(stored)], kind)
    found = rule(tmp_path, values, foreground=labels)

    assert list(found.unnamed) == unnamed
    assert found.mask.tolist() == [[value in labels for value in stored]]


@pytest.mark.parametrize("set_value", [1, 255])
def test_set_pixels_of_one_bit_are_named(tmp_path, set_value):
    """Of a 1-bit mask 1 and 255 both mean the set pixels."""
    found = rule(tmp_path, MASK, foreground=[set_value])

    assert found.unnamed == ()
    np.testing.assert_array_equal(found.mask, MASK)


RED, GREEN, BLUE = [200, 0, 10], [0, 128, 0], [0, 0, 128]
COLOURED = np.array([[RED, GREEN, [0, 0, 0], BLUE]], np.uint8)


@pytest.mark.parametrize(
    ("colour", "expected", "unnamed"),
    [
        (RED, [1, 0, 0, 0], ["colour [0,0,128]", "colour [0,128,0]"]),
        ([RED, BLUE], [1, 0, 0, 1], ["colour [0,128,0]"]),
        ([RED, GREEN, BLUE], [1, 1, 0, 1], []),
        ([0, 0, 0], [0, 0, 1, 0], ["colour [0,0,128]", "colour [0,128,0]", "colour [200,0,10]"]),
    ],
)
@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("name", ["m.png", "m.bmp", "m.tif", "m.npy", "palette.png", "m.webp"])
def test_colours_are_exact(tmp_path, name, invert, colour, expected, unnamed):
    """The listed colours are foreground, whatever the file's kind; the others are named."""
    picture = COLOURED
    if name == "palette.png":
        picture = Image.fromarray(COLOURED).convert("P", palette=Image.Palette.ADAPTIVE)
    elif name == "m.webp":

        def picture(path):
            Image.fromarray(COLOURED).save(path, lossless=True)

    found = rule(tmp_path, picture, name, colour=colour, invert=invert)

    assert found.mask.tolist() == [[bool(value) != invert for value in expected]]
    assert sorted(found.unnamed) == unnamed


def test_colours_of_grey_and_of_sixteen_bits(tmp_path):
    """Grey is three equal channels; 16-bit files count in their own numbers."""
    grey = rule(tmp_path, np.array([[0, 90, 200]], np.uint8), colour=[90, 90, 90])
    wide = np.array([[[0, 0, 0], [40000, 5, 5]]], np.uint16)
    deep = rule(tmp_path, lambda path: write_png16(path, wide), colour=[40000, 5, 5])

    assert (grey.mask.tolist(), grey.unnamed) == ([[False, True, False]], ("colour [200,200,200]",))
    assert (deep.mask.tolist(), deep.unnamed) == ([[False, True]], ())


def alpha_picture(kind):
    """Return a picture of which MASK is opaque and the rest see-through."""
    rgba = np.dstack([RANDOM.integers(0, 256, (21, 30, 3)), MASK * 255]).astype(np.uint8)
    if kind == "RGBA":
        return Image.fromarray(rgba)
    if kind == "LA":
        return Image.fromarray(rgba[..., 2:].copy(), "LA")
    palette = Image.fromarray(MASK.astype(np.uint8))
    palette.putpalette([9, 9, 9, 200, 0, 0])
    palette.info["transparency"] = 0
    return palette


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("RGBA", name) for name in ("a.png", "a.tif", "a.webp")),
        *(("LA", "a.png"), ("P", "a.png"), ("P", "a.gif")),
    ],
)
def test_alpha_is_the_mask(tmp_path, kind, name):
    """What is opaque is foreground; the second reader is the array that was written."""
    options = {"lossless": True, "exact": True} if name.endswith("webp") else {}
    picture = alpha_picture(kind)
    found = rule(tmp_path, lambda path: picture.save(path, **options), name, foreground="alpha")

    np.testing.assert_array_equal(found.mask, MASK)
    assert not found.grey


def test_alpha_of_the_image_itself(tmp_path):
    """Without a folder of masks, each image is its own mask; its colours are kept as stored."""
    picture = alpha_picture("RGBA")
    picture.save(tmp_path / "a.png")
    source = Folder(tmp_path, foreground="alpha")
    (sample,), problems = source.find()
    pixels = source.read(sample)

    assert (sample.image, problems) == (sample.mask, [])
    np.testing.assert_array_equal(pixels.mask, MASK)
    np.testing.assert_array_equal(pixels.image, np.asarray(picture)[..., :3])


@pytest.mark.parametrize("invert", [False, True])
def test_several_masks_are_united_before_they_are_inverted(invert):
    """What any of them marks is foreground, or background; what none names is kept from all."""
    one, two = MASK, np.roll(MASK, 1)
    marked = [Selected(mask != invert, False, words) for mask, words in ((one, "ab"), (two, "bc"))]
    found = marked[0].united(marked[1], invert)

    np.testing.assert_array_equal(found.mask, (one | two) != invert)
    assert found.unnamed == ("a", "b", "c")


@pytest.mark.parametrize("suffix", ["npy", "png", "tif"])
def test_alpha_of_sixteen_bits(tmp_path, suffix):
    """Half of the range decides in 16 bits too, and in layouts that only tifffile reads."""
    wide = np.dstack([RANDOM.integers(0, 65536, (21, 30, 3)), np.where(MASK, 40000, 20000)])
    wide, path = wide.astype(np.uint16), tmp_path / f"a.{suffix}"
    if suffix == "png":
        write_png16(path, wide)
    elif suffix == "npy":
        np.save(path, wide)
    else:
        planes = np.moveaxis(wide, 2, 0)
        options = {"photometric": "rgb", "planarconfig": "separate"}
        tifffile.imwrite(path, planes, extrasamples=["unassalpha"], **options)
    found = read_mask(path, Foreground.of("alpha"))

    np.testing.assert_array_equal(found.mask, MASK)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.npy"])
def test_no_alpha_is_an_error(tmp_path, name):
    """A file without that channel is named with the key that asked for it."""
    with pytest.raises(DataError, match=rf"{name}: no alpha channel.*data\.foreground=alpha"):
        rule(tmp_path, COLOURED, name, foreground="alpha")


@pytest.mark.parametrize(
    ("stored", "arguments", "ignore", "expected", "unnamed"),
    [
        ([0, 1, 255, 1], {"foreground": [1]}, [255], [0, 1, 2, 1], []),
        ([0, 1, 255, 7], {"foreground": [1]}, [255], [0, 1, 2, 0], ["value 7"]),
        ([0, 1, 254, 255], {"foreground": [1]}, [255, 254], [0, 1, 2, 2], []),
        ([0, 1, 2, 2], {"foreground": [1]}, [0], [2, 1, 0, 0], []),
        ([0, 128, 255, 0], {}, [128], [0, 2, 1, 0], []),
        ([0, 200, 255, 0], {}, [255], [0, 1, 2, 0], []),
        ([255, 255, 255, 255], {}, [255], [2, 2, 2, 2], []),
        ([255, 255, 255, 255], {"foreground": [1]}, [255], [2, 2, 2, 2], []),
    ],
)
@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_ignored_values(tmp_path, stored, arguments, ignore, expected, unnamed, invert, kind):
    """They are neither foreground nor background, whatever else they would be."""
    values = np.array([stored], kind)
    if kind == np.uint16 and not arguments:
        values = values * 257  # half of another range
        ignore = [257 * one for one in ignore]
    found = rule(tmp_path, values, ignore=ignore, invert=invert, **arguments)
    turned = [one if one == 2 else int(bool(one) != invert) for one in expected]

    assert np.where(found.ignored, 2, found.mask).tolist() == [turned]
    assert not (found.mask & found.ignored).any()
    assert list(found.unnamed) == unnamed
    assert not found.grey


def test_rule_sees_nothing_of_ignored_pixels(tmp_path):
    """Masks of 0, 1 and 255 are refused by half as those of 0 and 1 are; a third value is grey."""
    with pytest.raises(DataError, match=r"values 0 1 lie below; .*data\.foreground=\[1\]"):
        rule(tmp_path, np.array([[0, 1, 255]], np.uint8), ignore=[255])
    assert rule(tmp_path, np.array([[0, 128, 200, 255]], np.uint8), ignore=[7]).grey
    assert not rule(tmp_path, np.array([[0, 128, 200, 128]], np.uint8), ignore=[128]).grey


def test_set_pixels_of_one_bit_are_the_named_foreground(tmp_path):
    """Beside 8-bit masks of 0, 1 and 255, a mask without 255 may be stored in one bit."""
    found = rule(tmp_path, MASK, ignore=[255], foreground=[1])
    only = rule(tmp_path, MASK, ignore=[255], foreground=[7])

    np.testing.assert_array_equal(found.mask, MASK)
    assert not found.ignored.any()
    np.testing.assert_array_equal(only.ignored, MASK)


@pytest.mark.parametrize("name", ["m.png", "palette.png", "m.tif"])
def test_ignored_colours(tmp_path, name):
    """A list of colours, beside colours, and beside half."""
    pictures = [Image.fromarray(one) for one in (COLOURED, COLOURED + np.uint8(55))]
    if name == "palette.png":
        pictures = [one.convert("P", palette=Image.Palette.ADAPTIVE) for one in pictures]
    found = rule(tmp_path, pictures[0], name, ignore=[BLUE], colour=RED)
    half = rule(tmp_path, pictures[1], name, ignore=[[55, 55, 183]])

    assert found.ignored.tolist() == [[False, False, False, True]]
    assert found.mask.tolist() == [[True, False, False, False]]
    assert found.unnamed == ("colour [0,128,0]",)
    assert half.ignored.tolist() == [[False, False, False, True]]


def test_ignored_values_of_a_colour_mask_are_refused(tmp_path):
    """It has none; a palette has indices."""
    message = r"m\.png: .*\(data\.ignore=\[255\]\).*data\.ignore=\[\[0,0,255\]\]"
    with pytest.raises(DataError, match=message):
        rule(tmp_path, COLOURED, ignore=[255], colour=RED)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"ignore": []}, "ignore must be a list of stored values, .*or null; got "),
        ({"ignore": [-1]}, "ignore's labels are whole, 0 to 65535; got -1"),
        ({"ignore": [True]}, "ignore's labels are whole"),
        ({"ignore": [[1, 2]]}, r"ignore must be \[red, green, blue\]"),
        ({"ignore": [255, [1, 2, 3]]}, r"ignore must be \[red, green, blue\]"),
        ({"foreground": [1, 255], "ignore": [255]}, "foreground and ignore both name 255: "),
        (
            {"colour": [9, 9, 9], "ignore": [[9, 9, 9]]},
            r"foreground_color and ignore both name \[9, 9, 9\]: ",
        ),
    ],
)
def test_ignored_values_are_checked(arguments, message):
    """Each is one line that names the key and what is allowed."""
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        Foreground.of(**{"foreground": "half", **arguments})
    assert "\n" not in str(caught.value)


def test_text_of_a_rule_names_what_is_ignored():
    """It is part of a data set's signature; without ignored values it is what it was."""
    assert str(Foreground.of([1], ignore=[255, 254])) == "foreground=1 invert=False ignore=254+255"
    assert str(Foreground.of("half", ignore=[[1, 2, 3]])).endswith(" ignore=1,2,3")
    assert str(Foreground.of([1])) == "foreground=1 invert=False"


@pytest.mark.parametrize("invert", [False, True])
def test_of_several_masks_what_one_marks_counts(tmp_path, invert):
    """A pixel is ignored if a mask says so and none marks it as object."""
    values = np.array([[0, 0, 0, 1, 1, 255, 1], [0, 1, 255, 255, 1, 255, 0]], np.uint8)
    one, two = (
        rule(tmp_path, row[None], ignore=[255], foreground=[1], invert=invert) for row in values
    )
    both = one.united(two, invert)
    expected = [0, 1, 2, 1, 1, 2, 1]

    assert np.where(both.ignored, 2, both.mask ^ invert)[0].tolist() == expected
    assert both.mask.tolist() == two.united(one, invert).mask.tolist()
