"""The command line that makes a run again: what differs from what its options compose to."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from segsweep.config.schema import OPTION_NODES
from segsweep.store.paths import RunPaths
from segsweep.store.records import read_config, read_rows
from segsweep.system.files import read_json

Compose = Callable[[Sequence[str], Path | None], tuple[Mapping[str, Any], Mapping[str, Any]]]
"""Overrides, a folder of the user's own options -> resolved values, the options chosen."""
FACTS = ("run_id", "identity_version", "segsweep_version", "data_fingerprint", "contents")
NAMED = ("model", "loss")
"""Options that are named even where they are the default: a reader looks for them."""
PLAIN = re.compile(r"[A-Za-z_/][\w/.-]*", re.ASCII)
WORDS = ("null", "true", "false", "nan", "inf", "infinity")


def command_of(paths: RunPaths, compose: Compose) -> str:
    """Return the command line, for a shell, that makes exactly this run.

    Raises what *compose* raises where an option of the run is no longer there.
    """
    folder = _own_options(paths)
    beside = [] if folder is None else ["--config-dir", str(folder)]
    words = overrides_of(read_config(paths.config).values, paths, compose, folder)
    return shlex.join(["python", "-m", "segsweep.train", *beside, *words])


def overrides_of(
    config: Mapping[str, Any], paths: RunPaths, compose: Compose, folder: Path | None = None
) -> list[str]:
    """Return overrides that compose to a frozen *config*, in the place where the run now is."""
    sweep, choices = paths.root.resolve().parents[1], config["choices"]
    usual = compose([], folder)[1]
    options = [
        f"{node}={choices[node]}"
        for node in OPTION_NODES
        if node in NAMED or usual.get(node) != choices[node]
    ]
    wanted = {key: value for key, value in config.items() if key not in (*FACTS, "choices")}
    wanted |= {"sweep": sweep.name, "outputs": _outputs(sweep.parent)}
    composed = compose(options, folder)[0]
    return [*options, *_differences(_leaves(wanted), _leaves(composed))]


def _differences(wanted: Mapping[str, Any], composed: Mapping[str, Any]) -> list[str]:
    """Return the overrides that turn *composed* values into those *wanted*, by dotted key."""
    words = []
    for key, value in wanted.items():
        if key not in composed:
            words.append(f"+{key}={_text(value)}")
        elif composed[key] != value and not key.endswith("._target_"):  # the option names it
            words.append(f"{key}={_text(value)}")
    gone = [key for key in composed if key not in wanted and key.split(".")[0] in OPTION_NODES]
    return words + [f"~{key}" for key in gone]  # a section's new keys mean "as before"


def _leaves(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return dotted key -> value; lists and empty sections are values."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _leaves(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value
    return found


def _text(value: Any) -> str:
    """Return a value in the grammar of Hydra's command line."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(_text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{_text(item)}' for key, item in value.items())}}}"
    text = str(value)
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    quoted = re.sub(r"(\\*)'", r"\1\1\\'", text)  # backslashes count before a quote only
    return "'" + re.sub(r"(\\+)$", r"\1\1", quoted) + "'"


def _outputs(folder: Path) -> str:
    """Return *folder* as seen from here: relative where it lies below."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


def _own_options(paths: RunPaths) -> Path | None:
    """Return the folder of options that the run's command named, if it named one."""
    noted = read_json(paths.environment) or {}
    plan = read_rows(paths.root.parents[1] / "plan.csv")
    asked = [row.get("request") or "" for row in plan if row.get("folder") == paths.root.name]
    for words in (list(map(str, noted.get("command") or [])), *map(_split, asked)):
        for word, following in zip(words, [*words, ""][1:], strict=True):
            name, _, value = word.partition("=")
            if name in ("--config-dir", "-cd"):
                return Path(value or following)
    return None


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return command.split()
