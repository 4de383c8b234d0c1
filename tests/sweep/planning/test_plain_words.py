"""Flags and words without `=`: one line that says what was probably meant."""

import pytest

from command import train_here
from segsweep.cli.main import app
from segsweep.errors import ConfigError
from segsweep.sweep.planning.plain_words import LOOKING, check_plain_words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--hlep", "--hlep: no such flag; did you mean '--help'?; "),
        ("-m --plan", "--plan: no such flag; keys are set without dashes: plan=true; "),
        ("--time-limit=9", "--time-limit=9: no such flag; keys are set without dashes: time_"),
        ("-M", "-M: no such flag; did you mean '-m'?; "),
        ("-x", "-x: no such flag; `segsweep-train --help` "),
        ("--config-dir nowhere", "--config-dir nowhere: no such folder"),
        ("-m --cfg job", "-m, --cfg: give one of them; what -m would run: plan=true"),
        ("--config-dir", "--config-dir: needs a value: --config-dir <folder>"),
        ("--cfg --resolve", "--cfg: needs a value: --cfg job | hydra | all"),
        ("--cfg jbo", "--cfg jbo: allowed are job, hydra, all; did you mean 'job'?"),
        ("help", "help: a flag: segsweep-train --help"),
        ("status main", "status: a command of segsweep: segsweep status"),
        ("model unet", "model: needs a value: model=<option>, one of deeplabv3, fcn, "),
        ("plan", "plan: needs a value: plan=true"),
        ("preflight", "preflight: needs a value: preflight=false"),
        ("seed 1", "seed: needs a value: seed=<value>"),
        ("model:unet", "model:unet: written with =: model=unet"),
        ("-m unet", "unet: not key=value; did you mean model=unet?"),
        ("-m notebook", "notebook: not key=value; did you mean trainer=notebook or exper"),
        ("-m model=unet, unet2", "unet2: no space after a comma: model=unet,unet2"),
        ("sead", "sead: not key=value; did you mean 'seed'?; `segsweep-train --help` "),
        ("=", "=: no key before =; `segsweep-train --help` shows examples"),
        ("-m +=3", "+=3: no key before =; "),
        ("-cn engine", "-cn engine: a part of every config; leave it out"),
        ("--config-name base_config.yaml", "--config-name base_config.yaml: a part of every "),
        ("photos", "photos: not key=value; images in a folder: `segsweep data photos` says"),
    ],
)
def test_slips(tmp_path, monkeypatch, words, message):
    """Refused before Hydra reads the command line."""
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        check_plain_words(words.split())

    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "--cfg job",
        "--cfg=job --resolve",
        "-cd photos -m model=unet ~hydra.callbacks",
        "--info",
        "--info plugins",
        "--multi seed=0,1",
        "-sc query=bash",
        "-cn config +a=1 data.images=/a/b",
    ],
)
def test_right_words(tmp_path, monkeypatch, words):
    """Flags of Hydra, also shortened, with their values."""
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path)
    check_plain_words(words.split())


def test_commands_are_those_of_segsweep():
    """The list is complete."""
    names = [command.name or command.callback.__name__ for command in app.registered_commands]

    assert sorted(names) == sorted(LOOKING)


@pytest.mark.parametrize("words", [["-m", "--plan"], ["~model"]])
def test_a_slip_is_one_line_with_exit_code_2(tmp_path, monkeypatch, capsys, words):
    """Nothing is started, and the usage of Hydra's parser is not printed."""
    code = train_here(words, monkeypatch, tmp_path)

    assert code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not any(tmp_path.iterdir())
