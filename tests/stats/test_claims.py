"""About which cells claims are made, and that no other result looks like a claim."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from segsweep.metrics import METRICS
from segsweep.stats.contrasts import BASELINE, CELLS
from segsweep.stats.engine import analyse
from segsweep.stats.levels import levels_table
from segsweep.stats.null import Settings
from segsweep.stats.tables import comparison_table
from segsweep.stats.values import values_of
from segsweep.stats.wording.answer import answer
from segsweep.stats.wording.sentences import no_claim, paragraph
from segsweep.stats.wording.two_sweeps import compare_sweeps
from stats_data import drawn, of_tables, results_of

FEW = Settings(draws=1_000)
RUN_MORE = "Run at least 3 seeds of each cell, for example seed=0,1,2."


def compared(values, **more):
    """Return comparison.csv of *values* indexed by cell."""
    table = comparison_table(analyse(values, FEW, **more), results_of(values))
    return table.set_index(table["model"].str.cat(table["loss"], "/"))


def test_one_seed_is_never_claimed_about():
    """A cell far above three others has no interval, no chance, and is not called best."""
    values = drawn((3, 3, 3, 1), gaps=[0, 0, 0, 0.5])
    result, table = analyse(values, FEW), compared(values)
    alone = table.loc["m/d"]

    assert result.claims
    assert result.claimed.tolist() == [0, 1, 2]
    assert np.isnan([result.low[3], result.high[3], result.p_best[3]]).all()
    assert result.may_be_best.tolist() == [True] * 4
    assert alone[["ci_low", "ci_high", "may_be_best", "p_best"]].isna().all()
    assert (alone["rank"], alone["seeds"]) == (1, 1)
    assert table["p_best"].sum() == pytest.approx(1)
    assert not any("m/d" in pair for pair in zip(*_pairs(result), strict=True))


def _pairs(result):
    family = result.tested[CELLS].family
    return family.a, family.b


def test_cell_with_one_seed_changes_nothing_for_the_others():
    """All results equal those of the sweep without it."""
    values = drawn((3, 4, 3, 1), gaps=[0.04, 0, 0, 0.5])
    without = of_tables(values.tables[:3])
    one, other = analyse(values, FEW), analyse(without, FEW)

    for name in ("low", "high", "p_best", "may_be_best"):
        np.testing.assert_allclose(getattr(one, name)[:3], getattr(other, name), rtol=1e-12)
    assert one.tested[CELLS].p.tolist() == other.tested[CELLS].p.tolist()


def test_cell_with_one_seed_is_reported_and_needs_more_seeds():
    """Even if the other cells are settled; chances refer to the others."""
    said = answer(analyse(drawn((5, 5, 1), gaps=[0.3, 0, 0]), FEW))

    start = "With 95 % confidence the best is one of these 2 of 3 cells"
    assert said.headline == f"{start}: m/a, m/c."
    assert said.unsettled[-1] == (
        "Nothing can be claimed about cells with one seed: m/c; "
        "chances of being the best refer to the other 2."
    )
    assert said.next == ("Run at least 3 seeds of m/c, for example seed=0,1,2.",)


@pytest.mark.parametrize("seeds", [(5, 1), (1, 4, 1)])
def test_one_cell_with_several_seeds_makes_no_claim(seeds):
    """There is nothing to compare it with: all intervals hold for these networks only."""
    values = drawn(seeds, gaps=[0.3, *[0] * (len(seeds) - 1)])
    result, table = analyse(values, FEW), compared(values)
    said, most = answer(result), values.cells[int(np.argmax(seeds))]

    assert not result.claims
    assert no_claim(result) == f"one seed per cell except for {most}"
    assert said.headline.startswith(f"No claim about methods: {no_claim(result)}. Of these ")
    assert "trained networks" not in said.headline
    assert said.next == (RUN_MORE,)
    assert "better" not in said.text
    assert table[["may_be_best", "p_best"]].isna().all(axis=None)
    assert (result.low < result.parts.mean).all()
    words = paragraph(result, "m/a", "m/b")
    assert f"With {no_claim(result)}, this holds for these trained networks only." in words


def test_interval_without_claims_is_the_paired_t_interval_over_images():
    """Computed from means over the trained seeds, with their noise on single images included."""
    values = drawn((6, 1), images=25)
    tested = analyse(values, Settings(draws=40_000)).tested[CELLS]
    first, second = values.means
    expected = stats.ttest_rel(first, second).confidence_interval(0.95)

    assert [tested.low[0], tested.high[0]] == pytest.approx(expected, rel=0.02)


def test_baseline_beside_cells_with_one_seed_has_no_p():
    """Only one cell could be claimed."""
    tested = analyse(drawn((5, 1, 1)), FEW, baseline="m/b").tested[BASELINE]

    assert np.isnan(tested.p).all()
    assert (tested.low < tested.high).all()


def test_nothing_to_compare_has_no_chance_of_being_best():
    """With a single cell, and with a single architecture."""
    row = compared(drawn((3,))).loc["m/a"]
    level = levels_table(analyse(drawn((3,)), FEW), "model").iloc[0]

    assert np.isnan(analyse(drawn((3,)), FEW).p_best).all()
    for found in (row, level):
        assert found[["may_be_best", "p_best"]].isna().all()
        assert found["ci_low"] < found["test_iou"]


@pytest.mark.parametrize("seeds", [1, 4])
def test_one_group_of_images_needs_images_not_seeds(seeds):
    """The reason is named, and no further seeds are recommended."""
    result = analyse(drawn((seeds,) * 3, groups=[0] * 30), FEW)
    said = answer(result)

    assert said.headline.startswith("No claim about methods: a single group of test images.")
    assert "seed" not in said.text
    assert said.headline.endswith("other images may change the order.")
    assert compared(drawn((seeds,) * 3, groups=[0] * 30))["may_be_best"].isna().all()


def test_two_sweeps_claim_nothing_about_a_cell_with_one_seed():
    """Even if many other cells have three seeds."""
    names = [f"m/{cell}@sweep={sweep}" for cell in "abc" for sweep in ("new", "old")]
    words, table = compare_sweeps(drawn((3, 3, 3, 3, 1, 1), names=names), "new", "old", FEW)
    none, _ = compare_sweeps(drawn((3, 1), names=names[:2]), "new", "old", FEW)

    assert table["p_adjusted"].isna().tolist() == [False, False, True, True]
    assert "Nothing can be claimed about m/c: one seed." in words
    assert none.startswith("No claim about methods: one seed per cell except for m/a of new.")


def near_the_limit(metric):
    """Return values of two cells whose means are one image below the metric's maximum."""
    cells = [(cell, seed) for cell in ("m/a", "m/b") for seed in range(3)]
    names = [{"run_id": f"{cell}{seed}", "seed": seed} for cell, seed in cells]
    runs = [
        {**name, "model": "m", "loss": cell[2:], "fold": None, "status": "finished"}
        for name, (cell, _) in zip(names, cells, strict=True)
    ]
    frame = pd.DataFrame(runs).assign(data_fingerprint="d1")
    frame = frame[["run_id", "model", "loss", "seed", "fold", "status", "data_fingerprint"]]
    perfect = {"tp": 9, "fp": 0, "fn": 0, "tn": 9}
    counts = [
        {"run_id": name["run_id"], "split": "test", "at": "train", "image": f"i{k}"}
        | ({"tp": 1 + name["seed"], "fp": 20, "fn": 8, "tn": 2} if k == 0 else perfect)
        for name in names
        for k in range(5)
    ]
    return values_of(frame, pd.DataFrame(counts), metric)


@pytest.mark.parametrize("metric", ["iou", "mcc"])
def test_intervals_stay_in_the_range_of_the_metric(metric):
    """Intervals of cells and levels; the two cells are equal, so they have one interval."""
    values = near_the_limit(metric)
    result = analyse(values, FEW)
    free = analyse(of_tables(values.tables), FEW)
    level = levels_table(result, "loss", metric)

    assert values.limits == METRICS[metric].limits
    assert (free.high > 1).all()
    assert result.high.tolist() == level["ci_high"].tolist() == [1, 1]
    assert result.low.tolist() == [free.low[0]] * 2
    assert result.tested[CELLS].low[0] == result.tested[CELLS].high[0] == 0


@pytest.mark.parametrize(("metric", "span"), [("iou", 1), ("mcc", 2)])
def test_no_difference_is_larger_than_the_range_of_the_metric(metric, span):
    """One seed and two images in two groups: the interval would reach far beyond."""
    tables = [np.array([[0.2, 0.9]]), np.array([[0.8, 0.1]]), np.array([[0.5, 0.2]])]
    free = analyse(of_tables(tables), FEW).tested[CELLS]
    cut = analyse(_within(of_tables(tables), METRICS[metric].limits), FEW).tested[CELLS]

    assert (free.high > span).any()
    assert cut.low.tolist() == np.maximum(free.low, -span).tolist()
    assert cut.high.tolist() == np.minimum(free.high, span).tolist()


def test_correlation_may_be_negative():
    """The lower limit of Matthews' correlation is -1, that of the other metrics 0."""
    tables = [np.tile([0.9, -0.9, 0.0, 0.4, -0.6], (3, 1)) + 0.01 * k for k in range(2)]
    values = of_tables(tables)
    cut = [analyse(_within(values, METRICS[name].limits), FEW).low for name in ("mcc", "iou")]

    assert (cut[0] < 0).all()
    assert cut[1].tolist() == [0, 0]


def _within(values, limits):
    from dataclasses import replace

    return replace(values, limits=limits)
