"""All files that say how a sweep came out: tables, answer and page, from what runs have stored."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from segsweep import __version__
from segsweep.files import file_digest, holds, read_json, write_if_changed
from segsweep.paths import SweepPaths
from segsweep.report.compared import Asked, Compared, compare
from segsweep.tables import Known, Tables, read_all

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class Report:
    """What stands in a sweep's folder after its report was written."""

    tables: Tables
    answer: Mapping[str, Any]
    """As answer.json."""
    cells: "DataFrame"
    """As comparison.csv."""
    compared: Compared | None
    """None where the files of an earlier report still hold."""


def write_report(
    sweep: SweepPaths,
    known: Known | None = None,
    asked: Asked | None = None,
    *,
    live: bool = False,
    anew: bool = True,
) -> Report:
    """Write results, per_image, comparison, pairs and trials as CSV, answer.json and report.html.

    A file that would not change is not touched. results.csv comes last: where it holds, so
    does the rest.

    Args:
        sweep: the folder.
        known: finished runs that were read before.
        asked: metric, baseline, groups.
        live: the sweep is being worked on: the page renews itself, advice is left out.
        anew: False leaves it at what stands there if no run has changed since.

    Raises:
        StoreError: there is no sweep.
        ConfigError: what is asked for is not there.

    """
    asked = asked or Asked()
    tables = read_all(sweep.root, known, strays=not live)
    texts = {sweep.per_image: tables.per_image_text, sweep.results: csv_of(tables.results)}
    if len(tables.trials):
        texts = {sweep.trials: csv_of(tables.trials), **texts}
    if not anew and not live:
        stands = _standing(sweep, asked)
        if stands is not None and all(holds(path, text) for path, text in texts.items()):
            return Report(tables, stands, _read_cells(sweep), None)
    compared = compare(tables, asked, advise=not live)
    said = answer_values(compared, live)
    write_if_changed(sweep.comparison, csv_of(compared.cells))
    write_if_changed(sweep.pairs, csv_of(compared.pairs))
    write_if_changed(sweep.page, _page(compared, tables, live))
    write_if_changed(sweep.answer, json.dumps(said, indent=1, ensure_ascii=False) + "\n")
    for path, text in texts.items():
        write_if_changed(path, text)
    return Report(tables, said, compared.cells, compared)


def answer_values(compared: Compared, live: bool = False) -> dict[str, Any]:
    """Return the answer as answer.json has it, with what it is an answer to."""
    analysis = compared.analysis
    return {
        **asdict(compared.answer),
        "metric": compared.asked.metric,
        "claims": analysis is not None and bool(analysis.claims),
        "asked": {**_asked_values(compared.asked), "live": live},
    }


def csv_of(frame: "DataFrame") -> str:
    """Return a table as it stands in a file."""
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _asked_values(asked: Asked) -> dict[str, Any]:
    groups = None if asked.groups is None else file_digest(asked.groups)[:12]
    return {
        "metric": asked.metric,
        "baseline": asked.baseline,
        "groups": groups,
        "version": __version__,
    }


def _standing(sweep: SweepPaths, asked: Asked) -> dict[str, Any] | None:
    """Return the answer that stands there if it is whole and one to the same question."""
    said = read_json(sweep.answer)
    if said is None or said.get("asked") != {**_asked_values(asked), "live": False}:
        return None
    there = all(path.exists() for path in (sweep.comparison, sweep.pairs, sweep.page))
    return said if there else None


def _read_cells(sweep: SweepPaths) -> "DataFrame":
    from pandas import read_csv

    return read_csv(sweep.comparison, dtype={"may_be_best": "boolean"})


def _page(compared: Compared, tables: Tables, live: bool) -> str:
    from segsweep.report.page import build_page, material_of, statistics_of

    return build_page(material_of(tables, statistics_of(compared)), live)
