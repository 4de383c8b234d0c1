"""The command that `segsweep show` prints runs exactly the same run."""

import json
import shlex
from pathlib import Path

import pytest

from command import TINY, train_here
from conftest import compose_here
from segsweep.cli.main import compose_values
from segsweep.cli.reproduce import command_of, value_text
from segsweep.store.paths import RunPaths
from segsweep.store.records import config_text, write_config_text
from segsweep.sweep.planning.plan import plan_run

SMALL = ("data.count=24", "data.side=32", "data.size=32")
OVERRIDES = [
    (),
    ("loss=focal", "loss.gamma=3", "seed=7", "model=unet", "model.channels=[4,8]"),
    ("experiment=demo", "trainer.batch=4", "optimizer.lr=1e-5"),
    ("trainer=notebook", "trainer.batch=4", "optimizer=sgd", "scheduler=none", "augment=none"),
    ("data.channels=1", "data.split.fold=2", "trainer.early_stop=3", "threshold=0.4", "threads=1"),
    ("~optimizer.weight_decay", "optimizer.lr=3", "model=segnet"),
    ("kind=trial", "search.filled=[optimizer.lr]", "optimizer.lr=0.0123", "keep=none"),
    ("sweep='it is 1'", "loss=tversky", "+optimizer.betas=[0.8,0.9]", "trainer.precision=float32"),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("outputs", "overrides"),
    [*(("outputs", one) for one in OVERRIDES), ("ein Ort's ü", OVERRIDES[-1])],
)
def test_command_composes_to_the_same_run(overrides, outputs, tmp_path, monkeypatch):
    """The command line, split like a shell does, gives the same id in the same folder."""
    monkeypatch.chdir(tmp_path)
    quoted = outputs.replace("'", "\\'")
    run = plan_run(*compose_here(*SMALL, *overrides, f"outputs='{quoted}'"))
    write_config_text(run.paths.config, config_text(run.config.values))
    words = shlex.split(command_of(run.paths, compose_values))
    again = plan_run(*compose_here(*words[3:]))
    run.paths.root.parents[1].rename("moved")
    there = shlex.split(command_of(RunPaths(Path("moved/runs") / run.name), compose_values))

    assert words[:3] == ["python", "-m", "segsweep.train"]
    assert again.config.run_id == run.config.run_id
    assert again.paths.root == run.paths.root
    assert again.config == run.config
    assert plan_run(*compose_here(*there[3:])).paths.root == Path("moved/runs") / run.name


@pytest.mark.slow
def test_the_command_of_a_finished_run_runs_it_again(tmp_path, monkeypatch, segsweep):
    """It is executed as `segsweep show` prints it: the run is done again, with equal numbers."""
    assert train_here([*TINY, "loss=dice", "trainer.epochs=1"], monkeypatch, tmp_path) == 0
    (run,) = (tmp_path / "outputs/main/runs").iterdir()
    first = json.loads((run / "result.json").read_text())
    _, shown, _ = segsweep("show", "unet2-dice-s0")
    words = shlex.split(shown.splitlines()[-1])
    code = train_here(words[3:], monkeypatch, tmp_path)
    again = json.loads((run / "result.json").read_text())

    assert words[3:5] == ["-m", "rerun=all"]
    assert code == 0
    assert (tmp_path / "outputs/main/earlier" / f"{run.name}-1" / "result.json").exists()
    assert again["started"] >= first["finished"]
    assert again["val_loss"] == pytest.approx(first["val_loss"])
    assert [path.name for path in (tmp_path / "outputs/main/runs").iterdir()] == [run.name]


@pytest.mark.parametrize(
    "value",
    [
        *("plain", "a b", "it's", "a\\", "\\'", "\\\\'x", 'say "no"', "null", "True", "1e5", "3"),
        *(
            "",
            " ",
            "ü",
            "ä,ö",
            "[x]",
            "{a: 1}",
            "a=b",
            "a:b",
            "~x",
            "/some where",
            "x#y",
            "$HOME",
        ),
        *(None, True, False, 3, -2, 0.1, 1e-05, 1e300, [1, "a b", None], [], [[1], ["it's"]]),
    ],
)
def test_hydra_parses_a_value_back(value):
    """For every kind of value in a config."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (parsed,) = OverridesParser.create().parse_overrides([f"key={value_text(value)}"])
    found = parsed.value()
    plain = json.loads(json.dumps(found, default=lambda quoted: quoted.text))

    assert plain == value
    assert type(plain) is type(value)


def test_command_names_the_folder_of_own_options(tmp_path, monkeypatch):
    """The --config-dir of the run's command is in the command that runs it again."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my conf" / "loss").mkdir(parents=True)
    text = "_target_: segsweep.losses.FocalLoss\ngamma: 5.0\n"
    (tmp_path / "my conf" / "loss" / "mine.yaml").write_text(text)
    run = plan_run(*compose_here(*SMALL, "hydra.searchpath=['my conf']", "loss=mine"))
    write_config_text(run.paths.config, config_text(run.config.values))
    run.paths.environment.write_text(json.dumps({"command": ["--config-dir", "my conf", "x=1"]}))
    words = shlex.split(command_of(run.paths, compose_values))

    assert words[3:5] == ["--config-dir", "my conf"]
    assert "loss=mine" in words
    assert not any(word.startswith("loss.") for word in words)
