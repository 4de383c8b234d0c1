"""Runs are composed fast, and every result equals that of Hydra."""

import itertools
from functools import cache

import hydra
import pytest
from hydra import initialize_config_dir
from hydra.errors import HydraException
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from segsweep.config.schema import OPTION_NODES
from segsweep.plugins.register import register_schema
from segsweep.sweep.planning import compose as module
from segsweep.sweep.planning.compose import Composer, compose, resolve
from segsweep.sweep.planning.expand import expand
from segsweep.system.installation import conf_folder

OPTIONS = {
    group.name: sorted(path.stem for path in group.glob("*.yaml"))
    for group in conf_folder().iterdir()
    if group.name in (*OPTION_NODES, "trainer", "experiment")
}


@pytest.fixture(scope="module", autouse=True)
def in_hydra():
    """Initialize Hydra, as inside its sweeper."""
    register_schema()
    with initialize_config_dir(str(conf_folder()), job_name="test"):
        yield


@pytest.fixture(scope="module")
def composer():
    """Return one composer for all tests: a command line must not affect the next one."""
    return Composer()


@pytest.fixture
def asked(monkeypatch):
    """Return a list that records what Hydra itself composes."""
    words = []

    def spy(overrides):
        words.append(list(overrides))
        return compose(overrides)

    monkeypatch.setattr(module, "compose", spy)
    return words


@cache
def by_hydra(*words):
    """Return what Hydra composes from a command line, or what it raises."""
    try:
        cfg = compose(words)
        return resolve(cfg), dict(cfg.hydra.runtime.choices)
    except Exception as error:
        return type(error), str(error)


def by_composer(composer, *words):
    """Return what the composer composes from a command line, or what it raises."""
    try:
        return composer.composed(words)
    except Exception as error:
        return type(error), str(error)


def same(composer, *words):
    """Assert equal values, types, order and choices of both ways; return them."""
    expected, found = by_hydra(*words), by_composer(composer, *words)
    assert repr(found) == repr(expected)
    return found


def test_reference_is_hydras_own_function():
    """The reference of the other tests is `hydra.compose`, resolved by OmegaConf."""
    words = ["model=unet", "loss=focal", "loss.gamma=3", "seed=2"]
    cfg = hydra.compose("config", words, return_hydra_config=True)
    task = OmegaConf.masked_copy(cfg, [key for key in cfg if key != "hydra"])

    assert by_hydra(*words) == (
        OmegaConf.to_container(task, resolve=True),
        dict(cfg.hydra.runtime.choices),
    )
    assert by_hydra(*words)[0]["loss"]["gamma"] == 3


PLAIN = {
    "nothing": [],
    "whole number": ["seed=3"],
    "quoted number": ['seed="3"'],
    "exponent": ["optimizer.lr=1e-3", "optimizer.weight_decay=1E2"],
    "whole number for a number": ["threshold=1", "data.split.train=100"],
    "whole number where any value goes": ["optimizer.lr=1"],
    "no number": ["optimizer.lr=nan", "threshold=inf"],
    "null": ["trainer.early_stop=null", "data.split.fold=null"],
    "instead of null": ["trainer.early_stop=5", "data.split.fold=2", "data.split.file=a.csv"],
    "true and false": ["trainer.compile=true", "data.split.keep_groups=False"],
    "list": ["data.size=[64,96]", "model.channels=[4,4]", "allow=[mine,yours]"],
    "empty list": ["model.channels=[]", "search.filled=[]"],
    "text with a space": ["sweep='my sweep'"],
    "text with signs": ['data.split.file="a,b: [c].csv"'],
    "letters": ["sweep='Läsion-2'"],
    "escaped": [r"sweep=a\,b", r"outputs='c\${seed}'"],
    "section as dict": ["data.split={train: 0.6, val: 0.2}", "trainer={epochs: 3}"],
    "option as dict": ["optimizer={lr: 0.1}", "model={channels: [2, 2]}"],
    "dict, then key": ["trainer={epochs: 3, batch: 2}", "trainer.epochs=4"],
    "key, then dict": ["trainer.epochs=4", "trainer={epochs: 3}"],
    "twice": ["seed=1", "seed=2"],
    "added": ["+optimizer.amsgrad=true", "+optimizer.betas=[0.9,0.99]", "+extra=1"],
    "added section": ["+extra={a: 1, b: {c: '${seed}'}}", "seed=2", "extra.b.c=3"],
    "added and set": ["+extra=1", "extra=2"],
    "added or set": ["++optimizer.lr=0.1", "++optimizer.eps=1e-9"],
    "before its option": ["loss.gamma=3", "model.channels=[2,2]", "loss=focal", "model=unet"],
    "looked at by another section": ["data.channels=1"],
    "instead of an interpolation": ["model.in_channels=7", "data.channels=1"],
    "interpolation": ["seed=${trainer.batch}", "trainer.batch=7"],
    "of a list": ["model.channels=${data.size}", "data.size=[8,16]"],
    "of a section": ["+optimizer.extra=${evaluate}", "evaluate.at=train"],
    "in its own section": ["optimizer.weight_decay=${optimizer.lr}", "optimizer.lr=0.3"],
    "chain": ["trainer.epochs=${trainer.batch}", "trainer.batch=${seed}", "seed=9"],
    "text and interpolation": ["sweep=a_${seed}_${trainer.epochs}", "seed=4"],
    "relative": ["trainer.batch=${.epochs}", "optimizer.weight_decay=${..seed}", "seed=3"],
    "brackets": ["trainer.batch=${trainer[epochs]}", "trainer.epochs=3"],
    "nested": ["seed='${trainer.${sweep}}'", "sweep=batch"],
    "environment": ["sweep=${oc.env:OF_THE_TEST}"],
    "if there is such a key": ["sweep=${oc.select:seed}", "outputs=${oc.select:nowhere,here}"],
    "Hydra's own": ["hydra.verbose=true", "seed=3"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN)
def test_plain_values_are_set_as_hydra_sets_them(composer, asked, monkeypatch, name):
    """The same values, types and order; Hydra itself only composes the options."""
    monkeypatch.setenv("OF_THE_TEST", "here")
    words = PLAIN[name]
    values, _ = same(composer, *words)
    choices = [word for word in words if word.startswith(("model=u", "loss=f", "hydra."))]

    assert isinstance(values, dict)
    assert asked in ([], [choices])


COMPLEX = {
    "deleted": ["~optimizer.weight_decay"],
    "deleted option": ["~augment"],
    "item of a list": ["model.channels[0]=3"],
    "item by a dot": ["model.channels.1=3"],
    "dict instead of an interpolation": ["model.in_channels={a: 1}"],
    "into an interpolation": ["+data.again=${data.split}", "data.again={fold: 1}"],
    "into another section": ["+optimizer.more=${data.split}", "optimizer.more={fold: 1}"],
    "new sections": ["+some.thing.new=1"],
    "two options": ["loss=[bce,dice]"],
    "experiment": ["experiment=demo", "trainer.epochs=2"],
    "experiment and option": ["experiment=demo", "model=unet", "data.size=32"],
    "search": ["experiment=optuna_lr", "seed=1"],
    "below an interpolation": ["+extra=${trainer}", "++extra.epochs=7"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPLEX)
def test_complex_overrides_equal_hydras_result(composer, name):
    """Deletions, indices, experiments."""
    values, _ = same(composer, *COMPLEX[name])

    assert isinstance(values, dict)


@pytest.mark.filterwarnings("ignore:extend_list")
def test_deprecated_grammar_is_left_to_hydra(composer):
    """Hydra's result, or its error if deprecations are errors."""
    same(composer, "model.channels=extend_list(seed)", "seed=2")


WRONG = {
    "text for a number": ["seed=abc"],
    "quoted text for a number": ['seed="abc"'],
    "half": ["trainer.epochs=1.5"],
    "null where none is allowed": ["seed=null"],
    "list for a value": ["seed=[1]"],
    "dict for a value": ["seed={a: 1}"],
    "value for a list": ["allow=mine"],
    "value for a section": ["evaluate=3"],
    "unknown key": ["sead=3"],
    "unknown key of a section": ["trainer.epoch=3"],
    "unknown key of an option": ["loss=bce", "loss.gamma=3"],
    "below a value": ["optimizer.lr.more=1"],
    "below null": ["data.split.fold.more=1"],
    "added though there": ["+seed=3"],
    "unknown option": ["loss=dise"],
    "option that is no text": ["model=3"],
    "unknown group": ["optimiser=sgd"],
    "added option": ["++loss=bce"],
    "another package": ["optimizer@second=sgd"],
    "several values": ["seed=1,2"],
    "several values of any type": ["optimizer.lr=1,2"],
    "several options": ["model=unet,unet2"],
    "an interval": ["optimizer.lr=interval(0,1)"],
    "nothing to delete": ["~nothing"],
    "no such interpolation": ["seed=${nowhere}"],
    "interpolation of another type": ["trainer.batch=${sweep}"],
    "circle": ["seed=${trainer.batch}", "trainer.batch=${seed}"],
    "no such variable": ["sweep=${oc.env:NOT_SET_IN_THE_TEST}"],
    "Hydra's own": ["hydra.nothing=1"],
    "nonsense": ["what is this"],
    "broken": ["seed=[1", "loss=dice"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_errors_are_hydras_own(composer, name):
    """The same error with the same text, also after a valid command line."""
    same(composer, "seed=4")
    kind, text = same(composer, *WRONG[name])

    assert issubclass(kind, Exception)
    assert text


@pytest.mark.slow
@pytest.mark.parametrize("number", range(max(map(len, OPTIONS.values()))))
def test_every_option_of_every_group(composer, number):
    """One option of each group per command line, together with values."""
    groups = {name: files for name, files in OPTIONS.items() if name != "experiment"}
    chosen = [f"{group}={files[number % len(files)]}" for group, files in groups.items()]
    values, choices = same(composer, *chosen, f"seed={number}", "data.size=32")

    assert (values["seed"], values["data"]["size"]) == (number, 32)
    assert choices.items() >= {tuple(word.split("=")) for word in chosen}


def test_options_are_found():
    """The test above would pass with no options at all."""
    assert set(OPTIONS) == {*OPTION_NODES, "trainer", "experiment"}
    assert len(OPTIONS["model"]) >= 4
    assert len(OPTIONS["loss"]) >= 5


def test_groups_and_options_of_the_users_own_folder(composer, tmp_path):
    """An option with an interpolation, an experiment and a group from another folder."""
    for name, text in {
        "loss/mine.yaml": "_target_: mine.Loss\nalpha: ${optimizer.lr}\nbeta: 2\n",
        "extra/one.yaml": "a: 1\n",
        "experiment/ours.yaml": "# @package _global_\ndefaults: [override /loss: mine]\nseed: 5\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    place = f"hydra.searchpath=['file://{tmp_path}']"
    loss = same(composer, place, "loss=mine", "optimizer.lr=0.5", "loss.beta=3")[0]["loss"]
    refused, _ = same(composer, place, "+extra=one", "seed=3")  # the schema has no such section
    experiment = same(composer, place, "experiment=ours", "threshold=0.6")

    assert loss == {"_target_": "mine.Loss", "alpha": 0.5, "beta": 3}
    assert issubclass(refused, HydraException)
    assert (experiment[0]["seed"], experiment[1]["loss"]) == (5, "mine")


KEYS = {
    "seed": st.integers(0, 9),
    "threshold": st.sampled_from([0.25, "1e-1", 1]),
    "sweep": st.sampled_from(["a", "'b c'", "x_${seed}", "${model.in_channels}"]),
    "trainer.batch": st.sampled_from([1, 2, "${seed}", "${trainer.epochs}", "two"]),
    "trainer.epochs": st.sampled_from([1, '"2"', "${data.count}", "${.batch}"]),
    "trainer.early_stop": st.sampled_from(["null", 3, "${trainer.epochs}"]),
    "data.channels": st.sampled_from([1, 3, "${evaluate.at}"]),
    "data.size": st.sampled_from([32, "[32,64]", "${model.channels}"]),
    "data.split": st.sampled_from(["{train: 0.6}", "{fold: ${seed}}", "3"]),
    "data.count": st.integers(1, 9),
    "model.channels": st.sampled_from(["[2,2]", "[${seed},4]", "null"]),
    "optimizer.lr": st.sampled_from([1, 0.5, "1e-3", "${threshold}", "${optimizer.weight_decay}"]),
    "+optimizer.amsgrad": st.booleans(),
    "++loss.gamma": st.sampled_from([2, "{a: 1}"]),
    "~optimizer.weight_decay": st.none(),
    "model": st.sampled_from(["unet", "unet2"]),
    "loss": st.sampled_from(["bce", "focal"]),
}


@pytest.mark.slow
@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_command_line(composer, data):
    """Keys in any order and number, with valid and invalid values."""
    keys = data.draw(st.lists(st.sampled_from(sorted(KEYS)), max_size=6))
    values = [data.draw(KEYS[key]) for key in keys]
    words = [
        key if value is None else f"{key}={value}" for key, value in zip(keys, values, strict=True)
    ]
    same(composer, *words)


def test_hydra_composes_once_per_choice_of_options(asked):
    """A thousand runs of two networks and two losses are four compositions."""
    composer = Composer()
    runs = expand(["model=unet,unet2", "loss=bce,focal", "seed=range(250)", "trainer.epochs=3"])
    found = [composer.composed(words)[0] for words in runs]
    different = {(run["model"]["_target_"], run["loss"]["_target_"], run["seed"]) for run in found}

    assert len(runs) == 1000
    assert len(different) == 1000
    assert {run["trainer"]["epochs"] for run in found} == {3}
    pairs = itertools.product(("unet", "unet2"), ("bce", "focal"))
    assert asked == [[f"model={model}", f"loss={loss}"] for model, loss in pairs]


def test_interpolation_follows_the_value_of_each_run(asked):
    """A value that refers to a swept key differs in each run, although Hydra composes once."""
    runs = expand(["seed=0,1,2", "optimizer.weight_decay=${seed}", "sweep=s${trainer.epochs}"])
    composer = Composer()
    found = [composer.composed(words)[0] for words in runs]

    assert [run["optimizer"]["weight_decay"] for run in found] == [0, 1, 2]
    assert {run["sweep"] for run in found} == {"s40"}
    assert asked == [[]]


def test_composing_works_after_hydra_has_ended(monkeypatch):
    """For example after Hydra refused the command line, to compute a better message."""
    from hydra.core.global_hydra import GlobalHydra

    live = GlobalHydra.instance().hydra
    GlobalHydra.instance().clear()
    try:
        found = Composer().composed(["model=unet", "seed=3"])
    finally:
        GlobalHydra.instance().clear()
        GlobalHydra.instance().hydra = live

    assert repr(found) == repr(by_hydra("model=unet", "seed=3"))
