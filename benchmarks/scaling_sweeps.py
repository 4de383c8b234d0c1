"""The operations of `scaling.py` that touch every run: plan, launch, show, tables, report."""

import csv
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from scaling_operation import Operation, Work

import report as made_up
from segsweep.config.cells import differing_in_one_key
from segsweep.config.run_config import FrozenConfig
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.plan import PLAN, add_to_plan
from segsweep.store.records import add_test_read
from segsweep.store.retention import CheckpointCap
from segsweep.store.run_cache import RunCache
from segsweep.store.states import Status
from segsweep.store.tables import read_all
from segsweep.sweep.planning.plan import PlannedRun, cell_by_run, freeze
from segsweep.sweep.planning.work import Work as Sorted
from segsweep.sweep.planning.work import work_for

RUNS = 10_000
"""Run folders made up at most: each has six files."""
known_cells = cache(made_up.cells)


def planned(folder: Path, count: int) -> list[PlannedRun]:
    """Return runs of 20 cells, as a command plans them; nothing is written."""
    cells = known_cells(min(20, max(1, count // 5)))
    runs = []
    for number in range(count):
        config = {**cells[number % len(cells)], "seed": number // len(cells)}
        config |= {"run_id": f"{number:012x}", "outputs": str(folder), "sweep": "s"}
        paths = SweepPaths(folder / "s").run(made_up._name(config))
        runs.append(PlannedRun(FrozenConfig.of(config), paths))
    return runs


def sweep_of(folder: Path, count: int) -> SweepPaths:
    """Write a sweep of finished runs; its page and tables are not there yet."""
    made_up.write_sweep(folder / "s", known_cells(min(20, max(1, count // 5))), count)
    for number, run in enumerate((folder / "s/runs").iterdir()):
        write(run / "test_reads.csv", [("2026-01-01T10:04:00+0000", "", 50)], "time,reason,images")
        if number == 0:
            write(
                run / "split.csv",
                [(f"{part}{i}", "", part) for part in ("val", "test") for i in range(50)],
                "id,group,split",
            )
    return SweepPaths(folder / "s")


def write(path: Path, rows: Sequence[Sequence[object]], header: str) -> None:
    """Write a CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header.split(","), *rows])


def compose(_: Path, count: int) -> Work:
    """Compose the configs of a command's runs."""
    from hydra import initialize_config_dir

    from segsweep.plugins.register import register_schema
    from segsweep.sweep.planning.compose import Composer
    from segsweep.system.installation import conf_folder

    register_schema()

    def work() -> None:
        with initialize_config_dir(str(conf_folder()), job_name="benchmark"):
            composer = Composer()
            for seed in range(count):
                composer.composed([f"seed={seed}", f"loss={('bce', 'dice')[seed % 2]}"])

    return work


def cells(folder: Path, count: int) -> Work:
    """Name the cell of each run."""
    return partial(cell_by_run, planned(folder, count))


def first_freeze(folder: Path, count: int) -> Work:
    """Write the configs and the plan."""
    return partial(freeze, planned(folder, count), "x")


def second_freeze(folder: Path, count: int) -> Work:
    """Find all of them there."""
    runs = planned(folder, count)
    freeze(runs, "x")
    return partial(freeze, runs, "x")


def plan_one_by_one(folder: Path, count: int) -> Work:
    """Add every run to the plan by itself, as a search does."""
    sweep, rest = SweepPaths(folder), dict.fromkeys(PLAN, "")
    rows = [{**rest, "run_id": f"{number:012x}", "request": "x"} for number in range(count)]
    return lambda: [add_to_plan(sweep, [row]) for row in rows]


def sorted_out(folder: Path, count: int) -> Work:
    """See what is finished."""
    runs = planned(folder, count)
    freeze(runs, "x")
    return partial(work_for, runs)


def changed_defaults(folder: Path, count: int) -> Work:
    """Compare new runs with as many finished ones, key by key."""
    old = [run.config.values for run in planned(folder, count)]
    new = [{**one, "trainer": {**one["trainer"], "epochs": 7}} for one in old]
    return partial(differing_in_one_key, new, old)


def plan_table(folder: Path, count: int) -> Work:
    """Print a plan whose runs are a cell each."""
    from segsweep.sweep.planning.print_plan import print_plan

    runs = planned(folder, count)
    runs = [
        PlannedRun(run.config.with_values({"threshold": number + 0.5}), run.paths)
        for number, run in enumerate(runs)
    ]
    work = Sorted([], runs, [], [], dict.fromkeys((run.name for run in runs), Status.PLANNED))
    return lambda: print_plan(work, {}, [])


def pool(_: Path, count: int) -> Work:
    """Hand tasks to the slots; none is started."""
    from segsweep.sweep.processes.pool import Pool, Task

    tasks = [Task(f"{number}", print, (), seconds=number % 7) for number in range(count)]
    waiting = Pool([])
    return lambda: [waiting.add(task) for task in tasks]


def view(_: Path, count: int) -> Work:
    """Show each run begin and end."""
    from segsweep.sweep.places.live_view import View

    names = [f"unet2-bce-s{number}-id" for number in range(count)]
    shown = View("demo", dict.fromkeys(names, 60.0), 2, dict.fromkeys(names, "unet2/bce"))

    def work() -> None:
        for name in names:
            shown.run_started(name, 0)
            shown.run_ended(name, "finished", 0.5)

    return work


def launched_again(folder: Path, count: int) -> Work:
    """Launch jobs of which none leaves a result, twice."""
    from segsweep.sweep.places.hydra_launchers import _launch_until_done

    launcher: Any = SimpleNamespace(launch=lambda words, start: None)
    runs = planned(folder, count)
    for run in runs:
        run.paths.root.mkdir(parents=True)
    return partial(_launch_until_done, launcher, False, runs)


def test_reads(folder: Path, count: int) -> Work:
    """Note every run's reading of the test set where all were done before."""
    runs = [RunPaths(folder / "runs" / f"m-l-s{number}-a") for number in range(count)]
    for paths in runs:
        paths.root.mkdir(parents=True)
        (folder / "earlier" / f"{paths.root.name}-1").mkdir(parents=True)
    return lambda: [add_test_read(paths, "now", 5) for paths in runs]


def moved(folder: Path, count: int) -> Work:
    """Put every finished run aside and plan it again."""
    from segsweep.sweep.housekeeping import move_earlier, repair

    sweep = sweep_of(folder, count)

    def work() -> None:
        for paths in sweep.run_folders():
            move_earlier(sweep, paths)
        repair(sweep)

    return work


def capped(folder: Path, count: int) -> Work:
    """Bound what checkpoints take."""
    sweep = sweep_of(folder, count)
    return lambda: CheckpointCap(sweep, 1.0)


def with_sweep(function: Callable[[SweepPaths], object]) -> Callable[[Path, int], Work]:
    """Do *function* on a finished sweep."""
    return lambda folder, count: partial(function, sweep_of(folder, count))


def with_tables(function: Callable[[Any], object]) -> Callable[[Path, int], Work]:
    """Do *function* on its tables."""
    return lambda folder, count: partial(function, read_all(sweep_of(folder, count).root))


def read_again(folder: Path, count: int) -> Work:
    """Build the tables of runs that were read before."""
    sweep, cache = sweep_of(folder, count), RunCache()
    read_all(sweep.root, cache)
    return lambda: read_all(sweep.root, cache).per_image_text


def status(sweep: SweepPaths) -> object:
    """Say how far a sweep is."""
    from segsweep.sweep.status import sweep_status

    found = sweep_status(sweep.root)
    return found.counts, found.seconds_left(), found.unknown_pace()


def by_cell(sweep: SweepPaths) -> object:
    """List the runs of each cell."""
    from segsweep.sweep.housekeeping import runs_by_cell

    return runs_by_cell(sweep)


def records(tables: Any) -> object:
    """Read what run folders say beside the tables."""
    from segsweep.report.content import records as found

    readers = ("failures_of", "reads_of", "last_change", "machines_of", "commands_of")
    return [getattr(found, name)(tables) for name in readers], found.settings_of(tables)


def values(tables: Any) -> object:
    """Bring all runs to values that can be compared."""
    from segsweep.report.question import Asked, comparable, values_of_sweep

    return values_of_sweep(comparable(tables), Asked())


def whole_report(sweep: SweepPaths) -> object:
    """Write tables, answer and page."""
    from segsweep.report.write import write_report

    return write_report(sweep)


def cells_report(folder: Path, count: int) -> Work:
    """Write the report of so many cells with two seeds each: all their pairs are compared."""
    made_up.write_sweep(folder / "s", made_up.cells(count), 2 * count)
    return partial(whole_report, SweepPaths(folder / "s"))


SWEEPS = (
    Operation("compose", "runs", compose, RUNS),
    Operation("name cells", "runs", cells),
    Operation("freeze", "runs", first_freeze, RUNS),
    Operation("freeze again", "runs", second_freeze, RUNS),
    Operation("plan one by one", "runs", plan_one_by_one),
    Operation("sort out", "runs", sorted_out, RUNS),
    Operation("compare with finished runs", "runs", changed_defaults, RUNS),
    Operation("plan table, a cell per run", "runs", plan_table),
    Operation("pool", "runs", pool),
    Operation("live view", "runs", view),
    Operation("launch again", "runs", launched_again, RUNS),
    Operation("test reads", "runs", test_reads, RUNS),
    Operation("move earlier", "runs", moved, RUNS),
    Operation("cap checkpoints", "runs", capped, RUNS),
    Operation("read tables", "runs", with_sweep(lambda sweep: read_all(sweep.root)), RUNS),
    Operation("read tables again", "runs", read_again, RUNS),
    Operation("status", "runs", with_sweep(status), RUNS),
    Operation("runs by cell", "runs", with_sweep(by_cell), RUNS),
    Operation("records for the page", "runs", with_tables(records), RUNS),
    Operation("values to compare", "runs", with_tables(values), RUNS),
    Operation("history", "runs", with_tables(lambda tables: tables.history), RUNS),
    Operation("whole report", "runs", with_sweep(whole_report), RUNS),
    Operation("report of all pairs", "cells", cells_report, 300),
)
