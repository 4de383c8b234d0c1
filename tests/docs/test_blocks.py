"""Every command in a code block of README.md and docs/: its words exist, and it runs."""

import re
import subprocess
import sys
import tomllib
from functools import cache

import pytest
from typer.main import get_command

from command import ROOT
from doc_blocks import Command, commands
from segsweep.cli.main import app
from segsweep.config import usage

OWN = {
    "model": {"mynet", "ridgenet"},
    "loss": {"edge_bce"},
    "search": {"mine"},
    "hydra/launcher": {"submitit_slurm", "submitit_local", "joblib"},
}
"""Options that a page makes up for the reader, or that Hydra's plugins bring."""
OTHERS = {
    "make": "a target of the Makefile",
    "pip": "an extra of pyproject.toml, or the package itself",
    "python": "a file of the repository with these options, a new environment, or pytest",
    "python3": "a new environment",
    "docker": "needs its daemon and the network; CI tries the same wheel without it",
    "git": "what a clone is called is not known",
    "export": "a line of the shell",
    "source": "a line of the shell",
    "optuna-dashboard": "a server that runs until it is stopped",
}
"""Programs in blocks that are not segsweep's -> what is checked of them, or why nothing is."""


def of(program: str) -> list[Command]:
    """Return the pages' commands of one program."""
    return [command for command in commands() if command.program == program]


@cache
def help_of(script: str) -> str:
    """Return what a script of the repository says with `--help`."""
    return subprocess.check_output([sys.executable, script, "--help"], cwd=ROOT, text=True)


@cache
def known_keys() -> frozenset[str]:
    """Return the keys that docs/keys.md and docs/options.md explain; tests hold both pages."""
    text = "".join((ROOT / "docs" / name).read_text("utf-8") for name in ("keys.md", "options.md"))
    return frozenset(re.findall(r"^\| `([\w./]+)` \|", text, re.MULTILINE))


def test_every_block_of_commands_is_known():
    """A block without a language is one of commands; each begins with a program named here."""
    found = commands()
    programs = {command.program for command in found}

    assert len(of("train")) >= 30
    assert len(of("segsweep")) >= 15
    assert [str(one) for one in found if one.program not in {*OTHERS, "train", "segsweep"}] == []
    assert {*OTHERS} <= programs, "no page has this program any more"


@pytest.mark.parametrize("command", of("train"), ids=str)
def test_words_of_training_exist(command):
    """Options are those of their groups, other keys are on the pages of keys and options."""
    groups = usage.groups()
    for word in command.arguments:
        key, equals, value = word.removeprefix("+").partition("=")
        if not equals or word.startswith("-"):
            assert word in {"-m", "--config-dir", "myconf", "examples/plugin/conf"}, word
        elif key in {**groups, **OWN}:
            options = {*groups.get(key, ()), *OWN.get(key, ())}
            assert {*value.split(",")} <= options or key in ("hydra/launcher",), word
        elif not key.startswith(("hydra.launcher.", "search.params", "model.", "loss.")):
            assert key in known_keys(), word


@pytest.mark.parametrize("command", of("segsweep"), ids=str)
def test_words_of_commands_exist(command):
    """Each is a command, with options that it has and as many words as it takes."""
    name, *words = command.arguments
    parameters = get_command(app).commands[name].params
    options = {option for one in parameters for option in one.opts}

    assert {word for word in words if word.startswith("--")} <= options
    needed = [one.opts[0] for one in parameters if one.required and one.opts[0].startswith("--")]
    assert {*needed} <= {*words}


def test_targets_of_make_exist():
    """`make X` of a page is a target of the Makefile."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for command in of("make") for word in command.arguments if "=" not in word}

    assert named
    assert named <= targets


def test_extras_of_pip_exist():
    """`pip install 'segsweep[X]'` of a page, in a block or not, is an extra of the package."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "".join(path.read_text(encoding="utf-8") for path in pages)
    named = set(re.findall(r"(?:segsweep|\.)\[([a-z,]+)\]'", text))

    assert {"submitit", "export", "test"} <= named
    assert {extra for names in named for extra in names.split(",")} <= {
        *project["optional-dependencies"]
    }


def test_scripts_of_the_repository_exist():
    """`python benchmarks/x.py --option`: the file is there, and its help has that option."""
    scripts = [one for one in of("python") if one.arguments[0].endswith(".py")]
    for command in scripts:
        file, *words = command.arguments
        assert (ROOT / file).is_file(), command
        options = [word for word in words if word.startswith("--")]
        missing = [word for word in options if not re.search(rf"{word}\b", help_of(file))]
        assert missing == [], command

    assert len(scripts) >= 5
