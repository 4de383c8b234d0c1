"""Keys of the command have their effect in each way of running that heeds them."""

import json
import shutil

import pytest

from command import TINY, TROUBLE, finish, refusal, rows_of, train_here

SHORT = ("-m", *TINY, "trainer.epochs=1", "preflight=false")
WAYS = {
    "ours": (),
    "ours by Hydra": ("hydra/launcher=basic",),
    "basic": ("hydra/sweeper=basic",),
}
"""Those that heed nearly every key; with segsweep's sweeper also by one of Hydra's launchers."""
EVERY = WAYS | {
    "basic by Hydra": ("hydra/sweeper=basic", "hydra/launcher=basic"),
    "search": ("experiment=optuna_lr", "hydra.sweeper.n_trials=2"),
    "search by Hydra": (
        *("experiment=optuna_lr", "hydra.sweeper.n_trials=2"),
        "hydra/launcher=basic",
    ),
}
MIXED = ("optimizer=sgd", "optimizer.lr=0.01,1e25", "keep=both")
"""A run that finishes and one that fails."""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Return a folder with a sweep of a finished and a failed run."""
    folder = tmp_path_factory.mktemp("mixed")
    with pytest.MonkeyPatch.context() as patch:
        assert train_here([*SHORT, *MIXED], patch, folder) == 1
    return folder


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Return a function: words -> exit code, standard output, standard error."""

    def run(*words):
        capsys.readouterr()
        code = train_here([*SHORT, *words], monkeypatch, tmp_path)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.mark.parametrize("way", EVERY)
def test_max_runs(way, command, tmp_path):
    """Two are more than one, before anything is written."""
    grid = () if way.startswith("search") else ("seed=0,1",)
    line = refusal(command(*EVERY[way], *grid, "max_runs=1"))

    assert "more than max_runs=1" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_rerun_and_retry_failed_in_a_plan(way, mixed, command, tmp_path):
    """What is finished is new again; what failed is tried again unless that is refused."""
    shutil.copytree(mixed / "outputs", tmp_path / "outputs")
    said = {}
    for word in ("rerun=none", "rerun=all", "retry_failed=false"):
        code, out, error = command(*WAYS[way], *MIXED, "plan=true", word)
        assert code == 0
        (counts,) = (line for line in error.splitlines() if line.startswith("2 runs in "))
        said[word] = counts.partition(": ")[2], out.partition("2 runs in ")[2].splitlines()[0]

    assert said == {
        "rerun=none": ("1 finished, 1 to do", "2 cells: 1 finished, 1 failed"),
        "rerun=all": ("0 finished, 2 to do", "2 cells: 1 failed, 1 new"),
        "retry_failed=false": ("1 finished, 0 to do", "2 cells: 1 finished, 1 failed"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ours by Hydra", "basic"])
def test_failed_runs_are_left_alone_if_asked(way, mixed, command, tmp_path):
    """Nothing is trained; the reason of the failure is said again."""
    shutil.copytree(mixed / "outputs", tmp_path / "outputs")
    (failure,) = tmp_path.glob("outputs/main/runs/*/failure.json")
    before = failure.read_bytes()
    code, _, error = command(*WAYS[way], *MIXED, "retry_failed=false")

    assert code == 1
    assert "(not retried: retry_failed=false)" in error
    assert failure.read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_limit_of_checkpoints(way, command, tmp_path):
    """No finished run may keep its own."""
    for limit, kept in ((), 4), (("keep_gb=0", "rerun=all"), 0):
        code, _, error = command(*WAYS[way], "seed=0,1", "keep=both", *limit)

        assert code == 0, error
        assert len(list(tmp_path.glob("outputs/main/runs/*/checkpoints/*.pt"))) == kept


@pytest.mark.slow
@pytest.mark.parametrize("way", EVERY)
def test_places_of_a_sweep(way, command, tmp_path):
    """Folder and name; also the checkpoints that are kept and the tracker."""
    pytest.importorskip("tensorboard", reason="not installed: segsweep[tensorboard]")
    words = ("outputs=out", "sweep=named", "keep=last", "tracker=tensorboard")
    code, _, error = command(*EVERY[way], *words)
    sweep = tmp_path / "out/named"
    kept = {path.name for path in sweep.glob("runs/*/checkpoints/*")}

    assert code == 0, error
    assert not (tmp_path / "outputs").exists()
    table = "trials" if way.startswith("search") else "results"
    rows = rows_of(sweep / f"{table}.csv")
    assert {row["status"] for row in rows} == {"finished"}
    assert kept == {"last.pt"}
    assert len(list(sweep.glob("tensorboard/*/*"))) == len(rows)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ours", "basic", "search"])
def test_time_limit_of_a_run(way, tmp_path):
    """What hangs is ended and named; the command goes on."""
    one = ("hydra.sweeper.n_trials=1",) if way == "search" else ()
    words = (*EVERY[way], "loss=hangs", "+loss.after=3", "time_limit=6", "slots=1", *one)
    said = finish([*SHORT, *TROUBLE, *words], tmp_path, code=1)
    (failure,) = tmp_path.glob("outputs/*/runs/*/failure.json")

    assert "time_limit=6 s" in said
    assert ("1 trial; none has finished" in said) == (way == "search")
    assert json.loads(failure.read_text())["cause"] == "time-limit"


SEARCH = ("search=lr", "search.n_trials=3", "search.epochs=2", "trainer.epochs=4")
BY_PLAN = {
    "search": ((*SEARCH, "search.pruner=median"), "3 trials of at most 2 epochs (pruner median)"),
    "race": (("race=best", "race.looks=[2,3]", "seed=range(3)"), "race: looks at 2, 3 seeds"),
}


@pytest.mark.parametrize("way", ["ours by Hydra", pytest.param("ours", marks=pytest.mark.slow)])
@pytest.mark.parametrize("what", BY_PLAN)
def test_keys_of_a_search_and_a_race(what, way, command):
    """The plan has what they ask for."""
    words, line = BY_PLAN[what]
    code, out, error = command(*WAYS[way], "loss=bce,dice", *words, "plan=true")

    assert code == 0, error
    assert line in " ".join((out + error).split())
