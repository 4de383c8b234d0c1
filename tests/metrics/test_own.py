"""A metric of one's own joins the table if it is a function of counts that returns numbers."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import fbeta_score

from segsweep import metrics
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
    assert metrics.own.METRICS["f2"] is F2
    truth, seen = np.random.default_rng(0).integers(0, 2, (2, 200))
    counts = [np.sum((truth == t) & (seen == s)) for t, s in ((1, 1), (0, 1), (1, 0), (0, 0))]
    assert F2.of_images(tuple(counts)) == pytest.approx(fbeta_score(truth, seen, beta=2))


def fails(tp, fp, fn, tn):
    """Raise what a typing error raises."""
    raise KeyError("tp")


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
        ({"function": lambda tp, fp, fn, tn: 0.5}, None),
        ({"function": lambda tp, fp, fn, tn: np.zeros(3)}, "its function failed (ValueError"),
        ({"function": lambda tp, fp, fn, tn: np.zeros((6, 6))}, "got shape (6, 6)"),
        ({"function": lambda tp, fp, fn, tn: "much"}, "its function failed (ValueError"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value")
def test_others_are_refused(changed, says) -> None:
    """Each with its name and the reason; a constant is broadcast."""
    metric = replace(F2, **changed)
    if says is None:
        assert add_metric(metric) == "f2"
        return
    with pytest.raises(ValueError, match=r"metric '") as refused:
        add_metric(metric)
    assert says in str(refused.value)
