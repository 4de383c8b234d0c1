"""Tables of sweeps without finished runs, and from counts to verdicts."""

import numpy as np
import pandas as pd
import pytest

from segsweep.stats.contrasts import CELLS
from segsweep.stats.engine import analyse
from segsweep.stats.null import Settings
from segsweep.stats.tables import PAIRS, comparison_table, pairs_table
from segsweep.stats.values import values_of
from segsweep.stats.wording.answer import answer
from stats_data import drawn

FEW = Settings(draws=1_000)
UNION = 1_000
MEASURED = ("iou", "dice", "score")


def results(cells, seeds, status="finished", **keys):
    """Return rows of results.csv; *keys* are swept in addition to model and loss."""
    rows = []
    for cell in cells:
        model, loss = cell.split("/")
        for seed in range(seeds):
            done = status == "finished"
            values = {
                f"{part}_{name}": 0.5 if done else None
                for part in ("val", "test")
                for name in MEASURED
            }
            cost = dict.fromkeys(("lr", "seconds", "parameters"), 2.0 if done else None)
            names = {"run_id": f"{cell}-{seed}", "model": model, "loss": loss, **keys, "seed": seed}
            more = {"fold": None, "status": status, "data_fingerprint": "d1" if done else None}
            rows.append({**names, **more, **values, **cost})
    return pd.DataFrame(rows)


def counts(found):
    """Return rows of per_image.csv: run id -> number of UNION pixels found on each image."""
    return pd.DataFrame(
        [
            {
                **{"run_id": run, "split": "test", "at": "train", "image": f"i{k:02d}"},
                **{"tp": int(tp), "fp": 0, "fn": UNION - int(tp), "tn": 50},
            }
            for run, pixels in found.items()
            for k, tp in enumerate(pixels)
        ]
    )


def found_pixels(cells, lifts, seeds=5, images=50):
    """Return the pixels that each run finds; cells differ by their lift only."""
    generator = np.random.default_rng(3)
    image = generator.integers(500, 900, images)
    luck = generator.integers(-12, 13, (seeds, 1)) + generator.integers(-30, 31, (seeds, images))
    return {
        f"{cell}-{seed}": image + luck[seed] + lift
        for cell, lift in zip(cells, lifts, strict=True)
        for seed in range(seeds)
    }


@pytest.mark.parametrize("status", ["planned", "failed"])
@pytest.mark.parametrize("keys", [{}, {"trainer.epochs": 80}])
def test_nothing_finished_has_the_usual_columns(status, keys):
    """The same order and types; 0 seeds, no rank, may_be_best empty."""
    cells = ["m/a", "m/b"]
    values = drawn(
        (2, 2), names=[f"{c}{''.join(f'@{k}={v}' for k, v in keys.items())}" for c in cells]
    )
    usual = comparison_table(analyse(values, FEW), results(cells, 2, **keys))
    table = comparison_table(None, results(cells, 2, status, **keys))

    assert table.columns.tolist() == usual.columns.tolist()
    assert table.dtypes.to_dict() == usual.dtypes.to_dict()
    assert table[["model", "loss", *keys]].to_dict("list") == {
        **{"model": ["m", "m"], "loss": ["a", "b"]},
        **{key: [value] * 2 for key, value in keys.items()},
    }
    assert table["seeds"].tolist() == [0, 0]
    assert table["failed"].tolist() == [2 * (status == "failed")] * 2
    rest = [name for name in table if name not in ("model", "loss", *keys, "seeds", "failed")]
    assert table[rest].isna().all(axis=None)


def test_no_run_at_all_has_the_usual_columns():
    """An empty results.csv."""
    usual = comparison_table(None, results(["m/a"], 1, "planned"), metric="dice")
    table = comparison_table(None, results(["m/a"], 1).iloc[:0], metric="dice")

    assert table.empty
    assert table.columns.tolist() == usual.columns.tolist()
    assert table.columns[4] == "test_dice"
    numbers = usual.columns[2:]
    assert table[numbers].dtypes.to_dict() == usual[numbers].dtypes.to_dict()


def test_unfinished_cells_keep_the_column_types():
    """Column types do not become object."""
    frame = pd.concat([results(["m/a", "m/b"], 2), results(["m/c"], 2, "planned")])
    whole = comparison_table(analyse(drawn((2, 2)), FEW), results(["m/a", "m/b"], 2))
    table = comparison_table(analyse(drawn((2, 2)), FEW), frame.reset_index(drop=True))

    assert table.dtypes.to_dict() == whole.dtypes.to_dict()
    assert table["loss"].iloc[-1] == "c"


def test_empty_pairs_have_the_usual_column_types():
    """No analysis, and a single cell."""
    usual = pairs_table(analyse(drawn((3, 3, 3)), FEW)).dtypes.to_dict()

    for table in (pairs_table(None), pairs_table(analyse(drawn((3,)), FEW))):
        assert tuple(table.columns) == PAIRS
        assert table.dtypes.to_dict() == usual
        assert table.empty


def test_same_predictions_from_counts_to_words():
    """Two cells with the same counts: difference 0, p = 1, both may be best."""
    cells = ["m/a", "m/b"]
    frame = results(cells, 5)
    analysis = analyse(values_of(frame, counts(found_pixels(cells, (0, 0)))))
    pair, table = pairs_table(analysis).iloc[0], comparison_table(analysis, frame)

    assert pair["difference"] == 0
    assert pair["p_adjusted"] == 1
    assert table["may_be_best"].tolist() == [True, True]
    assert table["p_best"].tolist() == pytest.approx([0.5, 0.5], abs=0.02)
    assert answer(analysis).headline == (
        "Settled: the 2 cells that may be the best are equal on every image: m/a, m/b."
    )


def test_shift_on_all_images_from_counts_to_words():
    """50 of 1,000 pixels more on every image, five seeds: settled, p_best above .95."""
    cells = ["m/a", "m/b"]
    frame = results(cells, 5)
    analysis = analyse(values_of(frame, counts(found_pixels(cells, (0, 50)))))
    table = comparison_table(analysis, frame)

    assert analysis.tested[CELLS].difference[0] == pytest.approx(-0.05)
    assert pairs_table(analysis)["verdict"].tolist() == ["b better"]
    assert table["loss"].tolist() == ["b", "a"]
    assert table["may_be_best"].tolist() == [True, False]
    assert table["p_best"].iloc[0] > 0.95
    assert answer(analysis).headline == "With 95 % confidence m/b is the best of 2 cells."
