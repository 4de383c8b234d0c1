"""The rooms of the package and which of them may import which: docs/structure.md, held by tests.

Every import counts: at the top of a module, inside a function, under TYPE_CHECKING.
"""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = (
    *("errors", "metrics", "system", "config"),
    *("losses", "augment", "schedulers", "seeding", "models"),
    *("data", "store", "tracking", "training", "stats", "report", "use"),
    *("sweep", "plugins", "train", "cli", "api"),
)
"""In order: a module imports from its own room and from those before it."""
SWEEP = (
    *("holder", "lock", "housekeeping", "select", "refresh"),
    *(
        "history_end",
        "processes",
        "planning",
        "status",
        "status_text",
        "status_view",
        "session",
        "feed",
        "search",
        "race",
        "places",
        "freezing",
        "run_search",
        "run_race",
        "command",
    ),
)
"""The same inside `sweep`: files and folders in order."""
REPORT = (
    *("placement", "question", "columns", "collapse", "export", "terminal", "searched"),
    *("search_table", "ensemble_table", "raced", "analysis", "race", "part", "validation"),
    *(
        "comparisons",
        "elsewhere",
        "caption",
        "content",
        "two_sweeps",
        "figures",
        "page",
        "write",
        "closing",
        "notebook",
    ),
    *("comparison", "preload"),
)
"""The same inside `report`."""
STATS = ("wording",)
"""Inside `stats` numbers never import words."""
ONLY = {
    "errors": set(),
    "metrics": {"errors"},
    "system": {"errors"},
    "config": {"errors", "metrics", "system"},
    "tracking": {"errors", "system", "config", "store"},
    "stats": {"metrics", "system"},
    "report": {"errors", "metrics", "system", "config", "data", "store", "stats"},
}
"""Rooms that may import from these rooms only."""
EXCEPTIONS = {("", "api"), ("__main__", "cli"), ("train", "plugins")}
"""`import segsweep` offers the API, `python -m segsweep` is the command, training is a plugin."""
NOBODY_IMPORTS = ("cli", "plugins", "api")


@cache
def modules() -> dict[str, Path]:
    """Return dotted name -> file of every module of the package."""
    found = {}
    for path in sorted((ROOT / "segsweep").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


@cache
def imports() -> tuple[tuple[str, str], ...]:
    """Return (module, module that it imports) for every import of the package in the package."""
    return tuple(
        sorted(
            {
                (name, target)
                for name, path in modules().items()
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                for target in _targets(node)
                if target != name
            }
        )
    )


def _targets(node: ast.AST) -> list[str]:
    """Return the modules of the package that one import statement names."""
    if isinstance(node, ast.Import):
        return [item.name for item in node.names if item.name.split(".")[0] == "segsweep"]
    if not isinstance(node, ast.ImportFrom):
        return []
    assert node.level == 0, "imports are absolute"
    if (node.module or "").split(".")[0] != "segsweep":
        return []
    full = [f"{node.module}.{item.name}" for item in node.names]
    named = [name if name in modules() else str(node.module) for name in full]
    return [name for name in named if name != "segsweep"]  # its version


def room(module: str, depth: int = 1) -> str:
    """Return the part of a dotted name at *depth*, empty where there is none."""
    parts = module.split(".")
    return parts[depth] if len(parts) > depth else ""


def test_every_room_is_known() -> None:
    """A new room gets its place in the order, here and in docs/structure.md."""
    found = {room(name) for name in modules()} - {"", "__main__"}

    assert found == {*ROOMS} & found
    assert len(found) >= 15
    assert {room(name, 2) for name in modules() if room(name) == "sweep"} - {""} == {*SWEEP}


def test_no_room_imports_from_a_higher_one() -> None:
    """Data flows one way."""
    order = {name: place for place, name in enumerate(ROOMS)}
    upward = [
        (name, target)
        for name, target in imports()
        if (room(name), room(target)) not in EXCEPTIONS
        and order.get(room(target), 99) > order.get(room(name), -1)
    ]

    assert len(imports()) > 300
    assert upward == []


@pytest.mark.parametrize("name", ONLY)
def test_room_imports_only_what_it_may(name: str) -> None:
    """Some rooms know less than their place in the order would allow."""
    others = {
        (module, target)
        for module, target in imports()
        if room(module) == name and room(target) not in {name, *ONLY[name]}
    }

    assert others == set()


def test_inside_sweep_too() -> None:
    """Processes know nothing of plans, plans nothing of places, places nothing of commands."""
    order = {name: place for place, name in enumerate(SWEEP)}
    upward = [
        (name, target)
        for name, target in imports()
        if room(name) == room(target) == "sweep"
        and order.get(room(target, 2), -1) > order.get(room(name, 2), 99)
    ]

    assert upward == []


def test_inside_report_too() -> None:
    """What is shown is collected before it is drawn, and drawn before it is a page."""
    order = {name: place for place, name in enumerate(REPORT)}
    upward = [
        (name, target)
        for name, target in imports()
        if room(name) == room(target) == "report"
        and order.get(room(target, 2), -1) > order.get(room(name, 2), 99)
    ]

    assert {room(name, 2) for name in modules() if room(name) == "report"} - {""} == {*REPORT}
    assert upward == []


def test_numbers_never_import_words() -> None:
    """The statistics work without the sentences about them."""
    words = ("segsweep.stats.wording", "segsweep.system")
    wrong = [
        (name, target)
        for name, target in imports()
        if room(name) == "stats" and room(name, 2) != "wording" and target.startswith(words)
    ]

    assert wrong == []


@pytest.mark.parametrize("name", NOBODY_IMPORTS)
def test_nobody_imports_the_outermost_rooms(name: str) -> None:
    """What the user calls is called by nothing else."""
    wrong = [
        (module, target)
        for module, target in imports()
        if room(target) == name and room(module) != name
        if (room(module), name) not in EXCEPTIONS
    ]

    assert [pair for pair in wrong if pair not in ALLOWED] == []


ALLOWED = {
    ("segsweep.cli.main", "segsweep.plugins.register"),  # `segsweep data` composes as training does
}


def test_no_cycles() -> None:
    """Not even between modules that import each other late."""
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for name, target in imports():
        graph[name].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"cycle: {' -> '.join(error.args[1])}")
