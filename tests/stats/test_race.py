"""The looks of a race: which, at what error, and what is found."""

import numpy as np
import pytest

from segsweep.stats.race import End, looks_of, spending, take_look
from stats_data import drawn


@pytest.mark.parametrize(
    ("asked", "seeds", "looks"),
    [
        ((3, 5, 8, 12, 20), 20, (3, 5, 8, 12, 20)),
        ((3, 5, 8, 12, 20), 10, (3, 5, 8, 10)),
        ((5, 3, 3, 1), 6, (3, 5, 6)),
        ((3, 5), 2, (2,)),
        ((), 4, (4,)),
    ],
)
def test_looks(asked, seeds, looks):
    """Rising; those beyond the seeds are dropped, and all seeds are the last look."""
    assert looks_of(asked, seeds) == looks


@pytest.mark.parametrize("looks", [1, 2, 5, 12])
def test_errors_of_the_looks(looks):
    """Like 1 to 2 to 3; .05 in total."""
    errors = np.array(spending(looks))

    assert errors.sum() == pytest.approx(0.05)
    assert errors / errors[0] == pytest.approx(np.arange(1, looks + 1))


def test_a_clear_race_ends_with_one():
    """The only cell that is not far behind is left, and its statistic is the smallest."""
    look = take_look(drawn((5, 5, 5), gaps=[0.2, 0.0, 0.1]), 0.02, 0.03)

    assert [one.out for one in look.cells] == [False, True, True]
    assert look.left == ["m/a"]
    assert look.end is End.ONE
    assert min(look.cells, key=lambda one: one.statistic).cell == "m/a"


def test_the_last_look_ends_it():
    """Whoever is left."""
    values = drawn((5, 5), gaps=[0.0, 0.005])

    assert take_look(values, 0.02, None).end in (End.SEEDS, End.GOOD, End.IMAGES)
    assert len(take_look(values, 0.02, None).left) == 2
