"""docs/notebook.ipynb: every cell runs, and what is stored in it comes from a real execution.

`python tests/test_notebook.py` executes it and stores its outputs.
"""

import os
import re
import socket
import sys
import tempfile
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="no nbformat: pip install -e '.[test]'")
ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"
MOST_BYTES = 300_000


def executed(notebook, folder: Path):
    """Return *notebook* with the outputs of running all its cells in *folder*."""
    from nbclient import NotebookClient

    for name, first in (("PYTHONPATH", ROOT), ("PATH", Path(sys.executable).parent)):
        os.environ[name] = os.pathsep.join([str(first), os.environ.get(name, "")])
    for cell in code_cells(notebook):
        cell.outputs, cell.execution_count = [], None
    resources = {"metadata": {"path": str(folder)}}
    client = NotebookClient(
        notebook, timeout=600, resources=resources, record_timing=False, coalesce_streams=True
    )
    return client.execute()


def code_cells(notebook) -> list:
    """Return the cells that are run."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def kinds(notebook) -> list[list[str]]:
    """Return for each cell what it shows: the forms in which a notebook may draw it."""
    return [
        sorted({kind for output in cell.outputs for kind in output.get("data", ["text"])})
        for cell in code_cells(notebook)
    ]


@pytest.fixture
def stored():
    """Return the notebook as it is in the repository."""
    return nbformat.read(NOTEBOOK, as_version=4)


def test_stored_outputs_are_of_one_execution(stored):
    """Cells were run once, from top to bottom, without an error; GitHub shows the tables."""
    cells = code_cells(stored)
    outputs = [output for cell in cells for output in cell.outputs]

    nbformat.validate(stored)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell.outputs for cell in cells)
    assert {output.output_type for output in outputs} == {"execute_result", "stream"}
    assert {output.name for output in outputs if output.output_type == "stream"} == {"stdout"}
    assert sum("text/html" in output.get("data", ()) for output in outputs) >= 6


def test_nothing_of_a_machine_is_stored():
    """No path of the one that executed it, no name, no address; and the file is small."""
    text = NOTEBOOK.read_text(encoding="utf-8")

    assert len(text.encode()) < MOST_BYTES
    assert not re.search(r'[" (](/[a-z]+){2,}|[A-Z]:\\\\|/(home|work|tmp|Users)/', text)
    assert socket.gethostname() not in text
    assert not re.search(r"\bhost \S|\d+\.\d+\.\d+\.\d+", text)


@pytest.mark.slow
def test_every_cell_runs(stored, tmp_path):
    """In an empty folder: it trains, opens, compares, and shows what is stored."""
    pytest.importorskip("ipykernel", reason="no ipykernel: pip install -e '.[test]'")
    pytest.importorskip("nbclient", reason="no nbclient: pip install -e '.[test]'")
    before = kinds(stored)
    after = kinds(executed(stored, tmp_path))

    assert after == before
    assert len(list(tmp_path.glob("outputs/notebook/runs/*/result.json"))) == 12


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        nbformat.write(executed(nbformat.read(NOTEBOOK, as_version=4), Path(place)), NOTEBOOK)
    sys.exit(pytest.main([__file__, "-q", "-m", "not slow"]))
