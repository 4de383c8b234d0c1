"""Whether a ranking carries over from one data set to another, in sentences."""

from collections.abc import Sequence

from segsweep.stats.agreement import Agreement
from segsweep.system.names import name_list

MOST_PAIRS = 6


def agreement_texts(
    names: Sequence[str], found: Sequence[Agreement], best: Sequence[str] | None
) -> tuple[str, ...]:
    """Return what can be said about several comparisons together.

    Args:
        names: of the comparisons.
        found: the rank correlations.
        best: the cells that may be the best in all of them; None: no claim is possible.

    """
    lines = [_best(names, best)] if best is not None else []
    ordered = sorted(found, key=lambda one: one.kendall)
    lines += [_text(names, one) for one in ordered[:MOST_PAIRS]]
    if len(ordered) > MOST_PAIRS:
        more = len(ordered) - MOST_PAIRS
        agree = "pair of data sets agrees" if more == 1 else "pairs of data sets agree"
        lines.append(f"{more} more {agree} better.")
    return tuple(lines)


def _best(names: Sequence[str], best: Sequence[str]) -> str:
    every = f"both {names[0]} and {names[1]}" if len(names) == 2 else f"all {len(names)}"
    if not best:
        return f"No cell may be the best on {every}: each set of candidates is at 95 %."
    return f"May be the best on {every}: {name_list(best)}."


def _text(names: Sequence[str], one: Agreement) -> str:
    if one.low > 0:
        verdict = "The ranking carries over, at least in part"
    elif one.high < 0:
        verdict = "The ranking is reversed, at least in part"
    else:
        verdict = "Not settled whether the ranking carries over"
    return (
        f"{verdict}, between {names[one.a]} and {names[one.b]}: rank correlation of {one.cells} "
        f"cells {one.kendall:.2f} ({one.low:.2f} to {one.high:.2f}; Kendall's tau, 1 = the same "
        "order)."
    )
