"""The answer in words: which cells may be the best, what is settled, what is not, what it takes."""

from dataclasses import dataclass

import numpy as np

from segsweep.stats.contrasts import ARCHITECTURES, CELLS, LOSSES
from segsweep.stats.engine import Analysis
from segsweep.stats.runs import NAMED, listed, many
from segsweep.stats.verdicts import BETTER, EQUAL, UNDECIDED
from segsweep.stats.wording.next_steps import next_steps
from segsweep.stats.wording.sentences import (
    ONE_SEED,
    chance_text,
    claim,
    clearest,
    interval,
    left_out,
    no_claim,
    p_text,
    so_far,
)


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
    """What it would take."""
    notes: tuple[str, ...] = ()
    """What was left out."""

    @property
    def text(self) -> str:
        """All sentences but the notes, as one paragraph."""
        return " ".join([self.headline, *self.settled, *self.unsettled, *self.next])

    def __str__(self) -> str:
        """Return `text`."""
        return self.text


def answer(
    analysis: Analysis | None, notes: tuple[str, ...] = (), asked: int | None = None
) -> Answer:
    """Return the answer.

    Args:
        analysis: None stands for a sweep in which nothing can be compared yet.
        notes: sentences that matter more than those of the values.
        asked: how many cells were asked for; None: those that are compared.

    """
    if analysis is None:
        return Answer("Nothing to compare: no run is finished.", (), notes=notes)
    said, cells = (*notes, *analysis.values.notes), _by_mean(analysis)
    if len(cells) == 1:
        return Answer(_one_cell(analysis, asked), cells, notes=said)
    if not analysis.claims:
        return Answer(_no_claim(analysis, asked), cells, next=next_steps(analysis), notes=said)
    best = tuple(name for name in cells if _may(analysis, name))
    equal = len(best) > 1 and _all_equal(analysis, best)
    headline = _equal(analysis, best, asked) if equal else _headline(analysis, best, asked)
    take = ("Take the cheapest of them.",) if equal else next_steps(analysis)
    settled = (*_clearest_pair(analysis), *_factors(analysis), *_equal_pairs(analysis))
    return Answer(headline, best, settled, _unclear(analysis), take, said)


def _finished(analysis: Analysis, asked: int | None) -> str:
    """Return `20 cells`, or `9 finished cells (20 asked for)` where some are missing."""
    count = len(analysis.values.cells)
    if not so_far(analysis, asked):
        return many(count, "cell")
    return f"{many(count, 'finished cell')} ({asked} asked for)"


def _headline(analysis: Analysis, best: tuple[str, ...], asked: int | None) -> str:
    cells = _finished(analysis, asked)
    if len(best) == 1:
        chance = chance_text(analysis.p_best[analysis.values.cells.index(best[0])])
        if so_far(analysis, asked):
            return f"So far, of {cells}, {best[0]} is the best (chance {chance})."
        return f"Settled: {best[0]} is the best of {cells} (chance {chance})."
    if len(best) == len(analysis.values.cells):
        any_ = "either" if len(best) == 2 else "any"
        return f"Not settled: {any_} of the {cells} may be the best."
    return f"Not settled: {len(best)} of {cells} may be the best: {listed(best)}."


def _equal(analysis: Analysis, best: tuple[str, ...], asked: int | None) -> str:
    same = f"equal within {analysis.settings.margin:g}: {listed(best)}"
    if so_far(analysis, asked):
        cells = _finished(analysis, asked)
        return f"So far, of {cells}, the {len(best)} that may be the best are {same}."
    return f"Settled: the {len(best)} cells that may be the best are {same}."


def _all_equal(analysis: Analysis, best: tuple[str, ...]) -> bool:
    """Whether every two cells of *best* are equal within the margin."""
    tested = analysis.tested[CELLS]
    rows = zip(tested.family.a, tested.family.b, tested.verdicts, strict=True)
    said = [verdict for a, b, verdict in rows if {a, b} <= {*best}]
    return len(said) == len(best) * (len(best) - 1) // 2 and set(said) == {EQUAL}


def _one_cell(analysis: Analysis, asked: int | None) -> str:
    name, (mean, low, high) = analysis.values.cells[0], analysis.mean(0)
    seeds, missing = int(analysis.parts.seeds[0]), so_far(analysis, asked)
    where = interval(low, high)
    only = " This holds for this trained network only." if seeds == 1 else ""
    first = f"{missing}, nothing to compare yet" if missing else "One cell, nothing to compare"
    return f"{first}: {name} has {mean:.4f} {where}.{only}"


def _no_claim(analysis: Analysis, asked: int | None) -> str:
    """Return the headline where nothing can be claimed about methods."""
    top, count, why = (
        int(analysis.parts.mean.argmax()),
        len(analysis.values.cells),
        no_claim(analysis),
    )
    single = bool((analysis.parts.seeds == 1).all())
    these = f"these {count} trained networks" if single else f"these {count} cells as trained"
    if so_far(analysis, asked):
        these = f"{these} ({asked} cells asked for)"
    turn = "another seed" if why.startswith(ONE_SEED) else "other images"
    mean, low, high = analysis.mean(top)
    most = "highest" if analysis.values.sign > 0 else "lowest"
    return (
        f"No claim about methods: {why}. Of {these} {analysis.values.cells[top]} has the {most} "
        f"mean, {mean:.4f} {interval(low, high)} "
        f"on new images; {turn} may turn the order."
    )


def _clearest_pair(analysis: Analysis) -> tuple[str, ...]:
    """Return how many pairs of cells differ, and the clearest difference in words."""
    tested = analysis.tested.get(CELLS)
    said = "" if tested is None else clearest(tested, "cells")
    return (said,) if said else ()


def _equal_pairs(analysis: Analysis) -> tuple[str, ...]:
    """Return how many pairs of cells are equal; of a single one the headline says so."""
    tested = analysis.tested.get(CELLS)
    equal = 0 if tested is None else tested.verdicts.count(EQUAL)
    if tested is None or not equal or len(tested.t) == 1:
        return ()
    are, margin = "is" if equal == 1 else "are", f"{analysis.settings.margin:g}"
    return (f"{equal} of {len(tested.t)} pairs of cells {are} equal within {margin}.",)


def _factors(analysis: Analysis) -> tuple[str, ...]:
    """Return claims about architectures and losses; none where they depend on each other."""
    if analysis.depends is not None:
        p = p_text(analysis.depends)
        return (
            f"What a loss brings depends on the architecture ({p}): no loss is best by itself.",
        )
    said = []
    for name in (ARCHITECTURES, LOSSES):
        tested = analysis.tested.get(name)
        if tested is not None:
            claims = [k for k, v in enumerate(tested.verdicts) if v in BETTER]
            said += [
                f"{name.capitalize()}, on average over the rest: {claim(tested, k)}"
                for k in sorted(claims, key=lambda k: -abs(tested.t[k]))[:NAMED]
            ]
    return tuple(said)


def _unclear(analysis: Analysis) -> tuple[str, ...]:
    """Return the families in which nothing is settled, and the cells nothing is said about."""
    silent = [
        name
        for name in (ARCHITECTURES, LOSSES)
        if name in analysis.tested and set(analysis.tested[name].verdicts) == {UNDECIDED}
    ]
    said = [f"Between {' and between '.join(silent)} nothing is settled."] if silent else []
    if left := left_out(analysis):
        said.append(
            f"Nothing can be claimed about cells with one seed: {listed(left)}; chances of being "
            f"the best are among the other {len(analysis.claimed)}."
        )
    return tuple(said)


def _by_mean(analysis: Analysis) -> tuple[str, ...]:
    order = np.argsort(-analysis.parts.mean, kind="stable")
    return tuple(analysis.values.cells[cell] for cell in order)


def _may(analysis: Analysis, name: str) -> bool:
    return bool(analysis.may_be_best[analysis.values.cells.index(name)])
