"""Hydra's own keys: each has its effect or is refused, with what to use instead."""

import pytest
from omegaconf import OmegaConf, open_dict

from command import TINY, refusal, train_here
from segsweep.errors import ConfigError
from segsweep.plugins.register import register_plugins, register_schema
from segsweep.sweep.places.hydra_keys import DEFAULTS, check_callback, check_hydra_keys
from segsweep.sweep.planning.compose import compose

SINGLE, OURS = "single", "ours"
WAYS = {
    SINGLE: (),
    OURS: (),
    "joblib": ("hydra/launcher=basic",),
    "submitit": (),
    "search": ("experiment=optuna_lr",),
}
"""Name -> words; the launcher's name alone decides for submitit."""
EXPECTED = {
    "hydra.run.dir=elsewhere": "- - - - -",
    "hydra.sweep.dir=x": "- - - + +",
    "hydra.sweep.subdir=x": "- - - - -",
    "hydra.output_subdir=.hydra": "- - - - -",
    "hydra.job.chdir=true": "- - - - -",
    "hydra.job.num=3": "- - - - -",
    "hydra.job.id=a": "- - - - -",
    "hydra.job.name=a": "- - - + -",
    "+hydra.job.env_set.X=1": "+ - + + -",
    "+hydra.job.env_copy=[A]": "- - + + -",
    "hydra/env=x": "- - - - -",
    "+hydra.foo=1": "- - - - -",
    "+hydra.launcher.n_jobs=2": "- - + + -",
    "++hydra.sweeper.n_trials=2": "- - - - +",
    "hydra.verbose=true": "- - - - -",
    "hydra/job_logging=default": "+ - + + -",
    "hydra/hydra_logging=default": "+ + + + +",
    "hydra.runtime.cwd=x": "- - - - -",
    "hydra.job.chdir=false": "+ + + + +",
    "hydra.searchpath=[x]": "+ + + + +",
}
"""A word -> whether each of WAYS accepts it (+) or refuses it (-)."""


@pytest.fixture(autouse=True)
def registered():
    """Register what Hydra knows of segsweep."""
    register_schema()
    register_plugins()


def in_way(way):
    """Return the composed config of a command."""
    config = compose(WAYS[way])
    if way == "submitit":
        with open_dict(config):
            config.hydra.launcher._target_ = "another"
            config.hydra.runtime.choices["hydra/launcher"] = "submitit_slurm"
    return config


@pytest.mark.parametrize("way", WAYS)
def test_each_key_has_its_effect_or_is_refused(way):
    """The word itself, what to use, one line."""
    config, wrong = in_way(way), []
    check_hydra_keys(config, way == SINGLE)
    for word, marks in EXPECTED.items():
        with open_dict(config):
            config.hydra.overrides.hydra = [word]
        try:
            check_hydra_keys(config, way == SINGLE)
            accepted = True
        except ConfigError as error:
            accepted = False
            what = "no such key; " if word == "+hydra.foo=1" else "has no effect; "
            part = word.replace("/", ".").split(".")[1]
            if part in ("launcher", "sweeper"):
                what = f"hydra/{part}=segsweep has no such key; another is hydra/{part}=<name>"
            assert str(error).startswith(f"{word}: {what}")
            assert len(str(error).splitlines()) == 1
        wrong += [word] if accepted != (marks.split()[list(WAYS).index(way)] == "+") else []

    assert wrong == []


def test_the_defaults_are_those_of_conf():
    """A default that changes in `conf/` changes here."""
    values = OmegaConf.to_container(compose([]).hydra, resolve=False)
    for key, default in DEFAULTS.items():
        found = values
        for name in key.split("."):
            found = found[name]
        assert found == default, key


def test_a_file_that_sets_such_a_key_is_refused(monkeypatch, tmp_path, capsys):
    """An experiment is no way around; nothing starts."""
    (tmp_path / "mine/experiment").mkdir(parents=True)
    text = "# @package _global_\nhydra: {sweep: {subdir: x}}\n"
    (tmp_path / "mine/experiment/ex.yaml").write_text(text)
    words = ["-m", *TINY, f"--config-dir={tmp_path / 'mine'}", "experiment=ex"]
    code = train_here(words, monkeypatch, tmp_path)
    captured = capsys.readouterr()
    line = refusal((code, captured.out, captured.err))

    assert line.startswith("hydra.sweep.subdir=x: has no effect; every run has its own folder")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.parametrize("words", [("hydra.job.chdir=true",), ("-m", "hydra.run.dir=x")])
def test_refused_keys_start_nothing(words, monkeypatch, tmp_path, capsys):
    """Through a whole command: one line, exit code 2."""
    code = train_here([*words, *TINY], monkeypatch, tmp_path)
    captured = capsys.readouterr()

    assert "has no effect" in refusal((code, captured.out, captured.err))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["hydra.mode=RUN", "+hydra.mode='RUN'", "hydra.mode=null"])
def test_a_mode_that_contradicts_m_is_refused(word, monkeypatch, tmp_path, capsys):
    """In place of Hydra's warning; the word that says the same as -m is accepted."""
    code = train_here(["-m", *TINY, "plan=true", word], monkeypatch, tmp_path)
    captured = capsys.readouterr()
    line = refusal((code, captured.out, captured.err))
    check_callback(["-m", "hydra.mode=MULTIRUN"])
    check_callback(["hydra.mode=MULTIRUN"])

    assert line == f"{word}: has no effect with -m; leave out one of them"


@pytest.mark.parametrize(
    "word", ["hydra.callbacks=null", "~hydra.callbacks", "~hydra.callbacks.segsweep"]
)
def test_the_callback_that_plans_stays(word):
    """Without it every job would plan by itself; another callback may be added."""
    with pytest.raises(ConfigError, match="plans the runs"):
        check_callback(["seed=1", word])
    check_callback(["+hydra.callbacks.mine._target_=mine.Mine"])
