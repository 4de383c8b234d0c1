"""Networks as modules: the same numbers as from files, for tensors of any size."""

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.transform import resize

import segsweep
from segsweep.data.resize import resize_image
from segsweep.use.module import resizing


@pytest.mark.parametrize("way", ["area", "classic"])
@pytest.mark.parametrize(("old", "new"), [(97, 32), (40, 32), (32, 32), (20, 32), (700, 64)])
def test_matrix_resizes_as_training_does(way, old, new):
    """Along both axes, for values in the middle of what there is: nothing is cut there."""
    image = np.random.default_rng(old).uniform(0.2, 0.8, (old, 61, 3)).astype(np.float32)
    image[0, 0], image[-1, -1] = 0, 1
    expected = resize_image(image, (new, 24), 3, way)
    down, across = resizing(old, new, way).numpy(), resizing(61, 24, way).numpy()
    found = down @ image.transpose(2, 0, 1) @ across.T

    assert found == pytest.approx(expected, abs=1e-5)


def test_classic_matrix_is_that_of_skimage():
    """Its own resizing, which training calls."""
    image = np.random.default_rng(0).uniform(0, 1, (50, 50))
    expected = resize(image, (20, 20), mode="constant", anti_aliasing=True)
    matrix = resizing(50, 20, "classic").numpy()

    assert matrix @ image @ matrix.T == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("fixture", ["resized", "tiled"])
def test_module_says_what_predictions_of_files_say(fixture, request):
    """To rounding, at each image's own size."""
    sweep = segsweep.open(request.getfixturevalue(fixture).sweep)
    images = sorted(request.getfixturevalue(fixture).images.iterdir())[:8]
    predictor = sweep.cell("unet2/bce")
    model = predictor.load_model()
    for path, expected in zip(images, predictor.predict(images, device="cpu"), strict=True):
        values = np.asarray(Image.open(path)).astype(np.float32) / 255
        with torch.no_grad():
            found = model(torch.from_numpy(values.transpose(2, 0, 1))[None])[0, 0].numpy()
        assert found.shape == expected.probability.shape == values.shape[:2]
        assert found == pytest.approx(expected.probability, abs=1e-4)


def test_ensemble_as_a_module_is_the_mean(resized):
    """Of its members' probabilities."""
    sweep = segsweep.open(resized.sweep)
    both = sweep.ensemble(cell="unet2/bce").load_model()
    images = torch.rand(2, 3, 40, 50, generator=torch.Generator().manual_seed(0))
    single = [run.load_model() for run in sweep.runs if run.name.startswith("unet2")]
    with torch.no_grad():
        expected = (single[0](images) + single[1](images)) / 2
        assert torch.allclose(both(images), expected, atol=1e-6)


def test_bare_network_and_wrong_tensors(resized):
    """Logits without preprocessing; a shape that has no meaning is refused."""
    sweep = segsweep.open(resized.sweep)
    run = next(run for run in sweep.runs if run.name.startswith("unet2"))
    bare, whole = run.load_model(preprocess=False), run.load_model()
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(bare(images).sigmoid(), whole(images))
    with pytest.raises(ValueError, match=r"\(B, 3, H, W\)"):
        whole(images[0])
    with pytest.raises(ValueError, match="only for one network"):
        sweep.ensemble(2).load_model(preprocess=False)
