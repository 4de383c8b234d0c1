"""A `segsweep` command in a pseudo terminal, for tests of what a user sees and types."""

import os
import pty
import subprocess
import sys
import time
from pathlib import Path


class Terminal:
    """A `segsweep` process in a pseudo terminal."""

    def __init__(self, folder: Path, *words: str) -> None:
        """Start the command in *folder*."""
        ours, theirs = pty.openpty()
        self.ours, self.text = ours, ""
        command = [sys.executable, "-m", "segsweep.cli.main", *words]
        root = str(Path(__file__).resolve().parents[1])
        environment = {**os.environ, "PYTHONPATH": root, "TERM": "xterm", "COLUMNS": "80"}
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        os.set_blocking(ours, False)

    def wait_for(self, text: str) -> None:
        """Read until the output contains *text*."""
        end = time.monotonic() + 30
        while text not in self.text:
            assert time.monotonic() < end, self.text
            try:
                self.text += os.read(self.ours, 10**6).decode()
            except BlockingIOError:
                time.sleep(0.02)

    def end(self) -> int:
        """Return the exit code."""
        code = self.process.wait(30)
        os.close(self.ours)
        return code
