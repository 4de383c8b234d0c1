"""The text of `segsweep-train --help`, made from `conf/` and the schema."""

import ast
import inspect
import re
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import cast

import yaml

from segsweep import __version__
from segsweep.config.schema import CommandConfig, Config
from segsweep.system.installation import conf_folder
from segsweep.system.terminal import stop_printing, visible_output

FLAGS: Mapping[str, str] = {
    "-m": "several runs: every combination of the values given, as in seed=0,1,2",
    "--cfg job": "print every key with its value, and stop",
    "--config-dir FOLDER": "a folder with groups and options of your own, beside these",
    "--hydra-help": "the other flags, those of Hydra; tab completion is among them",
    "--version": "print segsweep's version and stop",
    "-h, --help": "print this and stop",
}
EXAMPLES: Mapping[str, str] = {
    "look at the plan of a grid first: what runs, how long; then leave out plan=true": (
        "-m model=segnet,unet,unet2,unet3 loss=bce,dice,focal,ss,bce_ss seed=0,1,2 plan=true"
    ),
    "your own images (check them first: segsweep data, with the same words)": (
        "-m sweep=mine data=folder data.images=photos data.masks=masks "
        """'data.mask_name="{id}_segmentation.png"' model=unet,unet2 loss=bce,soft_dice"""
    ),
    "search the learning rate of a model and a loss": (
        "-m experiment=optuna_lr model=unet2 loss=bce"
    ),
}
COMMAND_KEYS = (
    *("sweep", "outputs", "plan", "rerun", "retry_failed", "slots", "per_device", "device"),
    *("time_limit", "keep", "keep_gb", "allow"),
)
"""The keys that the help explains; all are in docs/keys.md."""


def print_answer(words: Sequence[str]) -> bool:
    """Print what --help or --version asks for; return whether *words* have one of them."""
    wants_help = bool({"-h", "--help"} & {*words})
    if wants_help or "--version" in words:
        with visible_output():
            try:
                print(usage(words) if wants_help else __version__, flush=True)
            except BrokenPipeError:  # `... --help | head` has read enough
                stop_printing()
        return True
    return False


def usage(words: Sequence[str], width: int | None = None) -> str:
    """Return the help; *words* may name a folder with further options, by --config-dir."""
    width = min(width or shutil.get_terminal_size().columns, 100)
    command = _command()
    what = (
        "Train a network and test it or, with -m, every combination of the values given: a sweep, "
        "with tables and a report in outputs/<sweep>/. The same command starts, resumes, repairs "
        "and extends a sweep. To look at one: segsweep --help."
    )
    keys = (
        "More keys: docs/keys.md explains each, with default and range; "
        "`--cfg job` prints all. What an option is, and its arguments: the comments in "
        f"{conf_folder()}/<group>/<option>.yaml."
    )
    return "\n".join(
        [
            f"usage: {command} [-m] [key=value ...]",
            "",
            *textwrap.wrap(what, width),
            *["", "examples:", *_examples(command, width)],
            *["", "groups (group=option; with -m group=a,b; * is the default):"],
            *_listed(_group_texts(words), width),
            *["", "keys of a command (key=value):", *_listed(_keys(), width)],
            *["", *textwrap.wrap(keys, width, break_on_hyphens=False)],
            *["", "flags:", *_listed(FLAGS, width)],
        ]
    )


def field_texts(section: type) -> dict[str, str]:
    """Return the docstring below each field of a dataclass of the schema."""
    (tree,) = ast.parse(inspect.getsource(section)).body
    found = {}
    body = cast(ast.ClassDef, tree).body
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            found[ast.unparse(field.target)] = " ".join(ast.literal_eval(text.value).split())
    return found


def _command() -> str:
    """Return how this process was started: as a script, or with `python -m`."""
    module = Path(sys.argv[0]).suffix == ".py"
    return "python -m segsweep.train" if module else "segsweep-train"


def _examples(command: str, width: int) -> list[str]:
    lines = []
    for what, words in EXAMPLES.items():
        parts = textwrap.wrap(
            f"{command} {words}",
            width - len("    ") - len(" \\"),
            subsequent_indent="  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        text = " \\\n    ".join(parts)
        comment = textwrap.wrap(what, width, initial_indent="  # ", subsequent_indent="  # ")
        lines += [*comment, f"    {text}"]
    return lines


def groups(words: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return group -> its options; *words* may name a user's own folder, by --config-dir."""
    own = _config_dir(words)
    folders = [conf_folder(), *([own] if own is not None else [])]
    found = {}
    for group in _defaults():
        files = [path for folder in folders for path in sorted((folder / group).glob("*.yaml"))]
        found[group] = list(dict.fromkeys(path.stem for path in files))
    return found


def _group_texts(words: Sequence[str]) -> dict[str, str]:
    """Return group -> its options in a line, the default one with a star."""
    default = _defaults()
    return {
        group: ", ".join(f"{name}*" if name == default[group] else name for name in names)
        for group, names in groups(words).items()
    }


def _defaults() -> dict[str, str | None]:
    """Return group -> the option chosen by default, in the order of `conf/config.yaml`."""
    config = yaml.safe_load((conf_folder() / "config.yaml").read_text(encoding="utf-8"))
    named = [entry for entry in config["defaults"] if isinstance(entry, dict)]
    pairs = [pair for entry in named for pair in entry.items()]
    return {group: option for group, option in pairs if (conf_folder() / group).is_dir()}


def _config_dir(words: Sequence[str]) -> Path | None:
    for word, following in zip(words, [*words, ""][1:], strict=True):
        name, equals, value = word.partition("=")
        if name in ("--config-dir", "-cd"):
            return Path(value if equals else following)
    return None


def _keys() -> dict[str, str]:
    """Return key -> what it means and what it takes, from the schema."""
    from segsweep.config.validate import hints_of, type_text

    texts = {**field_texts(CommandConfig), **field_texts(Config)}
    hints = hints_of(Config)
    found = {}
    for name in COMMAND_KEYS:
        limits = Config.__dataclass_fields__[name].metadata["limits"]
        kind = ", ".join(limits.allowed) or type_text(hints[name])
        first = re.split(r"(?<=\.) ", texts[name])[0]
        found[name] = f"{first} [{kind}]"
    return found


def _listed(texts: Mapping[str, str], width: int) -> list[str]:
    """Return names and their texts in two columns."""
    column = max(map(len, texts)) + 4
    lines = []
    for name, text in texts.items():
        wrapped = textwrap.wrap(
            text, width - column, break_long_words=False, break_on_hyphens=False
        )
        lines += [f"  {name}".ljust(column) + wrapped[0]]
        lines += [" " * column + line for line in wrapped[1:]]
    return lines
