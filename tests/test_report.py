"""The files of a sweep and the table in the terminal, from run folders made up here."""

import math
import os
import re

import pandas as pd
import pytest

from segsweep.report.figures import curves, draw_curves
from segsweep.report.tables import comparison, print_comparison, write_tables
from segsweep.store import SweepPaths, read_all

TABLES = ("results.csv", "per_image.csv", "comparison.csv")
# tp, fp, fn of three test images per cell; the IoU of each stands beside it
BY_HAND = {
    "bce": [(10, 5, 5), (0, 0, 0), (30, 10, 0)],  # 1/2, both masks empty: 1, 3/4
    "dice": [(90, 10, 0), (1, 1, 1), (0, 7, 0)],  # 9/10, 1/3, 0
    "ss": [(5, 0, 0), (9, 1, 0), (8, 1, 1)],  # 1, 9/10, 8/10
}
IOU = {"bce": (0.5 + 1 + 0.75) / 3, "dice": (0.9 + 1 / 3) / 3, "ss": 2.7 / 3}


def counts(loss):
    """Return the rows of a run's per_image.csv: validation and native size are there too."""
    rows = [("test", "train", f"i{i}", *c, 100 - sum(c)) for i, c in enumerate(BY_HAND[loss])]
    return [("val", "train", "v0", 1, 1, 1, 97), *rows, ("test", "native", "i0", 1, 9, 9, 381)]


@pytest.fixture
def sweep(tmp_path, frozen, write_run):
    """Write a finished run of each loss, a second seed, and one that failed."""
    folder = tmp_path / "mine"
    rest = {"val_iou": 0.5, "val_dice": 0.6, "val_score": 0.1, "test_dice": 0.7, "test_score": 0.2}
    cost = {"parameters": 1234567, "seconds": 65.4}
    for loss, iou in IOU.items():
        result = {"test_iou": iou, **rest, **cost}
        write_run(folder, frozen(f"loss={loss}"), result=result, epochs=3, counts=counts(loss))
    again = frozen("loss=ss", seed=1)
    write_run(folder, again, result={"test_iou": 0.7, **rest, **cost}, epochs=2)
    write_run(folder, frozen("loss=focal"), failure={"error": "ValueError: no"}, epochs=1)
    return SweepPaths(folder)


def times(sweep):
    """Return path -> time of every file of a sweep, set long ago so that a touch shows."""
    files = [path for path in sweep.root.rglob("*") if path.is_file()]
    for path in files:
        os.utime(path, ns=(10**18, 10**18))
    return {path: path.stat().st_mtime_ns for path in files}


def test_tables_of_a_sweep(sweep):
    """A row per run, per image, per cell; no trials, so no file of them."""
    write_tables(sweep)
    results, images, cells = (pd.read_csv(sweep.root / name) for name in TABLES)

    assert len(results) == 5
    assert len(images) == 3 * 5
    assert [*cells["loss"]] == ["ss", "bce", "dice", "focal"]
    assert [*cells["seeds"]] == [2, 1, 1, 0]
    assert [*cells["failed"]] == [0, 0, 0, 1]
    assert cells["test_iou"][0] == pytest.approx((0.9 + 0.7) / 2)
    assert not sweep.trials.exists()


def test_second_call_touches_no_file(sweep):
    """Rerunning a finished sweep changes nothing on the disk."""
    draw_curves(write_tables(sweep))
    before = times(sweep)
    draw_curves(write_tables(sweep))
    after = {path: path.stat().st_mtime_ns for path in sweep.root.rglob("*") if path.is_file()}

    assert len(before) > 15
    assert after == before


def test_only_what_changed_is_written(sweep, frozen, write_run):
    """Another planned run is a row of the results, not of the images."""
    write_tables(sweep)
    times(sweep)
    write_run(sweep.root, frozen("loss=dice", seed=5))
    write_tables(sweep)
    touched = {name for name in TABLES if (sweep.root / name).stat().st_mtime_ns != 10**18}

    assert "results.csv" in touched
    assert "per_image.csv" not in touched


def test_headline_follows_from_the_counts(sweep):
    """Five lines of pandas on per_image.csv give the IoU of results.csv."""
    write_tables(sweep)
    images = pd.read_csv(sweep.per_image)
    test = images[(images["split"] == "test") & (images["at"] == "train")]
    union = test["tp"] + test["fp"] + test["fn"]
    iou = (test["tp"] / union).fillna(1.0).groupby(test["run_id"]).mean()
    results = pd.read_csv(sweep.results).set_index("run_id")["test_iou"]

    assert len(iou) == 3
    assert (iou - results[iou.index]).abs().max() < 1e-9


def test_trials_have_a_table_of_their_own(sweep, frozen, write_run, capsys):
    """The best by validation IoU are named first in the terminal."""
    for lr, iou in ((0.1, 0.4), (0.2, 0.6), (0.3, None)):
        config = frozen(kind="trial", optimizer__lr=lr, seed=0)
        write_run(sweep.root, config, result={"val_iou": iou})
    tables = write_tables(sweep)
    print_comparison(tables)
    lines = [line for line in capsys.readouterr().out.splitlines() if "lr" in line]

    assert len(pd.read_csv(sweep.trials)) == 3
    assert len(pd.read_csv(sweep.results)) == 5
    assert [line.split()[-1] for line in lines] == ["0.6000", "0.4000"]


def test_comparison_is_printed_best_first(sweep, monkeypatch, capsys):
    """A line per cell: its name, then mean, spread, seeds; then where the files are."""
    monkeypatch.setenv("COLUMNS", "100")
    print_comparison(write_tables(sweep))
    text = capsys.readouterr().out
    lines = [line.split() for line in text.splitlines() if "unet2" in line]

    assert [line[:3] for line in lines] == [
        ["unet2", "ss", "0.8000"],
        ["unet2", "bce", "0.7500"],
        ["unet2", "dice", "0.4111"],
        ["unet2", "focal", "-"],
    ]
    assert lines[0][3:5] == ["0.1414", "2"]  # 0.9 and 0.7: 0.1 times the root of 2
    assert "1,234,567" in lines[1]
    assert "1" in lines[3]  # failed
    assert str(sweep.results) in text
    assert str(sweep.comparison) in text


def test_comparison_fits_a_terminal_of_80_columns(sweep, monkeypatch, capsys):
    """Nothing is cut off."""
    monkeypatch.setenv("COLUMNS", "80")
    print_comparison(write_tables(sweep))
    text = capsys.readouterr().out

    assert "…" not in text
    assert max(len(line) for line in text.splitlines() if "/" not in line) <= 80


def test_list_that_was_swept_divides_cells(sweep, frozen, write_run, monkeypatch, capsys):
    """`model.channels=[4,8],[8,16]` is a sweep like any other."""
    monkeypatch.setenv("COLUMNS", "120")
    write_run(sweep.root, frozen("loss=ss", model__channels=[4, 8]), result={"test_iou": 0.99})
    tables = write_tables(sweep)
    print_comparison(tables)
    cells = comparison(tables)

    assert tables.swept == ["model.channels"]
    assert len(cells) == 5
    assert cells["model.channels"][0] == "[4, 8]"
    assert "[4, 8]" in capsys.readouterr().out


def test_names_with_brackets_are_printed_as_they_are(tmp_path, frozen, write_run, capsys):
    """A sweep or an option cannot colour the terminal."""
    folder = tmp_path / "[red]mine"
    config = frozen()
    config["choices"]["loss"] = "[bold]x"
    write_run(folder, config, result={"test_iou": 0.5})
    print_comparison(write_tables(SweepPaths(folder)))
    text = capsys.readouterr().out

    assert "[bold]x" in text
    assert "[red]mine" in text


def test_empty_sweep_prints_no_table(tmp_path, capsys):
    """Nothing is finished, nothing is planned; the files say so with their headers."""
    (tmp_path / "runs").mkdir()
    tables = write_tables(SweepPaths(tmp_path))
    draw_curves(tables)
    print_comparison(tables)

    assert capsys.readouterr().out.split("\n")[0].endswith("results.csv")
    assert (tmp_path / "results.csv").read_text().startswith("run_id,model,loss,")
    assert (tmp_path / "per_image.csv").read_text() == "run_id,split,at,image,tp,fp,fn,tn\n"
    assert not (tmp_path / "curves.png").exists()


def test_curves_are_drawn_once_and_again_after_an_epoch(sweep):
    """A PNG, left alone while no history is newer."""
    tables = write_tables(sweep)
    draw_curves(tables)
    header = sweep.curves.read_bytes()[:8]
    times(sweep)
    draw_curves(tables)
    untouched = sweep.curves.stat().st_mtime_ns
    history = next(sweep.runs.glob("*/history.csv"))
    os.utime(history, ns=(2 * 10**18, 2 * 10**18))
    draw_curves(tables)

    assert header == b"\x89PNG\r\n\x1a\n"
    assert untouched == 10**18
    assert sweep.curves.stat().st_mtime_ns > 10**18
    assert not [path for path in sweep.root.iterdir() if re.search("tmp", path.name)]


def test_curves_survive_losses_that_are_no_numbers(sweep):
    """An epoch without a value, a negative loss, one of huge size."""
    for path, text in zip(
        sweep.runs.glob("*/history.csv"), ("nan", "-1.0", "inf", "1e30", ""), strict=True
    ):
        lines = path.read_text().splitlines()
        cells = lines[1].split(",")
        path.write_text("\n".join([lines[0], ",".join([*cells[:2], text, *cells[3:]])]) + "\n")
    draw_curves(write_tables(sweep))

    assert sweep.curves.stat().st_size > 1000
    assert math.isfinite(sweep.curves.stat().st_mtime)


def test_curves_have_a_line_per_loss_and_a_column_per_network(tmp_path, frozen, write_run):
    """Two networks by two losses: two columns, two lines in each, named by their losses."""
    for model in ("unet", "unet2"):
        for loss in ("bce", "dice"):
            write_run(tmp_path, frozen(f"model={model}", f"loss={loss}"), epochs=3)
    figure = curves(read_all(tmp_path).history)
    top = figure.axes[:2]

    assert [axis.get_title() for axis in top] == ["unet", "unet2"]
    assert [[line.get_label() for line in axis.lines] for axis in top] == [["bce", "dice"]] * 2
