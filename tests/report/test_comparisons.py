"""Runs on different data or with different targets: a comparison of each, nothing across."""

import json
import re
from dataclasses import replace

import pandas as pd
import pytest

import segsweep as package
from command import refusal
from sample_sweeps import Maker, write_rows
from segsweep.errors import ConfigError, DataError
from segsweep.report.closing import print_report
from segsweep.report.comparisons import compare_all
from segsweep.report.question import Asked
from segsweep.report.write import write_report
from segsweep.store.paths import SweepPaths
from segsweep.store.tables import read_all

OTHER = {
    "target": ({"data__invert": True}, "synthetic, inverted"),
    "data": ({"data_fingerprint": "f" * 16, "data__count": 9}, "synthetic, count=9"),
}
FIRST = {"target": "synthetic", "data": "synthetic, count=200"}
LIFT = {"unet": 0.05, "segnet": 0.0}


@pytest.fixture(params=OTHER)
def mixed(request, tmp_path, frozen, write_run):
    """Write two cells with three seeds twice; the other runs differ in the parameter alone.

    Their scores are far higher, so that a claim across would be certain. Returns (the maker,
    both names).
    """
    changed, name = OTHER[request.param]
    maker = Maker(tmp_path / "outputs/main", frozen, write_run, images=8, epochs=2)
    for seed in range(3):
        for model, lift in LIFT.items():
            maker.finished(model, "bce", seed, lift - 0.3)
            maker.finished(model, "bce", seed, lift, **changed)
    maker.plan()
    return maker, sorted([FIRST[request.param], name])


def test_each_has_its_own_answer_and_no_pair_or_claim_goes_across(mixed, capsys):
    """Terminal, answer.json and both CSV files; cells have the same short names in each."""
    maker, names = mixed
    report = write_report(SweepPaths(maker.folder))
    print_report(report)
    out = " ".join(capsys.readouterr().out.split())
    said = json.loads((maker.folder / "answer.json").read_text())
    cells, pairs = (pd.read_csv(maker.folder / f"{name}.csv") for name in ("comparison", "pairs"))

    assert [one["data"] for one in said["comparisons"]] == names
    assert cells["data"].tolist() == [name for name in names for _ in LIFT]
    assert cells["model"].tolist() == ["unet", "segnet"] * 2
    assert pairs[pairs["family"] == "cells"]["data"].tolist() == names
    assert pairs["difference"].abs().max() < 0.15  # across it would be 0.3
    for one in said["comparisons"]:
        assert one["best"] == ["unet/bce"]
        assert f"{one['data']}: {one['headline']}" in out
    assert out.startswith("2 comparisons, because")


@pytest.mark.parametrize("kind", OTHER)
def test_whether_the_ranking_carries_over(kind, tmp_path, frozen, write_run, capsys):
    """Said on the terminal, in answer.json and on the page, once there are three cells in both."""
    changed, _ = OTHER[kind]
    maker = Maker(tmp_path / "outputs/main", frozen, write_run, images=8, epochs=2)
    for model, lift in {"unet": 0.3, "unet2": 0.15, "segnet": 0.0}.items():
        for seed in range(3):
            maker.finished(model, "bce", seed, lift - 0.3)
            maker.finished(model, "bce", seed, lift - 0.2, **changed)
    maker.plan()
    report = write_report(SweepPaths(maker.folder))
    print_report(report)
    out = " ".join(capsys.readouterr().out.split())
    said = json.loads((maker.folder / "answer.json").read_text())
    page = (maker.folder / "report.html").read_text()

    assert said["best"] == ["unet/bce"]
    first, second = (one["data"] for one in said["comparisons"])
    assert said["notes"][0] == f"May be the best on both {first} and {second}: unet/bce."
    assert said["notes"][1].startswith("The ranking carries over, at least in part, between synth")
    assert "rank correlation of 3 cells 1.00 (" in said["notes"][1]
    assert all(note in out for note in said["notes"])
    assert "Does the ranking carry over?" in page
    assert said["notes"][0] in page


def test_a_warning_names_its_comparison(mixed, capsys):
    """The same cell may be empty in one and not in the other."""
    maker, names = mixed
    report = write_report(SweepPaths(maker.folder))
    said = [{**one, "warnings": ["unet/bce is empty."]} for one in report.answer["comparisons"]]
    print_report(replace(report, answer={**report.answer, "comparisons": said}))
    out = " ".join(capsys.readouterr().out.split())

    assert all(f"{name}: unet/bce is empty." in out for name in names)


def test_runs_are_told_apart_by_data_and_target(mixed):
    """results.csv names both; the cell in other tables is one word of a shell."""
    maker, names = mixed
    tables = read_all(maker.folder)
    results = tables.results

    assert tables.swept == ["data"]
    assert set(results["data"]) == set(names)
    assert results.groupby("data")[["data_fingerprint", "data_target"]].nunique().max().max() == 1
    assert all(" " not in run.cell and "@data=" in run.cell for run in tables.runs)


def test_page_shows_every_comparison(mixed):
    """Each with its own answer, figures and tables; no name is used twice."""
    maker, names = mixed
    write_report(SweepPaths(maker.folder))
    html = (maker.folder / "report.html").read_text()
    ids = re.findall(r'\sid="([^"]+)"', html)
    figures = re.findall(r'data-figure="([^"]+)"', html)

    assert len(ids) == len(set(ids))
    assert len(figures) == len(set(figures))
    assert html.count('<p class="headline">') == 2
    assert f"May be the best on both {names[0]} and {names[1]}: unet/bce." in html
    assert {"intervals", "intervals-2"} <= set(figures) or {"cells", "cells-2"} <= set(ids)
    for name in names:
        assert f">{name}</h2>" in html


def test_notebook_has_a_list_of_comparisons(mixed):
    """By place or name; the frames hold all; one answer is not taken for that of the sweep."""
    maker, names = mixed
    compared = package.open(maker.folder).compare()

    assert [one.data for one in compared] == names
    assert compared[names[1]] is compared[1]
    assert compared.cells["data"].tolist() == [name for name in names for _ in LIFT]
    assert set(compared[0].cells["data"]) == {names[0]}
    assert compared[1].answer.best == ("unet/bce",)
    assert all(name in repr(compared) and name in compared._repr_html_() for name in names)
    with pytest.raises(ConfigError, match="2 comparisons, because"):
        _ = compared.answer
    with pytest.raises(ConfigError, match="nothing: no such comparison; there are"):
        compared["nothing"]


def test_baseline_and_averages_work_in_each(mixed, segsweep):
    """A table of each; as CSV all in one, with the column data."""
    _, names = mixed
    text = segsweep("report", "main", "--baseline", "segnet/bce", "--format", "csv")[1]
    models = segsweep("report", "main", "--by", "model")[1]
    rows = [line.split(",") for line in text.splitlines()]

    assert len(rows) == 5
    assert rows[0][0] == "data"
    assert all(f"main, {name}:" in " ".join(models.split()) for name in names)
    assert "unet/bec: no such cell" in refusal(segsweep("report", "main", "--baseline", "unet/bec"))


def test_baseline_that_only_one_has_is_said_in_the_other(mixed):
    """Its cell was not run there; what was asked is answered where it can be."""
    maker, names = mixed
    maker.finished("unet2", "bce", 0)
    maker.finished("unet2", "bce", 1)
    where = next(name for name in names if name in FIRST.values())
    found = {
        one.data: one for one in compare_all(read_all(maker.folder), Asked("iou", "unet2/bce"))
    }
    other = next(one for data, one in found.items() if data != where)

    assert "baseline" in set(found[where].pairs["family"])
    assert "baseline" not in set(other.pairs["family"])
    assert any("unet2/bce: no such cell" in note for note in other.answer.notes)


def test_groups_that_name_no_image_are_refused_once(mixed, tmp_path):
    """Neither comparison has these images."""
    maker, _ = mixed
    groups = tmp_path / "groups.csv"
    write_rows(groups, [("nobody", "a")], ("id", "group"))

    with pytest.raises(DataError, match="names none of the images"):
        compare_all(read_all(maker.folder), Asked(groups=groups))


def test_two_cells_are_compared_in_each_and_never_across(mixed, segsweep):
    """A paragraph for each; names with their data choose one; two data sets are refused."""
    _, names = mixed
    one, two = (f"@data={name.replace(', ', ',')}" for name in names)
    both = segsweep("compare", "unet/bce", "segnet/bce", "--sweep", "main")[1]
    chosen = segsweep("compare", f"unet/bce{two}", f"segnet/bce{two}", "--sweep", "main")[1]
    line = refusal(segsweep("compare", f"unet/bce{one}", f"segnet/bce{two}", "--sweep", "main"))

    assert [f"main ({name}), IoU: unet/bce is better" in both for name in names] == [True, True]
    assert [f"({name})" in chosen for name in names] == [False, True]
    assert "never compared" in line


def test_cells_of_different_sizes_are_compared_at_the_images_own_size(tmp_path, frozen, write_run):
    """A score on 64 pixels is easier to reach than one on 128: both are scored on the same ones."""
    maker = Maker(tmp_path / "main", frozen, write_run, images=4, epochs=2)
    for seed in range(2):
        for size, hits in ((64, 30), (128, 60)):
            run = maker.finished("unet", "bce", seed, data__size=size)
            with (run / "per_image.csv").open("a") as file:
                for image in maker.images:
                    file.write(
                        f"{run.name[-12:]},test,native,{image},{hits + seed},0,{100 - hits},0\n"
                    )
    (compared,) = compare_all(read_all(maker.folder))
    means = compared.cells.set_index("data.size")["test_iou"]

    assert means[128] == pytest.approx((60 / 100 + 61 / 101) / 2)
    assert means[64] == pytest.approx((30 / 100 + 31 / 101) / 2)
    assert any("compared at the images' own size" in note for note in compared.answer.notes)


def test_counts_at_the_training_size_are_used_where_there_are_no_others(
    tmp_path, frozen, write_run
):
    """The note says that this is not the same size for all."""
    maker = Maker(tmp_path / "main", frozen, write_run, images=4, epochs=2)
    for size in (64, 128):
        maker.finished("unet", "bce", 0, data__size=size)
    (compared,) = compare_all(read_all(maker.folder))

    assert compared.cells["test_iou"].notna().all()
    assert any("not the same for all" in note for note in compared.answer.notes)
