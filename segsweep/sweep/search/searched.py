"""What a command of Hydra's Optuna sweeper searches, checked before a study exists.

The sweeper itself finds an invalid value only when a trial draws it.
"""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from segsweep.config.cells import is_compared
from segsweep.errors import ConfigError
from segsweep.sweep.planning.compose import config_loader
from segsweep.sweep.search.space import (
    MOST_VALUES,
    at_share,
    check_key,
    distribution_of,
    grid_size,
)

CHECKED = 20
"""Values of a list that are checked one by one; of a longer one, its ends."""
OWN = ("experiment=optuna_lr", "kind=trial")
"""Words that a search by segsweep's own sweeper does not need."""


@dataclass(frozen=True)
class Searched:
    """A key to which a command gives several values."""

    key: str
    text: str
    """Its values as they were written."""
    values: tuple[str, ...]
    """Those of a list; the ends of an interval."""
    size: int
    """How many values there are; 0 for an interval of real numbers."""

    @property
    def chooses(self) -> bool:
        """Whether the values are options of a group, such as `optimizer=adam,adamw`."""
        return "." not in self.key

    def checked(self) -> tuple[str, ...]:
        """Return the values to check."""
        if self.chooses or len(self.values) <= CHECKED:
            return self.values
        return self.values[0], self.values[-1]


def searched_by(
    arguments: Sequence[str], params: Mapping[str, object] | None
) -> tuple[list[Searched], list[str]]:
    """Return what a command searches, and the words that are the same in all of its trials.

    *params* are those of the sweeper's config. A fixed value wins against several ones, wherever
    each of them stands. Raises ConfigError for what cannot be searched, or if nothing is.
    """
    own = [f"{key}={value}" for key, value in (params or {}).items()]
    parsed = OverridesParser.create(config_loader()).parse_overrides([*own, *arguments])
    several = {one.get_key_element(): one for one in parsed if one.is_sweep_override()}
    fixed = [one for one in parsed if not one.is_sweep_override()]
    for one in fixed:
        if not one.is_delete():
            several.pop(one.get_key_element(), None)
    for one in several.values():
        if is_compared(_key(one)):
            raise ConfigError(f"{one.input_line}: {_each(arguments)}")
    if not several:
        raise ConfigError(
            "hydra/sweeper=optuna: nothing is searched; give a key several values, such as "
            "'optimizer.lr=tag(log,interval(1e-4,1e-2))'"
        )
    return [_searched(one) for one in several.values()], [str(one.input_line) for one in fixed]


def drawn(searched: Sequence[Searched]) -> list[list[str]]:
    """Return words of trials that the sweeper may ask for, which have each value to check."""
    first = {one.key: one.values[0] for one in searched}
    found = [first]
    for one in searched:
        found += [{**first, one.key: value} for value in one.checked()[1:]]
    return [[f"{key}={value}" for key, value in values.items()] for values in found]


def _searched(override: Override) -> Searched:
    key, text = override.get_key_element(), str(override.input_line).partition("=")[2]
    check_key(_key(override))
    if override.is_interval_sweep():
        distribution = distribution_of(key, text)
        ends = tuple(str(at_share(distribution, share)) for share in (0.0, 1 - 1e-9))
        return Searched(key, text, ends, grid_size(distribution))
    values = tuple(islice(override.sweep_string_iterator(), MOST_VALUES + 1))
    if not values:
        raise ConfigError(f"{key}={text}: names no value, so there is no trial")
    if len(values) > MOST_VALUES:
        raise ConfigError(f"{key}={text}: more than {MOST_VALUES:,} values; use an interval")
    return Searched(key, text, values, len(values))


def _key(override: Override) -> str:
    return override.get_key_element().lstrip("+")


def _each(arguments: Sequence[str]) -> str:
    """Return why what is compared is not searched, with the command that searches for each."""
    words = ["-m"]
    for one in OverridesParser.create(config_loader()).parse_overrides(list(arguments)):
        line, key = str(one.input_line), _key(one)
        if one.is_sweep_override() and not is_compared(key):
            words.append(f"+search.params.{key}='{line.partition('=')[2]}'")
        elif line not in OWN:
            words.append(line)
    return (
        "one study over everything would give unequal budgets to what is compared; search for "
        f"each: python -m segsweep.train {' '.join(map(_quoted, [*words, 'search=lr']))}"
    )


def _quoted(word: str) -> str:
    """Return a word as a shell reads it; one with single quotes in double quotes."""
    plain = "'" in word and not {*'"$`\\!'} & {*word}
    return f'"{word}"' if plain else shlex.quote(word)
