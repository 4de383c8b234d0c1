"""Counts, and lists of names that are cut."""

from segsweep.system.names import is_or_are, name_list, plural


def test_further_names_are_counted():
    """Up to the number that is asked for, all are named."""
    assert name_list([]) == ""
    assert name_list(["a", "b"], 2) == "a, b"
    assert name_list(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert name_list(["a", "b", "c"], 2, " = ") == "a = b and 1 more"


def test_one_of_something_is_no_plural():
    """None are many, one is one."""
    assert [plural(count, "run") for count in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert [is_or_are(count) for count in (0, 1, 2)] == ["are", "is", "are"]
