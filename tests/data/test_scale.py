"""Large data sets: the work per image does not grow with the number of images. Counted, not timed.

Each test does the same with a hundred and with a thousand images: ten times the work is linear.
"""

import numpy as np
import pytest
import torch

from counted import Looked, instructions
from segsweep.config.schema import SplitConfig
from segsweep.data.batches import Batches
from segsweep.data.cache import Prepared
from segsweep.data.check import Facts, check_all, format_problems
from segsweep.data.folder import Folder
from segsweep.data.groups import read_groups
from segsweep.data.parts import crossing_groups
from segsweep.data.source import Problem, Sample
from segsweep.data.split import split_samples

FEW, MANY = 100, 1000
LINEAR = 11.0
"""Times the work for ten times the images, sorting and rounding included."""


def made(folder, count):
    """Return a data set of *count* images of 3x3 pixels, mask *i* the bits of *i*."""
    masks = [np.array([*np.binary_repr(i % 512, 9)]).astype(int) for i in range(count)]
    (folder / "native.bin").write_bytes(b"".join(np.packbits(one).tobytes() for one in masks))
    images = np.zeros((count, 1, 1, 1), np.float32)
    samples = [Sample(f"{i:06d}", f"{i:06d}") for i in range(count)]
    return Prepared(folder, samples, "", images, images, Looked([(3, 3)] * count), [])


def named(count, groups=0):
    """Return *count* samples, in so many groups."""
    return [Sample(f"{i:06d}", f"g{i % groups if groups else i}") for i in range(count)]


def growth(work):
    """Return how much more *work* has to do with MANY than with FEW."""
    return instructions(work, MANY) / instructions(work, FEW)


def test_each_native_mask_looks_at_two_sizes(tmp_path):
    """Where it starts is worked out once for all: two looks per image over a whole pass."""
    prepared = made(tmp_path, MANY)
    values = [prepared.native_mask(index) for index in range(MANY)]

    assert prepared.sizes.looks == 2 * MANY
    for index in (0, 1, 511, MANY - 1):
        bits = "".join(map(str, values[index].ravel().astype(int)))
        assert int(bits, 2) == index % 512


@pytest.mark.parametrize("groups", [0, 50])
@pytest.mark.parametrize("settings", [{}, {"fold": 1}], ids=["drawn", "folds"])
def test_split(groups, settings):
    """Drawn or by folds, with groups or without."""
    split = SplitConfig(train=0.5, val=0.25, test=0.25, **settings)

    assert growth(lambda count: split_samples(named(count, groups), split)) < LINEAR


def test_as_many_folds_as_images():
    """Leave one out, 20,000 images: each fold takes one, in the order in which they are drawn."""
    count = 20_000
    split = SplitConfig(train=0.5, val=10, test=0.25, fold=7, folds=count)
    parts = split_samples(named(count), split)
    order = np.random.RandomState(split.seed).permutation(count)

    assert [index for index, part in enumerate(parts) if part == "test"] == [order[7]]


@pytest.mark.parametrize("folds", [2, 3, 5])
def test_next_group_goes_to_the_smallest_fold(folds):
    """The first of equal folds: every fold is the one that the plain rule gives."""
    random = np.random.default_rng(folds)
    samples = [Sample(f"{i:03d}", f"g{random.integers(12)}") for i in range(60)]
    order = np.random.RandomState(42).permutation(len(samples))
    groups = {}
    for index in order:
        groups.setdefault(samples[index].group, []).append(index)
    members = [[] for _ in range(folds)]
    for group in groups.values():
        min(members, key=len).extend(group)
    for fold in range(folds):
        split = SplitConfig(train=0.5, val=1, test=0.25, fold=fold, folds=folds)
        try:
            parts = split_samples(samples, split)
        except Exception:
            continue
        assert sorted(members[fold]) == [i for i, part in enumerate(parts) if part == "test"]


def test_split_file_and_groups_that_cross(tmp_path):
    """One line per image in the file, two images in a group."""

    def work(count):
        samples, path = named(count, count // 2), tmp_path / f"{count}.csv"
        parts = ["train", "val", "test"] * count
        rows = [f"{one.id},{part}\n" for one, part in zip(samples, parts, strict=False)]
        path.write_text("id,split\n" + "".join(rows))
        split = SplitConfig(train=0.5, val=0.25, test=0.25, file=str(path), keep_groups=False)
        assert len(crossing_groups(samples, split_samples(samples, split))) > count // 3

    assert growth(work) < LINEAR


def test_pairs_of_a_folder_and_their_groups(tmp_path):
    """Names are listed, paired and looked up in the groups file."""

    def work(count):
        root = tmp_path / str(count)
        for kind in ("images", "masks"):
            (root / kind).mkdir(parents=True, exist_ok=True)
            for index in range(count):
                (root / kind / f"{index:04d}.png").touch()
        rows = "".join(f"{index:04d},{index // 2}\n" for index in range(count))
        (root / "groups.csv").write_text("id,group\n" + rows)
        source = Folder(root / "images", root / "masks", groups_file=root / "groups.csv")
        samples, problems = source.find()
        assert (len(samples), problems) == (count, [])
        read_groups(root / "groups.csv", [one.id for one in samples])

    work(FEW), work(MANY)
    assert growth(work) < LINEAR


class Watched:
    """An array on disk that notes how many images are taken from it at a time."""

    def __init__(self, array):
        self.array, self.most = array, 0

    def __getitem__(self, rows):
        """Note and return what is asked for; an array without an index is never asked for."""
        self.most = max(self.most, len(rows))
        return self.array[rows]


def test_a_pass_takes_one_batch_at_a_time():
    """Neither order ever reads more than a batch: a data set need not fit into memory."""
    images, masks = Watched(np.zeros((MANY, 1, 2, 2), "f4")), Watched(np.zeros((MANY, 1, 2, 2)))
    batches = Batches(images, masks, list(range(MANY)), 25, torch.device("cpu"))
    seen = [len(read) for read, *_ in (*batches.in_order(), *batches.shuffled(0, 0, None))]

    assert sum(seen) == 2 * MANY
    assert (images.most, masks.most) == (25, 25)


def test_checks_of_all_images():
    """Duplicates are found by their digests; of a thousand warnings ten names are shown."""

    def work(count):
        facts = [Facts(f"{i:06d}", 8, 8, 1, False, f"{i // 2}") for i in range(count)]
        problems = check_all(facts)
        assert len(problems) == count // 2
        format_problems([*problems, *(Problem("error", str(i), "damaged") for i in range(count))])

    assert growth(work) < LINEAR
