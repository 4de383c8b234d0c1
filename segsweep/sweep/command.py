"""One command over many runs: plan them, try a step of each kind, freeze them, launch the rest.

The same command starts, resumes, repairs and extends a sweep: what is finished is left alone,
everything else that it asks for is carried out.
"""

import gc
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig

from segsweep import __version__
from segsweep.config.cells import differing_in_one_key
from segsweep.errors import ConfigError
from segsweep.plugins.callback import check_one_sweep
from segsweep.store.outcome import NAN, Outcome, failed_outcome, finished_outcome
from segsweep.store.paths import SweepPaths
from segsweep.store.records import read_rows, readable_configs
from segsweep.sweep import session
from segsweep.sweep.housekeeping import keep_checkpoints, mend, move_earlier
from segsweep.sweep.places.local import Here
from segsweep.sweep.planning.budget import Cost
from segsweep.sweep.planning.compose import Composer, expand
from segsweep.sweep.planning.plan import Planned, check_without_data, freeze, plan_checked, sweep_of
from segsweep.sweep.planning.preflight import print_plan, sweep_threads
from segsweep.sweep.processes.slots import Slot
from segsweep.system.files import has_content, read_json

T = TypeVar("T")
R = TypeVar("R")
NOT_AGAIN = "(not tried again: retry_failed=false)"


@dataclass(frozen=True)
class Sorted:
    """The runs that a command asks for, by what is to be done with them."""

    done: list[Planned]
    """Finished before."""
    todo: list[Planned]
    """New, interrupted, or failed and tried again."""
    again: list[Planned]
    """Of those to do: finished ones that the command asks for once more."""
    left: list[Planned]
    """Failed before, and not to be tried again."""
    states: Mapping[str, str]
    """Name -> status before the command."""


class Place(Protocol):
    """Where runs are carried out."""

    def threads(self, todo: Sequence[Planned]) -> int:
        """Return the CPU threads that pay off for each run there; 0: the place decides."""

    def prepare(self, todo: Sequence[Planned]) -> tuple[list[Slot], dict[str, Cost]]:
        """Return the slots and what each run costs, by name, where that can be known."""

    def launch(
        self, work: Sorted, slots: Sequence[Slot], costs: Mapping[str, Cost]
    ) -> list[Outcome]:
        """Carry out the runs to do; return how they ended."""


def carry_out(
    arguments: Sequence[str], params: Mapping[str, str], launcher: Launcher, config: DictConfig
) -> None:
    """Carry out a `-m` command; how its runs ended stands in the session.

    Raises ConfigError, DataError or SweepLockedError before anything is started, Ended where
    something ends a command midway, KeyboardInterrupt when it was asked to stop.
    """
    from segsweep.plugins.launcher import SegsweepLauncher
    from segsweep.sweep.processes.pool import start_server

    here = isinstance(launcher, SegsweepLauncher)
    if here and not config.plan and not _seems_finished(config):
        start_server()  # it imports while we compose
    check_one_sweep(arguments)
    words = list(config.hydra.overrides.hydra)
    gc.freeze()  # what is imported stays: looking through it again takes a tenth of the planning
    planned = plan_all([[*words, *run] for run in expand(arguments, params)])
    current = session.current
    current.sweep, current.planned = sweep_of(planned[0].config), planned
    work = sort_out(planned)
    current.only_plan = planned[0].command["plan"]
    announce(planned, work)
    current.outcomes += carry_out_work(work, Here() if here else _elsewhere(launcher, config))


def _elsewhere(launcher: Launcher, config: DictConfig) -> Place:
    from segsweep.sweep.places.hydra_launchers import Elsewhere

    return Elsewhere(launcher, config.hydra.launcher)


def _seems_finished(config: DictConfig) -> bool:
    """Whether all that was ever asked for in this sweep is finished: then perhaps all is."""
    sweep = SweepPaths(Path(config.outputs) / config.sweep)
    folders = {row["folder"] for row in read_rows(sweep.plan)}
    return bool(folders) and all(sweep.run(folder).result.exists() for folder in folders)


def carry_out_batch(planned: Sequence[Planned]) -> list[float]:
    """Carry out what another sweeper asks for next; return validation IoUs, NaN for failures."""
    current = session.current
    current.sweep = current.sweep or sweep_of(planned[0].config)
    outcomes = carry_out_work(sort_out(planned), Here())
    current.outcomes += outcomes
    values = {outcome.run: outcome.value for outcome in outcomes}
    return [values.get(run.name, NAN) for run in planned]


def plan_all(runs: Sequence[Sequence[str]]) -> list[Planned]:
    """Compose and check every run; raise ConfigError naming the cells that do not fit.

    First all of them without images: a typing error does not wait for their decoding.
    """
    composer = Composer()
    configs = _for_each(runs, runs, lambda words: check_without_data(*composer.composed(words)))
    planned: dict[str, Planned] = {}
    for run in _for_each(runs, configs, plan_checked):
        planned.setdefault(run.name, run)
    return list(planned.values())


def _for_each(
    runs: Sequence[Sequence[str]], items: Sequence[T], function: Callable[[T], R]
) -> list[R]:
    """Return what *function* makes of each run's item; raise ConfigError naming all misfits."""
    from segsweep.sweep.planning.hydra_errors import one_line

    results: list[R] = []
    misfits: dict[str, list[str]] = {}
    fixed = set.intersection(*map(set, runs)) if len(runs) > 1 else set()
    for overrides, item in zip(runs, items, strict=True):
        try:
            results.append(function(item))
        except Exception as error:
            if len(runs) == 1:
                raise
            cell = " ".join(word for word in overrides if word not in fixed)
            for line in one_line(error, overrides).splitlines():
                misfits.setdefault(line, []).append(cell)
    _raise_misfits(misfits, len(runs))
    return results


def sort_out(planned: Sequence[Planned]) -> Sorted:
    """Look at what is there and return what is to be done."""
    command = planned[0].command
    states = {run.name: run.paths.status() for run in planned}
    again = [
        run
        for run in planned
        if states[run.name] == "finished" and _is_asked_again(run, command["rerun"])
    ]
    names = {run.name for run in again}
    done = [run for run in planned if states[run.name] == "finished" and run.name not in names]
    left = [run for run in planned if states[run.name] == "failed" and not command["retry_failed"]]
    names = {run.name for run in (*done, *left)}
    todo = [run for run in planned if run.name not in names]
    return Sorted(done, todo, again, left, states)


def carry_out_work(work: Sorted, place: Place) -> list[Outcome]:
    """Carry out what is to do; return how all asked-for runs ended, none for a mere plan."""
    current, before = session.current, outcomes_before(work)
    assert current.sweep is not None
    slots: list[Slot] = []
    costs: dict[str, Cost] = {}
    if work.todo:
        if not current.only_plan:
            current.hold(current.sweep)
        _fix_threads(work, current.sweep, place)
        slots, costs = place.prepare(work.todo)
    if current.only_plan:
        if work.todo:
            freeze(current.planned, current.request)
        print_plan(work, costs, slots)
        return []
    if not work.todo:
        if lost := [run for run in work.done if not has_content(run.paths.config)]:
            current.hold(current.sweep)
            freeze(lost, current.request)
        return before
    freeze_all(work)
    return [*before, *place.launch(work, slots, costs)]


def _fix_threads(work: Sorted, sweep: SweepPaths, place: Place) -> None:
    """Give each run its CPU threads: those of the sweep's earlier runs, else what pays off.

    They stay, whatever runs beside it later: sums over other threads round differently.
    """
    threads = sweep_threads(sweep) or place.threads(work.todo)
    for run in (*work.todo, *work.left):
        run.config["threads"] = run.config["threads"] or threads


def freeze_all(work: Sorted) -> None:
    """Put aside what is to be done again, then write the configs of all that is to do."""
    current = session.current
    assert current.sweep is not None
    mend(current.sweep)
    for run in work.again:
        move_earlier(current.sweep, run.paths)
    for run in work.done:
        _complete(run)
    freeze([*work.done, *work.left, *work.todo], current.request)


def _complete(run: Planned) -> None:
    """Do what a kill between a run's result and its end left undone."""
    run.paths.failure.unlink(missing_ok=True)
    if (run.paths.checkpoints / "last.pt").exists():
        config = next(readable_configs([run.paths]), {})
        keep_checkpoints(run.paths, config.get("keep", "both"))


def outcomes_before(work: Sorted) -> list[Outcome]:
    """Return the outcomes of runs that this command leaves alone."""
    finished = [one for run in work.done if (one := finished_outcome(run.paths)) is not None]
    left = [failed_outcome(run.paths) for run in work.left]
    return [*finished, *(replace(one, error=f"{one.error} {NOT_AGAIN}") for one in left)]


def announce(planned: Sequence[Planned], work: Sorted | None = None) -> None:
    """Say what will run, what is wrong with the data, and what one should know before."""
    from segsweep.config.check import split_config
    from segsweep.data.check import format_problems
    from segsweep.data.source import Problem
    from segsweep.data.split import crossing_groups, split_samples
    from segsweep.sweep.planning.plan import prepared_data

    found: dict[Any, None] = {}
    seen = set()
    for run in planned:
        data = str(run.config["data"])
        if data in seen:
            continue
        seen.add(data)
        prepared = prepared_data(run.config)
        parts = split_samples(prepared.samples, split_config(run.config))
        crossing = crossing_groups(prepared.samples, parts)
        found.update(dict.fromkeys(prepared.warnings))
        found.update(dict.fromkeys(Problem("warning", "split", line) for line in crossing))
    if found:
        print(format_problems(found), file=sys.stderr)
    work = work or sort_out(planned)
    if len(planned) > 1 or work.done:
        where = sweep_of(planned[0].config).root
        text = f"{len(planned)} runs in {where}: {len(work.done)} finished, {len(work.todo)} to do"
        print(text, file=sys.stderr)
    for line in (*_other_versions(work), *_changed_defaults(work)):
        print(line, file=sys.stderr)


def _is_asked_again(run: Planned, rerun: str) -> bool:
    return rerun == "all" or (rerun == "stale" and _version(run) != __version__)


def _version(run: Planned) -> str:
    return str((read_json(run.paths.result) or {}).get("version", ""))


def _other_versions(work: Sorted) -> list[str]:
    if not work.todo:
        return []
    others = [version for run in work.done if (version := _version(run)) != __version__]
    if not others:
        return []
    names = ", ".join(sorted(set(others)))
    return [f"{len(others)} finished by segsweep {names}; they stay, rerun=stale redoes them"]


def _changed_defaults(work: Sorted) -> list[str]:
    """Say where finished runs differ from new ones in one key: those are trained from scratch."""
    new = [run.config for run in work.todo if work.states[run.name] == "planned"]
    sweep = sweep_of(work.todo[0].config) if work.todo else None
    if not new or sweep is None or not sweep.runs.is_dir():
        return []
    asked = {run.name for run in (*work.done, *work.todo)}
    finished = [
        paths
        for paths in sweep.run_folders()
        if paths.root.name not in asked and paths.result.exists()
    ]
    others = list(readable_configs(finished))
    return [
        f"{count} finished runs differ only in {key} from runs to do, which start from scratch"
        for key, count in differing_in_one_key(new, others).items()
    ]


def _raise_misfits(misfits: dict[str, list[str]], total: int) -> None:
    """Raise one error: each different reason once, with the runs that have it."""
    lines = []
    for reason, cells in misfits.items():
        more = f" and {len(cells) - 3} more" if len(cells) > 3 else ""
        where = f" [in {'; '.join(cells[:3])}{more}]" if len(cells) < total else ""
        lines.append(reason + where)
    if lines:
        raise ConfigError("\n".join(lines))
