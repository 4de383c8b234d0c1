"""Networks on another data set: counted as predictions are, without what they were trained on."""

import csv
import shutil

import numpy as np
import pytest
from PIL import Image

import segsweep as package
from command import rows_of
from fake_data import blob
from segsweep.report.comparisons import compare_all
from segsweep.report.elsewhere import on_other_data, tables_on
from segsweep.store.evaluations import evaluations_of
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import read_split
from segsweep.store.tables import read_all
from segsweep.training import dataset
from trained_sweeps import trained

SIZES = ((45, 60), (32, 50))


def write_other(folder, copies=(), count=8, first=100):
    """Write other images with their masks, and *copies* of images of the sweep."""
    for kind in ("images", "masks"):
        (folder / "other" / kind).mkdir(parents=True)
    for number in range(first, first + count):
        image, mask = blob(number, *SIZES[number % 2])
        for kind, values in (("images", image), ("masks", mask.astype(np.uint8) * 255)):
            Image.fromarray(values).save(folder / f"other/{kind}/new{number}.png")
    for name in copies:
        for kind in ("images", "masks"):
            copy = folder / f"other/{kind}/copy-{name}.png"
            shutil.copy(folder / f"photos/{kind}/{name}.png", copy)


@pytest.fixture
def mine(resized, tmp_path, monkeypatch):
    """Return the folder of a copy of the sweep, which is also the working folder."""
    shutil.copytree(resized.folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def evaluate(mine, segsweep):
    """Return a function that evaluates the sweep on `other`: (exit code, stdout, stderr)."""
    return lambda *words: segsweep("evaluate", "main", "--data", "other", "--device", "cpu", *words)


def parts_of(folder):
    """Return image -> part, the same in all runs."""
    run = next((folder / "outputs/main/runs").iterdir())
    return {row["id"]: row["split"] for row in read_split(run / "split.csv")}


def counts_in(path, at="native"):
    """Return image -> the counts in a per_image.csv."""
    with path.open() as file:
        rows = [row for row in csv.DictReader(file) if row["at"] == at]
    return {row["image"]: [int(row[key]) for key in ("tp", "fp", "fn", "tn")] for row in rows}


def test_counts_are_those_of_predicted_masks(evaluate, mine):
    """At each image's own size, for every run; images of training and validation are left out."""
    parts = parts_of(mine)
    first = {part: name for name, part in reversed(parts.items())}
    write_other(mine, first.values())
    code, _, error = evaluate("--threads", "1")

    assert code == 0, error
    assert "2 images left out of 4 runs: trained or chosen on them" in error
    scored = {f"new{number}" for number in range(100, 108)} | {f"copy-{first['test']}"}
    folders = sorted((mine / "outputs/main/evaluations/other/runs").iterdir())
    assert len(folders) == 4
    sweep = package.open(mine / "outputs/main")
    for folder in folders:
        found = counts_in(folder / "per_image.csv")
        assert {*found} == scored
        names = sorted(found)
        images = [mine / f"other/images/{name}.png" for name in names]
        predicted = sweep.run(folder.name).predictor().predict(images, device="cpu", threads=1)
        for name, one in zip(names, predicted, strict=True):
            truth = np.asarray(Image.open(mine / f"other/masks/{name}.png")) > 127
            pairs = ((one.mask, truth), (one.mask, ~truth), (~one.mask, truth), (~one.mask, ~truth))
            by_hand = [int((a & b).sum()) for a, b in pairs]
            assert np.abs(np.subtract(found[name], by_hand)).max() <= 1  # batches round differently


def test_ranking_on_the_other_data(evaluate, mine):
    """Means by hand from the counts; whether the ranking carries over; a table in the report."""
    write_other(mine)
    code, out, _ = evaluate()
    tables = read_all(mine / "outputs/main")
    (found,) = on_other_data(tables, compare_all(tables, advise=False))

    assert code == 0
    assert found.stale == 0
    for cell in ("unet2/bce", "segnet/bce"):
        means = []
        runs = mine / "outputs/main/evaluations/other/runs"
        for folder in runs.glob(f"{cell.replace('/', '-')}-*"):
            counts = counts_in(folder / "per_image.csv", "train").values()
            means.append(np.mean([tp / (tp + fp + fn) for tp, fp, fn, _ in counts]))
        at = found.compared.analysis.values.cells.index(cell)
        assert found.compared.analysis.mean(at)[0] == pytest.approx(np.mean(means))
    assert "other: folder (other/images)" in out
    page = (mine / "outputs/main/report.html").read_text()
    assert "<h2>Other data</h2>" in page
    assert "folder (other/images)" in page
    assert (mine / "outputs/main/evaluations/other/comparison.csv").exists()


def test_own_results_stay_as_they_were(evaluate, mine):
    """No file of the sweep but its page and answer changes."""
    write_other(mine)
    sweep = mine / "outputs/main"
    written = ("report.html", "answer.json", "lock")
    files = [path for path in sweep.rglob("*") if path.is_file()]
    kept = [path for path in files if path.name not in written]
    before = {path: path.read_bytes() for path in kept}
    assert evaluate()[0] == 0

    assert {path: path.read_bytes() for path in kept} == before


def test_copies_without_loss_are_left_out(evaluate, mine):
    """In another format; a copy with other pixels is another image."""
    first = {part: name for name, part in reversed(parts_of(mine).items())}
    write_other(mine)
    masks = mine / "other/masks"
    pixels = np.asarray(Image.open(mine / f"photos/images/{first['train']}.png"))
    Image.fromarray(pixels).save(mine / "other/images/same.bmp")
    Image.fromarray(np.minimum(pixels, 254) + 1).save(mine / "other/images/lighter.png")
    for name in ("same", "lighter"):
        shutil.copy(mine / f"photos/masks/{first['train']}.png", masks / f"{name}.png")
    code, _, error = evaluate("--cell", "unet2/bce")

    assert code == 0, error
    assert "1 image left out of 2 runs" in error
    run = next((mine / "outputs/main/evaluations/other/runs").iterdir())
    scored = {*counts_in(run / "per_image.csv")}
    assert "lighter" in scored
    assert "same" not in scored


def test_another_target_is_said(evaluate, mine):
    """On the terminal and on the page; two evaluations of one folder can be told apart."""
    write_other(mine)
    words = "data=folder data.images=other/images data.masks=other/masks"
    assert evaluate("--cell", "unet2/bce", "--data", words, "--name", "plain")[0] == 0
    turned = ("--data", f"{words} data.invert=true", "--name", "turned")
    code, out, error = evaluate("--cell", "unet2/bce", *turned)
    page = (mine / "outputs/main/report.html").read_text()
    said = "turned: another target: masks count there as foreground=half, inverted, the networks"

    assert code == 0, error
    assert said in " ".join(out.split())
    assert said in page
    assert "turned: folder (other/images), foreground=half, inverted" in page
    assert "plain: folder (other/images)" in page
    assert "plain: another target" not in page


def test_same_command_evaluates_only_what_is_new(evaluate, mine):
    """What was damaged or trained again is evaluated again."""
    write_other(mine)
    assert evaluate()[0] == 0
    folder = mine / "outputs/main/evaluations/other/runs"
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("per_image.csv")}
    assert evaluate()[0] == 0
    assert {path: path.stat().st_mtime_ns for path in files} == files
    first, second, *_ = sorted(files)
    first.unlink()
    result = RunPaths(mine / "outputs/main/runs" / second.parent.name).result
    result.write_text(result.read_text() + " ")
    sweep = SweepPaths(mine / "outputs/main")
    tables, lacking = tables_on(read_all(sweep.root), evaluations_of(sweep, pytest.fail)[0])
    assert (len(tables.runs), lacking) == (2, 2)
    assert evaluate()[0] == 0
    changed = [path for path in files if path.stat().st_mtime_ns != files[path]]
    assert sorted(changed) == [first, second]


def test_run_without_its_weights_costs_a_line(evaluate, mine):
    """The others are scored; exit code 1. Without any, nothing is, and the code is 2."""
    write_other(mine)
    first, *others = sorted(mine.glob("outputs/main/runs/*/checkpoints/best-*.pt"))
    first.write_bytes(b"random" * 99)
    code, out, error = evaluate()
    run = first.parents[1].name
    lost = [line for line in error.splitlines() if line.startswith("left out: ")]

    assert code == 1
    assert "rank" in out or "IoU" in out
    assert len(lost) == 1
    assert f"{first.name}: cannot be read" in lost[0]
    assert f"`segsweep show {first.parents[1].relative_to(mine)}`" in lost[0]
    scored = {
        path.parent.name for path in mine.glob("outputs/main/evaluations/other/*/*/per_image.csv")
    }
    assert scored == {path.parents[1].name for path in others} != {run}
    for path in others:
        path.unlink()
    shutil.rmtree(mine / "outputs/main/evaluations")
    assert evaluate()[0] == 2


def test_files_without_a_partner_are_said(evaluate, mine):
    """As `segsweep data` says them."""
    write_other(mine)
    (mine / "other/masks/new101.png").unlink()
    code, out, error = evaluate("--cell", "unet2/bce")

    assert code == 0, error
    assert "left over: 1 image file in no pair: images/new101.png" in out


def test_one_cell_and_another_name(evaluate, mine):
    """Only its runs; the report says how many are not evaluated."""
    write_other(mine)
    code, out, _ = evaluate("--cell", "unet2/bce", "--name", "clinic-2")

    assert code == 0
    assert "2 finished runs of the sweep are not evaluated." in out
    assert len(list((mine / "outputs/main/evaluations/clinic-2/runs").iterdir())) == 2


REFUSED = {
    "own data": (("--data", "photos"), "was trained and tested on"),
    "no folder": (("--data", "nowhere"), "nowhere: no such folder"),
    "no cell": (("--cell", "unet2/bc"), "no such cell; did you mean 'unet2/bce'?"),
    "name": (("--name", "../x"), "--name ../x: a folder name of letters"),
    "a model": (("--data", "model=unet"), "--data: model=unet: not about the data; allowed are"),
    "a rate": (("--data", "data=synthetic optimizer.lr=1"), "optimizer.lr=1: not about the data"),
    "a size": (("--data", "data=synthetic data.size=64"), "data.size=64: has no effect here, the"),
    "a part": (("--data", "data=ph2 data.split.test=1"), "has no effect here, every image is"),
    "no data": (("--data", ""), "--data: no data named; give a folder, or data=..."),
    "allow alone": (("--data", "allow=[os]"), "--data: no data named"),
    "a quote": (("--data", "data='x"), "--data data='x: No closing quotation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(evaluate, mine, name):
    """Nothing is stored."""
    write_other(mine)
    words, said = REFUSED[name]
    code, _, error = evaluate(*words)

    assert code == 2
    assert said in error.splitlines()[-1]
    assert not (mine / "outputs/main/evaluations").exists()


def test_own_package_is_allowed_by_the_flag(evaluate, mine):
    """The advice is the word that this command takes."""
    write_other(mine)
    for path in (mine / "outputs/main/runs").glob("*/config.yaml"):
        text = path.read_text().replace("segsweep.losses.", "ridge_nets.")
        path.write_text(text.replace("  loss: bce\n", "  loss: mine\n"))
    code, _, error = evaluate()

    assert code == 2
    assert "; if it is yours, add --allow ridge_nets to the command line (from Python: allow=" in (
        " ".join(error.split())
    )


def test_name_of_other_data_is_not_taken(evaluate, mine):
    """The same folder name for other images: another name is asked for."""
    write_other(mine)
    assert evaluate()[0] == 0
    shutil.rmtree(mine / "other")
    write_other(mine, first=300)
    dataset._prepared.cache_clear()  # as in another process
    code, _, error = evaluate()

    assert code == 2
    assert "--name other: is already the name of other data" in error.splitlines()[-1]


def test_training_images_that_are_elsewhere_are_said(evaluate, mine):
    """A sweep that was copied here without its images."""
    write_other(mine)
    (mine / "photos").rename(mine / "elsewhere")
    shutil.rmtree(mine / "outputs/.cache", ignore_errors=True)
    code, _, error = evaluate()

    assert code == 0, error
    assert "are not here, so nobody checked" in " ".join(error.split())


def test_damaged_evaluation_is_left_out_of_the_report(evaluate, mine):
    """With its file named; the report is written."""
    write_other(mine)
    assert evaluate()[0] == 0
    (mine / "outputs/main/evaluations/other/data.json").write_text("{")
    tables = read_all(mine / "outputs/main")
    with pytest.warns(UserWarning, match=r"data\.json: ignored"):
        assert on_other_data(tables, compare_all(tables, advise=False)) == []


def test_removing_the_sweep_removes_them(evaluate, mine, segsweep):
    """With all that segsweep wrote."""
    write_other(mine)
    assert evaluate()[0] == 0
    assert segsweep("rm", "main", "--yes")[0] == 0
    assert not (mine / "outputs/main").exists()


@pytest.mark.slow
def test_sweep_that_has_no_test_part(tmp_path, monkeypatch, segsweep):
    """Trained on all images of one's own: the other data are its test images."""
    sweep = trained(tmp_path, "seed=0,1", "model=unet2", "data.split.test=0").sweep
    write_other(tmp_path)
    monkeypatch.chdir(tmp_path)
    code, out, error = segsweep("evaluate", "main", "--data", "other", "--device", "cpu")

    assert code == 0, error
    assert "Nothing to compare" not in out
    runs = sorted((sweep / "evaluations/other/runs").iterdir())
    counts = [count for run in runs for count in counts_in(run / "per_image.csv", "train").values()]
    mean = np.mean([tp / (tp + fp + fn) if tp + fp + fn else 1 for tp, fp, fn, _ in counts])
    (row,) = rows_of(sweep / "evaluations/other/comparison.csv")
    assert len(runs) == 2
    assert float(row["test_iou"]) == pytest.approx(mean, abs=1e-4)
