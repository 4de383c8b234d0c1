"""The epoch loop: train, validate, keep the best weights, and save all that a resumed run needs.

A run that is stopped at any moment and started again gives bit-identical results on a CPU:
all state is in the checkpoint, and random values depend only on seed, epoch and image, or on
generators whose state is saved.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from segsweep import metrics
from segsweep.data.batches import Augment, Batch, Batches
from segsweep.errors import Interrupted, NonFiniteLossError
from segsweep.training.evaluate import Scored, loss_of, score_images
from segsweep.training.state import Row, Saved, State

Autocast: TypeAlias = Callable[[], AbstractContextManager[object]]
"""Returns the context in which the network runs."""
PREVIEW_IMAGES = 6
"""Validation images whose predictions are drawn."""
TRY = "try a lower optimizer.lr, or trainer.clip_norm=1"
"""What helps most often if a loss is no longer finite."""


@dataclass(frozen=True)
class Loop:
    """The settings of the loop."""

    epochs: int
    seed: int = 0
    threshold: float = 0.5
    select: str = "val_iou"
    empty: metrics.Empty = "one"
    early_stop: int | None = None
    clip_norm: float | None = None
    averaging: float = 0.0
    checkpoint_every_steps: int | None = None


@dataclass(frozen=True)
class Hooks:
    """What the loop calls with its results; it writes no file itself."""

    save: Callable[[Saved, int, Mapping[str, Tensor] | None], None]
    """(state, best epoch, its weights if new)."""
    epoch_done: Callable[[list[Row], Scored, bool], None]
    """(history, scores of the validation images, whether it is the best)."""
    step_done: Callable[[int, int], None] = lambda step, steps: None
    should_stop: Callable[[], bool] = lambda: False
    should_end: Callable[[list[Row]], bool] = lambda history: False
    """Whether the run with this history is over, although epochs are left."""


def fit(
    state: State,
    loss_fn: nn.Module,
    train: Batches,
    val: Batches,
    loop: Loop,
    hooks: Hooks,
    augment: Augment | None = None,
    autocast: Autocast | None = None,
) -> list[Row]:
    """Train from *state* to the end; return the history, a row per epoch.

    Raises:
        NonFiniteLossError: naming the epoch and the last finite loss.
        Interrupted: `hooks.should_stop` returned True; the batch, or the epoch's validation,
            was finished and saved.

    """
    while not _finished(state, loop) and not hooks.should_end(state.history):
        train_epoch(state, loss_fn, train, loop, hooks, augment, autocast)
        validate(state, loss_fn, val, loop, hooks, autocast)
        if hooks.should_stop():
            raise Interrupted(f"stopped after epoch {state.epoch}")
    return state.history


def train_epoch(
    state: State,
    loss_fn: nn.Module,
    train: Batches,
    loop: Loop,
    hooks: Hooks,
    augment: Augment | None = None,
    autocast: Autocast | None = None,
) -> None:
    """Run the remaining steps of the epoch."""
    state.model.train()
    started, before = time.perf_counter(), state.spent
    pending: list[Tensor] = []
    for batch in train.shuffled(loop.seed, state.epoch, augment, state.step):
        pending.append(train_step(state, loss_fn, batch, loop, autocast))
        state.step += 1
        stop = hooks.should_stop()
        store = stop or (
            loop.checkpoint_every_steps and state.step % loop.checkpoint_every_steps == 0
        )
        # reading a loss makes a GPU wait, so on a GPU it is done once per epoch
        if batch.images.device.type == "cpu" or store:
            _take_losses(state, pending)
        state.spent = before + time.perf_counter() - started
        if store:
            hooks.save(state.to_dict(), state.best_epoch, None)
        if stop:
            raise Interrupted(f"stopped in epoch {state.epoch + 1} after step {state.step}")
        hooks.step_done(state.step, train.steps())
    _take_losses(state, pending)
    state.spent = before + time.perf_counter() - started


def train_step(
    state: State,
    loss_fn: nn.Module,
    batch: Batch,
    loop: Loop,
    autocast: Autocast | None = None,
) -> Tensor:
    """Run one step on a batch and return its loss, still on its device."""
    state.optimizer.zero_grad(set_to_none=True)
    with state.around_forward(batch.images), autocast() if autocast else nullcontext():
        logits: Tensor = state.model(batch.images)
    logits = logits if logits.dtype == torch.float64 else logits.float()
    loss = loss_of(loss_fn, logits, batch)
    (loss if state.scaler is None else state.scaler.scale(loss)).backward()
    state.lr = float(state.optimizer.param_groups[0]["lr"])  # before the scheduler changes it
    if loop.clip_norm is not None:
        if state.scaler is not None:
            state.scaler.unscale_(state.optimizer)
        nn.utils.clip_grad_norm_(state.model.parameters(), loop.clip_norm)
    if state.scaler is None:
        state.optimizer.step()
    elif not _scaled_step(state.scaler, state.optimizer):
        return loss.detach()  # float16 overflowed: the step was skipped, and so is the rest
    if state.every == "step":
        state.scheduler.step()
    if state.averaged is not None:
        state.averaged.update_parameters(state.model)
    return loss.detach()


def _scaled_step(scaler: torch.amp.GradScaler, optimizer: Optimizer) -> bool:
    """Step through the gradient scaler; False if it skipped the step."""
    before = scaler.get_scale()
    scaler.step(optimizer)
    scaler.update()
    return bool(scaler.get_scale() >= before)


def validate(
    state: State,
    loss_fn: nn.Module,
    val: Batches,
    loop: Loop,
    hooks: Hooks,
    autocast: Autocast | None = None,
) -> None:
    """Score the validation images, write the epoch's row, keep the best, save."""
    started = time.perf_counter()
    scored = score_images(
        state.judged,
        val,
        threshold=loop.threshold,
        loss_fn=loss_fn,
        show=PREVIEW_IMAGES,
        autocast=autocast() if autocast else None,
    )
    if not math.isfinite(scored.loss):
        raise NonFiniteLossError(
            f"validation loss is {scored.loss} in epoch {state.epoch + 1}; "
            f"last finite training loss {_last(state.losses)}; {TRY}"
        )
    if state.every == "val_loss":
        state.scheduler.step(scored.loss)  # type: ignore[arg-type]  # ReduceLROnPlateau
    elif state.every == "epoch":
        state.scheduler.step()
    row = {
        "epoch": state.epoch + 1,
        "train_loss": float(np.mean(state.losses)),
        "val_loss": scored.loss,
        **validation_metrics(scored.counts, loop.empty),
        "lr": state.lr,
        "seconds": round(state.spent + time.perf_counter() - started, 3),
    }
    state.history.append(row)
    best = is_best(state.history, loop.select)
    state.epoch, state.step, state.losses, state.spent = state.epoch + 1, 0, [], 0.0
    if best:
        state.best_epoch = state.epoch
    hooks.save(state.to_dict(), state.best_epoch, state.judged.state_dict() if best else None)
    hooks.epoch_done(state.history, scored, best)


def validation_metrics(counts: NDArray[np.int64], empty: metrics.Empty) -> Row:
    """Return the validated metrics of counts (N, 4): val_iou, val_dice, val_score."""
    tp, fp, fn, tn = counts.T
    return {
        column: metrics.mean_over_images(column.removeprefix("val_"), tp, fp, fn, tn, empty)
        for column in metrics.columns("val")
    }


def is_best(history: list[Row], select: str) -> bool:
    """Whether the last row is better than all before it; among equal rows the first is kept."""
    sign = -1 if metrics.lower_is_better(select) else 1
    values = [sign * row[select] for row in history]
    return len(values) == 1 or values[-1] > max(values[:-1])


def _finished(state: State, loop: Loop) -> bool:
    waited = state.epoch - state.best_epoch
    early = loop.early_stop is not None and state.epoch > 0 and waited >= loop.early_stop
    return state.epoch >= loop.epochs or early


def _take_losses(state: State, pending: list[Tensor]) -> None:
    """Move losses from the device into the state; raise at the first that is not finite."""
    if not pending:
        return
    for value in torch.stack(pending).tolist():
        if not math.isfinite(value):
            earlier = state.losses or [row["train_loss"] for row in state.history]
            raise NonFiniteLossError(
                f"training loss is {value} in epoch {state.epoch + 1}, "
                f"step {len(state.losses) + 1}; last finite loss {_last(earlier)}; {TRY}"
            )
        state.losses.append(value)
    pending.clear()


def _last(values: list[float]) -> str:
    return f"{values[-1]:.4g}" if values else "none"
