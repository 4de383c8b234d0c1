"""Prints what a command will do before its first run starts."""

import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from segsweep import __version__
from segsweep.config.cells import TILE, differing_in_one_key, flat_values, idle_keys
from segsweep.config.truth import FOREGROUND, data_title, target_of
from segsweep.data.check import format_problems
from segsweep.data.parts import crossing_warnings
from segsweep.data.source import Problem
from segsweep.data.split import split_samples
from segsweep.store.paths import SweepPaths
from segsweep.store.records import readable_configs
from segsweep.store.states import Status
from segsweep.sweep.planning.plan import PlannedRun, sweep_of
from segsweep.sweep.planning.work import Work, version_of, work_for
from segsweep.system.files import resolved
from segsweep.system.names import plural
from segsweep.training.dataset import prepared_data


def announce(
    planned: Sequence[PlannedRun], work: Work | None = None, words: Sequence[str] = ()
) -> None:
    """Print problems of the data, what will run, and what differs from earlier runs.

    *words* are those of the command.
    """
    announce_data(planned)
    work = work or work_for(planned)
    if len(planned) > 1 or work.finished:
        where = sweep_of(planned[0].config).root
        text = (
            f"{plural(len(planned), 'run')} in {where}: {len(work.finished)} finished, "
            f"{len(work.todo)} to do"
        )
        print(text, file=sys.stderr)
    notes = _other_versions(work), _changed_defaults(work)
    for line in (*idle_words(planned, words), *work.lines(), *chain(*notes)):
        print(line, file=sys.stderr)
    announce_race(sweep_of(planned[0].config))


def announce_race(sweep: SweepPaths) -> None:
    """Tell a command without a race if the sweep holds one."""
    if sweep.race.exists():
        print(
            f"{sweep.race.name}: this sweep holds a race; runs of other commands leave what it "
            "claims as it is",
            file=sys.stderr,
        )


def announce_data(planned: Sequence[PlannedRun]) -> None:
    """Print problems of the data, and what they are."""
    found: dict[Problem, None] = {}
    by_data = list({str(run.config.data): run for run in planned}.values())
    for run in by_data:
        prepared = prepared_data(run.config)
        parts = split_samples(prepared.samples, run.config.data.split)
        found.update(dict.fromkeys(prepared.warnings))
        found.update(dict.fromkeys(crossing_warnings(prepared.samples, parts)))
    if found:
        cache = resolved(Path(planned[0].config.outputs, ".cache"))
        print(format_problems(found, cache), file=sys.stderr)
    titles = dict.fromkeys(_title(run) for run in by_data)
    print(f"data: {'; '.join(titles)}", file=sys.stderr)


def _title(run: PlannedRun) -> str:
    """Return what data a run is trained on, with its target if it is not the usual one."""
    target = target_of(run.config.data.source).split(", ")
    rules = [word for word in target if word != FOREGROUND]
    return ", ".join([data_title(flat_values(run.config.values)), *rules])


def idle_words(planned: Sequence[PlannedRun], words: Sequence[str]) -> list[str]:
    """Return a line per key of the command that has no effect in any of its runs."""
    given = {word.partition("=")[0].lstrip("+") for word in words}
    tiles = {str(run.config.data.tile): run.config.data.tile for run in planned}
    idle = [idle_keys({TILE: tile}) for tile in tiles.values()]
    without = sorted(key for key in given if all(key in keys for keys in idle))
    tiled = planned[0].config.data.tile is not None
    why = "images keep their own size beside data.tile" if tiled else "it needs data.tile"
    return [f"{key}: has no effect; {why}" for key in without]


def _other_versions(work: Work) -> list[str]:
    if not work.todo:
        return []
    others = [version for run in work.finished if (version := version_of(run)) != __version__]
    if not others:
        return []
    names = ", ".join(sorted(set(others)))
    kept, them = ("is kept", "it") if len(others) == 1 else ("are kept", "them")
    return [f"{len(others)} finished by segsweep {names} {kept}; rerun=stale trains {them} again"]


def _changed_defaults(work: Work) -> list[str]:
    """Return a line per key that alone distinguishes finished runs from new ones."""
    new = [run.config.values for run in work.todo if work.states[run.name] == Status.PLANNED]
    sweep = sweep_of(work.todo[0].config) if work.todo else None
    if not new or sweep is None or not sweep.runs.is_dir():
        return []
    asked = {run.name for run in (*work.finished, *work.todo)}
    finished = [
        paths
        for paths in sweep.run_folders()
        if paths.root.name not in asked and paths.result.exists()
    ]
    others = [config.values for config in readable_configs(finished)]
    return [
        f"{plural(count, 'finished run')} {'differs' if count == 1 else 'differ'} only in {key} "
        "from runs to do, which start from scratch"
        for key, count in differing_in_one_key(new, others).items()
    ]
