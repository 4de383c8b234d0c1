"""The files of a report and what is printed, from run folders written by hand."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from contextlib import nullcontext
from xml.etree import ElementTree

import pandas as pd
import pytest

from segsweep.errors import ConfigError
from segsweep.report.closing import print_report
from segsweep.report.figures.curves import curves_svg
from segsweep.report.question import Asked
from segsweep.report.write import second_look, write_look, write_report
from segsweep.store.paths import SweepPaths
from segsweep.store.tables import read_all
from segsweep.system.files import locked

SVG = "{http://www.w3.org/2000/svg}"
TABLES = ("results.csv", "per_image.csv", "comparison.csv")
REPORT = (*TABLES, "pairs.csv", "answer.json", "report.html")
# tp, fp, fn of three test images per cell; the IoU of each stands beside it
BY_HAND = {
    "bce": [(10, 5, 5), (0, 0, 0), (30, 10, 0)],  # 1/2, both masks empty: 1, 3/4
    "dice": [(90, 10, 0), (1, 1, 1), (0, 7, 0)],  # 9/10, 1/3, 0
    "ss": [(5, 0, 0), (9, 1, 0), (8, 1, 1)],  # 1, 9/10, 8/10
    "ss again": [(7, 3, 0), (7, 0, 3), (7, 2, 1)],  # 7/10 each
}
IOU = {"bce": (0.5 + 1 + 0.75) / 3, "dice": (0.9 + 1 / 3) / 3, "ss": 2.7 / 3, "ss again": 0.7}


def counts(loss):
    """Return the rows of a run's per_image.csv: validation and native size are there too."""
    rows = [("test", "train", f"i{i}", *c, 100 - sum(c)) for i, c in enumerate(BY_HAND[loss])]
    native = [("test", "native", row[2], 1, 9, 9, 381) for row in rows]
    return [("val", "train", "v0", 1, 1, 1, 97), *rows, *native]


@pytest.fixture
def sweep(tmp_path, frozen, write_run):
    """Write a finished run of each loss, a second seed, and one that failed."""
    folder = tmp_path / "mine"
    rest = {"val_iou": 0.5, "val_dice": 0.6, "val_score": 0.1, "test_dice": 0.7, "test_score": 0.2}
    cost = {"parameters": 1234567, "seconds": 65.4}
    for name, iou in IOU.items():
        loss, _, again = name.partition(" ")
        config = frozen(f"loss={loss}", seed=1 if again else 0)
        result = {"test_iou": iou, **rest, **cost}
        write_run(folder, config, result=result, epochs=3, counts=counts(name))
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
    write_report(sweep)
    results, images, cells = (pd.read_csv(sweep.root / name) for name in TABLES)

    assert len(results) == 5
    assert len(images) == 4 * 7
    assert [*cells["loss"]] == ["ss", "bce", "dice", "focal"]
    assert [*cells["seeds"]] == [2, 1, 1, 0]
    assert [*cells["failed"]] == [0, 0, 0, 1]
    assert cells["test_iou"][0] == pytest.approx((0.9 + 0.7) / 2)
    assert not sweep.trials.exists()


def test_second_call_touches_no_file(sweep):
    """Rerunning a finished sweep changes nothing on the disk."""
    write_report(sweep)
    before = times(sweep)
    write_report(sweep)
    after = {path: path.stat().st_mtime_ns for path in sweep.root.rglob("*") if path.is_file()}

    assert {path.name for path in before} > {*REPORT}
    assert after == before


def test_only_what_changed_is_written(sweep, frozen, write_run):
    """Another planned run is a row of the results, not of the images."""
    write_report(sweep)
    times(sweep)
    write_run(sweep.root, frozen("loss=dice", seed=5))
    write_report(sweep)
    touched = {name for name in TABLES if (sweep.root / name).stat().st_mtime_ns != 10**18}

    assert "results.csv" in touched
    assert "per_image.csv" not in touched


def test_headline_follows_from_the_counts(sweep):
    """Five lines of pandas on per_image.csv give the IoU of results.csv."""
    write_report(sweep)
    images = pd.read_csv(sweep.per_image)
    test = images[(images["split"] == "test") & (images["at"] == "train")]
    union = test["tp"] + test["fp"] + test["fn"]
    iou = (test["tp"] / union).fillna(1.0).groupby(test["run_id"]).mean()
    results = pd.read_csv(sweep.results).set_index("run_id")["test_iou"]

    assert len(iou) == 4
    assert (iou - results[iou.index]).abs().max() < 1e-9


def test_trials_have_a_table_of_their_own(sweep, frozen, write_run, capsys):
    """The best by validation IoU are named first in the terminal."""
    for lr, iou in ((0.1, 0.4), (0.2, 0.6), (0.3, None)):
        config = frozen(kind="trial", optimizer__lr=lr, seed=0)
        write_run(sweep.root, config, result={"val_iou": iou})
    print_report(write_report(sweep))
    lines = [line for line in capsys.readouterr().out.splitlines() if "lr" in line]

    assert len(pd.read_csv(sweep.trials)) == 3
    assert len(pd.read_csv(sweep.results)) == 5
    assert [line.split()[-1] for line in lines] == ["0.6000", "0.4000"]


def test_answer_is_printed_above_the_cells(sweep, monkeypatch, capsys):
    """The sentence first, then a line per cell, best first; then where the files are."""
    monkeypatch.setenv("COLUMNS", "100")
    report = write_report(sweep)
    print_report(report)
    text = capsys.readouterr().out
    lines = [line.split() for line in text.splitlines() if line.startswith("unet2 ")]

    assert " ".join(text.split()).startswith(report.answer["headline"])
    assert [line[1] for line in lines] == ["ss", "bce", "dice", "focal"]
    assert [line[2] for line in lines[:3]] == [".8000", ".7500", ".4111"]
    assert "1,234,567" in " ".join(lines[1])
    assert text.index(str(sweep.page)) < text.index(str(sweep.comparison))


def test_list_that_was_swept_divides_cells(sweep, frozen, write_run, monkeypatch, capsys):
    """`model.channels=[4,8],[8,16]` is a sweep like any other, and the answer says so."""
    monkeypatch.setenv("COLUMNS", "120")
    config = frozen("loss=ss", model__channels=[4, 8])
    write_run(sweep.root, config, result={"test_iou": 0.9}, counts=counts("ss"))
    report = write_report(sweep)
    print_report(report)

    assert report.tables.swept == ["model.channels"]
    assert len(report.cells) == 5
    assert report.cells["model.channels"][0] == "[4, 8]"
    assert "[4, 8]" in capsys.readouterr().out
    assert any("model.channels" in note for note in report.answer["notes"])


def test_names_with_brackets_are_printed_as_they_are(tmp_path, frozen, write_run, capsys):
    """A sweep or an option cannot colour the terminal."""
    folder = tmp_path / "[red]mine"
    config = frozen()
    config["choices"]["loss"] = "[bold]x"
    write_run(folder, config, result={"test_iou": 0.5}, counts=counts("ss"))
    print_report(write_report(SweepPaths(folder)))
    text = capsys.readouterr().out

    assert "[bold]x" in text
    assert "[red]mine" in text


def test_empty_sweep_prints_no_table(tmp_path, capsys):
    """Nothing is finished, nothing is planned; the files say so with their headers."""
    (tmp_path / "runs").mkdir()
    report = write_report(SweepPaths(tmp_path))
    print_report(report)

    assert capsys.readouterr().out.startswith("Nothing is planned in this sweep yet.")
    assert (tmp_path / "results.csv").read_text().startswith("run_id,model,loss,")
    assert (tmp_path / "per_image.csv").read_text() == "run_id,split,at,image,tp,fp,fn,tn\n"
    assert (tmp_path / "comparison.csv").read_text().startswith("data,model,loss,seeds,")
    assert (tmp_path / "pairs.csv").read_text().startswith("data,family,a,b,difference,")
    assert "Nothing is planned" in json.loads((tmp_path / "answer.json").read_text())["headline"]
    assert not (tmp_path / "curves.svg").exists()


def test_columns_are_the_same_whatever_is_finished(sweep, frozen, write_run, tmp_path):
    """Scripts that read comparison.csv and pairs.csv work from the start of a sweep."""
    write_report(sweep)
    bare = SweepPaths(tmp_path / "bare")
    write_run(bare.root, frozen("loss=ss"))
    write_report(bare)

    for name in ("comparison", "pairs"):
        one, other = (pd.read_csv(getattr(paths, name)) for paths in (sweep, bare))
        assert [*one.columns] == [*other.columns]
    assert pd.read_csv(bare.comparison)["seeds"].tolist() == [0]


def test_metric_that_is_asked_for_stands_first(sweep, tmp_path):
    """Dice of the same counts, in the folder that was named; the sweep's own table has the IoU."""
    write_look(second_look(sweep, Asked("dice")), tmp_path / "look")
    dice = pd.read_csv(tmp_path / "look" / "comparison.csv")
    write_report(sweep, only_if_changed=True)
    iou = pd.read_csv(sweep.comparison)
    bce = dice.set_index("loss")["test_dice"]["bce"]

    assert [dice.columns[5], iou.columns[5]] == ["test_dice", "test_iou"]
    assert bce == pytest.approx((20 / 30 + 1 + 60 / 70) / 3, abs=1e-12)
    with pytest.raises(ConfigError, match=r"metric dcie: allowed are iou.*did you mean 'dice'"):
        second_look(sweep, Asked("dcie"))


def test_what_holds_is_not_reckoned_again(sweep, frozen, write_run, monkeypatch):
    """If nothing has changed, the stored files are used; any change makes a new report."""
    first = write_report(sweep)
    times(sweep)
    again = write_report(sweep, only_if_changed=True)

    assert first.compared is not None
    assert again.compared is None
    assert again.answer == json.loads(json.dumps(first.answer))
    assert again.cells.astype(str).equals(
        pd.read_csv(sweep.comparison, dtype=str).fillna("nan")
    ) or (
        again.cells["test_iou"].tolist()[:3] == pytest.approx(first.cells["test_iou"].tolist()[:3])
    )
    sweep.pairs.unlink()
    assert write_report(sweep, only_if_changed=True).compared is not None
    write_run(sweep.root, frozen("loss=dice", seed=5))
    assert write_report(sweep, only_if_changed=True).compared is not None
    assert write_report(sweep, only_if_changed=True).compared is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["comparison", "pairs", "page", "answer", "plan"])
def test_damaged_files_are_written_again(sweep, name):
    """Emptied, cut or changed by hand: the next command writes the files again."""
    sweep.plan.write_text("run_id,kind,folder,requested_at,request\n")
    write_report(sweep)
    path = getattr(sweep, name)
    before = path.read_bytes()
    path.write_bytes(before[: len(before) // 2])
    told = pytest.warns(UserWarning, match="plan.csv: ignored: damaged")
    with told if name == "plan" else nullcontext():
        again = write_report(sweep, only_if_changed=True)

    assert again.compared is not None
    assert name == "plan" or path.read_bytes() == before


@pytest.mark.slow
def test_same_runs_give_the_same_bytes(sweep):
    """The files do not depend on the order of sets in a process."""
    pages = set()
    for number in "12":
        code = "import sys; from pathlib import Path; from segsweep.store.paths import SweepPaths; "
        code += "from segsweep.report.write import second_look, write_look, write_report; "
        code += "write_report(SweepPaths(Path(sys.argv[1])))"
        environment = {**os.environ, "PYTHONHASHSEED": number}
        subprocess.run([sys.executable, "-c", code, str(sweep.root)], env=environment, check=True)
        pages.add(sweep.page.read_bytes())

    assert len(pages) == 1


def test_live_report_is_never_taken_for_the_last_one(sweep):
    """It has no advice: that is computed at the end of the command."""
    live = write_report(sweep, live=True)
    last = write_report(sweep, only_if_changed=True)

    assert live.answer["asked"]["live"] is True
    assert last.compared is not None
    assert last.answer["asked"]["live"] is False


def test_report_needs_nothing_but_what_runs_stored(sweep, tmp_path):
    """A copy without checkpoints, previews and logs gives the same files, apart from times."""
    write_report(sweep)
    copy = SweepPaths(tmp_path / "elsewhere" / sweep.root.name)
    shutil.copytree(sweep.root / "runs", copy.root / "runs")
    for folder in copy.runs.iterdir():
        for name in ("checkpoints", "preview"):
            shutil.rmtree(folder / name, ignore_errors=True)
    write_report(copy)

    for name in ("results.csv", "per_image.csv", "comparison.csv", "pairs.csv", "answer.json"):
        assert (copy.root / name).read_bytes() == (sweep.root / name).read_bytes()


DAMAGED = {
    "result cut short": ("result.json", b'{"test_iou": 0.'),
    "counts cut short": ("per_image.csv", b"run_id,split,at,image,tp,fp,fn,tn\nx,test,tr"),
    "config cut short": ("config.yaml", b"run_id: [1"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_file_costs_one_line(sweep, name, recwarn):
    """One warning that names the run; the report of all others is built."""
    file, content = DAMAGED[name]
    folder = sorted(sweep.runs.iterdir())[0]
    (folder / file).write_bytes(content)
    report = write_report(sweep)
    (warning,) = [str(warning.message) for warning in recwarn]

    assert folder.name in warning
    assert report.cells["seeds"].sum() >= 2
    assert sweep.page.stat().st_size > 10_000


def test_what_is_no_run_costs_one_line_each(sweep, recwarn):
    """A stray file changes nothing; a folder may have been a run, so the page names it."""
    write_report(sweep)
    before = {name: (sweep.root / name).read_bytes() for name in REPORT}
    (sweep.runs / ".DS_Store").write_bytes(b"\0")
    (sweep.runs / "notes.txt").write_text("mine")
    write_report(sweep)
    after = {name: (sweep.root / name).read_bytes() for name in REPORT}
    (sweep.runs / "unet-ss-s9-0123456789ab").mkdir()
    write_report(sweep)
    said = [str(warning.message).rpartition("/")[2] for warning in recwarn]

    assert after == before
    stray, folder = "notes.txt: ignored: no config", "unet-ss-s9-0123456789ab: ignored: no config"
    assert said == [f"{stray}.yaml", f"{stray}.yaml", f"{folder}.yaml"]
    assert folder in sweep.page.read_text(encoding="utf-8")


def test_curves_are_an_svg_that_changes_with_an_epoch(sweep):
    """Left alone while the histories stay; written again after one more epoch."""
    write_report(sweep)
    header = sweep.curves.read_text()[:50]
    times(sweep)
    write_report(sweep)
    untouched = sweep.curves.stat().st_mtime_ns
    history = next(sweep.runs.glob("*/history.csv"))
    lines = history.read_text().splitlines()
    _, rest = lines[-1].split(",", 1)
    history.write_text("\n".join([*lines, f"{len(lines)},{rest}"]) + "\n")
    write_report(sweep)

    assert header.startswith('<svg xmlns="http://www.w3.org/2000/svg"')
    assert untouched == 10**18
    assert sweep.curves.stat().st_mtime_ns > 10**18
    assert not [path for path in sweep.root.iterdir() if re.search("tmp", path.name)]


def test_deleted_curves_come_back(sweep):
    """They are among the files of which the answer knows the content."""
    write_report(sweep)
    sweep.curves.unlink()
    write_report(sweep, only_if_changed=True)

    assert sweep.curves.exists()


def test_curves_survive_losses_that_are_no_numbers(sweep):
    """An epoch without a value, a negative loss, one of huge size."""
    for path, text in zip(
        sweep.runs.glob("*/history.csv"), ("nan", "-1.0", "inf", "1e30", ""), strict=True
    ):
        lines = path.read_text().splitlines()
        cells = lines[1].split(",")
        path.write_text("\n".join([lines[0], ",".join([*cells[:2], text, *cells[3:]])]) + "\n")
    write_report(sweep)

    assert sweep.curves.stat().st_size > 1000
    assert math.isfinite(sweep.curves.stat().st_mtime)


def test_curves_have_a_line_per_loss_and_a_row_per_network(tmp_path, frozen, write_run):
    """Two networks by two losses: panels of the score by network, of the loss by loss function."""
    for model in ("unet", "unet2"):
        for loss in ("bce", "dice"):
            write_run(tmp_path, frozen(f"model={model}", f"loss={loss}"), epochs=3)
    text = curves_svg(read_all(tmp_path).history, "mine")
    root = ElementTree.fromstring(text)
    shapes = [node.attrib.get("class", "").split() for node in root.iter()]
    words = [node.text or node[0].tail for node in root.iter(f"{SVG}text")]

    assert sum("line" in names and "key" not in names for names in shapes) == 8
    assert [words.count(name) for name in ("unet", "unet2", "bce", "dice")] == [2, 2, 2, 2]
    assert words.count("epoch") == 4
    assert words.count("validation loss (bce)") == words.count("validation loss (dice)") == 1
    assert words.count("validation score of unet2") == 1
    assert words[0] == "mine: validation over the epochs"
    assert "--c0: #0072b2" in text
    assert not re.findall(r"<script|href|url\(|@import", text)


@pytest.fixture
def settled(monkeypatch):
    """Files count as settled at once, not after two seconds."""
    monkeypatch.setattr("segsweep.system.files._FRESH_NS", -1)


def test_unchanged_sweep_is_not_read_again(sweep, settled, capsys):
    """Once the report is written, the same is printed from its own files."""
    (sweep.root.parent / ".cache").mkdir()
    read = write_report(sweep, only_if_changed=True)
    known = write_report(sweep, only_if_changed=True)
    assert (read.tables is None, known.tables is None) == (False, True)
    print_report(read)
    before = capsys.readouterr().out
    print_report(known)

    assert capsys.readouterr().out == before
    assert "mine: " in before


def test_unchanged_report_is_printed_again(sweep, settled, capsys, monkeypatch):
    """As it was printed on such a terminal; on another, or after a change, it is made again."""
    (sweep.root.parent / ".cache").mkdir()
    printed = {}
    for width in ("80", "50", "80", "50"):
        monkeypatch.setenv("COLUMNS", width)
        for _ in range(3):
            print_report(write_report(sweep, only_if_changed=True))
            printed.setdefault(width, set()).add(capsys.readouterr().out)
    write_report(sweep, only_if_changed=True)
    monkeypatch.setattr("segsweep.report.closing.print_answer", None)  # nothing is drawn
    print_report(write_report(sweep, only_if_changed=True))

    assert {*map(len, printed.values())} == {1}
    assert printed["80"] != printed["50"] == {capsys.readouterr().out}
    (failed,) = sweep.root.glob("runs/*focal*")
    (failed / "failure.json").write_text(json.dumps({"error": "ValueError: another"}))
    with pytest.raises(TypeError):
        print_report(write_report(sweep, only_if_changed=True))


def test_nothing_is_kept_while_a_run_trains(sweep, settled):
    """It may be killed without a change of any file; then it is no longer running."""
    (sweep.root.parent / ".cache").mkdir()
    (failed,) = sweep.root.glob("runs/*focal*")
    (failed / "failure.json").unlink()
    with locked(failed / ".claim"):
        assert write_report(sweep, only_if_changed=True).kept is None
    assert "running" in sweep.results.read_text()
    assert write_report(sweep, only_if_changed=True).kept is not None

    assert "running" not in sweep.results.read_text()


def test_changed_run_is_read_again(sweep, settled):
    """Though no file of the report has changed."""
    (sweep.root.parent / ".cache").mkdir()
    write_report(sweep, only_if_changed=True)
    assert write_report(sweep, only_if_changed=True).tables is None
    (failed,) = sweep.root.glob("runs/*focal*")
    (failed / "failure.json").write_text(json.dumps({"error": "ValueError: another"}))
    again = write_report(sweep, only_if_changed=True)

    assert again.compared is not None
    assert "ValueError: another" in sweep.results.read_text()


def test_sweep_with_trials_is_always_read(sweep, frozen, write_run, settled):
    """Its searches are printed too."""
    (sweep.root.parent / ".cache").mkdir()
    write_run(sweep.root, frozen(kind="trial"), result={"val_iou": 0.5})
    for _ in range(3):
        assert write_report(sweep, only_if_changed=True).tables is not None
