"""Lists of names in a sentence or a line, cut where they are long."""

from collections.abc import Sequence

MOST_NAMES = 6
"""Longer lists of names are cut, and the rest is counted."""


def name_list(names: Sequence[str], most: int = MOST_NAMES, between: str = ", ") -> str:
    """Return the first *most* names and the number of further ones."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more
