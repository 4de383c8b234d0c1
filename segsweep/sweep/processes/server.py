"""The fork server: one process that has imported what runs need, from which they are forked."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from segsweep.errors import ConfigError
from segsweep.system.signals import signals_blocked

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def start_server(preload: Sequence[str] | None = None) -> None:
    """Start the fork server if it is not running; it imports modules in the background.

    The server has one thread and initializes no GPU: otherwise it could not be forked safely.
    Requests to stop do not reach it: it must outlive its processes, which save first.

    Args:
        preload: modules that the server imports, so that no forked process has to, besides those
            of earlier calls. It imports only when it starts: for a further module a running one
            is replaced, so no process that it forked may be left.

    """
    from multiprocessing import forkserver, resource_tracker

    if "forkserver" not in multiprocessing.get_all_start_methods():
        raise ConfigError(
            "hydra/launcher=segsweep: this system cannot fork processes; use "
            "hydra/launcher=joblib (parallel) or hydra/launcher=basic (one run at a time)"
        )
    context = multiprocessing.get_context("forkserver")
    further = [module for module in preload or () if module not in _preload]
    if further:
        _end_server()
        _preload.extend(further)
    context.set_forkserver_preload(list(_preload))
    resource_tracker.ensure_running()  # when it starts, it unblocks signals
    with _environment(ONE_THREAD), signals_blocked():
        forkserver.ensure_running()


_preload: list[str] = []
"""Modules that the server imports; a server started after a kill imports them too."""


def stop_server() -> None:
    """End the fork server at once; called when none of its processes is left."""
    from multiprocessing import forkserver

    server = getattr(forkserver, "_forkserver", None)
    pid = getattr(server, "_forkserver_pid", None)  # the library's own stop function waits
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _end_server() -> None:
    """End the fork server and forget it, so that the next one imports what is asked for then."""
    from multiprocessing import forkserver

    server = getattr(forkserver, "_forkserver", None)
    if server is None or getattr(server, "_forkserver_pid", None) is None:
        return
    stop_server()
    server._stop()  # waits for the process, which has ended


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """Set *values* in the environment of processes that are started in the block."""
    before = {key: os.environ.get(key) for key in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
