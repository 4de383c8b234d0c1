"""Searches in tables, answer, terminal and page, of sweeps written by hand."""

import io
import re
import warnings

import pandas as pd
import pytest
from rich.console import Console

from sample_sweeps import Maker, one_cell_sweep
from searched_results import LR, RATES, choose, final, searched_sweep, trial
from segsweep.config.cells import cell_id
from segsweep.report.closing import print_report
from segsweep.report.columns import BUDGET
from segsweep.report.comparisons import compare_all
from segsweep.report.content.listing import listings
from segsweep.report.content.material import material_of
from segsweep.report.page.html import build_page
from segsweep.report.question import Asked
from segsweep.report.search_table import print_searches
from segsweep.report.searched import range_of, searched_cells
from segsweep.report.write import second_look, write_report
from segsweep.stats.ranges import Range
from segsweep.stats.search import TrialState
from segsweep.store.paths import SweepPaths
from segsweep.store.tables import read_all

WIDER = "\"search.params={optimizer.lr: 'tag(log, interval(1e-05, 0.1))'}\""


@pytest.fixture
def maker(tmp_path, frozen, write_run):
    """Return what writes a sweep."""
    return Maker(tmp_path / "mine", frozen, write_run, images=8, epochs=4)


def compared(maker, **asked):
    """Return the comparisons of a sweep, without advice on seeds."""
    return compare_all(read_all(maker.folder), Asked(**asked), advise=False)


def page(maker):
    """Return the sweep's page."""
    tables = read_all(maker.folder)
    (one,) = compare_all(tables, advise=False)
    return build_page(material_of(tables, one))


def printed(show, *args):
    """Return what *show* prints on 80 columns."""
    file = io.StringIO()
    show(*args, Console(file=file, width=80, markup=False, highlight=False))
    return file.getvalue()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tag(log, interval(1e-5, 1e-2))", Range(1e-5, 1e-2, log=True)),
        ("interval(0, 1)", Range(0, 1)),
        ("int(interval(4, 16))", Range(4, 16, whole=True)),
        ("tag(log, int(interval(4, 16)))", Range(4, 16, log=True, whole=True)),
        ("choice(1e-2, 1e-4, 1e-3)", Range(1e-4, 1e-2, listed=(1e-4, 1e-3, 1e-2))),
        ("range(3, 6)", Range(3, 5, whole=True, listed=(3, 4, 5))),
        ("choice(none, flips)", None),
        ("choice(true, false)", None),
        ("0.1", None),
        ("interval(", None),
        ("interval(2, 1)", None),
    ],
)
def test_range_of_params(text, found):
    """Hydra's own words, and what a file that somebody edited may hold."""
    assert range_of(LR, text) == found


def test_budget_stands_in_the_table(maker):
    """Four trials of four epochs and five seconds for either cell, in rows of any order."""
    searched_sweep(maker)
    report = write_report(SweepPaths(maker.folder))
    table = pd.read_csv(maker.folder / "comparison.csv")

    assert list(table.columns[-3:]) == [*BUDGET]
    assert table[[*BUDGET]].to_numpy().tolist() == [[4, 16, 20.0]] * 2
    assert report.answer["search"][0] == (
        "Both cells are at the values found by 4 trials each (optimizer.lr)."
    )
    assert "at the upper end" in report.answer["warnings"][0]
    assert "unet/bce (0.008)" in report.answer["warnings"][0]


def test_without_a_search_nothing_changes(maker):
    """No column, no sentence, no section."""
    one_cell_sweep(maker)
    (one,) = compared(maker)

    assert not {*BUDGET} & set(one.cells)
    assert one.answer.search == ()
    assert 'id="search"' not in page(maker)


def test_trials_in_the_order_of_the_search(maker):
    """Trial k is the k-th that was asked for, whatever its folder is called."""
    searched_sweep(maker)
    bce, dice = searched_cells(read_all(maker.folder))

    assert [one.values[LR] for one in bce.trials] == [*RATES]
    assert [one.val_iou for one in dice.trials] == [0.75, 0.60, 0.70, 0.74]
    assert (bce.values, bce.own, bce.is_own) == ({LR: RATES[3]}, {LR: RATES[0]}, False)
    assert (dice.is_own, len(dice.seeds)) == (True, 3)


def test_every_end_of_a_trial(maker):
    """Complete, pruned, diverged, failed, running: as result and failure tell."""
    for rate, more in zip(
        (*RATES, 1e-3),
        (
            {"value": 0.7},
            {"value": 0.5, "pruned": True},
            {"cause": "non-finite"},
            {"cause": "raised"},
            {},
        ),
        strict=True,
    ):
        trial(maker, "bce", rate, **more)
    (one,) = searched_cells(read_all(maker.folder))

    assert {trial.values[LR]: trial.state for trial in one.trials} == {
        RATES[0]: TrialState.COMPLETE,
        RATES[1]: TrialState.PRUNED,
        RATES[2]: TrialState.DIVERGED,
        RATES[3]: TrialState.FAILED,
        1e-3: TrialState.OPEN,
    }
    assert (one.values, one.ended) == ({}, 3)


def test_page_while_cells_are_searched(maker):
    """Trials that ended are drawn, and the answer says how far the search is."""
    trial(maker, "bce", RATES[0], 0.7)
    trial(maker, "bce", RATES[1], 0.6)
    trial(maker, "dice", RATES[0])
    (one,) = compared(maker)
    html = page(maker)

    assert one.answer.search == (
        "Still searched: unet/bce (2 trials so far), unet/dice (0 trials so far).",
    )
    assert html.count('class="mark plain m"') == 2 * 2  # wide and narrow
    assert "unet/bce trial 1: lr 0.002, validation IoU 0.7000" in html
    assert 'data-table="searches"' not in html
    assert "diverged or failed" not in html.partition("figure-search")[2].partition("</figure>")[0]


def test_page_is_renewed_while_trials_run(maker):
    """Under a command, until all trials and runs have ended."""

    def reload():
        tables = read_all(maker.folder)
        html = build_page(material_of(tables, compare_all(tables, advise=False)[0]), live=True)
        return re.search(r'data-reload="(\d+)"', html)[1] != "0"

    run = trial(maker, "bce", RATES[0], 0.7)
    between = reload()
    choose(maker, "bce", RATES[0], [run], [0.7])
    for seed in range(2):
        final(maker, "bce", seed, RATES[0])
    ended = reload()
    trial(maker, "bce", RATES[1])  # of more trials

    assert (between, ended, reload()) == (True, False, True)


def test_given_values_beside_searched_ones(maker):
    """The runs whose rate was given are another cell, without a budget."""
    searched_sweep(maker)
    for seed in range(2):
        final(maker, "bce", seed, 1e-3, filled=False)
    (one,) = compared(maker)
    cells = one.cells.set_index(["loss", "searched"])

    assert one.answer.search[0].startswith("2 of 3 cells are at the values found by 4 trials each")
    assert cells["trials"].isna().tolist().count(True) == 1
    assert {name.cell for name in one.searched} == {
        "unet/bce@searched=lr",
        "unet/dice@searched=lr",
    }
    (given,) = (row for row in one.cells.to_dict("records") if pd.isna(row["trials"]))
    assert given["lr"] == pytest.approx(1e-3)


def test_superseded_runs_are_told_and_never_pooled(maker):
    """Six seeds at two rates: only those at the chosen rate count, in means and in curves."""
    searched_sweep(maker)
    for seed in range(3):
        final(maker, "bce", seed, 1e-3, lift=-0.4)
    tables = read_all(maker.folder)
    (one,) = compared(maker)
    states = tables.results.groupby(["loss", "status"]).size().to_dict()
    row = one.cells.set_index("loss").loc["bce"]
    counted = tables.results[tables.results["status"] == "finished"]
    mean = counted[counted["loss"] == "bce"]["test_iou"].mean()

    assert states == {
        ("bce", "finished"): 3,
        ("bce", "superseded"): 3,
        ("dice", "finished"): 3,
    }
    assert (row["seeds"], row["lr"]) == (3, pytest.approx(RATES[3]))
    assert row["test_iou"] == pytest.approx(mean)
    assert "3 superseded runs left out: the search has chosen other values since." in (
        one.answer.notes
    )
    assert set(tables.compared_history["run_id"]) == set(counted["run_id"])
    assert material_of(tables, one).counts == {"finished": 6, "superseded": 3}


def test_chosen_values_are_printed(maker):
    """A row per cell with value, validation IoU and budget; the word is not broken."""
    searched_sweep(maker)
    lines = printed(print_searches, searched_cells(read_all(maker.folder))).splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("unet/")}

    assert rows == {
        "unet/bce": ["0.008", ".8000", ".7000", "4", "16", "20"],
        "unet/dice": ["0.002", ".7500", ".7500", "4", "16", "20"],
    }
    assert f"wider: {WIDER}" in lines
    assert max(map(len, (line for line in lines if not line.startswith("wider")))) <= 80


def test_end_of_a_command(maker, monkeypatch, capsys):
    """The answer has the first sentence on the search; the others stand below its table."""
    monkeypatch.setenv("COLUMNS", "80")
    searched_sweep(maker)
    print_report(write_report(SweepPaths(maker.folder)))
    text = capsys.readouterr().out

    assert len(re.findall(r"\nsearch +Both cells are at the values found", text)) == 1
    assert text.index("The search") > text.index("config's")
    assert "trials; best validation IoU first" not in text


def test_second_look_keeps_the_search(maker):
    """Another metric is compared at the same values."""
    searched_sweep(maker)
    look = second_look(SweepPaths(maker.folder), Asked("dice"))

    assert look.cells[[*BUDGET]].to_numpy().tolist() == [[4, 16, 20.0]] * 2
    assert look.answer["search"][0].startswith("Both cells are at the values found")


def test_several_data_sets(maker):
    """Each comparison has the searches of its own cells."""
    for data, rate in (("0123456789abcdef", RATES[3]), ("fedcba9876543210", RATES[1])):
        run = trial_on(maker, data, rate)
        config = maker.frozen("model=unet", "loss=bce", optimizer__lr=rate)
        identity = cell_id({**config, "data_fingerprint": data}, [LR])
        more = {"cell_id": identity, "study": f"unet/bce {data[:12]}"}
        choose(maker, "bce", rate, [run], [0.8], own=rate, **more)
        for seed in range(2):
            final(maker, "bce", seed, rate, data_fingerprint=data)
    several = compared(maker)

    assert [[one.values[LR] for one in own.searched] for own in several] in (
        [[RATES[3]], [RATES[1]]],
        [[RATES[1]], [RATES[3]]],
    )
    assert all(len(own.searched[0].trials) == 1 for own in several)
    assert all(own.cells["trials"].tolist() == [1] for own in several)


def trial_on(maker, fingerprint, rate):
    """Write a trial on other data; return its id."""
    frozen = maker.frozen

    def on_these(*words, **changed):
        return frozen(*words, **changed) | {"data_fingerprint": fingerprint}

    maker.frozen = on_these
    run = trial(maker, "bce", rate, 0.8, study=f"unet/bce {fingerprint[:12]}")
    maker.frozen = frozen
    return run


def test_page_shows_panels_values_and_the_word(maker):
    """A panel per cell, a mark per trial, the chosen one filled; the word to search further."""
    searched_sweep(maker)
    html = page(maker)
    marks = re.findall(r'class="mark ([^"]*?) ?m"', html)
    tables = listings(material_of(read_all(maker.folder), compared(maker)[0]))

    assert sorted(marks) == sorted(
        ["plain"] * 10 + ["own"] * 2 + ["plain chosen", "own chosen"] * 2
    )
    assert "unet/bce trial 4: lr 0.008, validation IoU 0.8000, chosen" in html
    assert (
        "unet/dice trial 1: lr 0.002, validation IoU 0.7500, chosen, the config&#39;s own" in html
    )
    assert WIDER.replace('"', "&#34;").replace("'", "&#39;") in html
    assert [row[0] for row in tables["searches"].rows] == ["unet/bce", "unet/dice"]
    assert len(tables["trials"].rows) == 8
    assert "learning-rates" not in html  # the panels show more


def test_damaged_record_leaves_the_trials(maker):
    """Without chosen.csv the values are unknown; the page is still made, and says what is wrong."""
    searched_sweep(maker)
    (maker.folder / "chosen.csv").write_text("cell,model\nunet/bce,unet\n")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        html = page(maker)

    assert "Left out: " in html
    assert "What was chosen is not known (chosen.csv): unet/bce, unet/dice." in html
    assert "Still searched: " not in html


def test_columns_of_an_earlier_version(maker):
    """A chosen.csv without the later columns is read; trials are in the order they started in."""
    searched_sweep(maker)
    path = maker.folder / "chosen.csv"
    frame = pd.read_csv(path).drop(columns=["sampler", "own", "trials"])
    frame.to_csv(path, index=False, lineterminator="\n")
    bce, _ = searched_cells(read_all(maker.folder))

    assert len(bce.trials) == 4
    assert (bce.own, bce.sampler) == ({}, "")
