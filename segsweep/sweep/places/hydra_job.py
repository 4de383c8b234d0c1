"""A job of a command without `-m`, or of one of Hydra's sweepers and launchers: its run, executed.

segsweep's own launcher needs none of this, and with segsweep's own sweeper a job gets a frozen run.
"""

import time

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from segsweep.errors import RunClaimedError
from segsweep.store.outcome import NAN, Outcome
from segsweep.store.paths import RunPaths
from segsweep.store.states import AttemptStatus
from segsweep.sweep import session
from segsweep.sweep.planning import user_code
from segsweep.sweep.planning.compose import resolve
from segsweep.sweep.planning.plan import PlannedRun, freeze, plan_run, sweep_of
from segsweep.sweep.planning.sweep_choices import sweep_choices, with_choices
from segsweep.system.files import is_locked

HELD_SECONDS = 1.0


def run_of_job(cfg: DictConfig) -> PlannedRun | None:
    """Return the planned run of this job, or plan the one that a search asks for.

    None if it cannot start, which was said when the command was planned.
    """
    current, config = session.current, HydraConfig.get()
    if current.planned:
        return current.run_of_job(config.job.num if config.mode == RunMode.MULTIRUN else 0)
    planned = plan_run(resolve(cfg), config.runtime.choices)
    choices = sweep_choices(sweep_of(planned.config), lambda: 0)
    (planned,) = with_choices([planned], choices)
    freeze([planned], current.request)
    return planned


def execute_job(planned: PlannedRun) -> Outcome:
    """Execute a job's run; return its outcome.

    A run that several jobs ask for is executed once: a later job is given its outcome, and one
    that starts meanwhile in another process waits for it. Where another command executes a
    command's only run, RunClaimedError is raised.
    """
    current = session.current
    if current.planned:  # this process executes the jobs, one after the other
        known = [one for one in current.outcomes if one.run == planned.name]
        try:
            return known[0] if known else _executed(planned)
        except RunClaimedError as error:
            if current.requested == 1:
                raise
            return Outcome(planned.name, AttemptStatus.FAILED, NAN, str(error))
    while True:
        wait_while_held(planned.paths)
        try:
            return _executed(planned)
        except RunClaimedError:  # by another job, just now
            continue


def wait_while_held(paths: RunPaths) -> None:
    """Wait while another process is training a run.

    Ray gives up at the first dead job while others continue; SLURM jobs outlive their command.
    """
    while is_locked(paths.claim):
        time.sleep(HELD_SECONDS)


def _executed(planned: PlannedRun) -> Outcome:
    """Execute the run; in a process of its own if a class of the user might end this one."""
    current = session.current
    if user_code.can_fork() and user_code.uses_own_classes(planned.config):
        from segsweep.sweep.places.local import launch_one

        return launch_one(planned)
    from segsweep.training.run import RunContext, execute

    context = RunContext(
        stop=current.stop, on_start=current.refresh, on_epoch=lambda row, best: current.refresh()
    )
    return execute(planned.paths.config, planned.config.allow, context)
