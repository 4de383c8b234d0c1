"""The epoch loop: stopped anywhere it ends as if undisturbed; what it selects and refuses."""

import io
import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from segsweep.augment import flips
from segsweep.data.batches import Batches
from segsweep.errors import Interrupted, NonFiniteLossError
from segsweep.losses import BceLoss
from segsweep.metrics import columns
from segsweep.models import kernels
from segsweep.models.unet2 import UNet2
from segsweep.schedulers import onecycle
from segsweep.seeding import seed_everything
from segsweep.training.loop import Hooks, Loop, fit, is_best, validation_metrics
from segsweep.training.state import State, averaging_of

EPOCHS, STEPS, BATCH, SIDE = 3, 4, 2, 16


level: kernels.Level = "off"
"""Of the special kernels in the test that runs."""


precision = "float32"
"""Of the network in the test that runs."""


@pytest.fixture(
    params=["off float32", "fast float32", "memory float32", "off bfloat16", "memory bfloat16"],
    autouse=True,
)
def _each_level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test with and without special kernels, all tensors large, in each precision."""
    chosen, in_precision = request.param.split()
    if chosen != "off":
        lean = pytest.importorskip("segsweep.models.lean.recompute")
        monkeypatch.setattr(lean, "LARGE", 1)
        monkeypatch.setattr("segsweep.models.lean.allocator.LARGE_BATCH", 1)
    monkeypatch.setitem(globals(), "level", chosen)
    monkeypatch.setitem(globals(), "precision", in_precision)


def autocast() -> AbstractContextManager[object]:
    """Return the context in which the network runs."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")


class Dropping(nn.Module):
    """A small network with BatchNorm and dropout: it has buffers and draws at random."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(UNet2(3, (4,)), nn.Dropout(0.3))
        self.last = nn.Conv2d(1, 1, 3, padding=1)
        kernels.apply(self, level)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.layers(x))


def parts() -> tuple[Batches, Batches]:
    """Return train and validation batches of random blobs."""
    rng = np.random.default_rng(0)
    count = STEPS * BATCH + 1 + 3
    images = rng.random((count, 3, SIDE, SIDE), np.float32)
    masks = (images.mean(1, keepdims=True) > 0.5).astype(np.uint8)
    device = torch.device("cpu")
    train = Batches(images, masks, list(range(STEPS * BATCH + 1)), BATCH, device)
    return train, Batches(images, masks, list(range(STEPS * BATCH + 1, count)), BATCH, device)


def fresh_state(every: str = "step", averaging: float = 0.0) -> State:
    """Return an untrained state, the same each time."""
    seed_everything(3)
    model = Dropping()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    scheduler: Any = onecycle(optimizer, 1e-2, EPOCHS * STEPS)
    if every == "val_loss":
        scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0)
    averaged, around = averaging_of(model, averaging), kernels.around_forward(level)
    return State(model, optimizer, scheduler, every, averaged, around_forward=around)


def through_disk(saved: dict[str, Any]) -> dict[str, Any]:
    """Return what a checkpoint file gives back, loaded the safe way."""
    buffer = io.BytesIO()
    torch.save(saved, buffer)
    buffer.seek(0)
    loaded: dict[str, Any] = torch.load(buffer, weights_only=True)
    return loaded


def train(
    state: State,
    loop: Loop,
    stop: Callable[[], bool] = lambda: False,
    loss_fn: nn.Module | None = None,
) -> list[dict[str, Any]]:
    """Fit and return every state that was handed out to be saved."""
    saved: list[dict[str, Any]] = []
    hooks = Hooks(
        save=lambda values, best, weights: saved.append(through_disk(values)),
        epoch_done=lambda history, shown, best: None,
        should_stop=stop,
    )
    fit(state, loss_fn or BceLoss(), *parts(), loop, hooks, flips(), autocast)
    return saved


def stop_after(calls: int) -> Callable[[], bool]:
    """Return a function that is true from its *calls*-th call on."""
    made = iter(range(1, 10**6))
    return lambda: next(made) >= calls


def without_time(history: list[dict[str, float]]) -> list[dict[str, float]]:
    """Leave out how long it took."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


@pytest.mark.parametrize("epoch", [1, EPOCHS])
def test_stopped_while_it_validates_leaves_after_it(epoch: int) -> None:
    """Also after the last epoch: the test set is not scored by somebody who was told to leave."""
    state, saved = fresh_state(), []
    hooks = Hooks(
        save=lambda values, best, weights: saved.append(values["epoch"]),
        epoch_done=lambda history, shown, best: None,
        should_stop=lambda: state.epoch == epoch,
    )
    with pytest.raises(Interrupted, match=f"after epoch {epoch}$"):
        fit(state, BceLoss(), *parts(), Loop(epochs=EPOCHS), hooks)

    assert saved[-1] == state.epoch == epoch


STOPS = [
    pytest.param(step, marks=[] if step % STEPS < 2 else pytest.mark.slow)
    for step in range(1, EPOCHS * STEPS + 1)
]
"""Every step; in the everyday tests those around the ends of epochs."""


@cache
def trained(every: str, averaging: float, *_in: str) -> State:
    """Return the state of a run that nobody stopped, with the kernels and precision *_in* force."""
    state = fresh_state(every, averaging)
    train(state, Loop(epochs=EPOCHS, seed=5, averaging=averaging))
    return state


@pytest.mark.slow
@pytest.mark.parametrize(("every", "averaging"), [("step", 0.0), ("step", 0.9), ("val_loss", 0.0)])
@pytest.mark.parametrize("stopped_at", STOPS)
def test_stopped_at_any_step_ends_bit_identical(
    every: str, averaging: float, stopped_at: int
) -> None:
    """Weights, averaged weights, optimizer and history equal an undisturbed run's, bit by bit."""
    loop = Loop(epochs=EPOCHS, seed=5, averaging=averaging)
    undisturbed = trained(every, averaging, level, precision)
    first = fresh_state(every, averaging)
    saved: list[dict[str, Any]] = []
    hooks = Hooks(
        save=lambda values, best, weights: saved.append(through_disk(values)),
        epoch_done=lambda history, shown, best: None,
        should_stop=stop_after(stopped_at),
    )
    with pytest.raises(Interrupted):
        fit(first, BceLoss(), *parts(), loop, hooks, flips(), autocast)
    torch.manual_seed(999)  # the new process stands elsewhere
    second = fresh_state(every, averaging)
    second.load(saved[-1])
    train(second, loop)

    for name in ("model", "averaged"):
        if getattr(undisturbed, name) is not None:
            expected = getattr(undisturbed, name).state_dict()
            found = getattr(second, name).state_dict()
            assert all(torch.equal(expected[key], found[key]) for key in expected)
    assert without_time(undisturbed.history) == without_time(second.history)


@pytest.mark.slow
def test_killed_between_checkpoints_ends_bit_identical() -> None:
    """A kill loses the steps since the last saved state; they are done again the same way."""
    loop = Loop(epochs=EPOCHS, seed=5, checkpoint_every_steps=3)
    undisturbed = fresh_state()
    saved = train(undisturbed, loop)

    assert len(saved) == 2 * EPOCHS
    for state in saved:
        resumed = fresh_state()
        resumed.load(state)
        train(resumed, loop)
        expected, found = undisturbed.model.state_dict(), resumed.model.state_dict()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
        assert without_time(undisturbed.history) == without_time(resumed.history)


class BadAt(nn.Module):
    """bce that turns into *value* at the given call."""

    def __init__(self, call: int, value: float) -> None:
        super().__init__()
        self.left, self.value, self.finite = call, value, math.nan

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        self.left -= 1
        loss = BceLoss()(logits, target)
        if self.left == 0:
            return loss * self.value
        self.finite = loss.item()
        return loss


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_non_finite_training_loss_names_epoch_and_last_finite_loss(value: float) -> None:
    """The run stops at once and says where; call 4 + 2 validation batches + 3 is epoch 2 step 3."""
    loss = BadAt(STEPS + 2 + 3, value)
    with pytest.raises(NonFiniteLossError) as caught:
        train(fresh_state(), Loop(epochs=EPOCHS), loss_fn=loss)

    assert "epoch 2, step 3" in str(caught.value)
    assert f"last finite loss {loss.finite:.4g}" in str(caught.value)
    assert str(caught.value).endswith("; try a lower optimizer.lr, or trainer.clip_norm=1")


def test_non_finite_validation_loss_stops_too() -> None:
    """A network that gives NaN only in evaluation mode is no result."""
    with pytest.raises(NonFiniteLossError, match="validation loss is nan in epoch 1"):
        train(fresh_state(), Loop(epochs=EPOCHS), loss_fn=BadAt(STEPS + 1, math.nan))


def test_all_cells_take_the_same_steps_and_see_the_same_images() -> None:
    """Two networks of one seed are shown the same images, flipped alike, in the same order."""
    seen: list[list[Tensor]] = []

    class Watching(Dropping):
        def forward(self, x: Tensor) -> Tensor:
            if self.training:
                seen[-1].append(x.clone())
            return super().forward(x)

    for seed in (1, 2):
        seen.append([])
        torch.manual_seed(seed)  # other weights, other dropout
        model = Watching()
        optimizer = torch.optim.AdamW(model.parameters())
        scheduler = onecycle(optimizer, 1e-3, EPOCHS * STEPS)
        train(State(model, optimizer, scheduler, "step"), Loop(epochs=EPOCHS, seed=7))

    assert len(seen[0]) == len(seen[1]) == EPOCHS * STEPS
    assert all(torch.equal(a, b) for a, b in zip(*seen, strict=True))


def test_early_stop_waits_its_epochs() -> None:
    """With a learning rate of nothing no epoch beats the first; patience 2 ends after epoch 3."""
    state = fresh_state()
    state.optimizer.param_groups[0]["lr"] = 0.0
    state.scheduler = torch.optim.lr_scheduler.ConstantLR(state.optimizer, 1.0, 0)
    state.every = "epoch"
    for layer in state.model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.0
    train(state, Loop(epochs=50, early_stop=2))

    assert (state.epoch, state.best_epoch) == (3, 1)


@pytest.mark.parametrize(("select", "best"), [("val_iou", [1, 0, 1]), ("val_loss", [1, 1, 0])])
def test_best_epoch_by_rule(select: str, best: list[int]) -> None:
    """Higher is better but for the loss; an equal value does not replace the first."""
    rows = [
        {"val_iou": 0.5, "val_loss": 0.4},
        {"val_iou": 0.5, "val_loss": 0.3},
        {"val_iou": 0.6, "val_loss": 0.3},
    ]

    assert best == [is_best(rows[: n + 1], select) for n in range(3)]


def test_averaged_weights_follow_their_formula() -> None:
    """Mean <- k mean + (1 - k) value with k = min(decay, (1 + n) / (10 + n)), by hand."""
    weight = nn.Linear(1, 1, bias=False)
    averaged = averaging_of(weight, 0.3)
    assert averaged is not None
    expected = 0.0
    for n, value in enumerate([1.0, 2.0, 4.0, 8.0]):
        weight.weight.data.fill_(value)
        averaged.update_parameters(weight)
        keep = min(0.3, (1 + n) / (10 + n))
        expected = value if n == 0 else keep * expected + (1 - keep) * value

    assert expected == pytest.approx(averaged.module.weight.item(), rel=1e-6)


def test_averaged_weights_are_what_is_saved_as_best() -> None:
    """The weights handed out for the best epoch are the averaged ones, buffers included."""
    state, given = fresh_state(averaging=0.9), []
    hooks = Hooks(
        save=lambda values, best, weights: given.append(weights),
        epoch_done=lambda history, shown, best: None,
    )
    fit(state, BceLoss(), *parts(), Loop(epochs=1, averaging=0.9), hooks)
    assert state.averaged is not None
    expected = state.averaged.module.state_dict()

    assert all(torch.equal(expected[key], given[0][key]) for key in expected)
    assert not torch.equal(expected["last.weight"], state.model.state_dict()["last.weight"])


def test_clipping_bounds_the_step() -> None:
    """With plain SGD of rate 1 the weights move by at most the largest norm."""
    state = fresh_state()
    state.optimizer = torch.optim.SGD(state.model.parameters(), lr=1.0)
    state.scheduler = torch.optim.lr_scheduler.ConstantLR(state.optimizer, 1.0, 0)
    state.every = "epoch"
    before = [parameter.detach().clone() for parameter in state.model.parameters()]
    train(state, Loop(epochs=1, clip_norm=1e-3))
    moved = sum(
        float((old - new).detach().pow(2).sum())
        for old, new in zip(before, state.model.parameters(), strict=True)
    )

    assert 0 < math.sqrt(moved) <= STEPS * 1e-3 * 1.001


def test_validation_metrics_are_means_over_images() -> None:
    """Two images counted by hand: IoU 1/2 and 1, score 0 and 1 (0.5 is not above 0.5)."""
    counts = np.array([[1, 1, 0, 2], [2, 0, 0, 2]])

    found = validation_metrics(counts, "one")

    by_hand = {"val_iou": 0.75, "val_dice": (2 / 3 + 1) / 2, "val_score": 0.5}
    assert tuple(found) == columns("val")
    assert {name: found[name] for name in by_hand} == pytest.approx(by_hand)
