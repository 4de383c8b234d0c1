"""A file of the user that Hydra would ignore for a built-in one is refused, in every command."""

import pytest

from command import TINY, refusal, train_here
from segsweep.errors import ConfigError
from segsweep.sweep.planning.shadowed import check_folders, check_words
from segsweep.system.installation import conf_folder

MINE = "_target_: torch.nn.BCEWithLogitsLoss\n"


@pytest.fixture
def mine(tmp_path):
    """Write a folder with an option of its own and one with the name of a built-in option."""
    folder = tmp_path / "mine"
    (folder / "loss").mkdir(parents=True)
    for name in ("bce", "another"):
        (folder / "loss" / f"{name}.yaml").write_text(MINE)
    return folder


COMMANDS = {
    "one run": ("--config-dir=mine", "loss=bce"),
    "the config": ("--config-dir", "mine", "--cfg", "job"),
    "another option chosen": ("-cd", "mine", "loss=another"),
    "shortened": ("--config-d=mine",),
    "sweep": ("-m", "--config-dir", "mine", "loss=bce,dice", "plan=true"),
    "search": ("-m", "--config-dir", "mine", "experiment=optuna_lr"),
    "search path": ("hydra.searchpath=[mine]", "loss=bce"),
    "path as an address": ("hydra.searchpath=['file://mine']",),
    "from the environment": ("hydra.searchpath=['${oc.env:MINE}']",),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_refuse_it(name, mine, tmp_path, monkeypatch, capsys):
    """One line that names the file, exit code 2, and nothing is written."""
    monkeypatch.setenv("MINE", "mine")
    words = COMMANDS[name]
    code = train_here([*words, *(() if "--cfg" in words else TINY)], monkeypatch, tmp_path)
    captured = capsys.readouterr()

    assert refusal((code, captured.out, captured.err)) == (
        "mine/loss/bce.yaml: bce is segsweep's own option and would be used instead; "
        "choose another name"
    )
    assert list(tmp_path.iterdir()) == [mine]


@pytest.mark.parametrize("words", [("--config-dir", "mine"), ("hydra.searchpath=[mine]",)])
def test_checking_data_refuses_it(words, mine, segsweep):
    """`segsweep data` takes the folder in both ways too."""
    assert refusal(segsweep("data", *words)).startswith("mine/loss/bce.yaml: bce is segsweep's own")


def test_every_built_in_file_counts(tmp_path):
    """Of each group, at the top, of Hydra's part; Hydra's own files too."""
    names = [file.relative_to(conf_folder()) for file in conf_folder().rglob("*.yaml")]
    for name in names:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        with pytest.raises(ConfigError) as caught:
            check_folders([tmp_path])
        file.unlink()

        assert str(caught.value).startswith(f"{file}: {file.stem} is segsweep's own option")
    (tmp_path / "hydra/job_logging").mkdir()
    (tmp_path / "hydra/job_logging/none.yaml").touch()
    with pytest.raises(ConfigError, match="none is Hydra's own option"):
        check_folders([tmp_path])
    assert {"engine.yaml", "config.yaml", "loss/bce.yaml"} <= {name.as_posix() for name in names}


def test_several_files_are_counted(mine):
    """One line, however many there are."""
    (mine / "engine.yaml").touch()

    with pytest.raises(ConfigError, match=r"another name \(and 1 more such files\)$"):
        check_folders([mine])


def test_options_of_other_names_are_free(mine, tmp_path):
    """So are other files and groups, segsweep's own folder, and what Hydra itself refuses."""
    (mine / "loss/bce.yaml").unlink()
    (mine / "mygroup").mkdir()
    (mine / "mygroup/bce.yaml").touch()
    (mine / "hydra/launcher").mkdir(parents=True)
    (mine / "hydra/launcher/joblib.yaml").touch()  # used instead of the plugin's
    check_words([f"--config-dir={mine}", "loss=another"])
    check_words([])
    check_words([f"--config-dir={conf_folder()}", "hydra.searchpath=[pkg://hydra.conf]"])
    check_words(
        ["hydra.searchpath=[pkg://nowhere.conf]", "hydra.searchpath=[", "hydra.searchpath=1"]
    )
