"""The values of trial k: a function of the study's name, k, and the trials that have ended.

Trial 0 has the config's own values. Three trials cover the ranges evenly. All others come from
Optuna's sampler, seeded by study and k, so that a search that was killed and started again makes
the same suggestions, if one trial runs at a time.
"""

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING

from segsweep.errors import ConfigError
from segsweep.sweep.search.space import Space, Value, grid_of, stratified
from segsweep.system.optuna_log import quietly

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

STRATIFIED = 3
"""Trials that cover the ranges evenly, before a sampler that learns starts."""
STARTUP = 1 + STRATIFIED
CMAES = "cma:"
"""Begins the attributes in which CMA-ES keeps its state, with the trials; the others keep none."""
LEARNING = ("tpe", "gp", "cmaes")
"""Samplers that learn from earlier trials."""


def suggestion(
    study: str,
    k: int,
    space: Space,
    sampler: str,
    own: dict[str, Value] | None,
    ended: Sequence["FrozenTrial"],
) -> tuple[dict[str, Value], dict[str, object]]:
    """Return the values of trial *k* of *study*, and what the sampler keeps with the trial.

    Args:
        study: the study's name.
        k: the trial, from 0.
        space: what each key may be.
        sampler: as `search.sampler`.
        own: the config's own values; None if they are outside *space*.
        ended: the trials that have ended, or run now, in order.

    """
    if sampler == "grid":
        return grid_of(space)[k], {}
    if k == 0 and own is not None:
        return own, {}
    if sampler in LEARNING and k <= STRATIFIED:
        first = stratified(space, STARTUP if own is None else STRATIFIED, seed_of(study))
        return first[k if own is None else k - 1], {}
    import optuna

    with quietly():
        copy = optuna.create_study(
            direction="maximize", study_name=study, sampler=sampler_of(sampler, study, k)
        )
        copy.add_trials(list(ended))
        values = dict(copy.ask(dict(space)).params)
        notes = copy.get_trials(deepcopy=False)[-1].system_attrs
        return values, {key: note for key, note in notes.items() if key.startswith(CMAES)}


def sampler_of(name: str, study: str, k: int) -> "BaseSampler":
    """Return Optuna's sampler for trial *k*."""
    from optuna import samplers

    seed = seed_of(f"{study} {k}")
    if name == "random":
        return samplers.RandomSampler(seed=seed)
    if name == "gp":
        return samplers.GPSampler(
            seed=seed, n_startup_trials=STARTUP, deterministic_objective=False
        )
    if name == "cmaes":
        if find_spec("cmaes") is None:
            raise ConfigError("search.sampler=cmaes: needs the package cmaes; pip install cmaes")
        return samplers.CmaEsSampler(seed=seed, n_startup_trials=STARTUP)
    return samplers.TPESampler(seed=seed, n_startup_trials=STARTUP, constant_liar=True)


def seed_of(text: str) -> int:
    """Return a 32-bit seed that depends on *text* only."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
