"""The table that a command asks for: cells, averages over the rest, or a baseline."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from segsweep.report.analysis import Compared, baseline_frame

if TYPE_CHECKING:
    from pandas import DataFrame

BY = ("model", "loss")


def part(
    compared: Compared, swept: Sequence[str], by: str | None = None
) -> "tuple[DataFrame, list[str]]":
    """Return the requested table, and the sentences that belong above it.

    Args:
        compared: the comparison; with a baseline, the table holds differences to it.
        swept: the keys besides model and loss in which cells differ.
        by: one of BY: a row per model or loss, averaged over the rest.

    """
    from segsweep.stats.levels import levels_table
    from segsweep.stats.wording.headings import baseline_text, levels_text
    from segsweep.stats.wording.levels import levels_note

    analysis, asked, planned = compared.analysis, compared.asked, compared.planned
    if analysis is None or (by is None and asked.baseline is None):
        return compared.cells, [compared.answer.headline]
    warnings = compared.answer.warnings
    if by is not None:
        said = [*warnings, levels_text(analysis, by, planned), levels_note(analysis, by, planned)]
        table = levels_table(analysis, by, asked.metric)
        table.insert(0, "data", compared.data)
        return table, _once(said)
    return baseline_frame(compared, swept), [*warnings, baseline_text(analysis, planned)]


def _once(said: Sequence[str]) -> list[str]:
    """Return sentences without those that another one begins with."""
    kept = list(dict.fromkeys(filter(None, said)))
    starts = {one: one.removesuffix(".") for one in kept}
    return [
        one
        for one in kept
        if not any(other.startswith(starts[one]) for other in kept if other != one)
    ]
