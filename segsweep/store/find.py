"""Find sweeps and runs by path, name or id."""

from pathlib import Path

from segsweep.errors import RunNotFoundError, StoreError, SweepNotFoundError
from segsweep.store.paths import RunPaths, SweepPaths, short_name
from segsweep.system.files import resolved

OTHER_FOLDER = "set another folder with --outputs"
"""What to do next where a folder does not hold the sweep."""


def is_sweep(folder: Path) -> bool:
    """Whether *folder* looks like a sweep folder."""
    sweep = SweepPaths(folder)
    return not folder.name.startswith(".") and (sweep.runs.is_dir() or sweep.plan.is_file())


def no_sweep(folder: Path) -> StoreError:
    """Return the error of a folder that is not a sweep's."""
    return StoreError(
        f"no sweep in {folder}: it has no folder runs/; give the folder of a sweep that has started"
    )


def check_own_folder(option: str, folder: Path) -> None:
    """Raise StoreError if *folder*, given for *option*, is in a sweep or holds sweeps."""
    place = resolved(folder)
    for above in (place, *place.parents):
        if is_sweep(above):
            raise StoreError(
                f"{option} {folder}: in the folder of the sweep {above.name}, which holds its own "
                "files; name another folder, a new one for example"
            )
        if above.name == ".cache" and sweeps_in(above.parent):
            place = above.parent
    if sweeps_in(place):
        raise StoreError(
            f"{option} {folder}: in a folder of sweeps; name another folder, a new one for example"
        )


def no_sweeps(outputs: Path) -> StoreError:
    """Return the error of a folder that contains no sweep: why, and what to do next."""
    if is_sweep(outputs.absolute()):
        hint = f"it is a sweep itself: give it as the sweep, or --outputs {outputs.parent}"
    elif not outputs.is_dir():
        hint = f"there is no such folder; {OTHER_FOLDER}, or start a sweep with segsweep-train"
    else:
        hint = OTHER_FOLDER
    return StoreError(f"no sweep in {outputs}: {hint}")


def sweeps_in(outputs: Path) -> list[Path]:
    """Return the sweep folders in *outputs*, sorted by name."""
    found = sorted(outputs.iterdir()) if outputs.is_dir() else []
    return [folder for folder in found if is_sweep(folder)]


def find_sweep(sweep: str, outputs: Path, hint: str = OTHER_FOLDER) -> Path:
    """Return the folder of a sweep that is given by path, or by name in *outputs*.

    Raises:
        SweepNotFoundError: there is no such sweep; the message lists the sweeps in *outputs*
            and ends with *hint*, which says what to do next.

    """
    from segsweep.config.validate import nearest

    for folder in (Path(sweep), outputs / sweep):
        if is_sweep(folder.absolute()):
            return folder
    if is_run_folder(Path(sweep)):
        run = Path(sweep)
        above = run.absolute().parents[1]
        raise SweepNotFoundError(
            f"{sweep}: a run, not a sweep; its sweep is {above.name}: {above}; "
            f"about the run: `segsweep show {run}`"
        )
    names = [folder.name for folder in sweeps_in(outputs)]
    known = f"sweeps there: {', '.join(names)}" if names else "there is no sweep there"
    raise SweepNotFoundError(
        f"{sweep}: no sweep at that path, nor with that name in {outputs}; {known}; {hint}"
        f"{nearest(sweep, names)}"
    )


def find_run(run: str, outputs: Path) -> RunPaths:
    """Return the run with this path, folder name, short name, id, or start of an id; or SWEEP/RUN.

    Raises:
        RunNotFoundError: no run, or more than one, in *outputs* matches.

    """
    if run and is_run_folder(Path(run)):
        return RunPaths(Path(run).absolute())
    found = [paths for folder in sweeps_in(outputs) for paths in runs_named(run, folder)]
    if not found:
        raise RunNotFoundError(
            f"{run}: no run with that id, name or path in {outputs}; {_what_to_do(run, outputs)}"
        )
    return RunPaths(only_run(run, found).root.absolute())


def is_run_folder(folder: Path) -> bool:
    """Whether *folder* is that of a run in a sweep."""
    above = resolved(folder).parent
    return (folder / "config.yaml").is_file() and above.name == "runs" and is_sweep(above.parent)


def _what_to_do(run: str, outputs: Path) -> str:
    """Return what to do where *run* names no run: list them, or the nearest name."""
    from segsweep.config.validate import nearest

    sweeps = sweeps_in(outputs)
    if any(folder.name == run or folder == Path(run) for folder in sweeps):
        return f"it is a sweep: list its runs with `segsweep runs {run}`"
    runs = [paths for sweep in sweeps for paths in SweepPaths(sweep).run_folders()]
    names = list(dict.fromkeys(short_name(paths.root.name) for paths in runs))
    of_cell = [name for name in names if name.startswith(f"{run.replace('/', '-')}-s")]
    if "/" in run and of_cell:
        return f"a cell has several runs: name one, such as {of_cell[0]}"
    return f"list the runs with `segsweep runs SWEEP`{nearest(run, names)}"


def runs_named(run: str, sweep: Path) -> list[RunPaths]:
    """Return the runs in the folder *sweep* that *run* names: by path, name or start of the id.

    A run's name may be given without its id, as progress lines show it, and after its sweep's.
    """
    return [paths for paths in SweepPaths(sweep).run_folders() if is_named(paths, run)]


def is_named(paths: RunPaths, run: str) -> bool:
    """Whether *run* is the run's path, name, id or a start of it; or these after SWEEP/.

    Of a name, the id or its end may be missing.
    """
    name = paths.root.name
    given = run.rstrip("/")  # as the shell completes a folder
    if "/" in given and is_run_folder(Path(given)):
        return resolved(Path(given)) == resolved(paths.root)
    given = given.removeprefix(f"{paths.root.absolute().parents[1].name}/")
    short = short_name(name)
    if given == short or (given.startswith(f"{short}-") and name.startswith(given)):
        return True
    return bool(given) and _id(paths).startswith(given)


def only_run(run: str, found: list[RunPaths]) -> RunPaths:
    """Return the only run in *found*; RunNotFoundError if *run* matches several."""
    if len(found) > 1:
        first = ", ".join(str(paths.root) for paths in found[:3])
        more = f" and {len(found) - 3} more" if len(found) > 3 else ""
        raise RunNotFoundError(f"{run}: matches {first}{more}; give more of the id, or SWEEP/RUN")
    return found[0]


def _id(paths: RunPaths) -> str:
    return paths.root.name.rpartition("-")[2]
