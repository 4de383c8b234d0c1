"""Build a run's objects (network, loss, optimizer, batches) from its frozen config.

The config is read here; the modules that this one calls take plain values.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from segsweep.config.run_config import FrozenConfig, Node
from segsweep.config.targets import build
from segsweep.data.batches import Augment, Batches
from segsweep.data.cache import Prepared
from segsweep.data.split import split_samples
from segsweep.data.tiled_batches import TiledBatches
from segsweep.errors import ConfigError
from segsweep.metrics import Empty
from segsweep.models import kernels
from segsweep.seeding import TRAINING, WEIGHTS, derive, seed_everything
from segsweep.store.paths import RunPaths
from segsweep.training import device
from segsweep.training.checkpoint import Checkpoints
from segsweep.training.dataset import tiling_of
from segsweep.training.device import Placement
from segsweep.training.loop import Loop
from segsweep.training.state import State, averaging_of


@dataclass(frozen=True)
class Job:
    """One run with all its objects."""

    config: FrozenConfig
    paths: RunPaths
    prepared: Prepared
    parts: list[str]
    """The part of each sample: train | val | test | unused."""
    placement: Placement
    loop: Loop
    state: State
    loss_fn: nn.Module
    augment: Augment | None
    train: Batches
    val: Batches
    test: Batches | None
    """None: the split has no test part, or the run is a trial, which never reads it."""

    @property
    def checkpoints(self) -> Checkpoints:
        """The run's checkpoint folder."""
        return Checkpoints(self.paths.checkpoints)


def build_job(
    config: FrozenConfig,
    paths: RunPaths,
    prepared: Prepared,
    earlier: Mapping[str, object] | None = None,
) -> Job:
    """Build and seed the network, loss, optimizer, scheduler and batches of a run.

    *earlier* is the content of `environment.json` from an earlier start of this run.
    """
    trainer, allow = config.trainer, config.allow
    placement = device.choose(
        config.device,
        config.threads,
        trainer.precision,
        trainer.memory_format,
        trainer.lean,
        trainer.cpu_precision,
        earlier,
    )
    kernels.prepare_memory(placement.lean)
    torch.set_num_threads(placement.threads)
    device.forget_peak_memory(placement.torch_device)
    seed_everything(derive(config.seed, WEIGHTS))
    model = device.place(build("model", config.model, allow), placement)
    parts = split_samples(prepared.samples, config.data.split)

    def batches(name: str) -> Batches:
        rows = [row for row, part in enumerate(parts) if part == name]
        return batches_of(config, prepared, rows, placement)

    train, val = batches("train"), batches("val")
    state = _state(config, model, train.steps(), placement)
    seed_everything(derive(config.seed, TRAINING))
    return Job(
        config=config,
        paths=paths,
        prepared=prepared,
        parts=parts,
        placement=placement,
        loop=_loop(config),
        state=state,
        loss_fn=build("loss", config.loss, allow).to(placement.torch_device),
        augment=build("augment", config.augment, allow),
        train=train,
        val=val,
        test=batches("test") if "test" in parts and config.kind == "run" else None,
    )


def _state(config: FrozenConfig, model: nn.Module, steps: int, placement: Placement) -> State:
    """Return everything that changes during training; *steps* is the steps of one epoch."""
    trainer = config.trainer
    optimizer = build_optimizer(config.optimizer, model.parameters(), config.allow)
    every = str(config.scheduler["every"])
    total = trainer.epochs * steps if every == "step" else trainer.epochs
    scheduler = build_scheduler(config.scheduler, optimizer, config.optimizer, total, config.allow)
    averaged = averaging_of(model, trainer.averaging)
    if trainer.compile:
        model.compile(dynamic=False)  # in place: the names in the state dict stay the same
    half = placement.precision == "float16"
    scaler = torch.amp.GradScaler(placement.torch_device.type) if half else None
    around = kernels.around_forward(placement.lean)
    return State(model, optimizer, scheduler, every, averaged, scaler, around_forward=around)


def batches_of(
    config: FrozenConfig, prepared: Prepared, rows: list[int], placement: Placement
) -> Batches:
    """Return *rows* of a data set in batches, or in tiles, as the config says."""
    part = Batches(
        prepared.images,
        prepared.masks,
        rows,
        config.trainer.batch,
        placement.torch_device,
        placement.layout,
        ignores=prepared.ignores,
    )
    tiling = tiling_of(config.data)
    return part if tiling is None else TiledBatches.of(part, tiling)


def _loop(config: FrozenConfig) -> Loop:
    trainer, evaluate = config.trainer, config.evaluate
    return Loop(
        epochs=trainer.epochs,
        seed=config.seed,
        threshold=config.threshold,
        select=evaluate.select,
        empty=cast("Empty", evaluate.empty),
        early_stop=trainer.early_stop,
        clip_norm=trainer.clip_norm,
        averaging=trainer.averaging,
        checkpoint_every_steps=trainer.checkpoint_every_steps,
    )


def build_optimizer(
    node: Node, parameters: Iterable[nn.Parameter], allow: Sequence[str]
) -> Optimizer:
    """Return the optimizer that *node* describes, for *parameters*."""
    built: Optimizer = build("optimizer", node, allow, {"params": parameters})
    return built


def build_scheduler(
    node: Node, optimizer: Optimizer, optimizer_node: Node, total: int, allow: Sequence[str]
) -> LRScheduler:
    """Return the scheduler that *node* describes; *total* is how often it steps in a run."""
    every = node.get("every")
    if every not in ("step", "epoch", "val_loss"):
        raise ConfigError(f"scheduler.every={every}: allowed are step, epoch, val_loss")
    lengths = dict.fromkeys(("total_steps", "T_max", "total_iters"), total)
    peak = optimizer_node.get("lr", optimizer.defaults.get("lr"))
    given: dict[str, object] = {"optimizer": optimizer, "max_lr": peak, **lengths}
    scheduler: LRScheduler = build("scheduler", node, allow, given)
    needs_loss = _needs_loss(scheduler)
    if needs_loss != (every == "val_loss"):
        what = "needs a loss" if needs_loss else "takes no loss"
        allowed = "is val_loss" if needs_loss else "are step, epoch"
        name = type(scheduler).__name__
        raise ConfigError(f"scheduler.every={every}: {name} {what}; allowed {allowed}")
    return scheduler


def _needs_loss(scheduler: LRScheduler) -> bool:
    """Whether the scheduler's step requires a value, as that of ReduceLROnPlateau does."""
    first = next(iter(inspect.signature(scheduler.step).parameters.values()), None)
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return first is not None and first.kind in positional and first.default is first.empty
