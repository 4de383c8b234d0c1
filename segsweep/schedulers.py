"""Learning-rate schedulers that torch does not have as they are needed."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

SHORTEST = 4
"""Steps; a shorter run has no room to go up and down."""


def onecycle(
    optimizer: Optimizer,
    max_lr: float,
    total_steps: int,
    pct_start: float = 0.1,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> LRScheduler:
    """Return torch's one-cycle schedule, with a way up of at least two steps.

    torch divides by zero where the way up has exactly one, as in a run of ten steps. In
    runs shorter than four the learning rate stays at *max_lr*. Momentum is not cycled.
    Source: Smith and Topin 2019, https://arxiv.org/abs/1708.07120.

    Args:
        optimizer: whose learning rate is set.
        max_lr: the peak, > 0.
        total_steps: how often the schedule will step, >= 1.
        pct_start: share of the steps spent going up, 0 to 1.
        div_factor: the start is max_lr / this, > 0.
        final_div_factor: the end is the start / this, > 0.

    """
    if not 0 <= pct_start <= 1:
        raise ValueError(f"pct_start must be 0 to 1; got {pct_start}")
    if min(div_factor, final_div_factor) <= 0:
        raise ValueError(
            f"div_factor and final_div_factor must be > 0; got {div_factor}, {final_div_factor}"
        )
    if total_steps < SHORTEST:
        return ConstantLR(optimizer, 1.0, 0)
    return OneCycleLR(
        optimizer,
        max_lr,
        total_steps,
        pct_start=min(max(pct_start, 2 / total_steps), 1 - 1 / total_steps),
        div_factor=div_factor,
        final_div_factor=final_div_factor,
        cycle_momentum=False,
    )
