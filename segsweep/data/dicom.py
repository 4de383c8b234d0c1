"""DICOM files, which need pydicom: `pip install 'segsweep[dicom]'`.

The values are those that the file stores. Rescale slope, rescale intercept and window are not
applied: they are for one file each, and data.range gives one meaning to all files. MONOCHROME1,
in which large values are dark, is inverted within the bits that the file names.
"""

import importlib.util
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from segsweep.data.pages import chosen_frame
from segsweep.data.source import Problem, Raw
from segsweep.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

ENDING = ".dcm"
MARK, MARK_AT = b"DICM", 128
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
"""What pydicom returns as RGB."""
HEAD = (
    *("PhotometricInterpretation", "BitsAllocated", "BitsStored"),
    *("RescaleSlope", "RescaleIntercept"),
)
INSTALL = "DICOM files need pydicom: pip install 'segsweep[dicom]'"


def is_dicom(start: bytes) -> bool:
    """Whether a file that starts so is a DICOM file."""
    return start[MARK_AT : MARK_AT + len(MARK)] == MARK


def without_dicom(paths: list[Path]) -> list[Path]:
    """Leave out DICOM files beside files of other kinds: there they are mostly the originals."""
    return [path for path in paths if path.suffix.lower() != ENDING] or paths


def check_readable(paths: Iterable[Path], problems: Sequence[Problem] = ()) -> None:
    """Raise DataError, once for all of *paths*, if there are DICOM files and no pydicom.

    It then has a line for each error among *problems* too.
    """
    first = next((path for path in paths if path.suffix.lower() == ENDING), None)
    if first is not None and importlib.util.find_spec("pydicom") is None:
        errors = [f"{one.where}: {one.what}" for one in problems if one.level == "error"]
        raise DataError("\n".join([f"{first}: {INSTALL}", *errors]))


def dicom_values(path: Path, data: bytes, page: int | None) -> tuple[Raw, int]:
    """Return the values of a file's image, or of one of its frames, and how many it has."""
    try:
        import pydicom
        from pydicom.pixels import pixel_array
    except ImportError:
        raise DataError(f"{path}: {INSTALL}") from None
    dataset = pydicom.dcmread(BytesIO(data))
    if "Rows" not in dataset:
        kind = getattr(dataset.get("SOPClassUID"), "name", "no known kind")
        raise DataError(f"{path}: no image in this DICOM file, which is of the kind {kind}")
    frames = range(int(dataset.get("NumberOfFrames") or 1))
    frame = chosen_frame(path, list(frames), page)
    photometric = str(dataset.get("PhotometricInterpretation"))
    if photometric not in (*GREY, *COLOUR):
        raise DataError(
            f"{path}: unsupported kind of DICOM: {photometric}; allowed are "
            f"{', '.join((*GREY, *COLOUR))}"
        )
    _check_decoder(path, dataset)
    try:
        values = pixel_array(dataset, index=frame)
    except (RuntimeError, NotImplementedError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: {_compression(dataset)} cannot be decoded: {reason}") from error
    if dataset.BitsAllocated == 1:
        values = values.astype(bool)
    return (_inverted(dataset, values) if photometric == "MONOCHROME1" else values), len(frames)


def pixels_in(path: Path) -> int:
    """Return the number of pixels of an image that a file's head gives."""
    head = _head(path, ("Rows", "Columns"))
    return int(head.Rows) * int(head.Columns)


def dicom_mode(path: Path) -> str:
    """Return how a file stores its pixels: `grey 16 bits (DICOM MONOCHROME2, 12 used)`."""
    head = _head(path, HEAD)
    name = "grey" if head.PhotometricInterpretation in GREY else "RGB"
    bits = "" if head.BitsAllocated == 8 else f" {head.BitsAllocated} bits"
    used = "" if head.BitsStored == head.BitsAllocated else f", {head.BitsStored} used"
    return f"{name}{bits} (DICOM {head.PhotometricInterpretation}{used})"


def rescales(paths: Sequence[Path]) -> list[tuple[float, float]]:
    """Return the different pairs of rescale slope and intercept in DICOM files, sorted."""
    heads = (_head(path, HEAD) for path in paths if path.suffix.lower() == ENDING)
    return sorted(
        {
            (float(one.get("RescaleSlope", 1)), float(one.get("RescaleIntercept", 0)))
            for one in heads
        }
    )


def rescale_text(found: Sequence[tuple[float, float]]) -> str:
    """Return what is done with the pairs that `rescales` found."""
    text = "stored values are read; rescale slope and intercept and window are not applied"
    if len(found) == 1:
        return f"{text} ({found[0][0]:g}, {found[0][1]:g})"
    return (
        f"{text}, though they differ: {len(found)} pairs, {found[0][0]:g}, {found[0][1]:g} to "
        f"{found[-1][0]:g}, {found[-1][1]:g}; where values must mean the same in all files, apply "
        "them before"
    )


def _head(path: Path, keys: Sequence[str]) -> "Dataset":
    import pydicom

    return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(keys))


def _check_decoder(path: Path, dataset: "Dataset") -> None:
    """Raise DataError if no package that is installed can decompress the file."""
    from pydicom.pixels import get_decoder

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        known = not syntax.is_encapsulated or get_decoder(syntax).is_available
    except NotImplementedError:
        known = False
    if not known:
        raise DataError(
            f"{path}: {_compression(dataset)}, for which no decoder is installed: "
            "pip install 'pylibjpeg[all]', or save it uncompressed"
        )


def _compression(dataset: "Dataset") -> str:
    return f"compressed as {dataset.file_meta.TransferSyntaxUID.name}"


def _inverted(dataset: "Dataset", values: Raw) -> Raw:
    """Return values with the smallest and the largest that the bits can hold exchanged."""
    if values.dtype.kind in "bi":
        return ~values
    high = values.dtype.type((1 << int(dataset.BitsStored)) - 1)
    return high - np.minimum(values, high)
