"""The paths of every file of runs and sweeps."""

from dataclasses import dataclass
from pathlib import Path

from segsweep.store.states import Cause, Status
from segsweep.system.files import is_locked, read_json


@dataclass(frozen=True)
class RunPaths:
    """Every file of one run."""

    root: Path

    @property
    def config(self) -> Path:
        """The frozen config: what this run is, whatever happens to `conf/`."""
        return self.root / "config.yaml"

    @property
    def split(self) -> Path:
        """Which sample was in which part."""
        return self.root / "split.csv"

    @property
    def environment(self) -> Path:
        """Machine, versions, device, threads."""
        return self.root / "environment.json"

    @property
    def history(self) -> Path:
        """A row per epoch."""
        return self.root / "history.csv"

    @property
    def per_image(self) -> Path:
        """Counts of each validation and test image."""
        return self.root / "per_image.csv"

    @property
    def outlines(self) -> Path:
        """Outlines of truth and prediction on the test images."""
        return self.root / "outlines.json"

    @property
    def test_reads(self) -> Path:
        """When and why the test set was scored."""
        return self.root / "test_reads.csv"

    @property
    def result(self) -> Path:
        """The result; its existence says that the run is finished."""
        return self.root / "result.json"

    @property
    def failure(self) -> Path:
        """Why the last attempt failed, until a result replaces it."""
        return self.root / "failure.json"

    @property
    def log(self) -> Path:
        """What the run said."""
        return self.root / "train.log"

    @property
    def preview(self) -> Path:
        """Pictures of validation images."""
        return self.root / "preview"

    @property
    def checkpoints(self) -> Path:
        """Best and last weights."""
        return self.root / "checkpoints"

    @property
    def claim(self) -> Path:
        """Locked by the process that trains this run."""
        return self.root / ".claim"

    def status(self) -> Status:
        """Return how far the run is."""
        if read_json(self.result) is not None:  # a file cut short is made again
            return Status.FINISHED
        if is_locked(self.claim):
            return Status.RUNNING
        failure = read_json(self.failure)
        if failure is not None:
            retried = failure.get("cause") == Cause.RETRIED
            return Status.INTERRUPTED if retried else Status.FAILED
        started = self.history.exists() or self.environment.exists()
        return Status.INTERRUPTED if started else Status.PLANNED


@dataclass(frozen=True)
class SweepPaths:
    """Every file of a sweep beside its runs."""

    root: Path

    @property
    def runs(self) -> Path:
        """One folder per run."""
        return self.root / "runs"

    @property
    def plan(self) -> Path:
        """All that was ever asked for in this sweep."""
        return self.root / "plan.csv"

    @property
    def trials(self) -> Path:
        """The runs of searches."""
        return self.root / "trials.csv"

    @property
    def results(self) -> Path:
        """A row per run."""
        return self.root / "results.csv"

    @property
    def per_image(self) -> Path:
        """Counts of all runs."""
        return self.root / "per_image.csv"

    @property
    def comparison(self) -> Path:
        """A row per cell."""
        return self.root / "comparison.csv"

    @property
    def pairs(self) -> Path:
        """A row per contrast of cells, architectures, losses."""
        return self.root / "pairs.csv"

    @property
    def answer(self) -> Path:
        """What is settled and what is not, in sentences."""
        return self.root / "answer.json"

    @property
    def page(self) -> Path:
        """The report to look at."""
        return self.root / "report.html"

    @property
    def curves(self) -> Path:
        """Loss and score over the epochs, per architecture."""
        return self.root / "curves.svg"

    @property
    def lock(self) -> Path:
        """Held by the one command that carries runs of this sweep out."""
        return self.root / "lock"

    @property
    def plan_lock(self) -> Path:
        """Held for the moment in which plan and configs are written."""
        return self.root / ".plan.lock"

    def run(self, folder: str) -> RunPaths:
        """Return the paths of the run in *folder* below `runs/`."""
        return RunPaths(self.runs / folder)

    def run_folders(self) -> list[RunPaths]:
        """Return the runs there are, by name; folders without a config are none."""
        found = sorted(self.runs.iterdir()) if self.runs.is_dir() else []
        return [RunPaths(path) for path in found if (path / "config.yaml").is_file()]


def folder_name(model: str, loss: str, seed: int, run_id: str) -> str:
    """Return the name of a run's folder: readable first, unique by its id."""
    return f"{model}-{loss}-s{seed}-{run_id}"
