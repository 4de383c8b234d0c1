"""A race in a report: the set from race.csv, all else from the first look's seeds."""

import json
import math
from dataclasses import replace

import pandas as pd
import pytest

from damages import DAMAGES
from raced_sweep import LOOKS, raced, rows_of
from segsweep.report.comparisons import compare_all
from segsweep.report.figures.race import race_figure
from segsweep.report.part import part
from segsweep.report.question import Asked
from segsweep.report.raced import common_seeds, race_of
from segsweep.report.write import write_report
from segsweep.store.race import write_race
from segsweep.store.records import add_look
from segsweep.store.tables import read_all

__all__ = ["raced"]


def test_set_is_that_of_the_race(raced):
    """Each cell has p and distance of its own last look, and the mean over all its seeds."""
    (compared,) = compare_all(read_all(raced.root))
    race = race_of(read_all(raced.root))
    cells = compared.cells.assign(cell=compared.cells["model"] + "/" + compared.cells["loss"])
    table = cells.set_index("cell")

    assert table["may_be_best"].to_dict() == {
        cell: row.decision != "out" for cell, row in race.last.items()
    }
    assert not table.loc["unet2/dice", "may_be_best"]
    for cell, row in race.last.items():
        assert table.loc[cell, "seeds"] == row.seeds
        assert table.loc[cell, "p_as_best"] == pytest.approx(row.p)
        assert table.loc[cell, "minus_best_low"] == pytest.approx(row.low)
        assert table.loc[cell, "test_iou"] == pytest.approx(row.mean)


def test_pairs_are_of_the_first_looks_seeds(raced):
    """As if nobody had trained more: further seeds went to cells that were ahead by luck."""
    (compared,) = compare_all(read_all(raced.root))
    for run in raced.runs.iterdir():
        if int(run.name.split("-s")[-1].split("-")[0]) >= LOOKS[0]:
            for file in sorted(run.rglob("*"), reverse=True):
                file.unlink() if file.is_file() else file.rmdir()
            run.rmdir()
    raced.race.unlink()
    (first,) = compare_all(read_all(raced.root), advise=False)
    names = ["family", "a", "b", "difference", "ci_low", "ci_high", "p_adjusted", "verdict"]

    pd.testing.assert_frame_equal(compared.pairs[names], first.pairs[names])
    assert (first.cells["seeds"] == LOOKS[0]).all()


def test_answer_says_how_the_race_went(raced):
    """Headline, end, runs saved, and what the numbers are from."""
    (compared,) = compare_all(read_all(raced.root))
    race, said = race_of(read_all(raced.root)), compared.answer

    assert said.headline.startswith("With 95 % confidence the best is one of these 3 of 4 cells: ")
    assert f"The race ended at look {race.look[0]}" in said.settled[0]
    assert f"{len(race.used_runs)} runs in place of {4 * LOOKS[-1]}" in said.settled[0]
    assert said.notes[0].startswith("Seeds were given by results: ")
    assert "the first 2 seeds of each cell" in said.notes[0]
    assert not any("more seeds per cell" in text for text in said.next)


def with_counts(sweep, seeds, change):
    """Change the test counts of runs of some seeds, and their results with them."""
    for run in sweep.runs.iterdir():
        cell, seed = run.name.rsplit("-s", 1)[0], int(run.name.rsplit("-s", 1)[1].split("-")[0])
        if seed in seeds:
            rows = pd.read_csv(run / "per_image.csv", dtype={"run_id": str})
            change(cell, rows)
            rows.to_csv(run / "per_image.csv", index=False)


def test_equal_in_the_first_look_only_is_not_called_equal(raced):
    """Two cells whose networks agree in the seeds of the first look, and differ in later ones."""

    def same(cell, rows):
        if cell == "unet-dice":
            of_other = next(raced.runs.glob(f"unet-bce-s{seeds[0]}-*/per_image.csv"))
            rows[["tp", "fp", "fn", "tn"]] = pd.read_csv(of_other)[["tp", "fp", "fn", "tn"]]

    for seed in range(LOOKS[0]):
        seeds = (seed,)
        with_counts(raced, seeds, same)
    (compared,) = compare_all(read_all(raced.root))
    texts = (compared.answer.headline, *compared.answer.settled)

    assert not any("qual on every image" in text for text in texts)
    pairs = compared.pairs.set_index(["family", "a", "b"])["verdict"]
    assert pairs["cells", "unet/bce", "unet/dice"] != "equal on every image"


def test_warnings_and_names_are_of_all_seeds_used(raced):
    """Masks that are empty in later seeds are told; the best by all seeds is named first."""

    def empty(cell, rows):
        if cell == "unet2-bce":
            rows["fn"] += rows["tp"]
            rows["tp"] = 0

    with_counts(raced, (LOOKS[-1] - 1,), empty)
    (compared,) = compare_all(read_all(raced.root))
    said, race = compared.answer, race_of(read_all(raced.root))
    named = said.headline.split(": ")[-1].rstrip(".").split(", ")

    assert said.warnings[0].startswith(
        "unet2/bce predicts empty masks on all 16 test images in 1 of"
    )
    assert named == [*said.best] == [row.cell for row in race.by_mean if row.decision != "out"]


def test_runs_that_no_look_used_are_counted_and_named(raced):
    """A race that ended at its first look, while idle slots had trained further seeds."""
    first = [replace(row, end="hours") for row in rows_of(raced.root) if row.look == 1]
    raced.race.unlink()
    write_race(raced, first)
    (compared,) = compare_all(read_all(raced.root))
    said = compared.answer

    assert said.settled[0].endswith("; 14 runs in place of 16, 6 of them not used by a look.")
    assert said.notes[0].startswith("Seeds were given by results: no cell got more. The set")


def test_another_metric_compares_the_first_looks_seeds(raced):
    """The race decided by IoU: its set says nothing about Dice."""
    (compared,) = compare_all(read_all(raced.root), Asked("dice"))

    assert (compared.cells["seeds"] == LOOKS[0]).all()
    assert compared.raced is None
    assert compared.answer.notes[0].startswith("Seeds were given by results, by another metric")


def test_averages_are_of_the_first_looks_seeds(raced):
    """`--by loss` takes no mean over unequal seeds."""
    (compared,) = compare_all(read_all(raced.root))
    table, _ = part(compared, (), "loss")
    results = read_all(raced.root).results
    first = results[results["seed"] < LOOKS[0]].groupby("loss")["test_iou"].mean()

    assert table.set_index("loss")["test_iou"].to_dict() == pytest.approx(first.to_dict())


def test_figure_has_a_bar_for_each_cell(raced):
    """Lengths are seeds: the cell that was ruled out has the shortest."""
    figure = race_figure(race_of(read_all(raced.root)))
    seeds = {row[0]: row[2] for row in figure.rows}

    assert seeds["unet2/dice"] == 2
    assert max(seeds.values()) > 2
    assert figure.wide.count("bar lost") == 1
    assert figure.wide.count("bar c0") == 3


def test_page_has_the_race(raced):
    """A section with the figure; answer.json has the sentences."""
    write_report(raced)
    page = raced.page.read_text()

    assert 'id="race"' in page
    assert "Seeds were given by results" in page
    assert json.loads(raced.answer.read_text())["settled"][0].startswith("The race ended")


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_record_leaves_the_seeds_that_all_cells_have(raced, recwarn, damage):
    """Nothing is compared that a look may have decided; terminal and page name the file."""
    for run in raced.run_folders():
        add_look(run, "2026-03-02T10:00:00+0000", 1, 16)
    DAMAGES[damage](raced.race)
    tables = read_all(raced.root)
    (compared,) = compare_all(tables)
    write_report(raced)
    told = [str(one.message) for one in recwarn if "race.csv" in str(one.message)]

    assert (compared.cells["seeds"] == 2).all()
    assert len(common_seeds(tables)) == 8
    assert any("race.csv" in line for line in tables.damages)
    assert len(set(told)) == 1
    assert ("ignored: missing" in told[0]) == (damage == "missing")
    assert "race.csv" in raced.page.read_text().partition("Left out")[2][:400]


def test_further_seeds_without_any_look_are_no_race(raced):
    """Given by hand, they count; the file was never there."""
    raced.race.unlink()
    (compared,) = compare_all(read_all(raced.root))

    assert sorted(compared.cells["seeds"]) == [2, 4, 4, 4]


def test_sweep_without_a_race_has_none(raced):
    """Nor one whose runs are not those of the race."""
    rows = [replace(row, runs=("ffffffffffff",)) for row in rows_of(raced.root)]
    write_race(raced, rows)

    assert race_of(read_all(raced.root)) is None
    raced.race.unlink()
    assert race_of(read_all(raced.root)) is None
    assert not math.isnan(compare_all(read_all(raced.root))[0].cells["test_iou"].iloc[0])
