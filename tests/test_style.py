"""How the code is written: short files and functions, docstrings, types that say something."""

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import yaml

import segsweep
from segsweep.models import kernels
from test_layers import ROOMS, ROOT
from tested_in import TESTED_IN

PACKAGE = sorted((ROOT / "segsweep").rglob("*.py"))
FILE_LINES, BODY_LINES = 300, 45
KWARGS = {
    ("plugins/callback.py", "on_run_start"),  # Hydra's own interface
    ("plugins/callback.py", "on_multirun_start"),
    ("config/check.py", "cached"),  # a decorator passes on what it was given
    ("report/figures/svg.py", "add"),  # attributes of an SVG element
}
"""Functions that may take arbitrary keywords."""
MOST_ANY = 61
"""Uses of Any in the whole package: what is built from a config, pydantic's and torch's own."""


@cache
def trees() -> dict[str, ast.Module]:
    """Return the package's modules by their path in it."""
    found = {path.relative_to(ROOT / "segsweep").as_posix(): path for path in PACKAGE}
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in found.items()}


def functions() -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Return (path, function) for every function and method."""
    return [
        (name, node)
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]


def test_files_are_short() -> None:
    """A reader sees a module in a few screens."""
    lines = {
        path.as_posix(): len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE
    }

    assert len(lines) > 100
    assert {name: count for name, count in lines.items() if count > FILE_LINES} == {}


def test_functions_are_short() -> None:
    """The body without its docstring."""
    long = {}
    for name, function in functions():
        body = function.body[1:] if ast.get_docstring(function) is not None else function.body
        count = body[-1].end_lineno - body[0].lineno + 1 if body else 0
        if count > BODY_LINES:
            long[f"{name}:{function.name}"] = count

    assert long == {}


def test_every_public_name_has_a_docstring() -> None:
    """Modules, classes and functions; an overriding or special method may go without."""
    bare = [name for name, tree in trees().items() if not ast.get_docstring(tree)]
    for name, tree in trees().items():
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        inside = [node for one in classes if not one.name.startswith("_") for node in one.body]
        bare += [
            f"{name}:{node.name}"
            for node in (*tree.body, *inside)
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ]

    assert bare == []


def test_no_function_takes_arbitrary_keywords() -> None:
    """A misspelt argument is an error where it is made."""
    found = {(name, function.name) for name, function in functions() if function.args.kwarg}

    assert found <= KWARGS


def test_any_is_rare() -> None:
    """Where a type is known it is written."""
    found = [
        name
        for name, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "Any"
    ]

    assert len(found) <= MOST_ANY


def test_no_absolute_path_of_a_machine() -> None:
    """Nothing in the package depends on where it was written."""
    pattern = re.compile(r"[\"']/(home|root|tmp)/")
    found = [path.name for path in PACKAGE if pattern.search(path.read_text(encoding="utf-8"))]

    assert found == []


def test_structure_page_names_every_room_in_order() -> None:
    """docs/structure.md is the map; its paths exist, its rooms are those of the layer test."""
    text = (ROOT / "docs" / "structure.md").read_text(encoding="utf-8")
    rooms = re.findall(r"^\| (`.*?) \|", text.split("## The rules")[0], re.MULTILINE)
    named = [word.strip("/") for row in rooms for word in re.findall(r"`([\w/]+)`", row)]

    assert named == list(ROOMS)
    assert _missing_paths(text) == []


def _missing_paths(text: str) -> list[str]:
    """Return the Python files in the walks that are not in the room of their row."""
    missing, room = [], Path()
    for row in re.findall(r"^\| (.*?) \| (.*?) \|", text, re.MULTILINE):
        names = re.findall(r"`([\w/]+)`", row[0])
        room = ROOT / "segsweep" / names[0] if names else room
        rooms = [ROOT / "segsweep" / name for name in names] or [room]
        missing += [
            file
            for file in re.findall(r"`([\w/]+\.py)`", row[1])
            if not any((place / file).is_file() for place in rooms)
        ]
    return missing


def test_every_module_has_a_place_where_it_is_tested() -> None:
    """A test file of its name in the mirrored folder, or a line in tests/tested_in.py."""
    modules = [name for name in trees() if not name.endswith("__init__.py")]
    own = {name for name in modules if _own_test(name).exists()}
    lean = {name for name in TESTED_IN if name.startswith("models/lean/")}
    table = {*TESTED_IN} - (set() if kernels.is_available() else lean)  # that folder may go
    files = {name: ROOT / "tests" / TESTED_IN[name] for name in table}

    assert sorted({*modules} - own - table) == []
    assert sorted(table - ({*modules} - own)) == []
    assert [name for name, file in files.items() if not file.is_file()] == []


def _own_test(name: str) -> Path:
    """Return the test file of a module's own name, by its path in the package."""
    path = ROOT / "tests" / name
    return path.with_name(f"test_{path.name}")


def test_citation_is_of_this_version() -> None:
    """CITATION.cff has what its format requires, and the package's version and licence."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert {"cff-version", "message", "title", "authors"} <= {*cited}
    assert cited["version"] == segsweep.__version__
    assert cited["license"] == project["license"]


def test_container_file_names_what_there_is() -> None:
    """Its Python is new enough; the extras, the constraints and the command exist."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    (python,) = re.findall(r"^ARG BASE=\S*/python:3\.(\d+)", text, re.MULTILINE)
    (extras,) = re.findall(r"\*\.whl\)\[(.*?)\]", text)
    (command,) = re.findall(r'^ENTRYPOINT \["(.*?)"\]', text, re.MULTILINE)

    assert int(python) >= int(project["requires-python"].removeprefix(">=3."))
    assert {*extras.split(",")} <= {*project["optional-dependencies"]}
    assert command in project["scripts"]
    for name in re.findall(r"^COPY --from=wheel /source/(\S+)", text, re.MULTILINE):
        assert (ROOT / name).is_file()
    assert {".git", ".venv", "outputs"} <= {*ignored}
