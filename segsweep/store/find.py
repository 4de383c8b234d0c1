"""Sweeps and runs found by path, name or id."""

from pathlib import Path

from segsweep.errors import RunNotFoundError, SweepNotFoundError
from segsweep.store.paths import RunPaths, SweepPaths


def is_sweep(folder: Path) -> bool:
    """Whether *folder* looks like a sweep's."""
    sweep = SweepPaths(folder)
    return not folder.name.startswith(".") and (sweep.runs.is_dir() or sweep.plan.is_file())


def sweeps_in(outputs: Path) -> list[Path]:
    """Return the sweeps in a folder, by name."""
    found = sorted(outputs.iterdir()) if outputs.is_dir() else []
    return [folder for folder in found if is_sweep(folder)]


def find_sweep(sweep: str, outputs: Path, hint: str = "--outputs FOLDER looks elsewhere") -> Path:
    """Return a sweep's folder from its path, or from its name in *outputs*.

    Raises:
        SweepNotFoundError: there is no such sweep; the message lists those in *outputs*
            and ends with *hint*, what to do next.

    """
    from segsweep.config.validate import nearest

    for folder in (Path(sweep), outputs / sweep):
        if is_sweep(folder.absolute()):
            return folder
    names = [folder.name for folder in sweeps_in(outputs)]
    there = f"sweeps are {', '.join(names)}" if names else "there is none"
    raise SweepNotFoundError(
        f"{sweep}: no sweep there, nor in {outputs}; {there}; {hint}{nearest(sweep, names)}"
    )


def find_run(run: str, outputs: Path) -> RunPaths:
    """Return a run from its path, its folder's name, its id, or the start of its id.

    Raises:
        RunNotFoundError: no run in *outputs* fits, or several do.

    """
    if (Path(run) / "config.yaml").is_file():
        return RunPaths(Path(run).absolute())
    found = [paths for folder in sweeps_in(outputs) for paths in runs_named(run, folder)]
    if not found:
        raise RunNotFoundError(
            f"{run}: no run of that id, name or path in {outputs}; `segsweep runs SWEEP` lists them"
        )
    return RunPaths(only_run(run, found).root.absolute())


def runs_named(run: str, sweep: Path) -> list[RunPaths]:
    """Return the runs of a sweep's folder that *run* may mean: a path, a name, or an id's start."""
    if not run:
        return []
    return [
        paths
        for paths in SweepPaths(sweep).run_folders()
        if run in (paths.root.name, str(paths.root)) or _id(paths).startswith(run)
    ]


def only_run(run: str, found: list[RunPaths]) -> RunPaths:
    """Return the one run in *found*; RunNotFoundError where *run* fits several."""
    if len(found) > 1:
        some = ", ".join(str(paths.root) for paths in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise RunNotFoundError(f"{run}: could be {some}{more}; give more of the id, or the path")
    return found[0]


def _id(paths: RunPaths) -> str:
    return paths.root.name.rpartition("-")[2]
