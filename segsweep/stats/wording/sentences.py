"""Sentences about one contrast: what is claimed, what stays open, what it would take."""

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.advice import IMAGES, MORE, Advice, power, seeds_needed
from segsweep.stats.contrasts import CELLS
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.null import TINY
from segsweep.stats.runs import listed, spoken
from segsweep.stats.values import Values
from segsweep.stats.verdicts import BETTER, UNDECIDED

ONE_SEED, ONE_IMAGE = "one seed per cell", "one unit of test images"


def paragraph(analysis: Analysis, a: str, b: str) -> str:
    """Return what can be said of cells *a* and *b*, and what it would take to settle more.

    Advice that was not reckoned before is reckoned now.

    Raises:
        KeyError: they are one cell, or nothing can be claimed about one of them; names it.

    """
    tested, k = _pair(analysis, a, b)
    claimed = tested.verdicts[k] in BETTER  # then the better one stands first, else *a*
    turned = bool(tested.difference[k] < 0) if claimed else tested.family.a[k] == b
    same = bool(_apart(analysis.values, a, b) < TINY)
    words = _words(tested, k, same, turned)
    said = [_adjusted(words, tested)]
    if not analysis.claims:
        said = [words, *_limits(analysis, same)]
    elif not same:
        said += [_odds(tested, k, analysis.settings.margin, turned)]
        said += _advice(analysis, tested, k) if tested.verdicts[k] == UNDECIDED else []
    return " ".join(said)


def _pair(analysis: Analysis, a: str, b: str) -> tuple[Tested, int]:
    """Return the family of pairs and the number of this one in it."""
    claimed = [analysis.values.cells[cell] for cell in analysis.claimed]
    if missing := [name for name in (a, b) if name not in claimed or a == b]:
        raise KeyError(missing[0])
    tested = analysis.tested[CELLS]
    both = [{*names} for names in zip(tested.family.a, tested.family.b, strict=True)]
    return tested, both.index({a, b})


def _words(tested: Tested, k: int, same: bool, turned: bool) -> str:
    """Return who is better, or what is known where nobody is."""
    if tested.verdicts[k] in BETTER:
        return claim(tested, k)
    return still_open(tested, k, "The same on every image" if same else "", turned)


def _apart(values: Values, a: str, b: str) -> float:
    """Return how much two cells differ on the image where they differ most."""
    first, second = (values.tables[values.cells.index(name)].mean(0) for name in (a, b))
    return float(np.abs(first - second).max())


def _adjusted(words: str, tested: Tested) -> str:
    """Return *words*, which end in p, with what p was adjusted for."""
    count = len(tested.t)
    over = f"adjusted over all {count} pairs of the sweep" if count > 1 else "the sweep's only pair"
    return f"{words.removesuffix('.')}, {over}."


def _limits(analysis: Analysis, same: bool) -> list[str]:
    """Return what the words hold for where nothing can be claimed, and what to do about it."""
    limit = f"With {no_claim(analysis)} this holds for these trained networks only."
    return [limit] if same else [limit, what_first(analysis)]


def no_claim(analysis: Analysis) -> str:
    """Return why nothing can be claimed about methods, to follow "with" or a colon."""
    if analysis.parts.groups < 2:
        return ONE_IMAGE
    several = [spoken(analysis.values.cells[k]) for k in np.flatnonzero(analysis.parts.seeds > 1)]
    return f"{ONE_SEED} but for {listed(several)}" if several else ONE_SEED


def left_out(analysis: Analysis) -> tuple[str, ...]:
    """Return the cells about which nothing can be claimed though something can about others."""
    return tuple(name for k, name in enumerate(analysis.values.cells) if k not in analysis.claimed)


def what_first(analysis: Analysis) -> str:
    """Return what has to be done before anything can be claimed about methods."""
    if analysis.parts.groups < 2:
        return "Score on test images of at least two groups."
    return "Run at least 3 seeds of each cell, for example seed=0,1,2."


def _odds(tested: Tested, k: int, margin: float, turned: bool) -> str:
    chance, name = tested.chances, (tested.family.b if turned else tested.family.a)[k]
    better, worse = (chance.worse, chance.better) if turned else (chance.better, chance.worse)
    return (
        f"Chance that {name} is better by more than {margin:g}: {chance_text(better[k])}; "
        f"equal within it: {chance_text(chance.equal[k])}; worse: {chance_text(worse[k])}."
    )


def claim(tested: Tested, k: int) -> str:
    """Return who is better in contrast *k*, by how much; the better one first."""
    a, b = tested.family.a[k], tested.family.b[k]
    low, high, size = tested.low[k], tested.high[k], tested.difference[k]
    if size < 0:
        a, b, low, high, size = b, a, -high, -low, -size
    return f"{a} is better than {b} by {size:.4f} {interval(low, high)}, {p_text(tested.p[k])}."


def still_open(tested: Tested, k: int, said: str = "", turned: bool = False) -> str:
    """Return what is known of contrast *k*, which nobody won.

    *said* takes the verdict's place; *turned*: b less a.
    """
    a, b = tested.family.a[k], tested.family.b[k]
    size, low, high = tested.size(k)
    if turned:
        a, b, low, high, size = b, a, -high, -low, -size
    size_text = f"{a} less {b} is {size + 0.0:.4f} {interval(low, high)}"
    p = "" if np.isnan(tested.p[k]) else f", {p_text(tested.p[k])}"
    return f"{said or tested.verdicts[k].capitalize()}: {size_text}{p}."


def _advice(analysis: Analysis, tested: Tested, k: int) -> list[str]:
    """Return how many seeds would do, and whether MORE of every cell would."""
    if abs(tested.difference[k]) < TINY:
        return ["No difference was seen, so no number of seeds can be reckoned."]
    known = tested.family, analysis.claimed_parts, analysis.moderated, analysis.settings
    advice = tested.advice[k] if k in tested.advice else seeds_needed(*known, [k])[0]
    seeds = analysis.claimed_parts.seeds + MORE
    (chance,) = power(*known, seeds, [k])
    enough = chance >= analysis.settings.power or advised(advice, seeds)
    would = "would probably" if enough else "may" if chance > 0.5 else "would probably not"
    return [
        _needed(advice),
        f"{MORE} more seeds of every cell {would} settle it: a difference of this size would then "
        f"be seen with chance {chance_text(float(chance))}.",
    ]


def advised(advice: Advice | None, seeds: NDArray[np.int64]) -> bool:
    """Whether *seeds* of the cells are as many as advised."""
    return advice is not None and advice.seeds is not None and advice.seeds <= seeds.min()


def _needed(advice: Advice) -> str:
    if advice.seeds is not None:
        return (
            f"A difference of this size would probably be seen with {advice.seeds} seeds per cell."
        )
    if advice.reason == IMAGES:
        return f"{advice.reason.capitalize()}."
    return f"It would take {advice.reason} per cell to see a difference of this size."


def interval(low: float, high: float) -> str:
    """Return `(low to high)`."""
    return f"({low:.4f} to {high:.4f})" if low == low else "(no interval)"


def p_text(value: float) -> str:
    """Return `p = 0.012`; what is below a thousandth is only said to be."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def chance_text(chance: float) -> str:
    """Return a chance with two digits; what is next to sure, or next to never, is not certain."""
    if chance < 0.005:
        return "under 0.01"
    return "over 0.99" if chance >= 0.995 else f"{chance:.2f}"


def so_far(analysis: Analysis, asked: int | None) -> str:
    """Return `2 of 6 cells are finished` where *asked* for were more than are compared, else ''."""
    count = len(analysis.values.cells)
    if asked is None or asked <= count:
        return ""
    return f"{count} of {asked} cells {'is' if count == 1 else 'are'} finished"


def clearest(tested: Tested, noun: str) -> str:
    """Return how many pairs of a family differ, and the clearest difference; '' for none."""
    claims = [k for k, verdict in enumerate(tested.verdicts) if verdict in BETTER]
    if not claims:
        return ""
    differ = "differs" if len(claims) == 1 else "differ"
    some = f"{len(claims)} of {len(tested.t)} pairs of {noun} {differ}; clearest: "
    first = claim(tested, max(claims, key=lambda k: abs(tested.t[k])))
    return (some if len(tested.t) > 1 else "") + first
