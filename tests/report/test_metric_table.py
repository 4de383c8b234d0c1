"""A metric is one entry of METRICS: columns, choices, ranks and pictures follow from it."""

import csv
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sample_sweeps import Maker, finished_sweep
from segsweep import metrics
from segsweep.metrics import METRICS, Metric
from segsweep.report.analysis import compare
from segsweep.report.content.material import material_of
from segsweep.report.figures.distances import distances
from segsweep.report.page.html import build_page
from segsweep.report.question import Asked
from segsweep.report.two_sweeps import values_of_both
from segsweep.report.write import write_report
from segsweep.stats import runs as stats_runs
from segsweep.stats.wording.two_sweeps import compare_sweeps
from segsweep.store.paths import SweepPaths
from segsweep.store.tables import read_all

PROJECT = Path(__file__).parents[2]
COUNTS = ["tp", "fp", "fn", "tn"]


def f7(tp, fp, fn, tn):
    """Return 5 tp / (5 tp + 4 fn + fp)."""
    return metrics.ratio(5 * tp, 5 * tp + 4 * fn + fp, 1.0)


def distance(tp, fp, fn, tn):
    """Return 1 - IoU, the Jaccard distance."""
    return 1 - metrics.iou(tp, fp, fn, tn)


F7 = Metric("f7", "F7", "weighs recall", function=f7, column=True, validated=True)
DISTANCE = Metric(
    "distance", "distance", "1 - IoU", function=distance, higher_is_better=False, both_empty=0.0
)
LATER = Metric(
    name="later",
    label="later",
    description="of a later version",
    stored="later",
    higher_is_better=False,
    unit="px",
    limits=(0.0, float("inf")),
    both_empty=0.0,
)


def add(monkeypatch, metric):
    """Put *metric* into the table for one test."""
    monkeypatch.setitem(METRICS, metric.name, metric)


@pytest.fixture
def sweep(tmp_path, frozen, write_run):
    """Return a finished sweep of two networks by two losses, made without the new metrics."""
    maker = Maker(tmp_path / "outputs" / "mine", frozen, write_run, images=8, epochs=4)
    finished_sweep(maker, 2, ("segnet", "unet2"), ("bce", "focal"))
    return SweepPaths(maker.folder)


FURTHER = {"hd95": 40, "assd": 80, "nsd": 1e4}
"""What the false negatives are divided by, in each stored column."""


def with_stored_columns(sweep, runs="*"):
    """Add rows at native size, with hd95, assd and nsd after tn, to every per_image.csv."""
    for path in sweep.root.glob(f"runs/{runs}/per_image.csv"):
        rows = pd.read_csv(path, dtype={"run_id": str})
        further = {name: rows["fn"] / number for name, number in FURTHER.items()}
        both = pd.concat([rows, rows.assign(at="native", **further)])
        both.to_csv(path, index=False, lineterminator="\n")
        config = path.with_name("config.yaml")
        config.write_text(config.read_text().replace("boundary: false", "boundary: true"))


def test_old_runs_show_a_new_metric_in_every_table(sweep, monkeypatch):
    """Their results lack it, so it is computed from their counts; nothing else moves."""
    before = read_all(sweep.root).results
    add(monkeypatch, F7)
    write_report(sweep)
    results, cells = pd.read_csv(sweep.results), pd.read_csv(sweep.comparison)
    images = pd.read_csv(sweep.per_image)
    own = images.assign(f7=f7(*images[COUNTS].T.to_numpy())).groupby("run_id")["f7"].mean()

    assert results["test_f7"].to_numpy() == pytest.approx(own[results["run_id"]].to_numpy())
    assert list(before) == [name for name in results if name not in ("test_f7", "val_f7")]
    for part in ("test", "val"):
        *_, last, new = metrics.known_columns(part, ())
        assert new == f"{part}_f7"
        assert list(results)[list(results).index(last) + 1] == new
    assert cells["test_f7"].mean() == pytest.approx(own.mean())
    assert "test F7" in sweep.page.read_text()


def test_new_metric_is_an_option_of_the_command(sweep, segsweep, monkeypatch, tmp_path):
    """`--metric f7` compares by it; before the entry it is refused with the metrics there are."""
    code, _, refused = segsweep("report", "mine", "--metric", "f7")
    add(monkeypatch, F7)
    works, out, _ = segsweep("report", "mine", "--metric", "f7", "--out", f"{tmp_path}/look")

    assert code == 2
    assert "score" in refused
    assert works == 0
    assert "F7" in out, out
    assert list(pd.read_csv(tmp_path / "look/comparison.csv"))[5] == "test_f7"


def test_validated_metric_is_a_column_of_history(sweep, monkeypatch):
    """The loop measures it, history.csv has it before lr, and old histories stay readable."""
    from segsweep.store.records import history_columns, write_history
    from segsweep.training.loop import is_best, validation_metrics

    add(monkeypatch, F7)
    row = validation_metrics(np.array([[3, 1, 2, 10]]), "one")
    paths = read_all(sweep.root).sweep.run_folders()[0]
    write_history(paths, [{"epoch": 1, **dict.fromkeys(history_columns()[1:], 0.5), **row}])
    history = read_all(sweep.root).history

    assert row["val_f7"] == pytest.approx(15 / 24)
    assert is_best([{"val_f7": 0.1}, {"val_f7": 0.2}], "val_f7")
    assert history_columns()[-3:] == ("val_f7", "lr", "seconds")
    assert sorted(history["val_f7"].dropna()) == [pytest.approx(15 / 24)]
    assert history["val_score"].notna().all()


def test_history_is_read_by_its_own_header(sweep):
    """Other order, a column nobody knows, one metric less: each value stands under its name."""
    paths = read_all(sweep.root).sweep.run_folders()[0]
    header = ("val_iou", "epoch", "seconds", "train_loss", "mystery", "val_loss", "lr", "val_dice")
    with paths.history.open("w", newline="") as file:
        csv.writer(file).writerows([header, (0.7, 1, 2.5, 0.4, 99, 0.3, 0.01, 0.8)])
    tables = read_all(sweep.root)
    (row,) = tables.history[tables.history["run_id"] == paths.root.name[-12:]].to_dict("records")

    assert (row["epoch"], row["train_loss"], row["val_loss"]) == (1, 0.4, 0.3)
    assert (row["val_iou"], row["val_dice"], row["lr"], row["seconds"]) == (0.7, 0.8, 0.01, 2.5)
    assert np.isnan(row["val_score"])
    assert "mystery" not in row


def test_lower_is_better_decides_as_its_mirror_does(sweep, monkeypatch):
    """1 - IoU, lower is better, ranks, tests and advises exactly as IoU does."""
    add(monkeypatch, DISTANCE)
    tables = read_all(sweep.root)
    up, down = compare(tables, Asked("iou")), compare(tables, Asked("distance"))
    same = ["model", "loss", "rank", "may_be_best", "p_as_best", "p_best", "sd_seeds", "sd_images"]
    low, high = (up.cells[name].to_numpy() for name in ("minus_best_low", "minus_best_high"))

    pd.testing.assert_frame_equal(up.cells[same], down.cells[same])
    for column, mirrored in (("test_iou", "test_distance"), ("ci_low", "ci_high")):
        assert down.cells[mirrored].to_numpy() == pytest.approx(1 - up.cells[column].to_numpy())
    assert down.pairs["difference"].to_numpy() == pytest.approx(-up.pairs["difference"].to_numpy())
    assert down.pairs["ci_low"].to_numpy() == pytest.approx(-up.pairs["ci_high"].to_numpy())
    assert (down.pairs["verdict"] == up.pairs["verdict"]).all()
    assert down.answer.best == up.answer.best
    assert down.cells["minus_best_high"].to_numpy() == pytest.approx(-low)
    assert down.cells["minus_best_low"].to_numpy() == pytest.approx(-high)
    said = [text.replace("above the best", "below the best") for text in down.answer.settled]
    assert said == list(up.answer.settled)


def test_distances_to_the_best_are_drawn(sweep, monkeypatch):
    """A row per cell as in the table; where lower is better the margin lies on the other side."""
    add(monkeypatch, DISTANCE)
    tables = read_all(sweep.root)
    up, down = (
        distances(material_of(tables, compare(tables, Asked(name)))) for name in ("iou", "distance")
    )
    compared = compare(tables, Asked("iou")).cells
    bands = [re.search(r'<rect x="([\d.]+)".*?width="([\d.]+)"', one.wide) for one in (up, down)]
    zeros = [re.search(r'x1="([\d.]+)"[^>]*class="seed"', one.wide)[1] for one in (up, down)]

    assert [row[0] for row in up.rows] == [row[0] for row in down.rows]
    assert [row[2] for row in up.rows] == compared["minus_best_low"].tolist()
    assert [row[2] for row in up.rows] == pytest.approx([-row[3] for row in down.rows])
    assert sum(row[1] > 0 for row in up.rows) == 1
    assert up.wide.count("<circle") == len(compared) == 4
    assert [float(band[2]) > 5 for band in bands] == [True, True]
    assert float(bands[0][1]) + float(bands[0][2]) == pytest.approx(float(zeros[0]), abs=0.2)
    assert float(bands[1][1]) == pytest.approx(float(zeros[1]), abs=0.2)


def test_page_of_a_metric_where_lower_is_better(sweep, monkeypatch):
    """The darkest cell, the first row and the blue outline are the lowest mean."""
    add(monkeypatch, DISTANCE)
    tables = read_all(sweep.root)
    pages = {}
    for name in ("iou", "distance"):
        material = material_of(tables, compare(tables, Asked(name)))
        pages[name] = build_page(material)
    shades = {
        name: re.findall(
            r'class="(q\d+) m"', page.split('id="figure-heatmap"')[1].split("</svg>")[0]
        )
        for name, page in pages.items()
    }
    hardest = {name: re.search(r'class="image">([^<]+)<', page)[1] for name, page in pages.items()}
    lowest = min(compare(tables, Asked("distance")).cells["test_distance"])

    assert len(shades["iou"]) == 4
    assert shades["distance"] == shades["iou"]
    assert hardest["distance"] == hardest["iou"]
    assert f"Lowest unet2/bce {lowest:.3f}, highest" in pages["distance"]


def test_two_sweeps_and_averages_where_lower_is_better(
    sweep, tmp_path, frozen, write_run, segsweep, monkeypatch
):
    """The better one is the lower one, by a positive amount."""
    add(monkeypatch, DISTANCE)
    other = Maker(tmp_path / "outputs" / "theirs", frozen, write_run, images=8, epochs=4)
    for loss in ("bce", "focal"):
        for seed in range(2):
            other.finished("unet2", loss, seed, lift=-0.3)
    tables = read_all(sweep.root), read_all(other.folder)
    sentence, frame = compare_sweeps(values_of_both(*tables, Asked("distance")), "mine", "theirs")
    _, out, _ = segsweep(
        "report", "mine", "--metric", "distance", "--by", "model", "--format", "csv"
    )
    levels = [line.split(",") for line in out.splitlines()[1:]]

    assert (frame["first"] < frame["second"]).all()
    assert (frame["difference"] < 0).all()
    assert "mine is better than theirs by 0." in sentence
    assert [row[1] for row in levels] == ["unet2", "segnet"]
    assert float(levels[0][3]) < float(levels[1][3])


def test_stored_columns_are_read_compared_and_written(sweep, segsweep, tmp_path):
    """hd95, assd and nsd stand after tn; the lowest distance is the best; the unit is said."""
    with_stored_columns(sweep)
    segsweep("report", "mine")
    look = tmp_path / "look"
    code, _, _ = segsweep("report", "mine", "--metric", "hd95", "--out", str(look))
    cells, images = pd.read_csv(look / "comparison.csv"), pd.read_csv(sweep.per_image)
    native = images[images["at"] == "native"]
    own = native.groupby("run_id")[list(FURTHER)].mean()
    results, page = pd.read_csv(sweep.results), (look / "report.html").read_text()

    assert code == 0
    assert list(images)[-4:] == ["tn", "hd95", "assd", "nsd"]
    assert images.loc[images["at"] == "train", "hd95"].isna().all()
    assert native["hd95"].to_numpy() == pytest.approx(native["fn"].to_numpy() / 40)
    for name in FURTHER:
        found = results[f"test_{name}"].to_numpy()
        assert found == pytest.approx(own.loc[results["run_id"], name].to_numpy())
    assert cells["test_hd95"].is_monotonic_increasing
    assert cells["rank"].tolist() == [1, 2, 3, 4]
    assert cells["test_hd95"].mean() == pytest.approx(native["hd95"].mean())
    assert "HD95 (px)" in page
    assert "±1 px" in page


def test_sentences_say_the_unit_and_the_lower_mean_is_better(tmp_path, frozen, write_run, segsweep):
    """Where one cell is clearly closer: in the answer, and in the paragraph on two cells."""
    maker = Maker(tmp_path / "outputs" / "mine", frozen, write_run, images=8, epochs=4)
    for seed in range(3):
        maker.finished("unet2", "bce", seed)
        maker.finished("segnet", "bce", seed, lift=-0.3)
    with_stored_columns(SweepPaths(maker.folder))
    compared = compare(read_all(maker.folder), Asked("hd95"))
    code, out, _ = segsweep("compare", "segnet/bce", "unet2/bce", "--metric", "hd95")
    better = r"unet2/bce is better than segnet/bce by [0-9.]+ px \([0-9.]+ to [0-9.]+\)"

    assert code == 0
    assert compared.answer.best == ("unet2/bce",)
    assert re.search(better, " ".join(compared.answer.settled)), compared.answer
    assert re.search(better, " ".join(out.split())), out
    assert "better by more than 1 px" in " ".join(out.split())


def test_default_report_has_the_stored_metrics_beside_iou(sweep):
    """Means over the same seeds and images, each at its own size; IoU stays the headline."""
    with_stored_columns(sweep)
    write_report(sweep)
    cells, images = pd.read_csv(sweep.comparison), pd.read_csv(sweep.per_image)
    page = sweep.page.read_text()

    assert next(name for name in cells if name.startswith("test_")) == "test_iou"
    assert cells["test_hd95"].mean() == pytest.approx(images["hd95"].mean())
    assert cells["test_assd"].mean() == pytest.approx(images["assd"].mean())
    assert "test ASSD (px)" in page


@pytest.mark.parametrize("words", [[], ["--by", "model"], ["--baseline", "unet2/bce"]])
def test_runs_without_the_metric_are_told_how_to_get_it(sweep, segsweep, words):
    """One line and exit code 2; nothing about it in tables that did not ask."""
    code, out, refused = segsweep("report", "mine", "--metric", "hd95", *words)
    write_report(sweep)
    found = [pd.read_csv(path) for path in (sweep.results, sweep.per_image, sweep.comparison)]

    assert (code, out) == (2, "")
    assert refused == (
        "hd95: no finished run of mine has it; train with evaluate.boundary=true "
        "(these are other runs than those without it)\n"
    ), refused
    assert not [name for frame in found for name in frame if "hd95" in name or "nsd" in name]


def test_two_cells_without_the_metric(sweep, segsweep):
    """`segsweep compare` says the same."""
    code, _, refused = segsweep("compare", "unet2/bce", "segnet/bce", "--metric", "nsd")

    assert code == 2
    assert "nsd: no finished run of mine has it; train with evaluate.boundary=true" in refused


def test_only_some_runs_have_the_metric(sweep):
    """The others are left out and counted; in the sweep's table their cells are empty."""
    with_stored_columns(sweep, "unet2-*")
    write_report(sweep)
    tables, images = read_all(sweep.root), pd.read_csv(sweep.per_image, dtype={"run_id": str})
    compared = compare(tables, Asked("hd95"))
    ids = {path.root.name[-12:] for path in sweep.run_folders() if "unet2" in path.root.name}

    assert set(images.loc[images["hd95"].notna(), "run_id"]) == ids
    assert set(compared.cells.loc[compared.cells["test_hd95"].notna(), "model"]) == {"unet2"}
    assert "4 finished runs without HD95 left out" in " ".join(compared.answer.notes)
    pd.testing.assert_frame_equal(images, tables.per_image, check_dtype=False)


def test_stored_column_that_the_table_does_not_know_is_left_out(sweep):
    """per_image.csv of another version: its counts are read, its further column is not."""
    for path in sweep.root.glob("runs/*/per_image.csv"):
        rows = pd.read_csv(path, dtype={"run_id": str})
        rows.assign(later=1.5).to_csv(path, index=False, lineterminator="\n")

    assert list(read_all(sweep.root).per_image)[-1] == "tn"


def test_a_later_stored_metric_is_empty_for_runs_before_it(sweep, monkeypatch):
    """Runs with hd95 from before the metric keep what they have."""
    with_stored_columns(sweep)
    add(monkeypatch, LATER)
    tables = read_all(sweep.root)

    assert tables.per_image["later"].isna().all()
    assert tables.per_image["hd95"].notna().sum() == 8 * 8
    assert not compare(tables, Asked("later")).claims


DAMAGES = {
    "hd95=-2.0 in row 10": ("hd95", -2),
    "hd95=inf in row 10": ("hd95", "inf"),
    "assd=far in row 10": ("assd", "far"),
    "nsd=1.5 in row 10": ("nsd", 1.5),
    "assd is empty in row 10": ("assd", ""),
}


@pytest.mark.parametrize(("reason", "change"), DAMAGES.items())
def test_impossible_values_are_a_damage(sweep, reason, change):
    """The file is named, with the row of a spreadsheet, and left out."""
    with_stored_columns(sweep)
    path = next(sweep.root.glob("runs/unet2-bce-s0-*/per_image.csv"))
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    column, value = change
    rows.loc[8, column] = str(float(value)) if isinstance(value, int) else str(value)
    rows.to_csv(path, index=False, lineterminator="\n")
    with pytest.warns(UserWarning, match=f"damaged, {re.escape(reason)}"):
        tables = read_all(sweep.root)
        images = tables.per_image

    assert images["run_id"].nunique() == 7
    assert any(reason in line for line in tables.damages)


def test_missing_columns_of_a_run_that_measured_them(tmp_path, frozen, write_run):
    """Its config says evaluate.boundary=true: the file was changed."""
    maker = Maker(tmp_path / "outputs" / "mine", frozen, write_run, images=8, epochs=4)
    maker.finished("unet2", "bce", 0, **{"evaluate.boundary": True})
    with pytest.warns(UserWarning, match="damaged, columns missing: hd95, assd, nsd"):
        images = read_all(maker.folder).per_image

    assert images.empty


def test_tolerances_are_not_mixed(tmp_path, frozen, write_run, segsweep):
    """Nsd at 2 and at 4 pixels is not one metric; hd95 does not depend on it."""
    maker = Maker(tmp_path / "outputs" / "mine", frozen, write_run, images=8, epochs=4)
    for tolerance in (2.0, 4.0):
        for seed in range(2):
            changed = {"evaluate.boundary": True, "evaluate.tolerance": tolerance}
            maker.finished("unet2", "bce", seed, **changed)
    with_stored_columns(SweepPaths(maker.folder))
    code, _, refused = segsweep("report", "mine", "--metric", "nsd")
    works, _, _ = segsweep("report", "mine", "--metric", "hd95")

    assert code == 2
    assert "nsd: runs were measured with different tolerances (evaluate.tolerance=2, 4)" in refused
    assert works == 0


def test_runs_that_count_are_worked_out_once_per_report(sweep):
    """Whatever needs them: values, groups, empty masks, means beside the headline, the page."""
    code, calls = stats_runs.counted_runs.__code__, []

    def note(frame, event, argument):
        if event == "call" and frame.f_code is code:
            calls.append(frame.f_back.f_code.co_name)

    sys.setprofile(note)
    try:
        write_report(sweep)
    finally:
        sys.setprofile(None)

    assert calls == ["comparable"]


def test_docs_list_every_metric():
    """docs/tables.md holds exactly these lines, README.md these names."""
    text = (PROJECT / "docs" / "tables.md").read_text()
    section = text.partition("\n## Metrics\n")[2].partition("\n## ")[0]
    found = [line for line in section.splitlines() if line.startswith("| `")]
    lines = [line_of(metric) for metric in METRICS.values()]
    names = ", ".join(METRICS)

    choice = f"| `--metric dice` | {names} |"
    in_tables, in_readme = found == lines, choice in (PROJECT / "README.md").read_text()

    assert in_tables and in_readme, "\n".join(
        ["docs/tables.md, Metrics: its rows must be", *lines, "README.md: its row must be", choice]
    )


def line_of(metric):
    """Return the row of docs/tables.md that describes *metric*."""
    low, high = metric.limits
    better = "higher" if metric.higher_is_better else "lower"
    unit = f" {metric.unit}" if metric.unit else ""
    columns = [
        *(["results.csv, comparison.csv"] if metric.column else []),
        *(["history.csv"] if metric.validated else []),
        *([f"per_image.csv ({metric.stored})"] if metric.stored else []),
    ]
    return (
        f"| `{metric.name}` | {metric.description} | {low:g} to {high:g}{unit} | {better} "
        f"| {metric.both_empty:g} | {', '.join(columns)} |"
    )
