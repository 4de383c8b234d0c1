"""All comparisons of a sweep: one for each data set and target."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from segsweep.errors import ConfigError, DataError, StoredFileError
from segsweep.report.analysis import Compared, compare
from segsweep.report.question import Asked, check_measured, check_metric, split_cell
from segsweep.report.race import compare_race
from segsweep.report.raced import common_seeds, only, race_of
from segsweep.report.validation import show_validation
from segsweep.store.tables import Tables

if TYPE_CHECKING:
    from pandas import DataFrame

    from segsweep.stats.wording.answer import Answer


def compare_all(tables: Tables, asked: Asked | None = None, advise: bool = True) -> list[Compared]:
    """Compare the cells of a sweep, apart for each data set and target.

    Where only some comparisons have the baseline, or images of the groups file, the others are
    made without it and say so.

    Args:
        tables: what is in the sweep's folder.
        asked: metric, baseline, groups.
        advise: estimate how many seeds would settle what is not settled; takes the longest.

    Raises:
        ConfigError: there is no such metric, or the baseline cannot be compared with.
        DataError: the groups file cannot be used.

    """
    asked = asked or Asked()
    check_metric(asked.metric)
    check_measured(asked.metric, tables)
    where, baseline = split_cell(asked.baseline, tables) if asked.baseline else (None, None)
    found, refused = [], []
    for data, own in tables.comparisons().items():
        here = replace(asked, baseline=baseline if where in (None, data) else None)
        compared, errors = _as_far_as_possible(own, here, advise, data)
        found.append(compared)
        refused.append(errors)
    for kind in (ConfigError, DataError):
        errors_of_kind = [error for errors in refused for error in errors if type(error) is kind]
        if len(errors_of_kind) == len(found):
            raise errors_of_kind[0]
    return found


def _as_far_as_possible(
    tables: Tables, asked: Asked, advise: bool, data: str
) -> tuple[Compared, list[Exception]]:
    """Return a comparison without the baseline and groups that do not fit it, and why."""
    errors: list[Exception] = []
    while True:
        try:
            if tables.validation_only:
                compared = show_validation(tables, asked, data)
            else:
                compared = _compared(tables, asked, advise, data)
        except ConfigError as error:
            if asked.baseline is None:
                raise
            asked = replace(asked, baseline=None)
            errors.append(error)
        except DataError as error:
            if asked.groups is None:
                raise
            asked = replace(asked, groups=None)
            errors.append(error)
        else:
            notes = (*compared.answer.notes, *(f"{error}." for error in errors))
            return replace(compared, answer=replace(compared.answer, notes=notes)), errors


def _compared(tables: Tables, asked: Asked, advise: bool, data: str) -> Compared:
    """Return the comparison of all runs, or of those of a race as the race allows."""
    try:
        raced = race_of(tables)
    except StoredFileError as damage:
        tables.note(damage)
        return compare(only(tables, common_seeds(tables)), asked, advise, data)
    if raced is None:
        return compare(tables, asked, advise, data)
    return compare_race(tables, asked, raced, data)


def joined(frames: "Sequence[DataFrame]") -> "DataFrame":
    """Return the tables of several comparisons below each other; they have a column `data`."""
    from pandas import concat

    filled = [frame for frame in frames if len(frame)]
    return concat(filled, ignore_index=True) if len(filled) > 1 else (*filled, frames[0])[0]


def summary(compared: Sequence[Compared]) -> "Answer":
    """Return the answer of the only comparison; of several, what all of them say together.

    That is: their names, the cells that may be the best in all, and as notes whether the ranking
    carries over.
    """
    from segsweep.stats.agreement import agreements, best_on_all
    from segsweep.stats.wording.agreement import agreement_texts
    from segsweep.stats.wording.answer import Answer

    if len(compared) == 1:
        return compared[0].answer
    tested = [one for one in compared if one.part == "test"]
    analyses = [one.analysis for one in tested]
    best = best_on_all(analyses) if len(tested) > 1 else None
    why = "on different data or with different targets"
    if len(tested) < len(compared):
        why += ", and runs with and without a test part,"
    return Answer(
        f"{len(compared)} comparisons, because runs {why} are never compared: "
        f"{'; '.join(one.data for one in compared)}.",
        tuple(best or ()),
        notes=agreement_texts([one.data for one in tested], agreements(analyses), best),
    )
