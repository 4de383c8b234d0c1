"""Comparisons of a sweep's cells on other data sets: does the ranking carry over?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from segsweep.config.truth import FOREGROUND, HALF, VALIDATION_ONLY
from segsweep.errors import StoredFileError
from segsweep.report.analysis import Compared, compare
from segsweep.report.export import csv_of
from segsweep.report.question import Asked
from segsweep.report.raced import common_seeds, only
from segsweep.store.evaluations import Evaluation, OtherCounts, evaluations_of
from segsweep.store.paths import RunPaths
from segsweep.store.run_cache import RunRecord
from segsweep.store.run_rows import count_test_images
from segsweep.store.states import Status
from segsweep.store.tables import Tables
from segsweep.system.files import write_if_changed


@dataclass(frozen=True)
class OnOtherData:
    """The cells of a sweep on one other data set."""

    evaluation: Evaluation
    compared: Compared
    sentences: tuple[str, ...]
    """Which cells may be the best on both, and whether the ranking carries over."""
    stale: int = 0
    """Finished runs that are not evaluated, or were trained again since."""

    @property
    def label(self) -> str:
        """What tells it apart from all others: its name, the data, and a target of its own."""
        return self.compared.data


def on_other_data(tables: Tables, own: Sequence[Compared]) -> list[OnOtherData]:
    """Return the comparisons on other data sets that are stored in a sweep.

    A damaged evaluation is left out, with a note.
    """
    found = evaluations_of(tables.sweep, tables.note)
    return [one for each in found if (one := _compared(tables, own, each)) is not None]


def _compared(
    tables: Tables, own: Sequence[Compared], evaluation: Evaluation
) -> OnOtherData | None:
    from segsweep.stats.agreement import agreements, best_on_all
    from segsweep.stats.wording.agreement import agreement_texts

    there, stale = tables_on(tables, evaluation)
    if not there.runs:
        return None
    if tables.sweep.race.exists():  # seeds were given by results on the sweep's own test images
        there = only(there, common_seeds(there))
    targets = {run.path.name: str(run.settings["data_target"]) for run in tables.runs}
    trained_on = targets[there.runs[0].path.name]
    differs = trained_on != evaluation.target
    label = f"{evaluation.name}: {evaluation.title}"
    label = f"{label}, {_rule(evaluation.target)}" if differs else label
    compared = compare(there, Asked(), advise=False, data=label)
    sentences: tuple[str, ...] = (_targets(evaluation, trained_on),) if differs else ()
    if len(own) == 1 and own[0].part == "test":
        analyses = [own[0].analysis, compared.analysis]
        names = ("this sweep's data", evaluation.name)
        sentences += agreement_texts(names, agreements(analyses), best_on_all(analyses))
    return OnOtherData(evaluation, compared, sentences, stale)


def _targets(evaluation: Evaluation, trained_on: str) -> str:
    return (
        f"{evaluation.name}: another target: masks count there as {_rule(evaluation.target)}, the "
        f"networks were trained with {_rule(trained_on)}."
    )


def _rule(target: str) -> str:
    """Return a target with its rule: `foreground=half` where masks are cut at half."""
    rule, *rest = target.split(", ")
    return ", ".join([f"{FOREGROUND}={HALF}" if rule == FOREGROUND else rule, *rest])


def tables_on(tables: Tables, evaluation: Evaluation) -> tuple[Tables, int]:
    """Return the tables of the runs on other data, and how many finished runs lack there."""
    records, rows, lacking = list[RunRecord](), dict[Path, str](), 0
    for run in tables.runs:
        if run.kind != "run" or run.status != Status.FINISHED:
            continue
        try:
            found = evaluation.rows(RunPaths(run.path))
        except StoredFileError as damage:
            tables.note(damage)
            found = None
        if found is None:
            lacking += 1
            continue
        paths = evaluation.run(run.path.name)
        rows[paths.root] = found
        records.append(_record(run, paths, evaluation, count_test_images(found)))
    there = replace(tables, runs=records, cache=OtherCounts(rows), chosen=(), noted={})
    return there, lacking


def _record(run: RunRecord, paths: RunPaths, evaluation: Evaluation, images: int) -> RunRecord:
    """Return a run as if the other data were its test images."""
    columns = {key: value for key, value in run.columns.items() if not key.startswith("test_")}
    columns |= {"n_test": images, "data_fingerprint": evaluation.fingerprint}
    columns |= {"data_target": evaluation.target}
    facts = {"data_fingerprint": evaluation.fingerprint, "data_target": evaluation.target}
    settings = {**run.settings, **facts, VALIDATION_ONLY: False}
    return replace(run, path=paths.root, settings=settings, columns=columns, data=evaluation.title)


def rows_of(found: Sequence[OnOtherData], own: Sequence[Compared]) -> list[dict[str, object]]:
    """Return a row for each cell on each other data set, beside its mean on the sweep's own."""
    here = {
        name: one.analysis.mean(at)[0]
        for one in own
        if one.analysis is not None and one.part == "test"
        for at, name in enumerate(one.analysis.values.cells)
    }
    rows: list[dict[str, object]] = []
    for other in found:
        analysis = other.compared.analysis
        if analysis is None:
            continue
        cells, part = analysis.values.cells, list[dict[str, object]]()
        for at, name in enumerate(cells):
            mean, low, high = analysis.mean(at)
            row: dict[str, object] = {"data": other.label, "cell": name}
            row |= {"images": len(analysis.values.images), "seeds": int(analysis.parts.seeds[at])}
            row |= {"here": here.get(name), "there": mean, "low": low, "high": high}
            claims = other.compared.claims
            part.append({**row, "may": bool(analysis.may_be_best[at]) if claims else None})
        rows += sorted(part, key=lambda row: -float(str(row["there"])))
    return rows


def write_tables(shown: OnOtherData) -> list[Path]:
    """Write comparison.csv and pairs.csv of an evaluation into its folder; return their paths."""
    root = shown.evaluation.root
    files = {
        root / "comparison.csv": csv_of(shown.compared.cells),
        root / "pairs.csv": csv_of(shown.compared.pairs),
    }
    for path, text in files.items():
        write_if_changed(path, text)
    return list(files)
