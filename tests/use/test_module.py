"""Networks as modules: the same numbers as from files, for tensors of any size."""

import numpy as np
import pytest
import torch
from PIL import Image

import segsweep


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
