"""The settings of a command's search, and what is refused before anything starts."""

import pytest

from command import TINY, refusal, train_here
from segsweep.errors import ConfigError
from segsweep.plugins.register import register_schema
from segsweep.sweep.planning.expand import expand
from segsweep.sweep.planning.plan_runs import plan_all
from segsweep.sweep.search.settings import settings_of


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Return a function: words -> the search that the command makes."""
    from hydra import initialize_config_dir

    from segsweep.system.installation import conf_folder

    register_schema()
    monkeypatch.chdir(tmp_path)

    def read(*words):
        return settings_of(plan_all(expand([*TINY, *words]))[0], words)

    with initialize_config_dir(str(conf_folder()), job_name="test"):
        yield read


def test_no_search_by_default(settings):
    """Only an option of the group `search` makes one."""
    assert settings("seed=0,1") is None
    assert settings("search=none") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "epochs", "wanted"),
    [("0.5", 40, 20), ("0.5", 1, 1), ("0.25", 10, 2), ("1", 40, 1), ("7", 40, 7)],
)
def test_epochs_of_a_trial(settings, given, epochs, wanted):
    """A share of the epochs of the cell, or their number; never less than one."""
    words = ("search=lr", f"search.epochs={given}", f"trainer.epochs={epochs}")
    found = settings(*words)
    (run,) = plan_all(expand([*TINY, *words]))[0]

    assert found.epochs(run.config) == wanted


def test_seed_of_trials_follows_the_seed_of_the_search(settings):
    """It is none of the seeds of the final runs, and it changes with `search.seed`."""
    first, same = settings("search=lr"), settings("search=lr", "seed=5")

    assert first.seed == same.seed != 0
    assert settings("search=lr", "search.seed=1").seed != first.seed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("search.n_trials=4",), "search.n_trials=4: has no effect without a search"),
        (("search=none", "search.sampler=gp"), "has no effect without a search; add search=lr"),
        (("search=lr", "search.epochs=1.5"), "search.epochs=1.5: must be a share below 1, or a"),
        (("search=lr", "optimizer.lr=0.1,0.2"), "optimizer.lr is searched; leave it out"),
        (("search=lr", "search.sampler=grid"), "search.params.optimizer.lr is an interval"),
        (("search=lr", "search.filled=[optimizer.lr]"), "search.filled: the search fills it in"),
        (("search=lr", "+search.params.seed='range(0,3)'"), "search.params.seed: not searched"),
        (("search=lr", "search.sampler=tep"), "search.sampler=tep: allowed are tpe, gp"),
        (("search=lr", "search.n_trials=0"), "search.n_trials=0: must be >= 1"),
    ],
)
def test_refusals(settings, words, said):
    """Each in one line with its key."""
    with pytest.raises(ConfigError) as caught:
        settings(*words)

    assert said in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("search=lr,none",), "search=lr,none: only one value is allowed"),
        (("search=lr", "search.n_trials=4,8"), "only one value is allowed"),
        (("search=lr", "search.n_trials=1000000000"), "asks for 1,000,000,001 runs, more than"),
        (
            ("search=lr", "search.n_trials=9", "max_runs=8"),
            "asks for 10 runs, more than max_runs=8",
        ),
        (("max_runs=0",), "max_runs=0: must be >= 1"),
        (
            ("search=lr", "+search.params.optimizer.lrr='interval(0,1)'"),
            "optimizer.lrr: no such key",
        ),
        (
            ("search=lr", "search.params={optimizer.lr:'interval(-1,1)'}"),
            "search.params: optimizer.lr=-1.0: must be > 0",
        ),
    ],
)
def test_a_command_is_refused_before_anything_starts(words, said, monkeypatch, tmp_path, capsys):
    """Exit code 2; no sweep folder is left."""
    code = train_here(["-m", *TINY, *words], monkeypatch, tmp_path)
    line = capsys.readouterr().err.splitlines()[-1]  # after what was read of the data

    assert said in refusal((code, "", line))
    assert not (tmp_path / "outputs/main").exists()
