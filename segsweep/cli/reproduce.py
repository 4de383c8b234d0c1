"""The command line that runs a run again: its options, and values that differ from theirs."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from segsweep.config.identity import completed
from segsweep.config.run_config import FACTS, FrozenConfig, Values
from segsweep.config.schema import OPTION_NODES
from segsweep.store.json_files import known_environment
from segsweep.store.paths import RunPaths
from segsweep.store.plan import read_plan
from segsweep.store.records import read_config
from segsweep.store.states import Status

Compose = Callable[[Sequence[str], Path | None], tuple[Values, Mapping[str, str]]]
"""Overrides and a folder with the user's own options -> resolved values, chosen options."""
ALWAYS_NAMED = ("model", "loss")
"""Options that the command names even if they are the default, for the reader."""
PLAIN = re.compile(r"[A-Za-z_/][\w/.-]*", re.ASCII)
"""Text that needs no quotes in an override, unless it is one of WORDS."""
WORDS = ("null", "true", "false", "nan", "inf", "infinity")


def command_of(paths: RunPaths, compose: Compose) -> str:
    """Return the shell command that runs exactly this run again.

    A finished run is trained again only by a command with `-m rerun=all`.
    Raises what *compose* raises if an option of the run no longer exists.
    """
    folder = _config_dir(paths)
    config_dir = [] if folder is None else ["--config-dir", str(folder)]
    overrides = overrides_of(read_config(paths.config), paths, compose, folder)
    again = ["-m", "rerun=all"] if paths.status() is Status.FINISHED else []
    return shlex.join(["python", "-m", "segsweep.train", *again, *config_dir, *overrides])


def overrides_of(
    config: FrozenConfig, paths: RunPaths, compose: Compose, config_dir: Path | None = None
) -> list[str]:
    """Return overrides that compose to *config*, with the run's current place as its sweep."""
    sweep, choices = paths.root.resolve().parents[1], config.choices
    defaults = compose([], config_dir)[1]
    options = [
        f"{node}={choices[node]}"
        for node in OPTION_NODES
        if node in ALWAYS_NAMED or defaults.get(node) != choices[node]
    ]
    values = completed(config.values)
    kept = {key: value for key, value in values.items() if key not in (*FACTS, "choices")}
    wanted = {**kept, "sweep": sweep.name, "outputs": _outputs(sweep.parent)}
    composed = compose(options, config_dir)[0]
    return [*options, *_differences(_leaves(wanted), _leaves(composed))]


def _differences(wanted: Values, composed: Values) -> list[str]:
    """Return the overrides that turn the *composed* values into the *wanted* ones; dotted keys."""
    words = []
    for key, value in wanted.items():
        if key not in composed:
            words.append(f"+{key}={value_text(value)}")
        elif composed[key] != value and not key.endswith("._target_"):  # set by the option
            words.append(f"{key}={value_text(value)}")
    # other sections may have keys that this run is older than: their defaults change nothing
    extra = [key for key in composed if key not in wanted and key.split(".")[0] in OPTION_NODES]
    return words + [f"~{key}" for key in extra]


def _leaves(values: Values, above: str = "") -> dict[str, object]:
    """Return dotted key -> value; lists and empty sections are values."""
    found: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            found |= _leaves(value, f"{above}{key}.")
        else:
            found[f"{above}{key}"] = value
    return found


def value_text(value: object) -> str:
    """Return a value in the grammar of Hydra's overrides."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(value_text, value))}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{key}:{value_text(item)}' for key, item in value.items())}}}"
    text = str(value)
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    quoted = re.sub(r"(\\*)'", r"\1\1\\'", text)  # a backslash is special only before a quote
    return "'" + re.sub(r"(\\+)$", r"\1\1", quoted) + "'"


def _outputs(folder: Path) -> str:
    """Return *folder*, relative to the working folder if it is inside it."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if folder.is_relative_to(here) else str(folder)


def _config_dir(paths: RunPaths) -> Path | None:
    """Return the value of --config-dir in the command that ran or requested the run, if any."""
    command = known_environment(paths.environment).command
    plan = read_plan(paths.root.parents[1] / "plan.csv").rows
    requests = [row.get("request") or "" for row in plan if row.get("folder") == paths.root.name]
    for words in (command, *map(_split, requests)):
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
