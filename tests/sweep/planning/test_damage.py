"""Every stored file of a finished sweep, damaged in six ways: commands say so and repair it."""

import contextlib
import csv
import io
import json
import os
import shutil
import sys
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest

import segsweep
from command import TINY, rows_of, train_here
from damages import DAMAGES
from segsweep.sweep.planning import damage

WORDS = ("-m", *TINY, "seed=0,1", "preflight=false", "hydra/launcher=basic", "keep=both")
RUN_FILES = (
    *("config.yaml", "split.csv", "environment.json", "history.csv", "per_image.csv"),
    *("test_reads.csv", "train.log", "result.json", "failure.json", "outlines.json"),
    *("preview/best.png", "checkpoints/best-1.pt", "checkpoints/last.pt"),
)
MANY = tuple(f"seed=range(0,{len(RUN_FILES)})" if "seed=" in word else word for word in WORDS)
"""A command with a run for each of these files."""
SWEEP_FILES = (
    *("plan.csv", "results.csv", "per_image.csv", "comparison.csv", "pairs.csv", "answer.json"),
    *("report.html", "curves.svg", "lock", "trials.csv"),
)
INPUTS = ("plan.csv", "lock", "answer.json", "results.csv")
"""Files of a sweep that the command reads."""
CACHED = ("images.npy", "masks.npy", "native.bin", "index.json")
EXTRAS = {
    "outlines.json": ("empty", "half", "random"),
    "checkpoints/best-1.pt": ("empty", "half", "random", "wrong type", "huge"),
    "checkpoints/last.pt": ("empty", "half", "random", "wrong type", "huge"),
}
"""File that no table needs -> the damages of which a command tells."""
TIMES = ("seconds", "peak_memory_mb", "started", "finished")


class Repaired(NamedTuple):
    """A sweep before it was damaged, and after the same command."""

    code: int
    error: str
    before: Path
    sweep: Path
    damage: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """Make a finished sweep of two runs, once; return the folder that holds `outputs`."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        assert train_here(WORDS, patch, folder) == 0
    return folder


@pytest.fixture
def copy(finished, tmp_path, monkeypatch) -> Path:
    """Copy the finished sweep into the working folder; return its folder."""
    shutil.copytree(finished / "outputs", tmp_path / "outputs")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "outputs" / "main"


def run_of(sweep: Path, seed: int) -> Path:
    """Return the folder of the run with *seed*."""
    (found,) = (sweep / "runs").glob(f"*-s{seed}-*")
    return found


def first_run(sweep: Path) -> Path:
    """Return the folder of the run with seed 0."""
    return run_of(sweep, 0)


def row_of(sweep: Path, seed: int) -> dict[str, str]:
    """Return the row of a run in results.csv, apart from times."""
    (row,) = (row for row in rows_of(sweep / "results.csv") if row["seed"] == str(seed))
    return {key: row[key] for key in row if key not in TIMES}


def tables(sweep: Path) -> list[object]:
    """Return what the sweep's tables say, apart from times."""
    rows = rows_of(sweep / "results.csv")
    rest = [{key: row[key] for key in row if key not in TIMES} for row in rows]
    files = ("per_image.csv", "pairs.csv")
    plan = {row["run_id"] for row in rows_of(sweep / "plan.csv")}
    return [rest, plan, *((sweep / name).read_text() for name in files)]


def rerun(monkeypatch, sweep: Path) -> int:
    """Run the command that made the sweep again; return the exit code."""
    return train_here(WORDS, monkeypatch, sweep.parents[1])


def check_rerun(copy, monkeypatch, capsys, damage: str, *paths: Path) -> None:
    """Assert that the same command ends with everything finished and equal tables."""
    before = tables(copy)
    for path in paths:
        DAMAGES[damage](path)
    capsys.readouterr()
    code = rerun(monkeypatch, copy)
    error = capsys.readouterr().err

    assert code == 0, error
    assert "Traceback" not in error
    assert tables(copy) == before
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is damaged now
        assert list(segsweep.open(copy).results["status"]) == ["finished"] * 2


CORE = [
    *[("config.yaml", "half"), ("config.yaml", "wrong type"), ("per_image.csv", "half")],
    *[("environment.json", "wrong type"), ("test_reads.csv", "huge"), ("history.csv", "random")],
    *[("result.json", "wrong type"), ("split.csv", "random")],
]
EVERYDAY = ["half", "wrong type"]
RARE = [pytest.param(name, marks=pytest.mark.slow) for name in DAMAGES if name not in EVERYDAY]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "damage"), CORE)
def test_command_repairs_a_run(copy, monkeypatch, capsys, name, damage) -> None:
    """From the rest where it has the content, else the run is trained again."""
    check_rerun(copy, monkeypatch, capsys, damage, first_run(copy) / name)


def test_command_repairs_impossible_counts(copy, monkeypatch, capsys) -> None:
    """A number that is no count of pixels, in a table that has every row."""
    path, before = first_run(copy) / "per_image.csv", tables(copy)
    lines = path.read_text().splitlines()
    row = next(row for row, line in enumerate(lines) if ",test,train," in line)
    cells = lines[row].split(",")
    cells[4] = "-5"
    path.write_text("\n".join([*lines[:row], ",".join(cells), *lines[row + 1 :]]) + "\n")
    capsys.readouterr()
    code = rerun(monkeypatch, copy)

    error = " ".join(capsys.readouterr().err.split())
    assert code == 0
    assert f"damaged, tp=-5 in row {row + 1}; written again" in error
    assert tables(copy) == before
    assert path.read_text().splitlines()[row] == lines[row]


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    """Make a finished sweep with a run for each file of a run; return its folder."""
    folder = tmp_path_factory.mktemp("many")
    with pytest.MonkeyPatch.context() as patch:
        assert train_here(MANY, patch, folder) == 0
    return folder / "outputs" / "main"


@pytest.fixture(scope="module", params=DAMAGES)
def repaired(request, many, tmp_path_factory) -> Repaired:
    """Damage another file of each run in one way, and run the command again."""
    folder = tmp_path_factory.mktemp("repaired")
    shutil.copytree(many.parent, folder / "outputs")
    sweep = folder / "outputs" / "main"
    for seed, name in enumerate(RUN_FILES):
        DAMAGES[request.param](run_of(sweep, seed) / name)
    error = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(error):
        code = train_here(MANY, patch, folder)
    return Repaired(code, error.getvalue(), many, sweep, request.param)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUN_FILES)
def test_command_repairs_any_file_of_a_run(repaired, name) -> None:
    """Every file, every damage; a command that meets all files at once repairs each."""
    seed = RUN_FILES.index(name)
    before, after = (row_of(sweep, seed) for sweep in (repaired.before, repaired.sweep))
    run = run_of(repaired.sweep, seed)
    images = [path / "per_image.csv" for path in (run_of(repaired.before, seed), run)]

    assert repaired.code == 0, repaired.error
    assert "Traceback" not in repaired.error
    assert (after, after["status"]) == (before, "finished")
    assert images[0].read_text() == images[1].read_text()
    if name in EXTRAS and repaired.damage in EXTRAS[name]:
        assert f"{run.name}/{name}: damaged" in repaired.error
        how = "no table needs it; `segsweep show " if name != "outlines.json" else "made again from"
        assert how in repaired.error
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is damaged now
        assert set(segsweep.open(repaired.sweep).results["status"]) == {"finished"}


def test_command_says_what_it_does_about_result_and_plan(copy, monkeypatch, capsys) -> None:
    """Of a result with a wrong type, and of a plan of random bytes: file, reason, what is done."""
    result = first_run(copy) / "result.json"
    DAMAGES["wrong type"](result)
    DAMAGES["random"](copy / "plan.csv")
    capsys.readouterr()
    assert train_here(WORDS, monkeypatch, copy.parents[1]) == 0
    error = capsys.readouterr().err
    told = {line.partition(": ")[0]: line for line in error.splitlines() if "again" in line}

    assert told["outputs/main/plan.csv"].endswith("; written again from the runs")
    assert "damaged" in told[str(result.relative_to(copy.parents[1]))]
    assert told[str(result.relative_to(copy.parents[1]))].endswith("; the run is done again")


def test_command_repairs_a_sweep(copy, monkeypatch, capsys) -> None:
    """The plan, cut in the middle; the tables are files of the slow test."""
    check_rerun(copy, monkeypatch, capsys, "half", copy / "plan.csv")


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "names",
    [*((name,) for name in INPUTS), SWEEP_FILES],
    ids=lambda names: names[0] if len(names) == 1 else "all",
)
def test_command_repairs_any_file_of_a_sweep(copy, monkeypatch, capsys, names, damage) -> None:
    """Every file, every damage: each that a command reads, and all together."""
    check_rerun(copy, monkeypatch, capsys, damage, *(copy / name for name in names))


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", CACHED)
def test_command_builds_a_damaged_cache_again(copy, monkeypatch, capsys, name, damage) -> None:
    """Decoded images; the process that made the sweep must not remember them."""
    from segsweep.training import dataset

    dataset._prepared.cache_clear()
    (path,) = copy.parent.glob(f".cache/data-*/{name}")
    check_rerun(copy, monkeypatch, capsys, damage, path)
    dataset._prepared.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("damage", EVERYDAY + RARE)
@pytest.mark.parametrize("name", [*RUN_FILES, *(f"../../{name}" for name in SWEEP_FILES)])
def test_readers_survive_a_damaged_file(copy, monkeypatch, capsys, name, damage) -> None:
    """status, runs, show, the tables: no traceback, and the other run is there."""
    path = Path(os.path.normpath(first_run(copy) / name))
    DAMAGES[damage](path)
    run = first_run(copy).name
    for words in (["status", "main"], ["runs", "main"], ["show", run]):
        assert called(monkeypatch, capsys, words) in (0, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sweep = segsweep.open(copy)
        assert "finished" in list(sweep.results["status"])
        assert len(sweep.per_image) > 0
        assert len(sweep.history) > 0
        assert len(sweep.runs) > 0
        assert "main" in repr(sweep)


REPORTED = [
    *[("config.yaml", "half"), ("per_image.csv", "half"), ("history.csv", "random")],
    *[("test_reads.csv", "huge"), ("result.json", "wrong type"), ("split.csv", "random")],
    *[("environment.json", "wrong type"), ("../../plan.csv", "random")],
]


@pytest.mark.parametrize(("name", "damage"), REPORTED)
def test_report_says_what_it_leaves_out(copy, monkeypatch, capsys, name, damage) -> None:
    """On the terminal and on the page, by the file's name."""
    path = Path(os.path.normpath(first_run(copy) / name))
    DAMAGES[damage](path)
    capsys.readouterr()
    code, error = _call(monkeypatch, capsys, ["report", "main"])
    page = (copy / "report.html").read_text()

    assert code == 0
    assert path.name in error
    assert "Left out" in page
    assert path.name in page.split("Left out")[1][:400]


@pytest.mark.parametrize("kind", ["folder", "pipe"])
@pytest.mark.parametrize("name", ["result.json", "per_image.csv", "config.yaml", "../../plan.csv"])
def test_what_is_no_file_does_not_hang(copy, monkeypatch, capsys, name, kind) -> None:
    """A pipe that nobody writes to would be waited for."""
    path = Path(os.path.normpath(first_run(copy) / name))
    path.unlink()
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    for words in (["status", "main"], ["runs", "main"], ["report", "main"]):
        assert called(monkeypatch, capsys, words) in (0, 2)


def called(monkeypatch, capsys, words: list[str]) -> int:
    """Call `segsweep WORDS`; assert that an error is one line; return the exit code."""
    code, error = _call(monkeypatch, capsys, words)
    if code == 2:
        assert len([line for line in error.splitlines() if "warning" not in line.lower()]) <= 1
    return code


def _call(monkeypatch, capsys, words: list[str]) -> tuple[int, str]:
    from segsweep.cli.main import main

    monkeypatch.setattr(sys, "argv", ["segsweep", *words])
    monkeypatch.setenv("COLUMNS", "80")
    with warnings.catch_warnings(), pytest.raises(SystemExit) as left:
        warnings.simplefilter("always")
        main()
    return left.value.code or 0, capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["config.yaml", "test_reads.csv", "environment.json"])
def test_an_interrupted_run_goes_on(copy, monkeypatch, capsys, name) -> None:
    """With a damaged file besides its checkpoint: equal numbers."""
    run = first_run(copy)
    (run / "result.json").unlink()
    check_rerun(copy, monkeypatch, capsys, "random", run / name)
    reasons = [row["reason"] for row in csv.DictReader((run / "test_reads.csv").open())]
    assert len(reasons) == 2


def test_whole_run_is_not_examined_again(copy, monkeypatch, capsys) -> None:
    """Not even opened, until one of its files has changed."""
    monkeypatch.setattr("segsweep.system.files._FRESH_NS", -1)
    assert rerun(monkeypatch, copy) == 0
    opened: list[Path] = []
    image_rows = damage.image_rows
    monkeypatch.setattr(
        damage, "image_rows", lambda path, *rest: opened.append(path) or image_rows(path, *rest)
    )
    assert rerun(monkeypatch, copy) == 0
    assert opened == []
    path = first_run(copy) / "history.csv"
    path.write_bytes(path.read_bytes())
    assert rerun(monkeypatch, copy) == 0
    assert [path.resolve() for path in opened] == [first_run(copy) / "per_image.csv"]
    check_rerun(copy, monkeypatch, capsys, "half", first_run(copy) / "per_image.csv")


@pytest.mark.parametrize("kind", ["half", "random"])
def test_damaged_outlines_are_drawn_again(copy, monkeypatch, capsys, kind) -> None:
    """From the weights: the same lines; the reading is logged, and no number changes."""
    path = first_run(copy) / "outlines.json"
    before, results = path.read_text(), tables(copy)
    DAMAGES[kind](path)
    capsys.readouterr()
    assert rerun(monkeypatch, copy) == 0
    error = capsys.readouterr().err

    assert f"{path.parent.name}/outlines.json: damaged, not JSON; made again from" in error
    assert json.loads(path.read_text()) == json.loads(before)
    assert tables(copy) == results
    reads = [row["reason"] for row in rows_of(path.with_name("test_reads.csv"))]
    assert reads == ["the run's one reading", "outlines made again"]


def test_outlines_without_weights_stay_damaged(copy, monkeypatch, capsys) -> None:
    """It is told with the command that trains the run again."""
    run = first_run(copy)
    for file in run.glob("checkpoints/*.pt"):
        file.unlink()
    DAMAGES["half"](run / "outlines.json")
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the report says so too
        assert rerun(monkeypatch, copy) == 0

    assert f"no table needs it; `segsweep show {run.name}` has the command" in (
        capsys.readouterr().err
    )
