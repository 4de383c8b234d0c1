"""What a config may name in trusted packages: a positive list, of code that only builds objects.

Trusted packages also contain functions that write files, download weights or run code, such as
`torchvision.models.get_model`. So a class must be a network, loss, optimizer or scheduler, and a
function must be one that a shipped option names or that builds a network without weights.
"""

import inspect
import re
from collections.abc import Mapping
from functools import cache

from segsweep.config.schema import OPTION_NODES
from segsweep.errors import ConfigError
from segsweep.system.installation import conf_folder

TRUSTED = (
    *("segsweep.augment", "segsweep.losses", "segsweep.models", "segsweep.schedulers"),
    *("torch.nn", "torch.optim", "torchvision.models", "torchvision.ops"),
)
"""Modules whose classes and functions may be named if they are on the positive list."""
SOURCES = "segsweep.data"
"""Of this package only the data sources are trusted; other functions write or delete files."""
BUILDERS = "torchvision.models"
"""Functions of this package with an argument `weights` build networks."""
MODULE = "torch.nn.modules.module.Module"
BASES = {
    "model": (MODULE,),
    "loss": (MODULE,),
    "optimizer": ("torch.optim.optimizer.Optimizer",),
    "scheduler": (
        "torch.optim.lr_scheduler.LRScheduler",
        "torch.optim.lr_scheduler.ReduceLROnPlateau",
    ),
    "augment": (),
    "data": (),
}
"""Base classes of what a trusted option of each group may be; a data source has a protocol."""


def check_trusted(target: str, found: object) -> None:
    """Raise ConfigError unless *found*, at *target* in a trusted package, may be named."""
    home = home_of(found)
    if not is_in(home, (*TRUSTED, SOURCES)):
        raise ConfigError(f"_target_={target}: is not trusted; it is defined in {home}")
    if is_in(home, (SOURCES,)):
        if not _is_source(found):
            raise ConfigError(
                f"_target_={target}: is not a data source; that is a class with signature, find "
                "and read (segsweep/data/source.py)"
            )
    elif not (_has_base(found, BASES) or _is_builder(found) or home in _shipped_functions()):
        raise ConfigError(f"_target_={target}: {not_named(home.split('.')[0])}")


def not_named(package: str) -> str:
    """Return why a config may not name it: it may name other things of *package*."""
    what = "a network, loss, optimizer or scheduler"
    if package == "segsweep":
        what = "a network, loss, scheduler, augmentation or data source"
    return f"is not trusted: not {what} of {package} that a config may name"


def check_group(node: str, target: str, found: object) -> None:
    """Raise ConfigError if *found*, of a trusted package, belongs into another group than *node*.

    Functions of segsweep have no base class; building them shows whether they fit.
    """
    bases = {node: BASES.get(node, ())}
    wrong = inspect.isclass(found) and not _has_base(found, bases) and _has_base(found, BASES)
    if wrong or (_is_builder(found) and node != "model"):
        raise ConfigError(f"{node}._target_={target}: does not belong into the group {node}")


def check_no_download(node: str, found: object, values: Mapping[str, object]) -> None:
    """Raise ConfigError if a builder of torchvision would download weights."""
    if not _is_builder(found) or not callable(found):
        return
    for name, parameter in inspect.signature(found).parameters.items():
        if name.startswith("weights") and values.get(name, parameter.default) is not None:
            raise ConfigError(
                f"{node}.{name}: must be null, because segsweep downloads no weights; "
                "model=deeplabv3, fcn and lraspp take a file, model.weights_file=<path>"
            )


def home_of(found: object) -> str:
    """Return the dotted path of the place where *found* is defined."""
    return f"{getattr(found, '__module__', None)}.{getattr(found, '__qualname__', None)}"


def is_in(target: str, packages: tuple[str, ...]) -> bool:
    """Whether the dotted path *target* is inside one of *packages*."""
    return any(target.startswith(f"{package}.") for package in packages if package)


def _has_base(found: object, bases: Mapping[str, tuple[str, ...]]) -> bool:
    if not inspect.isclass(found):
        return False
    above = {f"{base.__module__}.{base.__qualname__}" for base in found.__mro__}
    return any(name in above for names in bases.values() for name in names)


def _is_builder(found: object) -> bool:
    home = home_of(found)
    if not inspect.isfunction(found) or not is_in(home, (BUILDERS,)) or "._" in home:
        return False
    weights = inspect.signature(found).parameters.get("weights")
    return weights is not None and weights.kind is not weights.VAR_KEYWORD


def _is_source(found: object) -> bool:
    """Whether *found* is a class that implements the protocol `segsweep.data.source.Source`."""
    is_class = inspect.isclass(found) and not getattr(found, "_is_protocol", False)
    methods = (getattr(found, name, None) for name in ("find", "read"))
    return is_class and all(map(callable, methods)) and hasattr(found, "signature")


@cache
def _shipped_functions() -> frozenset[str]:
    """Return the targets of the shipped options."""
    files = [file for node in OPTION_NODES for file in (conf_folder() / node).glob("*.yaml")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    found = [re.search(r"^_target_: *(\S+)", text, re.MULTILINE) for text in texts]
    return frozenset(match[1] for match in found if match is not None)
