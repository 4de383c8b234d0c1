"""Commands of segsweep 0.1.0 ask for the same runs today: every option, most keys."""

import json
from pathlib import Path

import pytest

from command import train_here
from compatibility.make_ids import COMMANDS, words_of, write_data
from segsweep.sweep import session
from segsweep.system.installation import conf_folder

IDS = json.loads((Path(__file__).parent / "ids_0_1_0.json").read_text())

OPTIONS = {
    "model": "deeplabv3 fcn lraspp segnet unet unet2 unet3",
    "loss": "bce bce_ss dice dice_bce focal focal_lin focal_tversky jaccard lovasz soft_dice ss "
    "tversky",
    "optimizer": "adam adamw sgd",
    "scheduler": "cosine none onecycle plateau",
    "augment": "dermoscopy flips none",
    "data": "folder ph2",
    "trainer": "default notebook quick",
    "experiment": "demo notebook optuna_lr",
}
OF_THE_RELEASE = {f"{group}={name}" for group in OPTIONS for name in OPTIONS[group].split()}
"""The options of 0.1.0; `data=synthetic`, its default, was not named yet in its commands."""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """Return a folder with the images that the commands name."""
    folder = tmp_path_factory.mktemp("ids")
    write_data(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_ids_are_those_of_the_release(workplace, monkeypatch, name):
    """An id that changes makes a finished run of somebody's sweep start from scratch.

    The release resized in the way that is now called classic.
    """
    code = train_here([*words_of(name), "data.resize=classic"], monkeypatch, workplace)

    assert code == 0
    assert sorted(run.name for run in session.current.planned) == IDS[name]


@pytest.mark.parametrize(
    ("name", "as_before"),
    [("seeds", 12), ("sizes", 1), ("notebook", 8), ("folder", 0)],
)
def test_ids_change_only_with_the_pixels(workplace, monkeypatch, name, as_before):
    """Without a word on resizing: as before are the notebook's runs and what is not resized."""
    code = train_here([*words_of(name), "sweep=now"], monkeypatch, workplace)
    runs = [run.name for run in session.current.planned]

    assert code == 0
    assert len(runs) == len(IDS[name])
    assert len(set(runs) & set(IDS[name])) == as_before


def test_every_option_of_the_release_has_an_id():
    """The commands name all options of 0.1.0, except the search; there may be later options."""
    words = [word for command in COMMANDS.values() for word in command]
    named = {
        f"{group}={option}"
        for group in OPTIONS
        for word in words
        if word.startswith(f"{group}=")
        for option in word.partition("=")[2].split(",")
    }
    options = {
        f"{path.parent.name}={path.stem}"
        for group in OPTIONS
        for path in (conf_folder() / group).glob("*.yaml")
    }

    assert OF_THE_RELEASE - named == {"experiment=optuna_lr"}
    assert options >= OF_THE_RELEASE
    assert named <= options
