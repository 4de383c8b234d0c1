"""The entry point: `python -m segsweep.train` trains one run, with `-m` many.

Hydra composes the config. It is frozen as `config.yaml`, and the run is executed from that file.
"""

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from segsweep.store.states import AttemptStatus
from segsweep.system.names import plural
from segsweep.system.signals import exit_at_once
from segsweep.system.terminal import visible_output

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from segsweep.store.paths import SweepPaths

HYDRA_WHITELIST = [
    "segsweep.plugins.*",
    "hydra._internal.core_plugins.*",
    "hydra.experimental.callbacks.*",
    "hydra_plugins.*",
    "optuna.samplers.*",
]
"""What Hydra itself may build from a config: its plugins. A run's classes: `config/trusted.py`."""


def main() -> None:
    """Train what the command line asks for and exit.

    Exit code 0: all finished; 1: some failed; 2: invalid input; 130: stopped by the user.
    """
    code = run_command()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # nothing is left to interrupt
    stop_server()
    if code == 130:  # after an interrupted import, Python would exit by the signal instead
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def stop_server() -> None:
    """End the fork server, if there is one: it would keep this process's pipes open."""
    server = sys.modules.get("segsweep.sweep.processes.server")
    if server is not None:
        server.stop_server()


def run_command() -> int:
    """Run the command line; return the exit code."""
    from segsweep.config.usage import print_answer

    exit_on_early_signal()
    if print_answer(sys.argv[1:]):  # before Hydra is imported, which takes a second
        return 0
    try:
        with visible_output():
            return _command()
    finally:
        from segsweep.sweep.session import current

        current.close()


def _command() -> int:
    verbose = os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        from segsweep.config.allow import command_line
        from segsweep.sweep.places.hydra_keys import check_callback
        from segsweep.sweep.planning.command_words import per_run
        from segsweep.sweep.planning.hydra_errors import say_warnings_plainly
        from segsweep.sweep.planning.plain_words import check_plain_words
        from segsweep.sweep.session import CommandExit, current

        current.stop.install()
        say_warnings_plainly()
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises instead of printing
        check_plain_words(sys.argv[1:])
        sys.argv[1:] = per_run(sys.argv[1:])
        check_callback(sys.argv[1:])
        try:
            with command_line(sys.argv[1:]):
                _hydra_main()
        except CommandExit as exit_:
            if _was_interrupted(exit_.error):
                return _interrupted()
            if verbose:
                raise exit_.error from None
            return _print_error(exit_.error, int(str(exit_.code)))
        return _finish()
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 2
    except Exception as error:
        if _was_interrupted(error):
            return _interrupted()
        if verbose:
            raise
        return _end_with_error(error)


def exit_on_early_signal() -> None:
    """Let a signal end the program at once during its imports: nothing is written yet.

    An interrupted import cannot be repeated in the same process, so it cannot be handled later.
    """
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: exit_at_once())


def _hydra_main() -> None:
    import hydra

    from segsweep.plugins.register import register_plugins, register_schema
    from segsweep.system.installation import conf_folder

    register_schema()
    register_plugins()

    @hydra.main(
        config_path=str(conf_folder()), config_name="config", execution_whitelist=HYDRA_WHITELIST
    )
    def train(cfg: "DictConfig") -> float:
        return task(cfg)

    train()


def task(cfg: "DictConfig") -> float:
    """Execute a run from its frozen config, which was written before the first run started.

    The composed *cfg* counts only in a search, whose values are not known before. Returns the
    validation IoU, which a search maximizes; NaN if the run failed.
    """
    from segsweep.errors import DiskFullError, Interrupted, SegsweepError
    from segsweep.store.outcome import NAN
    from segsweep.sweep.session import CommandExit, current

    if cfg.frozen is not None:
        return _frozen_task(cfg)
    from segsweep.sweep.places.hydra_job import execute_job, run_of_job

    try:
        planned = run_of_job(cfg)
        if planned is None:
            return NAN
        current.name_page()
        outcome = execute_job(planned)
    except Interrupted as stopped:
        raise KeyboardInterrupt(str(stopped)) from stopped
    except SegsweepError as error:
        done = current.outcomes or isinstance(error, DiskFullError)
        raise CommandExit(error, 1 if done else 2) from error
    if outcome not in current.outcomes:
        current.outcomes.append(outcome)
    current.refresh()
    return outcome.value


def _frozen_task(cfg: "DictConfig") -> float:
    """Execute the frozen run of a launcher's job, possibly on another machine.

    Errors are recorded in the run's folder and not raised: they would end other jobs too.
    """
    from pathlib import Path

    from hydra.core.hydra_config import HydraConfig

    from segsweep.config.allow import granted
    from segsweep.errors import Interrupted, SegsweepError
    from segsweep.sweep.session import current
    from segsweep.training.run import RunContext, execute

    with contextlib.suppress(OSError):  # a Ray cluster starts its workers in another folder
        os.chdir(HydraConfig.get().runtime.cwd)
    try:
        context = RunContext(stop=current.stop)
        return execute(Path(cfg.frozen), granted(list(cfg.allow)), context).value
    except Interrupted as stopped:
        raise KeyboardInterrupt(str(stopped)) from stopped
    except SegsweepError as error:
        print(error, file=sys.stderr)
        return float("nan")


def _finish() -> int:
    """Write the report, print the answer and the failed runs; return the exit code."""
    from segsweep.sweep.session import current

    if current.sweep is None or current.plan_only:  # None: --help, --cfg and the like
        return 0
    current.wait_for_refresh()
    _show(current.sweep)
    current.add_stored_outcomes()
    failed = [outcome for outcome in current.outcomes if outcome.status == AttemptStatus.FAILED]
    if failed:
        print(f"\n{len(failed)} of {plural(len(current.outcomes), 'run')} failed:", file=sys.stderr)
    for outcome in failed:
        print(f"  {outcome.error_line}", file=sys.stderr)
    return 1 if failed or len(current.outcomes) < current.requested else 0


def _end_with_error(error: Exception) -> int:
    """Print the error that ended the command; if runs were executed, report them too."""
    from segsweep.sweep.planning.hydra_errors import no_trial_finished
    from segsweep.sweep.session import current

    if not current.outcomes and not no_trial_finished(error):
        return _print_error(error)
    if all(outcome.status == AttemptStatus.FINISHED for outcome in current.outcomes):
        _print_error(error)  # else the reasons of the failed runs below say more
    with contextlib.suppress(OSError):
        _finish()
    return 1


def _show(sweep: "SweepPaths") -> None:
    from segsweep.report.closing import print_report
    from segsweep.report.write import write_report
    from segsweep.sweep.session import current

    print_report(write_report(sweep, current.run_cache, only_if_changed=True))


def _was_interrupted(error: BaseException) -> bool:
    """Whether a signal caused *error*: Python may wrap it, for example while creating a class."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__
    return cause is not None


def _interrupted() -> int:
    from segsweep.sweep.session import current

    print("\nstopped; run the same command again to resume", file=sys.stderr)
    refresher = current.refresher  # without one, no run was started and no report has changed
    with contextlib.suppress(Exception, KeyboardInterrupt):  # the report can be written later
        if refresher is not None and refresher.can_write() and not current.plan_only:
            from segsweep.report.write import write_report

            write_report(refresher.sweep, refresher.cache, only_if_changed=True)
    return 130


def _print_error(error: BaseException, code: int = 2) -> int:
    from segsweep.sweep.planning.hydra_errors import one_line

    print(one_line(error), file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
