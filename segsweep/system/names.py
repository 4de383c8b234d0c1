"""Counts and lists of names in a sentence or a line; long lists are cut."""

from collections.abc import Sequence

MOST_NAMES = 6
"""Longer lists of names are cut, and the rest is counted."""


def plural(count: int, noun: str) -> str:
    """Return `1 run`, `2 runs`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def is_or_are(count: int) -> str:
    """Return the verb that agrees with *count*."""
    return "is" if count == 1 else "are"


def name_list(names: Sequence[str], most: int = MOST_NAMES, between: str = ", ") -> str:
    """Return the first *most* names and the number of further ones."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return between.join(names[:most]) + more
