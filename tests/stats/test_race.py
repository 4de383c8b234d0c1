"""The looks of a race: which, at what error, and what is found."""

import numpy as np
import pytest

from segsweep.stats.looks import End, looks_of, spending
from segsweep.stats.race import take_look
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


def test_cells_as_good_as_the_best_end_it():
    """Two that differ by less than the margin, with hardly any noise."""
    values = drawn((20, 20), images=200, sd=0.002, gaps=[0.001, 0.0])

    assert take_look(values, 0.02, 0.03).end is End.GOOD


def test_endless_seeds_that_separate_nothing_end_it_from_the_second_look_on():
    """Few images, many seeds: what the seeds leave open is small beside the images."""
    values = drawn((20, 20), images=8, sd=0.002, gaps=[0.01, 0.0], seed=3)

    assert take_look(values, 0.02, 0.03).end is End.IMAGES
    assert take_look(values, 0.02, 0.03, again=False).end is None


def test_seeds_that_leave_much_open_let_it_go_on():
    """Two seeds with a large spread on many images."""
    values = drawn((2, 2, 2), images=400, sd=0.05, seed=1)

    assert take_look(values, 0.02, 0.03).end is None


def test_cell_with_one_seed_stays():
    """Nothing is known of it, and the race does not end over the others."""
    look = take_look(drawn((5, 5, 1), gaps=[0.2, 0.0, 0.0]), 0.02, 0.03)
    found = {one.cell: one for one in look.cells}

    assert found["m/b"].out
    assert not found["m/c"].out
    assert np.isnan(found["m/c"].p)
    assert look.end is None


def test_a_stricter_look_rules_out_no_more():
    """The same values at a smaller error: fewer cells are out, intervals are wider."""
    values = drawn((4,) * 6, gaps=[0.06, 0.04, 0.02, 0.0, 0.0, -0.05], images=80, seed=2)
    strict, loose = (take_look(values, error, 0.03) for error in (0.003, 0.03))

    assert {*loose.left} <= {*strict.left}
    for one, other in zip(strict.cells, loose.cells, strict=True):
        assert one.low <= other.low + 1e-12
        assert one.p == pytest.approx(other.p)
