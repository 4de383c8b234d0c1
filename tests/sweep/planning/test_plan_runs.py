"""All runs of a command are planned, or one error names all that do not fit."""

import pytest

from command import TINY
from segsweep.errors import ConfigError
from segsweep.plugins.register import register_schema
from segsweep.sweep.planning.expand import expand
from segsweep.sweep.planning.plan_runs import plan_all


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Return a function: words -> the planned runs of a `-m` command."""
    from hydra import initialize_config_dir

    from segsweep.system.installation import conf_folder

    register_schema()
    monkeypatch.chdir(tmp_path)
    with initialize_config_dir(str(conf_folder()), job_name="test"):
        yield lambda *words: plan_all(expand([*TINY, *words]))[0]


def test_every_run_is_planned_once(plan):
    """The same run requested twice counts once; the order is that of the command."""
    runs = plan("loss=bce,dice", "seed=0,1,0")

    assert [run.name.rpartition("-")[0] for run in runs] == [
        f"unet2-{loss}-s{seed}" for loss in ("bce", "dice") for seed in (0, 1)
    ]


def test_one_error_lists_every_reason_once(plan, tmp_path):
    """With the runs that have it; nothing is decoded or written."""
    with pytest.raises(ConfigError) as caught:
        plan("optimizer.lr=0.1,-1", "threshold=0.5,2")
    threshold, rate = str(caught.value).splitlines()

    assert threshold.startswith("threshold=2.0: must be ")
    assert threshold.endswith(" [in optimizer.lr=0.1 threshold=2; optimizer.lr=-1 threshold=2]")
    assert rate == (
        "optimizer.lr=-1.0: must be > 0 "
        "[in optimizer.lr=-1 threshold=0.5; optimizer.lr=-1 threshold=2]"
    )
    assert list(tmp_path.iterdir()) == []


def test_reason_of_all_runs_names_none(plan):
    """Four of four runs have it: no list of runs."""
    with pytest.raises(ConfigError) as caught:
        plan("seed=0,1", "loss=bce,dice", "optimizer.lr=-1")

    assert "[in" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_problems_of_all_splits_are_said_together(plan, tmp_path):
    """Each with its runs; what all have is said once."""
    with pytest.raises(ConfigError) as caught:
        plan("data.split.fold=0,7,8", "seed=0,1")
    seven, eight = str(caught.value).splitlines()
    with pytest.raises(ConfigError) as caught:
        plan("data.split.train=20", "seed=0,1")

    assert seven == (
        "error: data.split.fold=7: must be below data.split.folds, which is 5 "
        "[in data.split.fold=7 seed=0; data.split.fold=7 seed=1]"
    )
    assert eight.startswith("error: data.split.fold=8: ")
    assert str(caught.value).startswith("data.split: wants 20 train, 6 val and 6 test images")
    assert "[in" not in str(caught.value)


def test_more_than_three_runs_are_counted(plan):
    """Three are named, the others counted."""
    with pytest.raises(ConfigError) as caught:
        plan("seed=0,1,2,3,4", "optimizer.lr=0.1,-1")

    assert str(caught.value).endswith("seed=2 optimizer.lr=-1 and 2 more]")
