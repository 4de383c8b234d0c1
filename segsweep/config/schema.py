"""The schema: every fixed key with its type, range and meaning.

Sections are dataclasses; option nodes (model, loss, optimizer, scheduler, augment, data)
name a class in `_target_` and are checked against its signature in `targets.py`.
The config stops at `train.py`: below it functions take values.
"""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from segsweep.errors import ConfigError

MISSING = "???"
OPTION_NODES = ("model", "loss", "optimizer", "scheduler", "augment", "data")
"""Groups whose options name a class; their option names are part of a run's identity."""


def option(
    default: Any,
    *,
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    below: float | None = None,
    allowed: tuple[str, ...] = (),
    identity: bool = True,
    command: bool = False,
    neutral: Any = dataclasses.MISSING,
) -> Any:
    """Declare a config key: its default, its range, and whether it can change numbers.

    Args:
        default: the value where a config says nothing.
        low: smallest allowed value, itself included.
        above: every value must be greater than this.
        high: largest allowed value, itself included.
        below: every value must be less than this.
        allowed: the words allowed.
        identity: False for keys that cannot change a run's numbers.
        command: True for keys that steer one command and are no part of any run's config.
        neutral: the value that means "as before this key existed"; left out of the run's id.

    """
    limits = {"low": low, "above": above, "high": high, "below": below, "allowed": allowed}
    counts = identity and not command
    metadata = {"limits": limits, "identity": counts, "command": command, "neutral": neutral}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)


@dataclass
class SplitConfig:
    """How samples are divided into train, validation and test."""

    seed: int = option(42, low=0, high=2**32 - 1)
    train: float = option(0.5, above=0)
    """Share of the samples where below 1, else their number; the same for val and test."""
    val: float = option(0.25, above=0)
    test: float = option(0.25, above=0)
    keep_groups: bool = option(True)
    """Samples of one group stay on one side."""
    folds: int = option(5, low=2)
    fold: int | None = option(None, low=0)
    """Test on this fold of `folds`; validation is drawn from the rest. null: no folds."""
    file: str | None = option(None)
    """A CSV with columns id and split (train | val | test), instead of drawing one."""


@dataclass
class DataConfig:
    """What every data set has beside its source's own arguments."""

    size: int | list[int] = option(128, low=1)
    """Height and width that the network sees, in pixels; [height, width] or one number."""
    channels: int = option(3, allowed=("1", "3"))
    """3 = RGB, 1 = grey."""
    split: SplitConfig = field(default_factory=SplitConfig)


@dataclass
class TrainerConfig:
    """The loop."""

    epochs: int = option(40, low=1)
    batch: int = option(10, low=1)
    """Images in a training step."""
    early_stop: int | None = option(None, low=1)
    """Stop after this many epochs without a better one; null: the full length."""
    clip_norm: float | None = option(None, above=0)
    """Largest norm of the gradient over all weights; null: not cut."""
    averaging: float = option(0.0, low=0, below=1)
    """Decay per step of the averaged weights, which are then what is validated; 0: none."""
    precision: str = option(
        "auto", allowed=("auto", "float32", "bfloat16", "float16"), neutral="auto"
    )
    """auto: bfloat16 where the GPU has it, else float32."""
    memory_format: str = option(
        "auto", allowed=("auto", "contiguous", "channels_last"), identity=False
    )
    compile: bool = option(False, identity=False)
    checkpoint_every_steps: int | None = option(None, low=1, identity=False)
    """Save the position inside an epoch too, for epochs that take long."""
    preview_every: int = option(10, low=0, identity=False)
    """Epochs between pictures of six validation images; 0: none."""


@dataclass
class EvaluateConfig:
    """How a trained network is judged."""

    select: str = option("val_iou", allowed=("val_iou", "val_dice", "val_score", "val_loss"))
    """The best epoch is the best by this; one rule for all cells."""
    empty: str = option("one", allowed=("one", "skip"))
    """An image with no foreground in truth and prediction: counts as 1, or is left out."""
    at: str = option("both", allowed=("both", "train"), identity=False)
    """Score at the training size only, or at each image's own size too."""


@dataclass
class SearchConfig:
    """Values a search filled in: they tell no cells apart."""

    filled: list[str] = option([], identity=False)


@dataclass
class Config:
    """The whole of a run."""

    sweep: str = option("main", identity=False)
    outputs: str = option("outputs", identity=False)
    seed: int = option(0, low=0, high=2**32 - 1)
    kind: str = option("run", allowed=("run", "trial"))
    """A trial belongs to a search and never reads the test set."""
    threshold: float = option(0.5, above=0, below=1)
    """A pixel is foreground where p is above this."""
    device: str = option("auto", identity=False)
    threads: int = option(0, low=0, identity=False)
    """CPU threads of a run; 0: all cores that this process may use."""
    allow: list[str] = option([], identity=False)
    """Packages beside segsweep's and torch's whose classes a config may name."""
    keep: str = option("best", allowed=("best", "last", "both", "none"), identity=False)
    """Checkpoints of a finished run that stay: tables and report need none."""
    keep_gb: float | None = option(None, low=0, command=True)
    """Gigabytes that the checkpoints of a sweep's finished runs may take; null: any."""
    plan: bool = option(False, command=True)
    """Stop after the plan: what would run, how long, with how much memory and disk."""
    preflight: bool = option(True, command=True)
    """Try a training and a validation step of each kind of run before the first starts."""
    rerun: str = option("none", allowed=("none", "stale", "all"), command=True)
    """Finished runs to do again; stale: made by another version of segsweep."""
    retry_failed: bool = option(True, command=True)
    """Try runs again that failed under an earlier command."""
    slots: int | None = option(None, low=1, command=True)
    """Runs at the same time; null: what this machine is good for."""
    per_device: int = option(1, low=1, command=True)
    """Runs at the same time on each GPU."""
    time_limit: float | None = option(None, above=0, command=True)
    """Seconds a run may take before it counts as hanging; null: any."""
    frozen: str | None = option(None, command=True)
    """A run's frozen config.yaml: what launchers are given instead of single values."""
    model: Any = MISSING
    loss: Any = MISSING
    optimizer: Any = MISSING
    scheduler: Any = MISSING
    augment: Any = MISSING
    data: Any = MISSING
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    evaluate: EvaluateConfig = field(default_factory=EvaluateConfig)
    search: SearchConfig = field(default_factory=SearchConfig)


COMMAND_KEYS = tuple(
    item.name for item in dataclasses.fields(Config) if item.metadata.get("command")
)
"""Keys that steer one command: a frozen config does not hold them."""


def check_section(section: type, values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """Return *values* with every field of *section*, coerced; missing ones get their default.

    Raises ConfigError with one line for each key that is unknown, of the wrong type or
    out of range. Fields of type Any (option nodes) are passed through.
    """
    hints = hints_of(section)
    fields = {item.name: item for item in dataclasses.fields(section)}
    problems = [unknown_key(where + key, fields) for key in values if key not in fields]
    checked: dict[str, Any] = {}
    for name, item in fields.items():
        try:
            checked[name] = _check_field(item, hints[name], values, where)
        except ConfigError as error:
            problems.append(str(error))
    raise_all(problems)
    return checked


@cache
def hints_of(section: type) -> dict[str, Any]:
    """Return the fields' types of a schema section, by name."""
    return get_type_hints(section)


def _check_field(
    item: dataclasses.Field[Any], hint: Any, values: Mapping[str, Any], where: str
) -> Any:
    key = where + item.name
    value = values[item.name] if item.name in values else _default(item)
    if dataclasses.is_dataclass(hint):
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key}={value!r}: a section, not a value; set {key}.<key>")
        return check_section(hint, value, key + ".")  # type: ignore[arg-type]
    if hint is Any:
        return value
    limits = item.metadata["limits"]
    return within(key, coerce(key, value, hint, limits_text(limits)), limits)


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default


def coerce(key: str, value: Any, hint: Any, limits: str = "") -> Any:
    """Return *value* as the annotated type, or raise ConfigError saying what is wanted."""
    if value == MISSING:
        raise ConfigError(f"{key} is not set; give it as {key}=<{_wanted(hint, limits)}>")
    takes_flag = bool in (hint, *get_args(hint)) or hint is Any
    items = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(item, bool) for item in items) and not takes_flag:  # true would pass as 1
        raise ConfigError(f"{key}={value!r}: wanted {_wanted(hint, limits)}")
    try:
        return _adapter(hint, repr(hint)).validate_python(value)
    except ValidationError:
        close = nearest(value, _words(hint)) if isinstance(value, str) else ""
        raise ConfigError(f"{key}={value!r}: wanted {_wanted(hint, limits)}{close}") from None


def _words(hint: Any) -> list[str]:
    """Return the words that a type allows, also as one of several types."""
    if get_origin(hint) is Literal:
        return [str(item) for item in get_args(hint)]
    return [word for item in get_args(hint) for word in _words(item)]


def _wanted(hint: Any, limits: str) -> str:
    return type_text(hint) + (f", {limits}" if limits else "")


@cache
def _adapter(hint: Any, text: str) -> TypeAdapter[Any]:
    """Return what turns a value into *hint*; making one takes much longer than using it.

    By *text* too: `int | float` equals `float | int`, yet "3" is 3 to the one, 3.0 to the other.
    """
    return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))


def within(key: str, value: Any, limits: Mapping[str, Any]) -> Any:
    """Return *value*, or raise ConfigError if it (or an item of it) is outside *limits*."""
    for one in value if isinstance(value, list) else [value]:
        if one is None:
            continue
        if limits["allowed"] and str(one) not in limits["allowed"]:
            close = nearest(str(one), limits["allowed"])
            raise ConfigError(f"{key}={one}: allowed are {', '.join(limits['allowed'])}{close}")
        inside = (
            (limits["low"] is None or one >= limits["low"])
            and (limits["above"] is None or one > limits["above"])
            and (limits["high"] is None or one <= limits["high"])
            and (limits["below"] is None or one < limits["below"])
        )
        if not inside or one != one or one in (float("inf"), float("-inf")):
            raise ConfigError(f"{key}={one}: must be {limits_text(limits) or 'a number'}")
    return value


def limits_text(limits: Mapping[str, Any]) -> str:
    """Return limits in words: `> 0 and <= 1`, or the allowed words."""
    if limits["allowed"]:
        return "one of " + ", ".join(limits["allowed"])
    signs = {"low": ">=", "above": ">", "high": "<=", "below": "<"}
    return " and ".join(f"{sign} {limits[k]}" for k, sign in signs.items() if limits[k] is not None)


def type_text(hint: Any) -> str:
    """Return a type as a user would say it: `number`, `whole number or null`."""
    words = {int: "whole number", float: "number", str: "text", bool: "true or false"}
    if hint in words:
        return words[hint]
    if hint is type(None):
        return "null"
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    arguments = [item for item in get_args(hint) if item is not Ellipsis]
    if get_origin(hint) in (list, tuple):
        return "list of " + (type_text(arguments[0]) if arguments else "values")
    if get_origin(hint) is Union or type(hint).__name__ == "UnionType":
        known = [item for item in arguments if getattr(item, "__name__", "") != "Tensor"]
        return " or ".join(dict.fromkeys(map(type_text, known)))
    return {"Path": "path"}.get(getattr(hint, "__name__", ""), getattr(hint, "__name__", str(hint)))


def nearest(word: str, allowed: Iterable[str]) -> str:
    """Return "; did you mean 'x'?" for the closest allowed word, or nothing."""
    close = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else ""


def check_word(what: str, word: str, allowed: Iterable[str]) -> None:
    """Raise ConfigError for a *word* that is none of the *allowed*; *what* says of what."""
    names = list(allowed)
    if word not in names:
        hint = nearest(word.lower(), names)
        raise ConfigError(f"{what} {word}: allowed are {', '.join(names)}{hint}")


def unknown_key(key: str, allowed: Iterable[str]) -> str:
    """Return the line for a key that nothing knows."""
    above, _, name = key.rpartition(".")
    names = sorted(allowed)
    place = f"{above} has" if above else "keys are"
    return f"{key}: no such key; {place} {', '.join(names)}{nearest(name, names)}"


def raise_all(problems: list[str]) -> None:
    """Raise one ConfigError that lists every problem, a line each; nothing if there is none."""
    if problems:
        raise ConfigError("\n".join(problems))
