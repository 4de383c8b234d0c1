"""Decodes image files to pixels; a file that cannot be read raises a DataError that names it.

Pillow reads most files, tifffile the TIFF layouts that Pillow does not know.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from segsweep.data.array_file import ARRAY_START, image_values
from segsweep.data.decoder_warnings import only_bombs
from segsweep.data.decoding import NO_ALPHA, Decoding
from segsweep.data.dicom import dicom_values, is_dicom
from segsweep.data.pages import chosen_frame, frames_of, page_at, pages_of
from segsweep.data.source import Raw
from segsweep.errors import DataError, UnnamedError
from segsweep.system.files import file_status

FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP")

ORIENTATION, PHOTOMETRIC, BITS, PLANAR = 0x0112, 0x0106, 0x0102, 0x011C
TIFFFILE_UNPACKS = (1, 8, 32946, 32773)  # none, deflate twice, packbits
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
AS_STORED = Decoding()

TURNS: dict[int, Callable[[Raw], Raw]] = {
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored, 1),
}
"""From stored to displayed, by the EXIF orientation tag; 1 and unknown values: unchanged."""


@dataclass(frozen=True)
class Raster:
    """One decoded file, rotated as its own orientation tag says."""

    path: Path
    values: Raw
    """(H, W), or (H, W, 3) for colour; unsigned integers, or float in [0, 1]."""
    top: int
    """The value of full white: 1 (1-bit and float), 255 or 65535."""
    indices: Raw | None = None
    """(H, W), palette files only; `values` then holds the palette's colours."""
    orientation: int = 1
    """The tag as stored; 1 if there is none."""
    pages: int = 1
    """The number of pictures in the file, of which this is one."""


def decode(path: Path, how: Decoding = AS_STORED) -> Raster:
    """Read and decode one file; any error in it is raised as a DataError."""
    try:
        file_status(path)
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be opened: {error.strerror}") from error
    if not data:
        raise DataError(f"{path}: empty file, 0 bytes: copy it again or remove it")
    with only_bombs():
        try:
            return _from_bytes(path, data, how)
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
        "if this is its real size, scale it down first"
    )


def _from_bytes(path: Path, data: bytes, how: Decoding) -> Raster:
    if data.startswith(TIFF_STARTS):
        return _from_tiff(path, data, how)
    if data.startswith(ARRAY_START):
        return _raster(path, how.scaled(image_values(path, data, how.alpha)))
    if is_dicom(data):
        return _from_dicom(path, data, how)
    with _open(data) as image:
        if image.format == "PNG" and b"IEND\xaeB`\x82" not in data:  # Pillow accepts this
            raise DataError(f"{path}: truncated or damaged: the end of the PNG is missing")
        frames = frames_of(path, image, data)
        frame = chosen_frame(path, frames, how.page)
        values, indices = _alpha(path, image, frame) if how.alpha else _unpacked(image, data, frame)
        orientation = _exif_orientation(image)
    turn = TURNS.get(orientation, np.asarray)
    indices = None if indices is None else turn(indices)
    return _raster(path, how.scaled(turn(values)), indices, orientation, len(frames))


def _from_tiff(path: Path, data: bytes, how: Decoding) -> Raster:
    """Use Pillow, which knows all compressions and rotates a TIFF on loading; else tifffile."""
    try:
        with _open(data) as image:
            frames = frames_of(path, image, data)
            frame = chosen_frame(path, frames, how.page)
            image.seek(frame)
            if isinstance(image, TiffImageFile) and not _is_misread(image):
                orientation = image.tag_v2.get(ORIENTATION, 1)
                inverted = image.mode == "I;16" and image.tag_v2.get(PHOTOMETRIC) == 0
                if how.alpha:
                    values, indices = _alpha(path, image, frame)
                else:
                    values, indices = _unpacked(image, data, frame)
                    values = ~values if inverted else values
                return _raster(path, how.scaled(values), indices, orientation, len(frames))
    except UnidentifiedImageError:
        pass
    values, orientation, pages = _by_tifffile(path, data, how)
    values = how.scaled(TURNS.get(orientation, np.asarray)(values))
    return _raster(path, values, None, orientation, pages)


def _from_dicom(path: Path, data: bytes, how: Decoding) -> Raster:
    if how.alpha:
        raise DataError(f"{path}: {NO_ALPHA}")
    values, pages = dicom_values(path, data, how.page)
    return _raster(path, how.scaled(values), pages=pages)


def _alpha(path: Path, image: ImageFile.ImageFile, frame: int) -> tuple[Raw, None]:
    """Return the alpha channel of one frame in 8 bits, and no indices."""
    image.seek(frame)
    if not image.has_transparency_data:
        raise DataError(f"{path}: {NO_ALPHA}")
    return np.asarray(image.convert("RGBA").getchannel("A")), None


def _raster(
    path: Path, values: Raw, indices: Raw | None = None, orientation: int = 1, pages: int = 1
) -> Raster:
    """Convert values to a known type and range; DataError if their range has no known meaning."""
    orientation = orientation if orientation in TURNS else 1
    if values.dtype in (np.bool_, np.uint8):
        top = 1 if values.dtype == np.bool_ else 255
        values = values.astype(np.uint8, copy=False)
        return Raster(path, values, top, indices, orientation, pages)
    low, high, limit = values.min(), values.max(), 1 if values.dtype.kind == "f" else 65535
    if values.dtype.kind not in "uif" or not (low >= 0 and high <= limit):  # NaN fails too
        allowed = f"allowed are 0 to {limit} in {values.dtype}"
        raise UnnamedError(
            f"{path}: values out of range: {low} to {high}, {allowed}",
            "name the range of images in data.range",
            "save it with 8 or 16 bits",
        )
    values = values.astype(np.float32 if limit == 1 else np.uint16)
    return Raster(path, values, limit, indices, orientation, pages)


def _open(data: bytes) -> ImageFile.ImageFile:
    return Image.open(BytesIO(data), formats=FORMATS)


def _exif_orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged tags leave the pixels readable
        return 1


def _unpacked(
    image: ImageFile.ImageFile, data: bytes, frame: int
) -> tuple[Raw, NDArray[np.uint8] | None]:
    """Return one frame's values, alpha dropped, and a palette file's indices."""
    if frame:
        image.seek(frame)
    rawmode = raw_mode(image)
    if image.mode in ("RGB", "RGBA") and rawmode.endswith((";16B", ";16L", ";16N")):
        return _all_sixteen_bits(data, rawmode, frame), None
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


def raw_mode(image: ImageFile.ImageFile) -> str:
    """Return how Pillow will unpack the file's samples, such as RGB;16B."""
    args = image.tile[0].args if image.tile else ""
    return str(args[0] if isinstance(args, tuple) and args else args)


def _all_sixteen_bits(data: bytes, rawmode: str, frame: int) -> Raw:
    """Return 16-bit colour at full depth.

    Pillow has no such mode and keeps the high bytes. Unpacked in the other byte order the same
    file gives the low bytes. PNG's 16-bit grey with alpha is unpacked as four bytes per pixel.
    """
    if rawmode == "LA;16B":
        high, low = np.moveaxis(_unpacked_as(data, "RGBA", frame)[..., :2], 2, 0)
        return high << 8 | low
    order = rawmode[-1] if rawmode[-1] != "N" else "L" if sys.byteorder == "little" else "B"
    other = "B" if order == "L" else "L"
    high, low = (_unpacked_as(data, rawmode[:-1] + end, frame) for end in (order, other))
    return (high << 8 | low)[..., :3]


def _unpacked_as(data: bytes, rawmode: str, frame: int) -> NDArray[np.uint16]:
    with _open(data) as image:
        if frame:
            image.seek(frame)
        image.tile = [
            tile._replace(
                args=(rawmode, *tile.args[1:]) if isinstance(tile.args, tuple) else rawmode
            )
            for tile in image.tile
        ]
        image.load()
        return np.asarray(image).astype(np.uint16)


def _is_misread(image: TiffImageFile) -> bool:
    """Whether Pillow misreads it: 16 bits, in separate planes or with premultiplied alpha."""
    bits = image.tag_v2.get(BITS, (1,))
    separate = image.tag_v2.get(PLANAR) == 2
    return len(bits) > 1 and max(bits) > 8 and (separate or raw_mode(image).startswith("RGBa"))


def _by_tifffile(path: Path, data: bytes, how: Decoding) -> tuple[Raw, int, int]:
    """Return a page's grey or RGB values as stored, its orientation tag, and how many there are."""
    with tifffile.TiffFile(BytesIO(data)) as file:
        pages = pages_of(path, file)
        page = page_at(file, chosen_frame(path, pages, how.page))
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
                f"{path}: unsupported kind of TIFF: photometric {page.photometric:d}, "
                f"shape {page.shape}, {page.dtype}, compression {page.compression:d}; save it as "
                "plain grey or RGB with 8 or 16 bits"
            )
        values = page.asarray()
        if page.axes == "SYX":
            values = np.moveaxis(values, 0, 2)
        if values.shape[:2] != (page.imagelength, page.imagewidth):
            raise ValueError(
                "pixels are missing"
            )  # tifffile returns an empty array without an error
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            values = ~values
        if how.alpha:
            if not page.extrasamples:
                raise DataError(f"{path}: {NO_ALPHA}")
            values = values[..., -1]
        elif values.ndim == 3:
            values = values[..., :3] if colour else values[..., 0]
        return values, page.tags.valueof(ORIENTATION, 1), len(pages)
