"""From the words of a sweep to the words of each run: how many runs, and which."""

import math
from collections.abc import Mapping, Sequence
from typing import cast

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import FloatRange, Override, RangeSweep, ValueType

from segsweep.config.schema import CommandConfig
from segsweep.errors import ConfigError
from segsweep.sweep.planning.compose import Composer, config_loader
from segsweep.sweep.planning.word_values import check_range, interval_line


def expand(
    arguments: Sequence[str],
    params: Mapping[str, str] | None = None,
    most: int = CommandConfig.max_runs,
) -> list[list[str]]:
    """Return the overrides of each run of a sweep, in Hydra's own order.

    *params* are overrides of the sweeper's config; *arguments* of the command line win. Raises
    ConfigError for more than *most* runs, before any list of them exists.
    """
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    own = [f"{key}={value}" for key, value in (params or {}).items()]
    overrides = OverridesParser.create(config_loader()).parse_overrides([*own, *arguments])
    counts = {one.get_key_element(): _count(one) for one in overrides}  # the last one counts
    for override in overrides:
        if counts[override.get_key_element()] == 0:
            raise ConfigError(f"{override.input_line}: names no value, so there is no run")
    check_count(math.prod(counts.values()), most)
    return BasicSweeper.split_arguments(overrides, None)[0]


def expand_all(
    arguments: Sequence[str],
    params: Mapping[str, str],
    words: Sequence[str],
    composer: Composer,
    most: int = CommandConfig.max_runs,
) -> list[list[str]]:
    """Return the overrides of each run, with `hydra.sweeper.params` of the options it chooses.

    An `experiment` among several (`experiment=e1,e2`) thereby sweeps what its own file says.
    *words* are the command's words about Hydra itself.
    """
    found: list[list[str]] = []
    for run in expand(arguments, params, most):
        own = composer.sweep_params([*words, *run])
        more = [run] if own == params else expand(run, own, most)
        found += more
        check_count(len(found), most)
    return found


def check_count(count: int, most: int) -> None:
    """Raise ConfigError for more than *most* runs."""
    if most < 1:
        raise ConfigError(f"max_runs={most}: must be >= 1, the runs that a command may ask for")
    if count > most:
        raise ConfigError(
            f"the command asks for {count:,} runs, more than max_runs={most}; "
            f"if that is meant, add max_runs={count}"
        )


def _count(override: Override) -> int:
    """Return how many values an override has, without listing those of a range."""
    if not override.is_sweep_override():
        return 1
    if override.value_type is ValueType.INTERVAL_SWEEP:
        raise ConfigError(interval_line(str(override.input_line), several=True))
    check_range(override)
    value = override.value()
    if not isinstance(value, RangeSweep):
        return sum(1 for _ in override.sweep_iterator())
    values = value.range()
    return _length(values) if isinstance(values, FloatRange) else len(values)


def _length(values: FloatRange) -> int:
    start, stop, step = (cast(float, one) for one in (values.start, values.stop, values.step))
    return max(0, math.ceil((stop - start) / step)) if step else 0
