"""The command's side of `follow`: starts that process, tells it runs, waits for it in the end."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence

from segsweep.config.schema import TrackerConfig
from segsweep.store.paths import SweepPaths
from segsweep.system.names import plural
from segsweep.tracking.tracker import how_to_look

QUIET_SECONDS = 3.0
"""How long the end of a command may wait before it says why."""
STALLED_SECONDS = 60.0
"""How long the process may take for one run in the end before it counts as hanging."""
OFFLINE = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "WANDB_ERROR_REPORTING": "false",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""What keeps packages from reporting that they are used, and from taking the runs' cores."""


class Tracking:
    """The process that records a command's runs; it starts with the first one."""

    def __init__(self, config: TrackerConfig, sweep: SweepPaths) -> None:
        """Start nothing yet."""
        self.config, self.sweep = config, sweep
        self._told: set[str] = set()
        self._names: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._process: subprocess.Popen[str] | None = None

    def add(self, names: Sequence[str]) -> None:
        """Let the process follow the runs in the folders *names*; those it knows are left out."""
        if self._process is None:
            self._process = self._started()
            for target in (self._tell, self._listen):
                threading.Thread(target=target, args=(self._process,), daemon=True).start()
            print(f"tracker: {how_to_look(self.config, self.sweep)}", file=sys.stderr)
        for name in names:
            if name not in self._told:
                self._told.add(name)
                self._names.put(name)

    def close(self) -> None:
        """Wait until everything is written; print a line if something cannot be."""
        process, self._process = self._process, None
        if process is None:
            return
        self._names.put(None)
        try:
            last = self._last_answer()
        finally:  # also after a second Ctrl-C
            process.kill()
            process.wait()
        if line := self._problem(last):
            print(f"tracker={self.config.name}: {line}", file=sys.stderr)

    def _started(self) -> "subprocess.Popen[str]":
        folder = str(self.sweep.root.resolve())
        words = [self.config.name, self.config.mode, folder, str(time.time())]
        path = os.pathsep.join(dict.fromkeys(one for one in sys.path if one))
        return subprocess.Popen(
            [sys.executable, "-m", "segsweep.tracking.follow", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **OFFLINE, "PYTHONPATH": path},
            start_new_session=True,  # Ctrl-C is for the command
        )

    def _tell(self, process: "subprocess.Popen[str]") -> None:
        """Pass names on, in a thread: a pipe may be full."""
        assert process.stdin is not None
        try:
            with process.stdin:
                while (name := self._names.get()) is not None:
                    process.stdin.write(f"{name}\n")
                    process.stdin.flush()
        except OSError:  # it is gone, which `close` finds out
            return

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        """Pass answers on, in a thread: not every system can wait for a pipe with a limit."""
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                self._answers.put(line)
        self._answers.put(None)

    def _last_answer(self) -> str | None:
        """Return the last line of the process; None if it hangs."""
        last, told = "", False
        while True:
            try:
                line = self._answers.get(timeout=STALLED_SECONDS if told else QUIET_SECONDS)
            except queue.Empty:
                if told:
                    return None
                told = True
                print("tracker: writing what is left", file=sys.stderr)
                continue
            if line is None:
                return last
            last = line

    def _problem(self, last: str | None) -> str:
        """Return what the *last* answer says went wrong; empty if nothing did."""
        if last is None:
            return f"did not end within {STALLED_SECONDS:.0f} s; its records are incomplete"
        try:
            behind = json.loads(last)
        except ValueError:
            return "its process ended early; its records are incomplete"
        if not behind:
            return ""
        count = plural(len(behind), "run")
        return f"the records of {count} are incomplete: {behind[0]}"
