"""Settings chosen once for all runs of a sweep, because they change how sums are rounded.

Threads, the precision that `auto` means on a CPU, and the special kernels are those of the
sweep's earlier runs, or else the best ones on this machine. They are written into the frozen
configs, and no later command changes them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from segsweep.config.schema import TrainerConfig
from segsweep.store.paths import SweepPaths
from segsweep.store.records import readable_configs
from segsweep.sweep.planning.plan import PlannedRun
from segsweep.system.processor import has_bfloat16


@dataclass(frozen=True)
class SweepChoices:
    """The choice for one sweep."""

    threads: int
    """CPU threads of each run; 0: the place decides."""
    cpu_precision: str
    """What `trainer.precision=auto` means on a CPU."""
    lean: str
    """What `trainer.lean=auto` becomes: auto, or off where earlier runs are plain."""


def sweep_choices(sweep: SweepPaths, threads: Callable[[], int]) -> SweepChoices:
    """Return the choice of *sweep*'s earlier runs, else of this machine.

    *threads* gives the threads that pay off here. Sweeps older than the choice of a precision
    stay in float32.
    """
    earlier = list(readable_configs(sweep.run_folders()[:3]))
    trainers = [config.trainer for config in earlier]
    here = "float32" if earlier or not has_bfloat16() else "bfloat16"
    return SweepChoices(
        threads=next((one.threads for one in earlier if one.threads), 0) or threads(),
        cpu_precision=next((one.cpu_precision for one in trainers if one.cpu_precision), here),
        lean="off" if any(one.lean == "off" for one in trainers) else "auto",
    )


def with_choices(runs: Sequence[PlannedRun], choices: SweepChoices) -> list[PlannedRun]:
    """Return *runs* with the choice in their configs, where these leave it open."""
    return [_with_choices(run, choices) for run in runs]


def _with_choices(run: PlannedRun, choices: SweepChoices) -> PlannedRun:
    trainer = run.config.trainer
    lean = choices.lean if trainer.lean == "auto" else trainer.lean
    changed = {"lean": lean, "cpu_precision": trainer.cpu_precision or choices.cpu_precision}
    run = with_trainer(run, changed)
    if run.config.threads:
        return run
    return replace(run, config=run.config.with_values({"threads": choices.threads}))


def with_trainer(run: PlannedRun, changed: Mapping[str, str]) -> PlannedRun:
    """Return *run* with other values of keys of `trainer`."""
    trainer: TrainerConfig = replace(run.config.trainer, **changed)  # type: ignore[arg-type]
    if trainer == run.config.trainer:
        return run
    values = {**run.config.values["trainer"], **changed}  # type: ignore[dict-item]
    return replace(run, config=run.config.with_values({"trainer": values}))
