"""The same config on the same data has the same id; any change of a number gives another."""

import inspect
import os
from copy import deepcopy

import pytest
from PIL import Image

from base_config import BASE, CHOICES, planner
from conftest import put
from fake_data import blob
from segsweep.config import identity
from segsweep.config.check import check_config
from segsweep.config.identity import completed, identity_values, run_id
from segsweep.config.schema import NEUTRAL_ARGUMENTS
from segsweep.config.targets import locate
from segsweep.data.fingerprint import data_fingerprint
from segsweep.data.synthetic import GENERATOR_VERSION, Synthetic
from segsweep.errors import ConfigError
from segsweep.system import files
from segsweep.system.files import file_digest

DATA = "0123456789abcdef"
FOCAL = {"_target_": "segsweep.losses.FocalLoss", "gamma": 3.0}
NO_AUGMENT = {"_target_": "segsweep.augment.none"}
CANNOT_CHANGE_NUMBERS = {
    *("sweep", "outputs", "device", "threads", "allow", "search.filled", "evaluate.at"),
    *("search.n_trials", "search.epochs", "search.sampler", "search.storage", "search.seed"),
    *("search.reuse", "search.study", "report.images", "max_runs", "check_limit"),
    *("trainer.memory_format", "trainer.compile", "trainer.preview_every"),
    *("trainer.lean", "trainer.cpu_precision", "race.looks", "race.hours"),
    *("tracker.name", "tracker.mode"),
    *("trainer.checkpoint_every_steps", "keep", "keep_gb", "plan", "preflight", "rerun"),
    *("retry_failed", "slots", "per_device", "time_limit", "frozen"),
}
WITHOUT_A_TILE = {"data.overlap", "data.crops"}
"""They have an effect beside data.tile only."""

# These ids are part of the folder names of users' finished runs. They must never change: if a
# test fails, give the new key a neutral value instead of editing the id.
PINNED = {
    "base": ({}, {}, "d7efa4b5cf2d"),
    "seed": ({"seed": 7}, {}, "1ae874b7550c"),
    "focal": ({"loss": FOCAL}, {"loss": "focal"}, "9ba335f9a70e"),
    "trial": ({"kind": "trial", "optimizer.lr": 0.00123}, {}, "ebf6b6c37920"),
    "fold": ({"data.split.fold": 2, "data.size": [32, 48]}, {}, "0a9fe1d7608f"),
    "plain": (
        {"augment": NO_AUGMENT, "trainer.averaging": 0.0},
        {"augment": "none"},
        "cf2481eb9958",
    ),
    "bfloat16": ({"trainer.precision": "bfloat16", "threshold": 0.62}, {}, "0d68dc0a88f0"),
}


def made(changed=(), chosen=(), check=True):
    """Return BASE with changed dotted keys and options; checked, unless *check* is False."""
    values = deepcopy(BASE)
    for key, value in dict(changed).items():
        put(values, key, deepcopy(value))
    choices = {**CHOICES, **dict(chosen)}
    return check_config(values, choices) if check else {**values, "choices": choices}


@pytest.mark.parametrize("name", PINNED)
def test_ids_never_change(name):
    """Configs from an earlier release have the same ids under the current schema."""
    changed, chosen, expected = PINNED[name]

    assert run_id(made(changed, chosen), DATA) == expected


def test_fingerprint_of_synthetic_data_never_changes():
    """It depends on the generator's version, its parameters and the ids."""
    source = Synthetic(count=3, side=32)
    samples, _ = source.find()

    assert GENERATOR_VERSION > 1 or data_fingerprint(source, samples, {}) == "50390b754af93649"


def leaves(values, above=""):
    """Return the dotted keys of all values that are not sections."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{key}.")
        else:
            yield above + key


def another(value):
    """Return another value of a similar type."""
    if value is None:
        return 3
    if isinstance(value, bool):
        return not value
    return [*value, 9] if isinstance(value, list) else value + (1 if value != str(value) else "x")


def test_every_leaf_that_can_change_numbers_changes_the_id():
    """Change each key of a whole config in turn, whether or not it has its default."""
    config = made(check=False)
    first = run_id(config, DATA)
    elsewhere = ("data.split.file", "_target_")  # tested separately
    keys = [key for key in leaves(config) if not key.endswith(elsewhere)]
    ids = {}
    for key in keys:
        changed = deepcopy(config)
        value = config
        for part in key.split("."):
            value = value[part]
        put(changed, key, another(value))
        ids[key] = run_id(changed, DATA)
    same = {key for key, found in ids.items() if found == first}
    others = [found for key, found in ids.items() if key not in same]

    assert len(keys) > 45
    assert same == CANNOT_CHANGE_NUMBERS | WITHOUT_A_TILE
    assert len(set(others)) == len(others)
    assert all(len(found) == 12 and set(found) <= set("0123456789abcdef") for found in others)


def test_base_config_has_every_key_of_the_schema():
    """A key that is added to the schema must be added to BASE and is then tested."""
    assert set(leaves(made())) == set(leaves(made(check=False)))


def test_data_and_version_are_part_of_the_id(monkeypatch):
    """Other images or another identity version give another id."""
    config = made(check=False)
    first = run_id(config, DATA)
    other_data = run_id(config, DATA[::-1])
    monkeypatch.setattr("segsweep.config.identity.IDENTITY_VERSION", 2)

    assert len({first, other_data, run_id(config, DATA)}) == 3


def test_neutral_value_equals_a_missing_key():
    """A key that a later release adds does not change the ids of earlier runs."""
    config = made(check=False)
    older = deepcopy(config)
    del older["trainer"]["precision"]

    assert "precision" not in identity_values(config)["trainer"]
    assert run_id(older, DATA) == run_id(config, DATA)


def test_neutral_argument_equals_a_missing_one(monkeypatch):
    """An argument that a class of an option gets later does not change earlier ids either."""
    config = made(check=False)
    older, other = deepcopy(config), deepcopy(config)
    del older["data"]["side"]
    other["data"]["side"] = 64
    neutral = {config["data"]["_target_"]: {"side": 192}}
    monkeypatch.setattr("segsweep.config.identity.NEUTRAL_ARGUMENTS", neutral)

    assert run_id(older, DATA) == run_id(config, DATA) != run_id(other, DATA)
    assert completed(older) == config
    assert completed(other) == other


@pytest.mark.parametrize("target", NEUTRAL_ARGUMENTS)
def test_neutral_arguments_are_the_defaults(target):
    """An older frozen config gets the constructor's default for what it lacks: it must be these."""
    neutral = NEUTRAL_ARGUMENTS[target]
    parameters = inspect.signature(locate(target)).parameters

    assert neutral == {name: parameters[name].default for name in neutral}


def test_order_of_keys_does_not_matter():
    """A config is a mapping."""

    def backwards(values):
        if not isinstance(values, dict):
            return values
        return {key: backwards(values[key]) for key in reversed(values)}

    config = made(check=False)

    assert list(backwards(config)) != list(config)
    assert run_id(backwards(config), DATA) == run_id(config, DATA)


def test_spelling_of_a_number_does_not_matter():
    """lr=1, lr=1.0 and lr="1" have one id: values are coerced before they are hashed."""
    ids = {run_id(made({"optimizer.lr": value}), DATA) for value in (1, 1.0, "1")}

    assert len(ids) == 1


def test_id_contains_the_option_name_not_the_class_path():
    """A class that moves keeps its finished runs; another option name is another run."""
    config = made(check=False)
    moved, renamed = deepcopy(config), deepcopy(config)
    moved["optimizer"]["_target_"] = "torch.optim.adamw.AdamW"
    renamed["choices"]["optimizer"] = "my_adamw"

    assert run_id(moved, DATA) == run_id(config, DATA)
    assert run_id(renamed, DATA) != run_id(config, DATA)


def test_another_class_under_the_same_option_is_refused(composed):
    """`model=unet2 model._target_=segsweep.models.unet.UNet` would be skipped as finished."""
    values, choices = composed()
    values["model"]["_target_"] = "segsweep.models.unet.UNet"

    with pytest.raises(ConfigError, match=r"model=unet2 is segsweep\.models\.unet2\.UNet2"):
        check_config(values, choices)


def test_name_in_any_case_is_one_network(composed):
    """`model.architecture=FPN` is the run that `fpn` is; an encoder is another one."""
    words = (["architecture=FPN"], ["architecture=fpn"], ["architecture=fpn", "encoder=mit_b0"])
    checked = [
        check_config(*composed("model=smp", *(f"model.{one}" for one in more))) for more in words
    ]
    ids = [run_id(config, DATA) for config in checked]

    assert checked[0]["model"]["architecture"] == "fpn"
    assert ids[0] == ids[1] != ids[2]


def lraspp(weights_file):
    """Return a config whose network loads weights from a file."""
    target = "segsweep.models.torchvision_nets.lraspp"
    node = {"_target_": target, "in_channels": 3, "weights_file": str(weights_file)}
    return made({"model": node}, {"model": "lraspp"}, check=False)


def encoder_from(weights_file):
    """Return a config whose network has an encoder with weights from a file."""
    node = {"_target_": "segsweep.models.smp.smp", "encoder": "mit_b0"}
    node |= {"in_channels": 3, "weights_file": str(weights_file)}
    return made({"model": node}, {"model": "smp"}, check=False)


def split_by(file):
    """Return a config whose split is read from a file."""
    return made({"data.split.file": str(file)}, check=False)


def grouped_by(file, folder="."):
    """Return a config of an image folder with a file of groups."""
    node = {"_target_": "segsweep.data.folder.Folder", "images": str(folder)}
    data = {**node, "groups_file": str(file), "size": 32, "channels": 3}
    changed = {"data": {**data, "split": BASE["data"]["split"]}}
    return made(changed, {"data": "folder"}, check=False)


@pytest.mark.parametrize("config", [lraspp, encoder_from, split_by, grouped_by])
def test_id_contains_the_content_of_files_not_their_paths(tmp_path, config):
    """A copy gives the same id; one more byte gives another."""
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    here.write_bytes(b"as it was")
    there.write_bytes(b"as it was")
    first, copied = run_id(config(here), DATA), run_id(config(there), DATA)
    there.write_bytes(b"as it was.")

    assert first == copied
    assert first != run_id(config(there), DATA)
    assert first != run_id(made(check=False), DATA)


def test_file_is_read_once_while_unchanged(tmp_path, monkeypatch):
    """All runs of a sweep read the same weights once; a change is noticed."""
    file = tmp_path / "weights.pt"
    file.write_bytes(b"as it was")
    read = []

    def digest(path):
        read.append(path)
        return file_digest(path)

    monkeypatch.setattr(identity, "file_digest", digest)
    fresh = [run_id(lraspp(file), DATA) for _ in range(2)]  # it may change within its time stamp
    monkeypatch.setattr(files, "_FRESH_NS", -1)  # as if the file were old
    first = [run_id(lraspp(file), DATA) for _ in range(3)]
    often = len(read)
    before = file.stat().st_mtime_ns
    file.write_bytes(b"as it is.")
    os.utime(file, ns=(before, before))

    assert often == 2 + 1
    assert len({*fresh, *first}) == 1
    assert run_id(lraspp(file), DATA) not in first


@pytest.mark.parametrize("config", [lraspp, encoder_from, split_by, grouped_by])
def test_missing_file_is_an_error(tmp_path, config):
    """Otherwise a misspelt path would be another run."""
    with pytest.raises(ConfigError, match=r"absent\.csv: cannot be read \(No such file"):
        run_id(config(tmp_path / "absent.csv"), DATA)


def test_home_is_expanded_before_a_file_is_read(tmp_path, monkeypatch):
    """The reader of groups expands ~, so the id must use the same file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "groups.csv").write_text("id,group\n")

    assert run_id(grouped_by("~/groups.csv"), DATA) == run_id(
        grouped_by(tmp_path / "groups.csv"), DATA
    )


@pytest.fixture
def own_images(tmp_path):
    """Write six pairs of images; return their folder and a function that plans a run on them."""
    return planner(tmp_path)


def test_moved_data_are_the_same_run(own_images):
    """The id depends on the pixels, not on the folder's path."""
    folder, planned = own_images
    first = planned(folder)
    moved = folder.rename(folder.with_name("moved"))
    second = planned(moved)
    Image.fromarray(blob(99)[0]).save(moved / "case0.png")
    third = planned(moved)

    assert second.config.run_id == first.config.run_id
    assert second.config.data_fingerprint == first.config.data_fingerprint
    assert third.config.run_id != first.config.run_id
    assert third.config.data_fingerprint != first.config.data_fingerprint


def test_renamed_image_is_other_data(own_images):
    """The split depends on the ids of images, so the fingerprint does too."""
    folder, planned = own_images
    first = planned(folder)
    for end in (".png", "_mask.png"):
        (folder / f"case0{end}").rename(folder / f"kase0{end}")

    assert planned(folder).config.data_fingerprint != first.config.data_fingerprint


def ids_of(*changes):
    """Return the id of the base config with each of *changes* to its data node."""
    return [
        run_id(made({f"data.{key}": value for key, value in one.items()}), DATA) for one in changes
    ]


def test_tiles_without_a_tile_are_nothing():
    """Their keys count only beside data.tile: the id is that of the time before they existed."""
    ids = ids_of({}, {"tile": None}, {"overlap": 0.5}, {"crops": 7})

    assert set(ids) == {PINNED["base"][2]}


def test_beside_a_tile_the_size_of_resizing_does_not_count():
    """Nothing is resized; tile, overlap and crops do count."""
    tile = {"tile": 256}
    same = ids_of(tile, {**tile, "size": 32}, {**tile, "resize": "classic"})
    others = ids_of({}, {"tile": [256, 128]}, {**tile, "overlap": 0.5}, {**tile, "crops": 7})

    assert len(set(same)) == 1
    assert len({*same, *others}) == 5
