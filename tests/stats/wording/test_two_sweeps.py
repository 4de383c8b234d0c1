"""Two sweeps compared, against differences and tests made by hand."""

import numpy as np
import pytest

from segsweep.stats.null import Settings
from segsweep.stats.two_sweeps import ALL, COLUMNS
from segsweep.stats.wording.two_sweeps import compare_sweeps
from stats_data import drawn, of_tables
from stats_loops import family_by_loops

FEW = Settings(draws=1_000)
CELLS = ("m/a", "m/b", "n/a@epochs=80")


def both(cells=CELLS, gaps=(0.0,), seeds=3, **more):
    """Return values of *cells* in sweeps `new` and `old`; `new` is better by *gaps*."""
    names = [f"{cell}@sweep={sweep}" for cell in cells for sweep in ("new", "old")]
    gaps = np.resize(gaps, len(cells))
    lifts = [lift for gap in gaps for lift in (gap, 0.0)]
    return drawn((seeds,) * len(names), gaps=lifts, names=names, **more)


def test_differences_are_those_of_the_means():
    """One row per cell, sorted by name, and their mean as the last row."""
    values = both(gaps=(0.05, 0.0, -0.02))
    _, table = compare_sweeps(values, "new", "old", FEW)
    mean = {name: t.mean() for name, t in zip(values.cells, values.tables, strict=True)}

    assert table.columns.tolist() == list(COLUMNS)
    assert table["cell"].tolist() == [*CELLS, ALL]
    for row in table.head(3).to_dict("records"):
        new, old = (mean[f"{row['cell']}@sweep={sweep}"] for sweep in ("new", "old"))
        assert (row["first"], row["second"]) == pytest.approx((new, old))
        assert row["difference"] == pytest.approx(new - old)
        assert row["ci_low"] < row["difference"] < row["ci_high"]
    last = table.iloc[-1]
    assert last["difference"] == pytest.approx(table["difference"].head(3).mean())
    assert last["first"] == pytest.approx(table["first"].head(3).mean())


def test_p_agrees_with_loops():
    """Three cells and their mean are one family of four contrasts over six cells."""
    values = both(gaps=(0.04, 0.02, 0.0), seeds=4)
    options = Settings(draws=300)
    _, table = compare_sweeps(values, "new", "old", options)
    pairs = np.kron(np.eye(3), [1.0, -1.0])
    _, p = family_by_loops(values, [*pairs, pairs.mean(0)], options)

    np.testing.assert_allclose(table["p_adjusted"], p, rtol=1e-12)


def test_swapped_sweeps_give_mirrored_results():
    """The same p up to simulation error, opposite signs and verdicts."""
    values = both(gaps=(0.2, 0.0, -0.2), seeds=5)
    forth, one = compare_sweeps(values, "new", "old", FEW)
    back, other = compare_sweeps(values, "old", "new", FEW)

    assert one["verdict"].head(3).tolist() == ["first better", "undecided", "second better"]
    assert other["verdict"].head(3).tolist() == ["second better", "undecided", "first better"]
    np.testing.assert_allclose(other["difference"], -one["difference"])
    np.testing.assert_allclose(other["ci_low"], -one["ci_high"])
    cells = "new is better in m/a; old is better in n/a@epochs=80"
    assert f"Cell by cell: {cells}." in forth
    assert "old is better in n/a@epochs=80; new is better in m/a." in back


def test_shift_of_all_cells_is_settled():
    """By .05 with five seeds; the better sweep comes first in either order."""
    values = both(gaps=(0.05,), seeds=5, images=50)
    forth, table = compare_sweeps(values, "new", "old", FEW)
    back, _ = compare_sweeps(values, "old", "new", FEW)

    assert table["verdict"].iloc[-1] == "first better"
    last = table.iloc[-1]
    numbers = f"{last['difference']:.4f} ({last['ci_low']:.4f} to {last['ci_high']:.4f}), p"
    for words in (forth, back):
        assert words.startswith(f"Settled: new is better than old by {numbers} ")
        assert "on average over the 3 shared cells" in words


def test_small_shift_of_many_cells_is_detected_in_their_mean():
    """Twelve cells differ by .02: rarely significant alone, significant on average."""
    cells = [f"m/{letter}" for letter in "abcdefghijkl"]
    words, table = compare_sweeps(both(cells, (0.02,), images=60), "new", "old", FEW)

    assert table["verdict"].iloc[-1] == "first better"
    assert (table["verdict"].head(12) == "first better").sum() < 6
    assert words.startswith("Settled: new is better than old")


def test_equal_sweeps_are_not_called_different():
    """40 pairs of equal sweeps: 8 or more false claims at .05 have a probability of .001."""
    wrong = 0
    for seed in range(40):
        _, table = compare_sweeps(both(CELLS[:2], seed=seed, images=20), "new", "old", FEW)
        wrong += table["verdict"].isin(["first better", "second better"]).any()

    assert wrong < 8


def test_same_values_are_the_same_on_every_image():
    """A sweep and its copy: difference 0, p 1."""
    tables = drawn((3, 3)).tables
    names = [f"m/{x}@sweep={sweep}" for x in "ab" for sweep in ("copy", "main")]
    values = of_tables([tables[0], tables[0], tables[1], tables[1]], names=names)
    words, table = compare_sweeps(values, "main", "copy", FEW)

    assert words == "main and copy are the same on every image, in each of the 2 shared cells."
    assert table["difference"].tolist() == [0, 0, 0]
    assert table["p_adjusted"].tolist() == [1, 1, 1]


def test_one_cell_that_differs_is_enough():
    """The other cell is a copy."""
    one, other, changed = drawn((3, 3, 3)).tables
    names = [f"m/{x}@sweep={sweep}" for x in "ab" for sweep in ("copy", "main")]
    words, _ = compare_sweeps(
        of_tables([one, one, other, changed], names=names), "main", "copy", FEW
    )

    assert words.startswith("Not settled: main minus copy is ")


def test_differences_that_cancel_are_not_the_same():
    """One cell is higher, one lower by the same amount: equal means, different images."""
    table = drawn((3,)).tables[0]
    names = [f"m/{x}@sweep={sweep}" for x in "ab" for sweep in ("new", "old")]
    values = of_tables([table + 0.1, table, table, table + 0.1], names=names)
    words, found = compare_sweeps(values, "new", "old", FEW)

    assert abs(found["difference"].iloc[-1]) < 1e-12
    assert "the same" not in words


def test_equal_within_the_margin_is_settled_too():
    """Forty seeds with little variance."""
    values = both(CELLS[:2], seeds=40, images=200, sd=0.002)
    words, table = compare_sweeps(values, "new", "old", Settings(draws=1_000, margin=0.02))

    assert set(table["verdict"]) == {"equal within the margin"}
    assert words.startswith("Settled: new and old are equal within 0.02, on average")
    assert "Cell by cell: equal within 0.02 in m/a, m/b." in words


def test_one_shared_cell_has_no_mean_row():
    """Cells of only one sweep are not compared, and are named."""
    values = drawn(
        (3,) * 4, names=["m/a@sweep=new", "m/a@sweep=old", "m/b@sweep=new", "n/c@sweep=old"]
    )
    words, table = compare_sweeps(values, "new", "old", FEW)

    assert table["cell"].tolist() == ["m/a"]
    assert "in m/a, the only shared cell." in words
    assert words.endswith("In one sweep only: new has m/b; old has n/c.")


def test_no_shared_cell_is_refused():
    """The message lists the cells of each sweep."""
    values = drawn((2, 2), names=["m/a@sweep=new", "m/b@sweep=old"])

    with pytest.raises(ValueError, match=r"no cell in common .*: new has m/a, old has m/b"):
        compare_sweeps(values, "new", "old", FEW)
    with pytest.raises(ValueError, match="lost has none"):
        compare_sweeps(values, "new", "lost", FEW)
    with pytest.raises(ValueError, match="both sweeps are named new"):
        compare_sweeps(values, "new", "new", FEW)


def test_one_seed_makes_no_claim():
    """However large the difference is."""
    words, table = compare_sweeps(both(gaps=(0.5,), seeds=1), "new", "old", FEW)

    assert words.startswith(
        "No claim about methods: one seed per cell. For these trained networks "
    )
    assert "better" not in words
    assert table["p_adjusted"].isna().all()
    assert set(table["verdict"]) == {"undecided"}
    assert (table["ci_low"] > 0).all()


def test_cell_with_one_seed_is_reported():
    """Its means are shown; neither it nor the mean over all cells is tested."""
    names = ["m/a@sweep=new", "m/a@sweep=old", "m/b@sweep=new", "m/b@sweep=old"]
    words, table = compare_sweeps(drawn((3, 3, 1, 1), names=names), "new", "old", FEW)

    assert table["p_adjusted"].isna().tolist() == [False, True, True]
    assert table[["first", "second", "difference"]].notna().all(axis=None)
    assert "Nothing can be claimed about m/b: one seed." in words


def test_any_name_of_a_sweep_works():
    """Names with an equals sign or a slash, and a name that ends like the other."""
    values = drawn((3, 3), names=["m/a@sweep=1/y", "m/a@sweep=x=1/y"])
    words, table = compare_sweeps(values, "x=1/y", "1/y", FEW)

    assert table["cell"].tolist() == ["m/a"]
    assert table["second"].tolist() == pytest.approx([values.tables[0].mean()])
    assert words.startswith("Not settled: x=1/y minus 1/y is ")
