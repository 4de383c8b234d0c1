"""`segsweep report` and `segsweep compare`: what they print, write and refuse."""

import csv
import io
import json
import os
import re
import subprocess
import sys

import pandas as pd
import pytest

from command import ROOT, refusal
from sample_sweeps import LOSSES, MODELS, Maker, finished_sweep
from segsweep.metrics import METRICS
from segsweep.store.paths import SweepPaths


@pytest.fixture
def make(tmp_path, frozen, write_run):
    """Return a function: name -> what writes the sweep outputs/<name>."""
    return lambda name, **how: Maker(tmp_path / "outputs" / name, frozen, write_run, **how)


@pytest.fixture
def sweep(make):
    """Write outputs/main: two networks by two losses, three seeds, unet far ahead."""
    maker = make("main", images=12, epochs=3)
    for model, lift in (("unet", 0.1), ("segnet", -0.1)):
        for loss in ("bce", "dice"):
            for seed in range(3):
                maker.finished(model, loss, seed, lift)
    maker.plan()
    return SweepPaths(maker.folder)


def test_report_writes_all_files_and_says_the_answer(segsweep, sweep):
    """By the sweep's name; the headline is above a table of 80 columns."""
    code, out, error = segsweep("report", "main")
    said = json.loads(sweep.answer.read_text())
    names = ("results", "per_image", "comparison", "pairs", "page", "answer")

    assert (code, error) == (0, "")
    assert all(getattr(sweep, name).stat().st_size > 100 for name in names)
    assert set(said["best"]) <= {"unet/bce", "unet/dice"}
    assert " ".join(out.split()).find(said["headline"]) >= 0
    assert max(map(len, out.splitlines())) <= 80
    assert str(sweep.page.relative_to(sweep.root.parents[1])) in out


@pytest.mark.parametrize(
    "metric", [name for name, metric in METRICS.items() if metric.function is not None]
)
def test_any_metric(segsweep, sweep, metric):
    """Its mean over images and seeds, from the counts, by pandas alone."""
    code, _, _ = segsweep("report", "main", "--metric", metric, "--out", "look")
    sweep = SweepPaths(sweep.root.parents[1] / "look")
    cells = pd.read_csv(sweep.comparison).set_index(["model", "loss"])[f"test_{metric}"]
    rows = pd.read_csv(sweep.per_image)
    rows = rows[(rows["split"] == "test") & (rows["at"] == "train")]
    rows["value"] = METRICS[metric].function(
        *(rows[name].to_numpy() for name in ("tp", "fp", "fn", "tn"))
    )
    runs = pd.read_csv(sweep.results)[["run_id", "model", "loss"]]
    expected = rows.merge(runs, on="run_id").groupby(["model", "loss"])["value"].mean()

    assert code == 0
    assert (cells - expected).abs().max() < 1e-9
    assert cells.is_monotonic_decreasing


def test_tables_ready_to_paste(segsweep, sweep):
    """Only the table on standard output; the best mean is bold."""
    segsweep("report", "main")
    texts = {form: segsweep("report", "main", "--format", form)[1] for form in FORMS}
    rows = list(csv.DictReader(io.StringIO(texts["csv"])))
    best = f"{float(rows[0]['test_iou']):.4f}"

    assert [row["loss"] for row in rows] == pd.read_csv(sweep.comparison)["loss"].tolist()
    assert f"**{best}**" in texts["md"]
    assert f"\\textbf{{{best}}}" in texts["latex"]
    assert f"<strong>{best}</strong>" in texts["html"]
    assert [text.lstrip()[:5] for text in texts.values()] == ["data,", "| mod", "% nee", "<tabl"]


FORMS = ("csv", "md", "latex", "html")


def test_caption_and_label_name_what_is_shown(segsweep, sweep):
    """LaTeX comes as a table environment: sweep, metric, seeds, test images; or what was given."""
    own = segsweep("report", "main", "--format", "latex", "--metric", "dice")[1]
    given = segsweep(
        *("report", "main", "--by", "model", "--format", "latex"),
        *("--caption", "50 % of it", "--label", "tab:x"),
    )[1]

    assert "\\caption{Sweep main: mean test Dice of each cell, 3 seeds, 12 test images.}" in own
    assert "\\label{tab:main-dice}" in own
    assert "\\caption{50 \\% of it}" in given
    assert "\\label{tab:x}" in given
    assert own.count("\\begin{") == own.count("\\end{") == 2
    assert own.splitlines()[-1] == "\\end{table}"


def test_chosen_columns_in_the_order_given(segsweep, sweep):
    """By their names in the CSV; rounded as on the page except in the CSV, which is data."""
    words = ("report", "main", "--columns", "loss,test_dice,ci_high", "--format")
    rows = list(csv.DictReader(io.StringIO(segsweep(*words, "csv")[1])))
    table = segsweep(*words, "md")[1].splitlines()
    first = [text.strip() for text in table[2].strip("|").split("|")]

    assert [*rows[0]] == ["loss", "test_dice", "ci_high"]
    assert [text.strip() for text in table[0].strip("|").split("|")] == [
        *("loss", "Dice", "95 % interval")
    ]
    assert first[:2] == [rows[0]["loss"], f"{float(rows[0]['test_dice']):.4f}"]
    assert first[2].endswith(f" to {float(rows[0]['ci_high']):.4f}")


LOOKS = (
    ["--metric", "dice"],
    ["--by", "loss"],
    ["--baseline", "unet/bce"],
    ["--metric", "mcc", "--format", "md"],
    ["--groups", "patients.csv"],
    ["--metric", "dice", "--out", "look"],
    ["--against", "main2", "--out", "look", "--format", "latex"],
)


def test_second_look_leaves_the_sweeps_files_alone(segsweep, sweep, make, tmp_path):
    """Another question is printed, or written where it is told; every byte of the sweep stays."""
    make("main2", images=12, epochs=3).finished("unet", "bce", 0)
    images = pd.read_csv(next(sweep.runs.glob("*/per_image.csv")))["image"].unique()
    rows = [f'"{name}",p{k // 4}' for k, name in enumerate(images)]
    (tmp_path / "patients.csv").write_text("\n".join(["id,group", *rows]) + "\n")
    segsweep("report", "main")
    before = {path: path.read_bytes() for path in sweep.root.rglob("*") if path.is_file()}
    for options in LOOKS:
        code, out, _ = segsweep("report", "main", *options)
        after = {path: path.read_bytes() for path in sweep.root.rglob("*") if path.is_file()}

        assert code == 0, options
        assert out.strip()
        assert after == before, options
        assert (tmp_path / "look").exists() == ("--out" in options)
    assert "\\caption{" in (tmp_path / "look" / "table.tex").read_text()


def test_report_written_elsewhere_is_whole(segsweep, sweep, tmp_path):
    """Tables, answer and page of the other question; the sweep itself gets no file."""
    code, out, _ = segsweep("report", "main", "--metric", "dice", "--out", "look")
    names = {path.name for path in (tmp_path / "look").iterdir()}
    cells = pd.read_csv(tmp_path / "look" / "comparison.csv")

    assert code == 0
    assert names >= {"results.csv", "comparison.csv", "pairs.csv", "answer.json", "report.html"}
    assert cells.columns[5] == "test_dice"
    assert "look/report.html" in out
    assert not sweep.page.exists()


@pytest.mark.parametrize(("by", "best"), [("model", "unet"), ("loss", None)])
def test_averages_over_the_other_factor(segsweep, sweep, by, best):
    """The better network is first, with its mean; losses do not differ."""
    segsweep("report", "main")
    code, text, _ = segsweep("report", "main", "--by", by, "--format", "csv")
    table = pd.read_csv(io.StringIO(text))
    runs = pd.read_csv(sweep.results)

    assert code == 0
    assert best in (None, table[by][0])
    for name, mean in zip(table[by], table["test_iou"], strict=True):
        assert mean == pytest.approx(runs[runs[by] == name]["test_iou"].mean(), abs=1e-9)


def test_baseline_is_compared_with_all_others(segsweep, sweep):
    """A difference for each other cell; the two networks differ."""
    base = ("report", "main", "--baseline", "segnet/bce")
    code, text, _ = segsweep(*base, "--format", "csv")
    segsweep(*base, "--out", "look")
    pairs = pd.read_csv(sweep.root.parents[1] / "look" / "pairs.csv")
    table = pd.read_csv(io.StringIO(text)).set_index(["model", "loss"])
    means = table["test_iou"]

    assert code == 0
    assert table["difference"].isna().sum() == 1
    assert (table["difference"] - (means - means["segnet", "bce"])).dropna().abs().max() < 1e-9
    assert (table.loc["unet", "verdict"] == "a better").all()
    assert {"baseline"} <= set(pairs["family"])


def test_patients_widen_the_interval(segsweep, sweep, tmp_path):
    """Images of one patient that go up and down together are not independent."""
    images = sorted(set(pd.read_csv(next(sweep.runs.glob("*/per_image.csv")))["image"]))
    table = pd.DataFrame({"id": images, "group": [f"p{k // 4}" for k in range(len(images))]})
    table.to_csv(tmp_path / "patients.csv", index=False)
    segsweep("report", "main")
    alone = json.loads(sweep.answer.read_text())
    segsweep("report", "main", "--groups", "patients.csv", "--out", "look")
    together = json.loads((tmp_path / "look" / "answer.json").read_text())

    assert not any("groups" in note for note in alone["notes"])
    assert any("12 test images in 3 groups" in note for note in together["notes"])
    assert alone["asked"] != together["asked"]


def test_groups_of_the_data_count_by_themselves(segsweep, sweep):
    """Groups stored in the runs' split.csv are used by default."""
    for folder in sweep.runs.iterdir():
        images = pd.read_csv(folder / "per_image.csv")["image"]
        rows = [f"{name},{'pair' if k < 2 else ''},test" for k, name in enumerate(images)]
        (folder / "split.csv").write_text("\n".join(["id,group,split", *rows]) + "\n")
    segsweep("report", "main")

    notes = json.loads(sweep.answer.read_text())["notes"]
    assert any("12 test images in 11 groups" in note for note in notes)


def test_two_sweeps_cell_by_cell(segsweep, sweep, make):
    """A second sweep on the same images, longer and better: shared cells are compared."""
    other = make("longer", images=12, epochs=3)
    for loss in ("bce", "dice", "ss"):
        for seed in range(3):
            other.finished("segnet", loss, seed, 0.1, trainer__epochs=80)
    code, text, error = segsweep("report", "main", "--against", "longer", "--format", "csv")
    table = pd.read_csv(io.StringIO(text)).set_index("cell")

    assert code == 0
    assert {"segnet/bce", "segnet/dice"} < set(table.index)
    assert (table["difference"] < -0.1).all()
    assert (table["verdict"] == "second better").all()
    assert "trainer.epochs (40, 80)" in " ".join(error.split())


def test_two_cells_in_a_paragraph(segsweep, sweep):
    """Who is better, by how much; the sweep is found by its cells."""
    code, out, _ = segsweep("compare", "segnet/bce", "unet/bce")
    _, same, _ = segsweep("compare", "unet/bce", "unet/dice", "--sweep", "main")
    _, turned, _ = segsweep("compare", "unet/dice", "unet/bce", "--sweep", "main")
    size, back = (re.search(r"is (-?\d\.\d+) \(", text)[1] for text in (same, turned))

    assert code == 0
    assert out.startswith("main, IoU: unet/bce is better than segnet/bce by 0.")
    assert "p < 0.001" in out or "p = 0.0" in out
    assert "unet/bce minus unet/dice" in same
    assert "unet/dice minus unet/bce" in turned
    assert float(size) == -float(back) != 0
    assert len(out.strip().splitlines()) == 1


OWN = """
from segsweep.metrics import Metric, ratio

def f2(tp, fp, fn, tn):
    return ratio(5 * tp, 5 * tp + 4 * fn + fp, 1.0)

F2 = Metric("f2", "F2", "a missed pixel counts as four", f2)
IOU = Metric("iou", "IoU", "taken", lambda tp, fp, fn, tn: tp)
"""


@pytest.fixture
def own(monkeypatch, tmp_path):
    """Write a module with metrics of one's own into the working folder."""
    (tmp_path / "own_metrics.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield ("--allow", "own_metrics")
    METRICS.pop("f2", None)
    sys.modules.pop("own_metrics", None)


def test_a_metric_of_ones_own(segsweep, sweep, own):
    """Of a sweep that has ended: the table, the page, the pair; the sweep's files stay."""
    words = ("--metric", "own_metrics.F2", *own)
    code, out, _ = segsweep("report", "main", *words, "--format", "csv")
    table = pd.read_csv(io.StringIO(out)).set_index(["model", "loss"])
    assert segsweep("report", "main", *words, "--out", "look")[0] == code == 0
    look = SweepPaths(sweep.root.parents[1] / "look")
    rows = pd.read_csv(look.per_image).merge(pd.read_csv(look.results), on="run_id")
    f2 = 5 * rows["tp"] / (5 * rows["tp"] + 4 * rows["fn"] + rows["fp"])
    expected = f2.groupby([rows["model"], rows["loss"]]).mean()

    assert table["test_f2"].to_dict() == pytest.approx(expected.to_dict(), abs=1e-6)
    assert "F2" in look.page.read_text()
    assert not sweep.page.exists()
    code, out, _ = segsweep("compare", "unet/bce", "segnet/bce", *words)
    assert code == 0
    assert out.startswith("main, F2: unet/bce is better than segnet/bce by 0.")


WRONG_OWN = {
    "not allowed": (
        ("own_metrics.F2",),
        "'own_metrics' is not trusted; if it is yours, add --allow",
    ),
    "python's": (("os.path", "--allow", "os"), "allow=[os]: part of Python itself"),
    "absent": (("own_metrics.F3", "--allow", "own_metrics"), "own_metrics.F3: cannot be imported"),
    "function": (
        ("own_metrics.ratio", "--allow", "own_metrics"),
        "is not a segsweep.metrics.Metric",
    ),
    "taken": (("own_metrics.IOU", "--allow", "own_metrics"), "segsweep has a metric of this name"),
}


@pytest.mark.parametrize("name", WRONG_OWN)
def test_a_wrong_metric_of_ones_own_is_one_line(segsweep, sweep, own, name):
    """Exit code 2; nothing is written."""
    words, expected = WRONG_OWN[name]

    assert expected in refusal(segsweep("report", "main", "--metric", *words))
    assert not sweep.page.exists()


WRONG = {
    "metric": (("report", "main", "--metric", "dcie"), "metric dcie: allowed are iou, dice"),
    "by": (("report", "main", "--by", "modle"), "--by modle: allowed are model, loss"),
    "format": (("report", "main", "--format", "tex"), "--format tex: allowed are csv, md"),
    "baseline": (("report", "main", "--baseline", "unet/bec"), "did you mean 'unet/bce'?"),
    "upper case": (("report", "main", "--metric", "IoU"), "did you mean 'iou'?"),
    "sweep": (("report", "mian"), "sweeps there: main"),
    "two at once": (("report", "main", "--by", "loss", "--baseline", "unet/bce"), "one of them"),
    "against": (("report", "main", "--against", "mine"), "mine: no sweep at that path"),
    "against itself": (("report", "main", "--against", "main"), "with itself"),
    "columns": (
        ("report", "main", "--columns", "loss,test_dcie", "--format", "md"),
        "--columns test_dcie: allowed are data, model, loss",
    ),
    "columns alone": (("report", "main", "--columns", "loss"), "give --format as well"),
    "caption alone": (("report", "main", "--caption", "x"), "belong to --format latex"),
    "label": (
        ("report", "main", "--metric", "dice", "--format", "latex", "--label", "a}b"),
        "--label a}b: a label may have letters",
    ),
    **{
        f"out in {place}": (("report", "main", "--out", place), said)
        for place, said in {
            "outputs/main": "in the folder of the sweep main",
            "outputs/main/runs": "in the folder of the sweep main",
            "outputs/main/runs/new": "in the folder of the sweep main",
            "outputs": "in a folder of sweeps",
            "outputs/.cache": "in a folder of sweeps",
            "outputs/.cache/new": "in a folder of sweeps",
        }.items()
    },
    "groups": (("report", "main", "--groups", "no.csv"), "no.csv: cannot be read"),
    "cell": (("compare", "unet/bce", "unet/ss", "--sweep", "main"), "unet/ss: no such cell"),
    "cells": (("compare", "unet/bce", "unet/ss"), "unet/ss: no such cell"),
    "same cell": (("compare", "unet/bce", "unet/bce"), "with itself"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_words_are_one_line(segsweep, sweep, name):
    """What, where, what is allowed; exit code 2; nothing is written."""
    words, expected = WRONG[name]

    assert expected in refusal(segsweep(*words))
    assert not sweep.page.exists()


def test_options_with_other_arguments_are_said(segsweep, sweep, make):
    """The same name for another network: the arguments that differ stand beside the table."""
    other = make("wider", images=12, epochs=3)
    for seed in range(3):
        other.finished("unet", "bce", seed, model__channels=[8, 8])
    _, _, error = segsweep("report", "main", "--against", "wider", "--format", "md")

    assert "model=unet: channels" in error
    assert "[8, 8]" in error


def test_sweeps_that_share_some_data_are_compared_on_those(segsweep, sweep, make):
    """Runs on data that only one sweep has are left out, whichever are more."""
    other = make("mixed", images=12, epochs=3)
    for seed in range(3):
        other.finished("unet", "bce", seed, -0.2)
    for seed in range(5):
        other.finished("unet", "dice", seed, data_fingerprint="feedfeedfeedfeed")
    code, text, _ = segsweep("report", "main", "--against", "mixed", "--format", "csv")
    table = pd.read_csv(io.StringIO(text))

    assert code == 0
    assert table["cell"].tolist() == ["unet/bce"]
    assert table["difference"][0] > 0.2


NOTED = (["--format", "md"], ["--by", "loss"], ["--baseline", "unet/bce"])


@pytest.mark.parametrize("options", NOTED, ids=" ".join)
def test_what_was_left_out_is_said_with_every_table(segsweep, sweep, make, options):
    """Failed runs are counted, whatever is printed."""
    maker = Maker(sweep.root, make("x").frozen, make("y").write_run, images=12, epochs=3)
    maker.failed("unet", "dice", 7)
    _, out, error = segsweep("report", "main", *options)

    assert "1 run failed" in " ".join((out + error).split())


def test_baseline_and_averages_answer_their_own_question(segsweep, sweep):
    """The line above the table says what it shows."""
    _, models, _ = segsweep("report", "main", "--by", "model")
    _, losses, _ = segsweep("report", "main", "--by", "loss")
    _, base, _ = segsweep("report", "main", "--baseline", "segnet/bce")

    assert "unet is better than segnet" in " ".join(models.split())
    assert "othing is settled" in " ".join(losses.split())
    assert "unet/bce" in base.split("test")[0]


@pytest.mark.slow
def test_report_needs_no_torch(sweep, tmp_path):
    """A report needs neither torch nor Hydra nor skimage: here they cannot be imported."""
    for name in ("torch", "torchvision", "hydra", "skimage"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('not on this laptop')\n")
    for words in (["report", str(sweep.root)], ["compare", "unet/bce", "segnet/bce"]):
        command = [sys.executable, "-m", "segsweep.cli.main", *words]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert (done.returncode, done.stderr) == (0, ""), words
    assert "unet/bce is better than segnet/bce" in done.stdout


@pytest.mark.filterwarnings("default:.*cannot be written to")
def test_folder_that_cannot_be_written_to(segsweep, frozen, write_run, small_disk):
    """One warning, then the answer: reading is enough."""
    folder = small_disk / "sweep"
    finished_sweep(Maker(folder, frozen, write_run, images=6, epochs=2), 2, MODELS[:2], LOSSES[:1])
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    code, out, error = segsweep("report", str(folder))

    assert code == 0
    assert error.splitlines() == [
        f"warning: {folder}: cannot be written to; its files stay as they are"
    ]
    assert "unet" in out


def test_different_data_are_never_compared(segsweep, sweep, make):
    """Two sweeps on other images: refused, with both fingerprints."""
    other = make("other", images=12, epochs=3)
    other.finished("unet", "bce", 0, data_fingerprint="feedfeedfeedfeed")
    line = refusal(segsweep("report", "main", "--against", "other"))

    assert "0123456789abcdef" in line
    assert "feedfeedfeedfeed" in line


def test_one_seed_claims_nothing(segsweep, make):
    """Stated at the top in every format; no cell is marked as the best."""
    finished_sweep(make("main", images=8, epochs=3), 1, MODELS[:2], LOSSES[:2])
    _, out, _ = segsweep("report", "main")
    _, text, _ = segsweep("report", "main", "--format", "md")
    _, pair, _ = segsweep("compare", "unet/bce", "segnet/bce")

    assert "No claim about methods: one seed per cell" in " ".join(out.split())
    assert "**" not in text
    assert "trained networks only" in pair
    code, out, _ = segsweep("report", "main", "--by", "model")
    assert code == 0
    assert " ".join(out.split()).count("No claim about methods") == 1
