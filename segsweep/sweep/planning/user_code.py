"""Checks users' own classes before runs start, each in a process of its own.

Classes of segsweep, torch and torchvision are checked in this process, which is faster.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_all_start_methods, get_start_method
from typing import Literal, cast

import numpy as np

from segsweep.config.allow import granted
from segsweep.config.identity import allowed
from segsweep.config.run_config import Node, RunConfig, Values
from segsweep.config.schema import OPTION_NODES, CommandConfig
from segsweep.config.targets import (
    Arguments,
    check_trusted_node,
    is_users,
    portable_arguments,
    remember,
)
from segsweep.data.cache import Prepared
from segsweep.data.check import ProblemsError
from segsweep.data.source import Listing, Problem, Sample
from segsweep.errors import ConfigError, SegsweepError, UserCodeError
from segsweep.sweep.processes.child import Child, Function, Send
from segsweep.system.progress import Counter
from segsweep.training import dataset

_children: dict[str, Child] = {}
"""The process of each target."""
_answers: dict[str, object] = {}
"""What each call returned or raised."""


@contextmanager
def in_processes() -> Iterator[None]:
    """End the processes of all users' classes at the end of the block."""
    try:
        yield
    finally:
        for child in _children.values():
            child.close()
        _children.clear()
        _answers.clear()


def uses_own_classes(config: RunConfig) -> bool:
    """Whether the config names a class of a package in `allow`."""
    nodes = (getattr(config, name) for name in OPTION_NODES if name != "data")
    targets = [str(node["_target_"]) for node in (*nodes, config.data.source)]
    return any(is_users(target, config.allow) for target in targets)


def describe(values: Values) -> None:
    """Read the signature of each user's class that a composed config names.

    Raises UserCodeError if the import of one crashes, exits or hangs.
    """
    if not isinstance(values.get("allow"), list):
        return  # the check of the config says so
    allow = tuple(granted(allowed(values)))
    for name in OPTION_NODES:
        node = values.get(name)
        target = str(node.get("_target_", "")) if isinstance(node, Mapping) else ""
        if not is_users(target, allow) or not can_fork():
            continue
        try:
            found = _call(values, target, f"{name}: the import of {target}", _describe, allow)
        except ConfigError as error:
            remember(target, allow, str(error))
        else:
            remember(target, allow, cast("Arguments", found))


def run_check(
    config: RunConfig, nodes: Sequence[str], function: Function, *arguments: object
) -> None:
    """Call a check of option nodes, in a process if a class that one names is a user's."""
    targets = {str(getattr(config, name)["_target_"]): name for name in nodes}
    theirs = [target for target in targets if is_users(target, config.allow)]
    if theirs and can_fork():
        node = targets[theirs[0]]
        what = f"{node}={config.choices[node]}: {theirs[0]}"
        named = {name: getattr(config, name) for name in nodes}
        _call(config.values, theirs[0], what, _checked, function, named, config.allow, arguments)
    else:
        function(*arguments)


def prepare(config: RunConfig) -> Prepared:
    """Return the config's data set; a user's own source is read in a process."""
    target = str(config.data.source["_target_"])
    if not is_users(target, config.allow) or not can_fork():
        return dataset.prepared_data(config)
    if (known := dataset.remembered(config)) is not None:
        return known
    counter = Counter("reading images")
    what = f"data={config.choices['data']}: {target}"
    found = _call(
        config.values,
        target,
        what,
        _read,
        config,
        on_message=lambda message: counter(*cast("tuple[int, int, float]", message)),
    )
    prepared = cast("Prepared", found).opened()
    dataset.remember(config, prepared)
    return prepared


def _call(
    values: Values,
    target: str,
    what: str,
    function: Function,
    *arguments: object,
    on_message: Callable[[object], None] = lambda message: None,
) -> object:
    """Call *function* in the target's process, once for equal arguments; *what* names it."""
    key = f"{what} {function!r} {arguments!r}"
    if key not in _answers:
        child = _children.setdefault(target, Child())
        try:
            _answers[key] = child.call(
                function, target, *arguments, seconds=_limit(values), on_message=on_message
            )
        except UserCodeError as error:
            _answers[key] = UserCodeError(f"{what} {error}")
        except SegsweepError as error:
            _answers[key] = error
    answer = _answers[key]
    if isinstance(answer, SegsweepError):
        raise answer
    return answer


def _limit(values: Values) -> float:
    given = values.get("check_limit")  # not checked yet
    valid = isinstance(given, int | float) and not isinstance(given, bool) and given > 0
    return float(cast(float, given)) if valid else CommandConfig().check_limit


def can_fork() -> bool:
    """Whether this process can use a fork server; if not, users' classes are called here.

    A process of joblib cannot: its start method is unknown to the processes that it would start.
    """
    known = get_all_start_methods()
    return "forkserver" in known and get_start_method(allow_none=True) in (None, *known)


def _describe(target: str, allow: tuple[str, ...], *, send: Send) -> Arguments:
    return portable_arguments(target, allow)


def _checked(
    target: str,
    function: Function,
    nodes: Mapping[str, Node],
    allow: tuple[str, ...],
    arguments: tuple[object, ...],
    *,
    send: Send,
) -> None:
    for name, node in nodes.items():
        check_trusted_node(name, str(node["_target_"]), node, allow)
    function(*arguments)


def _read(target: str, config: RunConfig, *, send: Send) -> Prepared:
    """Read the data set; return what of it can be sent: no pixels, and no class of the user."""
    try:
        prepared = dataset.read_data(config, lambda *progress: send(progress))
    except ProblemsError as error:
        problems, samples = _plain_problems(error.problems), _plain_samples(error.samples)
        raise ProblemsError(str(error), problems, samples, error.folder) from None
    none = np.empty(0, np.uint8)
    return replace(
        prepared,
        samples=_plain_samples(prepared.samples),
        warnings=_plain_problems(prepared.warnings),
        images=none.astype(np.float32),
        masks=none,
    )


def _plain_samples(samples: Sequence[Sample]) -> list[Sample]:
    return [
        Sample(str(one.id), str(one.group), *(one.image, one.mask, one.more_masks, one.part))
        for one in samples
    ]


def _plain_problems(problems: Sequence[Problem]) -> list[Problem]:
    return [
        Listing(*_texts(one), tuple(map(str, one.names)))
        if isinstance(one, Listing)
        else Problem(*_texts(one))
        for one in problems
    ]


def _texts(problem: Problem) -> tuple[Literal["error", "warning"], str, str]:
    return problem.level, str(problem.where), str(problem.what)
