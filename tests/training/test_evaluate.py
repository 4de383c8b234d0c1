"""Scores equal those of scikit-learn, Pillow's resizing, and plain sums of losses."""

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import confusion_matrix
from torch import nn

from segsweep.data.batches import Batches
from segsweep.training.evaluate import count, count_native, score_images

CPU = torch.device("cpu")
SIZES = [(16, 24), (33, 50), (7, 9), (16, 9), (40, 24), (5, 61), (16, 24)]
"""Original heights and widths of seven images of 16 x 24: larger, smaller, mixed."""


class Logits(nn.Module):
    """A network whose logits are 8 * (grey - 1/2); it records its calls."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.9)
        self.calls = []

    def forward(self, images):
        self.calls.append((self.training, torch.is_grad_enabled(), len(images)))
        return self.dropout(8 * (images.mean(1, keepdim=True) - 0.5))


class Brightness(nn.Module):
    """A loss that is the mean logit plus the mean target; it records the types."""

    def __init__(self):
        super().__init__()
        self.types = set()

    def forward(self, logits, target):
        self.types.add((logits.dtype, target.dtype))
        return logits.mean() + target.mean()


def images_and_masks():
    """Return seven images (7, 1, 16, 24) and masks; no value is close to a tested threshold."""
    random = np.random.default_rng(0)
    images = random.random((7, 1, 16, 24), dtype=np.float32)
    masks = (random.random((7, 1, 16, 24)) < random.random((7, 1, 1, 1))).astype(np.uint8)
    return images, masks


def part(indices=range(7), batch=3, **options):
    """Return batches over these rows of the images."""
    return Batches(*images_and_masks(), list(indices), batch, CPU, **options)


def probabilities():
    """Return the network's probabilities for the images, (7, 16, 24) float64."""
    logits = 8 * (images_and_masks()[0][:, 0].astype(np.float64) - 0.5)
    return 1 / (1 + np.exp(-logits))


def table(truth, predicted):
    """Return tp, fp, fn, tn by scikit-learn."""
    (tp, fn), (fp, tn) = confusion_matrix(truth.ravel(), predicted.ravel(), labels=[1, 0])
    return [tp, fp, fn, tn]


def native_mask(row):
    """Return a mask at the image's own size."""
    return np.random.default_rng(row).random(SIZES[row]) < 0.4


@pytest.mark.parametrize("threshold", [0.5, 0.622, 0.1, 0.97])
@pytest.mark.parametrize("indices", [range(7), [0, 3, 4], [6]])
def test_counts_equal_those_of_scikit_learn(indices, threshold):
    """For each image in the order of the part: tp, fp, fn, tn of p above the threshold."""
    masks = images_and_masks()[1][:, 0]
    scored = score_images(Logits(), part(indices), threshold=threshold)
    expected = [table(masks[i] > 0, probabilities()[i] > threshold) for i in indices]

    assert scored.counts.tolist() == expected
    assert scored.counts.dtype == np.int64
    assert scored.native is None


def test_each_predicted_mask_is_reported_once():
    """With its row of the data set."""
    seen = {}
    score_images(Logits(), part([0, 3, 4]), threshold=0.6, on_prediction=seen.__setitem__)

    assert list(seen) == [0, 3, 4]
    for row, mask in seen.items():
        assert (mask == (probabilities()[row] > 0.6)).all()


def test_a_pixel_at_the_threshold_is_background():
    """Exactly p = .5 is not above .5."""
    grey = np.full((1, 1, 2, 2), 0.5, np.float32)
    batches = Batches(grey, np.ones((1, 1, 2, 2), np.uint8), [0], 1, CPU)

    assert score_images(Logits(), batches).counts.tolist() == [[0, 0, 4, 0]]
    assert score_images(Logits(), batches, threshold=0.49).counts.tolist() == [[4, 0, 0, 0]]


def test_count_by_hand():
    """Two images drawn on paper, one of them empty on both sides."""
    predicted = torch.tensor([[[[1, 1, 0], [1, 0, 0]]], [[[0, 0, 0], [0, 0, 0]]]], dtype=torch.bool)
    truth = torch.tensor([[[[1, 0, 1], [1, 1, 0]]], [[[0, 0, 0], [0, 0, 0]]]], dtype=torch.bool)

    assert count(predicted, truth).tolist() == [[2, 1, 2, 1], [0, 0, 0, 6]]


@pytest.mark.parametrize("threshold", [0.5, 0.7])
@pytest.mark.parametrize("indices", [range(7), [1, 2, 5, 6]])
def test_native_counts_equal_those_of_pillow(indices, threshold):
    """Probabilities resized with Pillow's bilinear filter to the image's own size."""
    scored = score_images(Logits(), part(indices), threshold=threshold, native_mask=native_mask)
    for row, found in zip(indices, scored.native.tolist(), strict=True):
        height, width = SIZES[row]
        picture = Image.fromarray(probabilities()[row].astype(np.float32))
        restored = np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))
        unclear = int((np.abs(restored - threshold) < 1e-5).sum())

        assert (
            np.abs(np.subtract(found, table(native_mask(row), restored > threshold))).max()
            <= unclear
        )
        assert sum(found) == height * width
    assert scored.native.dtype == np.int64


def test_native_at_the_training_size_is_the_same():
    """Without resizing, both tables of counts are equal."""
    masks = images_and_masks()[1][:, 0] > 0
    scored = score_images(Logits(), part(), native_mask=lambda row: masks[row])

    assert scored.native.tolist() == scored.counts.tolist()


def test_native_by_hand():
    """A left half twice as large is still the left half; a smaller one averages."""
    probability = torch.tensor([[[[0.9, 0.1], [0.9, 0.1]]]])
    larger = np.array([[1, 1, 0, 0]] * 4, bool)

    assert count_native(probability, [larger], 0.5) == [[8, 0, 0, 8]]
    assert count_native(probability, [np.ones((1, 1), bool)], 0.49) == [[1, 0, 0, 0]]
    assert count_native(probability, [np.ones((1, 1), bool)], 0.51) == [[0, 0, 1, 0]]


def ignored_pixels(row, shape):
    """Return which pixels of an image are ignored."""
    return np.random.default_rng(100 + row).random(shape) < 0.3


def ignoring(batch=3):
    """Return batches whose masks hold 2 on `ignored_pixels`, but not in the last image."""
    images, masks = images_and_masks()
    for row in range(6):
        masks[row, 0][ignored_pixels(row, (16, 24))] = 2
    return Batches(images, masks, list(range(7)), batch, CPU, ignores=True)


def test_counts_are_of_the_pixels_that_count():
    """Those of scikit-learn on the pixels that are left; their sum is their number."""
    masks = images_and_masks()[1][:, 0]
    scored = score_images(Logits(), ignoring())
    for row, found in enumerate(scored.counts.tolist()):
        left = ~ignored_pixels(row, (16, 24)) if row < 6 else np.ones((16, 24), bool)

        assert found == table(masks[row][left] > 0, probabilities()[row][left] > 0.5)
        assert sum(found) == left.sum()


def test_native_counts_are_of_the_pixels_that_count():
    """With the image's own ignored pixels; those outlines are measured without them."""
    seen = []
    scored = score_images(
        Logits(),
        part(),
        native_mask=native_mask,
        native_ignored=lambda row: ignored_pixels(row, SIZES[row]),
        on_native=lambda *masks: seen.append(masks),
    )
    whole = []
    score_images(
        Logits(), part(), native_mask=native_mask, on_native=lambda one, _: whole.append(one)
    )
    for row, (found, (predicted, truth)) in enumerate(zip(scored.native, seen, strict=True)):
        left = ~ignored_pixels(row, SIZES[row])

        assert found.tolist() == table(native_mask(row)[left], whole[row][left])
        np.testing.assert_array_equal(predicted, whole[row] & left)
        np.testing.assert_array_equal(truth, native_mask(row) & left)


def test_a_loss_gets_valid_only_where_pixels_are_ignored():
    """A loss of two arguments goes on working where all pixels count."""
    given = []

    class Noting(nn.Module):
        def forward(self, logits, target, valid=None):
            given.append(valid)
            return logits.mean()

    score_images(Logits(), ignoring(), loss_fn=Noting())
    expected = [~ignored_pixels(row, (16, 24)) for row in range(6)]

    assert [one is None for one in given] == [False, False, True]
    assert np.array_equal(torch.cat(given[:2])[:, 0].numpy(), expected)
    with pytest.raises(TypeError, match="valid"):
        score_images(Logits(), ignoring(), loss_fn=Brightness())


@pytest.mark.parametrize("batch", [1, 2, 3, 4, 7, 20])
def test_loss_is_the_mean_over_images(batch):
    """An incomplete last batch has the weight of its images, not of a whole batch."""
    logits = 8 * (images_and_masks()[0].astype(np.float64) - 0.5)
    per_image = logits.mean((1, 2, 3)) + images_and_masks()[1].mean((1, 2, 3))
    scored = score_images(Logits(), part(batch=batch), loss_fn=Brightness())

    assert scored.loss == pytest.approx(per_image.mean(), abs=1e-6)


def test_loss_is_nan_without_a_loss_function():
    """There is no default."""
    assert np.isnan(score_images(Logits(), part()).loss)


def test_a_loss_that_is_not_finite_stays_so():
    """One non-finite batch makes the mean non-finite."""

    class Explodes(nn.Module):
        def forward(self, logits, target):
            return logits.mean() * (torch.inf if len(logits) == 1 else 1)

    assert not np.isfinite(score_images(Logits(), part(), loss_fn=Explodes()).loss)


@pytest.mark.parametrize(("show", "kept"), [(0, 0), (1, 1), (3, 3), (5, 5), (7, 7), (30, 7)])
def test_shown_are_the_first_images(show, kept):
    """Their probabilities, across batches, and at most all of them."""
    shown = score_images(Logits(), part(), show=show).shown

    assert len(shown) == kept
    assert shown.dtype == np.float32
    if kept:
        assert shown == pytest.approx(probabilities()[:kept], abs=1e-6)


def test_network_runs_once_in_evaluation_without_gradients():
    """Each image once, in order, without dropout; the loss gets float32."""
    model, loss = Logits().train(), Brightness()
    score_images(model, part(), loss_fn=loss, native_mask=native_mask, show=2)

    assert model.calls == [(False, False, 3), (False, False, 3), (False, False, 1)]
    assert loss.types == {(torch.float32, torch.float32)}


def test_double_precision_stays():
    """Float64 data and network are scored in float64."""
    loss = Brightness()
    scored = score_images(Logits().double(), part(dtype=torch.float64), loss_fn=loss)

    assert loss.types == {(torch.float64, torch.float64)}
    assert scored.counts.tolist() == score_images(Logits(), part()).counts.tolist()


def test_only_the_network_runs_in_reduced_precision():
    """The network runs in bfloat16 for every batch, the loss gets float32."""
    seen = []

    class Convolution(nn.Conv2d):
        def forward(self, images):
            logits = super().forward(images)
            seen.append(logits.dtype)
            return logits

    loss, reduced = Brightness(), torch.autocast("cpu", torch.bfloat16)
    scored = score_images(Convolution(1, 1, 3, padding=1), part(), loss_fn=loss, autocast=reduced)

    assert seen == [torch.bfloat16] * 3
    assert loss.types == {(torch.float32, torch.float32)}
    assert scored.counts.sum(1).tolist() == [16 * 24] * 7
