"""Weights & Biases: a folder per run under the sweep, without a network unless it is asked for."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import wandb

from segsweep.store.paths import SweepPaths
from segsweep.store.states import Status
from segsweep.tracking.facts import Ending, Row, RunFacts

PROJECT = "segsweep"
"""Unless the variable WANDB_PROJECT names another."""
MOST_NAME = 50
"""Letters of a sweep's name in the ids of its runs."""


class Wandb:
    """Folders in `<sweep>/wandb/`."""

    def __init__(self, sweep: SweepPaths, mode: str) -> None:
        """*mode* is offline or online."""
        self._sweep, self._mode = sweep, mode
        self._settings = wandb.Settings(
            console="off",
            silent=True,
            quiet=True,
            disable_git=True,
            disable_code=True,
            save_code=False,
            reinit="create_new",  # runs in several slots are open at once
            x_disable_stats=True,  # this process trains nothing
            x_disable_meta=True,
            x_disable_machine_info=True,
        )

    def open(self, run: RunFacts, rows: Sequence[Row]) -> "WandbRun":
        """Return the run's record. Offline it is written anew: it cannot be read back."""
        name = record_id(run)
        earlier = self._folders(name) if self._mode == "offline" else []
        self._sweep.root.mkdir(parents=True, exist_ok=True)
        opened = wandb.init(
            mode="online" if self._mode == "online" else "offline",
            dir=str(self._sweep.root),
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            group=run.sweep,
            job_type=run.kind,
            name=run.name,
            id=name,
            resume="allow" if self._mode == "online" else None,
            config={**run.settings, **run.labels},
            tags=[run.kind],
            settings=self._settings,
        )
        for folder in earlier:
            shutil.rmtree(folder)
        held = sum(row["epoch"] < opened.step for row in rows)  # a resumed one knows its next step
        opened.define_metric("epoch", hidden=True)
        opened.define_metric("*", step_metric="epoch")
        return WandbRun(opened, held)

    def close(self) -> None:
        """End the process that writes for this one."""
        wandb.teardown()

    def _folders(self, name: str) -> list[Path]:
        return sorted(self._sweep.wandb.glob(f"offline-run-*-{name}"))


class WandbRun:
    """The record of one run."""

    def __init__(self, run: "wandb.Run", held: int) -> None:
        """*held* epochs are in the record."""
        self._run, self.held = run, held

    def add(self, rows: Sequence[Row]) -> None:
        """Write the curves' next points."""
        for row in rows:
            self._run.log(row, step=int(row["epoch"]), commit=True)

    def end(self, ending: Ending) -> None:
        """Write result and status."""
        self._run.summary.update(ending.words)
        self._run.summary.update(dict(ending.numbers))
        self._run.finish(exit_code=0 if ending.status is Status.FINISHED else 1)

    def drop(self) -> None:
        """Close the record."""
        self._run.finish(exit_code=1)


def record_id(run: RunFacts) -> str:
    """Return the run's id there: sweeps that share a project may contain the same run."""
    return f"{run.run_id}-{re.sub('[^A-Za-z0-9_-]', '-', run.sweep)[:MOST_NAME]}"
