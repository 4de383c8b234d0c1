"""The one-cycle schedule: torch's own, values by hand, and very short runs."""

import math

import pytest
import torch
from torch.optim.lr_scheduler import OneCycleLR

from segsweep.schedulers import onecycle


def rates(total: int, **arguments: float) -> list[float]:
    """Return the learning rate at each step of a run of *total* steps."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = onecycle(optimizer, 0.5, total, **arguments)
    seen = []
    for _ in range(total):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize("total", [1, 2, 3, 4, 5, 9, 10, 11, 19, 20, 21, 100])
def test_every_length_runs_and_stays_below_the_peak(total: int) -> None:
    """No length divides by zero; the rate is positive and at most the peak."""
    seen = rates(total)

    assert all(0 < rate <= 0.5 + 1e-12 for rate in seen)


def test_long_runs_follow_torch() -> None:
    """A run of 200 steps has exactly the learning rates of torch's schedule."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = OneCycleLR(optimizer, 0.5, 200, pct_start=0.1, cycle_momentum=False)
    expected = []
    for _ in range(200):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()

    assert rates(200) == expected


def test_start_peak_and_end_by_hand() -> None:
    """Start at peak / div_factor, end at start / final_div_factor."""
    seen = rates(100, pct_start=0.25, div_factor=10.0, final_div_factor=100.0)

    assert math.isclose(seen[0], 0.05)
    assert math.isclose(max(seen), 0.5)
    assert math.isclose(seen[-1], 0.0005)


@pytest.mark.parametrize("bad", [{"pct_start": 1.5}, {"div_factor": 0.0}])
def test_bad_arguments_are_refused(bad: dict[str, float]) -> None:
    """The message names the argument and its range."""
    with pytest.raises(ValueError, match="must be"):
        rates(10, **bad)
