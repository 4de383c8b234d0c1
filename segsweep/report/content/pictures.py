"""The pictures of test images that runs have stored, and how much of them the page can hold."""

from collections.abc import Sequence
from dataclasses import replace

from segsweep.report.content.material import Material

MOST_ON_PAGE = 2_000_000
"""Characters of all pictures on a page; they are written in base64."""


def within_limit(parts: Sequence[Material], most: int = MOST_ON_PAGE) -> list[Material]:
    """Return the comparisons of a page with the pictures that fit into *most* characters.

    The first image of each comparison, which is its hardest, comes before the second of any.
    """
    order = sorted(
        (place, number, image)
        for number, part in enumerate(parts)
        for place, image in enumerate(part.outlines)
    )
    left, kept = most, set()
    for _, number, image in order:
        left -= characters(parts[number].outlines[image].picture)
        if left < 0:
            break
        kept.add((number, image))
    return [
        replace(
            part,
            outlines={
                image: found if (number, image) in kept else replace(found, picture=b"")
                for image, found in part.outlines.items()
            },
        )
        for number, part in enumerate(parts)
    ]


def characters(picture: bytes) -> int:
    """Return the length of *picture* in base64."""
    return 4 * -(-len(picture) // 3)
