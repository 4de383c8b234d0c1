"""Signals while torch is being imported and after."""

import os
import signal
import subprocess
import sys
import time

import pytest

IMPORTING = """
import os, signal, sys
from segsweep.system.signals import StopRequest

class Finder:
    def find_spec(self, name, path, target=None):
        if name == "torch._C":
            os.kill(os.getpid(), signal.{name})

StopRequest().install()
sys.meta_path.insert(0, Finder())
import torch
"""


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_signal_while_torch_is_imported(name):
    """The process exits at once: an exception there would abort in torch's C++ part."""
    words = [sys.executable, "-c", IMPORTING.format(name=name)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 130
    assert done.stderr == "stopped before anything started\n"


def test_signal_after_an_import_interrupts():
    """It raises KeyboardInterrupt, so that cleanup code runs."""
    code = (
        "import signal; from segsweep.system.signals import StopRequest; StopRequest().install()\n"
        "try:\n signal.raise_signal(signal.SIGTERM)\nexcept KeyboardInterrupt:\n print('left')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "left\n"


LATE = """
import os, signal, sys, time
from segsweep.system.signals import StopRequest

stop = StopRequest()
stop.install()
print("ready", flush=True)
try:
    import pandas
    time.sleep(20)
except KeyboardInterrupt:
    import pandas
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # as a command does at its end
    print("left", pandas.DataFrame({"a": [1]}).a.sum(), flush=True)
"""


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("SIGINT", 0.25), ("SIGTERM", 0.02), ("SIGTERM", 0.25), ("SIGTERM", 0.5), ("SIGTERM", 1.0)],
)
def test_signal_while_a_native_library_is_imported(name, seconds):
    """The import ends first; then it interrupts, and the library works."""
    words = [sys.executable, "-c", LATE]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as one:
        assert one.stdout.readline() == "ready\n"
        time.sleep(seconds)
        one.send_signal(signal.Signals[name])
        one.send_signal(signal.Signals[name])
        output, error = one.communicate(timeout=60)

    assert (one.returncode, output, error) == (0, "left 1\n", "")


def test_import_that_never_ends_does_not_hold_a_signal_forever(tmp_path):
    """After a while the process ends at once."""
    (tmp_path / "endless.py").write_text("print('ready', flush=True)\nimport time\ntime.sleep(60)")
    code = (
        "from segsweep.system import signals\nsignals.IMPORT_SECONDS = 0.2\n"
        "signals.StopRequest().install()\nimport endless"
    )
    path = os.pathsep.join([str(tmp_path), *sys.path])
    words = [sys.executable, "-c", code]
    with subprocess.Popen(
        words, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout.readline() == "ready\n"
        one.terminate()
        one.communicate(timeout=30)

    assert one.returncode == 130
