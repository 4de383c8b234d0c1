"""Numbers do not depend on sentences."""

import ast
from pathlib import Path

import segsweep.stats

ROOM = Path(segsweep.stats.__file__).parent


def test_numbers_never_import_wording():
    """No module of stats, apart from those in wording, imports from wording."""
    modules = sorted(ROOM.glob("*.py"))
    importers = [
        path.name
        for path in modules
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and "wording" in (node.module or "")
    ]

    assert len(modules) > 10
    assert importers == []
