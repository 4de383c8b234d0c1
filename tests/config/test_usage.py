"""`segsweep-train --help` and `--version`: short, fast, and made from conf/ and the schema."""

import os
import shlex
import subprocess
import sys

import pytest
import yaml

import segsweep
from command import ROOT, train_here
from segsweep.config.schema import CommandConfig, Config
from segsweep.config.usage import COMMAND_KEYS, EXAMPLES, usage

HINTS = {*Config.__annotations__, *CommandConfig.__annotations__} - {"model", "loss", "data"}


@pytest.mark.parametrize("width", [60, 80, 200])
@pytest.mark.parametrize("program", ["segsweep-train", "train.py"])
def test_help_names_every_option_and_fits(width, program, monkeypatch):
    """Every file of conf/ is named, and every key of a command; lines are at most 100 wide."""
    monkeypatch.setattr(sys, "argv", [program])
    text = usage([], width)
    lines = text.splitlines()
    of = {words[0]: words for words in (line.replace(",", "").split() for line in lines) if words}
    flat = {word.rstrip("*") for word in text.replace(",", " ").split()}
    options = sorted((ROOT / "conf").glob("[!h]*/*.yaml"))

    assert len(options) > 30
    assert [path for path in options if path.stem not in flat] == []
    assert [key for key in COMMAND_KEYS if key not in of] == []
    assert "unet2*" in text.replace(",", " ").split()
    assert "model" in of
    long = [line for line in lines if len(line) > min(width, 100)]
    assert [line for line in long if "mask_name" not in line and "/conf/" not in line] == []


def test_examples_of_the_help_name_options_and_keys_that_exist():
    """Each word is a flag, an existing option of a group, or a key of the schema or the option."""
    words = [word for example in EXAMPLES.values() for word in shlex.split(example)]
    folder = yaml.safe_load((ROOT / "conf/data/folder.yaml").read_text())
    known = {*HINTS, *(f"data.{key}" for key in folder)}
    for word in words:
        key, equals, value = word.partition("=")
        options = [ROOT / "conf" / key / f"{one}.yaml" for one in value.split(",")]

        assert word == "-m" or equals
        assert word == "-m" or key in known or all(path.is_file() for path in options), word


def test_help_lists_options_of_the_users_folder(tmp_path):
    """--config-dir adds its options to their group, by either form of the flag."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "mynet.yaml").write_text("_target_: mypackage.MyNet\n")

    for words in (["--config-dir", str(tmp_path)], [f"--config-dir={tmp_path}"]):
        assert ", mynet" in usage(words, 100)


@pytest.mark.parametrize("words", [["--version"], ["-h"], ["model=unet", "--help"]])
def test_help_and_version_start_nothing(tmp_path, monkeypatch, capsys, words):
    """Exit code 0; the version is segsweep's, not Hydra's."""
    code = train_here(words, monkeypatch, tmp_path)
    out = capsys.readouterr().out

    assert code == 0
    assert not any(tmp_path.iterdir())
    assert out == f"{segsweep.__version__}\n" or out.startswith("usage: segsweep-train [-m]")


def test_help_imports_neither_torch_nor_hydra(tmp_path):
    """The help is there at once."""
    code = (
        "import sys; sys.argv = ['segsweep-train', '--help']\n"
        "from segsweep.train import run_command\n"
        "assert run_command() == 0\n"
        "print(sorted({'torch', 'hydra', 'pandas'} & {*sys.modules}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )

    assert done.stdout.splitlines()[-1] == "[]", done.stderr
