"""How far cells are from the best, in sentences."""

from collections.abc import Sequence

import numpy as np

from segsweep.stats.contrasts import CELLS
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.verdicts import BETTER, UNDECIDED
from segsweep.stats.wording.phrases import confidence, margin_text
from segsweep.system.names import name_list

WHY_UNDECIDED = (
    "Pairs with it may be undecided all the same: pairs are judged two-sided and all at once, the "
    "best one-sided and cell by cell."
)

FEW_MARGINS = 10
"""So many equivalence margins are near, however close to each other the cells are."""


def margin_of(analysis: Analysis) -> str:
    """Return the margin with its unit."""
    return margin_text(analysis.settings.margin, analysis.values.unit)


def as_good(analysis: Analysis) -> list[str]:
    """Return the cells that are as good as the best within the margin, highest mean first."""
    if (best := analysis.best) is None:
        return []
    order = np.argsort(-best.difference, kind="stable").tolist()
    good = best.as_good(analysis.settings.margin)
    return [best.names[cell] for cell in order if good[cell]]


def best_texts(analysis: Analysis, may: Sequence[str], equal: bool) -> tuple[str, ...]:
    """Return how far from the best the highest cell is at most, and which are as good as the best.

    A distance so wide that it says nothing is left out.

    Args:
        analysis: of all cells.
        may: the cells that may be the best.
        equal: whether the headline says that they are equal.

    """
    if (best := analysis.best) is None:
        return ()
    if equal:
        return ()
    highest, texts, good = best.highest, list[str](), as_good(analysis)
    if len(may) == 1 and _is_undecided(analysis, may[0]):
        texts.append(WHY_UNDECIDED)
    if best.low[highest] < 0 and _says_something(analysis, -float(best.low[highest])):
        below = "below" if analysis.values.sign > 0 else "above"
        size = f"{-best.low[highest]:.4f}{analysis.values.unit}"
        texts.append(f"{best.names[highest]} is at most {size} {below} the best.")
    if good and (len(may) > 1 or len(good) > 1):
        texts.append(f"As good as the best within {margin_of(analysis)}: {name_list(good)}.")
    return tuple(texts)


def _says_something(analysis: Analysis, distance: float) -> bool:
    """Whether "at most *distance* from the best" tells more than the means do.

    It is said where it is a few margins, or places the cell among the better ones: within half of
    what lies between the best and the worst mean.
    """
    spread = float(np.ptp(analysis.claimed_parts.mean))
    return distance <= max(FEW_MARGINS * analysis.settings.margin, spread / 2)


def levels_text(tested: Tested, level: float) -> tuple[str, ...]:
    """Return which architectures, or losses, may be the best, if any is ruled out."""
    if (best := tested.best) is None or best.may.all():
        return ()
    if len(best.names) == 2 and tested.verdicts[0] in BETTER:  # the pair says it
        return ()
    names = [name for name, may in zip(best.names, best.may, strict=True) if may]
    start = f"{tested.family.name.capitalize()}, on average over the other factors: with"
    start += f" {confidence(level)}"
    if len(names) == 1:
        return (f"{start} {names[0]} is the best of {len(best.names)}.",)
    these = f"these {len(names)} of {len(best.names)}: {name_list(names)}"
    return (f"{start} the best is one of {these}.",)


def _is_undecided(analysis: Analysis, cell: str) -> bool:
    """Whether a pair with *cell* is undecided."""
    tested = analysis.tested[CELLS]
    rows = zip(tested.family.a, tested.family.b, tested.verdicts, strict=True)
    return any(cell in (a, b) and verdict == UNDECIDED for a, b, verdict in rows)
