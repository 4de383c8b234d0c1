"""What a config names in masks: label values and colours, of the foreground or to be ignored."""

from collections.abc import Iterable
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]


def label_values(key: str, given: Iterable[object]) -> tuple[int, ...]:
    """Return the label values of a key, sorted."""
    found = set()
    for label in given:
        if isinstance(label, bool) or not isinstance(label, int) or not 0 <= label <= 65535:
            raise ValueError(f"{key}'s labels are whole, 0 to 65535; got {label!r}")
        found.add(label)
    return tuple(sorted(found))


def ignored_values(given: list[int] | list[list[int]]) -> tuple[int, ...] | tuple[Colour, ...]:
    """Return the values, or colours, of `ignore`."""
    if not given or isinstance(given, str | int):
        raise ValueError(
            f"ignore must be a list of stored values, [255], of colours, [[224,224,192]], or null; "
            f"got {given!r}"
        )
    if any(isinstance(one, list) for one in given):
        return colours_of("ignore", given)
    return label_values("ignore", given)


def check_apart(key: str, named: Iterable[object], ignored: Iterable[object]) -> None:
    """Raise ValueError for what is named as foreground and as ignored."""
    both = {*named} & {*ignored}
    if both:
        one = min(both, key=str)
        raise ValueError(
            f"{key} and ignore both name {list(one) if isinstance(one, tuple) else one}: "
            "a pixel is foreground or ignored; take it out of one of them"
        )


def colours_of(key: str, given: list[int] | list[list[int]]) -> tuple[Colour, ...]:
    """Return the colours of a key, which is one or a list of them."""
    found = set()
    for item in given:
        match item if isinstance(item, list) else given:
            case [int(red), int(green), int(blue)] if all(
                0 <= one <= 65535 for one in (red, green, blue)
            ):
                found.add((red, green, blue))
            case _:
                found.clear()
                break
    if not found:
        raise ValueError(
            f"{key} must be [red, green, blue], each 0 to 255 (0 to 65535 in files of "
            f"16 bits), or a list of such colours; got {given!r}"
        )
    return tuple(sorted(found))
