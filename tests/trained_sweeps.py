"""Small finished sweeps on image files of several sizes."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from command import TINY, train_here
from fake_data import blob

SIZES = ((40, 56), (64, 48), (33, 47), (32, 32))
"""Heights and widths of the images, in turn."""
WORDS = (
    *("-m", *(word for word in TINY if not word.startswith(("data.count", "data.side")))),
    *("data=folder", "data.images=photos/images", "data.masks=photos/masks", "model=unet2,segnet"),
    *("loss=bce", "trainer.epochs=12", "optimizer.lr=0.02", "preflight=false", "keep=best"),
    "trainer.precision=float32",
    *("hydra/launcher=basic",),
)


class Trained(NamedTuple):
    """A finished sweep, and the folder of the images that it was trained on."""

    folder: Path
    """Of `outputs` and `photos`."""

    @property
    def sweep(self) -> Path:
        """The sweep's folder."""
        return self.folder / "outputs/main"

    @property
    def images(self) -> Path:
        """The folder of images."""
        return self.folder / "photos/images"


def write_photos(folder: Path, count: int = 24) -> None:
    """Write images and masks of several sizes to *folder*."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(count):
        image, mask = blob(number, *SIZES[number % len(SIZES)])
        Image.fromarray(image).save(folder / "images" / f"photo{number:02d}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(
            folder / "masks" / f"photo{number:02d}.png"
        )


def trained(folder: Path, *words: str) -> Trained:
    """Write the images and train a sweep on them."""
    write_photos(folder / "photos")
    with pytest.MonkeyPatch.context() as patch:
        assert train_here((*WORDS, *words), patch, folder) == 0
    return Trained(folder)


@pytest.fixture(scope="session")
def resized(tmp_path_factory) -> Trained:
    """Return a sweep of two models and two seeds whose images are resized to 32 x 32."""
    return trained(tmp_path_factory.mktemp("resized"), "seed=0,1")


@pytest.fixture(scope="session")
def tiled(tmp_path_factory) -> Trained:
    """Return a sweep of a model that is trained on tiles of 32 x 32."""
    words = ("data.tile=32", "model=unet2", "trainer.batch=3")
    return trained(tmp_path_factory.mktemp("tiled"), *words)


@pytest.fixture
def here(resized, tmp_path, monkeypatch) -> Trained:
    """Return the sweep `resized` as `outputs/main` of a working folder of its own."""
    (tmp_path / "outputs").symlink_to(resized.folder / "outputs")
    (tmp_path / "photos").symlink_to(resized.folder / "photos")
    monkeypatch.chdir(tmp_path)
    return Trained(tmp_path)
