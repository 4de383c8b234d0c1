"""A run with everything built: what its frozen config says, as objects.

Here config and code meet; below this file functions take values.
"""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from segsweep.config.check import split_config
from segsweep.config.targets import build
from segsweep.data.batches import Augment, Batches
from segsweep.data.cache import Prepared
from segsweep.data.split import PARTS, split_samples
from segsweep.errors import ConfigError
from segsweep.seeding import TRAINING, WEIGHTS, derive, seed_everything
from segsweep.store.paths import RunPaths
from segsweep.training import device
from segsweep.training.checkpoint import Checkpoints
from segsweep.training.device import Placement
from segsweep.training.loop import Loop
from segsweep.training.state import State, averaging_of


@dataclass(frozen=True)
class Job:
    """One run with everything built."""

    config: dict[str, Any]
    paths: RunPaths
    prepared: Prepared
    parts: list[str]
    """train | val | test | unused, for each sample."""
    placement: Placement
    loop: Loop
    state: State
    loss_fn: nn.Module
    augment: Augment | None
    train: Batches
    val: Batches
    test: Batches

    @property
    def checkpoints(self) -> Checkpoints:
        """The run's checkpoint folder."""
        return Checkpoints(self.paths.checkpoints)


def build_job(
    config: dict[str, Any],
    paths: RunPaths,
    prepared: Prepared,
    earlier: Mapping[str, Any] | None = None,
) -> Job:
    """Return the run with network, loss, optimizer, scheduler and batches built and seeded."""
    trainer, allow = config["trainer"], config["allow"]
    placement = device.choose(
        config["device"], config["threads"], trainer["precision"], trainer["memory_format"], earlier
    )
    torch.set_num_threads(placement.threads)
    device.forget_peak_memory(placement.torch_device)
    seed_everything(derive(config["seed"], WEIGHTS))
    model = device.place(build("model", config["model"], allow), placement)
    parts = split_samples(prepared.samples, split_config(config))
    train, val, test = (
        _batches(prepared, parts, name, trainer["batch"], placement) for name in PARTS
    )
    optimizer = build_optimizer(config, model.parameters())
    lengths = {"step": trainer["epochs"] * train.steps()}
    every = config["scheduler"]["every"]
    scheduler = build_scheduler(config, optimizer, lengths.get(every, trainer["epochs"]))
    averaged = averaging_of(model, trainer["averaging"])
    if trainer["compile"]:
        model.compile(dynamic=False)  # in place: the state's names stay what they are
    scaler = (
        torch.amp.GradScaler(placement.torch_device.type)
        if placement.precision == "float16"
        else None
    )
    seed_everything(derive(config["seed"], TRAINING))
    return Job(
        config=config,
        paths=paths,
        prepared=prepared,
        parts=parts,
        placement=placement,
        loop=_loop(config),
        state=State(model, optimizer, scheduler, every, averaged, scaler),
        loss_fn=build("loss", config["loss"], allow).to(placement.torch_device),
        augment=build("augment", config["augment"], allow),
        train=train,
        val=val,
        test=test,
    )


def _batches(
    prepared: Prepared, parts: Sequence[str], name: str, batch: int, placement: Placement
) -> Batches:
    indices = [index for index, part in enumerate(parts) if part == name]
    return Batches(
        prepared.images, prepared.masks, indices, batch, placement.torch_device, placement.layout
    )


def _loop(config: Mapping[str, Any]) -> Loop:
    trainer, evaluate = config["trainer"], config["evaluate"]
    names = ("epochs", "early_stop", "clip_norm", "averaging", "checkpoint_every_steps")
    return Loop(
        seed=config["seed"],
        threshold=config["threshold"],
        select=evaluate["select"],
        empty=evaluate["empty"],
        **{name: trainer[name] for name in names},
    )


def build_optimizer(config: Mapping[str, Any], parameters: Any) -> Any:
    """Return the optimizer over *parameters*."""
    return build("optimizer", config["optimizer"], config["allow"], params=parameters)


def build_scheduler(config: Mapping[str, Any], optimizer: Any, total: int) -> Any:
    """Return the scheduler; *total* is the run's length in the unit in which it steps."""
    every = config["scheduler"].get("every")
    if every not in ("step", "epoch", "val_loss"):
        raise ConfigError(f"scheduler.every={every}: allowed are step, epoch, val_loss")
    lengths = dict.fromkeys(("total_steps", "T_max", "total_iters"), total)
    peak = config["optimizer"].get("lr", optimizer.defaults.get("lr"))
    given = {"optimizer": optimizer, "max_lr": peak, **lengths}
    scheduler = build("scheduler", config["scheduler"], config["allow"], **given)
    if _goes_by_loss(scheduler) != (every == "val_loss"):
        told = "takes no loss; allowed are step, epoch"
        wants = "goes by a loss; allowed is val_loss"
        what = told if every == "val_loss" else wants
        raise ConfigError(f"scheduler.every={every}: {type(scheduler).__name__} {what}")
    return scheduler


def _goes_by_loss(scheduler: Any) -> bool:
    """Whether the scheduler's step must be given a figure, as ReduceLROnPlateau's must."""
    first = next(iter(inspect.signature(scheduler.step).parameters.values()), None)
    usual = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return first is not None and first.kind in usual and first.default is first.empty
