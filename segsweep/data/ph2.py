"""PH2, 200 dermoscopic images with lesion masks (Mendonca et al. 2013), as its archive unpacks."""

import re
from pathlib import Path

from segsweep.data.decoding import Decoding
from segsweep.data.file_source import FileSource
from segsweep.data.foreground import Foreground
from segsweep.data.images import SUFFIXES, image_files
from segsweep.data.source import Problem, Sample
from segsweep.errors import DataError

LAYOUT = (
    "expected 'PH2 Dataset images/IMD002/IMD002_Dermoscopic_Image/IMD002.bmp' and "
    "'PH2 Dataset images/IMD002/IMD002_lesion/IMD002_lesion.bmp' in it; "
    "point data.root at 'PH2 Dataset images', at PH2Dataset, or at the folder that holds it"
)
SAME_LESION = {"IMD200": "IMD199"}
"""Two pictures of one lesion, the only known pair; patients are not known."""
IMAGES_NAME = re.compile(r"PH2[ _-]?Dataset[ _-]?images", re.IGNORECASE)
CASE_NAME = re.compile(r"IMD\d+", re.IGNORECASE)


class PH2(FileSource):
    """The PH2 data set, pointed at from wherever the user unpacked it.

    Args:
        root: 'PH2 Dataset images', its parent, or the folder the archive was unpacked in.

    Only the image and the lesion mask of a case are read. Of several files with one name (a jpg
    copy next to the bmp) the lossless one counts; all other files are ignored.

    """

    def __init__(self, root: Path) -> None:
        super().__init__("ph2", Foreground(), Decoding())
        self.root = Path(root).expanduser()

    def find(self) -> tuple[list[Sample], list[Problem]]:
        """Return the cases sorted by id, and the files that are missing."""
        samples: dict[str, Sample] = {}
        problems: list[Problem] = []
        for case in _cases(self._images_folder()):
            name = case.name.upper()
            image = _best(case, f"{name}_Dermoscopic_Image", name)
            mask = _best(case, f"{name}_lesion", f"{name}_lesion")
            if name in samples:
                other = samples[name].image
                problems.append(Problem("error", str(case), f"duplicate id: also {other}"))
            elif image and mask:
                samples[name] = Sample(name, SAME_LESION.get(name, name), image, mask)
            else:
                problems.append(_missing(case, name, image, mask))
        return [samples[name] for name in sorted(samples)], problems

    def _images_folder(self) -> Path:
        """Search the root itself, then the right name in it, then one folder further down."""
        if not self.root.is_dir():
            raise DataError(f"{self.root}: no such folder: {LAYOUT}")
        for candidates in (
            [self.root],
            _images_named(self.root),
            [found for folder in _folders(self.root) for found in _images_named(folder)],
        ):
            found = [candidate for candidate in candidates if _cases(candidate)]
            if len(found) > 1:
                places = ", ".join(map(str, found))
                raise DataError(f"{self.root}: PH2 is here more than once: {places}; name one")
            if found:
                return found[0]
        raise DataError(f"{self.root}: no PH2 here: {LAYOUT}")


def _folders(folder: Path) -> list[Path]:
    try:
        inner = sorted(path for path in folder.iterdir() if path.is_dir())
    except PermissionError:  # a neighbour's folder; what cannot be listed is not searched
        return []
    return [path for path in inner if path.name[0] != "." and path.name != "__MACOSX"]


def _images_named(folder: Path) -> list[Path]:
    return [path for path in _folders(folder) if IMAGES_NAME.fullmatch(path.name)]


def _cases(folder: Path) -> list[Path]:
    return [path for path in _folders(folder) if CASE_NAME.fullmatch(path.name)]


def _best(case: Path, folder: str, stem: str) -> Path | None:
    """Return the file of that name in that folder of the case, lossless formats first."""
    found = [
        file
        for inner in _folders(case)
        if inner.name.lower() == folder.lower()
        for file in image_files(inner)
        if file.stem.lower() == stem.lower()
    ]
    return min(found, key=lambda file: SUFFIXES.index(file.suffix.lower()), default=None)


def _missing(case: Path, name: str, image: Path | None, mask: Path | None) -> Problem:
    if image:
        place = f"{name}_lesion/{name}_lesion.bmp"
        return Problem("error", str(image), f"image without mask: no {case / place}")
    place = f"{name}_Dermoscopic_Image/{name}.bmp"
    what = "mask without image" if mask else "case without image and mask"
    return Problem("error", str(mask or case), f"{what}: no {case / place}")
