"""A run of a sweep in a notebook: `sweep.run(id)`. No torch until its network is used."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from segsweep.store.json_files import known_failure, known_result
from segsweep.store.paths import RunPaths
from segsweep.store.records import read_config
from segsweep.store.states import Status

if TYPE_CHECKING:
    from pandas import DataFrame
    from torch import nn

    from segsweep.use.predictor import Predictor

RESULT = ("best_epoch", "epochs", "val_iou", "test_iou", "test_dice", "seconds")
"""What a run's HTML shows of its result."""
VALIDATED = ("best_epoch", "epochs", "val_iou", "val_dice", "n_test", "seconds")
"""The same of a run without a test part."""


class OfSweep(Protocol):
    """What a run needs of its sweep: the tables that its rows are in."""

    @property
    def history(self) -> "DataFrame":
        """A row per run and epoch."""
        ...

    @property
    def per_image(self) -> "DataFrame":
        """A row per finished run, part, size and image."""
        ...


class Run:
    """One run of a sweep.

    `history` and `per_image` are the run's part of the sweep's tables (see `Sweep`); all else
    is read from the run's files each time.
    """

    def __init__(self, sweep: OfSweep, paths: RunPaths) -> None:
        """Look at the run of *sweep* at *paths*; `Sweep.run` finds it by id or name."""
        self.sweep = sweep
        self._paths = paths

    @property
    def folder(self) -> Path:
        """The run's folder: config.yaml, history.csv, checkpoints/, train.log, ..."""
        return self._paths.root

    @property
    def name(self) -> str:
        """The name of its folder: model, loss, seed, id."""
        return self._paths.root.name

    @property
    def id(self) -> str:
        """The run's id: 12 hex digits."""
        return self.name.rpartition("-")[2]

    @property
    def status(self) -> str:
        """One of planned, running, interrupted, failed, finished."""
        return self._paths.status()

    @property
    def config(self) -> Mapping[str, object]:
        """The frozen config, as in config.yaml. StoreError if that file is damaged."""
        return read_config(self._paths.config).values

    @property
    def result(self) -> Mapping[str, object] | None:
        """What result.json says: scores, epochs, seconds; None unless the run is finished."""
        result = known_result(self._paths.result)
        return None if result is None else result.values

    @property
    def history(self) -> "DataFrame":
        """A row per epoch: epoch, train_loss, val_loss, val_iou, val_dice, val_score, lr, seconds.

        The columns of `Sweep.history`.
        """
        return _of_run(self.sweep.history, self.id)

    @property
    def per_image(self) -> "DataFrame":
        """The run's counts per image, the columns of `Sweep.per_image`; empty until finished."""
        return _of_run(self.sweep.per_image, self.id)

    def predictor(self, allow: Sequence[str] = ()) -> "Predictor":
        """Return the run's network, to be used; *allow*: packages of your own it may name."""
        from segsweep.use.choose import Choice
        from segsweep.use.predictor import Predictor

        return Predictor(Choice((self._paths,), self.name), tuple(allow))

    def load_model(self, preprocess: bool = True, device: str = "cpu") -> "nn.Module":
        """Return the run's network as a module; see `segsweep.use.predictor.Predictor`."""
        return self.predictor().load_model(preprocess, device)

    def __repr__(self) -> str:
        """Return one line: name and status, and why it failed."""
        return f"Run {self._line()}"

    def _line(self) -> str:
        status = self.status
        failure = known_failure(self._paths.failure) if status == Status.FAILED else None
        why = f" ({failure.cause}: {failure.error})" if failure is not None else ""
        return f"{self.name}: {status}{why}"

    def _repr_html_(self) -> str:
        from segsweep.report.notebook import run_html

        result = self.result or {}
        names = VALIDATED if result.get("n_test") == 0 else RESULT
        values = {name: result[name] for name in names if result.get(name) is not None}
        return run_html([self._line()], values, self.history)


def _of_run(frame: "DataFrame", run_id: str) -> "DataFrame":
    """Return the rows of one run."""
    return frame[frame["run_id"] == run_id].reset_index(drop=True)
