"""What a state stores: among it the learning rate of the last step, for the history."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from segsweep.data.batches import Batches
from segsweep.errors import Interrupted
from segsweep.losses import BceLoss
from segsweep.schedulers import onecycle
from segsweep.training.loop import Hooks, Loop, fit
from segsweep.training.state import State

EPOCHS, STEPS, PEAK = 3, 4, 0.01
RATES = {
    "step": [PEAK * (1 + math.cos(math.pi * done / 12)) / 2 for done in (3, 7, 11)],
    "epoch": [PEAK * (1 + math.cos(math.pi * done / 3)) / 2 for done in (0, 1, 2)],
}
"""A cosine from the peak to 0 at the last of the four steps of each epoch, by hand."""


def parts() -> tuple[Batches, Batches]:
    """Return four training batches of one image, and a validation batch."""
    rng = np.random.default_rng(0)
    images = rng.random((STEPS + 1, 1, 4, 4), np.float32)
    masks = (images > 0.5).astype(np.uint8)
    device = torch.device("cpu")
    return Batches(images, masks, [0, 1, 2, 3], 1, device), Batches(images, masks, [4], 1, device)


def with_cosine(every: str) -> State:
    """Return an untrained state with a cosine per step or per epoch."""
    model = nn.Conv2d(1, 1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=PEAK)
    total = EPOCHS * STEPS if every == "step" else EPOCHS
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total)
    return State(model, optimizer, scheduler, every)


def train(state: State, stop_at: int | None = None) -> None:
    """Train to the end, or until the *stop_at*-th question whether to stop."""
    asked = iter(range(1, 10**6))
    hooks = Hooks(
        save=lambda values, best, weights: None,
        epoch_done=lambda history, shown, best: None,
        should_stop=lambda: next(asked) == stop_at,
    )
    fit(state, BceLoss(), *parts(), Loop(epochs=EPOCHS), hooks)


@pytest.mark.parametrize("every", ["step", "epoch"])
@pytest.mark.parametrize("stopped_at", [None, 3, 2 * STEPS + 1, 3 * STEPS + 2])
def test_history_has_the_rate_of_the_last_step(every: str, stopped_at: int | None) -> None:
    """Not that of the step after it, which the scheduler has set by then.

    Also if the run was stopped and resumed, before the last step of an epoch or right after it.
    """
    state = with_cosine(every)
    if stopped_at is None:
        train(state)
    else:
        with pytest.raises(Interrupted):
            train(state, stopped_at)
        first, state = state, with_cosine(every)
        state.load(first.to_dict())
        train(state)

    assert [row["lr"] for row in state.history] == pytest.approx(RATES[every])


def test_history_has_the_rates_of_one_cycle() -> None:
    """Two steps up to the peak, then a cosine to peak / 250,000: the lowest rate is the last."""
    state = with_cosine("step")
    state.scheduler = onecycle(state.optimizer, PEAK, EPOCHS * STEPS)
    train(state)
    lowest = PEAK / 250_000
    by_hand = [
        lowest + (PEAK - lowest) * (1 + math.cos(math.pi * (done - 1) / 10)) / 2
        for done in (3, 7, 11)
    ]

    assert [row["lr"] for row in state.history] == pytest.approx(by_hand)
    assert state.history[-1]["lr"] == pytest.approx(lowest)


def test_state_of_0_1_0_has_no_rate_and_loads() -> None:
    """It goes on with the rate that the optimizer has."""
    state = with_cosine("epoch")
    saved = dict(state.to_dict())
    del saved["lr"]
    resumed = with_cosine("epoch")
    resumed.load(saved)

    assert resumed.lr == PEAK
