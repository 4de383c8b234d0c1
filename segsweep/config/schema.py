"""The schema: every fixed key with its type, range, default and meaning.

Sections are dataclasses. Option nodes (model, loss, optimizer, scheduler, augment, data) name a
class in `_target_`; `targets.py` checks their arguments against the signature of that class.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from segsweep.config.limits import Limits, option
from segsweep.metrics import columns
from segsweep.system.machine import MOST_THREADS

MISSING = "???"
OPTION_NODES = ("model", "loss", "optimizer", "scheduler", "augment", "data")
"""Groups whose options name a class; their option names are part of a run's identity."""
NEUTRAL_ARGUMENTS: Mapping[str, Mapping[str, object]] = {
    "segsweep.data.folder.Folder": {
        "page": None,
        "unmatched": "error",
        "range": None,
        "foreground_color": None,
        "ignore": None,
    },
    "segsweep.data.pairs.Pairs": {"ignore": None},
}
"""Class -> the neutral values of arguments that it got after a release; see `option`."""


@dataclass
class SplitConfig:
    """How samples are divided into train, validation and test."""

    seed: int = option(42, Limits(low=0, high=2**32 - 1))
    """Of the random split; independent of the run's seed."""
    train: float = option(0.5, Limits(above=0, why="a run needs images to train on"))
    """Training samples: a share if below 1, else their number."""
    val: float = option(
        0.25, Limits(above=0, why="the best epoch is selected on validation images")
    )
    """Validation samples: a share if below 1, else their number."""
    test: float = option(0.25, Limits(low=0))
    """Test samples: a share if below 1, else their number; 0: no test part, runs are judged by
    validation only."""
    keep_groups: bool = option(True)
    """Put all samples of a group into the same part."""
    folds: int = option(5, Limits(low=2))
    """Number of folds; used only if `fold` is set."""
    fold: int | None = option(None, Limits(low=0))
    """Index of the fold to test on; validation images are drawn from the rest. null: no folds."""
    file: str | None = option(None)
    """A CSV with columns id and split (train | val | test) that replaces the random split. Without
    test images, runs are judged by validation only."""
    given: bool = option(False, neutral=False)
    """Use the parts that the data give: {split} in data.image_name, or a column of data=pairs.
    Where they give no val, `val` of the training images are drawn."""


@dataclass
class DataConfig:
    """What every data set has besides its source's own arguments."""

    size: int | list[int] = option(128, Limits(low=1))
    """Height and width that the network sees, in pixels; [height, width] or one number."""
    channels: int = option(3, Limits(allowed=("1", "3")))
    """3 = RGB, 1 = grey."""
    resize: str = option("area", Limits(allowed=("area", "classic")), neutral="classic")
    """area: a mask's pixel is foreground if more than half of its area is. classic: as in the
    original experiment; thin structures shrink where a mask is halved."""
    tile: int | list[int] | None = option(None, Limits(low=1), neutral=None)
    """Height and width of tiles, in pixels; [height, width] or one number. Images keep their own
    size: the network is trained on random crops of this size, and tested on all tiles put together
    again; `size` and `resize` have no effect. null: images are resized to `size`."""
    overlap: float = option(0.25, Limits(low=0, below=1), neutral=0.25)
    """Share of a tile's height and width that its neighbour covers too, in evaluation."""
    crops: int | None = option(None, Limits(low=1), neutral=None)
    """Random crops of a training image in an epoch; null: as many as cover it once."""
    split: SplitConfig = field(default_factory=SplitConfig)


@dataclass
class TrainerConfig:
    """The training loop."""

    epochs: int = option(40, Limits(low=1))
    """Passes over the training images."""
    batch: int = option(10, Limits(low=1))
    """Images in a training step."""
    early_stop: int | None = option(None, Limits(low=1))
    """Stop after this many epochs without an improvement; null: train the full length."""
    clip_norm: float | None = option(None, Limits(above=0))
    """Largest norm of the gradient over all weights; null: no clipping."""
    averaging: float = option(0.0, Limits(low=0, below=1))
    """Decay per step of the averaged weights, which are then validated and tested; 0: none."""
    precision: str = option(
        "auto", Limits(allowed=("auto", "float32", "bfloat16", "float16")), neutral="auto"
    )
    """auto: bfloat16 where the hardware has it, else float32."""
    memory_format: str = option(
        "auto", Limits(allowed=("auto", "contiguous", "channels_last")), identity=False
    )
    """Memory layout of images and weights; auto: chosen for the device."""
    cpu_precision: str | None = option(
        None, Limits(allowed=("float32", "bfloat16")), identity=False
    )
    """What precision=auto means on a CPU; filled in once per sweep, when it is planned."""
    lean: str = option("auto", Limits(allowed=("auto", "on", "off")), identity=False)
    """Special kernels. on: save memory, also where that costs time; off: plain torch layers;
    auto: those that save time, and on where memory is short."""
    compile: bool = option(False, identity=False)
    """Compile the network with torch.compile: slow to start, then faster on some devices."""
    checkpoint_every_steps: int | None = option(None, Limits(low=1), identity=False)
    """Also save a checkpoint after this many steps of an epoch; null: after each epoch only."""
    preview_every: int = option(10, Limits(low=0), identity=False)
    """Epochs between preview pictures of six validation images; 0: no previews."""


@dataclass
class EvaluateConfig:
    """How a trained network is judged."""

    select: str = option("val_iou", Limits(allowed=(*columns("val"), "val_loss")))
    """The criterion that selects the best epoch; the same for all cells."""
    empty: str = option("one", Limits(allowed=("one", "skip")))
    """An image without foreground in truth and prediction counts as 1, or is skipped."""
    at: str = option("both", Limits(allowed=("both", "train")), identity=False)
    """Score at the training size only, or also at each image's native size."""
    boundary: bool = option(False, neutral=False)
    """Also measure distances between the outlines of the test images at their native size: hd95,
    assd, nsd."""
    tolerance: float = option(2.0, Limits(low=0), neutral=2.0)
    """Distance between outlines that nsd counts as equal, in pixels of the native size."""


@dataclass
class SearchConfig:
    """A search: each cell gets the same number of trials, then is trained at its best values.

    The keys steer a command; a run's config keeps only the last three.
    """

    params: dict[str, Any] = option({}, identity=False)
    """What is searched: key -> its values, as Hydra writes them, such as
    `optimizer.lr: tag(log, interval(1e-5, 1e-2))`; empty: no search."""
    n_trials: int = option(8, Limits(low=1), identity=False)
    """Trials of each cell; raising it adds the difference."""
    epochs: float = option(0.5, Limits(above=0), identity=False)
    """Epochs of a trial: a share of `trainer.epochs` if below 1, else their number."""
    sampler: str = option(
        "tpe", Limits(allowed=("tpe", "gp", "cmaes", "random", "grid")), identity=False
    )
    """What suggests values, from Optuna. tpe, gp and cmaes learn from a cell's earlier trials;
    grid: every combination of the values once."""
    storage: str | None = option(None, identity=False)
    """Where Optuna keeps the studies: a database URL, or the path of a journal file; null:
    `<outputs>/<sweep>/search.db`. Give a URL with a password as ${oc.env:NAME}."""
    seed: int = option(0, Limits(low=0, high=2**32 - 1), identity=False)
    """Of the sampler, and of the weights, order and augmentation of all trials."""
    reuse: str | None = option(None, identity=False)
    """Another sweep: the values that a search found there are used, without any trial."""
    pruner: str = option("none", Limits(allowed=("none", "median", "hyperband")), neutral="none")
    """What ends trials early that fall behind the others of their cell, from Optuna."""
    study: str = option("", identity=False)
    """The study that a trial belongs to; filled in by the search."""
    filled: list[str] = option([], identity=False)
    """Keys that a search chooses a value for; filled in by the search."""


@dataclass
class RaceConfig:
    """A race for the best cell: cells that cannot be the best any more get no further seeds.

    The keys steer a command; no run's config contains them.
    """

    looks: list[int] = option([], Limits(low=2), identity=False)
    """Numbers of seeds at which cells are judged; those beyond the number of seeds are dropped, and
    that number is the last look. Empty: no race."""
    hours: float | None = option(None, Limits(above=0), identity=False)
    """The race ends at the first look after this time: the runs' seconds over the slots; null: no
    limit."""


@dataclass
class ReportConfig:
    """What a run stores for the report."""

    images: bool = option(True, identity=False)
    """Store small pictures of the test images and show them in the report; false: outlines only."""


@dataclass
class TrackerConfig:
    """Another program's records of a command's runs, for its own pages.

    The keys steer a command; no run's config contains them.
    """

    name: str = option(
        "none", Limits(allowed=("none", "tensorboard", "mlflow", "wandb")), identity=False
    )
    """What else records the runs: their curves, config and result."""
    mode: str = option("offline", Limits(allowed=("offline", "online")), identity=False)
    """Weights & Biases only. offline: files under the sweep, which `wandb sync` may upload later;
    online: uploaded while runs train, which needs a login."""


@dataclass
class CommandConfig:
    """Keys that steer one command; no run's config contains them."""

    keep_gb: float | None = option(None, Limits(low=0), identity=False)
    """Gigabytes that the checkpoints of a sweep's finished runs may use; null: no limit."""
    plan: bool = option(False, identity=False)
    """Print the plan and stop: what would run, how long, with how much memory and disk."""
    max_runs: int = option(10_000, Limits(low=1), identity=False)
    """Runs that a command may ask for; more are refused, because they are mostly a slip."""
    preflight: bool = option(True, identity=False)
    """Try a training and a validation step of each kind of run before the first run starts."""
    check_limit: float = option(120.0, Limits(above=0), identity=False)
    """Seconds that a class of a package in `allow` may take when it is checked before runs start:
    its import, building it and one image; for a data source, seconds without progress."""
    rerun: str = option("none", Limits(allowed=("none", "stale", "all")), identity=False)
    """Finished runs to train again; stale: those of another segsweep version."""
    retry_failed: bool = option(True, identity=False)
    """Retry runs that failed under an earlier command."""
    slots: int | None = option(None, Limits(low=1, high=MOST_THREADS), identity=False)
    """Runs at the same time; null: chosen for this machine."""
    per_device: int = option(1, Limits(low=1, high=MOST_THREADS), identity=False)
    """Runs at the same time on each GPU."""
    time_limit: float | None = option(None, Limits(above=0), identity=False)
    """Seconds that a run may take before it counts as hanging; null: no limit."""
    frozen: str | None = option(None, identity=False)
    """Path of a run's frozen config.yaml; launchers get this in place of single values."""


@dataclass
class Config(CommandConfig):
    """All keys that a command line may set."""

    sweep: str = option("main", identity=False)
    """Name of the sweep: its folder is `<outputs>/<sweep>`."""
    outputs: str = option("outputs", identity=False)
    """Folder of all sweeps."""
    seed: int = option(0, Limits(low=0, high=2**32 - 1))
    """Of the initial weights, the order of the images and the augmentation."""
    kind: str = option("run", Limits(allowed=("run", "trial")))
    """A trial belongs to a search and never reads the test set."""
    threshold: float = option(0.5, Limits(above=0, below=1))
    """A pixel is foreground where p is above this."""
    device: str = option("auto", identity=False)
    """auto, cpu, mps, cuda, or one GPU, such as cuda:1; auto: a GPU if there is one."""
    threads: int = option(0, Limits(low=0, high=MOST_THREADS), identity=False)
    """CPU threads of a run; 0: chosen for this machine."""
    allow: list[str] = option([], identity=False)
    """Your packages whose classes a config may name: on the command line or in trust.yaml only."""
    keep: str = option("best", Limits(allowed=("best", "last", "both", "none")), identity=False)
    """Checkpoints to keep of a finished run; tables and report need none."""
    model: Any = MISSING
    """The network: an option of `conf/model/`."""
    loss: Any = MISSING
    """The loss: an option of `conf/loss/`."""
    optimizer: Any = MISSING
    """The optimizer: an option of `conf/optimizer/`."""
    scheduler: Any = MISSING
    """The learning-rate schedule: an option of `conf/scheduler/`."""
    augment: Any = MISSING
    """The augmentation of training images: an option of `conf/augment/`."""
    data: Any = MISSING
    """The data set: an option of `conf/data/`."""
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    race: RaceConfig = field(default_factory=RaceConfig, metadata={"identity": False})
    report: ReportConfig = field(default_factory=ReportConfig, metadata={"identity": False})
    tracker: TrackerConfig = field(default_factory=TrackerConfig, metadata={"identity": False})


IN_RUN = ("pruner", "study", "filled")
"""The keys of `search` that a run's config keeps; the others steer a command."""
COMMAND_KEYS = tuple(item.name for item in dataclasses.fields(CommandConfig))
"""A frozen config does not hold these keys, and none of COMMAND_SECTIONS."""
COMMAND_SECTIONS = ("race", "tracker")
"""Sections that steer a command; no run's config contains them."""
