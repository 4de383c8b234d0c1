"""What every tracker can do, and how one is made by name. Its package is imported only then."""

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from segsweep.config.schema import TrackerConfig
from segsweep.errors import ConfigError
from segsweep.store.paths import SweepPaths
from segsweep.tracking.facts import Ending, Row, RunFacts

NONE = "none"
EVERY_RUN = "*"
"""In place of a name: every run of the sweep that has no result yet."""
NEEDED: Mapping[str, tuple[str, ...]] = {
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
    "wandb": ("wandb",),
}
"""Tracker -> the packages that it needs, all in the extra of its name."""


class Record(Protocol):
    """A tracker's record of one run, open for writing."""

    held: int
    """Epochs that were in it when it was opened."""

    def add(self, rows: Sequence[Row]) -> None:
        """Write further epochs."""

    def end(self, ending: Ending) -> None:
        """Write how the run stands, and close the record."""

    def drop(self) -> None:
        """Close the record without a word, after an error."""


class Tracker(Protocol):
    """Another program's records of a sweep's runs; any method may raise what its package raises."""

    def open(self, run: RunFacts, rows: Sequence[Row]) -> Record:
        """Open the record of *run*, whose stored epochs are *rows*.

        One that holds other epochs, because the run has started from scratch since, is replaced.
        """

    def close(self) -> None:
        """Release everything."""


def check_tracker(config: TrackerConfig) -> None:
    """Raise ConfigError if the tracker's packages are missing, or its mode has no effect."""
    name = config.name
    if config.mode != "offline" and name != "wandb":
        raise ConfigError(f"tracker.mode={config.mode}: only with tracker=wandb")
    if any(not _is_installed(package) for package in NEEDED.get(name, ())):
        raise ConfigError(f"tracker={name}: not installed; pip install 'segsweep[{name}]'")


def check_one_tracker(trackers: Iterable[TrackerConfig]) -> None:
    """Raise ConfigError unless the runs of a command have the same tracker, and it can be used."""
    found = {one.name: one for one in trackers}
    if len(found) > 1:
        raise ConfigError(
            f"tracker: experiments choose {' and '.join(sorted(found))}, only one is allowed per "
            "command; choose it with tracker=<name>"
        )
    for one in found.values():
        check_tracker(one)


def _is_installed(package: str) -> bool:
    """Whether a package can be imported; a mere folder of that name, as wandb writes, is none."""
    found = importlib.util.find_spec(package)
    return found is not None and found.origin is not None


def open_tracker(config: TrackerConfig, sweep: SweepPaths) -> Tracker:
    """Return the tracker that *config* names; its package is imported, which takes seconds."""
    if config.name == "tensorboard":
        from segsweep.tracking.tensorboard import TensorBoard

        return TensorBoard(sweep)
    if config.name == "mlflow":
        from segsweep.tracking.mlflow import Mlflow

        return Mlflow(sweep)
    from segsweep.tracking.wandb import Wandb

    return Wandb(sweep, config.mode)


def how_to_look(config: TrackerConfig, sweep: SweepPaths) -> str:
    """Return the command that shows the records of a sweep."""
    if config.name == "tensorboard":
        return f"tensorboard --logdir {sweep.tensorboard}"
    if config.name == "mlflow":
        return f"mlflow ui --backend-store-uri sqlite:///{sweep.mlflow}"
    if config.mode == "online":
        return "the project segsweep on the server of Weights & Biases"
    return f"wandb leet {sweep.wandb}"
