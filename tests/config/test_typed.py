"""Types of stored values."""

from dataclasses import dataclass

import pytest

from segsweep.config.typed import wrong_type


@dataclass
class Example:
    """Fields of each kind that stored files have."""

    count: int
    share: float
    name: str
    flag: bool
    maybe: int | None
    names: list[str]
    size: int | list[int]


GOOD = {
    **{"count": 3, "share": 1, "name": "", "flag": False, "maybe": None, "names": ["a"]},
    **{"size": [1, 2], "other": object()},
}


def test_right_types_pass() -> None:
    """A whole number is a number; keys without a field and missing ones are not looked at."""
    assert wrong_type(Example, GOOD) is None
    assert wrong_type(Example, {}) is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("count", value) for value in (1.0, "1", True, None, 10**30, [])],
        *[("share", value) for value in ("0.5", True, float("nan"), float("inf"))],
        *[("name", 1), ("flag", 0), ("maybe", "x"), ("names", "a"), ("names", [1])],
        *[("size", 1.5), ("size", ["1"]), ("size", {})],
    ],
)
def test_wrong_types_are_named(key: str, value: object) -> None:
    """The message is short, however long the value is."""
    wrong = wrong_type(Example, {**GOOD, key: value})

    assert wrong is not None
    assert wrong[0] == key
    assert len(wrong[1]) < 80


def test_a_number_of_thousands_of_digits_is_wrong() -> None:
    """Python refuses to print it."""
    assert wrong_type(Example, {"count": 10**5000}) is not None
    assert wrong_type(Example, {"share": 10**5000}) is not None
