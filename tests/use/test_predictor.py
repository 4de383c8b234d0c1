"""`sweep.best().predict(images)`: paths or arrays, any size."""

import numpy as np
import pytest
import torch
from PIL import Image

import segsweep
from segsweep.errors import ConfigError, DataError


@pytest.fixture
def predictor(resized):
    """Return a cell's network."""
    return segsweep.open(resized.sweep).cell("unet2/bce")


def test_paths_and_arrays_give_the_same(predictor, resized):
    """Also one image alone, and what the network was tested with."""
    paths = sorted(resized.images.iterdir())[:5]
    arrays = [np.asarray(Image.open(path)) for path in paths]
    from_files = predictor.predict(paths, device="cpu")
    from_arrays = predictor.predict(arrays, device="cpu")
    alone = predictor.predict(paths[0], device="cpu")

    for one, other, array in zip(from_files, from_arrays, arrays, strict=True):
        assert (one.probability == other.probability).all()
        assert one.mask.shape == array.shape[:2]
        assert (one.mask == (one.probability > 0.5)).all()
    assert len(alone) == 1
    assert alone[0].probability == pytest.approx(from_files[0].probability, abs=1e-5)


def test_kinds_of_arrays(predictor, resized):
    """8 bits, 16 bits and shares of the same picture are the same picture; grey has one channel."""
    array = np.asarray(Image.open(resized.images / "photo00.png"))
    kinds = [array, array.astype(np.uint16) * 257, array / 255]
    found = [predictor.predict([one], device="cpu")[0].probability for one in kinds]
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-5)
    grey = array[..., 0]
    stacked = predictor.predict([np.stack([grey] * 3, axis=2)], device="cpu")[0].probability
    assert (predictor.predict([grey], device="cpu")[0].probability == stacked).all()


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (np.zeros((4, 5, 4), np.uint8), r"shape \(4, 5, 4\): give \(H, W, 3\) or \(H, W\)"),
        (np.zeros((0, 5, 3), np.uint8), "shape"),
        (np.full((4, 5), 2.0), "give uint8, uint16, or float in"),
        (np.full((4, 5), np.nan), "give uint8, uint16, or float in"),
        (np.zeros((4, 5), np.int64), "give uint8, uint16, or float in"),
    ],
)
def test_arrays_without_a_known_meaning(predictor, image, said):
    """Refused in one line."""
    with pytest.raises(DataError, match=said):
        predictor.predict([image], device="cpu")


def test_what_is_no_path_and_no_array(predictor, resized):
    """One line that says what to give; a picture alone, or among others."""
    picture = Image.open(resized.images / "photo00.png")
    for images in (picture, [np.asarray(picture), picture], [3], 3):
        with pytest.raises(DataError, match=r"an image of type \w+: give a path or an array, such"):
            predictor.predict(images, device="cpu")


def test_missing_file(predictor, tmp_path):
    """Named."""
    with pytest.raises(DataError, match=r"none\.png"):
        predictor.predict([tmp_path / "none.png"], device="cpu")


@pytest.mark.parametrize("preprocess", [True, False])
def test_a_loaded_model_is_the_users_own(predictor, resized, preprocess):
    """Training it further changes no prediction, and no other model."""
    image = resized.images / "photo00.png"
    (before,) = predictor.predict(image, device="cpu")
    first, second = (predictor.load_model(preprocess=preprocess) for _ in range(2))
    values = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = second(values)
    with torch.no_grad():
        for weights in first.parameters():
            weights.mul_(0.5)
    first.train()

    assert not torch.equal(first(values), expected)
    assert torch.equal(second(values), expected)
    (after,) = predictor.predict(image, device="cpu")
    assert (after.probability == before.probability).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"threads": 99999}, "threads=99999: allowed are 0 to 1024"),
        ({"device": "foo"}, r"device=foo: this machine has \d+ CUDA GPUs; allowed are auto, cpu"),
    ],
)
def test_what_no_machine_has(predictor, resized, words, said):
    """Refused in a line, before anything crashes."""
    with pytest.raises(ConfigError, match=said):
        predictor.predict(resized.images / "photo00.png", **{"device": "cpu", **words})


def test_best_names_its_runs_and_why(resized):
    """For the reader of a notebook."""
    best = segsweep.open(resized.sweep).best()

    assert len(best.runs) == 1
    assert best.runs[0].parent == resized.sweep / "runs"
    assert best.why.startswith(("unet2/bce, ", "segnet/bce, "))
