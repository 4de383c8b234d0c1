"""The schema: every fixed key with its type, range, default and meaning.

Sections are dataclasses. Option nodes (model, loss, optimizer, scheduler, augment, data) name a
class in `_target_`; `targets.py` checks their arguments against the signature of that class.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from segsweep.metrics import columns

MISSING = "???"
OPTION_NODES = ("model", "loss", "optimizer", "scheduler", "augment", "data")
"""Groups whose options name a class; their option names are part of a run's identity."""


def option(
    default: Any,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
    allowed: tuple[str, ...] = (),
    identity: bool = True,
    command: bool = False,
    neutral: Any = dataclasses.MISSING,
) -> Any:
    """Declare a config key: its default, its range, and whether it can change numbers.

    Args:
        default: the value where a config says nothing.
        low: smallest allowed value, itself included.
        above: every value must be greater than this.
        high: largest allowed value, itself included.
        below: every value must be less than this.
        allowed: the words allowed.
        identity: False for keys that cannot change a run's numbers.
        command: True for keys that steer one command and are no part of any run's config.
        neutral: the value that means "as before this key existed"; left out of the run's id.

    """
    limits = {"low": low, "above": above, "high": high, "below": below, "allowed": allowed}
    counts = identity and not command
    metadata = {"limits": limits, "identity": counts, "command": command, "neutral": neutral}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class SplitConfig:
    """How samples are divided into train, validation and test."""

    seed: int = option(42, low=0, high=2**32 - 1)
    train: float = option(0.5, above=0)
    """Share of the samples where below 1, else their number; the same for val and test."""
    val: float = option(0.25, above=0)
    test: float = option(0.25, above=0)
    keep_groups: bool = option(True)
    """Samples of one group stay on one side."""
    folds: int = option(5, low=2)
    fold: int | None = option(None, low=0)
    """Test on this fold of `folds`; validation is drawn from the rest. null: no folds."""
    file: str | None = option(None)
    """A CSV with columns id and split (train | val | test), instead of drawing one."""


@dataclass
class DataConfig:
    """What every data set has beside its source's own arguments."""

    size: int | list[int] = option(128, low=1)
    """Height and width that the network sees, in pixels; [height, width] or one number."""
    channels: int = option(3, allowed=("1", "3"))
    """3 = RGB, 1 = grey."""
    split: SplitConfig = field(default_factory=SplitConfig)


@dataclass
class TrainerConfig:
    """The loop."""

    epochs: int = option(40, low=1)
    batch: int = option(10, low=1)
    """Images in a training step."""
    early_stop: int | None = option(None, low=1)
    """Stop after this many epochs without a better one; null: the full length."""
    clip_norm: float | None = option(None, above=0)
    """Largest norm of the gradient over all weights; null: not cut."""
    averaging: float = option(0.0, low=0, below=1)
    """Decay per step of the averaged weights, which are then what is validated; 0: none."""
    precision: str = option(
        "auto", allowed=("auto", "float32", "bfloat16", "float16"), neutral="auto"
    )
    """auto: bfloat16 where the GPU has it, else float32."""
    memory_format: str = option(
        "auto", allowed=("auto", "contiguous", "channels_last"), identity=False
    )
    lean: str = option("auto", allowed=("auto", "on", "off"), identity=False)
    """Special kernels. on: save memory, also where that costs time; off: plain torch layers;
    auto: those that save time, and on where memory is short."""
    compile: bool = option(False, identity=False)
    checkpoint_every_steps: int | None = option(None, low=1, identity=False)
    """Save the position inside an epoch too, for epochs that take long."""
    preview_every: int = option(10, low=0, identity=False)
    """Epochs between pictures of six validation images; 0: none."""


@dataclass
class EvaluateConfig:
    """How a trained network is judged."""

    select: str = option("val_iou", allowed=(*columns("val"), "val_loss"))
    """The best epoch is the best by this; one rule for all cells."""
    empty: str = option("one", allowed=("one", "skip"))
    """An image with no foreground in truth and prediction: counts as 1, or is left out."""
    at: str = option("both", allowed=("both", "train"), identity=False)
    """Score at the training size only, or at each image's own size too."""


@dataclass
class SearchConfig:
    """Values a search filled in: they tell no cells apart."""

    filled: list[str] = option([], identity=False)


@dataclass
class CommandConfig:
    """Keys that steer one command and are no part of any run's config."""

    keep_gb: float | None = option(None, low=0, command=True)
    """Gigabytes that the checkpoints of a sweep's finished runs may take; null: any."""
    plan: bool = option(False, command=True)
    """Stop after the plan: what would run, how long, with how much memory and disk."""
    preflight: bool = option(True, command=True)
    """Try a training and a validation step of each kind of run before the first starts."""
    rerun: str = option("none", allowed=("none", "stale", "all"), command=True)
    """Finished runs to do again; stale: made by another version of segsweep."""
    retry_failed: bool = option(True, command=True)
    """Try runs again that failed under an earlier command."""
    slots: int | None = option(None, low=1, command=True)
    """Runs at the same time; null: what this machine is good for."""
    per_device: int = option(1, low=1, command=True)
    """Runs at the same time on each GPU."""
    time_limit: float | None = option(None, above=0, command=True)
    """Seconds a run may take before it counts as hanging; null: any."""
    frozen: str | None = option(None, command=True)
    """A run's frozen config.yaml: what launchers are given instead of single values."""


@dataclass
class Config(CommandConfig):
    """Everything that a command line may set."""

    sweep: str = option("main", identity=False)
    outputs: str = option("outputs", identity=False)
    seed: int = option(0, low=0, high=2**32 - 1)
    kind: str = option("run", allowed=("run", "trial"))
    """A trial belongs to a search and never reads the test set."""
    threshold: float = option(0.5, above=0, below=1)
    """A pixel is foreground where p is above this."""
    device: str = option("auto", identity=False)
    threads: int = option(0, low=0, identity=False)
    """CPU threads of a run; 0: all cores that this process may use."""
    allow: list[str] = option([], identity=False)
    """Packages beside segsweep's and torch's whose classes a config may name."""
    keep: str = option("best", allowed=("best", "last", "both", "none"), identity=False)
    """Checkpoints of a finished run that stay: tables and report need none."""
    model: Any = MISSING
    loss: Any = MISSING
    optimizer: Any = MISSING
    scheduler: Any = MISSING
    augment: Any = MISSING
    data: Any = MISSING
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    search: SearchConfig = field(default_factory=SearchConfig)


COMMAND_KEYS = tuple(item.name for item in dataclasses.fields(CommandConfig))
"""A frozen config does not hold these keys."""
