"""Headings: what is settled between architectures, between losses, and against a baseline."""

from collections.abc import Sequence
from itertools import combinations

from pandas import DataFrame

from segsweep.stats.contrasts import BASELINE
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.levels import FAMILY, LevelPair, level_pairs, levels_table
from segsweep.stats.verdicts import A_BETTER, ALIKE, B_BETTER, EQUAL, IDENTICAL, UNDECIDED
from segsweep.stats.wording.levels import NOUNS, no_best
from segsweep.stats.wording.phrases import confidence, margin_text, sentence
from segsweep.stats.wording.sentences import (
    NETWORKS,
    clearest,
    finished_cells,
    no_claim,
    unclaimed_cells,
)
from segsweep.system.names import name_list, plural


def levels_text(analysis: Analysis, by: str, planned: int | None = None) -> str:
    """Return what is settled between architectures, or losses, in one or two sentences.

    Args:
        analysis: of all cells.
        by: model | loss.
        planned: number of planned cells; None: all of them are compared.

    Raises:
        ValueError: *by* is neither.

    """
    table = levels_table(analysis, by)
    one, every = NOUNS[by]
    if len(table) == 1:
        return f"There is only one {one}, nothing to compare: {table[by].iloc[0]}."
    if not analysis.claims:
        return f"No claim about methods: {no_claim(analysis)}."
    if analysis.depends is not None:
        return sentence(no_best(analysis, by))
    rows = level_pairs(analysis, by)
    if not rows:
        return f"No two {every} can be compared: they have too few combinations in common."
    return _settled(analysis, table, by, rows, finished_cells(analysis, planned))


def _settled(
    analysis: Analysis, table: DataFrame, by: str, rows: Sequence[LevelPair], missing: str
) -> str:
    """Return what is settled, then the clearest difference."""
    every, clear = NOUNS[by][1], clearest(rows[0].tested, NOUNS[by][1])
    start = f"So far ({missing}): " if missing else "Settled: "
    of = f" ({missing})" if missing else ""
    sure = f"So far ({missing}), with" if missing else "With"
    sure += f" {confidence(analysis.settings.level)}"
    if 2 * len(rows) < len(table) * (len(table) - 1):  # some share too few combinations
        none = f"Nothing is settled between those {every} that can be compared{of}."
        return f"{start}{clear}" if clear else none
    best = table.loc[table["may_be_best"], by].tolist()
    found = {frozenset((row.a, row.b)): row.verdict for row in rows}
    if len(best) == 1:
        first = f"{best[0]} is the best of {len(table)} {_averaged(by, rows)}."
        return f"{sure} {first} {clear}".rstrip()
    if {found[frozenset(pair)] for pair in combinations(best, 2)} <= {*ALIKE}:
        verdicts = {found[frozenset(pair)] for pair in combinations(best, 2)}
        margin = margin_text(analysis.settings.margin, analysis.values.unit)
        alike = IDENTICAL if verdicts == {IDENTICAL} else f"equal within {margin}"
        same = f"{alike}: {name_list(best)}"
        first = f"{start}the {len(best)} {every} that may be the best are {same}."
        return f"{first} {clear}".rstrip()
    if len(best) == len(table) and set(found.values()) == {UNDECIDED}:
        return f"Nothing is settled between the {len(table)} {every}{of}."
    if len(best) == len(table):
        first = f"Not settled{of}: any of the {len(table)} {every} may be the best."
    else:
        these = f"these {len(best)} of {len(table)} {every}: {name_list(best)}"
        first = f"{sure} the best is one of {these}."
    return f"{first} {clear}".rstrip()


def _averaged(by: str, rows: Sequence[LevelPair]) -> str:
    """Return what is compared: averaged levels, or cells if there is nothing to average."""
    average = rows[0].tested.family.name == FAMILY[by]
    return f"{NOUNS[by][1]} on average over the other factors" if average else NOUNS[by][1]


def baseline_text(analysis: Analysis, planned: int | None = None) -> str:
    """Return which cells are better or worse than the baseline, and how many are undecided.

    Args:
        analysis: made with a baseline.
        planned: number of planned cells; None: all of them are compared.

    """
    tested = analysis.tested.get(BASELINE)
    if tested is None:
        return "There is no other cell to compare the baseline with."
    if not analysis.claims:
        return f"No claim about methods: {no_claim(analysis)}. {NETWORKS}"
    text = sentence(_against(tested, margin_text(analysis.settings.margin, tested.unit)))
    if missing := finished_cells(analysis, planned):
        text = f"So far ({missing}): {text[0].lower()}{text[1:]}"
    if cells := unclaimed_cells(analysis):
        text = f"{text} Nothing can be claimed about cells with one seed: {name_list(cells)}."
    return text


def _against(tested: Tested, margin: str) -> list[str]:
    """Return the cells by verdict; only the first part names the baseline."""
    base, found = tested.family.b[0], dict[str, list[str]]()
    for cell, verdict in zip(tested.family.a, tested.verdicts, strict=True):
        found.setdefault(verdict, []).append(cell)
    words = {
        A_BETTER: ("better", f"better than {base}"),
        B_BETTER: ("worse", f"worse than {base}"),
        IDENTICAL: ("the same on every image", f"the same as {base} on every image"),
        EQUAL: (f"equal within {margin}", f"equal to {base} within {margin}"),
    }
    parts = list[str]()
    for verdict, (short, whole) in words.items():
        if verdict in found:
            parts.append(f"{short if parts else whole}: {name_list(found[verdict])}")
    if open_ := found.get(UNDECIDED):
        others = open_[0] if len(open_) == 1 else f"the {len(open_)} others"
        nothing = f"nothing is settled for {plural(len(open_), 'other')}"
        parts.append(nothing if parts else f"nothing is settled between {base} and {others}")
    return parts
