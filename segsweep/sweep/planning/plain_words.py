"""Words of a training command that are no `key=value`: flags, and slips.

Hydra's parser would print its usage in many lines, or say only that it cannot read the word.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from segsweep.config.schema import OPTION_NODES, Config
from segsweep.config.usage import groups
from segsweep.config.validate import hints_of, nearest
from segsweep.errors import ConfigError
from segsweep.sweep.planning import shadowed
from segsweep.sweep.planning.word_values import check_values
from segsweep.system.secrets import has_password

FOLDER = "<folder>"
TAKING: dict[str, str] = {
    **dict.fromkeys(("--cfg", "-c"), "job | hydra | all"),
    **dict.fromkeys(("--package", "-p"), "<key>"),
    **dict.fromkeys(("--config-path", "-cp"), "<path>"),
    **dict.fromkeys(("--config-dir", "-cd"), FOLDER),
    **dict.fromkeys(("--config-name", "-cn"), "<name>"),
    "--experimental-rerun": "<file>",
}
"""Hydra's flags that take a value, and which."""
OPTIONAL = {"--info": "all | aliases | config | defaults | defaults-tree | plugins | searchpath"}
OPTIONAL["-i"] = OPTIONAL["--info"]
PARTS = ("engine", "base_config")
"""Configs that are none of a run: what Hydra itself does, and the schema."""
ALONE = (
    *("--help", "-h", "--hydra-help", "--version", "--resolve", "--run", "-r"),
    *("--multirun", "-m", "--shell-completion", "-sc"),
)
FLAGS = (*TAKING, *OPTIONAL, *ALONE)
PRINTING = ("--cfg", "-c", "--info", "-i")
"""Flags that print instead of training."""
LOOKING = (
    *("data", "report", "compare", "list", "status", "runs", "show", "search"),
    *("predict", "evaluate", "export", "rm"),
)
"""The commands of `segsweep`."""


def check_no_password(words: Sequence[str]) -> None:
    """Raise ConfigError for an address with a password among *words*.

    Other users of the machine can read a command, and a sweep keeps it with its runs.
    """
    for word in words:
        if has_password(word):
            raise ConfigError(
                f"{word.partition('=')[0]}: has a password, which others could read; put the "
                "address into an environment variable, and give its name: "
                "'search.storage=${oc.env:NAME}'"
            )


def check_plain_words(words: Sequence[str]) -> None:
    """Raise ConfigError for an unknown flag, a flag without its value, and a word without `=`.

    Also for an address with a password, and for a folder of options with a file that a built-in
    one of its name would replace.
    """
    check_no_password(words)
    if {"-sc", "--shell-completion"} & {*words}:
        return
    given = [word.partition("=")[0] for word in words]
    printing = [flag for flag in given if flag in PRINTING]
    if printing and {"-m", "--multirun"} & {*given}:
        raise ConfigError(f"-m, {printing[0]}: give one of them; what -m would run: plan=true")
    own = list(_own_words(words))
    for before, word in own:
        if word.startswith("-"):
            _check_flag(word)
        elif "=" not in word and not word.startswith("~"):
            raise ConfigError(f"{word or repr(word)}: {_meant(word, before)}")
        elif not word.lstrip("+").partition("=")[0].strip():
            raise ConfigError(f"{word}: no key before =; `segsweep-train --help` shows examples")
    shadowed.check_words(words)
    check_values([word for _, word in own if not word.startswith("-")], words)


def _own_words(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each word that is not the value of a flag, with the word before it."""
    before, taken = "", False
    for index, word in enumerate(words):
        following = words[index + 1 : index + 2]
        if not taken:
            yield before, word
        wants = _wanted_value(word) if not taken else None
        if wants is not None and (not following or following[0].startswith("-")):
            raise ConfigError(f"{word}: needs a value: {word} {wants}")
        if wants is not None:
            _check_value(word, following[0], wants)
        taken = wants is not None or (word in OPTIONAL and _is_choice(following, OPTIONAL[word]))
        before = word


def _wanted_value(word: str) -> str | None:
    """Return what must follow *word*; None if it is no flag or has its value after `=`."""
    return TAKING.get(word) if "=" not in word else None


def _check_value(flag: str, value: str, wanted: str) -> None:
    """Raise ConfigError for a folder that does not exist, and a word that is no choice."""
    allowed = wanted.split(" | ")
    if wanted == FOLDER and not Path(value).is_dir():
        raise ConfigError(f"{flag} {value}: no such folder")
    if len(allowed) > 1 and value not in allowed:
        close = nearest(value, allowed)
        raise ConfigError(f"{flag} {value}: allowed are {', '.join(allowed)}{close}")
    if flag in ("--config-name", "-cn") and value.removesuffix(".yaml") in PARTS:
        raise ConfigError(f"{flag} {value}: a part of every config; leave it out")


def _is_choice(following: Sequence[str], wanted: str) -> bool:
    return bool(following) and following[0] in wanted.split(" | ")


def _check_flag(word: str) -> None:
    """Raise ConfigError unless *word* is a flag of Hydra, whole or shortened."""
    flag, _, _ = word.partition("=")
    if any(known == flag or (flag[:2] == "--" and known.startswith(flag)) for known in FLAGS):
        return
    name = flag.strip("-").replace("-", "_")
    if name in hints_of(Config):
        hint = f"; keys are set without dashes: {_example(name)}"
    elif flag.startswith("--"):
        hint = nearest(flag, FLAGS)
    else:
        hint = nearest(flag.lower(), [flag.lower()] if flag.lower() in FLAGS else [])
    raise ConfigError(f"{word}: no such flag{hint}; `segsweep-train --help` lists them")


def _example(key: str) -> str:
    if hints_of(Config)[key] is bool:
        return f"{key}={'false' if getattr(Config, key) else 'true'}"
    return f"{key}=<option>" if key in groups() else f"{key}=<value>"


def _meant(word: str, before: str) -> str:
    """Return why a word without `=` is refused, and what was probably meant."""
    if before.endswith(","):
        return f"no space after a comma: {before}{word}"
    if word == "help":
        return "a flag: segsweep-train --help"
    every = groups()
    if word in LOOKING and word not in every:
        return f"a command of segsweep: segsweep {word}"
    if word in every:
        return f"needs a value: {word}=<option>, one of {', '.join(every[word])}"
    if word in hints_of(Config):
        return f"needs a value: {_example(word)}"
    key, colon, value = word.partition(":")
    if colon and (key in hints_of(Config) or key in every):
        return f"written with =: {key}={value}"
    if found := [group for group in every if word in every[group]]:
        return f"not key=value; did you mean {' or '.join(f'{group}={word}' for group in found)}?"
    if Path(word).is_dir():
        return (
            f"not key=value; images in a folder: `segsweep data {word}` says how to train on them"
        )
    if "/" in word and not Path(word).exists():
        return "not key=value, and no such folder; `segsweep-train --help` shows examples"
    names = [*hints_of(Config), *OPTION_NODES, *LOOKING]
    return f"not key=value{nearest(word, names)}; `segsweep-train --help` shows examples"
