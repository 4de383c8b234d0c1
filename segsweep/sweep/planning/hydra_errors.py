"""Turns the long error messages of Hydra and OmegaConf into one line."""

import errno
import os
import re
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

from segsweep.config.schema import OPTION_NODES
from segsweep.config.validate import nearest, unknown_key
from segsweep.errors import SegsweepError
from segsweep.sweep.planning.known_keys import SECTIONS, keys_of, known_keys
from segsweep.system.files import NO_WRITING
from segsweep.system.installation import conf_folder
from segsweep.system.secrets import masked


def say_warnings_plainly() -> None:
    """Print Python's warnings as one line without the place in the code."""

    def show(message: Warning | str, *_: object) -> None:
        print(f"warning: {' '.join(str(message).split())}", file=sys.stderr)

    warnings.showwarning = show  # type: ignore[assignment]


def no_trial_finished(error: BaseException) -> bool:
    """Whether Optuna looked for the best trial of a search without a finished one."""
    return str(error).startswith(("Record does not exist", "No trials are completed yet"))


def one_line(error: BaseException, words: Sequence[str] | None = None) -> str:
    """Return an error as one line: what, where, what is allowed. No password is in it.

    *words* is the command line that caused it, by default that of this process. segsweep's
    own errors are returned unchanged; a config with several problems has a line for each.
    """
    return masked(_one_line(error, words))


def _one_line(error: BaseException, words: Sequence[str] | None) -> str:
    if isinstance(error, SegsweepError):
        return str(error)
    if no_trial_finished(error):
        return "no trial of this search has finished; its trials' train.log say why"
    module = type(error).__module__
    if module.startswith(("hydra", "omegaconf")) or any(text in str(error) for text in _PLAIN):
        return _hydra(error, sys.argv[1:] if words is None else words)
    if isinstance(error, OSError):
        if error.errno == errno.EROFS or _is_internal(error):
            folder = Path(os.fsdecode(error.filename or "outputs")).parent
            return (
                f"outputs: {folder}: cannot be written ({error.strerror}); make it writable, "
                "or choose another folder with outputs=<folder>"
            )
        return f"{error.filename or 'file'}: {error.strerror or error}"
    if isinstance(error, RecursionError):
        return "brackets or levels within each other by the thousand, in the command or a YAML file"
    return f"{type(error).__name__}: {_first(str(error))}"


def _is_internal(error: OSError) -> bool:
    """Whether the system refused to write a lock or a temporary file, which no user knows."""
    name = Path(os.fsdecode(error.filename or "")).name
    internal = name in ("lock", ".lock") or name.startswith(".") or ".tmp" in name
    return error.errno in NO_WRITING and internal


def _hydra(error: BaseException, words: Sequence[str]) -> str:
    text = str(error)
    cause = error.__cause__ if error.__cause__ is not None else error
    for pattern, explain in _PATTERNS:
        match = re.search(pattern, f"{text}\n{cause}", re.DOTALL)
        if match:
            return explain(match, words)
    return _first(text)


def _unknown_option(match: re.Match[str], words: Sequence[str]) -> str:
    group, word = match["group"], match["word"]
    options = match["options"].split()
    allowed = ", ".join(options)
    extra = word.split("_")[0]
    if group == "hydra/launcher" and extra in _extras():
        return f"{group}={word}: not installed; pip install 'segsweep[{extra}]'"
    close = nearest(word, options)
    if group == "data" and ("/" in word or Path(word).exists()):
        close = f"; your own images: data=folder data.images={word} data.masks=<folder>"
    if group == "hydra/launcher":
        return f"{group}={word}: no such launcher is installed; allowed are {allowed}{close}"
    return f"{group}={word}: no such option; allowed are {allowed}{close}"


def _extras() -> list[str]:
    """Return segsweep's extras; each launcher has an extra of its name."""
    try:
        return metadata("segsweep").get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return []


def _no_option(match: re.Match[str], words: Sequence[str]) -> str:
    """Name the word that chooses no existing option, such as scheduler=null."""
    for word in words:
        group, _, value = word.partition("=")
        options = sorted(file.stem for file in (conf_folder() / group).glob("*.yaml"))
        if options and value not in options:
            return f"{word}: no such option; allowed are {', '.join(options)}"
    for word in words:
        group, equals, value = word.lstrip("+~").partition("=")
        named = re.match(r"(?!(nan|inf|null)$)[a-z_]", value, re.I)
        if equals and "." not in group and group not in known_keys() and not named:
            return f"{word}: {group} takes the name of an option"
    return _first(match.string.splitlines()[0])


def _missing_plugin(match: re.Match[str], words: Sequence[str]) -> str:
    name = match["name"]
    return f"hydra/launcher={name}: not installed; pip install 'segsweep[{name}]'"


def _unknown_key(match: re.Match[str], words: Sequence[str]) -> str:
    """Name the nearest key; for a key below an option node, the keys of that option."""
    key = match["key"]
    if key == "hydra":
        return "hydra: takes the name of an option in its groups, as in hydra/launcher=joblib"
    for section, of in SECTIONS.items():
        close = nearest(key.removeprefix(f"{section}."), keys_of(of))
        if key.startswith(f"{section}.") and (section == "data.split" or not close):
            return unknown_key(key, keys_of(of))
    if key.startswith("hydra."):
        return _unknown_in_hydra(key, words)
    if key in known_keys():  # a mapping as its value
        how = (
            "search=lr, or each key as" if key == "search.params" else "set each key by itself, as"
        )
        return f"{key}: a key in its value does not exist; {how} +{key}.<key>=<value>"
    node, _, name = key.partition(".")
    option, inside = _option_keys(node, words) if name and node in OPTION_NODES else ("", None)
    if inside is not None:
        place = f"{node} has {', '.join(inside)}" if inside else f"{node}={option} has no keys"
        others = [one for one in _options_with(name, node) if one != f"{node}={option}"]
        close = f"; with {name}: {', '.join(others)}" if others else nearest(name, inside)
        more = f"to add an option, write a file conf/{node}/<name>.yaml"
        return f"{key}: no such key; {place}{close}; {more}"
    nodes = [one for one in OPTION_NODES if not name and _options_with(key, one)]
    if nodes:
        return f"{key}: no such key; did you mean {f'{nodes[0]}.{key}'!r}?"
    same = [one for one in known_keys() if one.endswith(f".{key}")]  # the first in the schema
    close = nearest(key, same[:1] or known_keys()) or nearest(name or key, known_keys())
    return f"{key}: no such key{close}; `segsweep-train --cfg job` lists them all"


def _options_with(key: str, node: str) -> list[str]:
    """Return the options of a group whose files have *key*, as words of a command."""
    files = sorted((conf_folder() / node).glob("*.yaml"))
    has = re.compile(rf"^{re.escape(key)}:", re.MULTILINE)
    return [f"{node}={file.stem}" for file in files if has.search(file.read_text("utf-8"))]


def _unknown_in_hydra(key: str, words: Sequence[str]) -> str:
    """Say which launcher or sweeper lacks the key: the default ones have hardly any."""
    part = key.split(".")[1]
    if key.startswith("hydra.job.env_set"):
        return f"{key}: set variables in front of the command: NAME=value segsweep-train ..."
    if part not in ("launcher", "sweeper"):
        return f"{key}: no such key; `segsweep-train --cfg hydra` lists those of Hydra"
    if key.startswith("hydra.sweeper.params"):
        return (
            f"{key}: Hydra reads it only from a file, as in conf/experiment/optuna_lr.yaml; on the "
            "command line, give the values as those of the key itself, as in "
            "'optimizer.lr=interval(1e-4,3e-2)'"
        )
    given = [word.partition("=")[2] for word in words if word.startswith(f"hydra/{part}=")]
    option = given[-1] if given else "segsweep"
    return f"{key}: hydra/{part}={option} has no such key; another is hydra/{part}=<name>"


def _deleted(match: re.Match[str], words: Sequence[str]) -> str:
    return f"~{_unknown_key(match, words)}"


def _not_deleted(match: re.Match[str], words: Sequence[str]) -> str:
    key = match["key"]
    if key.startswith("hydra.sweeper.params"):
        return (
            f"~{key}: cannot be deleted; leave the word out, and give a key its own values, which "
            "replace those of hydra.sweeper.params, or choose another experiment"
        )
    whose = "Hydra's" if key.startswith("hydra.") else "a run's"
    return f"~{key}: {whose} keys cannot be deleted; leave the word out, or set {key}=<value>"


def _no_config(match: re.Match[str], words: Sequence[str]) -> str:
    name = match["name"]
    return (
        f"-cn {name}: no config of that name; leave it out: options of your own are chosen with "
        "--config-dir <folder> <group>=<name>"
    )


def _option_keys(node: str, words: Sequence[str]) -> tuple[str, list[str] | None]:
    """Return the option that *words* choose for *node*, and its keys; None if it fails."""
    from segsweep.sweep.planning.compose import compose

    chosen = [word for word in words if re.fullmatch(rf"{node}=[\w]+", word)]
    try:
        config = compose(chosen)
        option = str(config.hydra.runtime.choices[node])
        return option, [str(key) for key in config[node] if key != "_target_"]
    except Exception:  # the message is then less specific
        return "", None


def _wrong_type(match: re.Match[str], words: Sequence[str]) -> str:
    types = {"Float": "number", "Integer": "whole number", "bool": "true or false"}
    wanted = types.get(match["type"], match["type"])
    return f"{match['key']}={match['value']}: wanted {wanted}"


def _null(match: re.Match[str], words: Sequence[str]) -> str:
    return f"{match['key']}=null: wanted a value, not null"


def _no_list(match: re.Match[str], words: Sequence[str]) -> str:
    key, value = match["key"], match["value"]
    return f"{key}={value}: wanted a list, as in {key}=[{value}]"


def _section(match: re.Match[str], words: Sequence[str]) -> str:
    key, value = match["key"], match["value"]
    return f"{key}={value}: holds keys of its own; set one of these, as in {key}.<key>=<value>"


def _without_m(match: re.Match[str], words: Sequence[str]) -> str:
    from segsweep.sweep.planning.word_values import without_m

    return without_m(match["word"])


def _swept_hydra(match: re.Match[str], words: Sequence[str]) -> str:
    word = next((word for word in words if re.match(r"\+*hydra\b.*,", word)), "hydra")
    return f"{word}: only one value is allowed, because it applies to the whole command"


def _several(match: re.Match[str], words: Sequence[str]) -> str:
    return f"{match['key']} has several values; add -m to run one after the other"


def _grammar(match: re.Match[str], words: Sequence[str]) -> str:
    key, equals, value = match["text"].partition("=")
    hint = f"; put quotes around the value: {key}='\"{value}\"'" if equals else ""
    return f"{match['text']}: cannot be read as key=value{hint}"


def _first(text: str) -> str:
    kept = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(kept[:2]) if kept else "unknown error"


_PLAIN = ("Unknown plugin class", "Config group override")
"""Texts of Python errors that come from Hydra."""
_PATTERNS = (
    (r"hydra_plugins\.hydra_(?P<name>[a-z]+)_launcher", _missing_plugin),
    (
        r"Could not find '(?P<group>(?:hydra/)?\w+)/(?P<word>[^']*)'.*?"
        r"Available options in '[\w/]+':\s+(?P<options>.*?)(?:\n\n|\nConfig search|$)",
        _unknown_option,
    ),
    (r"Sweep parameters '(?P<word>.*?)'(, '.*)? requires --multirun", _without_m),
    (r"Sweeping over Hydra's configuration is not supported", _swept_hydra),
    (r"Ambiguous value for argument '(?P<key>[^=']+)=", _several),
    (
        r"Value '(?P<value>.*?)'(?: of type .*? converted to| is not a valid) (?P<type>\w+).*?"
        r"full_key: (?P<key>[\w.]+)",
        _wrong_type,
    ),
    (r"Config group override (deletion value )?must be", _no_option),
    (r"field '\w+' is not Optional\s+full_key: (?P<key>[\w.]+)", _null),
    (r"override \+*(?P<key>[\w.]+)=(?P<value>.*)\n.*is not a ListConfig", _no_list),
    (r"Could not override '(?P<key>[^']+)'", _unknown_key),
    (r"Could not delete from config\. '(?P<key>[^']+)' does not exist", _deleted),
    (r"Error merging override ~(?P<key>[\w.]+)", _not_deleted),
    (r"Error merging override (?P<key>hydra\.[\w.]+)=(?P<value>[^\n]*)", _section),
    (r"delete from config\. The value of '(?P<key>[^']+)'", _not_deleted),
    (r"Error resolving interpolation '(?P<text>[^']*)', possible interpolation keys", _no_option),
    (r"Cannot find primary config '(?P<name>[^']*)'", _no_config),
    (r"when parsing index: \d+, string: (?P<text>.*?) out of \[", _grammar),
    (r"Error parsing override '(?P<text>[^']*)'", _grammar),
)
