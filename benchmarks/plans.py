"""Time to plan a sweep and to rerun a finished one, compared with composing by Hydra."""

import json
import random
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median

from measuring import Row, Taken, lowest, median_cpu, timed
from per_run import APP, HERE, TINY, TRAIN

MODELS, LOSSES = "segnet,unet,unet2,unet3", "bce,dice,focal,ss,bce_ss"
COMPOSE = "Hydra composes"
OFF, COLD, KNOWN = "plan, preflight off", "plan, preflight measures", "plan, preflight known"
RERUN, AGAIN = "rerun, all finished", "rerun again, nothing changed"
SETTLED = 3.0
"""Seconds after which a file's time stamp tells its next change."""
COLUMNS = {
    **{"what": "", "runs": "runs", "wall": "s", "wall_min": "(min)", "cpu": "CPU s"},
    **{"per_run": "s/run more", "ratio": "x Hydra", "note": ""},
}
MANY = 500
"""From this size on Hydra composes only in the first round: 1,000 runs take a minute."""


def grid(size: int) -> tuple[str, ...]:
    """Return the overrides of a sweep of *size* runs: models x losses x seeds."""
    cells = next(cells for cells in (20, 10, 5, 1) if size % cells == 0)
    models = MODELS.split(",")[: max(1, cells // 5)]
    losses = LOSSES.split(",")[: min(5, cells)]
    seeds = ",".join(map(str, range(size // cells)))
    return f"model={','.join(models)}", f"loss={','.join(losses)}", f"seed={seeds}"


def measure(sizes: Iterable[int], rounds: int, outputs: Path) -> list[Row]:
    """Plan, rerun and compose sweeps of each size, in turn; return a row for each."""
    donor = first_run(outputs)
    taken: dict[tuple[str, int], list[Taken]] = {}
    touched: dict[int, set[str]] = {}
    for size in sizes:
        print(f"plans of {size} runs", end="", flush=True)
        finish(outputs / f"finished{size}", size, donor)
        for number in range(rounds):
            for what in (COMPOSE, OFF, COLD, KNOWN):
                if number and (what == COLD or (what == COMPOSE and size >= MANY)):
                    continue
                print(f", {what}", end="", flush=True)
                taken.setdefault((what, size), []).append(_plan(what, size, number, outputs))
            for what in (RERUN, AGAIN):
                print(f", {what}", end="", flush=True)
                if what == RERUN:
                    touch_result(outputs / f"finished{size}")
                before = files_of(outputs)
                taken.setdefault((what, size), []).append(_rerun(outputs / f"finished{size}", size))
                seen = changed(before, files_of(outputs))
                touched.setdefault(size, set()).update(seen if what == AGAIN else ())
        print()
    return _rows(taken, touched)


def _plan(what: str, size: int, number: int, outputs: Path) -> Taken:
    words = (*TINY, f"outputs={outputs}", *grid(size))
    if what == COMPOSE:
        return timed((*APP, "-m", *words, "hydra/launcher=nothing"))
    if what == COLD:
        for path in outputs.glob(".cache/preflight-*.json"):
            path.unlink()
    sweep = f"sweep=plan{size}-{(OFF, COLD, KNOWN).index(what)}-{number}"
    preflight = f"preflight={str(what != OFF).lower()}"
    return timed((*TRAIN, "-m", *words, "plan=true", preflight, sweep))


def _rerun(sweep: Path, size: int) -> Taken:
    return timed(
        (*TRAIN, "-m", *TINY, f"outputs={sweep.parent}", f"sweep={sweep.name}", *grid(size))
    )


def first_run(outputs: Path) -> Path:
    """Execute one run and return its folder."""
    timed((*TRAIN, *TINY, f"outputs={outputs}", "sweep=first"))
    (folder,) = (outputs / "first/runs").iterdir()
    return folder


def finish(sweep: Path, size: int, donor: Path) -> None:
    """Make a finished sweep: planned by segsweep, with the files of the run *donor* copied.

    It is rerun once, so that the sweep's tables exist before the timed reruns.
    """
    words = (*TINY, f"outputs={sweep.parent}", f"sweep={sweep.name}", *grid(size))
    timed((str(HERE / "freeze.py"), "-m", *words, "preflight=false"))
    for folder in (sweep / "runs").iterdir():
        _become_finished(folder, donor)
    _rerun(sweep, size)


def _become_finished(folder: Path, donor: Path) -> None:
    """Copy the results of the run *donor* to a planned run's *folder*, under that run's id."""
    ignored = shutil.ignore_patterns("config.yaml", "per_image.csv", "result.json")
    shutil.copytree(donor, folder, ignore=ignored, dirs_exist_ok=True)
    theirs, own = (path.name.rpartition("-")[2] for path in (donor, folder))
    counts = (donor / "per_image.csv").read_text(encoding="utf-8").replace(theirs, own)
    (folder / "per_image.csv").write_text(counts, encoding="utf-8")
    result = json.loads((donor / "result.json").read_text(encoding="utf-8"))
    score = random.Random(own).random()  # so that cells and seeds differ
    result |= {"run_id": own, "val_iou": score, "test_iou": score}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


def touch_result(sweep: Path) -> None:
    """Change the time of one result, so that nothing is known of the report; let it settle."""
    next(iter(sorted((sweep / "runs").iterdir()))).joinpath("result.json").touch()
    time.sleep(SETTLED)


def files_of(folder: Path) -> dict[str, tuple[int, int, int]]:
    """Return time, size and inode of each file below *folder*, to see which are touched."""
    found = {}
    for path in folder.rglob("*"):
        if not path.is_dir():
            seen = path.stat()
            found[str(path.relative_to(folder))] = seen.st_mtime_ns, seen.st_size, seen.st_ino
    return found


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> set[str]:
    """Return the files that are new, deleted or changed."""
    return {name for name in before.keys() | after if before.get(name) != after.get(name)}


def _rows(
    taken: Mapping[tuple[str, int], list[Taken]], touched: Mapping[int, set[str]]
) -> list[Row]:
    sizes = sorted(touched)
    return [
        _row(what, sizes[:number], taken, touched)
        for what in (COMPOSE, OFF, COLD, KNOWN, RERUN, AGAIN)
        for number in range(1, len(sizes) + 1)
    ]


def _row(
    what: str,
    sizes: Sequence[int],
    taken: Mapping[tuple[str, int], list[Taken]],
    touched: Mapping[int, set[str]],
) -> Row:
    """Return the row of the last of *sizes*, compared with the size before it."""
    size, rounds = sizes[-1], taken[what, sizes[-1]]
    wall = median(one.wall for one in rounds)
    theirs = median(one.wall for one in taken[COMPOSE, size])
    grown = None
    if len(sizes) > 1:
        before = median(one.wall for one in taken[what, sizes[-2]])
        grown = (wall - before) / (size - sizes[-2])
    return Row(
        what=what,
        runs=size,
        wall=wall,
        wall_min=lowest(rounds),
        cpu=median_cpu(rounds),
        per_run=grown,
        ratio=wall / theirs,
        note=_touched(touched[size]) if what == AGAIN else "",
    )


def _touched(names: set[str]) -> str:
    """Return a note on the files that a rerun touched."""
    return f"touched {len(names)}: {', '.join(sorted(names)[:4])}" if names else "touched no file"
