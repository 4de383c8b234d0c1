"""A file with the runs of a study: what a trial compares itself with while it runs. No torch."""

from collections.abc import Mapping
from pathlib import Path

from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.system.files import read_json, text_digest, write_json


def study_file(sweep: SweepPaths, study: str) -> Path:
    """Return the path of the file about the *study* of this name."""
    return sweep.studies / f"{text_digest(study)[:16]}.json"


def write_study(sweep: SweepPaths, study: str, runs: Mapping[int, RunPaths]) -> None:
    """Write which runs belong to the trials of *study*: k -> run.

    A run that several trials share is written once, as that of the first of them.
    """
    first: dict[str, int] = {}
    for k, run in sorted(runs.items()):
        first.setdefault(run.root.name, k)
    path = study_file(sweep, study)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"study": study, "runs": {str(k): name for name, k in first.items()}})


def read_study(sweep: SweepPaths, study: str) -> dict[int, RunPaths]:
    """Return k -> run of the trials of *study*; none if the file is missing or damaged."""
    values = read_json(study_file(sweep, study)) or {}
    runs = values.get("runs")
    if values.get("study") != study or not isinstance(runs, dict):
        return {}
    return {
        int(k): sweep.run(name)
        for k, name in runs.items()
        if k.isdecimal() and isinstance(name, str) and Path(name).name == name
    }
