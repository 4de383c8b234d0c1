"""What stands above averages and above differences to a baseline: their own answer."""

from collections.abc import Sequence
from itertools import combinations

from pandas import DataFrame

from segsweep.stats.contrasts import BASELINE
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.runs import listed, many
from segsweep.stats.verdicts import A_BETTER, B_BETTER, EQUAL, UNDECIDED
from segsweep.stats.wording.levels import (
    FAMILY,
    NOUNS,
    Met,
    compared,
    levels_table,
    no_best,
    sentence,
)
from segsweep.stats.wording.sentences import chance_text, clearest, left_out, no_claim, so_far


def levels_text(analysis: Analysis, by: str, asked: int | None = None) -> str:
    """Return in one or two sentences what is settled between architectures, or losses.

    Args:
        analysis: of all cells.
        by: model | loss.
        asked: how many cells were asked for; None: those that are compared.

    Raises:
        ValueError: *by* is neither.

    """
    table = levels_table(analysis, by)
    one, all_ = NOUNS[by]
    if len(table) == 1:
        return f"There is one {one}, nothing to compare: {table[by].iloc[0]}."
    if not analysis.claims:
        return f"No claim about methods: {no_claim(analysis)}."
    if analysis.depends is not None:
        return sentence(no_best(analysis, by))
    rows = compared(analysis, by)
    if not rows:
        return f"Nothing can be said of {all_} by themselves."
    return _said(analysis, table, by, rows, so_far(analysis, asked))


def _said(analysis: Analysis, table: DataFrame, by: str, rows: Sequence[Met], missing: str) -> str:
    """Return what is settled, then the clearest difference."""
    all_, clear = NOUNS[by][1], clearest(rows[0].tested, NOUNS[by][1])
    start = f"So far ({missing}): " if missing else "Settled: "
    of = f" ({missing})" if missing else ""
    if 2 * len(rows) < len(table) * (len(table) - 1):  # some have too little in common
        none = f"Nothing is settled between those {all_} that can be compared{of}."
        return f"{start}{clear}" if clear else none
    best = table.loc[table["may_be_best"], by].tolist()
    found = {frozenset((row.a, row.b)): row.verdict for row in rows}
    if len(best) == 1:
        chance = chance_text(table.set_index(by)["p_best"][best[0]])
        first = f"{best[0]} is the best of {len(table)} {_averaged(by, rows)}"
        return f"{start}{first} (chance {chance}). {clear}"
    if {found[frozenset(pair)] for pair in combinations(best, 2)} == {EQUAL}:
        same = f"equal within {analysis.settings.margin:g}: {listed(best)}"
        first = f"{start}the {len(best)} {all_} that may be the best are {same}."
        return f"{first} {clear}".rstrip()
    if set(found.values()) == {UNDECIDED}:
        return f"Nothing is settled between the {len(table)} {all_}{of}."
    return f"{_open(best, len(table), all_, of)} {clear}".rstrip()


def _open(best: Sequence[str], count: int, noun: str, of: str) -> str:
    start = f"Not settled{of}"
    if len(best) == count:
        return f"{start}: any of the {count} {noun} may be the best."
    return f"{start}: {len(best)} of {count} {noun} may be the best: {listed(best)}."


def _averaged(by: str, rows: Sequence[Met]) -> str:
    """Return what is compared: levels on average, or cells where there is nothing to average."""
    average = rows[0].tested.family.name == FAMILY[by]
    return f"{NOUNS[by][1]} on average over the rest" if average else NOUNS[by][1]


def baseline_text(analysis: Analysis, asked: int | None = None) -> str:
    """Return which cells are better than the baseline, which worse, and of how many nobody knows.

    Args:
        analysis: made with a baseline.
        asked: how many cells were asked for; None: those that are compared.

    """
    tested = analysis.tested.get(BASELINE)
    if tested is None:
        return "There is no other cell to compare the baseline with."
    if not analysis.claims:
        return f"No claim about methods: {no_claim(analysis)}."
    said, missing = sentence(_against(tested, analysis.settings.margin)), so_far(analysis, asked)
    if missing:
        said = f"So far ({missing}): {said[0].lower()}{said[1:]}"
    if left := left_out(analysis):
        said = f"{said} Nothing can be claimed about cells with one seed: {listed(left)}."
    return said


def _against(tested: Tested, margin: float) -> list[str]:
    """Return the cells by verdict; the baseline is named where something is said first."""
    base, found = tested.family.b[0], dict[str, list[str]]()
    for cell, verdict in zip(tested.family.a, tested.verdicts, strict=True):
        found.setdefault(verdict, []).append(cell)
    words = {
        A_BETTER: ("better", f"better than {base}"),
        B_BETTER: ("worse", f"worse than {base}"),
        EQUAL: (f"equal within {margin:g}", f"equal to {base} within {margin:g}"),
    }
    said = list[str]()
    for verdict, (short, whole) in words.items():
        if verdict in found:
            said.append(f"{short if said else whole}: {listed(found[verdict])}")
    if open_ := found.get(UNDECIDED):
        others = open_[0] if len(open_) == 1 else f"the {len(open_)} others"
        nothing = f"nothing is settled for {many(len(open_), 'other')}"
        said.append(nothing if said else f"nothing is settled between {base} and {others}")
    return said
