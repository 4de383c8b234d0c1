"""The answer in sentences: which cells may be the best, what is settled, and what it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from segsweep.stats.contrasts import ARCHITECTURES, CELLS, LOSSES
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.verdicts import ALIKE, BETTER, EQUAL, UNDECIDED
from segsweep.stats.wording.best import best_texts, levels_text
from segsweep.stats.wording.next_steps import next_steps, take_texts
from segsweep.stats.wording.notes import note_texts, warning_texts
from segsweep.stats.wording.phrases import confidence, margin_text, p_text, size_text
from segsweep.stats.wording.sentences import (
    ONE_SEED,
    claim,
    clearest,
    finished_cells,
    no_claim,
    unclaimed_cells,
)
from segsweep.system.names import MOST_NAMES, is_or_are, name_list, plural

SAME = "equal on every image"
"""Said of cells whose networks have the same counts."""


@dataclass(frozen=True)
class Answer:
    """Sentences, the most important first."""

    headline: str
    """Which cells may be the best."""
    best: tuple[str, ...]
    """The cells that may be the best, highest mean first."""
    settled: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    """What it would take to settle more."""
    notes: tuple[str, ...] = ()
    """What was left out or is missing."""
    warnings: tuple[str, ...] = ()
    """What has to be known first: cells whose networks predict nothing, or everything; chosen
    values at an end of what was searched."""
    search: tuple[str, ...] = ()
    """At which values cells are compared, and what finding them took; empty without a search."""

    @property
    def text(self) -> str:
        """All sentences except the notes, as one paragraph; warnings first."""
        found = *self.settled, *self.unsettled, *self.search, *self.next
        return " ".join([*self.warnings, self.headline, *found])

    def __str__(self) -> str:
        """Return `text`."""
        return self.text


def answer(
    analysis: Analysis | None,
    notes: tuple[str, ...] = (),
    planned: int | None = None,
    costs: tuple[str, Mapping[str, float]] = ("", {}),
    order: tuple[str, ...] = (),
) -> Answer:
    """Return the answer.

    Args:
        analysis: None if nothing can be compared yet.
        notes: sentences to put before the notes of the values.
        planned: number of planned cells; None: all of them are compared.
        costs: what the cells cost, as `cheapest.cell_costs` returns it.
        order: the cells in the order in which they are named; empty: the highest mean first.

    """
    if analysis is None:
        return Answer("Nothing to compare: no run is finished.", (), notes=notes)
    every_note = *notes, *note_texts(analysis.values.notes)
    said = _said(analysis, every_note, planned, costs, order or _by_mean(analysis))
    return replace(said, warnings=warning_texts(analysis.values.warnings))


def _said(
    analysis: Analysis,
    every_note: tuple[str, ...],
    planned: int | None,
    costs: tuple[str, Mapping[str, float]],
    cells: tuple[str, ...],
) -> Answer:
    """Return the answer without its warnings; it names *cells* in this order."""
    if len(cells) == 1:
        return Answer(_one_cell(analysis, planned), cells, notes=every_note)
    if not analysis.claims:
        return Answer(
            _no_claim(analysis, planned),
            cells,
            unsettled=_only_networks(analysis),
            next=next_steps(analysis),
            notes=(*_same_counts(analysis), *every_note),
        )
    best = tuple(name for name in cells if _may(analysis, name))
    equal = len(best) > 1 and _all_equal(analysis, best)
    headline = (
        _equal(analysis, best, planned) if equal else _headline(analysis, best, planned, cells)
    )
    take = take_texts(analysis, best, equal, costs)
    settled = (
        *best_texts(analysis, best, equal),
        *_clearest_pair(analysis),
        *_factors(analysis),
        *_equal_pairs(analysis),
        *_same_counts(analysis),
    )
    return Answer(headline, best, settled, _unclear(analysis), take, every_note)


def _finished(analysis: Analysis, planned: int | None) -> str:
    """Return `20 cells`, or `9 finished cells (20 planned)` if some are missing."""
    count = len(analysis.values.cells)
    if not finished_cells(analysis, planned):
        return plural(count, "cell")
    return f"{plural(count, 'finished cell')} ({planned} planned)"


def _headline(
    analysis: Analysis, best: tuple[str, ...], planned: int | None, order: tuple[str, ...]
) -> str:
    cells = _finished(analysis, planned)
    if len(best) == len(analysis.values.cells):
        any_ = "either" if len(best) == 2 else "any"
        return f"Not settled: {any_} of the {cells} may be the best."
    start = f"{'So far, with' if finished_cells(analysis, planned) else 'With'} "
    start += confidence(analysis.settings.level)
    if len(best) == 1:
        return f"{start} {best[0]} is the best of {cells}."
    out = [name for name in order if name not in best]
    if len(out) <= MOST_NAMES < len(best):  # shorter, and nothing is left out
        return f"{start} the best is one of {len(best)} of {cells}: all but {name_list(out)}."
    return f"{start} the best is one of these {len(best)} of {cells}: {name_list(best)}."


def _equal(analysis: Analysis, best: tuple[str, ...], planned: int | None) -> str:
    within = f"equal within {margin_text(analysis.settings.margin, analysis.values.unit)}"
    same = f"{SAME if len(_classes(analysis, best)) == 1 else within}: {name_list(best)}"
    if finished_cells(analysis, planned):
        cells = _finished(analysis, planned)
        return f"So far, of {cells}, the {len(best)} that may be the best are {same}."
    return f"Settled: the {len(best)} cells that may be the best are {same}."


def _all_equal(analysis: Analysis, best: tuple[str, ...]) -> bool:
    """Whether all pairs of cells of *best* are equal within the margin."""
    tested = analysis.tested[CELLS]
    rows = zip(tested.family.a, tested.family.b, tested.verdicts, strict=True)
    verdicts = [verdict for a, b, verdict in rows if {a, b} <= {*best}]
    return len(verdicts) == len(best) * (len(best) - 1) // 2 and {*verdicts} <= {*ALIKE}


def _classes(analysis: Analysis, cells: Sequence[str]) -> set[int]:
    """Return the numbers of *cells* among the classes of equal cells."""
    number = dict(zip(analysis.values.cells, analysis.values.classes.tolist(), strict=True))
    return {number[cell] for cell in cells}


def _same_counts(analysis: Analysis) -> tuple[str, ...]:
    """Return which cells have the same counts on every image; of all cells the headline says it."""
    groups: dict[int, list[str]] = {}
    for cell, number in zip(analysis.values.cells, analysis.values.classes.tolist(), strict=True):
        groups.setdefault(number, []).append(cell)
    same = [name_list(cells) for cells in groups.values() if len(cells) > 1]
    return (f"{SAME.capitalize()}: {'; '.join(same)}.",) if same and len(groups) > 1 else ()


def _only_networks(analysis: Analysis) -> tuple[str, ...]:
    """Return how many pairs differ as trained, and why that is no verdict on the methods."""
    tested = analysis.tested.get(CELLS)
    count = 0 if tested is None else int(((tested.low > 0) | (tested.high < 0)).sum())
    if tested is None or not count:
        return ()
    of = "The only pair" if len(tested.t) == 1 else f"{count} of {len(tested.t)} pairs of cells"
    have = "has an interval" if count == 1 else "have intervals"
    return (
        f"{of} {have} that exclude{'s' if count == 1 else ''} 0: these trained networks differ on "
        f"new images. With {no_claim(analysis)} no verdict on the methods is given.",
    )


def _one_cell(analysis: Analysis, planned: int | None) -> str:
    name, (mean, low, high) = analysis.values.cells[0], analysis.mean(0)
    seeds, missing = int(analysis.parts.seeds[0]), finished_cells(analysis, planned)
    where = size_text(mean, low, high, analysis.values.unit)
    only = " It is one trained network: another seed may give another mean." if seeds == 1 else ""
    first = f"{missing}, nothing to compare yet" if missing else "One cell, nothing to compare"
    return f"{first}: {name} has a mean of {where}.{only}"


def _no_claim(analysis: Analysis, planned: int | None) -> str:
    """Return the headline if no claim about methods is possible."""
    best, count = int(analysis.parts.mean.argmax()), len(analysis.values.cells)
    first = np.flatnonzero(analysis.parts.mean == analysis.parts.mean[best])
    highest = [analysis.values.cells[k] for k in first]
    why, (mean, low, high) = no_claim(analysis), analysis.mean(best)
    single = bool((analysis.parts.seeds == 1).all())
    these = f"these {count} trained networks" if single else f"these {count} cells as trained"
    if finished_cells(analysis, planned):
        these = f"{these} ({planned} cells planned)"
    if len(_classes(analysis, analysis.values.cells)) == 1:
        return f"No claim about methods: {why}. All of {these} are {SAME}."
    other = "another seed" if why.startswith(ONE_SEED) else "other images"
    extreme = "highest" if analysis.values.sign > 0 else "lowest"
    have = "has" if len(highest) == 1 else "share"
    return (
        f"No claim about methods: {why}. Of {these}, {name_list(highest)} {have} the {extreme} "
        f"mean, {size_text(mean, low, high, analysis.values.unit)} on new images; {other} may "
        "change the order."
    )


def _clearest_pair(analysis: Analysis) -> tuple[str, ...]:
    """Return how many pairs of cells differ, and the clearest difference."""
    tested = analysis.tested.get(CELLS)
    text = "" if tested is None else clearest(tested, "cells")
    return (text,) if text else ()


def _equal_pairs(analysis: Analysis) -> tuple[str, ...]:
    """Return how many pairs of cells are equal; of a single pair the headline says it."""
    tested = analysis.tested.get(CELLS)
    equal = 0 if tested is None else tested.verdicts.count(EQUAL)
    if tested is None or not equal or len(tested.t) == 1:
        return ()
    are, margin = is_or_are(equal), margin_text(analysis.settings.margin, analysis.values.unit)
    return (f"{equal} of {len(tested.t)} pairs of cells {are} equal within {margin}.",)


def _factors(analysis: Analysis) -> tuple[str, ...]:
    """Return claims about architectures and losses, or that they interact."""
    if analysis.depends is not None:
        p = p_text(analysis.depends)
        return (
            f"The effect of the loss depends on the architecture ({p}): no loss is best overall.",
        )
    texts: list[str] = []
    for name in (ARCHITECTURES, LOSSES):
        tested = analysis.tested.get(name)
        if tested is not None:
            texts += levels_text(tested, analysis.settings.level)
            claims = [k for k, v in enumerate(tested.verdicts) if v in BETTER]
            texts += [
                f"{name.capitalize()}, on average over the other factors: {claim(tested, k)}"
                for k in sorted(claims, key=lambda k: -abs(tested.t[k]))[:MOST_NAMES]
            ]
    return tuple(texts)


def _unclear(analysis: Analysis) -> tuple[str, ...]:
    """Return the families in which nothing is settled, and the cells without claims."""
    undecided = [
        name
        for name in (ARCHITECTURES, LOSSES)
        if name in analysis.tested and _is_open(analysis.tested[name])
    ]
    between = " or ".join(f"between {name}" for name in undecided)
    texts = [f"Nothing is settled {between}."] if undecided else []
    if cells := unclaimed_cells(analysis):
        texts.append(
            f"Nothing can be claimed about cells with one seed: {name_list(cells)}; chances of "
            f"being the best refer to the other {len(analysis.claimed)}."
        )
    return tuple(texts)


def _is_open(tested: Tested) -> bool:
    """Whether nothing is settled in a family: no pair, and nothing is ruled out as the best."""
    ruled_out = tested.best is not None and not tested.best.may.all()
    return set(tested.verdicts) == {UNDECIDED} and not ruled_out


def _by_mean(analysis: Analysis) -> tuple[str, ...]:
    order = np.argsort(-analysis.parts.mean, kind="stable")
    return tuple(analysis.values.cells[cell] for cell in order)


def _may(analysis: Analysis, name: str) -> bool:
    return bool(analysis.may_be_best[analysis.values.cells.index(name)])
