"""Learning-rate schedulers whose torch version does not fit every run."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, LRScheduler, OneCycleLR

SHORTEST = 4
"""Steps; a shorter run cannot both raise and lower the learning rate."""


def onecycle(
    optimizer: Optimizer,
    max_lr: float,
    total_steps: int,
    pct_start: float = 0.1,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> LRScheduler:
    """Return torch's one-cycle schedule with a warm-up of at least two steps.

    torch divides by zero if the warm-up has exactly one step, as 10 % of a run of ten steps.
    In runs of fewer than four steps the learning rate is constant. Momentum is not cycled.
    Source: Smith and Topin 2019, https://arxiv.org/abs/1708.07120.

    Args:
        optimizer: the optimizer whose learning rate is set.
        max_lr: the peak learning rate, > 0.
        total_steps: number of steps of the schedule, >= 1.
        pct_start: share of the steps in the warm-up, 0 to 1.
        div_factor: the first learning rate is max_lr / div_factor, > 0.
        final_div_factor: the last learning rate is the first / final_div_factor, > 0.

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
