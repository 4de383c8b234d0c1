"""Signals while torch is being imported and after."""

import subprocess
import sys

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
