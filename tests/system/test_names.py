"""Lists of names that are cut."""

from segsweep.system.names import name_list


def test_further_names_are_counted():
    """Up to the number that is asked for, all are named."""
    assert name_list([]) == ""
    assert name_list(["a", "b"], 2) == "a, b"
    assert name_list(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert name_list(["a", "b", "c"], 2, " = ") == "a = b and 1 more"
