"""A new data set is one module and one yaml: nothing else in segsweep has to know it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import segsweep
from command import finish, rows_of
from segsweep.system.installation import conf_folder

MODULE = '''
"""Squares: white on black, as large as their number."""

from dataclasses import dataclass

import numpy as np

from segsweep.data.source import Pixels, Problem, Sample


@dataclass(frozen=True)
class Squares:
    """Square *i* has a side of *i* + 2 pixels."""

    count: int = 12
    """Images, at least 1."""

    @property
    def signature(self) -> str:
        """All that steers pixels."""
        return "squares 1"

    def find(self) -> tuple[list[Sample], list[Problem]]:
        """Return a sample per square."""
        return [Sample(f"{i:03d}", f"{i:03d}") for i in range(self.count)], []

    def read(self, sample: Sample) -> Pixels:
        """Draw one square."""
        mask = np.zeros((32, 32), bool)
        mask[4 : 6 + int(sample.id), 4 : 6 + int(sample.id)] = True
        return Pixels(np.repeat(255 * mask[..., None].astype(np.uint8), 3, 2), mask)
'''
YAML = """# Squares: white on black, drawn on the fly
_target_: segsweep.data.squares.Squares
count: 12
"""
TINY = ("model.channels=[4,4]", "trainer.batch=2", "data.size=32", "threads=1", "device=cpu")
LOADED = """
import segsweep.sweep.places.preload, sys
print("segsweep.data.squares" in sys.modules)
"""


@pytest.fixture
def place(tmp_path) -> Path:
    """Return a folder with a copy of the package and its conf, and one more data set."""
    package = Path(segsweep.__file__).parent
    shutil.copytree(package, tmp_path / "segsweep", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(conf_folder(), tmp_path / "conf")
    (tmp_path / "segsweep/data/squares.py").write_text(MODULE)
    shared = (tmp_path / "conf/data/synthetic.yaml").read_text()
    shared = shared[shared.index("size:") :]
    (tmp_path / "conf/data/squares.yaml").write_text(YAML + shared)
    return tmp_path


@pytest.mark.slow
def test_module_and_yaml_are_all_it_takes(place):
    """A sweep over it trains in its slots, and the fork server has the module loaded."""
    path = {"PYTHONPATH": str(place)}
    finish(["-m", "data=squares", "loss=bce,dice", "trainer.epochs=1", *TINY], place, **path)
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=place,
        env={**os.environ, **path},
        capture_output=True,
        text=True,
        check=True,
    )

    assert [row["status"] for row in rows_of(place / "outputs/main/results.csv")] == [
        "finished",
        "finished",
    ]
    assert done.stdout == "True\n"
