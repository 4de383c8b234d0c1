"""The settings of a command's search, checked: one search per command, over known keys."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser

from segsweep.config.schema import SearchConfig
from segsweep.errors import ConfigError
from segsweep.seeding import SEARCH, derive
from segsweep.sweep.planning.plan import PlannedRun
from segsweep.sweep.search.space import Space, flat_params, grid_of, space_of
from segsweep.sweep.search.storage import check_address
from segsweep.system.secrets import masked_address

if TYPE_CHECKING:
    from segsweep.config.run_config import FrozenConfig

NONE = "has no effect without a search; add search=lr"
WITH_REUSE = "has no effect with search.reuse, which runs no trial; leave it out"
DEFAULTS = SearchConfig()


@dataclass(frozen=True)
class Settings:
    """What a command searches, and how."""

    config: SearchConfig
    params: dict[str, str]
    """Dotted key -> its values as they were written."""
    space: Space
    n_trials: int
    """Of each cell and fold; of a grid, its combinations."""
    seed: int
    """Of the weights, the order and the augmentation of every trial."""

    def epochs(self, run: "FrozenConfig") -> int:
        """Return the epochs of a trial of a run's cell."""
        given = self.config.epochs
        return max(1, round(given * run.trainer.epochs)) if given < 1 else int(given)


def settings_of(planned: Sequence[PlannedRun], arguments: Sequence[str]) -> Settings | None:
    """Return the search that the runs of a command ask for; None if they ask for none.

    With `search.reuse` and no `search.params`, it has no range of its own.

    Raises ConfigError for a search that differs among runs, over unknown values, or over a key to
    which the command gives several values.
    """
    searches = [run.search for run in planned]
    config = searches[0]
    if any(one != config for one in searches):
        raise ConfigError(
            "search: differs among the runs of the command; run a separate command for each search"
        )
    if not config.params and config.reuse is None:
        _check_unused(config, ("study", "pruner") if config.study else ())
        return None
    for name in ("filled", "study"):
        if getattr(config, name):
            raise ConfigError(f"search.{name}: the search fills it in; leave it out")
    if (kind := planned[0].config.kind) != "run":
        raise ConfigError(
            f"kind={kind}: not with a search, whose last runs are tested; leave it out"
        )
    if config.epochs >= 1 and config.epochs % 1:
        raise ConfigError(
            f"search.epochs={config.epochs:g}: must be a share below 1, or a whole number"
        )
    if not config.params:
        _check_unused(config, ("reuse",), WITH_REUSE)
    check_address(config.storage)
    params = flat_params(config.params)
    space = space_of(config.params)
    _check_not_swept(params, arguments)
    grid = config.sampler == "grid" and config.reuse is None
    n_trials = len(grid_of(space)) if grid else config.n_trials
    seed = derive(config.seed, SEARCH) % 2**32
    return Settings(config, params, space, n_trials, seed)


def _check_unused(config: SearchConfig, used: Sequence[str] = (), why: str = NONE) -> None:
    for item in dataclasses.fields(SearchConfig):
        value = getattr(config, item.name)
        if item.name not in ("filled", "params", *used) and value != getattr(DEFAULTS, item.name):
            raise ConfigError(f"search.{item.name}={masked_address(str(value))}: {why}")


def _check_not_swept(params: dict[str, str], arguments: Sequence[str]) -> None:
    for override in OverridesParser.create().parse_overrides(list(arguments)):
        key = override.get_key_element().lstrip("+")
        if override.is_sweep_override() and key in params:
            raise ConfigError(
                f"{override.input_line}: {key} is searched; leave it out, or leave out the search"
            )
