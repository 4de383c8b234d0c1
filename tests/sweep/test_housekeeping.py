"""Runs moved to `earlier/`, removed cells, kept checkpoints; also killed at every step."""

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from command import rows_of, snapshot
from segsweep.errors import RunClaimedError, StoreError, SweepLockedError
from segsweep.store.find import is_sweep
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.pictures import picture_path
from segsweep.store.plan import PLAN
from segsweep.store.retention import (
    CheckpointCap,
    checkpoint_bytes,
    checkpoint_files,
    delete_earlier_checkpoints,
    keep_checkpoints,
)
from segsweep.store.tables import read_all
from segsweep.sweep.housekeeping import (
    move_earlier,
    remove_runs,
    remove_sweep,
    repair,
    runs_by_cell,
)
from segsweep.sweep.lock import SweepLock
from segsweep.system.files import claimed

READS = "time,reason,images\n2026-01-01,the run's one reading,9\n"


def add_checkpoints(folder: Path, *names: str, size: int = 1000) -> RunPaths:
    """Write files of *size* bytes as checkpoints."""
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / "checkpoints" / name).write_bytes(b"x" * size)
    return RunPaths(folder)


def left(paths: RunPaths) -> set[str]:
    """Return the names of a run's checkpoints."""
    return {path.name for path in paths.checkpoints.iterdir()}


@pytest.fixture
def run(tmp_path) -> RunPaths:
    """Return a finished run whose checkpoints include files left by killed processes."""
    folder = tmp_path / "unet-bce-s0-0"
    paths = add_checkpoints(folder, "best-4.pt", "best-7.pt", "last.pt", ".best-7.pt.12.tmp")
    paths.result.write_text('{"best_epoch": 7, "val_iou": 0.5}')
    return paths


@pytest.mark.parametrize(
    ("keep", "names"),
    [
        ("best", {"best-7.pt"}),
        ("last", {"last.pt"}),
        ("both", {"best-7.pt", "last.pt"}),
        ("none", set()),
    ],
)
def test_keep_decides_which_checkpoints_stay(run, keep, names):
    """The best is that of the result; older and half-written files are always deleted."""
    size = keep_checkpoints(run, keep)

    assert left(run) == names
    assert size == 1000 * len(names) == checkpoint_bytes(run)


@pytest.mark.parametrize("keep", ["best", "last", "both", "none"])
@pytest.mark.parametrize("result", [None, '{"best_epo'])
def test_unfinished_run_keeps_all_checkpoints(run, keep, result):
    """It resumes from them; a truncated result does not count as finished."""
    run.result.unlink()
    if result is not None:
        run.result.write_text(result)
    before = left(run)

    assert keep_checkpoints(run, keep) == 4000
    assert left(run) == before


def test_the_only_checkpoint_stays(run):
    """A later `keep=best` does not delete the only weights; `keep=none` does."""
    keep_checkpoints(run, "last")
    keep_checkpoints(run, "best")
    kept = left(run)
    keep_checkpoints(run, "none")

    assert kept == {"last.pt"}
    assert left(run) == set()
    assert keep_checkpoints(run, "best") == 0


def test_unknown_keep_is_refused(run):
    """The error lists the allowed values."""
    with pytest.raises(ValueError, match="best, last, both, none; got 'first'"):
        keep_checkpoints(run, "first")


@pytest.fixture
def sweep(tmp_path) -> SweepPaths:
    """Return a sweep without runs."""
    return SweepPaths(tmp_path / "main")


def finished(sweep: SweepPaths, name: str, val_iou: float | str, size: int = 1000) -> RunPaths:
    """Write a finished run with a checkpoint of *size* bytes."""
    paths = add_checkpoints(sweep.runs / name, "best-1.pt", size=size)
    paths.config.write_text("x: 1\n")
    paths.result.write_text(f'{{"best_epoch": 1, "val_iou": {val_iou}}}')
    return paths


def with_checkpoints(sweep: SweepPaths) -> set[str]:
    """Return the names of the runs that have checkpoints."""
    return {paths.root.name for paths in sweep.run_folders() if checkpoint_bytes(paths)}


def test_worst_runs_lose_their_checkpoints_first(sweep):
    """3 kB hold three runs; a run without a validation IoU counts as the worst; results stay."""
    cap = CheckpointCap(sweep, 3000 / 1e9)
    seen = []
    for name, iou in (("a", 0.5), ("b", 0.7), ("c", float("nan")), ("d", 0.6), ("e", 0.1)):
        cap.add(finished(sweep, name, "null" if iou != iou else iou), iou)
        seen.append("".join(sorted(with_checkpoints(sweep))))

    assert seen == ["a", "ab", "abc", "abd", "abd"]
    assert len(list(sweep.runs.glob("*/result.json"))) == 5


def test_cap_counts_the_runs_of_earlier_commands(sweep):
    """Finished runs count, unfinished runs do not."""
    for name, iou in (("a", 0.3), ("b", 0.9), ("c", 0.2)):
        finished(sweep, name, iou)
    finished(sweep, "trains", 0.1, size=10**6).result.unlink()
    CheckpointCap(sweep, None)
    untouched = with_checkpoints(sweep)
    cap = CheckpointCap(sweep, 2000 / 1e9)
    trimmed = with_checkpoints(sweep)
    gone = cap.add(finished(sweep, "d", 0.5), 0.5)

    assert untouched == {"a", "b", "c", "trains"}
    assert trimmed == {"a", "b", "trains"}
    assert with_checkpoints(sweep) == {"b", "d", "trains"}
    assert [paths.root.name for paths in gone] == ["a"]


def test_repeated_run_counts_once(sweep):
    """With its new validation IoU and size."""
    cap = CheckpointCap(sweep, 3000 / 1e9)
    cap.add(finished(sweep, "a", 0.1), 0.1)
    cap.add(finished(sweep, "b", 0.5), 0.5)
    for _ in range(5):
        cap.add(finished(sweep, "a", 0.9, size=2000), 0.9)
    full = with_checkpoints(sweep)
    cap.add(finished(sweep, "c", 0.7), 0.7)

    assert full == {"a", "b"}
    assert with_checkpoints(sweep) == {"a", "c"}


def test_run_that_trains_again_keeps_its_checkpoints(sweep):
    """It was finished when it was counted; now it needs them to resume."""
    cap = CheckpointCap(sweep, 1000 / 1e9)
    repeated = finished(sweep, "a", 0.1)
    cap.add(repeated, 0.1)
    repeated.result.unlink()
    gone = cap.add(finished(sweep, "b", 0.5), 0.5)

    assert gone == []
    assert with_checkpoints(sweep) == {"a", "b"}


def test_cost_of_adding_a_run_does_not_grow(sweep, monkeypatch):
    """With 1,000 runs on the disk, adding one lists no other run's folder."""
    for number in range(1000):
        name = f"r{number}"
        (sweep.runs / name).mkdir(parents=True)
        (sweep.runs / name / "config.yaml").touch()
        (sweep.runs / name / "result.json").write_text(f'{{"val_iou": {number / 1000}}}')
    cap = CheckpointCap(sweep, 1.0)
    looked = []
    real = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: looked.append(self) or real(self))
    cap.add(finished(sweep, "one more", 0.5), 0.5)

    assert len(looked) == 1


@pytest.fixture
def grid(sweep, frozen, write_run) -> SweepPaths:
    """Write two cells with two seeds each, all but one finished, and their plan."""
    lines = [",".join(PLAN)]
    for loss in ("bce", "dice"):
        for seed in (0, 1):
            config = frozen(f"loss={loss}", seed=seed)
            result = None if (loss, seed) == ("dice", 1) else {"val_iou": 0.5, "best_epoch": 1}
            folder = write_run(sweep.root, config, result=result, epochs=2)
            add_checkpoints(folder, "best-1.pt", "last.pt")
            (folder / "test_reads.csv").write_text(READS)
            row = [config["run_id"], "run", f"unet2/{loss}", "unet2", loss, seed, "", folder.name]
            lines += [",".join(map(str, [*row, "now", request, 40])) for request in ("one", "two")]
    sweep.plan.write_text("\n".join(lines) + "\n")
    return sweep


def content(root: Path) -> dict[str, bytes]:
    """Return name -> bytes of the files below *root*, without locks."""
    files = [path for path in root.rglob("*") if path.is_file() and path.name != ".claim"]
    return {str(path.relative_to(root)): path.read_bytes() for path in files}


def test_moved_run_keeps_everything(grid):
    """The new folder is planned, with the config and the log of test-set reads."""
    (paths,) = grid.runs.glob("*-bce-s0-*")
    before = content(paths)
    place = move_earlier(grid, RunPaths(paths))
    old, new = content(place.root), content(paths)
    add_checkpoints(paths, "last.pt").result.write_text("{}")
    second = move_earlier(grid, RunPaths(paths))

    assert place.root == grid.root / "earlier" / f"{paths.name}-1"
    assert old == before
    assert new == {name: before[name] for name in ("config.yaml", "test_reads.csv")}
    assert second.root.name == f"{paths.name}-2"
    assert RunPaths(paths).status() == "planned"
    assert len(read_all(grid.root).runs) == 4


def test_old_checkpoints_go_when_their_run_has_started_anew(grid):
    """Those of other runs stay, which have not; a repair keeps to that as well."""
    names = [path.name for path in sorted(grid.runs.glob("*-bce-*"))]
    places = [move_earlier(grid, add_checkpoints(grid.run(name).root)) for name in names]
    kept = [checkpoint_files(place) != [] for place in places]
    repair(grid)
    grid.run(names[0]).environment.write_text("{}")
    delete_earlier_checkpoints(grid.run(names[0]))
    there = [checkpoint_files(place) != [] for place in places]
    grid.run(names[1]).environment.write_text("{}")
    repair(grid)

    assert (kept, there) == ([True, True], [False, True])
    assert [checkpoint_files(place) for place in places] == [[], []]


def test_unfinished_run_is_not_moved(grid):
    """Nor a run that is being trained."""
    (paths,) = grid.runs.glob("*-dice-s1-*")
    with pytest.raises(StoreError, match="is not finished: only finished runs are repeated"):
        move_earlier(grid, RunPaths(paths))
    (other,) = grid.runs.glob("*-dice-s0-*")
    with claimed(other / ".claim"), pytest.raises(RunClaimedError, match="is being trained"):
        move_earlier(grid, RunPaths(other))

    assert len(list(grid.runs.glob("*/config.yaml"))) == 4


CHANGES = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate", "shutil.rmtree")


def killed_before_change(number: int, action) -> bool:
    """Run *action* in a fork killed before its change *number*; False if it completed."""
    child = os.fork()
    if child == 0:
        seen = [0]

        def count(event: str, arguments: tuple[object, ...]) -> None:
            writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & os.O_CREAT
            if event in CHANGES or writes:
                if seen[0] == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                seen[0] += 1

        sys.addaudithook(count)
        try:
            action()
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


def rounds(tmp_path: Path, grid: SweepPaths):
    """Yield (number, a new copy of the sweep), up to 200 times."""
    import shutil

    for number in range(200):
        copy = SweepPaths(tmp_path / f"copy {number}")
        shutil.copytree(grid.root, copy.root)
        yield number, copy
    pytest.fail("the action never completed")


@pytest.mark.slow
def test_kill_while_moving_leaves_the_old_run_or_a_clean_new_one(grid, tmp_path):
    """A kill before each change on the disk in turn; the log of reads is never lost."""
    (name,) = (path.name for path in grid.runs.glob("*-bce-s0-*"))
    whole = content(grid.runs / name)
    states = []
    for number, copy in rounds(tmp_path, grid):
        paths = copy.run(name)
        killed = killed_before_change(number, lambda c=copy, p=paths: move_earlier(c, p))
        reads = [path.read_text() for path in copy.root.rglob("test_reads.csv")]
        repair(copy)
        states.append(paths.status())
        if states[-1] == "finished":
            assert content(paths.root) == whole
        else:
            assert content(paths.root) == {k: whole[k] for k in ("config.yaml", "test_reads.csv")}
            old = content(copy.root / "earlier" / f"{name}-1")
            assert old == whole
        assert READS in reads
        assert not list((copy.root / "earlier").glob(".*"))
        if not killed:
            break

    assert len(states) > 8
    assert states == sorted(states)
    assert {*states} == {"finished", "planned"}


def remove_cells(sweep: SweepPaths, *cells: str) -> None:
    """Delete all runs of *cells*."""
    found = runs_by_cell(sweep)
    remove_runs(sweep, [run for cell in cells for run in found[cell]])


def test_reads_are_merged_if_the_run_was_planned_before_a_repair(grid):
    """After a kill between the renames, the run was planned again and read the test set."""
    (paths,) = map(RunPaths, grid.runs.glob("*-bce-s0-*"))
    fresh = grid.root / "earlier" / f".new-{paths.root.name}"
    fresh.mkdir(parents=True)
    (fresh / "test_reads.csv").write_text(READS)
    paths.test_reads.write_text(READS.replace("01-01", "02-02"))
    move_earlier(grid, paths)

    assert [row["time"] for row in rows_of(paths.test_reads)] == ["2026-01-01", "2026-02-02"]


def test_cells_have_the_names_of_the_tables(grid, frozen, write_run):
    """Further keys follow an at sign; a run without config belongs to its cell in the plan."""
    write_run(grid.root, frozen(seed=7, trainer__epochs=80))
    write_run(grid.root, frozen(kind="trial", seed=8, optimizer__lr=0.1))
    (broken,) = grid.runs.glob("*-dice-s0-*")
    (broken / "config.yaml").unlink()
    found = {cell: len(runs) for cell, runs in runs_by_cell(grid).items()}

    assert found == {
        "unet2/bce@trainer.epochs=40": 3,
        "unet2/bce@trainer.epochs=80": 1,
        "unet2/dice@trainer.epochs=40": 1,
        "unet2/dice": 1,
    }


def test_removing_a_cell_deletes_its_runs_and_plan_rows(grid):
    """Finished or not; nothing else changes."""
    others = {path.name: content(path) for path in grid.runs.glob("*-bce-*")}
    remove_cells(grid, "unet2/dice")

    assert {path.name: content(path) for path in grid.runs.iterdir()} == others
    assert [row["loss"] for row in rows_of(grid.plan)] == ["bce"] * 4
    assert not list(grid.root.glob(".removed"))


def test_nothing_is_removed_under_a_live_command(grid):
    """Neither while a command holds the sweep nor while one of the runs is trained."""
    (trained,) = grid.runs.glob("*-dice-s1-*")
    with SweepLock(grid.lock), pytest.raises(SweepLockedError, match=f"pid {os.getpid()}"):
        remove_cells(grid, "unet2/bce")
    with SweepLock(grid.lock), pytest.raises(SweepLockedError, match=f"pid {os.getpid()}"):
        remove_sweep(grid)
    with claimed(trained / ".claim"):
        with pytest.raises(RunClaimedError, match=trained.name):
            remove_cells(grid, "unet2/bce", "unet2/dice")
        with pytest.raises(RunClaimedError, match=trained.name):
            remove_sweep(grid)
        before = len(list(grid.runs.iterdir()))
        remove_cells(grid, "unet2/bce")

    assert before == 4
    assert len(list(grid.runs.iterdir())) == 2


def test_pictures_go_with_their_sweep(grid):
    """A picture and one left half-written by a kill are deleted; a file of the user's stays."""
    picture = picture_path(grid, "0123456789abcdef", (64, 96), 3, "IMD002")
    picture.parent.mkdir(parents=True)
    left = picture.with_name(f".{picture.name}.12-34.tmp")
    for file in (picture, left):
        file.write_bytes(b"x")
    mine = grid.images / "mine.jpg"
    mine.write_bytes(b"x")
    kept = remove_sweep(grid)
    mine_only = list(grid.images.iterdir())
    mine.unlink()

    assert kept == [grid.images]
    assert mine_only == [mine]


def test_records_of_trackers_go_with_their_runs(grid):
    """Those of other runs stay; with the sweep all go, except MLflow's database."""
    runs = [path.name for path in grid.runs.iterdir()]
    for name in runs:
        folder = f"offline-run-20260101_120000-{name[-12:]}-main"
        for place in (grid.tensorboard / name, grid.wandb / folder):
            place.mkdir(parents=True)
            (place / "events").write_bytes(b"x")
    grid.mlflow.write_bytes(b"x")
    remove_cells(grid, "unet2/bce")
    stay = {path.name for path in grid.runs.iterdir()}
    events = {path.name for path in grid.tensorboard.iterdir()}
    ids = {path.name.split("-")[3] for path in grid.wandb.iterdir()}

    assert 0 < len(stay) < len(runs)
    assert events == stay
    assert ids == {name[-12:] for name in stay}
    assert remove_sweep(grid) == []
    assert grid.mlflow.exists()


def test_removing_creates_no_sweep(tmp_path):
    """A wrong name creates no folder."""
    with pytest.raises(StoreError, match="no sweep in"):
        remove_runs(SweepPaths(tmp_path / "none"), [])
    with pytest.raises(StoreError, match="no sweep in"):
        remove_sweep(SweepPaths(tmp_path / "none"))

    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_only_looks_like_a_sweep_is_left_alone(tmp_path):
    """A project with a folder `runs/` and a results.csv of its own is no sweep."""
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    (tmp_path / "results.csv").write_text("a\n1\n")
    before = snapshot(tmp_path)
    with pytest.raises(StoreError, match="no sweep in"):
        remove_sweep(SweepPaths(tmp_path))

    assert snapshot(tmp_path) == before


def test_a_removed_sweep_leaves_only_what_others_wrote(grid):
    """Runs, earlier runs, tables and locks go; a note of the user stays, and its folder."""
    (finished_run,) = grid.runs.glob("*-bce-s0-*")
    move_earlier(grid, RunPaths(finished_run))
    for path in (grid.results, grid.page, grid.root / "search.db"):
        path.touch()
    (grid.root / "notes.txt").write_text("mine")
    left = remove_sweep(grid)
    (grid.root / "notes.txt").unlink()

    assert left == [grid.root / "notes.txt"]
    assert list(grid.root.iterdir()) == []


@pytest.mark.slow
def test_kill_while_removing_a_sweep(grid, tmp_path):
    """A kill before each change in turn: the same command completes the removal."""
    for number, copy in rounds(tmp_path, grid):
        killed = killed_before_change(number, lambda c=copy: remove_sweep(c))
        if not killed:
            break
        if is_sweep(copy.root):
            remove_sweep(copy)
        rest = {path.name for path in copy.root.iterdir()} if copy.root.exists() else set()
        assert rest <= {"lock", ".plan.lock"}

    assert number > 10


@pytest.mark.slow
def test_kill_while_removing_leaves_whole_runs(grid, tmp_path):
    """A kill before each change in turn: the rest is whole, the same command completes it."""
    whole = {path.name: content(path) for path in grid.runs.iterdir()}
    counts = set()
    for number, copy in rounds(tmp_path, grid):
        action = lambda c=copy: remove_cells(c, "unet2/dice")  # noqa: E731
        killed = killed_before_change(number, action)
        runs = {path.name: content(path) for path in copy.runs.iterdir()}
        counts.add(len(runs))
        planned = {row["folder"] for row in rows_of(copy.plan)}

        assert all(whole[name] == files for name, files in runs.items())
        assert planned <= {*runs}
        if not killed:
            break
        if len(runs) > 2:
            remove_cells(copy, "unet2/dice")
        repair(copy)
        assert {path.name[:9] for path in copy.runs.iterdir()} == {"unet2-bce"}
        assert not (copy.root / ".removed").exists()

    assert counts == {4, 3, 2}
    assert number > 10


def test_nothing_to_repair_changes_nothing(grid):
    """Every command starts with a repair."""
    move_earlier(grid, RunPaths(next(iter(grid.runs.glob("*-bce-s0-*")))))
    times = {path: path.stat().st_mtime_ns for path in grid.root.rglob("*")}
    time.sleep(0.01)
    repair(grid)

    assert {path: path.stat().st_mtime_ns for path in grid.root.rglob("*")} == times
