"""The pictures of test images in a sweep's folder: where each one is, and their removal.

`images/<fingerprint of the data>-<height>x<width>x<channels>/<image>-<hash of its id>.jpg`: one
file for all runs that see the image alike. Any id gives a safe name.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from segsweep.store.paths import SweepPaths
from segsweep.system.files import text_digest

SUFFIX = ".jpg"
MOST_CHARACTERS = 60
"""Of an image's id in the name of its file."""

PIXEL_KEYS = ("data.page", "data.range")
"""Keys with which files of the same bytes are other images."""


def shown_data(settings: Mapping[str, object]) -> str:
    """Return what stands for the images of a run with these flat values: mostly a fingerprint."""
    fingerprint = str(settings.get("data_fingerprint"))
    chosen = [f"{key}={settings[key]}" for key in PIXEL_KEYS if settings.get(key) is not None]
    return f"{fingerprint}.{text_digest(' '.join(chosen))[:6]}" if chosen else fingerprint


def picture_path(
    sweep: SweepPaths, fingerprint: str, size: tuple[int, int], channels: int | str, image: str
) -> Path:
    """Return the file of a test image's picture.

    Args:
        sweep: the sweep's folder.
        fingerprint: of the data that the image belongs to; see `shown_data`.
        size: height and width that the network sees, pixels.
        channels: 3 for RGB, 1 for grey.
        image: the image's id.

    """
    folder = f"{_safe(fingerprint)}-{size[0]}x{size[1]}x{_safe(str(channels))}"
    name = f"{_safe(image)}-{text_digest(image)[:12]}{SUFFIX}"
    return sweep.images / folder / name


def remove_pictures(sweep: SweepPaths) -> None:
    """Delete the pictures of a sweep; other files in `images/` stay."""
    for folder in sweep.images.glob("*-*x*x*"):
        if re.fullmatch(r".+-\d+x\d+x\d+", folder.name) and not folder.is_symlink():
            for file in folder.iterdir():
                if re.fullmatch(rf".*-[0-9a-f]{{12}}\{SUFFIX}(\..*\.tmp)?", file.name):
                    file.unlink(missing_ok=True)
            _remove_if_empty(folder)
    _remove_if_empty(sweep.images)


def _safe(words: str) -> str:
    """Return *words* with only such characters as every file system and shell takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", words)[:MOST_CHARACTERS].lstrip(".-") or "image"


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # missing, or something else is in it
        folder.rmdir()
