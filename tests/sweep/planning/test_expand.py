"""The words of a sweep become those of its runs; too many are refused before they are listed."""

import time

import pytest
from hydra import initialize_config_dir

from command import TINY, refusal, train_here
from segsweep.errors import ConfigError
from segsweep.plugins.register import register_schema
from segsweep.sweep import session
from segsweep.sweep.planning.expand import expand
from segsweep.system.installation import conf_folder


@pytest.fixture
def in_hydra():
    """Initialize Hydra, as inside its sweeper."""
    register_schema()
    with initialize_config_dir(str(conf_folder()), job_name="test"):
        yield


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (["seed=range(0,100000000)"], "100,000,000"),
        (["seed=range(0,100000)", "optimizer.lr=range(0.1,100,0.001)"], "9,990,000,000"),
        (["seed=range(0,200000,7)", "loss=bce,dice"], "57,144"),
        (["seed=shuffle(range(100000000))", "seed=range(20000)"], "20,000"),
        (["seed=range(20000,0,-1)"], "20,000"),
    ],
)
def test_too_many_runs_are_counted_not_listed(words, count):
    """The number is exact, and there at once; the message says how to allow it."""
    started = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        expand(words)
    plain = count.replace(",", "")

    assert time.monotonic() - started < 5
    assert str(caught.value) == (
        f"the command asks for {count} runs, more than max_runs=10000; "
        f"if that is meant, add max_runs={plain}"
    )


def test_the_limit_can_be_set():
    """As many as the limit are allowed."""
    assert len(expand(["seed=range(20)", "loss=bce,dice"], most=40)) == 40
    with pytest.raises(ConfigError, match="asks for 40 runs, more than max_runs=39"):
        expand(["seed=range(20)", "loss=bce,dice"], most=39)
    with pytest.raises(ConfigError, match=r"^seed=range\(10,0\): names no value"):
        expand(["seed=range(10,0)"])


@pytest.mark.parametrize("more", [(), ("hydra/sweeper=basic",), ("hydra.mode=MULTIRUN",)])
def test_a_slip_starts_nothing(more, monkeypatch, tmp_path, capsys):
    """In each way of sweeping: one line, exit code 2, no file."""
    first = [] if "hydra.mode=MULTIRUN" in more else ["-m"]
    words = [*first, *TINY, *more, "seed=range(0,20)", "max_runs=10"]
    code = train_here(words, monkeypatch, tmp_path)
    captured = capsys.readouterr()
    line = refusal((code, captured.out, captured.err))

    assert line.startswith("the command asks for 20 runs, more than max_runs=10; ")
    assert list(tmp_path.iterdir()) == []


def write_experiments(folder):
    """Write two experiments that each sweep something of their own."""
    (folder / "mine/experiment").mkdir(parents=True)
    for name, params in (("e1", "{seed: '0,1'}"), ("e2", "{seed: '1,2', loss: 'bce,dice'}")):
        text = f"# @package _global_\nhydra: {{sweeper: {{params: {params}}}}}\n"
        (folder / f"mine/experiment/{name}.yaml").write_text(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "runs"),
    [
        (("experiment=e1",), {"bce-s0", "bce-s1"}),
        (
            ("experiment=e1,e2",),
            {"bce-s0", "bce-s1", "bce-s2", "dice-s1", "dice-s2"},
        ),
        (("experiment=e1,e2", "seed=5"), {"bce-s5", "dice-s5"}),
    ],
)
def test_swept_experiments_bring_their_own_values(words, runs, monkeypatch, tmp_path):
    """All runs that each file asks for; the command line wins, and equal runs are one."""
    write_experiments(tmp_path)
    command = ["-m", *TINY, f"--config-dir={tmp_path / 'mine'}", "plan=true", "preflight=false"]
    assert train_here([*command, *words], monkeypatch, tmp_path) == 0
    names = {run.name.partition("-")[2].rpartition("-")[0] for run in session.current.planned}

    assert names == runs


def test_swept_experiments_with_the_basic_sweeper_are_refused(monkeypatch, tmp_path, capsys):
    """It would ignore their values."""
    write_experiments(tmp_path)
    words = ["-m", *TINY, f"--config-dir={tmp_path / 'mine'}", "hydra/sweeper=basic"]
    code = train_here([*words, "experiment=e1,e2"], monkeypatch, tmp_path)
    captured = capsys.readouterr()

    assert "leave out hydra/sweeper=basic" in refusal((code, captured.out, captured.err))


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        ([], [[]]),
        (["seed=3"], [["seed=3"]]),
        (
            ["a=1,2", "b=x", "c=u,v"],
            [
                *(["a=1", "b=x", "c=u"], ["a=1", "b=x", "c=v"]),
                *(["a=2", "b=x", "c=u"], ["a=2", "b=x", "c=v"]),
            ],
        ),
        (["seed=range(3)"], [["seed=0"], ["seed=1"], ["seed=2"]]),
        (["a=choice(3)"], [["a=3"]]),
        (["size=[4,8],[8,16]"], [["size=[4,8]"], ["size=[8,16]"]]),
        (["lr=1e-3,1"], [["lr=0.001"], ["lr=1"]]),
        (["+a='x,y',null"], [["+a='x,y'"], ["+a=null"]]),
        (["~a", "b=1"], [["~a=null", "b=1"]]),
        (["loss=glob(bce*)"], [["loss=bce"], ["loss=bce_ss"]]),
    ],
)
def test_expanded_command_lines(words, runs, in_hydra):
    """The product of the swept values, the last key changing fastest, in Hydra's notation."""
    assert expand(words) == runs


def test_command_line_wins_over_the_sweepers_own_values():
    """The sweeper's values come first; the same key on the command line replaces them."""
    params = {"seed": "0,1", "loss": "bce"}

    assert expand(["seed=7", "model=unet"], params) == [["seed=7", "loss=bce", "model=unet"]]
    assert expand([], params) == [["seed=0", "loss=bce"], ["seed=1", "loss=bce"]]


def test_interval_is_refused_outside_a_search():
    """An interval is not a list of runs."""
    with pytest.raises(ConfigError, match=r"^optimizer.lr=interval\(0,1\): .*=optuna_lr"):
        expand(["optimizer.lr=interval(0,1)"])
