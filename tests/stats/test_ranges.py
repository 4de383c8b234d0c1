"""Ends of ranges and wider ranges, against numbers worked out by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from segsweep.stats.ranges import End, Range

RATES = Range(1e-5, 1e-2, log=True)
DROPOUT = Range(0.0, 0.5)
BATCH = Range(4, 16, whole=True)


@pytest.mark.parametrize(
    ("known", "value", "end"),
    [
        (RATES, 1e-5, End.LOWER),
        (RATES, 1.9e-5, End.LOWER),  # log10 is -4.72: 9.3 % of three powers of ten
        (RATES, 2.1e-5, None),  # -4.68: 10.7 %
        (RATES, 1e-3, None),
        (RATES, 4.9e-3, None),  # -2.31: 89.7 %
        (RATES, 5.2e-3, End.UPPER),  # -2.28: 90.5 %
        (DROPOUT, 0.0, None),  # nothing is below 0
        (DROPOUT, 0.04, None),
        (DROPOUT, 0.46, End.UPPER),
        (BATCH, 4, End.LOWER),
        (BATCH, 5, End.LOWER),  # 1 of 12
        (BATCH, 6, None),
        (Range(-1.0, 1.0), -0.9, End.LOWER),
        (Range(2, 8, listed=(2, 4, 8)), 2, End.LOWER),
        (Range(2, 8, listed=(2, 4, 8)), 4, None),
        (Range(2, 8, listed=(2, 4, 8)), 8, End.UPPER),
        (Range(2, 8, listed=(2, 8)), 8, None),  # two values have no inside
        (Range(2, 8, listed=(2, 4, 8)), 5, None),  # not in the list: an edited file
        (Range(0, 2, listed=(0, 1, 2)), 0, None),
        (Range(1, 64, log=True, whole=True), 1, None),  # no whole number is between 0 and 1
    ],
)
def test_end_of_a_value(known, value, end):
    """The nearest tenth of a range, in the logarithm where it was searched on a log scale."""
    assert known.end_of(value) == end


@pytest.mark.parametrize(
    ("known", "end", "wider"),
    [
        (RATES, End.UPPER, Range(1e-5, 0.1, log=True)),
        (RATES, End.LOWER, Range(1e-6, 1e-2, log=True)),
        (DROPOUT, End.UPPER, Range(0.0, 0.75)),
        (DROPOUT, End.LOWER, None),
        (Range(0.1, 0.9), End.LOWER, Range(0.0, 0.9)),
        (Range(-1.0, 1.0), End.LOWER, Range(-2.0, 1.0)),
        (BATCH, End.UPPER, Range(4, 22, whole=True)),
        (BATCH, End.LOWER, Range(0, 16, whole=True)),
        (Range(16, 64, log=True, whole=True), End.LOWER, Range(2, 64, log=True, whole=True)),
        (Range(3, 5, whole=True, listed=(3, 4, 5)), End.UPPER, (3, 4, 5, 6)),
        (Range(2, 8, whole=True, listed=(2, 4, 8)), End.UPPER, (2, 4, 8, 16)),
        (Range(2, 8, whole=True, listed=(2, 4, 8)), End.LOWER, (1, 2, 4, 8)),
        (Range(0, 2, listed=(0, 1, 2)), End.LOWER, None),
    ],
)
def test_wider_range(known, end, wider):
    """Ten times further on a log scale, half of the width else, one more number in a list."""
    found = known.wider(end)

    if isinstance(wider, tuple):
        assert found.listed == pytest.approx(wider)
        assert (found.low, found.high) == (found.listed[0], found.listed[-1])
    elif wider is None:
        assert found is None
    else:
        assert (found.low, found.high) == pytest.approx((wider.low, wider.high))
        assert (found.log, found.whole) == (wider.log, wider.whole)


POSITIVE = st.floats(1e-6, 1e6)


@given(low=POSITIVE, factor=st.floats(2, 1e6), share=st.floats(0, 1), log=st.booleans())
def test_a_value_at_an_end_is_inside_the_wider_range(low, factor, share, log):
    """Whatever was warned of, the word that is printed moves the value away from the end."""
    known = Range(low, low * factor, log=log)
    value = low * factor**share if log else low + share * (low * factor - low)
    value = min(max(value, known.low), known.high)
    end = known.end_of(value)

    assert (end is None) == (0.1 < known.share(value) < 0.9)
    if end is not None:
        wider = known.wider(end)
        moved = wider.share(value) - (0 if end == End.LOWER else 1)
        assert abs(moved) > abs(known.share(value) - (0 if end == End.LOWER else 1))
        assert math.isfinite(wider.low)
        assert wider.low <= known.low <= known.high <= wider.high
