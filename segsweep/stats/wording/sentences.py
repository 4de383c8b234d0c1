"""Sentences about one contrast: what is claimed, what is undecided, how many seeds it needs."""

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.advice import EXTRA_SEEDS, STEPS, Advice, Limit, power, seeds_needed
from segsweep.stats.contrasts import CELLS
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.null import TINY
from segsweep.stats.values import Values
from segsweep.stats.verdicts import BETTER, IDENTICAL, UNDECIDED
from segsweep.stats.wording.notes import warnings_of
from segsweep.stats.wording.phrases import cell_text, chance_text, margin_text, p_text, size_text
from segsweep.system.names import is_or_are, name_list, plural

ONE_SEED, ONE_GROUP = "one seed per cell", "a single group of test images"
NETWORKS = "Intervals are of these trained networks on new images; no verdict is given."
NEEDS_IMAGES = "more test images or folds are needed, or there is no difference to find"


def paragraph(analysis: Analysis, a: str, b: str) -> str:
    """Return what can be said about cells *a* and *b*, and what it takes to settle more.

    Advice that the analysis lacks is computed.

    Raises:
        KeyError: they are one cell, or no claim is possible about one of them; names it.

    """
    tested, k = _pair(analysis, a, b)
    claimed = tested.verdicts[k] in BETTER  # then the better one comes first, otherwise *a*
    turned = bool(tested.difference[k] < 0) if claimed else tested.family.a[k] == b
    same = tested.verdicts[k] == IDENTICAL or bool(
        _largest_difference(analysis.values, a, b) < TINY
    )
    result = " ".join(
        [*warnings_of(analysis.values.warnings, (a, b)), _result(tested, k, same, turned)]
    )
    if not analysis.claims:
        return " ".join([result, *_limits(analysis, same)])
    sentences = [_adjusted(result, tested)]
    if not same:
        margin = margin_text(analysis.settings.margin, tested.unit)
        sentences.append(_chances(tested, k, margin, turned))
        sentences += _advice(analysis, tested, k) if tested.verdicts[k] == UNDECIDED else []
    return " ".join(sentences)


def _pair(analysis: Analysis, a: str, b: str) -> tuple[Tested, int]:
    """Return the family of all pairs and the position of this pair in it."""
    claimed = [analysis.values.cells[cell] for cell in analysis.claimed]
    if missing := [name for name in (a, b) if name not in claimed or a == b]:
        raise KeyError(missing[0])
    tested = analysis.tested[CELLS]
    both = [{*names} for names in zip(tested.family.a, tested.family.b, strict=True)]
    return tested, both.index({a, b})


def _result(tested: Tested, k: int, same: bool, turned: bool) -> str:
    """Return which cell is better, or the difference if none is."""
    if tested.verdicts[k] in BETTER:
        return claim(tested, k)
    return no_winner(tested, k, "The same on every image" if same else "", turned)


def _largest_difference(values: Values, a: str, b: str) -> float:
    """Return the largest difference of two cells on a single image."""
    first, second = (values.tables[values.cells.index(name)].mean(0) for name in (a, b))
    return float(np.abs(first - second).max())


def _adjusted(result: str, tested: Tested) -> str:
    """Return *result*, which ends with p, with the number of comparisons p is adjusted for."""
    count = len(tested.t)
    over = f"adjusted for all {count} pairs of the sweep" if count > 1 else "the sweep's only pair"
    return f"{result.removesuffix('.')}, {over}."


def _limits(analysis: Analysis, same: bool) -> list[str]:
    """Return what the result holds for if no claim is possible, and what to do about it."""
    limit = f"With {no_claim(analysis)}, this holds for these trained networks only."
    return [limit] if same else [limit, first_step(analysis)]


def no_claim(analysis: Analysis) -> str:
    """Return why no claim about methods is possible, to follow "with" or a colon."""
    if analysis.parts.groups < 2:
        return ONE_GROUP
    several = [
        cell_text(analysis.values.cells[k]) for k in np.flatnonzero(analysis.parts.seeds > 1)
    ]
    return f"{ONE_SEED} except for {name_list(several)}" if several else ONE_SEED


def about_networks(analysis: Analysis | None) -> str:
    """Return what the intervals of pairs say if no claim about methods is possible; else ''."""
    if analysis is None or analysis.claims or analysis.parts.groups < 2:
        return ""
    return (
        f"With {no_claim(analysis)}, an interval says how these trained networks differ on new "
        "images. No verdict on the methods is given: pairs are undecided, also where the interval "
        "excludes 0."
    )


def unclaimed_cells(analysis: Analysis) -> tuple[str, ...]:
    """Return the cells about which no claim is possible although it is about others."""
    return tuple(name for k, name in enumerate(analysis.values.cells) if k not in analysis.claimed)


def first_step(analysis: Analysis) -> str:
    """Return what has to be done before any claim about methods is possible."""
    if analysis.parts.groups < 2:
        return "Use test images of at least two groups."
    return "Run at least 3 seeds of each cell, for example seed=0,1,2."


def _chances(tested: Tested, k: int, margin: str, turned: bool) -> str:
    chance, name = tested.chances, (tested.family.b if turned else tested.family.a)[k]
    better, worse = (chance.worse, chance.better) if turned else (chance.better, chance.worse)
    return (
        f"Chance that {name} is better by more than {margin}: {chance_text(better[k])}; "
        f"equal within {margin}: {chance_text(chance.equal[k])}; "
        f"worse by more: {chance_text(worse[k])}."
    )


def claim(tested: Tested, k: int) -> str:
    """Return which side of contrast *k* is better, and by how much; the better one first."""
    a, b = tested.family.a[k], tested.family.b[k]
    low, high, size = tested.low[k], tested.high[k], tested.difference[k]
    if size < 0:
        a, b, low, high, size = b, a, -high, -low, -size
    by = size_text(size, low, high, tested.unit)
    return f"{a} is better than {b} by {by}, {p_text(tested.p[k])}."


def no_winner(tested: Tested, k: int, verdict: str = "", turned: bool = False) -> str:
    """Return the difference of contrast *k*, in which neither side is better.

    *verdict* replaces that of the contrast; *turned*: b minus a.
    """
    a, b = tested.family.a[k], tested.family.b[k]
    size, low, high = tested.size(k)
    if turned:
        a, b, low, high, size = b, a, -high, -low, -size
    difference = f"{a} minus {b} is {size_text(size + 0.0, low, high, tested.unit)}"
    p = "" if np.isnan(tested.p[k]) else f", {p_text(tested.p[k])}"
    return f"{verdict or tested.verdicts[k].capitalize()}: {difference}{p}."


def _advice(analysis: Analysis, tested: Tested, k: int) -> list[str]:
    """Return how many seeds are needed, and whether EXTRA_SEEDS of every cell are enough."""
    if abs(tested.difference[k]) < TINY:
        return ["No difference was observed, so no number of seeds can be computed."]
    known = tested.family, analysis.claimed_parts, analysis.moderated, analysis.settings
    advice = tested.advice[k] if k in tested.advice else seeds_needed(*known, [k])[0]
    seeds = analysis.claimed_parts.seeds + EXTRA_SEEDS
    (chance,) = power(*known, seeds, [k])
    enough = chance >= analysis.settings.power or is_reached(advice, seeds)
    would = "would probably" if enough else "may" if chance > 0.5 else "would probably not"
    return [
        advice_text(advice),
        f"{EXTRA_SEEDS} more seeds of every cell {would} settle it: a difference of this size "
        f"would then be detected with probability {chance_text(float(chance))}.",
    ]


def is_reached(advice: Advice | None, seeds: NDArray[np.int64]) -> bool:
    """Whether every cell has at least as many *seeds* as advised."""
    return advice is not None and advice.seeds is not None and advice.seeds <= seeds.min()


def advice_text(advice: Advice) -> str:
    """Return how many seeds are needed, or why there is no such number."""
    if advice.seeds is not None:
        seeds = f"{advice.seeds} seeds per cell"
        return f"A difference of this size would probably be detected with {seeds}."
    if advice.limit is Limit.IMAGES:
        return f"More seeds will not help: {NEEDS_IMAGES}."
    return f"Detecting a difference of this size would take more than {STEPS[-1]} seeds per cell."


def finished_cells(analysis: Analysis, planned: int | None) -> str:
    """Return `2 of 6 cells are finished` if more are *planned* than compared, else ''."""
    count = len(analysis.values.cells)
    if planned is None or planned <= count:
        return ""
    return f"{count} of {plural(planned, 'cell')} {is_or_are(count)} finished"


def clearest(tested: Tested, noun: str) -> str:
    """Return how many pairs of a family differ, and the clearest difference; '' if none does."""
    claims = [k for k, verdict in enumerate(tested.verdicts) if verdict in BETTER]
    if not claims:
        return ""
    differ = "differs" if len(claims) == 1 else "differ"
    some = f"{len(claims)} of {len(tested.t)} pairs of {noun} {differ}; clearest: "
    first = claim(tested, max(claims, key=lambda k: abs(tested.t[k])))
    return (some if len(tested.t) > 1 else "") + first
