"""docs/commands.md describes every command, as the program's own help does.

`python tests/docs/test_commands_page.py` writes it again.
"""

import inspect
import sys
import textwrap
import types
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints

from typer.main import get_command

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as pytest does

from segsweep.cli.main import app
from segsweep.config import usage
from segsweep.config.schema import CommandConfig, Config

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
INTRODUCTION = """# Commands

Two programs: `segsweep-train` trains, `segsweep` does everything else. `python -m segsweep.train`
and `python -m segsweep` are the same. `--help` explains each, and each of its commands. A wrong
word, or one that is missing, gives one line and exit code 2, and nothing is started.

| exit code | |
|---|---|
| 0 | everything was done |
| 1 | a run failed, or some images could not be read; the rest was done |
| 2 | the words, the data or a file cannot be used; nothing was started |
| 130 | stopped by Ctrl-C; the same command goes on |
"""
TRAINING = """## segsweep-train

`segsweep-train [-m] [key=value ...]` trains one run; with `-m` every combination of the values
that are given, such as `model=unet,unet2 seed=0,1,2`. [Options](options.md) has the options of
each group, [keys](keys.md) every other key. These steer a command:
"""
KINDS = {str: "text", int: "whole number", float: "number", Path: "path"}


def kind_of(hint: object) -> str:
    """Return the values that an argument takes, in words."""
    if isinstance(hint, types.UnionType):
        (hint,) = (one for one in get_args(hint) if one is not types.NoneType)
    if getattr(hint, "__origin__", None) is list:
        return f"{kind_of(get_args(hint)[0])}, several times"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(str(one.value) for one in hint)
    return "" if hint is bool else KINDS[hint]


def row(parameter: Any, hint: object) -> str:
    """Return the table's row of an argument or option."""
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    if not parameter.opts[0].startswith("-"):
        names = f"`{parameter.name.upper()}`"
    given = parameter.default
    given = given.value if isinstance(given, Enum) else given
    default = "required" if parameter.required else f"`{given}`" if given else ""
    text = " ".join((parameter.help or "").split()).replace("|", "\\|")
    return f"| {names} | {kind_of(hint).replace('|', ', ')} | {default} | {text} |"


def usage_line(name: str, parameters: list[Any]) -> str:
    """Return how a command is typed; options that are not required are in brackets."""
    words = [f"segsweep {name}"]
    for one in parameters:
        option = one.opts[0].startswith("-")
        word = f"{one.opts[0]} ..." if option else one.name.upper()
        if one.required:
            words.append(word)
        elif not option:
            words.append(f"[{word}{' ...' if one.nargs == -1 else ''}]")
    return " ".join([*words, "[options]"])


def section(name: str, command: Any) -> list[str]:
    """Return the lines about one command."""
    hints = get_type_hints(inspect.unwrap(command.callback))
    rows = [row(one, hints[one.name]) for one in command.params if one.name in hints]
    told = [" ".join(part.split()) for part in inspect.cleandoc(command.help).split("\n\n")]
    typed = f"```text\n{usage_line(name, command.params)}\n```"
    table = ["| | values | default | meaning |", "|---|---|---|---|", *rows]
    return [f"## segsweep {name}", "", "\n\n".join(told), "", typed, "", *table, ""]


def page() -> str:
    """Return the whole text of docs/commands.md."""
    texts = {**usage.field_texts(CommandConfig), **usage.field_texts(Config)}
    keys = [f"| `{key}` | {texts[key]} |" for key in usage.COMMAND_KEYS]
    flags = [f"| `{flag}` | {text} |" for flag, text in usage.FLAGS.items()]
    lines = [INTRODUCTION, TRAINING, "| key | meaning |", "|---|---|", *keys, ""]
    lines += ["| flag | meaning |", "|---|---|", *flags, ""]
    for what, words in usage.EXAMPLES.items():
        parts = textwrap.wrap(
            f"segsweep-train {words}", 80, break_long_words=False, break_on_hyphens=False
        )
        typed = " \\\n  ".join(parts)
        lines += [f"{what[0].upper()}{what[1:]}:", "", f"```\n{typed}\n```", ""]
    for name, command in sorted(get_command(app).commands.items()):
        lines += section(name, command)
    return "\n".join(lines)


def test_every_command_is_on_the_page() -> None:
    """The page is what the program says; the command in the message writes it again."""
    written = PAGE.read_text(encoding="utf-8")

    assert written == page(), "run python tests/docs/test_commands_page.py"
    assert written.count("\n## segsweep ") == len(get_command(app).commands) >= 12


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
