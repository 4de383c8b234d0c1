"""A frozen config is accepted unless it or its data have changed."""

import pytest
import yaml
from PIL import Image

from base_config import planner
from conftest import put, typed
from fake_data import blob
from segsweep.errors import ConfigError, DataError
from segsweep.sweep.planning.plan import freeze
from segsweep.training import dataset
from segsweep.training.frozen import check_frozen


@pytest.fixture
def own_images(tmp_path):
    """Write six pairs of images; return their folder and a function that plans a run on them."""
    return planner(tmp_path)


@pytest.fixture
def stored(own_images):
    """Freeze a run; return the folder of its images, the planned run and its stored config."""
    folder, planned = own_images
    run = planned(folder)
    freeze([run], "a command")
    return folder, run, yaml.safe_load(run.paths.config.read_text())


def test_unchanged_config_is_accepted(stored):
    """The check returns the planned config."""
    _, run, config = stored

    assert check_frozen(typed(config)) == run.config


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),
        ("trainer.epochs", 41),
        ("optimizer.lr", 0.003),
        ("data.split.seed", 43),
        ("run_id", "0" * 12),
        ("kind", "trial"),
    ],
)
def test_edited_config_is_refused(stored, key, value):
    """Its hash differs from its id."""
    _, _, config = stored
    put(config, key, value)
    with pytest.raises(ConfigError, match=r"was edited \(its hash is [0-9a-f]{12}\); restore it"):
        check_frozen(typed(config))


def test_another_option_name_for_the_same_class_is_refused(stored):
    """The class of unet2 cannot be called unet3."""
    _, _, config = stored
    put(config, "choices.model", "unet3")

    with pytest.raises(ConfigError, match="model=unet3 is"):
        check_frozen(typed(config))


@pytest.mark.parametrize(("key", "value"), [("device", "cpu"), ("outputs", None), ("sweep", "b")])
def test_device_outputs_and_sweep_may_be_edited(stored, tmp_path, key, value):
    """A sweep that was copied to another machine resumes there."""
    _, _, config = stored
    put(config, key, value or str(tmp_path / "elsewhere"))

    assert check_frozen(typed(config)).run_id == config["run_id"]


@pytest.mark.parametrize("key", ["nonsense", "trainer.nonsense", "model.nonsense"])
def test_unknown_keys_are_refused(stored, key):
    """They may have had a meaning in the version that wrote them."""
    _, _, config = stored
    put(config, key, 1)
    with pytest.raises(ConfigError, match=f"^{key}: no such key"):
        check_frozen(typed(config))


def test_changed_data_are_refused(stored):
    """The images must be the ones for which the run was planned."""
    folder, _, config = stored
    Image.fromarray(blob(99)[0]).save(folder / "case0.png")
    dataset._prepared.cache_clear()
    with pytest.raises(
        DataError, match=r"^the data have changed since run [0-9a-f]{12} was planned"
    ):
        check_frozen(typed(config))
