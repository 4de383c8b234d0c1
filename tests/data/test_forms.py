"""Caches of images at their own sizes: right after kills, damage, changed files and full disks."""

import os
import shutil

import numpy as np
import pytest
from numpy.random import default_rng

from segsweep.data import room
from segsweep.data.cache import prepare
from segsweep.data.native import as_shares
from segsweep.data.source import IGNORED, Pixels, Sample
from segsweep.errors import DataError

SIZES = {"a": (24, 33), "b": (7, 5), "c": (31, 16), "d": (9, 9), "e": (17, 40)}


class Files:
    """Images and labels in npy files; it notes what it decodes and can be broken off."""

    signature = "files"

    def __init__(self, root, stop="", ignores=False):
        self.root, self.stop, self.ignores = root, stop, ignores
        self.decoded = ""

    def find(self):
        """Return a sample for each image."""
        names = sorted(path.stem for path in (self.root / "images").glob("*.npy"))
        places = [self.root / kind for kind in ("images", "masks")]
        return [Sample(name, name, *(p / f"{name}.npy" for p in places)) for name in names], []

    def read(self, sample):
        """Load one pair."""
        if sample.id == self.stop:
            raise KeyboardInterrupt
        self.decoded += sample.id
        labels = np.load(sample.mask)
        ignored = labels == IGNORED if self.ignores else None
        return Pixels(np.load(sample.image), labels == 1, ignored=ignored)


def save(root, name, kind="uint8", seed=None):
    """Write a pair; return what was written."""
    random = default_rng(ord(name) if seed is None else seed)
    image = random.integers(0, np.iinfo(kind).max, (*SIZES[name], 3)).astype(kind)
    labels = random.integers(0, 3, SIZES[name]).astype(np.uint8)
    for folder, values in (("images", image), ("masks", labels)):
        (root / folder).mkdir(parents=True, exist_ok=True)
        np.save(root / folder / f"{name}.npy", values)
    return image, labels


@pytest.fixture
def root(tmp_path):
    """Return a folder of five images of different sizes, one of them with 16 bits."""
    for name in SIZES:
        save(tmp_path / "data", name, "uint16" if name == "c" else "uint8")
    return tmp_path / "data"


def native(source, folder, channels=3):
    """Prepare images at their own sizes."""
    return prepare(source, None, channels, folder)


def assert_right(prepared, root, ignores=False):
    """Assert that a cache holds what the files do."""
    assert len(prepared.images) == len(prepared.masks) == len(prepared.samples) == 5
    for row, (name, size) in enumerate(SIZES.items()):
        image, labels = (np.load(root / k / f"{name}.npy") for k in ("images", "masks"))
        wanted = labels if ignores else labels == 1

        assert prepared.sizes[row] == size
        np.testing.assert_array_equal(prepared.images[row], as_shares(image).transpose(2, 0, 1))
        np.testing.assert_array_equal(prepared.masks[row], wanted[None])
        np.testing.assert_array_equal(prepared.native_mask(row), labels == 1)
        ignored = (labels == IGNORED) & ignores
        np.testing.assert_array_equal(prepared.native_ignored(row), ignored)


@pytest.mark.parametrize("ignores", [False, True])
def test_cache_holds_the_files(tmp_path, root, ignores):
    """Images of 8 and 16 bits, masks, ignored pixels; a second call decodes nothing."""
    source = Files(root, ignores=ignores)
    assert_right(native(source, tmp_path / "cache"), root, ignores)
    assert_right(native(source, tmp_path / "cache"), root, ignores)

    assert source.decoded == "abcde"
    assert {path.name for path in (tmp_path / "cache").glob("data-*/*")} == {
        *("native.bin", "index.json")
    }


def test_beside_resized_images(tmp_path, root):
    """Each has a cache of its own, of data with one fingerprint; channels too."""
    source = Files(root)
    made = [prepare(source, (8, 8), 3, tmp_path), native(source, tmp_path)]
    made.append(native(source, tmp_path, 1))

    assert len({one.folder for one in made}) == 3
    assert len({one.fingerprint for one in made}) == 1
    assert_right(native(source, tmp_path), root)


def test_grey_images(tmp_path, root):
    """As resizing to their own size makes them."""
    expected = prepare(Files(root), SIZES["d"], 1, tmp_path, resize="classic")

    np.testing.assert_array_equal(native(Files(root), tmp_path, 1).images[3], expected.images[3])


@pytest.mark.parametrize("file", ["native.bin", "index.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "longer"])
def test_damaged_cache_is_built_again(tmp_path, root, file, damage):
    """What is not as long as it must be, or missing, is noticed and repaired."""
    source = Files(root)
    path = native(source, tmp_path / "cache").folder / file
    if damage == "gone":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2 if damage == "cut" else 2**20)

    assert_right(native(source, tmp_path / "cache"), root)
    assert source.decoded == "abcde" * 2


@pytest.mark.parametrize("key", ["channels", "lengths", "sizes"])
def test_index_that_contradicts_itself_is_not_used(tmp_path, root, key):
    """Bytes that are those of no image of that size."""
    source = Files(root)
    path = native(source, tmp_path / "cache").folder / "index.json"
    text = path.read_text()
    wrong = {"channels": ('"channels": 3', '"channels": 2'), "lengths": ("3168", "3169")}
    path.write_text(text.replace(*wrong.get(key, ("33", "34"))))
    assert path.read_text() != text

    assert_right(native(source, tmp_path / "cache"), root)


def broken_off(root, folder, at):
    """Break a build off before the sample *at*; return the folder of what is decoded."""
    with pytest.raises(KeyboardInterrupt):
        native(Files(root, stop=at), folder)
    (part,) = folder.glob("part-*.tmp")
    return part


def test_broken_off_build_is_continued(tmp_path, root):
    """Only the rest is decoded; half a sample at the end of the file is cut off."""
    part = broken_off(root, tmp_path / "cache", "d")
    with (part / "native.part").open("ab") as file:
        file.write(b"half of a sample")
    source = Files(root)

    assert_right(native(source, tmp_path / "cache"), root)
    assert source.decoded == "de"
    assert list((tmp_path / "cache").glob("part-*.tmp")) == []


@pytest.mark.parametrize("damage", ["zeros", "cut", "gone"])
@pytest.mark.parametrize("file", ["native.part", "journal.jsonl"])
def test_damaged_part_is_decoded_again(tmp_path, root, file, damage):
    """What does not fit its checksum is not used."""
    path = broken_off(root, tmp_path / "cache", "e") / file
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        os.truncate(path, path.stat().st_size // 2)
    else:
        path.write_bytes(path.read_bytes()[:100] + bytes(path.stat().st_size - 100))

    assert_right(native(Files(root), tmp_path / "cache"), root)


def test_samples_of_an_unfinished_cache_are_taken_over(tmp_path, root):
    """After a file changed, the others come from the cache before, in whatever order they are."""
    broken_off(root, tmp_path / "cache", "e")
    save(root, "b", seed=7)
    source = Files(root)

    assert_right(native(source, tmp_path / "cache"), root)
    assert source.decoded == "be"


def test_room_is_checked_first(tmp_path, root, monkeypatch):
    """One line with the key, before an image is decoded; files that say nothing count as none."""
    monkeypatch.setattr("segsweep.data.forms.known_pixels", lambda sample: 10**9)
    monkeypatch.setattr(room, "free_disk_mb", lambda folder: 100.0)
    source = Files(root)
    with pytest.raises(DataError) as caught:
        native(source, tmp_path / "cache")

    assert "data.tile: not enough disk: 5 decoded images need 20.0 GB" in str(caught.value)
    assert source.decoded == ""


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path, small_disk, monkeypatch):
    """Noticed before images are written, or while they are, where files do not say their size."""
    for name in "abc":
        for kind, shape in (("images", (700, 600, 3)), ("masks", (700, 600))):
            (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
            values = default_rng(ord(name)).integers(0, 2, shape).astype(np.uint8)
            np.save(tmp_path / "data" / kind / f"{name}.npy", values)
    with pytest.raises(DataError, match="not enough disk: 3 decoded images need"):
        native(Files(tmp_path / "data"), small_disk / "cache")
    monkeypatch.setattr("segsweep.data.work_size.shape_of", lambda path: None)
    with pytest.raises(DataError, match="the disk is full: 3 decoded images need") as caught:
        native(Files(tmp_path / "data"), small_disk / "cache")

    assert "\n" not in str(caught.value)
    assert shutil.disk_usage(small_disk).used < 100_000
