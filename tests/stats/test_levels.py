"""Averaged architectures and losses, against means, quantiles and counts made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from segsweep.stats.contrasts import ARCHITECTURES, CELLS, INTERACTION, LOSSES
from segsweep.stats.engine import analyse
from segsweep.stats.levels import levels_table
from segsweep.stats.null import Settings
from segsweep.stats.verdicts import A_BETTER, B_BETTER
from segsweep.stats.wording.levels import levels_note
from segsweep.stats.wording.phrases import p_text
from stats_data import drawn, of_tables

FEW = Settings(draws=1_000)
GRID = ["m/a", "m/b", "m/c", "n/a", "n/b", "n/c"]
COLUMNS = [
    *("cells", "test_iou", "ci_low", "ci_high", "may_be_best"),
    *("p_as_best", "minus_best_low", "minus_best_high", "p_best"),
]


def analysed(names=GRID, seeds=4, gaps=None, settings=FEW, **more):
    """Return the analysis of cells with these names and the same number of seeds each."""
    values = drawn((seeds,) * len(names), gaps=gaps, names=names, **more)
    return analyse(values, settings, advise=False)


def draws_by_hand(result, cells):
    """Return the posterior draws of the mean over *cells*, draw by draw."""
    places = [result.values.cells.index(name) for name in cells]
    return np.array([sum(result.means[k, d] for k in places) / len(places) for d in range(1_000)])


@pytest.mark.parametrize("by", ["model", "loss"])
def test_levels_agree_with_hand_made_means_quantiles_and_counts(by):
    """Means of cells' means, quantiles of their draws, and how often each is highest."""
    result = analysed(gaps=[0.02, 0, 0, 0.05, 0, 0])
    table = levels_table(result, by).set_index(by)
    members = {
        "model": {"m": GRID[:3], "n": GRID[3:]},
        "loss": {x: [f"m/{x}", f"n/{x}"] for x in "abc"},
    }[by]
    drawn_means = {level: draws_by_hand(result, cells) for level, cells in members.items()}
    highest = [max(members, key=lambda level: drawn_means[level][d]) for d in range(1_000)]

    assert table.columns.tolist() == COLUMNS
    assert set(table.index) == set(members)
    for level, cells in members.items():
        row = table.loc[level]
        places = [result.values.cells.index(name) for name in cells]
        assert row["cells"] == len(cells)
        assert row["test_iou"] == pytest.approx(np.mean([result.parts.mean[k] for k in places]))
        low, high = np.quantile(drawn_means[level], [0.025, 0.975])
        assert (row["ci_low"], row["ci_high"]) == pytest.approx((low, high))
        assert row["p_best"] == pytest.approx(highest.count(level) / 1_000)
    assert table["test_iou"].is_monotonic_decreasing
    assert table["p_best"].sum() == pytest.approx(1)
    assert levels_note(result, by) == ""


@pytest.mark.parametrize("seed", range(6))
def test_loss_that_a_pair_rules_out_is_not_among_the_best(seed):
    """All pairs at once are the stricter test."""
    result = analysed(gaps=[0, 0.03, 0.06, 0, 0.03, 0.06], seed=seed)
    tested = result.tested[LOSSES]
    beaten = set()
    for a, b, said in zip(tested.family.a, tested.family.b, tested.verdicts, strict=True):
        beaten |= {b} if said == A_BETTER else {a} if said == B_BETTER else set()
    table = levels_table(result, "loss").set_index("loss")

    assert result.depends is None
    assert {level for level, may in table["may_be_best"].items() if not may} >= beaten
    assert ((table["p_as_best"] > 0.05) == table["may_be_best"]).all()


def test_better_loss_is_the_only_candidate():
    """Loss b is better by .2 with both architectures, which do not differ."""
    result = analysed(gaps=[0, 0.2, 0, 0, 0.2, 0])
    losses, models = levels_table(result, "loss"), levels_table(result, "model")

    assert losses["loss"].iloc[0] == "b"
    assert losses["may_be_best"].tolist() == [True, False, False]
    assert losses["p_best"].iloc[0] > 0.99
    assert models["may_be_best"].tolist() == [True, True]


@pytest.mark.parametrize(
    ("by", "words"),
    [
        (
            "loss",
            "The effect of the loss depends on the architecture ({}), so no loss is best overall.",
        ),
        (
            "model",
            "The effect of the architecture depends on the loss ({}), so no architecture is best "
            "overall.",
        ),
    ],
)
def test_no_level_is_best_with_an_interaction(by, words):
    """Loss a is far better with m and far worse with n; means and intervals remain."""
    result = analysed(gaps=[0.3, 0, 0, 0, 0.25, 0])
    table = levels_table(result, by)

    assert result.depends == result.tested[INTERACTION].p.min()
    assert levels_note(result, by) == words.format(p_text(result.depends))
    assert table["may_be_best"].isna().all()
    assert table["p_best"].isna().all()
    assert (table["ci_low"] < table["test_iou"]).all()


def test_one_seed_names_no_level():
    """However large the differences are."""
    result = analysed(seeds=1, gaps=[0.4, 0, 0, 0.4, 0, 0])
    table = levels_table(result, "loss")

    assert table["may_be_best"].isna().all()
    assert table["p_best"].isna().all()
    assert levels_note(result, "loss").startswith("No claim about methods: one seed per cell")


def test_mean_is_over_what_all_levels_have():
    """Without n/c, losses are averaged over m, architectures over a and b; the note says so."""
    result = analysed(GRID[:5], gaps=[0, 0, 0.5, 0, 0])
    models, losses = levels_table(result, "model"), levels_table(result, "loss")
    mean = dict(zip(result.values.cells, result.parts.mean, strict=True))

    assert models["cells"].tolist() == [2, 2]
    of_m = models.set_index("model").loc["m", "test_iou"]
    assert of_m == pytest.approx((mean["m/a"] + mean["m/b"]) / 2)
    assert losses["cells"].tolist() == [1, 1, 1]
    assert losses["test_iou"].tolist() == pytest.approx(
        sorted((mean[f"m/{x}"] for x in "abc"), reverse=True)
    )
    assert levels_note(result, "model") == (
        "Means are over the 2 of 3 losses that all architectures have."
    )
    assert levels_note(result, "loss").startswith(
        "Means are over the 1 of 2 architectures that all losses have; "
    )


def test_level_with_one_shared_cell_is_open():
    """Loss c exists with m only, so it has no contrast in the family of losses."""
    for gap in (0.5, -0.5):
        table = levels_table(analysed(GRID[:5], gaps=[0.2, 0, gap, 0.2, 0]), "loss")
        may = table.set_index("loss")["may_be_best"]

        assert may[["a", "b"]].tolist() == [True, False]
        assert may.isna().to_dict()["c"]
        assert table["p_best"].isna().all()
        assert table["ci_low"].notna().all()


def test_loss_with_one_seed_is_open():
    """The others are compared as cells."""
    values = drawn((4, 4, 1), gaps=[0.2, 0, 0], names=GRID[:3])
    result = analyse(values, FEW)
    table = levels_table(result, "loss").set_index("loss")

    assert table.loc[["a", "b"], "may_be_best"].tolist() == [True, False]
    assert table.loc["c", ["may_be_best", "ci_low"]].isna().all()
    assert table["p_best"].isna().all()
    assert levels_note(result, "loss").endswith("; nothing can be claimed about c: one seed.")


def test_one_decided_pair_of_cells_does_not_decide_between_losses():
    """Loss a is better with m; with n seeds vary widely, so the average is undecided."""
    calm, wild = drawn((8, 8), gaps=[0.05, 0], sd=0.002, seed=1), drawn((8, 8), sd=0.2, seed=2)
    values = of_tables([*calm.tables, *wild.tables], names=["m/a", "m/b", "n/a", "n/b"])
    result = analyse(values, FEW, advise=False)

    assert result.depends is None
    assert result.tested[CELLS].verdicts[0] == A_BETTER
    assert levels_table(result, "loss")["may_be_best"].tolist() == [True, True]


def test_levels_without_shared_cells_are_not_compared():
    """Architecture m has loss a only, n has b only: the two effects cannot be separated."""
    result = analysed(["m/a", "n/b"], gaps=[0.4, 0])
    table = levels_table(result, "model")

    assert table["model"].tolist() == ["m", "n"]
    assert table["may_be_best"].isna().all()
    assert table["p_best"].isna().all()
    assert levels_note(result, "model").startswith(
        "No combination of the other factors is shared by all architectures"
    )


def test_losses_of_one_architecture_are_its_cells():
    """The verdicts, chances and intervals are those of the cells."""
    result = analysed(GRID[:3], gaps=[0.2, 0, 0])
    table = levels_table(result, "loss").set_index("loss")
    may = dict(zip("abc", result.may_be_best.tolist(), strict=True))

    assert LOSSES not in result.tested
    assert table["may_be_best"].to_dict() == may == {"a": True, "b": False, "c": False}
    assert table.loc[list("abc"), "p_best"].tolist() == pytest.approx(result.p_best.tolist())
    assert table.loc[list("abc"), "ci_low"].tolist() == pytest.approx(result.low.tolist())
    assert levels_note(result, "loss").startswith("There is only one architecture")
    assert levels_note(result, "model") == "There is only one architecture, nothing to compare."


def test_further_keys_are_averaged_over():
    """Two lengths of training give four cells per architecture; three if one is missing."""
    names = [f"{m}/{x}@epochs={e}" for m in "mn" for x in "ab" for e in (1, 2)]
    whole, short = analysed(names), analysed([n for n in names if n not in names[4:5]])

    assert levels_table(whole, "model")["cells"].tolist() == [4, 4]
    assert levels_table(short, "model")["cells"].tolist() == [3, 3]
    assert "3 of 4 combinations of the other factors" in levels_note(short, "model")


def test_cell_without_claims_leaves_its_level_without_an_interval():
    """Architecture n has one cell with one seed: a mean and no interval."""
    values = drawn((3, 3, 1), names=["m/a", "m/b", "n/a"])
    table = levels_table(analyse(values, FEW), "model").set_index("model")

    assert table.loc["n", "test_iou"] == pytest.approx(values.tables[2].mean())
    assert np.isnan(table.loc["n", "ci_low"])
    assert table.loc["m", "ci_low"] < table.loc["m", "test_iou"]
    assert table["may_be_best"].isna().all()
    assert table["p_best"].isna().all()


def test_interval_follows_the_level_and_the_metric_names_the_column():
    """At level .5 the interval is much narrower."""
    wide, narrow = (analysed(settings=replace(FEW, level=level)) for level in (0.05, 0.5))
    one, other = (levels_table(result, "model", "dice") for result in (wide, narrow))

    assert one.columns[2] == "test_dice"
    half = (one["ci_high"] - one["ci_low"]) / (other["ci_high"] - other["ci_low"])
    assert half.between(2.3, 3.6).all()  # 1.96 / .674 of a normal distribution


def test_column_types_do_not_depend_on_the_result():
    """With claims, without claims, and with one level."""
    usual = levels_table(analysed(), "loss").dtypes

    assert str(usual["may_be_best"]) == "boolean"
    assert levels_table(analysed(seeds=1), "loss").dtypes.equals(usual)
    assert levels_table(analysed(GRID[:1]), "loss").dtypes.equals(usual)


def test_other_factors_are_refused():
    """Only model and loss are allowed."""
    with pytest.raises(ValueError, match="model or loss"):
        levels_table(analysed(), "lr")
    with pytest.raises(ValueError, match="model or loss"):
        levels_note(analysed(), "lr")


def test_architectures_keep_the_error_rate_where_some_cells_are_missing():
    """Levels that share two of three losses are tested on those two, as a family."""
    result = analysed(GRID[:5])

    assert len(result.tested[ARCHITECTURES].t) == 1
    assert levels_table(result, "model")["may_be_best"].tolist() == [True, True]
