"""The commands in code blocks of README.md and the pages of docs/."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

from command import ROOT

GENERATED = ("docs/results/epoch.md", "docs/results/decode.md")
"""Tables that a benchmark writes, below its own command line."""
SHELL = ("", "bash", "sh")
"""What follows the fence of a block of commands. `console`: with output, as in docs/faq.md."""


@dataclass(frozen=True)
class Command:
    """A command line of a page, with the lines that it goes on in put together."""

    page: str
    """Path in the repository."""
    line: int
    """Where its block begins."""
    words: tuple[str, ...]

    def __str__(self) -> str:
        """Return it as it is named in the output of a test."""
        return f"{self.page}:{self.line}: {shlex.join(self.words)}"

    @property
    def program(self) -> str:
        """Its kind: train, segsweep, or the first word, without folders."""
        for kind, starts in STARTS.items():
            if any(self.words[: len(start)] == start for start in starts):
                return kind
        return self.words[0].rpartition("/")[2]

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words after the program's name."""
        for starts in STARTS.values():
            for start in starts:
                if self.words[: len(start)] == start:
                    return self.words[len(start) :]
        return self.words[1:]


PYTHONS = ("python", ".venv/bin/python")
STARTS = {
    "train": [("segsweep-train",), *((python, "-m", "segsweep.train") for python in PYTHONS)],
    "segsweep": [("segsweep",), *((python, "-m", "segsweep") for python in PYTHONS)],
}
"""Kinds of programs -> the words that start them."""


def pages() -> list[Path]:
    """Return every page with commands in it."""
    outside = [
        ROOT / name for name in ("README.md", "CONTRIBUTING.md", "examples/plugin/README.md")
    ]
    found = [*outside, *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in found if path.relative_to(ROOT).as_posix() not in GENERATED]


def commands() -> list[Command]:
    """Return the commands of every page, in order."""
    return [command for page in pages() for command in commands_of(page)]


def commands_of(path: Path) -> list[Command]:
    """Return the commands of a page."""
    page = path.relative_to(ROOT).as_posix()
    found = []
    for token in MarkdownIt().enable("table").parse(path.read_text(encoding="utf-8")):
        is_shell = token.type == "fence" and token.info.strip() in SHELL
        if is_shell:
            lines = token.content.replace("\\\n", " ").splitlines()
            typed = [shlex.split(line, comments=True) for line in lines]
            place = token.map[0] + 1
            found += [Command(page, place, without_prefix(words)) for words in typed if words]
    return found


def without_prefix(words: list[str]) -> tuple[str, ...]:
    """Return a command without `NAME=value`, `nice` and a job's own words in front of it."""
    if words[0] == "sbatch":  # the command is the argument of --wrap
        words = shlex.split(words[-1].removeprefix("exec "))
    if words[0] == "srun":
        words = words[words.index("segsweep-train") :]
    while "=" in words[0] or words[0] == "nice" or words[0].startswith("-"):
        words = words[1:]
    return tuple(words)
