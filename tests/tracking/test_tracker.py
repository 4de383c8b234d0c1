"""Trackers by name: what is missing is said, what has no effect is refused."""

import pytest

from command import refusal, train_here
from segsweep.config.schema import TrackerConfig
from segsweep.errors import ConfigError
from segsweep.store.paths import SweepPaths
from segsweep.system.installation import conf_folder
from segsweep.tracking import tracker
from segsweep.tracking.tracker import NEEDED, check_one_tracker, check_tracker, how_to_look

WAYS = {
    "single": (),
    "ours": ("-m", "seed=0,1"),
    "plan": ("-m", "seed=0,1", "plan=true"),
    "joblib": ("-m", "seed=0,1", "hydra/launcher=basic"),
    "basic": ("-m", "seed=0,1", "hydra/sweeper=basic"),
    "basic elsewhere": ("-m", "seed=0,1", "hydra/sweeper=basic", "hydra/launcher=basic"),
    "optuna": ("-m", "experiment=optuna_lr"),
    "search": ("-m", "search=lr"),
}


@pytest.mark.parametrize(
    ("name", "way"),
    [("tensorboard", "single"), ("wandb", "ours"), *(("mlflow", way) for way in WAYS)],
)
def test_missing_package_is_refused_in_one_line(name, way, monkeypatch, tmp_path, capsys):
    """In every way of running, before anything is written."""
    monkeypatch.setattr(tracker, "NEEDED", {name: ("no_such_package",)})
    code = train_here([*WAYS[way], f"tracker={name}"], monkeypatch, tmp_path)

    line = refusal((code, *capsys.readouterr()))
    assert line == f"tracker={name}: not installed; pip install 'segsweep[{name}]'"
    assert not (tmp_path / "outputs").exists()


def test_folder_of_that_name_is_no_package(monkeypatch, tmp_path):
    """`wandb` writes a folder wandb/, which Python takes for a package without files."""
    monkeypatch.setattr(tracker, "NEEDED", {"wandb": ("only_a_folder",)})
    (tmp_path / "only_a_folder").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))

    with pytest.raises(ConfigError, match="not installed"):
        check_tracker(TrackerConfig(name="wandb"))


def test_mode_is_for_weights_and_biases_only():
    """Elsewhere it would have no effect."""
    with pytest.raises(ConfigError, match=r"tracker\.mode=online: only with tracker=wandb"):
        check_tracker(TrackerConfig(name="tensorboard", mode="online"))


def test_one_tracker_per_command():
    """Two experiments of a command may choose different ones."""
    trackers = [TrackerConfig(name=name) for name in ("none", "mlflow", "none")]
    with pytest.raises(ConfigError, match="experiments choose mlflow and none"):
        check_one_tracker(trackers)
    check_one_tracker([TrackerConfig(), TrackerConfig()])
    check_one_tracker([])


@pytest.mark.parametrize("words", ["tracker=none,mlflow", "tracker.name=none,mlflow"])
def test_trackers_cannot_be_swept(words, monkeypatch, tmp_path, capsys):
    """A tracker applies to the whole command."""
    code = train_here(["-m", words], monkeypatch, tmp_path)

    assert "only one value is allowed" in refusal((code, *capsys.readouterr()))


def test_every_tracker_is_an_option(tmp_path):
    """The files of conf/tracker are the names that the key takes, and each can be looked at."""
    options = {file.stem for file in (conf_folder() / "tracker").glob("*.yaml")}
    places = {
        "tensorboard": "tensorboard --logdir out/a/tensorboard",
        "mlflow": "mlflow ui --backend-store-uri sqlite:///out/mlflow.db",
        "wandb": "wandb leet out/a/wandb",
    }

    assert options == {"none", *NEEDED} == {"none", *places}
    for name, words in places.items():
        assert how_to_look(TrackerConfig(name=name), SweepPaths(tmp_path / "x/out/a")).endswith(
            words.partition("out/")[2]
        )
