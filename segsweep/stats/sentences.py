"""Sentences about one contrast: what is claimed, what stays open, what it would take."""

import numpy as np

from segsweep.stats.contrasts import CELLS
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.verdicts import BETTER

NAMED = 6
"""More names than this are counted, not listed."""


def paragraph(analysis: Analysis, a: str, b: str) -> str:
    """Return what can be said of cells *a* and *b*; KeyError for a cell that is not compared."""
    tested = analysis.tested[CELLS]
    both = list(zip(tested.family.a, tested.family.b, strict=True))
    k = both.index((a, b)) if (a, b) in both else both.index((b, a)) if (b, a) in both else -1
    if k < 0:
        raise KeyError(f"{a}, {b}")
    words = claim(tested, k) if tested.verdicts[k] in BETTER else still_open(tested, k)
    if not analysis.claims:
        return f"{words} With one seed per cell this holds for these trained networks only."
    chance = tested.chances
    equal = f"{analysis.settings.margin:g}"
    odds = (
        f"Chance that {tested.family.a[k]} is better by more than {equal}: {chance.better[k]:.2f}; "
        f"equal within it: {chance.equal[k]:.2f}; worse: {chance.worse[k]:.2f}."
    )
    return " ".join([words, odds, *_advice(tested, k)])


def claim(tested: Tested, k: int) -> str:
    """Return who is better in contrast *k*, by how much; the better one first."""
    a, b = tested.family.a[k], tested.family.b[k]
    low, high, size = tested.low[k], tested.high[k], tested.difference[k]
    if size < 0:
        a, b, low, high, size = b, a, -high, -low, -size
    return f"{a} is better than {b} by {size:.4f} {interval(low, high)}, {p_text(tested.p[k])}."


def still_open(tested: Tested, k: int) -> str:
    """Return what is known of contrast *k*, which nobody won."""
    where = interval(tested.low[k], tested.high[k])
    size = f"{tested.family.a[k]} less {tested.family.b[k]} is {tested.difference[k]:.4f} {where}"
    p = "" if np.isnan(tested.p[k]) else f", {p_text(tested.p[k])}"
    return f"{tested.verdicts[k].capitalize()}: {size}{p}."


def _advice(tested: Tested, k: int) -> list[str]:
    if k not in tested.advice:
        return []
    advice = tested.advice[k]
    if advice.seeds is None:
        return [f"{advice.reason.capitalize()}."]
    return [f"A difference of this size would probably be seen with {advice.seeds} seeds per cell."]


def listed(names: tuple[str, ...]) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def interval(low: float, high: float) -> str:
    """Return `(low to high)`."""
    return f"({low:.4f} to {high:.4f})" if low == low else "(no interval)"


def p_text(value: float) -> str:
    """Return `p = 0.012`; what is below a thousandth is only said to be."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"
