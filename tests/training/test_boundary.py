"""Distances between outlines: by hand, by brute force, and as MONAI computes them."""

import json
import math

import numpy as np
import pytest
import torch

from command import TINY, rows_of, train_here
from segsweep.errors import ConfigError
from segsweep.metrics import BOUNDARY, METRICS, stored_columns
from segsweep.training import result
from segsweep.training.boundary import outline, surface_metrics

TOLERANCE = 2.0


def masks(seed, shape=(37, 53)):
    """Return two overlapping masks with several pieces, some at the image's edge."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    found = []
    for _ in range(2):
        mask = np.zeros(shape, bool)
        for _ in range(rng.integers(1, 4)):
            row, column = rng.uniform((0, 0), shape)
            tall, wide = rng.uniform(2, 14, 2)
            mask |= ((y - row) / tall) ** 2 + ((x - column) / wide) ** 2 <= 1
        found.append(mask)
    return found


def one_hot(mask):
    """Return (1, 1, H, W) as MONAI takes it."""
    return torch.from_numpy(mask)[None, None].float()


@pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")
@pytest.mark.parametrize("seed", range(12))
def test_equal_those_of_monai(seed):
    """Within 1e-4 pixels: MONAI computes in float32."""
    monai = pytest.importorskip("monai.metrics")
    predicted, truth = masks(seed)
    both = one_hot(predicted), one_hot(truth)
    expected = {
        "hd95": monai.compute_hausdorff_distance(*both, include_background=True, percentile=95),
        "assd": monai.compute_average_surface_distance(
            *both, include_background=True, symmetric=True
        ),
        "nsd": monai.compute_surface_dice(*both, [TOLERANCE], include_background=True),
    }
    found = surface_metrics(predicted, truth, TOLERANCE)

    assert found == pytest.approx({name: float(v) for name, v in expected.items()}, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_equal_those_of_all_pairs_of_pixels(seed):
    """Every distance between two outline pixels, written out."""
    predicted, truth = masks(seed + 100, (19, 23))
    one, other = (np.argwhere(by_hand(mask)) for mask in (predicted, truth))
    between = np.sqrt(((one[:, None] - other[None]) ** 2).sum(-1))
    there, back = between.min(1), between.min(0)
    both = np.concatenate([there, back])

    found = surface_metrics(predicted, truth, TOLERANCE)

    assert found["hd95"] == pytest.approx(max(np.percentile(d, 95) for d in (there, back)))
    assert found["assd"] == pytest.approx(both.mean())
    assert found["nsd"] == pytest.approx((both <= TOLERANCE).mean())


def by_hand(mask):
    """Return the foreground pixels with a neighbour that is background or outside."""
    wide = np.pad(mask, 1)
    inside = wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]
    return mask & ~inside


@pytest.mark.parametrize("seed", range(4))
def test_outline_by_hand(seed):
    """Also at the image's edge."""
    for mask in masks(seed):
        assert (outline(mask) == by_hand(mask)).all()


def test_two_squares_on_paper():
    """A 5 x 5 square, moved by three pixels: the distances can be counted."""
    truth, predicted = np.zeros((2, 20, 30), bool)
    truth[5:10, 5:10] = predicted[5:10, 8:13] = True
    # of 16 pixels: column 0 is 3 away (5 pixels), column 1 and 2 at the top and bottom 2 and 1,
    # columns 3 and 4 at the top and bottom lie on the other outline, column 4 inside is 1 away
    distances = 5 * [3] + 2 * [2] + 2 * [1] + 2 * [0] + 2 * [0] + 3 * [1]
    found = surface_metrics(predicted, truth, 0)

    assert found["assd"] == pytest.approx(sum(distances) / 16)
    assert found["nsd"] == pytest.approx(4 / 16)
    assert found["hd95"] == 3
    assert surface_metrics(truth, predicted, 0) == pytest.approx(found)
    assert surface_metrics(predicted, truth, 3)["nsd"] == 1
    assert surface_metrics(predicted, truth, 2.9)["nsd"] < 1


def test_a_tolerance_is_included():
    """Two single pixels five apart: 5 counts as equal at 5, not at 4.99."""
    one, other = np.zeros((2, 9, 9), bool)
    one[2, 2] = other[5, 6] = True

    assert surface_metrics(one, other, 5) == {"hd95": 5, "assd": 5, "nsd": 1}
    assert surface_metrics(one, other, 4.99)["nsd"] == 0


def test_empty_masks():
    """Both empty: perfect. One empty: the diagonal, more than any two pixels are apart."""
    empty, full = np.zeros((6, 8), bool), np.ones((6, 8), bool)
    corner = empty.copy()
    corner[0, 0] = True
    opposite = empty.copy()
    opposite[-1, -1] = True
    worst = {"hd95": 10.0, "assd": 10.0, "nsd": 0.0}

    assert surface_metrics(empty, empty, 2) == {"hd95": 0, "assd": 0, "nsd": 1}
    assert surface_metrics(full, empty, 2) == surface_metrics(empty, corner, 2) == worst
    assert surface_metrics(corner, opposite, 2)["hd95"] == pytest.approx(math.hypot(5, 7))
    assert surface_metrics(full, full, 0) == {"hd95": 0, "assd": 0, "nsd": 1}


def test_each_is_a_stored_column():
    """The names are those of the table, in its order, and of both empty masks the same values."""
    empty = np.zeros((4, 4), bool)
    found = surface_metrics(empty, empty, 2)

    assert tuple(found) == BOUNDARY == stored_columns()
    assert found == {METRICS[name].stored: METRICS[name].both_empty for name in found}


def test_arguments_stay_as_they_are():
    """No mask is written to."""
    predicted, truth = masks(3)
    kept = predicted.copy(), truth.copy()
    surface_metrics(predicted, truth, 2)

    assert (predicted == kept[0]).all()
    assert (truth == kept[1]).all()


def test_a_run_stores_them_of_each_test_image(tmp_path, monkeypatch):
    """At native size, from the masks whose counts stand beside them; a lost table is rebuilt."""
    seen = []

    def noted(predicted, truth, tolerance):
        found = surface_metrics(predicted, truth, tolerance)
        seen.append((int((predicted & truth).sum()), truth.shape, tolerance, found))
        return found

    monkeypatch.setattr(result, "surface_metrics", noted)
    words = (*TINY, "data.side=40", "threshold=0.45", "preflight=false", "evaluate.boundary=true")
    command = ("-m", *words, "hydra/launcher=basic", "evaluate.tolerance=3", "seed=0")
    assert train_here(command, monkeypatch, tmp_path) == 0
    (folder,) = tmp_path.glob("outputs/main/runs/*")
    rows, stored = (
        rows_of(folder / "per_image.csv"),
        json.loads((folder / "result.json").read_text()),
    )
    measured = [row for row in rows if row["hd95"]]
    before = (folder / "per_image.csv").read_bytes()

    assert {(row["split"], row["at"]) for row in measured} == {("test", "native")}
    assert len(seen) == len(measured) == stored["n_test"]
    for row, (hits, shape, tolerance, found) in zip(measured, seen, strict=True):
        assert (int(row["tp"]), shape, tolerance) == (hits, (40, 40), 3.0)
        assert {name: float(row[name]) for name in found} == found
    for name in BOUNDARY:
        mean = np.mean([float(row[name]) for row in measured])
        assert stored[f"test_{name}"] == pytest.approx(mean)
        assert float(rows_of(tmp_path / "outputs/main/results.csv")[0][f"test_{name}"]) == mean

    (folder / "per_image.csv").unlink()
    assert train_here(command, monkeypatch, tmp_path) == 0
    assert (folder / "per_image.csv").read_bytes() == before
    assert len(seen) == len(measured)  # nothing was scored again


def test_native_size_is_needed(composed):
    """One line; a frozen run without the option is as it was."""
    from segsweep.config.check import check_config

    with pytest.raises(ConfigError, match=r"not allowed with evaluate\.boundary=true"):
        check_config(*composed("evaluate.boundary=true", "evaluate.at=train"))
    assert check_config(*composed("evaluate.at=train"))["evaluate"]["boundary"] is False
