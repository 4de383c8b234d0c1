"""`import segsweep` as a notebook uses it: light, whole on any sweep, shown without harm."""

import base64
import csv
import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import pandas as pd
import pytest

import segsweep
from sample_sweeps import (
    EVIL,
    LOSSES,
    MODELS,
    Maker,
    all_failed_sweep,
    finished_sweep,
    half_finished_sweep,
    one_cell_sweep,
)
from segsweep.errors import ConfigError, RunNotFoundError, StoreError, SweepNotFoundError
from segsweep.report.export import csv_of
from segsweep.report.write import write_report
from segsweep.store.paths import SweepPaths
from segsweep.sweep.lock import SweepLock
from segsweep.system.files import claimed

PH2 = Path(__file__).resolve().parents[1] / "docs" / "results" / "ph2"
HEAVY = ("torch", "pandas", "numpy", "hydra", "omegaconf", "yaml", "rich", "typer", "segsweep.api")
STATES = {
    "half": half_finished_sweep,
    "one seed": lambda maker: finished_sweep(maker, 1, MODELS[:2], LOSSES[:2]),
    "one cell": one_cell_sweep,
    "all failed": all_failed_sweep,
    "empty": lambda maker: None,
}


@pytest.fixture
def maker(tmp_path, frozen, write_run):
    """Return what writes the sweep outputs/mine."""
    return Maker(tmp_path / "outputs" / "mine", frozen, write_run, images=8, epochs=4)


@pytest.fixture
def sweep(maker):
    """Return a finished sweep of two by two cells with two seeds."""
    finished_sweep(maker, 2, MODELS[:2], LOSSES[:2])
    return segsweep.open(maker.folder)


def python(*words: str, folder: Path) -> str:
    """Run Python in a process of its own; return what it prints."""
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(code: str, folder: Path, *names: str) -> list[str]:
    """Return which of *names* are imported after *code* in a fresh interpreter."""
    said = f"import sys; print(*[name for name in {names} if name in sys.modules])"
    return python("-c", f"{code}\n{said}", folder=folder).split("\n")[-2].split()


def test_import_is_light(tmp_path):
    """Nothing is loaded that is not used; what the API offers can still be seen."""
    assert loaded("import segsweep", tmp_path, *HEAVY) == []
    assert loaded("import segsweep\nsegsweep.open", tmp_path, "torch", "pandas", "hydra") == []
    assert {"open", "Run", "Sweep", "__version__"} <= {*dir(segsweep)}
    with pytest.raises(AttributeError, match="module 'segsweep' has no attribute 'close'"):
        segsweep.close  # noqa: B018


def test_no_torch_even_after_everything(sweep):
    """Frames, status, comparison and all that a notebook shows need no torch and no Hydra."""
    code = f"""
import segsweep
sweep = segsweep.open({str(sweep.folder)!r})
found = [sweep, sweep.runs[0], sweep.status(), sweep.compare(), sweep.compare(by="loss")]
[(repr(one), one._repr_html_()) for one in found]
sweep.results, sweep.trials, sweep.per_image, sweep.history
"""
    assert loaded(code, sweep.folder, "torch", "hydra", "matplotlib", "pandas") == ["pandas"]


def test_open_by_path_and_by_name(sweep, tmp_path, monkeypatch):
    """A name is looked for in outputs/, or in another folder that is given."""
    monkeypatch.chdir(tmp_path)
    found = [segsweep.open("outputs/mine"), segsweep.open("mine"), segsweep.open(sweep.folder)]
    monkeypatch.chdir(tmp_path.parent)
    found.append(segsweep.open("mine", outputs=tmp_path / "outputs"))

    assert {one.folder.name for one in found} == {one.name for one in found} == {"mine"}


def test_sweep_that_is_not_there(sweep, tmp_path, monkeypatch):
    """One line: what there is, what to do, the nearest name."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SweepNotFoundError) as raised:
        segsweep.open("mien")

    assert isinstance(raised.value, StoreError)
    assert str(raised.value) == (
        "mien: no sweep at that path, nor with that name in outputs; sweeps there: mine; "
        "set another folder with outputs=; "
        "did you mean 'mine'?"
    )


def test_frames_are_the_tables(sweep):
    """What stands in results.csv, per_image.csv, comparison.csv and pairs.csv."""
    written = write_report(SweepPaths(sweep.folder))
    compared = sweep.compare()
    frames = {
        "results": sweep.results,
        "per_image": sweep.per_image,
        "comparison": compared.cells,
        "pairs": compared.pairs,
    }

    for name, frame in frames.items():
        assert csv_of(frame) == (sweep.folder / f"{name}.csv").read_text(), name
    assert compared.answer.headline == written.answer["headline"]
    assert len(sweep.history) == 2 * 2 * 2 * 4
    assert [*sweep.history.columns[:7]] == [
        *("run_id", "kind", "cell", "model", "loss", "seed", "epoch"),
    ]
    assert sweep.trials.empty


def test_ph2_answers_as_the_stored_report(tmp_path, frozen, write_run):
    """The sweep on PH2, made of its tables again: cells and claims are those of its report."""
    with (PH2 / "per_image.csv").open(newline="") as file:
        counts: dict[str, list[list[str]]] = {}
        for run_id, *row in list(csv.reader(file))[1:]:
            counts.setdefault(run_id, []).append(row)
    for result in pd.read_csv(PH2 / "results.csv").to_dict("records"):
        names = f"model={result['model']}", f"loss={result['loss']}"
        facts = {key: result[key] for key in ("run_id", "data_fingerprint")}
        config = {**frozen(*names, seed=result["seed"]), **facts}
        kept = {key: value for key, value in result.items() if not pd.isna(value)}
        write_run(tmp_path / "ph2", config, result=kept, counts=counts[result["run_id"]])
    compared = segsweep.open(tmp_path / "ph2").compare()
    stored = pd.read_csv(PH2 / "comparison.csv")
    said = json.loads((PH2 / "answer.json").read_text())

    assert compared.answer.headline == said["headline"]
    assert [*compared.cells["model"]] == [*stored["model"]]
    assert (compared.cells["test_iou"] - stored["test_iou"]).abs().max() < 1e-9
    assert "unet2 is better than segnet by 0.0254" in str(compared.answer)
    assert "unet2  bce_ss .8640" in repr(compared)
    assert "and 0 more" not in compared._repr_html_()


def test_tables_are_kept_until_refresh(sweep, maker):
    """Cells of a notebook agree with each other while the sweep runs; status is read each time."""
    before = len(sweep.results)
    maker.finished("unet2", "bce", 0)
    kept, now, fresh = len(sweep.results), len(sweep.status().runs), len(sweep.refresh().results)

    assert (before, kept, now, fresh) == (8, 8, 9, 9)
    assert len(sweep.runs) == 9


def test_frames_can_be_changed_without_harm(sweep):
    """What a notebook does to a frame changes no later answer."""
    before = sweep.compare().cells
    for frame, column in ((sweep.results, "model"), (sweep.history, "cell")):
        frame[column] = "mine"
        frame.loc[len(frame)] = frame.loc[0]
    counts = sweep.per_image
    counts["tp"] = 0

    pd.testing.assert_frame_equal(sweep.compare().cells, before)
    assert len(sweep.results) == 8
    assert sweep.per_image["tp"].sum() > 0


def test_sweep_without_runs(tmp_path):
    """A plan alone is a sweep whose status can be shown; its tables say what is missing."""
    (tmp_path / "plan.csv").write_text("run_id,folder\n")
    sweep = segsweep.open(tmp_path)

    assert repr(sweep).startswith(f"Sweep {tmp_path.name}: 0 of 0 runs finished")
    assert sweep._repr_html_()
    assert sweep.runs == []
    with pytest.raises(
        StoreError, match=r"it has no folder runs/; give the folder of a sweep that has started$"
    ):
        sweep.results  # noqa: B018


def test_run_by_id_start_name_and_path(sweep):
    """All of them lead to the same run; its frames are its part of the sweep's."""
    run = sweep.runs[3]
    words = (run.id, run.name, str(run.folder), run.folder, Path(os.path.relpath(run.folder)))
    found = [sweep.run(word) for word in words]

    assert {one.name for one in found} == {run.name}
    assert run.status == "finished"
    assert run.config["choices"]["model"] == run.name.split("-")[0]
    assert run.result["n_test"] == 8
    assert [*run.history["epoch"]] == [1, 2, 3, 4]
    assert len(run.per_image) == 8
    assert {*run.per_image["run_id"]} == {run.id}
    assert repr(run) == f"Run {run.name}: finished"


def test_run_that_is_not_there(sweep):
    """No such run; several whose id starts so."""
    with pytest.raises(RunNotFoundError, match=r"^zzz: no run of that id or name in .*/mine; "):
        sweep.run("zzz")
    with pytest.raises(RunNotFoundError, match=r"^0000: matches .* and 5 more; give more of the"):
        sweep.run("0000")
    with pytest.raises(RunNotFoundError):
        sweep.run("")


def test_compare_with_a_baseline_and_by_a_factor(sweep):
    """The table that is asked for, with its sentences above it."""
    cells, baseline = sweep.compare("dice"), sweep.compare(baseline="unet/bce")
    losses = sweep.compare(by="loss")

    assert cells.metric == "dice"
    assert "test_dice" in cells.table
    assert cells.table is cells.cells
    assert {"difference", "p_adjusted", "verdict"} <= {*baseline.table.columns}
    assert "unet/bce" in " ".join(baseline.sentences)
    assert sorted(losses.table["loss"]) == ["bce", "dice"]
    assert "losses" in " ".join(losses.sentences)
    assert losses.pairs["family"].isin(["cells", "architectures", "losses", "interaction"]).all()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"metric": "iuo"}, "metric"),
        ({"baseline": "unet/bec"}, "unet/bec: no such cell; cells are "),
        ({"by": "seed"}, "by"),
        ({"by": "loss", "baseline": "unet/bce"}, "by and baseline: give only one of them"),
    ],
)
def test_comparison_that_cannot_be_made(sweep, asked, message):
    """One line, an error of segsweep's own."""
    with pytest.raises(ConfigError, match=f"^{message}") as raised:
        sweep.compare(**asked)

    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("state", STATES)
def test_any_state_can_be_looked_at(state, maker):
    """Half finished, failed, a single cell, nothing yet: frames, sentences and HTML, no error."""
    STATES[state](maker)
    sweep = segsweep.open(maker.folder)
    compared, status = sweep.compare(), sweep.status()
    texts = [repr(one) for one in (sweep, compared, status, *sweep.runs)]
    pages = [one._repr_html_() for one in (sweep, compared, status, *sweep.runs)]

    assert len(status.runs) == len(sweep.results) == sum(status.counts.values())
    assert len(status.failed) == status.counts["failed"]
    assert isinstance(compared.answer.headline, str)
    assert all(texts)
    assert "\n" not in texts[0]
    assert all(page.startswith('<div class="segsweep">') for page in pages)
    assert all(page.isascii() for page in pages)


def test_sweep_at_work(maker):
    """What runs now, who works on it, how long it will take; no warning of a folder being made."""
    half_finished_sweep(maker)
    sweep = segsweep.open(maker.folder)
    (run,) = [one for one in sweep.runs if one.name.startswith("segnet-ss-s0")]
    (maker.folder / "runs" / "new").mkdir()
    with (
        SweepLock(maker.folder / "lock"),
        claimed(run.folder / ".claim"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        status, results = sweep.status(), sweep.results
        page = status._repr_html_()

    assert [*status.running["run"]] == [run.name]
    assert status.running["epoch"][0] == 8
    assert status.seconds_left > 0
    assert "in use by pid" in repr(status)
    assert (results["status"] == "running").sum() == 1
    assert "running" in page
    assert "failed" in page


def test_damage_is_a_warning(sweep):
    """Each damaged file costs a warning that names it; the other runs are there."""
    broken, cut = sweep.runs[0], sweep.runs[1]
    (broken.folder / "config.yaml").write_text("{")
    (cut.folder / "history.csv").write_bytes(b"\xff\xfe")
    with pytest.warns(UserWarning, match=f"^{broken.name} ignored: "):
        results = sweep.results
    with pytest.warns(UserWarning, match=re.escape(str(cut.folder / "history.csv"))):
        history = sweep.history

    assert len(results) == 7
    assert cut.history.empty
    assert len(history) == 6 * 4
    with pytest.raises(StoreError, match=r"config.yaml: "):
        broken.config  # noqa: B018
    assert broken._repr_html_()


def test_html_is_harmless(maker):
    """Names from data, config and errors are text; there is no script, style or outside address."""
    evil = '"><script>alert(1)</script>'
    for seed in range(2):
        maker.finished("unet", "bce", seed)
        maker.finished("unet", "dice", seed, data__split__file=evil)
    maker.failed("unet2", "bce", 0)
    sweep = segsweep.open(maker.folder)
    shown = [sweep, sweep.status(), *sweep.runs, sweep.compare(), sweep.compare(by="loss")]
    baseline = next(cell for cell in sweep.history["cell"] if "<script>" in cell)
    shown.append(sweep.compare(baseline=baseline))
    pages = [one._repr_html_() for one in shown]
    inside = [svg for page in pages for svg in pictures(page)]

    assert EVIL in sweep.status().failed["error"][0]
    assert sum("&lt;script&gt;" in page for page in pages) >= 5
    assert sum("&lt;script&gt;" in svg for svg in inside) >= 1
    for text in (*pages, *inside):
        assert not re.search(r"<(script|iframe|link)|\son\w+=|javascript:|url\(", text)
    for page in pages:
        assert "<style" not in page
        assert "http" not in page


def pictures(page: str) -> list[str]:
    """Return the pictures of a page as SVG."""
    found = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', page)
    return [base64.b64decode(data).decode() for data in found]


def test_html_suits_light_and_dark(sweep):
    """Text has the notebook's own colours; pictures bring a background for either."""
    from xml.etree import ElementTree

    page = sweep.compare()._repr_html_()
    (svg,) = pictures(page)

    assert not re.search(r"colou?r|background", page)
    assert "prefers-color-scheme: dark" in svg
    assert 'style="fill:var(--paper)"' in svg
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert len(page) < 20_000


def test_long_tables_are_cut(maker):
    """A notebook shows twenty rows and says where all are."""
    for loss in range(23):
        maker.finished("unet", "bce", 0, choices__loss=f"loss{loss}")
    sweep = segsweep.open(maker.folder)

    assert sweep._repr_html_().count("<tr") == 1 + 20
    assert "and 3 more: .results" in sweep._repr_html_()
    assert "and 3 more: .cells" in sweep.compare()._repr_html_()


def test_module_is_the_command(sweep, tmp_path):
    """`python -m segsweep` does what `segsweep` does, and names itself in its help."""
    version = python("-m", "segsweep", "--version", folder=tmp_path)
    status = python("-m", "segsweep", "status", "mine", folder=tmp_path)
    usage = python("-m", "segsweep", "--help", folder=tmp_path)
    refused = subprocess.run(
        [sys.executable, "-m", "segsweep", "status", "mien"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert version == f"{segsweep.__version__}\n"
    assert status.startswith("mine: 8 of 8 runs finished\n")
    assert "Usage: python -m segsweep [OPTIONS] COMMAND [ARGS]" in usage
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1


def test_answer_that_two_places_would_give_is_said_once(maker):
    """Where what a loss brings depends on the network, `by` says so in one sentence."""
    for model, loss, lift in (("unet", "bce", 0.1), ("unet", "dice", -0.1)):
        for seed in range(3):
            maker.finished(model, loss, seed, lift)
            maker.finished("segnet", loss, seed, -lift)
    compared = segsweep.open(maker.folder).compare(by="loss")

    assert "depends on the architecture" in compared.sentences[0]
    assert len(compared.sentences) == 1


def test_text_stays_text_in_a_notebook(sweep, monkeypatch, capsys):
    """Inside Jupyter rich would print into the page while the text is asked for."""
    import rich.console

    outside = repr(sweep.compare())
    monkeypatch.setattr(rich.console, "_is_jupyter", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    inside = repr(sweep.compare())

    assert inside == outside
    assert capsys.readouterr().out == ""
    assert "\x1b" not in inside
