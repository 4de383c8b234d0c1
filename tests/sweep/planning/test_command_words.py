"""What a command line may contain: one folder, one value per setting, `-m` for sweeps."""

import pytest

from segsweep.errors import ConfigError
from segsweep.plugins.register import register_schema
from segsweep.sweep.planning.command_words import (
    check_one_sweep,
    check_search,
    per_run,
    repeated_values,
)
from segsweep.sweep.planning.compose import compose


@pytest.fixture(autouse=True)
def schema():
    """Register the schema, which `conf/config.yaml` includes."""
    register_schema()


@pytest.mark.parametrize("word", ["sweep=a,b", "outputs=x,y"])
def test_several_folders_are_refused(word):
    """The error says what to do instead."""
    with pytest.raises(ConfigError) as caught:
        check_one_sweep(["model=unet,unet2", word])

    assert str(caught.value) == (
        f"{word}: only one folder is allowed per command; run a separate command for each"
    )


@pytest.mark.parametrize("word", ["slots=1,2", "plan=true,false", "rerun=none,all"])
def test_several_values_of_a_setting_are_refused(word):
    """Settings of the command are not values of a run."""
    with pytest.raises(ConfigError) as caught:
        check_one_sweep([word])

    assert str(caught.value) == (
        f"{word}: only one value is allowed, because it applies to the whole command"
    )


def test_swept_values_of_runs_are_accepted():
    """Groups, values, lists."""
    check_one_sweep(["model=unet,unet2", "seed=0,1", "data.size=[32,32]", "slots=2", "sweep=a"])


@pytest.mark.parametrize(
    ("words", "asked", "made", "line"),
    [
        (["seed=0,0,0"], 3, 1, "seed=0 is given 3 times: 1 run, not 3"),
        (["model=unet,unet", "seed=0,1"], 4, 2, "model=unet is given 2 times: 2 runs, not 4"),
        (
            ["model=unet,unet", "seed=0,0,1,1,1"],
            *(10, 2),
            "model=unet is given 2 times, seed=0 2 times, seed=1 3 times: 2 runs, not 10",
        ),
        (["seed=range(3)", "loss=bce"], 3, 3, None),
        (
            ["data.count=24,24.0"],
            *(2, 1),
            "2 combinations of values make 1 run: some are the same run",
        ),
    ],
)
def test_runs_that_are_asked_for_twice_are_told(words, asked, made, line):
    """One line says what was repeated and how many runs are made."""
    assert repeated_values(words, asked, made) == ([] if line is None else [line])


@pytest.mark.parametrize(
    ("words", "accepted"),
    [
        (["experiment=optuna_lr"], True),
        (["experiment=optuna_lr", "kind=run"], False),
        (["experiment=optuna_lr", "hydra.sweeper.direction=minimize"], False),
    ],
)
def test_search_maximizes_without_the_test_set(words, accepted):
    """Only trials never read the test set."""
    config = compose(words)
    if accepted:
        check_search(config)
    else:
        with pytest.raises(ConfigError, match="add experiment=optuna_lr"):
            check_search(config)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ["-m", "loss=focal,focal_lin", "loss.gamma=3"],
            ["-m", "loss=focal,focal_lin", "loss.gamma=choice(3)"],
        ),
        (["loss=focal,focal_lin", "loss.gamma=3"], None),
        (["-m", "loss=focal", "loss.gamma=3"], None),
        (["-m", "loss=focal,focal_lin", "optimizer.lr=3"], None),
        (["-m", "loss=focal,focal_lin", "loss.gamma=1,2"], None),
        (["-m", "model=unet,unet2", "model.channels=[4,4]"], None),
    ],
)
def test_values_below_a_swept_group_are_set_per_run(words, expected):
    """Only plain values below a group that is swept; None: unchanged."""
    assert per_run(words) == (expected or words)
