"""Parts of texts about a network: options with their values, sizes, folds, means."""

from math import isnan

from segsweep.config.cells import filled_keys
from segsweep.config.run_config import FrozenConfig, Node
from segsweep.system.names import plural
from segsweep.use.facts import Facts, Method

VALUES = 6
"""Significant digits of a number in a text."""
EXPORTED = "float32"
"""What an exported network computes in (`Way.plain`)."""
TOO_HIGH = "on the images that chose the epoch, so too high"


def words_of(node: str, config: FrozenConfig) -> str:
    """Return an option and its arguments: `adamw (lr 0.002 (searched), weight_decay 0.01)`."""
    values: Node = getattr(config, node)
    filled = filled_keys(config.values)
    shown = [
        f"{key} {number(value)}{' (searched)' if f'{node}.{key}' in filled else ''}"
        for key, value in values.items()
        if not key.startswith("_") and value is not None
    ]
    name = config.choices[node] + (" (searched)" if node in filled else "")
    return f"{name} ({', '.join(shown)})" if shown else name


def number(value: object) -> str:
    """Return a setting or a count as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.{VALUES}g}"


def seen_text(config: FrozenConfig) -> str:
    """Return what the network sees of an image, as a sentence."""
    height, width = config.data.height_width
    if config.data.tile is not None:
        crops = f"The network saw crops of {height} x {width} pixels"
        return f"{crops}; in tests, overlapping tiles were put together."
    return f"Images were resized to {height} x {width} pixels."


def fold_text(fold: int, folds: int) -> str:
    """Return which fold it is, so that 2 of 3 is not read as the second: `fold 2 (of 0 to 2)`."""
    return f"fold {fold} (of 0 to {folds - 1})"


def networks_of(method: Method) -> int:
    """Return of how many networks a mean is."""
    return method.seeds * max(len(method.folds), 1)


def mean_name(method: Method) -> str:
    """Return what a mean is of: the method, or only the networks that were trained."""
    if method.claimed:
        return "mean test IoU of the method"
    count = networks_of(method)
    return "test IoU of this network" if count == 1 else f"mean test IoU of these {count} networks"


def mean_text(facts: Facts, method: Method) -> str:
    """Return a mean test IoU with its interval, and how many seeds and images it is from."""
    folds, of = facts.config.data.split.folds, [plural(method.seeds, "seed")]
    if method.folds:
        every = len(method.folds) == folds
        of.append(f"all {folds} folds" if every else f"{len(method.folds)} of {folds} folds")
    of.append(plural(method.images, "test image"))
    if method.at == "native":
        of.append("at the images' own size")
    if facts.race is not None:
        of.append("seeds given by results")
    if isnan(method.low) or isnan(method.high):
        return f"{method.mean:.4f} (no interval; {', '.join(of)})"
    ends = f"95 % interval {method.low:.4f} to {method.high:.4f}"
    if not method.claimed:
        ends += " on other images"
        of.append("nothing is claimed about the method")
    return f"{method.mean:.4f} ({ends}; {', '.join(of)})"
