"""The cache: pixels by skimage's own hand, one build whatever happens, no stale answer."""

import errno
import json
import multiprocessing
import os
import random
import shutil
import time
from dataclasses import replace

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image
from skimage.color import rgb2gray
from skimage.transform import resize

from fake_data import blob
from segsweep.data import cache, fingerprint
from segsweep.data.folder import Folder
from segsweep.data.source import Pixels, Problem, Sample
from segsweep.data.synthetic import Synthetic
from segsweep.errors import DataError

FORK = multiprocessing.get_context("fork")
SIZES = {"a": (24, 33), "b": (7, 5), "c": (31, 16), "d": (9, 9), "e": (17, 40)}
"""Height and width of the images as they come; pixels of b and d fill no whole byte."""
SIZE = (16, 24)


class Arrays:
    """Pairs of npy files; notes in a file which are decoded, slowly if asked."""

    def __init__(self, root, signature="half", pause=0.0, groups=None):
        self.root, self.signature, self.pause = root, signature, pause
        self.groups = groups or {}
        self.problems = []
        self.log = root.parent / f"{root.name}.log"

    def find(self):
        """Return a sample for each file among the images."""
        names = sorted(path.stem for path in (self.root / "images").glob("*.npy"))
        places = [(self.root / kind for kind in ("images", "masks")) for _ in names]
        return [
            Sample(name, self.groups.get(name, name), *(place / f"{name}.npy" for place in pair))
            for name, pair in zip(names, places, strict=True)
        ], self.problems

    def read(self, sample):
        """Load one pair; what is not an array is damaged."""
        with self.log.open("a") as log:
            log.write(sample.id)
        time.sleep(self.pause)
        try:
            return Pixels(np.load(sample.image), np.load(sample.mask))
        except ValueError:
            raise DataError(f"{sample.image}: damaged") from None

    def decoded(self):
        """Return the ids of what was decoded so far."""
        return self.log.read_text() if self.log.exists() else ""


@pytest.fixture
def root(tmp_path):
    """Return a folder of five images of different sizes, with their masks."""
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for seed, (name, size) in enumerate(SIZES.items()):
        save(tmp_path / "data", name, *blob(seed, *size))
    return tmp_path / "data"


@pytest.fixture
def started():
    """Return a function that starts a build elsewhere; all are gone after the test."""
    processes = []

    def start(work, *arguments):
        process = FORK.Process(target=work, args=arguments, daemon=True)
        process.start()
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.join()


def save(root, name, image, mask):
    """Write a pair."""
    np.save(root / "images" / f"{name}.npy", image)
    np.save(root / "masks" / f"{name}.npy", mask)


def prepare(source, folder, size=SIZE, channels=3, **options):
    """Prepare with the sizes of these tests."""
    return cache.prepare(source, size, channels, folder, **options)


def assert_same(prepared, other):
    """Assert that two caches hold the same to the last bit."""
    assert prepared.fingerprint == other.fingerprint
    assert prepared.folder.name == other.folder.name
    np.testing.assert_array_equal(prepared.images, other.images)
    np.testing.assert_array_equal(prepared.masks, other.masks)
    assert prepared.sizes == other.sizes
    assert prepared.warnings == other.warnings
    for index in range(len(prepared.samples)):
        np.testing.assert_array_equal(prepared.native_mask(index), other.native_mask(index))


def litter(folder):
    """Return what lies in the cache's folder and is neither cache, lock nor memory of hashes."""
    known = ("hashes.json", ".lock")
    caches = [p for p in folder.glob("data-*") if p.is_dir() and ".tmp" not in p.name]
    return [p for p in folder.iterdir() if not p.name.endswith(known) and p not in caches]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64"])
def test_pixels_are_those_of_the_original_experiment(tmp_path, root, channels, dtype):
    """Image and mask are skimage's resize with the settings of the contract, in [0, 1]."""
    scale = {"uint8": 1, "uint16": 257, "float64": 1 / 255}[dtype]
    for path in (root / "images").iterdir():
        np.save(path, (np.load(path).astype(float) * scale).astype(dtype))
    options = {"channels": channels, "resize": "classic"}
    prepared = prepare(Arrays(root), tmp_path / "cache", **options)

    assert [s.id for s in prepared.samples] == list(SIZES)
    assert (prepared.images.dtype, prepared.masks.dtype) == (np.float32, np.uint8)
    for index, name in enumerate(SIZES):
        image, mask = (np.load(root / k / f"{name}.npy") for k in ("images", "masks"))
        image = image if channels == 3 else rgb2gray(image)[..., None]
        image = resize(image, SIZE, mode="constant", anti_aliasing=True)
        mask = resize(mask.astype(float), SIZE, order=1, mode="constant", anti_aliasing=False)

        np.testing.assert_array_equal(prepared.images[index], image.astype("f4").transpose(2, 0, 1))
        np.testing.assert_array_equal(prepared.masks[index, 0], mask > 0.5)
        assert 0 <= prepared.images[index].min() < prepared.images[index].max() <= 1


def test_the_same_size_is_left_alone(tmp_path, root):
    """An image of the training size comes out as its bytes / 255, its mask as it was."""
    image, mask = blob(9, *SIZE)
    save(root, "a", image, mask)
    prepared = prepare(Arrays(root), tmp_path / "cache")

    np.testing.assert_allclose(prepared.images[0].transpose(1, 2, 0), image / 255, atol=1e-6)
    np.testing.assert_array_equal(prepared.masks[0, 0], mask)


def test_native_masks_come_back(tmp_path, root):
    """Every mask at its own size, bit for bit, in any order of asking."""
    prepared = prepare(Arrays(root), tmp_path / "cache")

    assert prepared.sizes == list(SIZES.values())
    for index, name in [(2, "c"), (4, "e"), (0, "a"), (1, "b"), (3, "d")]:
        native = prepared.native_mask(index)

        assert native.dtype == bool
        np.testing.assert_array_equal(native, np.load(root / "masks" / f"{name}.npy"))


def test_second_call_decodes_nothing(tmp_path, root):
    """It opens what the first one made, read-only, and tells no progress."""
    source, steps = Arrays(root), []
    first = prepare(source, tmp_path / "cache", progress=lambda *step: steps.append(step))
    again = prepare(source, tmp_path / "cache", progress=lambda *step: steps.append(step))
    *counts, shares = zip(*steps, strict=True)

    assert source.decoded() == "abcde"
    assert counts == [(0, 1, 2, 3, 4, 5), (5,) * 6]
    assert (shares[0], shares[-1]) == (0, 1)
    assert list(shares) == sorted(set(shares))
    assert_same(first, again)
    assert isinstance(again.images, np.memmap)
    assert not again.images.flags.writeable
    assert litter(tmp_path / "cache") == []


def test_warnings_are_reported_every_time(tmp_path, root):
    """Those found while decoding, and those of the search, also when nothing is decoded."""
    save(root, "b", blob(1, *SIZES["b"])[0], np.zeros(SIZES["b"], bool))
    source = Arrays(root)
    source.problems = [Problem("warning", "z", "not in the groups file")]
    told = [prepare(source, tmp_path / "cache").warnings for _ in range(2)]

    assert [problem.what.split(":")[0] for problem in told[0]] == [
        "not in the groups file",
        "empty mask",
    ]
    assert told[0] == told[1]


def test_files_are_hashed_once(tmp_path, root, monkeypatch):
    """Later calls read no file again, except one that was touched, or hashed while fresh."""
    hashed = []
    digest = fingerprint.file_digest
    monkeypatch.setattr(
        fingerprint, "file_digest", lambda path: hashed.append(path.stem) or digest(path)
    )
    samples, _ = Arrays(root).find()

    def new_hashes():
        hashed.clear()
        return fingerprint.content_hashes(samples, root)[0], "".join(sorted(hashed))

    monkeypatch.setattr(fingerprint, "FRESH_NS", 3600 * 10**9)
    fresh = [new_hashes() for _ in range(2)]
    monkeypatch.setattr(fingerprint, "FRESH_NS", 0)
    time.sleep(0.02)
    old = [new_hashes() for _ in range(2)]
    os.utime(root / "images" / "c.npy", ns=(1, 1))
    time.sleep(0.02)
    touched = [new_hashes() for _ in range(2)]

    assert [names for _, names in fresh] == ["aabbccddee"] * 2
    assert [names for _, names in old] == ["aabbccddee", ""]
    assert [names for _, names in touched] == ["c", ""]
    assert len({str(hashes) for hashes, _ in [*fresh, *old, *touched]}) == 1


@pytest.mark.parametrize("text", ["", '{"', "[]"])
def test_a_damaged_memory_of_hashes_is_forgotten(tmp_path, root, text):
    """It only saves time."""
    first = prepare(Arrays(root), tmp_path / "cache")
    (tmp_path / "cache" / "hashes.json").write_text(text)

    assert_same(prepare(Arrays(root), tmp_path / "cache"), first)


@pytest.mark.parametrize("fresh_ns", [fingerprint.FRESH_NS, 0])
@pytest.mark.parametrize("kind", ["images", "masks"])
def test_changed_content_is_another_cache(tmp_path, root, monkeypatch, kind, fresh_ns):
    """Also if size and time are as before, and also if the old hash is remembered."""
    monkeypatch.setattr(fingerprint, "FRESH_NS", fresh_ns)
    time.sleep(0.02)
    before = prepare(Arrays(root), tmp_path / "cache")
    path = root / kind / "c.npy"
    status = path.stat()
    time.sleep(0.02)  # the kernel's clock for files ticks every few milliseconds
    pixels = np.load(path)
    pixels[20:30, 3:9] = ~pixels[20:30, 3:9]
    np.save(path, pixels)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    after = prepare(Arrays(root), tmp_path / "cache")

    assert (path.stat().st_size, path.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert after.fingerprint != before.fingerprint
    assert after.folder != before.folder
    assert np.any(getattr(after, kind)[2] != getattr(before, kind)[2])
    np.testing.assert_array_equal(np.delete(after.images, 2, 0), np.delete(before.images, 2, 0))


@pytest.mark.parametrize(
    "option",
    [
        *({"size": (24, 16)}, {"size": (16, 16)}, {"channels": 1}),
        *({"signature": "over 128"}, {"resize": "classic"}),
    ],
)
def test_another_option_is_another_cache(tmp_path, root, option):
    """Size, channels, way of resizing, foreground rule; the data themselves stay the same."""
    before = prepare(Arrays(root), tmp_path / "cache")
    source = Arrays(root, option.pop("signature", "half"))
    after = prepare(source, tmp_path / "cache", **option)

    assert after.folder != before.folder
    assert after.fingerprint == before.fingerprint
    assert source.decoded() == "abcde" * 2
    assert_same(prepare(Arrays(root), tmp_path / "cache"), before)


def test_fingerprint_does_not_depend_on_the_place(tmp_path, root):
    """A copy of the data elsewhere finds the same cache and is not decoded again."""
    before = prepare(Arrays(root), tmp_path / "cache")
    shutil.copytree(root, tmp_path / "elsewhere" / "copy")
    moved = Arrays(tmp_path / "elsewhere" / "copy")

    assert_same(prepare(moved, tmp_path / "cache"), before)
    assert moved.decoded() == ""


def test_fingerprint_depends_on_ids_groups_and_pairing(tmp_path, root):
    """Another name, another group, or masks exchanged are other data."""
    samples, _ = Arrays(root).find()
    hashes, _ = fingerprint.content_hashes(samples, tmp_path)
    first, second, *rest = samples
    variants = [
        samples,
        [replace(first, id="A"), second, *rest],
        [replace(first, group="b"), second, *rest],
        [replace(first, mask=second.mask), replace(second, mask=first.mask), *rest],
        samples[:-1],
    ]
    prints = [fingerprint.data_fingerprint(Arrays(root), variant, hashes) for variant in variants]

    assert len(set(prints)) == 5
    assert all(len(text) == 16 and int(text, 16) >= 0 for text in prints)


def test_drawn_data_count_by_their_parameters(tmp_path):
    """Synthetic images have no files: seed, side, difficulty and ids tell them apart."""
    kinds = [{}, {"seed": 1}, {"side": 40}, {"difficulty": 0.9}, {"count": 2}, {}]
    made = [prepare(Synthetic(**{"count": 3, "side": 32, **k}), tmp_path, (16, 16)) for k in kinds]

    assert len({prepared.fingerprint for prepared in made}) == 5
    assert_same(made[0], made[5])
    np.testing.assert_array_equal(made[0].images[:2], made[4].images)
    truth = Synthetic(3, 32).read(made[0].samples[1]).mask
    np.testing.assert_array_equal(made[0].native_mask(1), truth)


@pytest.mark.parametrize("name", ["images.npy", "masks.npy", "native.bin", "index.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "overwritten"])
def test_damaged_cache_is_built_again(tmp_path, root, name, damage):
    """A file that lost its end or its head, or is missing, is noticed and repaired."""
    source = Arrays(root)
    whole = prepare(source, tmp_path / "whole")
    damaged = prepare(source, tmp_path / "cache").folder / name
    if damage == "cut":
        os.truncate(damaged, damaged.stat().st_size // 2)
    elif damage == "overwritten":
        if name == "native.bin":
            pytest.skip("packed pixels have no head")
        with damaged.open("r+b") as file:
            file.write(b"x" * 40)
    else:
        damaged.unlink()
    mended = prepare(source, tmp_path / "cache")

    assert_same(mended, whole)
    assert source.decoded() == "abcde" * 3
    assert litter(tmp_path / "cache") == []


@pytest.mark.parametrize("entry", [1, None, [1, 2, 3], [1, 2, 3, 4], "x", {}])
def test_damaged_memory_of_hashes(tmp_path, root, entry):
    """Files are hashed again where the memory is not as it was written."""
    whole = prepare(Arrays(root), tmp_path / "cache")
    paths = [str(path) for sample in whole.samples for path in (sample.image, sample.mask)]
    memory = {os.path.realpath(path): entry for path in paths}
    (tmp_path / "cache" / "hashes.json").write_text(json.dumps(memory))

    assert prepare(Arrays(root), tmp_path / "cache").fingerprint == whole.fingerprint


def build(root, folder, pause, barrier=None, result=None):
    """Prepare in another process; with *result*, write what came out."""
    source = Arrays(root, pause=pause)
    if barrier:
        barrier.wait(60)
    prepared = prepare(source, folder)
    if result:
        masks = [prepared.native_mask(index) for index in range(len(SIZES))]
        np.savez(result, prepared.images, prepared.masks, *masks)


def test_killed_builds_leave_nothing_behind(tmp_path, root, started):
    """SIGKILL at random moments of six builds; the next call completes and is right."""
    undisturbed, moment = prepare(Arrays(root), tmp_path / "whole"), random.Random(0)
    source, folder, half_built = Arrays(root), tmp_path / "cache", []
    for wanted in (1, 2, 3, 4, 5, 5):
        source.log.unlink(missing_ok=True)
        builder = started(build, root, folder, 0.03)
        end = time.monotonic() + 60
        while builder.is_alive() and len(source.decoded()) < wanted and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(moment.uniform(0, 0.04))
        builder.kill()
        builder.join()
        half_built += [builder.pid for path in folder.glob("*.tmp*") if path.is_dir()]
    finished = prepare(source, folder)

    assert half_built
    assert_same(finished, undisturbed)
    assert [path for path in litter(folder) if path.is_dir()] == []


def test_two_at_once_build_once(tmp_path, root, started):
    """Two processes that ask at the same moment: one decodes, both are right."""
    barrier = FORK.Barrier(2)
    results = [tmp_path / f"{name}.npz" for name in "xy"]
    both = [started(build, root, tmp_path / "cache", 0.01, barrier, path) for path in results]
    for process in both:
        process.join(60)
    expected = prepare(Arrays(root), tmp_path / "cache")
    masks = [expected.native_mask(index) for index in range(len(SIZES))]

    assert [process.exitcode for process in both] == [0, 0]
    assert Arrays(root).decoded() == "abcde"
    for path in results:
        with np.load(path) as found:
            for one, other in zip(
                found.values(), [expected.images, expected.masks, *masks], strict=True
            ):
                np.testing.assert_array_equal(one, other)


def test_everything_wrong_is_reported_at_once(tmp_path, root):
    """Two damaged files, sizes that differ, a lone mask: four lines, and no cache is left."""
    source = Arrays(root)
    for name in "ad":
        (root / "images" / f"{name}.npy").write_bytes(b"no array, but long enough")
    save(root, "b", blob(1, 8, 6)[0], np.ones((6, 8), bool))
    source.problems = [Problem("error", "lone.npy", "mask without image: lone")]
    with pytest.raises(DataError) as caught:
        prepare(source, tmp_path / "cache")
    lines = str(caught.value).splitlines()
    errors = [line for line in lines if line.startswith("error: ")]

    assert len(errors) == 4
    for part in ("a.npy: damaged", "d.npy: damaged", "mask 6x8, image 8x6", "lone"):
        assert sum(part in line for line in errors) == 1
    assert list((tmp_path / "cache").glob("data-*")) == []


def test_damaged_files_alone_leave_no_cache(tmp_path, root):
    """Also where the search found nothing wrong; repaired data are built as usual."""
    path = root / "images" / "c.npy"
    right = path.read_bytes()
    path.write_bytes(b"no array, but long enough")
    for _ in range(2):
        with pytest.raises(DataError, match=r"c\.npy: damaged"):
            prepare(Arrays(root), tmp_path / "cache")

    assert [p for p in (tmp_path / "cache").glob("data-*") if p.is_dir()] == []
    path.write_bytes(right)
    assert_same(prepare(Arrays(root), tmp_path / "cache"), prepare(Arrays(root), tmp_path / "two"))


def test_file_that_cannot_be_opened_hides_no_other_problem(tmp_path, root):
    """One link to nowhere, one damaged image: both are reported."""
    (root / "masks" / "b.npy").unlink()
    (root / "masks" / "b.npy").symlink_to(tmp_path / "nowhere")
    (root / "images" / "d.npy").write_bytes(b"no array")
    with pytest.raises(DataError) as caught:
        prepare(Arrays(root), tmp_path / "cache")
    lines = str(caught.value).splitlines()

    assert len(lines) == 2
    assert "b.npy" in lines[0]
    assert "d.npy: damaged" in lines[1]


def test_full_disk_is_one_line_and_leaves_nothing(root, small_disk):
    """Writing to mapped memory without a block behind it would end the process by a signal."""
    large = (512, 512)
    with pytest.raises(DataError, match=r"not enough disk: 5 decoded images need 17 MB") as caught:
        cache.prepare(Arrays(root), large, 3, small_disk / "cache")

    assert "\n" not in str(caught.value)
    assert litter(small_disk / "cache") == []
    assert shutil.disk_usage(small_disk).used < 100_000


def test_what_killed_builders_left_goes_with_the_next_build(tmp_path, root):
    """Of this cache or of another, unless somebody is building that."""
    folder = tmp_path / "cache"
    for name in ("data-dead", "data-alive"):
        (folder / f"{name}.tmp1").mkdir(parents=True)
    with FileLock(folder / "data-alive.lock"):
        prepare(Arrays(root), folder)

    assert [path.name for path in folder.glob("*.tmp*")] == ["data-alive.tmp1"]


def test_files_that_cannot_be_opened_are_reported_at_once(tmp_path, root):
    """Links to nowhere, as after an unmounted disk: each is named in a separate line."""
    for name in "be":
        (root / "masks" / f"{name}.npy").unlink()
        (root / "masks" / f"{name}.npy").symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError) as caught:
        prepare(Arrays(root), tmp_path / "cache")
    lines = str(caught.value).splitlines()

    assert len(lines) == 2
    assert "b.npy" in lines[0]
    assert "e.npy" in lines[1]


def test_killed_build_is_continued(tmp_path, root, started):
    """After SIGKILL the next command decodes only the rest, counts it, and is right."""
    undisturbed, source = prepare(Arrays(root), tmp_path / "whole"), Arrays(root)
    source.log.unlink()
    builder = started(build, root, tmp_path / "cache", 0.05)
    end = time.monotonic() + 60
    while len(source.decoded()) < 4 and time.monotonic() < end:
        time.sleep(0.001)
    builder.kill()
    builder.join()
    before, steps = source.decoded(), []
    prepared = prepare(source, tmp_path / "cache", progress=lambda *step: steps.append(step))
    again = source.decoded()[len(before) :]

    assert again == "abcde"[-len(again) :]
    assert len(again) <= 2  # the one that was being decoded, and the last
    assert [step[:2] for step in steps] == [(n, len(again)) for n in range(len(again) + 1)]
    assert_same(prepared, undisturbed)
    assert [path for path in litter(tmp_path / "cache") if path.is_dir()] == []


def broken_off(root, folder, wanted):
    """Break a build off before the sample *wanted*; return the folder of what is decoded."""

    class Stops(Arrays):
        def read(self, sample):
            if sample.id == wanted:
                raise KeyboardInterrupt
            return super().read(sample)

    with pytest.raises(KeyboardInterrupt):
        prepare(Stops(root), folder)
    (part,) = folder.glob("part-*.tmp")
    return part


@pytest.mark.parametrize("file", ["images.npy", "masks.npy", "native.part", "journal.jsonl"])
@pytest.mark.parametrize("damage", ["zeros", "cut", "gone"])
def test_damaged_parts_are_decoded_again(tmp_path, root, file, damage):
    """As a power failure leaves them: what does not fit its checksum is not used."""
    undisturbed = prepare(Arrays(root), tmp_path / "whole")
    path = broken_off(root, tmp_path / "cache", "d") / file
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        os.truncate(path, path.stat().st_size // 2)
    else:
        content = path.read_bytes()
        path.write_bytes(content[:128] + bytes(len(content) - 128))

    assert_same(prepare(Arrays(root), tmp_path / "cache"), undisturbed)


def test_refused_data_are_not_decoded_again(tmp_path, root):
    """Each try names the same problems; after a repair only what changed is decoded."""
    undisturbed, source = prepare(Arrays(root), tmp_path / "whole"), Arrays(root)
    path = root / "images" / "c.npy"
    right = path.read_bytes()
    path.write_bytes(b"no array, but long enough")
    save(root, "b", blob(1, 8, 6)[0], np.ones((6, 8), bool))
    source.problems = [Problem("error", "lone.npy", "mask without image: lone")]
    source.log.unlink()
    told = []
    for _ in range(3):
        with pytest.raises(DataError) as caught:
            prepare(source, tmp_path / "cache")
        told.append(str(caught.value))

    assert len(set(told)) == 1
    assert told[0].count("error: ") == 3
    assert source.decoded() == "abcde"

    source.problems = []
    save(root, "b", *blob(1, *SIZES["b"]))
    path.write_bytes(right)

    assert_same(prepare(source, tmp_path / "cache"), undisturbed)
    assert source.decoded() == "abcdebc"
    assert [path for path in litter(tmp_path / "cache") if path.is_dir()] == []


def test_an_error_that_may_pass_is_not_remembered(tmp_path, root):
    """A network disk that is away for a moment."""

    class Away(Arrays):
        def read(self, sample):
            if sample.id == "c":
                raise OSError(errno.EIO, "Input/output error")
            return super().read(sample)

    with pytest.raises(DataError, match="Input/output error"):
        prepare(Away(root), tmp_path / "cache")
    source = Arrays(root)
    source.log.unlink()
    prepare(source, tmp_path / "cache")

    assert source.decoded() == "c"


def test_an_old_unfinished_cache_is_removed(tmp_path, root):
    """One that nobody continued for a week, of whatever data."""
    part = broken_off(root, tmp_path / "cache", "b")
    fresh = part.with_name("part-0-1.tmp")
    shutil.copytree(part, fresh)
    os.utime(part / "journal.jsonl", (1, 1))
    prepare(Arrays(root, "another rule"), tmp_path / "cache")

    assert not part.exists()
    assert fresh.exists()


def test_an_old_unfinished_cache_of_another_rule_gives_no_pixels(tmp_path, root):
    """It goes away; its masks were decoded by another rule."""
    part = broken_off(root, tmp_path / "cache", "e")
    os.utime(part / "journal.jsonl", (1, 1))

    class Inverse(Arrays):
        def read(self, sample):
            pixels = super().read(sample)
            return replace(pixels, mask=~pixels.mask)

    undisturbed = prepare(Inverse(root, "inverse"), tmp_path / "whole")

    assert_same(prepare(Inverse(root, "inverse"), tmp_path / "cache"), undisturbed)


class Ignoring(Arrays):
    """Pairs of npy files, of which the left third is ignored."""

    ignores = True

    def read(self, sample):
        """Load a pair."""
        pixels = super().read(sample)
        ignored = np.zeros(pixels.mask.shape, bool)
        ignored[:, : pixels.mask.shape[1] // 3] = True
        return replace(pixels, ignored=ignored)


def ignored_of(prepared):
    """Return the ignored pixels of all images at their own size."""
    return [prepared.native_ignored(index) for index in range(len(prepared.samples))]


def test_ignored_pixels_come_back(tmp_path, root):
    """At the training size as 2, at the images' own size in a plane of their own."""
    prepared = prepare(Ignoring(root, "left"), tmp_path)
    plain = prepare(Arrays(root), tmp_path)
    again = prepare(Ignoring(root, "left"), tmp_path)

    assert (prepared.ignores, plain.ignores) == (True, False)
    assert_same(again, prepared)
    for index, sample in enumerate(prepared.samples):
        height, width = SIZES[sample.id]
        expected = np.zeros((height, width), bool)
        expected[:, : width // 3] = True
        for one in (prepared, again):
            np.testing.assert_array_equal(one.native_ignored(index), expected)
        masks = plain.native_mask(index) & ~expected
        np.testing.assert_array_equal(prepared.native_mask(index), masks)
        assert not plain.native_ignored(index).any()
        assert (prepared.masks[index, 0, :, : SIZE[1] * (width // 3) // width - 1] == 2).all()
    assert set(np.unique(plain.masks)) == {0, 1}
    assert not (plain.folder / "ignored.bin").exists()


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_plane_of_ignored_pixels_is_built_again(tmp_path, root, damage):
    """As the other files of a cache."""
    prepared = prepare(Ignoring(root, "left"), tmp_path)
    expected = ignored_of(prepared)
    path = prepared.folder / "ignored.bin"
    path.unlink() if damage == "gone" else os.truncate(path, 3)

    assert all(map(np.array_equal, ignored_of(prepare(Ignoring(root, "left"), tmp_path)), expected))


@pytest.mark.parametrize("damage", ["none", "zeros", "cut"])
def test_a_broken_off_cache_with_ignored_pixels_is_continued(tmp_path, root, damage):
    """Both planes are in the checksum: after damage they are decoded again, else taken over."""
    undisturbed = prepare(Ignoring(root, "left"), tmp_path / "whole")

    class Stops(Ignoring):
        def read(self, sample):
            if sample.id == "d":
                raise KeyboardInterrupt
            return super().read(sample)

    with pytest.raises(KeyboardInterrupt):
        prepare(Stops(root, "left"), tmp_path / "cache")
    (part,) = (tmp_path / "cache").glob("part-*.tmp")
    path, source = part / "native.part", Ignoring(root, "left")
    content = path.read_bytes()
    if damage != "none":
        path.write_bytes(content[:-9] + (bytes(9) if damage == "zeros" else b""))
    source.log.unlink()
    prepared = prepare(source, tmp_path / "cache")

    assert_same(prepared, undisturbed)
    assert all(map(np.array_equal, ignored_of(prepared), ignored_of(undisturbed)))
    assert source.decoded() == ("de" if damage == "none" else "cde")


def test_an_image_of_ignored_pixels_only_is_an_error_with_its_name(tmp_path, root):
    """No pixel of it could count."""
    source = Ignoring(root, "left")
    source.read = lambda sample: replace(
        Arrays.read(source, sample),
        ignored=np.full(np.load(sample.mask).shape, sample.id == "c"),
    )

    with pytest.raises(
        DataError, match=r"^error: .*masks/c\.npy: every pixel is ignored"
    ) as caught:
        prepare(source, tmp_path)
    assert str(caught.value).count("error") == 1


def test_a_source_that_ignores_without_a_word_is_an_error(tmp_path, root):
    """The cache would have no place for it."""
    source = Ignoring(root, "left")
    source.ignores = False

    with pytest.raises(DataError, match="attribute ignores = True"):
        prepare(source, tmp_path)


@pytest.mark.parametrize("kind", ["images", "masks"])
@pytest.mark.parametrize("what", ["itself", "nowhere", "pipe", "folder"])
def test_what_is_no_file_is_one_line(tmp_path, kind, what):
    """A link to itself or to nothing, a pipe, a folder: named, without waiting."""
    folder = tmp_path / "data"
    for name in "ab":
        image, mask = blob(ord(name))
        for place, pixels in (("images", image), ("masks", mask)):
            (folder / place).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / place / f"{name}.png")
    path = folder / kind / "b.png"
    path.unlink()
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    else:
        path.symlink_to(path if what == "itself" else tmp_path / "nowhere")
    with pytest.raises(DataError) as caught:
        prepare(Folder(folder / "images", folder / "masks"), tmp_path / "cache")
    (line,) = str(caught.value).splitlines()

    assert "b.png" in line


@pytest.mark.parametrize("kind", ["images", "masks", "groups_file"])
@pytest.mark.parametrize("what", ["itself", "nowhere", "pipe"])
def test_a_folder_that_cannot_be_read_is_one_line(tmp_path, root, kind, what):
    """The same for the folders themselves, and for the file of groups."""
    places = {name: root / name for name in ("images", "masks")}
    for place in places.values():
        Image.fromarray(blob(0)[1]).save(place / "a.png")
    path = places[kind] = tmp_path / "odd"
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path if what == "itself" else tmp_path / "nowhere")
    with pytest.raises(DataError) as caught:
        prepare(Folder(**places), tmp_path / "cache")

    assert "\n" not in str(caught.value)
    assert "odd" in str(caught.value)
