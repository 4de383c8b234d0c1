"""docs/options.md lists every option of conf/ with its arguments, as its file explains them.

`python tests/docs/test_options_page.py` writes it again.
"""

import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # as pytest does

from conftest import compose_here
from segsweep.config import schema, usage
from segsweep.system.installation import conf_folder
from test_keys_page import in_yaml

PAGE = Path(__file__).resolve().parents[2] / "docs" / "options.md"
CONF = conf_folder()
EXTRA_GROUPS = ("hydra/launcher", "hydra/sweeper")
SECTIONS = {
    "trainer": schema.TrainerConfig,
    "search": schema.SearchConfig,
    "race": schema.RaceConfig,
    "tracker": schema.TrackerConfig,
}
"""Groups whose options set keys that segsweep itself reads."""
WHAT = {
    "experiment": "Several choices under one name.",
    "hydra/launcher": "Where runs execute; Hydra's others are in [scaling](scaling.md).",
    "hydra/sweeper": "What makes the runs of a command with `-m`.",
}
LINE = re.compile(r"^(?P<indent> *)(?P<key>[\w.]+):(?: +(?P<value>.*?))?(?: +# (?P<text>.*))?$")
INTRODUCTION = """# Options

Every option of every group, from the files of `conf/`. Choose one with `group=option`, several
with `-m` and `group=a,b`; set an argument by its key, such as `loss.gamma=3` after `loss=focal`.
Keys that belong to no option are on [their own page](keys.md). An option of your own is a file
like these in a folder of yours: [extending](extending.md).
"""


def arguments(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield key, value and comment of each line of an option's file that sets something."""
    sections: list[tuple[int, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        indent = len(match["indent"])
        sections = [one for one in sections if one[0] < indent]
        key = ".".join([*(name for _, name in sections), match["key"]])
        value, text = (match["value"] or "").strip(), match["text"] or ""
        if value.startswith("{") and value != "{}":  # a section on one line
            yield from ((f"{key}.{name}", in_yaml(one), text) for name, one in flat(value))
        elif value:
            yield key, value, text
        else:
            sections.append((indent, match["key"]))


def flat(text: str) -> list[tuple[str, object]]:
    """Return the keys and values of a section on one line."""
    return list(yaml.safe_load(text).items())


def overridden(path: Path) -> list[str]:
    """Return the options that an option chooses in other groups, as on a command line."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8")).get("defaults", [])
    pairs = [pair for entry in entries if isinstance(entry, dict) for pair in entry.items()]
    return [f"{key.removeprefix('override').strip().strip('/')}={value}" for key, value in pairs]


def opening(path: Path) -> str:
    """Return the comment that a file opens with; commands in it, which are indented, in code."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# @package"):
            continue
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    parts = []
    for is_command, group in itertools.groupby(lines, lambda line: line.startswith("  ")):
        if is_command:
            parts.append("\n".join(["```", *(line.removeprefix("  ") for line in group), "```"]))
        else:
            parts.append(escaped(" ".join(group)))
    last = parts[-1]
    parts[-1] = last if last.endswith((".", "```")) else f"{last}."
    return "\n\n".join(parts)


def escaped(text: str) -> str:
    """Return a comment as Markdown shows it: nothing in it is a tag or the border of a cell."""
    return text.replace("<", "&lt;").replace("|", "\\|").replace("*", "\\*").replace("_", "\\_")


def same_as_everywhere(group: str) -> set[tuple[str, str]]:
    """Return the keys, with their usual values, that each option of *group* repeats."""
    if group != "data":
        return set()
    files = (CONF / group).glob("*.yaml")
    own = {"size", "channels", "resize", "tile", "overlap", "crops"}
    found = {(key, value) for path in files for key, value, _ in arguments(path)}
    usual = {key: value for key, value, _ in arguments(CONF / "data/folder.yaml")}
    return {
        (key, value)
        for key, value in found
        if usual.get(key) == value and (key in own or key.startswith("split."))
    }


def section(group: str, name: str, is_default: bool) -> list[str]:
    """Return the lines about one option."""
    path = CONF / group / f"{name}.yaml"
    everywhere = "# @package _global_" in path.read_text(encoding="utf-8")
    prefix = "" if everywhere else f"{group.replace('/', '.')}."
    rows, target = [], ""
    for key, value, text in arguments(path):
        if key == "_target_":
            target = f"`{value}`."
        elif (key, value) not in same_as_everywhere(group):
            cell = value.replace("|", "\\|")
            rows.append(f"| `{prefix}{key}` | `{cell}` | {escaped(text)} |")
    notes = [*([target] if target else []), *(["The default."] if is_default else [])]
    lines = [f"### `{group}={name}`", "", opening(path)]
    if notes and lines[-1].endswith("```"):
        lines.append("")
    lines[-1] = " ".join([lines[-1], *notes]).strip()
    if words := overridden(path):
        lines += ["", f"Chooses `{' '.join(words)}`."]
    if rows:
        lines += ["", "| key | default | meaning |", "|---|---|---|", *rows]
    return [*lines, ""]


def page() -> str:
    """Return the whole text of docs/options.md."""
    _, choices = compose_here()
    texts = {**usage.field_texts(schema.CommandConfig), **usage.field_texts(schema.Config)}
    lines = [INTRODUCTION]
    groups = {**usage.groups(), **{group: _names(group) for group in EXTRA_GROUPS}}
    for group, names in groups.items():
        what = WHAT.get(group) or texts[group] if group not in SECTIONS else ""
        what = what or " ".join((SECTIONS[group].__doc__ or "").split())
        lines += [f"## {group}", "", what, ""]
        if group == "data":
            lines += ["Every data set also has the keys of [this table](keys.md#data-what-every-"]
            lines[-1] += "data-set-has) and [that of the split](keys.md#split)."
            lines += [""]
        for name in names:
            lines += section(group, name, choices.get(group) == name)
    return "\n".join(lines)


def _names(group: str) -> list[str]:
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def leaves(values: object, prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of everything in a config file that is no section of several lines."""
    for key, value in (values or {}).items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def test_every_option_is_on_the_page() -> None:
    """The page is what conf/ says; the command in the message writes it again."""
    written = PAGE.read_text(encoding="utf-8")
    files = [path for path in CONF.rglob("*.yaml") if path.parent != CONF]

    assert written == page(), "run python tests/docs/test_options_page.py"
    assert written.count("\n### ") == len(files) > 30


def test_every_argument_is_read() -> None:
    """By the YAML parser: the page's own reader of lines misses no key of any option."""
    missed = {}
    for path in CONF.rglob("*/*.yaml"):
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        values.pop("defaults", None)
        read = {key for key, _, _ in arguments(path)}
        if lost := {*leaves(values)} - read:
            missed[path.name] = lost

    assert missed == {}


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
