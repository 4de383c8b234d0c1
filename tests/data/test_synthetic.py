"""The drawn data set: the same everywhere, varied, and not to be had by a simple rule."""

import hashlib
from functools import cache

import numpy as np
import pytest
from skimage.filters import threshold_otsu

from segsweep.data.source import Pixels, Sample
from segsweep.data.synthetic import Synthetic
from segsweep.errors import DataError

SIDE = 48  # px; small, so that a hundred images take a second or two


@cache
def pixels(**steering: float) -> list[Pixels]:
    """Draw 100 images of a small source."""
    source = Synthetic(**({"count": 100, "side": SIDE} | steering))
    return [source.read(sample) for sample in source.find()[0]]


def checksum(drawn: Pixels) -> str:
    """Return 16 hex digits over the bytes of image and mask."""
    return hashlib.sha256(drawn.image.tobytes() + drawn.mask.tobytes()).hexdigest()[:16]


def iou(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Return the share of the union that two masks have in common."""
    return float((prediction & truth).sum() / (prediction | truth).sum())


@pytest.mark.parametrize(("index", "expected"), [(0, "14e53dc1ec5e811f"), (7, "c218ed8131da9a55")])
def test_pixels_are_pinned(index, expected):
    """An image and its mask are, byte for byte, those of the day the version was raised."""
    assert expected == checksum(pixels()[index])


def test_reading_again_gives_the_same_pixels():
    """Neither what was read before nor the object decides: two readings agree in every byte."""
    source = Synthetic(count=100, side=SIDE)

    assert checksum(pixels()[5]) == checksum(source.read(Sample("synthetic0005", "any")))
    assert checksum(pixels()[5]) == checksum(source.read(Sample("synthetic0005", "any")))


def test_count_only_decides_which_samples_exist():
    """Image 7 of 10 is image 7 of 100, and the shorter list begins the longer one."""
    few, many = Synthetic(count=10, side=SIDE), Synthetic(count=100, side=SIDE)

    assert few.signature == many.signature
    assert few.find()[0] == many.find()[0][:10]
    assert checksum(pixels()[7]) == checksum(few.read(few.find()[0][7]))


def test_samples_are_sorted_named_and_alone_in_their_group():
    """Ids sort as text even beyond four digits; each is its own group; no problem is found."""
    samples, problems = Synthetic(count=10_002).find()
    ids = [sample.id for sample in samples]

    assert problems == []
    assert ids == sorted(set(ids))
    assert {"synthetic0007", "synthetic9999", "synthetic10001"} <= set(ids)
    assert all(sample.group == sample.id for sample in samples)


@pytest.mark.parametrize(
    "name", ["synthetic0100", "synthetic7", "synthetic-001", "synthetic", "IMD002"]
)
def test_unknown_sample_is_refused(name):
    """An id that the source never named is a DataError that says which ids there are."""
    with pytest.raises(DataError, match=r"synthetic0000 to synthetic0099; check data\.count"):
        Synthetic(count=100).read(Sample(name, name))


def test_pixels_have_the_promised_form():
    """Every image is uint8 RGB, every mask bool of the same sides, with both of its values."""
    for drawn in pixels():
        assert ((SIDE, SIDE, 3), np.uint8) == (drawn.image.shape, drawn.image.dtype)
        assert ((SIDE, SIDE), np.bool_) == (drawn.mask.shape, drawn.mask.dtype)
        assert drawn.mask.any()
        assert not drawn.mask.all()
        assert not drawn.grey


def test_images_differ():
    """No two images or masks of a source are the same."""
    assert len({drawn.image.tobytes() for drawn in pixels()}) == 100
    assert len({drawn.mask.tobytes() for drawn in pixels()}) == 100


@pytest.mark.parametrize("steering", [{"side": 49}, {"seed": 1}, {"difficulty": 0.51}])
def test_signature_holds_all_that_decides_pixels(steering):
    """A parameter that changes the image changes the signature too."""
    default, other = Synthetic(side=SIDE), Synthetic(**({"side": SIDE} | steering))
    sample = default.find()[0][0]

    assert default.signature != other.signature
    assert checksum(default.read(sample)) != checksum(other.read(sample))


def test_equal_numbers_have_one_signature():
    """Difficulty 1 and 1.0 draw the same pixels, so they are the same data."""
    assert Synthetic(difficulty=1).signature == Synthetic(difficulty=1.0).signature


@pytest.mark.parametrize(
    ("parameter", "value", "message"),
    [
        ("count", 0, "count must be 1 to 100000; got 0"),
        ("count", 100_001, "count must be 1 to 100000; got 100001"),
        ("side", 31, "side must be 32 to 1024; got 31"),
        ("seed", -1, "seed must be 0 to 4294967295; got -1"),
        ("difficulty", 1.5, "difficulty must be 0 to 1; got 1.5"),
        ("difficulty", float("nan"), "difficulty must be 0 to 1; got nan"),
    ],
)
def test_bad_parameters_are_refused(parameter, value, message):
    """A value out of range is named with its range and what was given."""
    with pytest.raises(ValueError, match=f"^{message}$"):
        Synthetic(**{parameter: value})


def test_lesion_share_is_spread_as_in_real_data():
    """Shares of the image run from below .1 to above .7 with a mean near .3."""
    shares = np.array([drawn.mask.mean() for drawn in pixels()])

    assert shares.min() >= 0.02
    assert shares.max() <= 0.91
    assert shares.min() < 0.1
    assert shares.max() > 0.7
    assert shares.mean() == pytest.approx(0.3, abs=0.05)


def test_some_lesions_touch_the_border_of_the_image():
    """Between a tenth and a half of the masks reach an edge."""
    masks = [drawn.mask for drawn in pixels()]
    touching = [np.r_[m[0], m[-1], m[:, 0], m[:, -1]].any() for m in masks]

    assert 0.1 < np.mean(touching) < 0.5


def test_another_side_shows_the_same_scene():
    """The mask drawn at 48 px is the one drawn at 96 px, but for pixels at the border."""
    overlaps = [
        iou(small.mask, large.mask[::2, ::2])
        for small, large in zip(pixels(), pixels(side=2 * SIDE, count=20), strict=False)
    ]

    assert np.mean(overlaps) > 0.95


def test_simple_answers_are_not_good():
    """Everything lesion, or Otsu's threshold on grey, stays well below a trained network."""
    everything = np.mean([drawn.mask.mean() for drawn in pixels()])
    otsu = []
    for drawn in pixels():
        grey = drawn.image.mean(axis=2)
        otsu.append(iou(grey <= threshold_otsu(grey), drawn.mask))

    assert everything < 0.4
    assert np.mean(otsu) < 0.65


def test_lesions_fade_with_difficulty():
    """Between lesion and skin lies less grey at difficulty 1 than at 0."""

    def contrast(difficulty: float) -> float:
        drawn = pixels(difficulty=difficulty, count=40)
        return float(np.mean([p.image[~p.mask].mean() - p.image[p.mask].mean() for p in drawn]))

    assert contrast(1.0) < contrast(0.0)
