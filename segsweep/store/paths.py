"""The paths of every file of runs and sweeps."""

import re
from dataclasses import dataclass
from pathlib import Path

from segsweep.store.json_files import known_failure, known_result
from segsweep.store.states import Cause, Status
from segsweep.system.files import is_locked

_NAME = re.compile(r"(.+)-s(\d+)-([0-9a-f]{12})")


@dataclass(frozen=True)
class RunPaths:
    """Every file of one run."""

    root: Path

    @property
    def config(self) -> Path:
        """The frozen config: defines this run, independent of later changes in `conf/`."""
        return self.root / "config.yaml"

    @property
    def split(self) -> Path:
        """The part (train, val, test, unused) of each sample."""
        return self.root / "split.csv"

    @property
    def environment(self) -> Path:
        """Machine, versions, device and threads of the run."""
        return self.root / "environment.json"

    @property
    def history(self) -> Path:
        """One row per epoch."""
        return self.root / "history.csv"

    @property
    def per_image(self) -> Path:
        """Pixel counts of each validation and test image."""
        return self.root / "per_image.csv"

    @property
    def outlines(self) -> Path:
        """Outlines of truth and prediction on the test images."""
        return self.root / "outlines.json"

    @property
    def test_reads(self) -> Path:
        """When and why the test set was read."""
        return self.root / "test_reads.csv"

    @property
    def result(self) -> Path:
        """The result; the run is finished exactly if this file is readable."""
        return self.root / "result.json"

    @property
    def failure(self) -> Path:
        """Why the last attempt failed; deleted when the run finishes."""
        return self.root / "failure.json"

    @property
    def log(self) -> Path:
        """The output of the run."""
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
        """Lock file, held by the process that trains this run."""
        return self.root / ".claim"

    @property
    def tracked(self) -> Path:
        """Lock file, held by the process that writes this run's record elsewhere."""
        return self.root / ".tracked"

    def status(self) -> Status:
        """Return the status of the run."""
        if known_result(self.result) is not None:  # a damaged result is computed again
            return Status.FINISHED
        if is_locked(self.claim):
            return Status.RUNNING
        failure = known_failure(self.failure)
        if failure is not None:
            retried = failure.cause == Cause.RETRIED
            return Status.INTERRUPTED if retried else Status.FAILED
        started = self.history.exists() or self.environment.exists()
        return Status.INTERRUPTED if started else Status.PLANNED


@dataclass(frozen=True)
class SweepPaths:
    """Every file of a sweep except those of its runs."""

    root: Path

    @property
    def runs(self) -> Path:
        """One folder per run."""
        return self.root / "runs"

    @property
    def plan(self) -> Path:
        """Every run that any command requested in this sweep."""
        return self.root / "plan.csv"

    @property
    def trials(self) -> Path:
        """One row per trial."""
        return self.root / "trials.csv"

    @property
    def results(self) -> Path:
        """One row per run."""
        return self.root / "results.csv"

    @property
    def per_image(self) -> Path:
        """Pixel counts of each image in each finished run."""
        return self.root / "per_image.csv"

    @property
    def comparison(self) -> Path:
        """One row per cell."""
        return self.root / "comparison.csv"

    @property
    def pairs(self) -> Path:
        """One row per contrast of two cells, architectures or losses."""
        return self.root / "pairs.csv"

    @property
    def answer(self) -> Path:
        """The conclusions, in sentences: what is settled and what is not."""
        return self.root / "answer.json"

    @property
    def page(self) -> Path:
        """The report page."""
        return self.root / "report.html"

    @property
    def curves(self) -> Path:
        """Figure of loss and score per epoch, by architecture."""
        return self.root / "curves.svg"

    @property
    def lock(self) -> Path:
        """Lock file, held by the one command that may run this sweep."""
        return self.root / "lock"

    @property
    def plan_lock(self) -> Path:
        """Lock file, held while the plan and the configs are written."""
        return self.root / ".plan.lock"

    @property
    def search(self) -> Path:
        """Optuna's studies, unless `search.storage` names another place."""
        return self.root / "search.db"

    @property
    def search_id(self) -> Path:
        """What names this sweep's studies in a storage that other sweeps may use too."""
        return self.root / "search.id"

    @property
    def chosen(self) -> Path:
        """The values that a search chose, one row per cell and fold."""
        return self.root / "chosen.csv"

    @property
    def race(self) -> Path:
        """What the looks of a race found, one row per look and cell."""
        return self.root / "race.csv"

    @property
    def studies(self) -> Path:
        """The runs of each study, for trials that are compared with the others while they run."""
        return self.root / "studies"

    @property
    def images(self) -> Path:
        """Small pictures of the test images, by data set (`store/pictures.py`)."""
        return self.root / "images"

    @property
    def ensembles(self) -> Path:
        """What ensembles of its networks scored, one row each."""
        return self.root / "ensembles.csv"

    @property
    def test_reads(self) -> Path:
        """When and why the test images were read again, by something else than a run."""
        return self.root / "test_reads.csv"

    @property
    def evaluations(self) -> Path:
        """What its networks scored on other data sets, a folder for each."""
        return self.root / "evaluations"

    @property
    def tensorboard(self) -> Path:
        """TensorBoard's event files, a folder per run."""
        return self.root / "tensorboard"

    @property
    def wandb(self) -> Path:
        """Files of Weights & Biases, a folder per run."""
        return self.root / "wandb"

    @property
    def mlflow(self) -> Path:
        """MLflow's database, of all sweeps in the same folder."""
        return self.root.parent / "mlflow.db"

    @property
    def earlier(self) -> Path:
        """Runs that were finished and then done again."""
        return self.root / "earlier"

    @property
    def written(self) -> list[Path]:
        """Every file that segsweep, or a search of Hydra's sweepers, writes beside the runs."""
        tables = [self.trials, self.results, self.per_image, self.comparison, self.pairs]
        others = ("optimization_results.yaml", "multirun.yaml")
        pages = [
            self.search,
            *(self.search.with_name(f"{self.search.name}{end}") for end in ("-wal", "-shm")),
            self.search_id,
            self.chosen,
            self.race,
            *(self.ensembles, self.test_reads),
            self.answer,
            self.page,
            self.curves,
            *(self.root / name for name in others),
        ]
        return [*tables, *pages, self.plan, self.plan_lock, self.lock]

    def run(self, folder: str) -> RunPaths:
        """Return the paths of the run in `runs/<folder>`."""
        return RunPaths(self.runs / folder)

    def run_folders(self) -> list[RunPaths]:
        """Return the run folders in `run_order`; a folder without a config is ignored."""
        there = self.runs.iterdir() if self.runs.is_dir() else ()
        found = sorted(there, key=lambda path: run_order(path.name))
        return [RunPaths(path) for path in found if (path / "config.yaml").is_file()]


def run_order(name: str) -> tuple[str, int, str]:
    """Return what names of run folders are sorted by: model and loss, seed as a number, id."""
    found = _NAME.fullmatch(name)
    return (name, 0, "") if found is None else (found[1], int(found[2]), found[3])


def folder_name(model: str, loss: str, seed: int, run_id: str) -> str:
    """Return the name of a run's folder: the readable parts first, then the unique id."""
    return f"{model}-{loss}-s{seed}-{run_id}"


def short_name(folder: str) -> str:
    """Return a run's name without its id, as progress lines show it: `unet2-dice-s0`."""
    return folder.rpartition("-")[0] or folder


def is_run_name(name: str) -> bool:
    """Whether a folder has the name of a run: it ends in a seed and an id."""
    return _NAME.fullmatch(name) is not None
