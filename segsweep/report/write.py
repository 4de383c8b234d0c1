"""Writes the files of a report: tables, answer, curves and page, from what runs have stored."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from segsweep import __version__
from segsweep.config.truth import data_titles
from segsweep.report.analysis import Compared
from segsweep.report.comparisons import compare_all, joined, summary
from segsweep.report.export import csv_of
from segsweep.report.question import Asked
from segsweep.store.find import check_own_folder, no_sweep
from segsweep.store.kept_runs import KeptRuns, report_version, sizes_digest
from segsweep.store.paths import SweepPaths
from segsweep.store.run_cache import RunCache
from segsweep.store.states import Status
from segsweep.store.tables import Tables, read_all
from segsweep.system.csv_cells import exact_frame
from segsweep.system.files import (
    NO_WRITING,
    file_digest,
    has_text,
    read_json,
    text_digest,
    write_if_changed,
)

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Report:
    """The report of a sweep."""

    name: str
    """The sweep's."""
    data: str
    """What it is on, in words."""
    tables: Tables | None
    """None where nothing has changed since the report was written, and the sweep has no trial."""
    answer: Mapping[str, Any]
    """As answer.json."""
    table: "DataFrame | None"
    """As comparison.csv; None: read once it is asked for."""
    compared: Sequence[Compared] | None
    """None where the files of an earlier report are still valid."""
    written: bool = True
    """False if the folder is read-only."""
    where: SweepPaths | None = None
    """Where its files are; None if none were written."""
    asked: Asked = Asked()
    """What the user asked."""
    kept: tuple[KeptRuns, str] | None = None
    """Where what is printed of it is kept, if its files are up to date."""

    @cached_property
    def cells(self) -> "DataFrame":
        """The table of cells, as comparison.csv."""
        if self.table is None:
            assert self.where is not None, "a table that is not here is in a file"
            return _read_cells(self.where)
        return self.table

    @property
    def title(self) -> str:
        """The sweep's name and the data it is on."""
        return ": ".join(filter(None, (self.name, self.data)))


def write_report(
    sweep: SweepPaths,
    cache: RunCache | None = None,
    *,
    live: bool = False,
    only_if_changed: bool = False,
) -> Report:
    """Write a sweep's tables as CSV, answer.json, curves.svg and report.html.

    They always answer the default question; `second_look` answers others. A file that would not
    change is not touched. results.csv is written last: if it is up to date, so are the others. A
    read-only folder causes a warning.

    Args:
        sweep: the folder.
        cache: finished runs that were read earlier.
        live: a command is working on the sweep: the page reloads itself, advice is left out.
        only_if_changed: write nothing if the stored files are up to date.

    Raises:
        StoreError: there is no sweep in the folder.

    """
    asked = Asked()
    if only_if_changed and not live:
        return _kept(sweep, asked, cache)
    return _written(read_all(sweep.root, cache, warn_ignored=not live), asked, sweep, live)


def _written(tables: Tables, asked: Asked, sweep: SweepPaths, live: bool) -> Report:
    compared = compare_all(tables, asked, advise=not live)
    said, files = _files(compared, tables, asked, sweep, live)
    written = _write_all({**files, **_texts_of_runs(tables, sweep)})
    return Report(*_names(tables), tables, said, _cells(compared), compared, written, sweep)


def _kept(sweep: SweepPaths, asked: Asked, cache: RunCache | None) -> Report:
    """Return the report, written only if it is not up to date; the next command finds it so.

    If no file has changed since an earlier command found it up to date, no run is read; what was
    searched is printed too, so a sweep with trials is always read.
    """
    if not sweep.runs.is_dir():
        raise no_sweep(sweep.root)
    kept = KeptRuns(sweep)
    sources, searched = kept.sources(), sweep.trials.exists() or sweep.chosen.exists()
    version = report_version(sweep, sources)
    data = None if searched else kept.report_data(version)
    if data is not None and (said := read_json(sweep.answer)):
        known = kept, version
        return Report(_name(sweep), data, None, said, None, None, where=sweep, kept=known)
    tables = read_all(sweep.root, cache)
    texts, stands = _texts_of_runs(tables, sweep), _standing(sweep, asked)
    if stands is None or not all(has_text(path, text) for path, text in texts.items()):
        report = _written(tables, asked, sweep, live=False)
    else:
        report = Report(*_names(tables), tables, stands, None, None, where=sweep)
    working = any(run.status == Status.RUNNING for run in tables.runs)
    if not report.written or tables.damages or working:
        return report
    version = report_version(sweep, sources)
    kept.keep_report(version, report.data)
    kept.save()
    return replace(report, kept=(kept, version))


def _names(tables: Tables) -> tuple[str, str]:
    """Return the sweep's name and, in words, the data it is on."""
    return _name(tables.sweep), data_titles(run.settings for run in tables.runs)


def _name(sweep: SweepPaths) -> str:
    return sweep.root.resolve().name


def second_look(sweep: SweepPaths, asked: Asked) -> Report:
    """Return the answer to another question; nothing is written.

    Raises:
        StoreError: there is no sweep in the folder.
        ConfigError: the metric or the baseline does not exist.

    """
    tables = read_all(sweep.root)
    compared = compare_all(tables, asked)
    said, cells = _answer(compared, asked), _cells(compared)
    return Report(*_names(tables), tables, said, cells, compared, asked=asked)


def write_look(look: Report, folder: Path) -> Report:
    """Write a second look's files to *folder*; StoreError if it is in a sweep or holds some."""
    where, tables, compared = outside(folder), look.tables, look.compared
    assert tables is not None and compared is not None, "a second look always compares"
    said, files = _files(compared, tables, look.asked, where, live=False)
    where.root.mkdir(parents=True, exist_ok=True)
    written = _write_all({**files, **_texts_of_runs(tables, where)})
    cells = _cells(compared)
    return Report(look.name, look.data, tables, said, cells, compared, written, where, look.asked)


def outside(folder: Path) -> SweepPaths:
    """Return the paths of a report in *folder*; StoreError if it is in a sweep or holds some."""
    check_own_folder("--out", folder)
    return SweepPaths(folder)


def _files(
    compared: Sequence[Compared], tables: Tables, asked: Asked, where: SweepPaths, live: bool
) -> tuple[dict[str, object], dict[Path, str]]:
    """Return what answer.json says, and the texts of the files about *compared*."""
    files = {
        where.comparison: csv_of(_cells(compared)),
        where.pairs: csv_of(joined([one.pairs for one in compared])),
        where.page: _page(compared, tables, live),
    }
    if picture := _curves(tables):
        files[where.curves] = picture
    question = {**_question(tables.sweep, asked), "live": live}
    said = {**_answer(compared, asked), "asked": question}
    said["files"] = {path.name: text_digest(text) for path, text in files.items()}
    files[where.answer] = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
    return said, files


def _texts_of_runs(tables: Tables, where: SweepPaths) -> dict[Path, str]:
    """Return the files that depend on the runs alone."""
    trials = {where.trials: csv_of(tables.trials)} if len(tables.trials) else {}
    images = {where.per_image: tables.per_image_text}
    return {**trials, **images, where.results: csv_of(tables.results)}


def _cells(compared: Sequence[Compared]) -> "DataFrame":
    return joined([one.cells for one in compared])


def _answer(compared: Sequence[Compared], asked: Asked) -> dict[str, object]:
    every = [{"data": one.data, **asdict(one.answer), "claims": one.claims} for one in compared]
    return {
        **asdict(summary(compared)),
        "metric": asked.metric,
        "claims": len(compared) == 1 and compared[0].claims,
        "comparisons": every,
    }


def _question(sweep: SweepPaths, asked: Asked) -> dict[str, object]:
    """Return what an answer depends on besides the runs."""
    return {
        "metric": asked.metric,
        "baseline": asked.baseline,
        "groups": None if asked.groups is None else file_digest(asked.groups),
        "plan": file_digest(sweep.plan) if sweep.plan.exists() else None,
        "runs": sizes_digest(sweep),
        "version": __version__,
    }


def _standing(sweep: SweepPaths, asked: Asked) -> dict[str, Any] | None:
    """Return the stored answer if it is complete and answers the same question."""
    said = read_json(sweep.answer) or {}
    if said.get("asked") != {**_question(sweep, asked), "live": False}:
        return None
    if not said.get("comparisons"):  # written by an earlier version
        return None
    paths = (sweep.comparison, sweep.pairs, sweep.page, sweep.curves)
    digests = {path.name: file_digest(path) for path in paths if path.exists()}
    return said if said.get("files") == digests else None


def _write_all(files: Mapping[Path, str]) -> bool:
    """Write the files that have changed; False, with a warning, if the folder is read-only."""
    for path, text in files.items():
        try:
            write_if_changed(path, text)
        except OSError as error:
            if error.errno not in NO_WRITING:
                raise
            warnings.warn(
                f"{path.parent}: cannot be written to; its files stay as they are", stacklevel=3
            )
            return False
    return True


def _read_cells(sweep: SweepPaths) -> "DataFrame":
    from pandas import read_csv

    kinds = {"may_be_best": "boolean", "data": "str"}
    return exact_frame(read_csv(sweep.comparison, dtype=kinds))


def _curves(tables: Tables) -> str:
    """Return the text of curves.svg; empty before the first epoch."""
    from segsweep.report.figures.curves import curves_svg

    name = _name(tables.sweep)
    several = tables.comparisons()
    histories = []
    for data, own in several.items():
        history = own.compared_history
        if len(several) > 1:
            history = history.assign(model=[f"{model} ({data})" for model in history["model"]])
        histories.append(history)
    return curves_svg(joined(histories), name)


def _page(compared: Sequence[Compared], tables: Tables, live: bool) -> str:
    from segsweep.report.content.material import material_of
    from segsweep.report.content.records import damages_of
    from segsweep.report.elsewhere import on_other_data, rows_of
    from segsweep.report.page.html import build_page

    own = tables.comparisons().values()
    parts = [material_of(part, one) for part, one in zip(own, compared, strict=True)]
    whole = parts[0] if len(parts) == 1 else material_of(tables, compared[0])
    if tables.sweep.evaluations.is_dir():
        others = on_other_data(tables, compared)
        words = tuple(text for one in others for text in one.sentences)
        rows = rows_of(others, compared)
        whole = replace(whole, elsewhere=rows, elsewhere_words=words, damages=damages_of(tables))
    return build_page(whole, live, parts)
