"""Runs in another precision or with other kernels are visible on the page and in the answer."""

import json

import pytest

from sample_sweeps import Maker
from segsweep.report.analysis import compare
from segsweep.report.content.listing import listings
from segsweep.report.content.material import material_of
from segsweep.report.content.records import settings_of
from segsweep.report.page.html import build_page
from segsweep.store.tables import read_all

HERE = {"precision": "bfloat16", "threads": 2, "memory_format": "channels_last", "lean": "memory"}
OLD = {"precision": "float32", "threads": 3, "memory_format": "contiguous"}
"""A node without bfloat16, and a version that stored no level of the kernels."""


def place(folder, **facts):
    """Add *facts* to a run's environment.json; a fact that is None is removed."""
    file = folder / "environment.json"
    values = json.loads(file.read_text()) | facts
    file.write_text(json.dumps({key: value for key, value in values.items() if value is not None}))


@pytest.fixture
def maker(tmp_path, frozen, write_run):
    """Return what writes a sweep."""
    return Maker(tmp_path / "mine", frozen, write_run, images=8, epochs=4)


def five_runs(maker):
    """Write five finished runs of one cell, one on an old node, and one failed one there."""
    folders = [maker.finished("unet", "bce", seed) for seed in range(5)]
    for folder in folders[:4]:
        place(folder, **HERE)
    place(folders[4], **OLD)
    place(maker.failed("unet", "bce", 5), **OLD)
    return folders


def notes_of(maker):
    """Return the notes on placement in the answer."""
    return [note for note in compare(read_all(maker.folder)).answer.notes if "differ in" in note]


def test_page_shows_how_each_machine_computed(maker):
    """Precision, threads, memory format and kernels are columns of the table of machines."""
    folders = five_runs(maker)
    place(folders[0], lean="off")
    tables = read_all(maker.folder)
    html = build_page(material_of(tables, compare(tables)))
    shown = html[html.index("Machines and versions") :]
    shown = shown[: shown.index("</table>")]

    for name in ("precision", "threads", "memory format", "kernels"):
        assert f">{name}</th>" in shown
    for value in ("bfloat16", "float32", "3", "contiguous", "plain", "special", "special (memory)"):
        assert f">{value}</td>" in shown


def test_each_run_names_its_precision_and_threads(maker):
    """At the end of results.csv and in the page's list of runs; empty for a planned run."""
    five_runs(maker)
    maker.planned("unet", "bce", 6)
    tables = read_all(maker.folder)
    results = tables.results.sort_values("seed")
    runs = listings(material_of(tables, compare(tables)))["runs"]
    names = [key for key, _, _ in runs.columns]

    assert list(results.columns)[-3:-1] == ["precision", "threads"]
    assert results["precision"].fillna("").tolist() == ["bfloat16"] * 4 + ["float32"] * 2 + [""]
    assert results["threads"].fillna(0).tolist() == [2, 2, 2, 2, 3, 3, 0]
    assert {"precision", "threads"} <= set(names)


def test_compared_runs_that_differ_in_precision_are_counted(maker):
    """The failed run is not compared, so it is not counted; both kernels are special."""
    five_runs(maker)
    expected = ["Runs of this comparison differ in precision: 4 bfloat16, 1 float32."]

    assert notes_of(maker) == expected
    tables = read_all(maker.folder)
    assert expected[0] in build_page(material_of(tables, compare(tables)))


def test_compared_runs_that_differ_in_kernels_are_counted(maker):
    """Special kernels round differently than plain ones; how much memory they save does not."""
    folders = [maker.finished("unet", "bce", seed) for seed in range(4)]
    for folder, level in zip(folders, ("off", "fast", "memory", None), strict=True):
        place(folder, **HERE | {"lean": level})

    assert notes_of(maker) == ["Runs of this comparison differ in kernels: 3 special, 1 plain."]


def test_no_note_where_all_is_alike_or_unknown(maker):
    """Threads may differ; a run whose environment.json is damaged says nothing."""
    folders = [maker.finished("unet", "bce", seed) for seed in range(4)]
    for threads, folder in enumerate(folders[:2], 1):
        place(folder, **HERE | {"threads": threads})
    (folders[3] / "environment.json").write_text("{")

    assert notes_of(maker) == []


def test_two_sweeps_in_another_precision(maker, segsweep, frozen, write_run):
    """The comparison of two sweeps says so, too."""
    other = Maker(maker.folder.with_name("other"), frozen, write_run, images=8, epochs=4)
    for made, facts in ((maker, HERE), (other, OLD)):
        for seed in range(2):
            place(made.finished("unet", "bce", seed), **facts)
    folders = (str(maker.folder), "--against", str(other.folder))
    code, _, error = segsweep("report", *folders, "--format", "csv")

    assert code == 0
    assert "differ in precision: 2 bfloat16, 2 float32." in " ".join(error.split())
    assert "differ in kernels" not in error


def test_settings_that_all_runs_share_are_the_same_in_all(maker):
    """A setting that does not name a cell may differ from run to run: it is not shared."""
    maker.finished("unet", "bce", 0, threads=2, trainer__cpu_precision="bfloat16")
    maker.finished("unet", "bce", 1, threads=3, trainer__cpu_precision="float32")
    shared = {row["key"]: row["value"] for row in settings_of(read_all(maker.folder))[0]}

    assert shared["trainer.batch"]
    assert {"threads", "trainer.cpu_precision"} & set(shared) == set()
