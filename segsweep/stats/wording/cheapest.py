"""Which of several equal cells to take: the one whose network computes least."""

from collections.abc import Mapping, Sequence

from pandas import DataFrame, to_numeric

from segsweep.stats.wording.phrases import amount_text
from segsweep.system.names import name_list

COSTS = {"multiply_adds": "multiply-adds per image", "parameters": "parameters"}
"""Costs that do not depend on the machine or on what else it did; the first one counts."""
ANY = "Take the cheapest of them."


def cell_costs(results: DataFrame) -> tuple[str, Mapping[str, float]]:
    """Return the words of a cost and its mean per cell.

    Multiply-adds, or parameters if a finished run has no multiply-adds (older versions did not
    count them).

    Args:
        results: finished runs, one per row; the column `cell` names the cells.

    """
    for name, words in COSTS.items():
        numbers = to_numeric(results[name]) if name in results else None
        if numbers is not None and len(numbers) and numbers.notna().all():
            means = numbers.groupby(results["cell"]).mean()
            return words, {str(cell): float(value) for cell, value in means.items()}
    return "", {}


def take_cheapest(cells: Sequence[str], words: str, costs: Mapping[str, float]) -> str:
    """Return which of *cells*, equal in quality, to take; *words* and *costs*: `cell_costs`."""
    if not {*cells} <= {*costs}:
        return ANY
    chosen, least = _cheapest(cells, costs)
    if len(chosen) == len(cells):
        return f"Take any of them: each needs {amount_text(least)} {words}."
    verb = "it needs" if len(chosen) == 1 else "they need"
    names = name_list(chosen) if len(chosen) == 1 else f"one of {name_list(chosen)}"
    return f"Take {names}: {verb} the fewest {words} ({amount_text(least)})."


def take_as_good(
    cells: Sequence[str], margin: str, words: str, costs: Mapping[str, float]
) -> tuple[str, ...]:
    """Return which of *cells*, as good as the best within *margin*, to take; nothing for none."""
    if not cells:
        return ()
    as_good = f"as good as the best within {margin}"
    if len(cells) == 1:
        return (f"Take {cells[0]}: {as_good}.",)
    if not {*cells} <= {*costs}:
        return (f"Take the cheapest of {name_list(cells)}: each is {as_good}.",)
    chosen, least = _cheapest(cells, costs)
    names = name_list(chosen) if len(chosen) == 1 else f"one of {name_list(chosen)}"
    return (f"Take {names}: {as_good}, and the cheapest ({amount_text(least)} {words}).",)


def _cheapest(cells: Sequence[str], costs: Mapping[str, float]) -> tuple[list[str], float]:
    """Return which of *cells* cost least, and what."""
    least = min(costs[cell] for cell in cells)
    return [cell for cell in cells if costs[cell] == least], least
