"""One study over everything, by Hydra's Optuna sweeper: what the sweeper lacks is prepared here.

The sweeper is built from Hydra's config after segsweep's callback, which sets there where the
study is, its name, and how many trials are still to do.
"""

import sys
from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf, read_write

from segsweep.config.check import check_config
from segsweep.errors import ConfigError
from segsweep.seeding import derive
from segsweep.sweep import session
from segsweep.sweep.planning import user_code
from segsweep.sweep.planning.compose import Composer
from segsweep.sweep.planning.plan import PlannedRun, check_writable, plan_run, sweep_of
from segsweep.sweep.search.fixed import fixed_values
from segsweep.sweep.search.resume_study import close_running, queue_failed, trials_left
from segsweep.sweep.search.searched import Searched, drawn, searched_by
from segsweep.sweep.search.storage import is_own, open_storage, own_address, stored_name
from segsweep.sweep.search.study import study_name
from segsweep.system.names import plural
from segsweep.system.optuna_log import quietly

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

STORAGE = "hydra.sweeper.storage"
GRID = "optuna.samplers.GridSampler"
NOT_CONTINUED = (
    "the study {!r} of an earlier version of segsweep is not continued: its name does not tell "
    "which loss, range and data it is about"
)


def prepare_study(config: DictConfig, arguments: Sequence[str]) -> None:
    """Check a command of the Optuna sweeper; set in its *config* what the sweeper lacks.

    Locks the sweep. Raises ConfigError before the study exists, SweepLockedError if another
    command uses the sweep.
    """
    sweeper = config.hydra.sweeper
    _check_settings(sweeper)
    searched, fixed = searched_by(arguments, sweeper.params)
    total = _total(sweeper, searched)
    planned, values = _planned(searched, fixed)
    check_writable(planned.config.outputs)
    sweep = session.current.sweep = sweep_of(planned.config)
    session.current.lock_sweep(sweep)
    address = sweeper.storage or own_address(sweep)
    elsewhere = None if is_own(address, sweep) else address
    name = stored_name(elsewhere, sweep, _name(planned, searched, values, sweeper))
    storage = open_storage(address, sweep, STORAGE)
    names = {one.study_name for one in storage.get_all_studies()}
    left, there = total, 0
    if name in names:
        left, there = _left(storage, name, total, bool(config.retry_failed))
    elif sweeper.study_name in names:
        print(NOT_CONTINUED.format(sweeper.study_name), file=sys.stderr)
    new: dict[str, object] = {"hydra.sweeper.study_name": name, "hydra.sweeper.n_trials": left}
    if sweeper.storage is None:  # else it may hold a password, and stays as it was written
        new[STORAGE] = address
    if there and (seed := sweeper.sampler.get("seed")) is not None:  # not the same values again
        new["hydra.sweeper.sampler.seed"] = derive(seed, there) % 2**32
    if config.hydra.sweep.dir == f"{config.outputs}/.cache/hydra":
        new["hydra.sweep.dir"] = str(sweep.root)
    _set(config, new)


def _set(config: DictConfig, new: Mapping[str, object]) -> None:
    """Set keys of Hydra in a composed config, and for those that a launcher composes of it."""
    with read_write(config.hydra):
        for key, value in new.items():
            OmegaConf.update(config, key, value)
            text = str(value).replace("'", "\\'") if isinstance(value, str) else value
            word = f"{key}='{text}'" if isinstance(value, str) else f"{key}={text}"
            config.hydra.overrides.hydra.append(word)


def _planned(
    searched: Sequence[Searched], fixed: Sequence[str]
) -> tuple[PlannedRun, list[dict[str, object]]]:
    """Return a planned trial, and what is fixed in trials with each option that is searched.

    Raises ConfigError if a value to search, or the end of an interval, makes no valid run.
    """
    composer, keys = Composer(), [one.key for one in searched]
    composed = [composer.composed([*fixed, *words]) for words in drawn(searched)]
    found: list[dict[str, object]] = []
    for values, choices in composed:
        user_code.describe(values)
        kept = fixed_values(check_config(values, choices), keys)
        found += [] if kept in found else [kept]
    return plan_run(*composed[0]), found  # reads the data, so it is last


def _name(
    planned: PlannedRun,
    searched: Sequence[Searched],
    values: list[dict[str, object]],
    sweeper: DictConfig,
) -> str:
    """Return the study's name: the one given, model, loss, and a hash of all that is fixed."""
    ranges = {one.key: "".join(one.text.split()) for one in searched}
    how = [OmegaConf.to_container(sweeper.sampler, resolve=True), sweeper.custom_search_space]
    choices = planned.config.choices
    words = f"{sweeper.study_name or ''} {choices['model']}/{choices['loss']}".strip()
    return study_name(words, [values, planned.config.data_fingerprint, ranges, how])


def _total(sweeper: DictConfig, searched: Sequence[Searched]) -> int:
    """Return the trials that the study shall have; of a grid, at most its combinations."""
    if sweeper.sampler._target_ == GRID:
        if endless := [one for one in searched if not one.size]:
            key, text = endless[0].key, endless[0].text
            raise ConfigError(
                f"{key}={text}: hydra/sweeper/sampler=grid needs a list, such as {key}=1e-3,1e-2"
            )
        return min(int(sweeper.n_trials), prod(one.size for one in searched))
    return int(sweeper.n_trials)


def _left(storage: "BaseStorage", name: str, total: int, retry_failed: bool) -> tuple[int, int]:
    """Return how many trials are still to do, and how many the study has.

    Unfinished and failed trials are asked for again.
    """
    import optuna
    from optuna.trial import TrialState

    with quietly():
        study = optuna.load_study(study_name=name, storage=storage)
        unfinished = close_running(study)
        failed = queue_failed(study) if retry_failed else 0
        left, there = trials_left(study, total), len(study.get_trials(deepcopy=False))
    for count, kind, what in (
        (unfinished, "unfinished", "will be resumed first"),
        (failed, "failed", "will be tried again"),
    ):
        if count and left:
            trials = plural(count, f"{kind} trial")
            print(f"{trials} of this search {what}", file=sys.stderr)
    if not left and not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        raise ConfigError("no trial of this search has finished; leave out retry_failed=false")
    if not left:
        more = "hydra.sweeper.n_trials=<more> adds to them"
        every = (
            "the only trial of this search has"
            if total == 1
            else f"all {total} trials of this search have"
        )
        print(f"{every} ended; {more}", file=sys.stderr)
    return left, there


def _check_settings(sweeper: DictConfig) -> None:
    """Raise ConfigError for settings with which the sweeper would never end, or raise."""
    for key in ("n_trials", "n_jobs"):
        if sweeper[key] < 1:
            raise ConfigError(f"hydra.sweeper.{key}={sweeper[key]}: must be >= 1")
    rate, address = sweeper.max_failure_rate, sweeper.storage
    if not 0 <= rate <= 1:
        raise ConfigError(f"hydra.sweeper.max_failure_rate={rate:g}: must be >= 0 and <= 1")
    if address is not None and "://" not in str(address):
        raise ConfigError(f"{STORAGE}={address}: not an address; give one, such as sqlite:///x.db")
