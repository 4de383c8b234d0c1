"""Image and mask files to arrays; what cannot be read is a DataError that names the file.

Pillow does the work. tifffile reads the TIFF layouts that Pillow does not know.
"""

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from segsweep.data.source import Pixels, Sample
from segsweep.errors import DataError

READER_VERSION = 1
"""Raise when the same files would give other pixels; part of every source's signature."""

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF")
SUFFIXES = (".bmp", ".png", ".tif", ".tiff", ".gif", ".jpg", ".jpeg")
"""File name endings taken for images, the lossless ones first."""

ORIENTATION, PHOTOMETRIC, BITS, PLANAR = 0x0112, 0x0106, 0x0102, 0x011C
TIFFFILE_UNPACKS = (1, 8, 32946, 32773)  # none, deflate twice, packbits
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}
"""From stored to shown, by the value of the EXIF orientation tag; 1 and unknown values: as is."""


@dataclass(frozen=True)
class Foreground:
    """Which pixels of a mask file are foreground; see `select` for the exact meaning."""

    labels: tuple[int, ...] | None = None
    """None: brighter than half of the file's range. Else the values (palette: indices) that are."""
    invert: bool = False

    @classmethod
    def of(cls, foreground: Literal["half"] | list[int], invert: bool = False) -> "Foreground":
        """Build the rule from what stands in the config."""
        if foreground == "half":
            return cls(None, invert)
        if isinstance(foreground, str | int) or not foreground:
            raise ValueError(
                f"foreground must be 'half' or a list of label values; got {foreground!r}"
            )
        for label in foreground:
            if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label <= 65535:
                raise ValueError(f"foreground's labels are whole, 0 to 65535; got {label!r}")
        return cls(tuple(sorted(set(foreground))), invert)

    def __str__(self) -> str:
        chosen = "half" if self.labels is None else ",".join(map(str, self.labels))
        return f"foreground={chosen} invert={self.invert}"


@dataclass(frozen=True)
class Raster:
    """One decoded file, turned as its own orientation tag says."""

    path: Path
    values: NDArray[Any]
    """(H, W), or (H, W, 3) for colour; unsigned integers, or float in [0, 1]."""
    top: int
    """The value of full white: 1 (1-bit and float), 255 or 65535."""
    indices: NDArray[Any] | None = None
    """(H, W), palette files only; `values` then holds the palette's colours."""
    orientation: int = 1
    """The tag as written, 1 where there is none."""


def image_files(folder: Path) -> list[Path]:
    """Return what looks like an image by its name, sorted by name; hidden files are no images."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and not path.is_dir()
    )


def read_image(path: Path) -> NDArray[Any]:
    """Return (H, W, 3), uint8 or uint16, turned as its orientation tag says.

    An alpha channel is dropped, not blended: the colours under it come back as stored, also
    where they are invisible. Palettes give their colours, grey three equal channels, of several
    frames the first; CMYK and the like are converted to RGB; 1-bit becomes 0 and 255, float in
    [0, 1] becomes uint16.
    """
    return _to_rgb(_decode(path))


def read_mask(path: Path, foreground: Foreground) -> tuple[NDArray[np.bool_], bool]:
    """Return the mask (H, W), and whether the file held more than two values."""
    return select(_decode(path), foreground)


def read_sample(sample: Sample, foreground: Foreground) -> Pixels:
    """Read an image with its mask, both the way the image is shown.

    A mask with an orientation tag of its own is turned by that. One without, beside an image
    that is turned, may have been drawn on the stored pixels or on the shown image. Where the
    sizes tell (a quarter turn, not square) they decide. Where they do not (half turns,
    mirrored, square) the mask is taken to lie on the stored pixels and turned with its image;
    if it was drawn on the shown image, turn the image file for good and drop its tag.
    """
    if sample.image is None or sample.mask is None:
        raise DataError(f"{sample.id}: needs the files of an image and of a mask")
    try:
        image = _decode(sample.image)
    except DataError as first:
        try:
            read_mask(sample.mask, foreground)
        except DataError as second:
            raise DataError(f"{first}; and {second}") from None  # all that is wrong, at once
        raise
    mask = _decode(sample.mask)
    chosen, grey = select(mask, foreground)
    if image.orientation != 1 and mask.orientation == 1:
        chosen = _turn_with(image, chosen, mask.path)
    return Pixels(_to_rgb(image), np.ascontiguousarray(chosen), grey)


def select(raster: Raster, foreground: Foreground) -> tuple[NDArray[np.bool_], bool]:
    """Apply the foreground rule; also return whether there were more than two values.

    half: luminance (.299 R + .587 G + .114 B; a palette's colours) above half of the range that
    the file's own bit depth gives: .5 for 1-bit and float, 127.5 for 8-bit, 32767.5 for 16-bit.
    Masks numbered 0 and 1 in 8 bits hold nothing above that and are refused, as are colours
    all too dark: those need the list. Labels: the stored values, or palette indices; the set
    pixels of a 1-bit mask answer to 1 and to 255, since programs disagree on what they are.
    """
    levels = _luminance(raster.values) if foreground.labels is None else _labels(raster, foreground)
    grey = bool(((levels != levels.min()) & (levels != levels.max())).any())
    if foreground.labels is None:
        chosen = levels > raster.top / 2
        if not chosen.any():
            _refuse_hidden(raster, levels)
    else:
        chosen = np.isin(levels, foreground.labels)
        if raster.top == 1:
            chosen |= np.isin(levels * 255, foreground.labels)
    return np.not_equal(chosen, foreground.invert), grey


def _luminance(values: NDArray[Any]) -> NDArray[Any]:
    if values.ndim == 2:
        return values
    red, green, blue = np.moveaxis(values, 2, 0)
    return (299.0 * red + 587.0 * green + 114.0 * blue) / 1000  # exact for greys


def _labels(raster: Raster, foreground: Foreground) -> NDArray[Any]:
    if raster.indices is not None:
        return raster.indices
    if raster.values.ndim == 2:
        return raster.values
    if np.ptp(raster.values, axis=2).any():
        raise DataError(
            f"{raster.path}: a colour mask has no label values ({foreground}): "
            "set data.foreground=half or save it with grey levels or a palette"
        )
    return raster.values[..., 0]


def _refuse_hidden(raster: Raster, levels: NDArray[Any]) -> None:
    """Raise where a mask that the half rule finds empty was surely not meant to be empty."""
    numbered = {255: 9, 65535: 255}.get(raster.top, 0)  # labels, not brightness, up to here
    coloured = raster.values.ndim == 3 and np.ptp(raster.values, axis=2).max() > raster.top / 8
    if not coloured and not 0 < levels.max() <= numbered:
        return
    remedy = "save the mask with grey levels"
    held = np.unique(levels if raster.indices is None else raster.indices).astype(int)
    if raster.indices is not None or not coloured:
        remedy = f"name the foreground, for example data.foreground=[{held.max()}]"
    what = "colours" if coloured else "values " + " ".join(map(str, held[:10]))
    raise DataError(
        f"{raster.path}: nothing is above half of the range 0 to {raster.top}: "
        f"all {what} lie below; {remedy}"
    )


def _turn_with(image: Raster, mask: NDArray[Any], path: Path) -> NDArray[Any]:
    shown = image.values.shape[:2]
    stored = shown[::-1] if image.orientation >= 5 else shown
    if mask.shape == stored:
        return TURNS[image.orientation](mask)
    if mask.shape == shown:
        return mask
    raise DataError(
        f"{path}: sizes differ: mask {mask.shape[0]}x{mask.shape[1]}, image "
        f"{stored[0]}x{stored[1]} as stored, {shown[0]}x{shown[1]} as shown (orientation tag "
        f"{image.orientation})"
    )


def _to_rgb(raster: Raster) -> NDArray[Any]:
    values = raster.values
    if values.dtype.kind == "f":
        values = np.rint(values * 65535.0).astype(np.uint16)
    elif raster.top == 1:
        values = values * np.uint8(255)
    if values.ndim == 2:
        values = np.stack([values] * 3, axis=2)
    return np.ascontiguousarray(values)


def _decode(path: Path) -> Raster:
    """Read one file whole; everything that goes wrong inside comes out as a DataError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror}") from None
    if not data:
        raise DataError(f"{path}: empty file: 0 bytes")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            return _from_bytes(path, data)
        except DataError:
            raise
        except (Image.DecompressionBombWarning, Image.DecompressionBombError):
            raise DataError(_bomb(path)) from None
        except UnidentifiedImageError:
            raise DataError(
                f"{path}: not an image: none of {', '.join(FORMATS)}, or its start is damaged"
            ) from None
        except Exception as error:  # decoders raise nearly anything on damaged bytes
            kind = "" if isinstance(error, OSError) else f"{type(error).__name__} "
            reason = " ".join(f"{kind}{error}".split())[:200]
            raise DataError(f"{path}: truncated or damaged: {reason}") from error


def _bomb(path: Path) -> str:
    return (
        f"{path}: decompression bomb: it unpacks to more than {Image.MAX_IMAGE_PIXELS:,} pixels; "
        "if that is truly its size, scale it down first"
    )


def _from_bytes(path: Path, data: bytes) -> Raster:
    if data.startswith(TIFF_STARTS):
        return _from_tiff(path, data)
    with _open(data) as image:
        if image.format == "PNG" and b"IEND\xaeB`\x82" not in data:  # Pillow shrugs at this
            raise DataError(f"{path}: truncated or damaged: the end of the PNG is missing")
        values, indices = _unpacked(image, data)
        orientation = _exif_orientation(image)
    turn = TURNS.get(orientation, np.asarray)
    return _raster(path, turn(values), None if indices is None else turn(indices), orientation)


def _from_tiff(path: Path, data: bytes) -> Raster:
    """Pillow first, since it knows all compressions; it turns a TIFF by itself on loading."""
    try:
        with _open(data) as image:
            if isinstance(image, TiffImageFile) and not _is_misread(image):
                orientation = image.tag_v2.get(ORIENTATION, 1)
                inverted = image.mode == "I;16" and image.tag_v2.get(PHOTOMETRIC) == 0
                values, indices = _unpacked(image, data)
                return _raster(path, ~values if inverted else values, indices, orientation)
    except UnidentifiedImageError:
        pass
    values, orientation = _by_tifffile(path, data)
    return _raster(path, TURNS.get(orientation, np.asarray)(values), None, orientation)


def _raster(
    path: Path, values: NDArray[Any], indices: NDArray[Any] | None, orientation: int
) -> Raster:
    """Settle the values' type and range; what fits no range of known meaning is refused."""
    orientation = orientation if orientation in TURNS else 1
    if values.dtype in (np.bool_, np.uint8):
        top = 1 if values.dtype == np.bool_ else 255
        return Raster(path, values.astype(np.uint8, copy=False), top, indices, orientation)
    low, high, limit = values.min(), values.max(), 1 if values.dtype.kind == "f" else 65535
    if values.dtype.kind not in "uif" or not (low >= 0 and high <= limit):  # NaN fails too
        raise DataError(
            f"{path}: values out of range: {low} to {high}, allowed are 0 to {limit} in "
            f"{values.dtype}; save it with 8 or 16 bits"
        )
    values = values.astype(np.float32 if limit == 1 else np.uint16)
    return Raster(path, values, limit, indices, orientation)


def _open(data: bytes) -> ImageFile.ImageFile:
    return Image.open(BytesIO(data), formats=FORMATS)


def _exif_orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # a broken block of tags does not spoil the pixels
        return 1


def _unpacked(
    image: ImageFile.ImageFile, data: bytes
) -> tuple[NDArray[Any], NDArray[np.uint8] | None]:
    """Return the first frame's values, alpha dropped, and a palette file's indices."""
    rawmode = _rawmode(image)
    if image.mode in ("RGB", "RGBA") and rawmode.endswith((";16B", ";16L", ";16N")):
        return _all_sixteen_bits(data, rawmode), None
    image.load()
    if image.mode in ("P", "PA"):
        indices = np.asarray(image if image.mode == "P" else image.getchannel(0))
        colours = np.zeros((256, 3), np.uint8)
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        colours[: len(palette)] = palette
        return colours[indices], indices
    if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
        return np.asarray(image), None
    if image.mode == "LA":
        return np.asarray(image.getchannel(0)), None
    if image.mode not in ("RGB", "RGBX", "RGBA"):
        return np.asarray(image.convert("RGB")), None
    return np.asarray(image)[..., :3], None


def _rawmode(image: ImageFile.ImageFile) -> str:
    """Return how Pillow will unpack the file's samples, such as RGB;16B."""
    args = image.tile[0].args if image.tile else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _all_sixteen_bits(data: bytes, rawmode: str) -> NDArray[Any]:
    """Return 16-bit colour whole.

    Pillow has no such mode and keeps the high bytes. Unpacked in the other byte order the same
    file gives the low bytes. PNG's 16-bit grey with alpha comes out as four bytes side by side.
    """
    if rawmode == "LA;16B":
        high, low = np.moveaxis(_unpacked_as(data, "RGBA")[..., :2], 2, 0)
        return high << 8 | low
    order = rawmode[-1] if rawmode[-1] != "N" else "L" if sys.byteorder == "little" else "B"
    other = "B" if order == "L" else "L"
    high, low = (_unpacked_as(data, rawmode[:-1] + end) for end in (order, other))
    return (high << 8 | low)[..., :3]


def _unpacked_as(data: bytes, rawmode: str) -> NDArray[np.uint16]:
    with _open(data) as image:
        image.tile = [
            tile._replace(
                args=(rawmode, *tile.args[1:]) if isinstance(tile.args, tuple) else rawmode
            )
            for tile in image.tile
        ]
        image.load()
        return np.asarray(image).astype(np.uint16)


def _is_misread(image: TiffImageFile) -> bool:
    """16-bit colour that Pillow opens and then gets wrong: planes apart, premultiplied alpha."""
    bits = image.tag_v2.get(BITS, (1,))
    apart = image.tag_v2.get(PLANAR) == 2
    return len(bits) > 1 and max(bits) > 8 and (apart or _rawmode(image).startswith("RGBa"))


def _by_tifffile(path: Path, data: bytes) -> tuple[NDArray[Any], int]:
    """Return the first page's grey or RGB values as stored, and the orientation tag."""
    with tifffile.TiffFile(BytesIO(data)) as file:
        page = file.pages.first
        if page.imagewidth * page.imagelength > (Image.MAX_IMAGE_PIXELS or sys.maxsize):
            raise DataError(_bomb(path))
        colour = page.photometric == tifffile.PHOTOMETRIC.RGB
        kinds = {"YXS": (3, 4), "SYX": (3, 4)} if colour else {"YX": (1,), "YXS": (2,), "SYX": (2,)}
        if (
            page.samplesperpixel not in kinds.get(page.axes, ())
            or page.photometric > tifffile.PHOTOMETRIC.RGB
            or page.compression not in TIFFFILE_UNPACKS
            or tifffile.EXTRASAMPLE.ASSOCALPHA in page.extrasamples
        ):
            raise DataError(
                f"{path}: a kind of TIFF that is not read: photometric {page.photometric:d}, "
                f"shape {page.shape}, {page.dtype}, compression {page.compression:d}; save it as "
                "plain grey or RGB with 8 or 16 bits"
            )
        values = page.asarray()
        if page.axes == "SYX":
            values = np.moveaxis(values, 0, 2)
        if values.shape[:2] != (page.imagelength, page.imagewidth):
            raise ValueError("pixels are missing")  # tifffile gives an empty array, no error
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            values = ~values
        if values.ndim == 3:
            values = values[..., :3] if colour else values[..., 0]
        return values, page.tags.valueof(ORIENTATION, 1)
