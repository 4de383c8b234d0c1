"""In large sweeps the work per run does not grow with the number of runs: counted, not timed."""

from types import SimpleNamespace

import pytest

from counted import Looked, instructions
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.plan import PLAN, add_to_plan
from segsweep.store.records import add_test_read, read_rows
from segsweep.store.run_cache import RunCache
from segsweep.sweep import housekeeping, session
from segsweep.sweep.places.live_view import EXACT, View
from segsweep.sweep.planning.print_plan import _row
from segsweep.sweep.processes.pool import Pool, Task
from segsweep.sweep.processes.slots import Slot
from segsweep.sweep.select import select_runs

FEW, MANY = 200, 2000
LINEAR = 11.0
"""Times the work for ten times the runs, logarithms included."""


def test_adding_a_task_does_not_sort_all_waiting_ones():
    """Adding ten times the tasks is ten times the work."""

    def added(count):
        pool = Pool([Slot(0, 1)])
        for number in range(count):
            pool.add(Task(f"{number}", print, (), seconds=number % 7))

    assert instructions(added, MANY) / instructions(added, FEW) < LINEAR


def test_longest_task_waits_in_front_and_equals_in_their_order():
    """The longest task first, equal ones in the order of adding."""
    pool = Pool([])
    for name, seconds in (("a", 1.0), ("b", 3.0), ("c", 3.0), ("d", 2.0), ("e", 3.0)):
        pool.add(Task(name, print, (), seconds=seconds))
    order = [task.name for _, _, task in sorted(pool._waiting)]

    assert order == ["b", "c", "e", "d", "a"]


def test_line_of_an_ended_run_does_not_look_at_all_waiting_ones(capsys):
    """The time left in that line is the same work with ten times the waiting runs."""

    def work(count):
        names = {f"unet2-bce-s{number}-id": "unet2/bce" for number in range(count)}
        view = View("demo", dict.fromkeys(names, 60.0), 2, names)
        first = next(iter(names))

        def ends():
            view.run_started(first, 0)
            view.run_ended(first, "finished", 0.5)

        return instructions(ends)

    assert work(20 * EXACT) < 1.1 * work(2 * EXACT)


def test_time_left_of_many_runs_is_that_of_their_sum(capsys):
    """By hand: 3,000 runs of 60 s in two slots take 25 hours, also after a retry."""
    names = {f"unet2-bce-s{number}-id": "unet2/bce" for number in range(3 * EXACT)}
    view = View("demo", dict.fromkeys(names, 60.0), 2, names)
    before = view.seconds_left()
    first = next(iter(names))
    view.run_started(first, 0)
    view.run_retried(first, "killed by SIGKILL")

    assert (before, view.seconds_left()) == (90_000.0, 90_000.0)


def row(number, request="search"):
    """Return a row of a plan."""
    values = {"run_id": f"{number:012x}", "folder": f"m-l-s0-{number:012x}", "request": request}
    return {**dict.fromkeys(PLAN, ""), **values}


def test_a_search_adds_run_by_run_to_a_long_plan(tmp_path):
    """Adding a run is as much work after two thousand as after two hundred; no row is lost."""

    def added(count):
        sweep = SweepPaths(tmp_path / str(count))
        sweep.root.mkdir()
        add_to_plan(sweep, [row(number) for number in range(count)])
        work = instructions(add_to_plan, sweep, [row(count)])
        add_to_plan(sweep, [row(0), row(count)])
        assert [one["run_id"] for one in read_rows(sweep.plan)] == [
            row(number)["run_id"] for number in range(count + 1)
        ]
        return work

    assert added(MANY) < 1.1 * added(FEW)


def test_truncated_plan_is_repaired(tmp_path):
    """After a kill in the middle of a row, that row is ignored and the next one is separate."""
    sweep = SweepPaths(tmp_path)
    add_to_plan(sweep, [row(0), row(1)])
    sweep.plan.write_bytes(sweep.plan.read_bytes()[:-5])
    add_to_plan(sweep, [row(2)])

    assert [one["run_id"] for one in read_rows(sweep.plan)] == [
        row(0)["run_id"],
        row(2)["run_id"],
    ]


def test_plan_with_the_columns_of_an_early_version_is_rewritten(tmp_path):
    """Its rows get today's columns; new ones are empty."""
    sweep = SweepPaths(tmp_path)
    sweep.plan.write_text("run_id,kind,folder,requested_at,request\na,run,m-l-s0-a,now,x\n")
    add_to_plan(sweep, [row(2)])

    assert sweep.plan.read_text().splitlines()[0] == ",".join(PLAN)
    assert [one["folder"] for one in read_rows(sweep.plan)] == ["m-l-s0-a", row(2)["folder"]]


@pytest.mark.parametrize("small_disk", [1], indirect=True)
def test_full_disk_leaves_the_plan_as_it_was(small_disk):
    """No truncated row: the old plan stays complete."""
    sweep = SweepPaths(small_disk)
    add_to_plan(sweep, [row(0)])
    before = sweep.plan.read_bytes()
    with pytest.raises(OSError, match="No space left"):
        add_to_plan(sweep, [row(number, "x" * 1000) for number in range(1, 3000)])

    assert sweep.plan.read_bytes() == before


def test_a_test_read_does_not_list_earlier_runs(tmp_path):
    """The same work with two thousand runs in `earlier/` as with none; its repeats are known."""

    def work(count):
        paths = RunPaths(tmp_path / str(count) / "runs" / "m-l-s0-a")
        paths.root.mkdir(parents=True)
        for number in range(count):
            (paths.root.parents[1] / "earlier" / f"m-l-s{number}-b-1").mkdir(parents=True)
        (paths.root.parents[1] / "earlier" / f"{paths.root.name}-1").mkdir(parents=True)
        looks = instructions(add_test_read, paths, "now", 5)
        (only,) = read_rows(paths.test_reads)
        assert only["reason"] == "the run was done again"
        return looks

    assert work(MANY) == work(0)


def test_cells_to_remove_are_looked_up_together(tmp_path, frozen, write_run, monkeypatch):
    """For three cells the tables are read once."""
    for loss in ("bce", "dice", "focal"):
        write_run(tmp_path, frozen(f"loss={loss}"))
    reads = Looked()
    read_all = housekeeping.read_all
    monkeypatch.setattr(
        housekeeping, "read_all", lambda *a, **k: reads.append(1) or read_all(*a, **k)
    )
    cells = housekeeping.runs_by_cell(SweepPaths(tmp_path))
    found = select_runs(cells, ["unet2/bce", "unet2/dice", "unet2/focal"], "mine")

    assert [len(runs) for runs in found.values()] == [1, 1, 1]
    assert len(reads) == 1


def test_rows_of_the_plan_share_what_is_to_do():
    """With a cell per run, a row of the plan looks only at its own runs."""

    def work(count):
        names = [f"r{number}" for number in range(count)]
        states, todo = dict.fromkeys(names, "planned"), {*names}
        for name in names:
            _row("m/l", [SimpleNamespace(name=name)], states, todo, {})

    assert instructions(work, MANY) / instructions(work, FEW) < LINEAR


def test_one_refresher_per_command(tmp_path):
    """A search launches run by run; each launch must know when the tables were last written."""
    current = session.Session(run_cache=RunCache())
    sweep = SweepPaths(tmp_path)

    assert current.refresher_of(sweep) is current.refresher_of(sweep)
