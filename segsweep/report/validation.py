"""Cells whose runs have no test part: their validation means, without statistics.

Validation images chose the epoch of each run, so the means on them are too high, and not by the
same amount for all cells. They are shown, and nothing is concluded from them.
"""

from segsweep.config.truth import NO_TEST
from segsweep.errors import ConfigError
from segsweep.metrics import METRICS
from segsweep.report.analysis import Compared, further_notes, nothing, with_search
from segsweep.report.question import Asked, comparable, values_of_sweep
from segsweep.store.tables import Tables

PART = "validation"
WHY = "the epoch of each run was chosen on these validation images"
HOW = (
    "For a comparison with intervals, train with a test part: data.split.test=0.25 where the split "
    "is drawn, else test images in the split."
)


def check_tested(what: str, tables: Tables) -> None:
    """Raise ConfigError where *tables*, of one comparison, have no test images to compare by."""
    if tables.validation_only:
        raise ConfigError(f"{what}: {NO_TEST}: cells are not compared, because {WHY}. {HOW}")


def show_validation(tables: Tables, asked: Asked, data: str = "") -> Compared:
    """Return the validation means of the cells of one comparison, as `compare` returns others.

    Raises:
        ConfigError: there is no such metric, or a baseline is asked for.
        DataError: the groups file cannot be used.

    """
    from segsweep.stats.tables import pairs_table, validation_table
    from segsweep.stats.wording.answer import Answer
    from segsweep.stats.wording.notes import note_texts, warning_texts

    if asked.baseline is not None:
        check_tested(f"baseline {asked.baseline}", tables)
    runs = comparable(tables)
    values = values_of_sweep(runs, asked)
    label = METRICS[asked.metric].label
    found = (
        f"No test part: mean validation {label}, no cell is called better, because {WHY}."
        if values.cells
        else nothing(tables, asked.metric, PART)
    )
    notes = (*further_notes(runs), *note_texts(values.notes, PART))
    cells = validation_table(values, runs.results, asked.metric)
    pairs = pairs_table(None)
    cells.insert(0, "data", data)
    pairs.insert(0, "data", data)
    warnings = warning_texts(values.warnings, PART)
    headline = f"{NO_TEST.capitalize()}. {found}"
    said = Answer(headline, (), next=(HOW,), notes=notes, warnings=warnings)
    planned = int(runs.results["cell"].nunique())
    swept = tuple(tables.swept)
    return with_search(
        Compared(asked, None, said, cells, pairs, planned, data, swept, "val"), tables
    )
