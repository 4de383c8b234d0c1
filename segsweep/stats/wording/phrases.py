"""Parts of sentences: counts, names of cells, intervals, p-values."""

from collections.abc import Sequence

from segsweep.stats.runs import SWEEP_KEY

UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
"""Large numbers and the letters of their units."""


def cell_text(cell: str, seed: str | None = None) -> str:
    """Return a cell, or one seed of it, as it reads in a sentence: `m/a seed 3 of one-sweep`."""
    name, mark, sweep = cell.rpartition(SWEEP_KEY)
    name = name if mark else cell
    name = name if seed is None else f"{name} seed {seed}"
    return f"{name} of {sweep}" if mark else name


def sentence(parts: Sequence[str]) -> str:
    """Return *parts* joined into one sentence; '' if there are none."""
    words = "; ".join(parts)
    return f"{words[0].upper()}{words[1:]}." if words else ""


def interval(low: float, high: float) -> str:
    """Return `(low to high)`."""
    return f"({low:.4f} to {high:.4f})" if low == low else "(no interval)"


def size_text(value: float, low: float, high: float, unit: str) -> str:
    """Return a number with its unit, if any, and its interval: `3.2000 px (1.1000 to 5.3000)`."""
    return f"{value:.4f}{unit} {interval(low, high)}"


def margin_text(margin: float, unit: str) -> str:
    """Return a margin with its unit, if any: `0.01`, `1 px`."""
    return f"{margin:g}{unit}"


def confidence(level: float) -> str:
    """Return `95 % confidence`."""
    return f"{100 * (1 - level):g} % confidence"


def p_text(value: float) -> str:
    """Return `p = 0.012`, or `p < 0.001`."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.3f}"


def chance_text(chance: float) -> str:
    """Return a probability with two digits, never as 0 or 1."""
    if chance < 0.005:
        return "under 0.01"
    return "over 0.99" if chance >= 0.995 else f"{chance:.2f}"


def amount_text(value: float) -> str:
    """Return a large number in three digits: `1.17 G`."""
    for size, unit in UNITS:
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value:.3g}"
