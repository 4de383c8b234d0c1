"""What run folders hold besides the tables: failures, readings of the test set, machines."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from segsweep.errors import StoredFileError
from segsweep.report.placement import kernels_of
from segsweep.store.ensembles import read_ensembles, wrong_reads
from segsweep.store.json_files import Failure, known_environment, known_failure
from segsweep.store.paths import RunPaths
from segsweep.store.plan import LOST, read_plan
from segsweep.store.records import LOST_READS, is_later, read_reads, read_split
from segsweep.store.run_cache import RunRecord
from segsweep.store.states import Status
from segsweep.store.tables import Tables
from segsweep.system.clock import FORMAT, time_text

Record: TypeAlias = dict[str, Any]
"""Facts of one thing, by name."""
ORDINARY = ("the run's one reading", "repeat after a crash")
SECONDS = 2
"""Times are stored in whole seconds."""
SHARE = 0.9
"""Share of the training time that must have passed for a reading to count as after it."""
MACHINE = (
    *("machine", "processor", "device", "precision", "threads", "memory_format", "lean"),
    *("platform", "python", "torch"),
)
VERSIONS = ("segsweep", "git_commit")
NO_SETTINGS = ("run_id", "kind", "choices", "sweep", "outputs", "segsweep_version", "allow")


@dataclass(frozen=True)
class Reads:
    """The log of readings of the test set."""

    rows: list[Record]
    """run, cell, seed, time, reason, images."""
    warnings: tuple[str, ...]
    """Readings that should not have happened."""


def failures_of(tables: Tables) -> list[Record]:
    """Return run, cell, seed, cause, error, attempts, time, traceback of each failed run."""
    rows = []
    for run in tables.runs:
        if run.status == Status.FAILED:
            failure = (known_failure(RunPaths(run.path).failure) or Failure()).values
            names = ("cause", "error", "attempts", "time", "traceback")
            rows.append({**_names(run), **{name: failure.get(name) for name in names}})
    return rows


def reads_of(tables: Tables) -> Reads:
    """Return the readings of the test set, and warnings about irregular ones."""
    rows, said = [], []
    for run in tables.runs:
        reads = _rows(tables, read_reads, RunPaths(run.path).test_reads)
        names = _names(run)
        rows += [{**names, **read} for read in reads]
        said += [f"{names['run']}: {what}" for what in _irregular(run, reads)]
    further = _rows(tables, read_reads, tables.sweep.test_reads)
    if any(read["reason"] == LOST_READS for read in further):
        said.append(f"of readings by ensembles, {LOST_READS}")
    return Reads(rows, tuple(said))


def ensembles_of(tables: Tables) -> list[Record]:
    """Return what ensembles scored; a damaged table, or log of its readings, is noted."""
    try:
        rows = read_ensembles(tables.sweep)
    except StoredFileError as damage:
        tables.note(damage)
        return []
    if (wrong := wrong_reads(tables.sweep, rows)) is not None:
        tables.note(wrong)
    return [asdict(row) for row in rows]


def damages_of(tables: Tables) -> tuple[str, ...]:
    """Return a line for each stored file that was left out, with its path in the sweep."""
    return tuple(line.replace(f"{tables.sweep.root}/", "") for line in tables.damages)


def last_change(tables: Tables) -> str:
    """Return the time at which a run last ended, finished an epoch or was requested; else empty."""
    times = [row.get("requested_at") or "" for row in _plan_rows(tables)]
    for run in tables.runs:
        paths = RunPaths(run.path)
        if run.status == Status.FINISHED:
            times.append(str(run.columns.get("finished") or ""))
        elif run.status == Status.FAILED:
            times.append((known_failure(paths.failure) or Failure()).time)
        elif paths.history.exists():
            times.append(time_text(paths.history.stat().st_mtime))
    known = [(moment, words) for words in times if (moment := _time(words)) is not None]
    return max(known)[1] if known else ""


def machines_of(tables: Tables) -> list[Record]:
    """Return each combination of machine, device and versions with its runs, most first."""
    counts: Counter[tuple[str, ...]] = Counter()
    for run in tables.runs:
        facts = known_environment(RunPaths(run.path).environment).values
        if facts:
            counts[tuple(str(facts.get(name, "")) for name in (*MACHINE, *VERSIONS))] += 1
    rows = [
        {**dict(zip((*MACHINE, *VERSIONS), values, strict=True)), "runs": count}
        for values, count in counts.most_common()
    ]
    return [{**row, "kernels": kernels_of(row)} for row in rows]


def commands_of(tables: Tables) -> list[Record]:
    """Return each command that requested runs: its first time, and the number of runs."""
    asked: dict[str, Record] = {}
    for row in _plan_rows(tables):
        request = row.get("request") or ""
        known = asked.setdefault(request, {"time": row.get("requested_at") or "", "runs": 0})
        known["runs"] += 1
        known["time"] = min(known["time"], row.get("requested_at") or "")
    rows = [
        {"command": words if words == LOST else f"segsweep-train {words}".strip(), **row}
        for words, row in asked.items()
    ]
    return sorted(rows, key=lambda row: str(row["time"]))


def split_of(tables: Tables) -> list[tuple[str, int]]:
    """Return how many images each part has in the first run that has stored its split."""
    for run in tables.runs:
        rows = _rows(tables, read_split, RunPaths(run.path).split)
        counts = Counter(row["split"] for row in rows)
        if counts:
            known = [part for part in ("train", "val", "test") if part in counts]
            return [(part, counts[part]) for part in [*known, *sorted(set(counts) - set(known))]]
    return []


def settings_of(tables: Tables) -> tuple[list[Record], list[Record]]:
    """Return the settings that all runs share, and the arguments of each option.

    Rows of the second have group, option, key and value: `model`, `unet2`, `channels`.
    """
    options: dict[tuple[str, str], Record] = {}
    for run in _one_of_each(tables):
        values = run.settings
        for group in ("model", "loss"):
            options.setdefault((group, getattr(run, group)), _below(values, f"{group}."))
    left_out = {*tables.swept, *NO_SETTINGS, "model", "loss", "seed", "data.split.fold"}
    shared = [
        {"key": key, "value": value}
        for key, value in sorted(_common(tables.runs).items())
        if key not in left_out and key.split(".")[0] not in ("model", "loss", "contents", "search")
        if value is not None and (key != "lr" or _same_lr(tables))
    ]
    rows = [
        {"group": group, "option": option, "key": key, "value": value}
        for (group, option), arguments in options.items()
        for key, value in arguments.items()
    ]
    return shared, rows


def _common(runs: Sequence[RunRecord]) -> Record:
    """Return the settings that have the same value in all *runs*."""
    first = dict(runs[0].settings) if runs else {}
    for run in runs[1:]:
        first = {key: value for key, value in first.items() if run.settings.get(key) == value}
    return first


def _one_of_each(tables: Tables) -> list[RunRecord]:
    """Return one run for each model and each loss, preferably a finished one."""
    found: dict[tuple[str, str], RunRecord] = {}
    for run in sorted(tables.runs, key=lambda run: (run.kind, run.status != Status.FINISHED)):
        for group in ("model", "loss"):
            found.setdefault((group, getattr(run, group)), run)
    return list({run.path: run for run in found.values()}.values())


def _below(values: Mapping[str, Any], start: str) -> Record:
    return {key.removeprefix(start): item for key, item in values.items() if key.startswith(start)}


def _same_lr(tables: Tables) -> bool:
    return len({run.columns["lr"] for run in tables.runs}) == 1


def _names(run: RunRecord) -> Record:
    return {"run": run.path.name, "cell": run.cell, "seed": run.seed}


def _rows(
    tables: Tables, reader: Callable[[Path], list[dict[str, str]]], path: Path
) -> list[dict[str, str]]:
    """Return a file's rows; none for a damaged one, which is noted."""
    try:
        return reader(path)
    except StoredFileError as damage:
        tables.note(damage)
        return []


def _plan_rows(tables: Tables) -> list[dict[str, str]]:
    """Return the intact rows of the plan; a damage is noted."""
    plan = read_plan(tables.sweep.plan)
    if plan.damage is not None:
        tables.note(plan.damage)
    return plan.rows


def _irregular(run: RunRecord, reads: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the irregularities of a run's readings; a repeat after a crash is regular.

    Looks of a race read stored counts, not the images; what is drawn again changes no number.
    """
    reads, said = [read for read in reads if not is_later(read.get("reason") or "")], []
    if run.kind == "trial" and reads:
        said.append("a trial of a search read the test set")
    if (alien := [read for read in reads if read.get("reason") not in ORDINARY]) or (
        sum(read.get("reason") == ORDINARY[0] for read in reads) > 1
    ):
        many = f"the test set was read {len(reads)} times"
        said.append(many + (f" ({alien[0].get('reason')})" if alien else ""))
    if reads and run.status == Status.FINISHED:
        said += _too_early(run, _time(reads[-1].get("time")))
    return said


def _too_early(run: RunRecord, read: datetime | None) -> list[str]:
    """Return a warning if the last reading came before the end of training or after the result.

    Of an attempt that resumed from a checkpoint only the start is known.
    """
    started, finished = _time(run.columns.get("started")), _time(run.columns.get("finished"))
    if read is None or started is None or finished is None:
        return []
    slack = timedelta(seconds=SECONDS)
    seconds = run.columns.get("seconds")
    trained = timedelta(seconds=seconds if isinstance(seconds, int | float) else 0)
    at_once = finished - started >= trained
    chosen = started + (SHARE * trained if at_once else timedelta(0))
    if read < chosen - slack:
        return ["the test set was read before the choice of weights was made"]
    return ["the test set was read after the result was written"] if read > finished + slack else []


def _time(words: object) -> datetime | None:
    try:
        return datetime.strptime(str(words), FORMAT)
    except ValueError:
        return None
