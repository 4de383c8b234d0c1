"""Metrics against counts on paper, exact fractions, scikit-learn and the golden file."""

import json
import math
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from segsweep import metrics

QUICK = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
GOLDEN = json.loads((Path(__file__).parents[1] / "golden_losses.json").read_text())
COUNTS = st.tuples(*[st.integers(0, 12)] * 4).filter(any)
BY_HAND = {  # tp, fp, fn, tn = 3, 1, 2, 10
    "iou": 1 / 2,
    "dice": 2 / 3,
    "score": 0.0,
    "precision": 3 / 4,
    "recall": 3 / 5,
    "specificity": 10 / 11,
    "accuracy": 13 / 16,
    "mcc": (3 * 10 - 1 * 2) / math.sqrt(4 * 5 * 11 * 12),
}
FROM_COUNTS = [name for name, metric in metrics.METRICS.items() if metric.function is not None]
"""Metrics that are no stored column."""


def one(metric, *counts):
    """Return a metric of one image's tp, fp, fn, tn."""
    (value,) = metrics.per_image(metric, *([count] for count in counts))
    return value


def masks(tp, fp, fn, tn):
    """Return truth and prediction, flat, that have these counts."""
    return [1] * tp + [0] * fp + [1] * fn + [0] * tn, [1] * (tp + fp) + [0] * (fn + tn)


@pytest.mark.parametrize("metric", BY_HAND)
def test_hand_count(metric):
    """Of 4 predicted and 5 true pixels among 16 three agree."""
    assert one(metric, 3, 1, 2, 10) == pytest.approx(BY_HAND[metric], abs=1e-15)


def test_every_metric_was_counted_by_hand():
    """BY_HAND lists every metric that is computed from counts."""
    assert BY_HAND.keys() == set(FROM_COUNTS)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [  # in the order of METRICS: iou, dice, score, precision, recall, specificity, accuracy, mcc
        ((0, 0, 0, 9), (1, 1, 1, 1, 1, 1, 1, 0)),  # both empty
        ((0, 2, 0, 6), (0, 0, 0, 0, 1, 3 / 4, 3 / 4, 0)),  # truth empty
        ((0, 0, 2, 6), (0, 0, 0, 0, 0, 1, 3 / 4, 0)),  # nothing predicted
        ((9, 0, 0, 0), (1, 1, 1, 1, 1, 1, 1, 0)),  # everything foreground, rightly
        ((5, 0, 0, 4), (1, 1, 1, 1, 1, 1, 1, 1)),
        ((0, 5, 4, 0), (0, 0, 0, 0, 0, 0, 0, -1)),
    ],
)
def test_empty_and_full_masks(counts, expected):
    """Where a quotient is 0/0 the table says what it is."""
    assert tuple(one(metric, *counts) for metric in FROM_COUNTS) == pytest.approx(expected)


@QUICK
@given(COUNTS)
def test_same_as_scikit_learn(counts):
    """All metrics but the score, on masks that have these counts."""
    truth, predicted = masks(*counts)
    binary = {"y_true": truth, "y_pred": predicted, "zero_division": 1.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = {
            "iou": sklearn.jaccard_score(**binary),
            "dice": sklearn.f1_score(**binary),
            "recall": sklearn.recall_score(**binary),
            "specificity": sklearn.recall_score(**binary, pos_label=0),
            "accuracy": sklearn.accuracy_score(truth, predicted),
            "mcc": sklearn.matthews_corrcoef(truth, predicted),
        }
        if sum(predicted) or not sum(truth):
            expected["precision"] = sklearn.precision_score(**binary)
    table = sklearn.confusion_matrix(truth, predicted, labels=[1, 0])

    assert (*counts,) == (table[0, 0], table[1, 0], table[0, 1], table[1, 1])
    assert {name: one(name, *counts) for name in expected} == pytest.approx(expected, abs=1e-12)


def test_score_is_exact_for_every_small_overlap():
    """All intersections and unions up to 100, those that hit a threshold exactly included."""
    pairs = [(hit, union) for union in range(1, 101) for hit in range(union + 1)]
    thresholds = [Fraction(percent, 100) for percent in range(50, 100, 5)]
    truth = [sum(Fraction(*pair) > t for t in thresholds) / 10 for pair in pairs]
    hit, union = np.array(pairs).T
    found = metrics.score(hit, (union - hit) // 2, union - hit - (union - hit) // 2, 0 * hit)
    exact_hits = sum(Fraction(*pair) in thresholds for pair in pairs)

    assert exact_hits == 155
    assert found.tolist() == truth


@pytest.mark.parametrize("percent", range(50, 100, 5))
@pytest.mark.parametrize("size", [1, 7, 2**20, 10**12])
def test_score_just_at_and_just_above_a_threshold(percent, size):
    """An IoU that equals a threshold does not beat it; one pixel more does."""
    hit, union = percent * size, 100 * size
    beaten = (percent - 50) / 50

    assert one("score", hit, 0, union - hit, 5) == pytest.approx(beaten)
    assert one("score", hit + 1, 0, union - hit - 1, 5) == pytest.approx(beaten + 0.1)


def golden_masks(case, cut):
    """Return truth and prediction (N, pixels) that the golden file's formulas give."""
    k = np.arange(math.prod(case["shape"]), dtype=np.float64)
    names = {"sin": np.sin, "cos": np.cos, "k": k}
    logits, truth = (eval(case[key], names) for key in ("logits", "target"))
    return truth.reshape(case["shape"][0], -1), (logits > cut).reshape(case["shape"][0], -1)


@pytest.mark.parametrize("cut", [0.0, 0.5])
@pytest.mark.parametrize("case", GOLDEN, ids=[case["name"] for case in GOLDEN])
def test_golden_overlap(case, cut):
    """IoU and score of each image at p > .5, and at the original experiment's cut."""
    truth, predicted = golden_masks(case, cut)
    counts = [
        (a & b).sum(1) for a, b in [(truth, predicted), (~truth, predicted), (truth, ~predicted)]
    ]
    counts.append((~truth & ~predicted).sum(1))

    assert metrics.per_image("iou", *counts) == pytest.approx(case[f"iou_logit_gt_{cut}"])
    assert metrics.per_image("score", *counts).tolist() == case[f"score_logit_gt_{cut}"]


@QUICK
@given(COUNTS)
def test_what_follows_from_the_definitions(counts):
    """Dice from IoU and from precision and recall, ranges, and the two sides' symmetry."""
    value = {name: one(name, *counts) for name in FROM_COUNTS}
    tp, fp, fn, tn = counts

    for name, (low, high) in {name: metrics.METRICS[name].limits for name in value}.items():
        assert low - 1e-12 <= value[name] <= high + 1e-12, name
    assert value["dice"] == pytest.approx(2 * value["iou"] / (1 + value["iou"]))
    assert value["iou"] == one("iou", tp, fn, fp, tn)
    assert value["mcc"] == pytest.approx(one("mcc", tn, fn, fp, tp))
    if tp:
        halves = 1 / value["precision"] + 1 / value["recall"]
        assert value["dice"] == pytest.approx(2 / halves)


IMAGES = ([3, 0, 0, 4], [1, 0, 2, 0], [2, 0, 0, 0], [10, 16, 14, 12])
"""tp, fp, fn, tn of four images: IoU 1/2; both empty; truth empty, 0; perfect, 1."""


def test_mean_over_images_with_empty_masks():
    """Both empty counts as 1, or is left out; an empty truth with a prediction stays 0."""
    assert metrics.mean_over_images("iou", *IMAGES) == pytest.approx(2.5 / 4)
    assert metrics.mean_over_images("iou", *IMAGES, empty="one") == pytest.approx(2.5 / 4)
    assert metrics.mean_over_images("iou", *IMAGES, empty="skip") == pytest.approx(1.5 / 3)


@pytest.mark.parametrize("metric", FROM_COUNTS)
def test_skip_leaves_out_only_both_empty(metric):
    """Exactly the second image is NaN, for every metric; the others keep their values."""
    kept, skipped = (metrics.per_image(metric, *IMAGES, empty=e) for e in ("one", "skip"))

    assert np.isnan(skipped).tolist() == [False, True, False, False]
    assert np.delete(skipped, 1).tolist() == np.delete(kept, 1).tolist()


def test_nothing_left_is_nan():
    """Only empty images and no images at all have no mean, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        only_empty = metrics.mean_over_images("iou", [0], [0], [0], [4], empty="skip")
        none = metrics.mean_over_images("dice", [], [], [], [])

    assert math.isnan(only_empty)
    assert math.isnan(none)


def test_over_all_pixels_is_of_the_sums():
    """Sums 7, 3, 2, 52: the data set's figures, where the large object counts most."""
    assert metrics.over_all_pixels("iou", *IMAGES) == pytest.approx(7 / 12)
    assert metrics.over_all_pixels("dice", *IMAGES) == pytest.approx(14 / 19)
    assert metrics.over_all_pixels("score", *IMAGES) == pytest.approx(0.2)
    assert metrics.over_all_pixels("iou", [0], [0], [0], [4]) == 1


def test_large_images_do_not_overflow():
    """Counts of gigapixel slides in narrow integers, as tables may hold them."""
    counts = [np.array([value], np.int32) for value in (2**30, 2**29, 2**29, 2**30)]

    assert metrics.per_image("dice", *counts) == pytest.approx([2 / 3])
    assert metrics.per_image("iou", *counts) == pytest.approx([1 / 2])
    assert metrics.per_image("mcc", *counts) == pytest.approx([1 / 3])


@pytest.mark.parametrize("metric", FROM_COUNTS)
def test_range_is_reached_and_never_left(metric):
    """All counts from 0 to 3."""
    counts = np.moveaxis(np.indices((4, 4, 4, 4)), 0, -1).reshape(-1, 4)[1:]
    values = metrics.METRICS[metric].function(*counts.T)
    low, high = metrics.METRICS[metric].limits

    assert values.min() == pytest.approx(low)
    assert math.isinf(high) or values.max() == pytest.approx(high)
