"""Matrices that resize: skimage, training's own resizing, torch and numpy say the same."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.transform import resize
from torch.nn.functional import interpolate

from segsweep.data.resize import resize_image
from segsweep.use.resizing import enlarging, restoring, seeing

SIZES = st.integers(1, 40)


@pytest.mark.parametrize("way", ["area", "classic"])
@pytest.mark.parametrize(
    ("old", "new"), [(97, 32), (40, 32), (32, 32), (20, 32), (700, 64), (128, 32), (129, 32)]
)
def test_image_is_seen_as_in_training(way, old, new):
    """Along both axes, for values in the middle of what there is: nothing is cut there."""
    image = np.random.default_rng(old).uniform(0.2, 0.8, (old, 61, 3)).astype(np.float32)
    image[0, 0], image[-1, -1] = 0, 1
    expected = resize_image(image, (new, 24), 3, way)
    down, across = seeing(old, new, way).numpy(), seeing(61, 24, way).numpy()
    found = down @ image.transpose(2, 0, 1) @ across.T

    assert found == pytest.approx(expected, abs=1e-5)


@given(old=SIZES, new=SIZES)
def test_classic_matrix_is_that_of_skimage(old, new):
    """Of any size, one pixel included: what it makes of each column of an identity matrix."""
    identity = np.eye(old)
    kept = {"mode": "constant", "anti_aliasing": True, "clip": False}
    expected = resize(identity, (new, old), **kept)

    assert seeing(old, new, "classic").numpy() == pytest.approx(expected, abs=1e-6)


@given(old=SIZES, new=SIZES)
def test_probabilities_are_restored_as_torch_does(old, new):
    """Larger, smaller, equal."""
    values = torch.eye(old)[None, None]
    expected = interpolate(values, (new, old), mode="bilinear", antialias=True)[0, 0]

    assert torch.allclose(restoring(old, new), expected, atol=1e-5)


@given(length=SIZES, divisor=st.integers(1, 64))
def test_axis_is_mirrored_as_numpy_does(length, divisor):
    """Also where it is much shorter than what is missing."""
    expected = np.pad(np.arange(length), (0, -length % divisor), "symmetric")

    assert enlarging(length, divisor).tolist() == expected.tolist()
