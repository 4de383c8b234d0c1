"""Whole sweeps that are killed, stopped, moved, edited, refused and extended lose nothing."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from itertools import product
from pathlib import Path

import pytest
import torch
from markupsafe import escape

from command import (
    APPS,
    TINY,
    TROUBLE,
    fill,
    finish,
    of_session,
    rows_of,
    server_and_workers,
    snapshot,
    start,
    train_here,
    wait_for,
)

pytestmark = pytest.mark.slow
STEADY = (
    *("-m", *TROUBLE, *TINY, "loss=slow", "loss.seconds=0.03", "seed=0,1,2,3,4,5"),
    *("trainer.epochs=10", "trainer.averaging=0.9", "evaluate.at=train", "threads=0", "slots=2"),
)
"""Six runs of about two seconds each, most of it sleep, in two slots."""
TIMES = {"seconds", "peak_memory_mb", "started", "finished", "git_commit"}
KILLED = ("controller", "controller", "controller", "worker", "worker", "server")
"""What is killed, in an order drawn at random."""
IMPORTED = re.compile(r"^import time:.*\| +(\S+)$", re.MULTILINE)
"""A line of Python's own record of imports."""


def runs_of(sweep: Path) -> list[Path]:
    """Return the run folders, by name."""
    return sorted((sweep / "runs").iterdir())


def run_of(sweep: Path, loss: str, seed: int = 0) -> Path:
    """Return the one run of a loss and a seed."""
    (run,) = (sweep / "runs").glob(f"*-{loss}-s{seed}-*")
    return run


def epochs_done(sweep: Path) -> int:
    """Return the epochs of all runs together."""
    return sum(len(rows_of(path)) for path in sweep.glob("runs/*/history.csv"))


def times_begun(run: Path) -> int:
    """Return how often a run was started or resumed."""
    return (run / "train.log").read_text().count("images unused")


def finished(sweep: Path) -> list[Path]:
    """Return the runs that have a result."""
    return [run for run in runs_of(sweep) if (run / "result.json").exists()]


def facts(run: Path) -> tuple[object, ...]:
    """Return everything of a run that must be identical."""
    result = json.loads((run / "result.json").read_text())
    history = [{**row, "seconds": ""} for row in rows_of(run / "history.csv")]
    best = torch.load(run / f"checkpoints/best-{result['best_epoch']}.pt", weights_only=True)
    weights = [(key, value.numpy().tobytes()) for key, value in best.items()]
    kept = {key: value for key, value in result.items() if key not in TIMES}
    return kept, history, (run / "per_image.csv").read_text(), weights


def all_facts(sweep: Path) -> dict[str, tuple[object, ...]]:
    """Return the facts of each run, by name."""
    return {run.name: facts(run) for run in runs_of(sweep)}


def table(sweep: Path, name: str = "results.csv") -> list[dict[str, str]]:
    """Return a table without the values that differ between any two sweeps."""
    rows = rows_of(sweep / name)
    return [{key: value for key, value in row.items() if key not in TIMES} for row in rows]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """Return the sweep folder of a STEADY sweep that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(STEADY, folder)
    return folder / "outputs/main"


@pytest.fixture
def train(monkeypatch, tmp_path):
    """Return a function that runs a command line in this process; its runs have their own."""
    monkeypatch.syspath_prepend(str(APPS))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield lambda *words: train_here(words, monkeypatch, tmp_path)
    for number, handler in handlers.items():
        signal.signal(number, handler)


def strike(process: "subprocess.Popen[str]", what: str, generator: random.Random) -> None:
    """Kill the fork server or a worker; the controller if there is none."""
    servers, workers = server_and_workers(process.pid)
    victims = {"server": servers, "worker": sorted(workers)}.get(what, [])
    pid = generator.choice(victims) if victims else process.pid
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_killed_at_random_moments_nothing_is_lost_or_doubled(undisturbed, tmp_path) -> None:
    """SIGKILL of controller, worker or fork server at six moments; rerun until all is finished.

    No process outlives its controller, finished runs are never changed, and in the end the
    tables are those of the undisturbed sweep.
    """
    generator = random.Random(0)
    victims = generator.sample(KILLED, len(KILLED))
    sweep, untouched, process = tmp_path / "outputs/main", {}, None
    for victim in victims:
        if process is None or process.poll() is not None:
            process = start(STEADY, tmp_path)
        before = epochs_done(sweep)
        if generator.random() < 0.3:  # wherever it is
            time.sleep(4 * generator.random())
        else:
            wait_for(lambda p=process, n=before: epochs_done(sweep) > n or p.poll() is not None)
            time.sleep(0.5 * generator.random())
        strike(process, victim, generator)
        if process.poll() is not None or victim == "controller":
            process.communicate(timeout=60)
            wait_for(lambda p=process: not of_session(p.pid), 60)
            untouched |= snapshot(*(finished(sweep) if sweep.is_dir() else []))
    process.communicate(timeout=300)
    for _ in range(3):
        process = start(STEADY, tmp_path)
        _, error = process.communicate(timeout=300)
        if process.returncode == 0:
            break

    assert process.returncode == 0, error
    assert untouched == {path: snapshot(path)[path] for path in untouched}
    assert table(sweep) == table(undisturbed)
    assert table(sweep, "comparison.csv") == table(undisturbed, "comparison.csv")
    assert (sweep / "per_image.csv").read_text() == (undisturbed / "per_image.csv").read_text()
    assert all_facts(sweep) == all_facts(undisturbed)
    assert not list(sweep.glob("runs/*/failure.json"))
    for run in runs_of(sweep):
        reasons = [row["reason"] for row in rows_of(run / "test_reads.csv")]
        assert reasons == ["the run's one reading", *["repeat after a crash"] * (len(reasons) - 1)]


def test_no_run_continues_without_its_controller(tmp_path) -> None:
    """Soon after SIGKILL of the controller, runs that would take hours save and end."""
    sweep = tmp_path / "outputs/main"
    process = start((*STEADY, "trainer.epochs=5000", "preflight=false"), tmp_path)
    wait_for(lambda: len(list(sweep.glob("runs/*/history.csv"))) == 2)
    process.kill()
    process.communicate(timeout=60)
    wait_for(lambda: not of_session(process.pid), 60)
    saved = [torch.load(path, weights_only=True) for path in open_checkpoints(sweep)]

    assert len(saved) == 2
    assert all(state["step"] > 0 or state["epoch"] > 0 for state in saved)


STOPS = {
    "Ctrl-C": (os.kill, [signal.SIGINT]),
    "SIGTERM": (os.kill, [signal.SIGTERM]),
    "Ctrl-C in a terminal": (os.killpg, [signal.SIGINT]),
    "SIGTERM to all": (os.killpg, [signal.SIGTERM]),
    "Ctrl-C twice": (os.kill, [signal.SIGINT, signal.SIGINT]),
    "Ctrl-C twice in a terminal": (os.killpg, [signal.SIGINT, signal.SIGINT]),
}


def test_stopped_sweep_saves_and_resumes(undisturbed, tmp_path) -> None:
    """Every way to stop, one after another on one sweep, which ends as if undisturbed.

    Each time: exit code 130, no traceback, no failure recorded, no process left. After a
    single signal, running runs save after their batch or validation.
    """
    sweep = tmp_path / "outputs/main"
    for way, (send, numbers) in STOPS.items():
        before = epochs_done(sweep)
        process = start(STEADY, tmp_path)
        wait_for(lambda n=before: epochs_done(sweep) > n)
        for number in numbers:
            with contextlib.suppress(ProcessLookupError):
                send(process.pid, number)
            time.sleep(0.02)
        _, error = process.communicate(timeout=60)
        wait_for(lambda p=process: not of_session(p.pid), 60)
        assert process.returncode == 130, (way, error)
        assert "Traceback" not in error, (way, error)
        assert "run the same command again to resume" in error, way
        assert not list(sweep.glob("runs/*/failure.json")), way
        saved = [torch.load(path, weights_only=True) for path in open_checkpoints(sweep)]
        if len(numbers) == 1:
            assert saved, way
            assert all(state["step"] > 0 or state["epoch"] > 0 for state in saved), way
            assert 'data-reload="0"' in (sweep / "report.html").read_text(), way
    finish(STEADY, tmp_path)

    assert all_facts(sweep) == all_facts(undisturbed)
    assert table(sweep) == table(undisturbed)
    assert {1} == {len(rows_of(run / "test_reads.csv")) for run in runs_of(sweep)}
    assert max(times_begun(run) for run in runs_of(sweep)) > 1


def open_checkpoints(sweep: Path) -> list[Path]:
    """Return the last checkpoints of runs that are not finished."""
    return [
        path
        for path in sweep.glob("runs/*/checkpoints/last.pt")
        if not (path.parents[1] / "result.json").exists()
    ]


def test_no_library_is_imported_after_a_signal(tmp_path) -> None:
    """The last report needs pandas, which crashes when its import is interrupted and repeated."""
    said = tmp_path / "said.txt"
    with said.open("w") as file:
        process = start(STEADY, tmp_path, stderr=file, PYTHONPROFILEIMPORTTIME="1")
    wait_for(lambda: epochs_done(tmp_path / "outputs/main") > 1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    before, _, after = said.read_text().partition("stopped; run the same command again to resume")

    assert process.returncode == 130
    assert "pandas" in before
    libraries = {name.partition(".")[0] for name in IMPORTED.findall(after)}
    assert not libraries - sys.stdlib_module_names
    assert "interrupted" in (tmp_path / "outputs/main/report.html").read_text()


def test_second_ctrl_c_does_not_wait_for_a_run_that_hangs(tmp_path) -> None:
    """The first waits for the batch, which never ends; the second ends the command at once."""
    words = ("-m", *TROUBLE, *TINY, "loss=hangs", "trainer.epochs=4", "preflight=false")
    process = start(words, tmp_path)
    wait_for(lambda: epochs_done(tmp_path / "outputs/main") == 2)
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(1.0)
    waited = process.poll() is None
    os.kill(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=30)

    assert waited
    assert process.returncode == 130
    assert "Traceback" not in error
    wait_for(lambda: not of_session(process.pid), 5)


CAUSES = {
    "raises": ("raised", "RuntimeError: the loss has a fault", "the loss has a fault"),
    "kills": ("killed", "killed by SIGKILL", "epoch 4/6"),
    "nans": ("non-finite", "training loss is nan in epoch 3", "NonFiniteLossError"),
    "exits": ("exited", "exit code 3", "sys.exit(3)"),
    "leaves": ("exited", "exit code 0", "epoch 2/6"),
    "interrupts": ("raised", "KeyboardInterrupt", "raise KeyboardInterrupt"),
    "hangs": ("time-limit", "time_limit=8 s", "epoch 2/6"),
}


def test_seven_kinds_of_failure_affect_no_other_run(tmp_path) -> None:
    """Seven causes are reported and recorded with the last output; the other runs finish.

    Once they are fixed, the same command trains only those seven. Runs that raised or became
    non-finite start from scratch; the killed one and the one over its time limit resume.
    """
    words = (
        *("-m", *TROUBLE, *TINY, f"loss={','.join(CAUSES)},well,bce", "trainer.epochs=6"),
        *("slots=2", "time_limit=8"),
    )
    sweep = tmp_path / "outputs/main"
    said = finish(words, tmp_path, 1)
    runs = {loss: run_of(sweep, loss) for loss in (*CAUSES, "well", "bce")}
    failures = {loss: json.loads((runs[loss] / "failure.json").read_text()) for loss in CAUSES}
    listed = said[said.index("7 of 9 runs failed:") :]

    for loss, (cause, error, output) in CAUSES.items():
        assert failures[loss]["cause"] == cause
        assert error in failures[loss]["error"]
        assert output in failures[loss]["traceback"], loss
        assert re.search(rf"{runs[loss].name}: .*{re.escape(error)}", listed), listed
        assert times_begun(runs[loss]) == (2 if loss == "kills" else 1), loss
    assert {runs["well"], runs["bce"]} == set(finished(sweep))
    status = {row["loss"]: row["status"] for row in rows_of(sweep / "results.csv")}
    assert status == {**dict.fromkeys(CAUSES, "failed"), "well": "finished", "bce": "finished"}
    assert "No claim about methods" in said
    page = (sweep / "report.html").read_text()
    assert all(cause in page and escape(error) in page for cause, error, _ in CAUSES.values())

    before = snapshot(sweep / "runs")
    said = finish((*words, "retry_failed=false"), tmp_path, 1)
    assert "7 of 9 runs failed:" in said
    assert said.count("not retried: retry_failed=false") == 7
    assert before == snapshot(sweep / "runs")

    before = snapshot(runs["well"], runs["bce"])
    finish(words, tmp_path, 0, MENDED="yes")
    assert before == snapshot(runs["well"], runs["bce"])
    assert len(finished(sweep)) == 9
    assert not list(sweep.glob("runs/*/failure.json"))
    begun = {loss: times_begun(run) for loss, run in runs.items()}
    assert begun == {**dict.fromkeys(CAUSES, 2), "kills": 3, "well": 1, "bce": 1}
    logs = {loss: (run / "train.log").read_text() for loss, run in runs.items()}
    resumed = {loss: re.findall(r"resuming after epoch (\d)", log) for loss, log in logs.items()}
    assert resumed == {**{loss: [] for loss in runs}, "kills": ["2", "4"], "hangs": ["2"]}
    assert {6} == {len(rows_of(run / "history.csv")) for run in runs.values()}


def test_two_slots_are_used_as_well_as_they_can_be(tmp_path) -> None:
    """One run takes five times as long as four others: within 15 % of the best schedule.

    It is requested last and starts first. In the requested order, or in batches of two, the
    sweep would take 40 % longer than the best schedule.
    """
    short = [0.3, 0.302, 0.304, 0.306]
    words = (
        *("-m", *TROUBLE, *TINY, "loss=slow", "slots=2"),
        f"loss.seconds={','.join(map(str, short))},1.5",
    )
    finish(words, tmp_path)
    runs = runs_of(tmp_path / "outputs/main")
    began = {run: (run / ".claim").stat().st_mtime for run in runs}
    ended = {run: (run / "result.json").stat().st_mtime for run in runs}
    took = [ended[run] - began[run] for run in runs]
    best = min(
        max(sum(t for t, s in zip(took, slots, strict=True) if s == slot) for slot in (0, 1))
        for slots in product((0, 1), repeat=len(runs))
    )
    total = max(ended.values()) - min(began.values())
    (long,) = [run for run in runs if "seconds: 1.5" in (run / "config.yaml").read_text()]

    assert took[runs.index(long)] > 3 * sorted(took)[-2]
    assert long in sorted(runs, key=began.__getitem__)[:2]
    assert total < 1.15 * best, (total, best, took)


def test_what_was_planned_is_what_runs(tmp_path) -> None:
    """While run 1 trains, a yaml file is edited: run 2 has the planned value. A frozen config
    is edited too: that run is refused with the difference, the next one trains, and the same
    command repairs it.
    """
    mine = tmp_path / "mine"
    shutil.copytree(APPS / "conf", mine)
    (mine / "optimizer").mkdir()
    file = mine / "optimizer" / "ours.yaml"
    text = "_target_: torch.optim.AdamW\nlr: 0.001\nweight_decay: 0.01\n"
    file.write_text(text)
    words = (
        *("-m", f"--config-dir={mine}", "allow=[patience]", *TINY, "loss=patient"),
        *(
            "seed=0,1,2,3",
            "optimizer=ours",
            "scheduler=none",
            "trainer.epochs=4",
            "slots=1",
            "preflight=false",
        ),
    )
    sweep = tmp_path / "outputs/main"
    process = start(words, tmp_path)
    wait_for(lambda: epochs_done(sweep))
    file.write_text(text.replace("0.001", "0.5"))
    config = run_of(sweep, "patient", 2) / "config.yaml"
    frozen = config.read_text()
    config.write_text(frozen.replace("threshold: 0.5", "threshold: 0.4"))
    early = len(finished(sweep)) == 0
    (tmp_path / "go on").touch()
    _, error = process.communicate(timeout=120)

    assert early
    assert process.returncode == 1
    assert "threshold is 0.4, planned 0.5" in error
    assert "1 of 4 runs failed" in error
    refused = json.loads((config.parent / "failure.json").read_text())
    assert refused["cause"] == "refused"
    assert "threshold is 0.4, planned 0.5" in refused["error"]
    others = [run_of(sweep, "patient", seed) for seed in (0, 1, 3)]
    assert finished(sweep) == sorted(others)
    rates = {row["lr"] for run in others for row in rows_of(run / "history.csv")}
    assert rates == {"0.001"}
    before = snapshot(*others)
    file.write_text(text)
    finish(words, tmp_path)
    assert before == snapshot(*others)
    assert config.read_text() == frozen
    assert len(finished(sweep)) == 4


def test_one_controller_at_a_time_anywhere(undisturbed, tmp_path) -> None:
    """A second command is refused; a stopped sweep can be moved and resumed from elsewhere.

    Its folders have spaces and non-ASCII letters. The threads of its runs are fixed at the
    start: with one slot each could have more, and would end with other numbers.
    """
    here = tmp_path / "hier, wo é ist"
    here.mkdir()
    words = (*STEADY, "sweep='my sweep'")
    sweep = here / "Aus gaben ü/my sweep"
    first = start((*words, "outputs='Aus gaben ü'"), here)
    wait_for(lambda: epochs_done(sweep))
    os.kill(first.pid, signal.SIGSTOP)  # so that it is there for as long as it takes
    said = finish((*words, f"outputs='{sweep.parent}'"), tmp_path, 2)
    os.kill(first.pid, signal.SIGTERM)
    os.kill(first.pid, signal.SIGCONT)
    first.communicate(timeout=60)

    assert first.returncode == 130
    line = said.splitlines()[-1]
    assert f"pid {first.pid} on host {socket.gethostname()} since 20" in line
    assert "my sweep is in use" in line
    moved = tmp_path / "ziehen wir um" / "ö"
    moved.parent.mkdir()
    sweep.parent.rename(moved)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    finish((*words, f"outputs='{moved}'", "slots=1"), elsewhere)

    sweep = moved / "my sweep"
    assert all_facts(sweep) == all_facts(undisturbed)
    assert table(sweep) == table(undisturbed)
    assert not list(elsewhere.iterdir())
    assert list(here.iterdir()) == []
    environments = [json.loads((run / "environment.json").read_text()) for run in runs_of(sweep)]
    assert len({one["threads"] for one in environments}) == 1
    assert {len(one["resumed_with"]) for one in environments} == {0}
    before = snapshot(sweep)
    finish((*words, f"outputs='{moved}'"), tmp_path)
    assert before == snapshot(sweep)


def test_the_command_of_the_readme_twice(tmp_path) -> None:
    """Twenty cells without a warning; the second time it changes no file of the sweep.

    Beside the sweep, in `.cache`, it keeps what it found for the next command.
    """
    words = ("-m", "model=segnet,unet,unet2,unet3", "loss=bce,dice,focal,ss,bce_ss", *TINY)
    strict = {"HYDRA_DEPRECATION_WARNINGS_AS_ERRORS": "1", "PYTHONWARNINGS": "default"}
    said = finish((*words, "trainer.epochs=1"), tmp_path, **strict)
    before = snapshot(tmp_path / "outputs/main")
    again = finish((*words, "trainer.epochs=1"), tmp_path, **strict)

    assert "warning" not in (said + again).lower()
    assert "20 runs in outputs/main: 0 finished, 20 to do" in said
    assert "20 runs in outputs/main: 20 finished, 0 to do" in again
    assert len(finished(tmp_path / "outputs/main")) == 20
    assert "[20/20]" in said
    assert before == snapshot(tmp_path / "outputs/main")
    assert {path.name for path in (tmp_path / "outputs").iterdir()} == {".cache", "main"}


def trained_by(sweep: Path, train, *words: str) -> set[str]:
    """Run the command; return the runs that it trained; all others must be unchanged."""
    old = {run: snapshot(run) for run in finished(sweep)} if sweep.is_dir() else {}
    assert train(*words) == 0
    for run, before in old.items():
        assert before == snapshot(run)
    return {run.name.rpartition("-")[0] for run in finished(sweep) if run not in old}


def test_the_same_command_extends_a_sweep(train, tmp_path, capsys) -> None:
    """A plan trains nothing; a new seed, loss or default trains only the new runs.

    A changed key is announced and becomes a column; protocols are never mixed.
    """
    sweep = tmp_path / "outputs/main"
    words = ("-m", *TINY, "loss=bce,dice", "seed=0,1")
    assert train(*words, "plan=true") == 0
    plan = capsys.readouterr().out
    assert re.search(r"unet2/bce .*2", plan), plan
    assert "4 new" in plan or "new" in plan
    assert not list(sweep.glob("runs/*/history.csv"))

    assert trained_by(sweep, train, *words) == {
        f"unet2-{loss}-s{seed}" for loss in ("bce", "dice") for seed in (0, 1)
    }
    assert trained_by(sweep, train, *words) == set()
    assert trained_by(sweep, train, *words, "seed=0,1,3") == {"unet2-bce-s3", "unet2-dice-s3"}
    assert trained_by(sweep, train, *words, "loss=bce,ss") == {"unet2-ss-s0", "unet2-ss-s1"}
    capsys.readouterr()
    assert trained_by(sweep, train, *words, "trainer.epochs=3", "loss=bce") == {
        "unet2-bce-s0",
        "unet2-bce-s1",
    }
    assert "finished runs differ only in trainer.epochs" in capsys.readouterr().err
    rows = rows_of(sweep / "results.csv")
    assert [row["trainer.epochs"] for row in rows].count("3") == 2
    assert [row["trainer.epochs"] for row in rows].count("2") == 8
    assert len(rows_of(sweep / "comparison.csv")) == 4


def test_finished_runs_can_be_repeated(train, tmp_path) -> None:
    """`rerun=stale` repeats those of another version, `rerun=all` all; the log keeps all reads
    of the test set.
    """
    sweep = tmp_path / "outputs/main"
    words = ("-m", *TINY, "seed=0,1")
    assert train(*words) == 0
    first, second = finished(sweep)
    result = json.loads((first / "result.json").read_text())
    (first / "result.json").write_text(json.dumps({**result, "version": "0.0.1"}))
    before, old = snapshot(second), (first / "per_image.csv").read_text()
    assert train(*words, "rerun=stale") == 0
    assert before == snapshot(second)
    assert json.loads((first / "result.json").read_text())["version"] == result["version"]
    assert (first / "per_image.csv").read_text() == old
    assert [len(rows_of(run / "test_reads.csv")) for run in (first, second)] == [2, 1]

    assert train(*words, "rerun=all") == 0
    assert [len(rows_of(run / "test_reads.csv")) for run in (first, second)] == [3, 2]
    assert len(rows_of(sweep / "results.csv")) == 2
    assert len(list((sweep / "earlier").iterdir())) == 3
    assert list((sweep / "earlier").rglob("*.pt")) == []


def test_threads_are_fixed_when_a_sweep_is_planned(train, tmp_path) -> None:
    """One slot gives a run all cores; runs of later commands have the same, in any slots."""
    cores = len(os.sched_getaffinity(0))
    if cores < 2:
        pytest.skip("one core: nothing to divide")
    sweep = tmp_path / "outputs/main"
    words = ("-m", *TINY, "threads=0")
    assert train(*words, "slots=1", "seed=0,1") == 0
    assert train(*words, f"slots={cores}", "seed=0,1,2,3") == 0
    frozen = [re.findall(r"^threads: (\d+)$", text, re.M) for text in configs(sweep)]
    used = [json.loads((run / "environment.json").read_text())["threads"] for run in runs_of(sweep)]

    assert frozen == [[str(cores)]] * 4
    assert used == [cores] * 4
    assert train("-m", *TINY, "threads=0", f"slots={cores}", "seed=0,1", "sweep=other") == 0
    assert {"threads: 1"} == {
        line
        for text in configs(tmp_path / "outputs/other")
        for line in text.splitlines()
        if line.startswith("threads:")
    }


def configs(sweep: Path) -> list[str]:
    """Return the frozen configs of all runs."""
    return [(run / "config.yaml").read_text() for run in runs_of(sweep)]


@pytest.mark.parametrize(
    ("keep", "left"), [("none", []), ("best", ["best"]), ("last", ["last"]), ("both", [1, 2])]
)
def test_checkpoints_that_stay(keep, left, train, tmp_path) -> None:
    """`keep` decides which checkpoints stay; the tables need none."""
    assert train("-m", *TINY, "seed=0,1", f"keep={keep}") == 0
    sweep = tmp_path / "outputs/main"
    for run in runs_of(sweep):
        best = json.loads((run / "result.json").read_text())["best_epoch"]
        names = {"best": f"best-{best}.pt", "last": "last.pt", 1: f"best-{best}.pt", 2: "last.pt"}
        found = [path.name for path in run.glob("checkpoints/*")]
        assert sorted(found) == sorted(names[name] for name in left)
    assert len(rows_of(sweep / "results.csv")) == 2


def test_checkpoints_of_a_sweep_have_a_cap(train, tmp_path) -> None:
    """A limit of two of four checkpoints: those with the highest validation IoU stay."""
    sweep = tmp_path / "outputs/main"
    words = ("-m", *TINY, "seed=0,1,2,3", "optimizer.lr=0.02")
    assert train(*words, "seed=0") == 0
    (file,) = sweep.glob("runs/*/checkpoints/*")
    room = file.stat().st_size * 2.5 / 10**9
    assert train(*words, f"keep_gb={room:.9f}") == 0
    value = {
        run: json.loads((run / "result.json").read_text())["val_iou"] for run in runs_of(sweep)
    }
    kept = {run for run in runs_of(sweep) if list(run.glob("checkpoints/*.pt"))}
    gone = set(value) - kept

    assert len(kept) == 2
    assert min(value[run] for run in kept) >= max(value[run] for run in gone)


@pytest.mark.parametrize("small_disk", [8], indirect=True)
def test_disk_too_small_or_full_midway(undisturbed, small_disk, tmp_path) -> None:
    """Too small for the plan: refused, exit code 2. Full midway: it stops with a message, exit
    code 1. Once disk is free, the same command resumes to the end.
    """
    words = (*STEADY, "seed=0,1,2", f"outputs='{small_disk}/outputs'")
    filler, sweep = small_disk / "filler", small_disk / "outputs/main"
    fill(filler, 2_000_000)
    refused = finish(words, tmp_path, 2)
    assert "not enough disk: needs" in refused.splitlines()[-1]
    assert not list(sweep.glob("runs/*/history.csv"))
    filler.unlink()

    process = start(words, tmp_path)
    wait_for(lambda: epochs_done(sweep))
    fill(filler)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "no space left" in error
    assert "run the same command again" in error
    assert "Traceback" not in error
    assert len(finished(sweep)) < 3
    filler.unlink()
    finish(words, tmp_path)
    wanted = all_facts(undisturbed)
    assert all_facts(sweep) == {run.name: wanted[run.name] for run in runs_of(sweep)}
    assert len(finished(sweep)) == 3


def test_run_that_needs_too_much_memory_is_named_before_any_starts(train, tmp_path, capsys) -> None:
    """One of two cells requests a petabyte: exit code 2, one line, no run starts."""
    code = train("-m", *TROUBLE, *TINY, "loss=well,greedy")
    error = capsys.readouterr().err
    lines = [line for line in error.splitlines() if "not enough memory" in line]

    assert code == 2
    assert len(lines) == 1
    assert lines[0].startswith("not enough memory for unet2/greedy: a training step takes more")
    assert "use a smaller trainer.batch or data.size" in lines[0]
    assert not list(tmp_path.glob("outputs/main/runs/*/history.csv"))


def overlaps(sweep: Path) -> bool:
    """Whether two runs ran at the same time."""
    spans = [
        ((run / ".claim").stat().st_mtime, (run / "result.json").stat().st_mtime)
        for run in runs_of(sweep)
    ]
    return any(a[0] < b[0] < a[1] for a in spans for b in spans)


def test_other_sweepers_use_the_slots_too(train, tmp_path) -> None:
    """Hydra's basic sweeper, and its Optuna with two trials at a time."""
    slow = (*TROUBLE, *TINY, "loss=slow", "loss.seconds=0.3", "preflight=false", "slots=2")
    assert train("-m", *slow, "hydra/sweeper=basic", "seed=0,1,2") == 0
    sweep = tmp_path / "outputs/main"
    assert len(finished(sweep)) == 3
    assert overlaps(sweep)
    study = ("experiment=optuna_lr", "hydra.sweeper.n_trials=4", "hydra.sweeper.n_jobs=2")
    assert train("-m", *slow, *study) == 0
    sweep = tmp_path / "outputs/optuna_lr"
    rows = rows_of(sweep / "trials.csv")
    assert len(rows) == len({row["lr"] for row in rows}) == 4
    assert {"finished"} == {row["status"] for row in rows}
    assert overlaps(sweep)


def test_run_that_another_command_trains_is_waited_for(tmp_path) -> None:
    """A command without -m trains one of two runs: the sweep trains the other and waits."""
    words = (
        *(f"--config-dir={APPS / 'conf'}", "allow=[patience]", *TINY, "loss=patient"),
        "trainer.epochs=30",
    )
    sweep, said = tmp_path / "outputs/main", tmp_path / "said"
    single = start(words, tmp_path)
    wait_for(lambda: list(sweep.glob("runs/*/environment.json")))
    with said.open("w") as file:
        many = start(("-m", *words, "seed=0,1", "preflight=false"), tmp_path, stderr=file)
        wait_for(lambda: "still held by a process of an earlier command" in said.read_text())
        (tmp_path / "go on").touch()
        many.communicate(timeout=120)
    single.communicate(timeout=120)

    assert (single.returncode, many.returncode) == (0, 0)
    assert len(finished(sweep)) == 2
    assert {1} == {times_begun(run) for run in runs_of(sweep)}
