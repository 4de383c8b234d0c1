"""PH2: the layout of real copies, with their litter; the real data where it is at hand."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fake_data import PH2_NAMES, write_ph2
from segsweep.data.ph2 import PH2
from segsweep.errors import DataError

STARTS = ("unpacked", "unpacked/PH2Dataset", "unpacked/PH2Dataset/PH2 Dataset images")


@pytest.fixture
def root(tmp_path):
    """Return the folder that the fake archive was unpacked in."""
    write_ph2(tmp_path / "unpacked" / "PH2Dataset")
    return tmp_path / "unpacked"


def case(root, name):
    """Return the folder of one case."""
    return root / "PH2Dataset" / "PH2 Dataset images" / name


@pytest.mark.parametrize("start", STARTS)
def test_all_cases_are_found_from_every_start(root, start):
    """The unpacked folder, PH2Dataset and its images folder all give the six cases in order."""
    samples, problems = PH2(root.parent / start).find()

    assert [sample.id for sample in samples] == list(PH2_NAMES)
    assert problems == []


def test_images_and_masks_equal_what_was_written(tmp_path):
    """RGB mask, jpg copy and upper-case ending change nothing in any pixel."""
    truth = write_ph2(tmp_path)
    source = PH2(tmp_path)
    samples, _ = source.find()

    for sample in samples:
        pixels = source.read(sample)
        np.testing.assert_array_equal(truth[sample.id][0], pixels.image)
        np.testing.assert_array_equal(truth[sample.id][1], pixels.mask)
        assert not pixels.grey


def test_one_lesion_is_one_group(root):
    """IMD199 and IMD200 show the same lesion; every other case is its own group."""
    groups = {sample.id: sample.group for sample in PH2(root).find()[0]}

    assert groups == {name: name for name in PH2_NAMES} | {"IMD200": "IMD199"}


def test_missing_halves_are_all_listed(root):
    """A case without mask, one without image and an empty one are three errors naming a file."""
    shutil.rmtree(case(root, "IMD003") / "IMD003_lesion")
    (case(root, "IMD010") / "IMD010_Dermoscopic_Image" / "IMD010.BMP").unlink()
    (case(root, "IMD500")).mkdir()
    samples, problems = PH2(root).find()

    assert [sample.id for sample in samples] == ["IMD002", "IMD197", "IMD199", "IMD200"]
    found = [(problem.level, Path(problem.where).name, problem.what) for problem in problems]
    assert [row[:2] for row in found] == [
        ("error", "IMD003.bmp"),
        ("error", "IMD010_lesion.BMP"),
        ("error", "IMD500"),
    ]
    for row, start in zip(
        found,
        ("image without mask", "mask without image", "case without image and mask"),
        strict=True,
    ):
        assert row[2].startswith(start)
    assert "IMD003_lesion/IMD003_lesion.bmp" in found[0][2]


def test_jpg_mask_serves_where_nothing_better_is(root):
    """A copy that holds only jpg masks is read, and its grey values are reported."""
    (case(root, "IMD197") / "IMD197_lesion" / "IMD197_lesion.bmp").unlink()
    source = PH2(root)
    samples, problems = source.find()
    (sample,) = (sample for sample in samples if sample.id == "IMD197")

    assert problems == []
    assert sample.mask.suffix == ".jpg"
    assert source.read(sample).grey


def test_case_twice_is_a_duplicate(root):
    """Folders that differ in upper case only are one id."""
    shutil.copytree(case(root, "IMD003"), case(root, "imd003"))
    _, problems = PH2(root).find()

    assert len(problems) == 1
    assert problems[0].what.startswith("duplicate id")


def test_resource_folder_of_a_mac_is_not_searched(root):
    """The twin folder that macOS puts into archives does not count as a second copy."""
    shutil.copytree(root / "PH2Dataset", root / "__MACOSX")
    samples, _ = PH2(root).find()

    assert len(samples) == 6


def test_two_copies_are_refused(root):
    """Where two folders fit, the message names both."""
    shutil.copytree(root / "PH2Dataset", root / "copy")
    with pytest.raises(DataError, match=r"more than once: .*PH2Dataset.*copy|copy.*PH2Dataset"):
        PH2(root).find()


@pytest.mark.parametrize("wrong", ["absent", "file", "empty", "one case"])
def test_wrong_folder_says_what_was_expected(root, wrong):
    """One line tells the layout and what to point at."""
    (root / "file").touch()
    (root / "empty").mkdir()
    places = {"one case": case(root, "IMD002")}
    with pytest.raises(DataError, match=r"IMD002_lesion\.bmp.*point data\.root at") as caught:
        PH2(places.get(wrong, root / wrong)).find()

    assert "\n" not in str(caught.value)


def test_signature_names_the_rule():
    """What steers the pixels besides the files' bytes is in the signature."""
    assert PH2(Path("x")).signature == "ph2 reader=1 foreground=half invert=False"


@pytest.fixture(scope="module")
def real():
    """Return the real PH2Dataset folder."""
    if "SEGSWEEP_PH2" not in os.environ:
        pytest.skip("SEGSWEEP_PH2 names no PH2Dataset folder")
    return Path(os.environ["SEGSWEEP_PH2"])


@pytest.mark.slow
def test_real_data_is_found_from_every_start(real):
    """200 cases without a problem from the archive's folder, its parent and the images folder."""
    found = [PH2(start).find() for start in (real.parent, real, real / "PH2 Dataset images")]

    assert [len(samples) for samples, _ in found] == [200] * 3
    assert [problems for _, problems in found] == [[]] * 3
    assert len({sample.group for sample in found[0][0]}) == 199


@pytest.mark.slow
def test_real_masks_have_their_known_shares(real):
    """Lesion share .031 to .983 with mean .323; all sizes agree; no mask is grey-valued."""
    source = PH2(real)
    shares = []
    for sample in source.find()[0]:
        pixels = source.read(sample)
        assert pixels.image.shape == (*pixels.mask.shape, 3)
        assert pixels.image.dtype == np.uint8
        assert not pixels.grey
        shares.append(pixels.mask.mean())

    summary = (min(shares), max(shares), np.mean(shares))
    np.testing.assert_allclose(summary, (0.031, 0.983, 0.323), atol=1e-3)


@pytest.mark.slow
def test_real_rgb_mask_is_read_like_the_others(real):
    """IMD002's mask is stored as RGB; its white pixels are the foreground."""
    source = PH2(real)
    (sample,) = (sample for sample in source.find()[0] if sample.id == "IMD002")
    with Image.open(sample.mask) as image:
        stored = np.array(image)

    assert stored.ndim == 3
    np.testing.assert_array_equal(stored[..., 0] == 255, source.read(sample).mask)
