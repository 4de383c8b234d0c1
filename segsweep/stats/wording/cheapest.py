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
    least = min(costs[cell] for cell in cells)
    chosen = [cell for cell in cells if costs[cell] == least]
    if len(chosen) == len(cells):
        return f"Take any of them: each needs {amount_text(least)} {words}."
    verb = "it needs" if len(chosen) == 1 else "they need"
    names = name_list(chosen) if len(chosen) == 1 else f"one of {name_list(chosen)}"
    return f"Take {names}: {verb} the fewest {words} ({amount_text(least)})."
