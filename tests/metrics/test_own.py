"""A metric of one's own joins the table if it is a function of counts that returns numbers."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import fbeta_score

from segsweep import metrics
from segsweep.errors import ConfigError
from segsweep.metrics import Metric, add_metric, ratio


def f2(tp, fp, fn, tn):
    """Return F2 by its formula."""
    return ratio(5 * tp, 5 * tp + 4 * fn + fp, 1.0)


F2 = Metric(name="f2", label="F2", description="a missed pixel counts as four", function=f2)


@pytest.fixture(autouse=True)
def _as_before(monkeypatch) -> None:
    monkeypatch.setattr(metrics.own, "METRICS", dict(metrics.METRICS))


def test_it_is_taken_by_its_name_once() -> None:
    """A second time it is the same one; the values are those of scikit-learn."""
    assert add_metric(F2) == add_metric(F2) == "f2"
    assert metrics.own.METRICS["f2"].function.of is F2
    truth, seen = np.random.default_rng(0).integers(0, 2, (2, 200))
    counts = [np.sum((truth == t) & (seen == s)) for t, s in ((1, 1), (0, 1), (1, 0), (0, 0))]
    assert F2.of_images(tuple(counts)) == pytest.approx(fbeta_score(truth, seen, beta=2))


def fails(tp, fp, fn, tn):
    """Raise what a typing error raises."""
    raise KeyError("tp")


def changes(tp, fp, fn, tn):
    """Change what it was given."""
    tp += 1
    return tp / tp


@pytest.mark.parametrize("value", [5.0, np.nan])
def test_real_counts_are_checked_too(value) -> None:
    """A function that goes wrong on images larger than those it was tried on."""
    large = replace(
        F2, function=lambda tp, fp, fn, tn: np.where(tp > 99, value, f2(tp, fp, fn, tn))
    )
    assert add_metric(large) == "f2"
    with pytest.raises(
        ConfigError, match=r"metric 'f2': .* got (5|nan) for tp 100, fp 0, fn 1, tn 2"
    ):
        metrics.own.METRICS["f2"].of_images(
            tuple(map(np.asarray, ([1, 100], [0, 0], [1, 1], [2, 2])))
        )


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"name": "iou"}, "segsweep has a metric of this name"),
        ({"name": "f-2"}, "not a plain word"),
        ({"function": None, "stored": "hd95"}, "give a function of counts"),
        ({"column": True}, "give a function of counts"),
        ({"validated": True}, "give a function of counts"),
        ({"function": fails}, "its function failed (KeyError: 'tp')"),
        (
            {"function": lambda tp, fp, fn, tn: 2.0 + tp},
            "in [0, 1] (`limits`) for each image; got 5 for tp 3, fp 1",
        ),
        ({"function": lambda tp, fp, fn, tn: tp / (tp + fp)}, "got nan for tp 0, fp 0, fn 2"),
        ({"function": lambda tp, fp, fn, tn: 0.5}, "got shape () for shape (6,)"),
        ({"function": changes}, "its function failed (ValueError: output array is read-only)"),
        ({"function": lambda tp, fp, fn, tn: tp / (tp + fp + fn)}, None),
        ({"function": lambda tp, fp, fn, tn: np.zeros(3)}, "got shape (3,) for shape (6,)"),
        ({"function": lambda tp, fp, fn, tn: np.zeros((6, 6))}, "got shape (6, 6) for shape (6,)"),
        ({"function": lambda tp, fp, fn, tn: "much"}, "its function failed (ValueError"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_others_are_refused(changed, says) -> None:
    """Each with its name and the reason; where both masks are empty, anything may be returned."""
    metric = replace(F2, **changed)
    if says is None:
        assert add_metric(metric) == "f2"
        return
    with pytest.raises(ConfigError, match=r"metric '") as refused:
        add_metric(metric)
    assert says in str(refused.value)
