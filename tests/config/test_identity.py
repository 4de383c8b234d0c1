"""The same config on the same data is the same run, forever; anything else is another."""

import csv
import os
from copy import deepcopy
from dataclasses import replace

import pytest
import yaml
from PIL import Image

from conftest import put, typed
from fake_data import blob
from segsweep.config import identity
from segsweep.config.check import check_config
from segsweep.config.identity import identity_values, run_id
from segsweep.data.fingerprint import data_fingerprint
from segsweep.data.synthetic import GENERATOR_VERSION, Synthetic
from segsweep.errors import ConfigError, DataError
from segsweep.sweep.planning.plan import freeze, plan_run
from segsweep.system.files import file_digest
from segsweep.training import dataset
from segsweep.training.frozen import check_frozen

DATA = "0123456789abcdef"
BASE = yaml.safe_load("""
sweep: main
outputs: outputs
seed: 0
kind: run
threshold: 0.5
device: auto
threads: 0
allow: []
keep: best
keep_gb: null
plan: false
preflight: true
rerun: none
retry_failed: true
slots: null
per_device: 1
time_limit: null
frozen: null
model: {_target_: segsweep.models.unet2.UNet2, in_channels: 3, channels: [16, 32, 64, 128]}
loss: {_target_: segsweep.losses.BceLoss}
optimizer: {_target_: torch.optim.AdamW, lr: 0.002, weight_decay: 0.01}
scheduler:
  _target_: torch.optim.lr_scheduler.CosineAnnealingLR
  every: step
  eta_min: 0.0
augment: {_target_: segsweep.augment.flips, probability: 0.5}
data:
  _target_: segsweep.data.synthetic.Synthetic
  count: 200
  side: 192
  seed: 0
  size: 32
  channels: 3
  split:
    seed: 42
    train: 0.5
    val: 0.25
    test: 0.25
    keep_groups: true
    folds: 5
    fold: null
    file: null
trainer:
  epochs: 40
  batch: 10
  early_stop: null
  clip_norm: null
  averaging: 0.99
  precision: auto
  memory_format: auto
  cpu_precision: null
  lean: auto
  compile: false
  checkpoint_every_steps: null
  preview_every: 10
evaluate: {select: val_iou, empty: one, at: both}
search: {filled: []}
""")
CHOICES = {
    **{"model": "unet2", "loss": "bce", "optimizer": "adamw"},
    **{"scheduler": "cosine", "augment": "flips", "data": "synthetic"},
}
FOCAL = {"_target_": "segsweep.losses.FocalLoss", "gamma": 3.0}
NO_AUGMENT = {"_target_": "segsweep.augment.none"}
CANNOT_CHANGE_NUMBERS = {
    *("sweep", "outputs", "device", "threads", "allow", "search.filled", "evaluate.at"),
    *("trainer.memory_format", "trainer.compile", "trainer.preview_every"),
    *("trainer.lean", "trainer.cpu_precision"),
    *("trainer.checkpoint_every_steps", "keep", "keep_gb", "plan", "preflight", "rerun"),
    *("retry_failed", "slots", "per_device", "time_limit", "frozen"),
}

# These ids stand in the folders of people's finished runs. They must never change: if a line
# here fails, give the new key a neutral value instead of editing it.
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
    """Return BASE with dotted keys changed, checked unless told otherwise."""
    values = deepcopy(BASE)
    for key, value in dict(changed).items():
        put(values, key, deepcopy(value))
    choices = {**CHOICES, **dict(chosen)}
    return check_config(values, choices) if check else {**values, "choices": choices}


@pytest.mark.parametrize("name", PINNED)
def test_ids_never_change(name):
    """Configs as a release wrote them, through today's schema, keep their ids."""
    changed, chosen, expected = PINNED[name]

    assert run_id(made(changed, chosen), DATA) == expected


def test_fingerprint_of_drawn_data_never_changes():
    """A drawn data set counts by its generator's version and parameters, and by its ids."""
    source = Synthetic(count=3, side=32)
    samples, _ = source.find()

    assert GENERATOR_VERSION > 1 or data_fingerprint(source, samples, {}) == "50390b754af93649"


def leaves(values, above=""):
    """Return the dotted keys of everything that is no section."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{above}{key}.")
        else:
            yield above + key


def another(value):
    """Return a value of about the same kind."""
    if value is None:
        return 3
    if isinstance(value, bool):
        return not value
    return [*value, 9] if isinstance(value, list) else value + (1 if value != str(value) else "x")


def test_every_leaf_that_can_change_numbers_changes_the_id():
    """Walk over all keys of a whole config and change each; nothing is compared to a default."""
    config = made(check=False)
    first = run_id(config, DATA)
    elsewhere = ("data.split.file", "_target_")  # have tests of their own
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
    assert same == CANNOT_CHANGE_NUMBERS
    assert len(set(others)) == len(others)
    assert all(len(found) == 12 and set(found) <= set("0123456789abcdef") for found in others)


def test_walked_config_is_the_schemas():
    """A key that is added to the schema must be added here, and to the walk with it."""
    assert set(leaves(made())) == set(leaves(made(check=False)))


def test_data_and_version_are_part_of_the_id(monkeypatch):
    """Other pixels, or other mathematics, are another run."""
    config = made(check=False)
    first = run_id(config, DATA)
    other_data = run_id(config, DATA[::-1])
    monkeypatch.setattr("segsweep.config.identity.IDENTITY_VERSION", 2)

    assert len({first, other_data, run_id(config, DATA)}) == 3


def test_neutral_value_is_as_if_the_key_did_not_exist():
    """What a release adds later may not make old runs new."""
    config = made(check=False)
    older = deepcopy(config)
    del older["trainer"]["precision"]

    assert "precision" not in identity_values(config)["trainer"]
    assert run_id(older, DATA) == run_id(config, DATA)


def test_order_of_keys_does_not_matter():
    """A config is a mapping, however it was written."""

    def backwards(values):
        if not isinstance(values, dict):
            return values
        return {key: backwards(values[key]) for key in reversed(values)}

    config = made(check=False)

    assert list(backwards(config)) != list(config)
    assert run_id(backwards(config), DATA) == run_id(config, DATA)


def test_spelling_of_a_number_does_not_matter():
    """lr=1, lr=1.0 and lr="1" are one run: values are coerced before they are hashed."""
    ids = {run_id(made({"optimizer.lr": value}), DATA) for value in (1, 1.0, "1")}

    assert len(ids) == 1


def test_option_counts_by_its_name_not_by_its_module():
    """A class that moves takes its finished runs along; another option is another run."""
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


def lraspp(weights_file):
    """Return a config whose network starts from a file."""
    target = "segsweep.models.torchvision_nets.lraspp"
    node = {"_target_": target, "in_channels": 3, "weights_file": str(weights_file)}
    return made({"model": node}, {"model": "lraspp"}, check=False)


def split_by(file):
    """Return a config whose split stands in a file."""
    return made({"data.split.file": str(file)}, check=False)


def grouped_by(file, folder="."):
    """Return a config of somebody's folder with groups."""
    node = {"_target_": "segsweep.data.folder.Folder", "images": str(folder)}
    data = {**node, "groups_file": str(file), "size": 32, "channels": 3}
    changed = {"data": {**data, "split": BASE["data"]["split"]}}
    return made(changed, {"data": "folder"}, check=False)


@pytest.mark.parametrize("config", [lraspp, split_by, grouped_by])
def test_files_count_by_their_content_not_by_their_place(tmp_path, config):
    """Copied elsewhere the same; one byte more, and it is another run."""
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    here.write_bytes(b"as it was")
    there.write_bytes(b"as it was")
    first, copied = run_id(config(here), DATA), run_id(config(there), DATA)
    there.write_bytes(b"as it was.")

    assert first == copied
    assert first != run_id(config(there), DATA)
    assert first != run_id(made(check=False), DATA)


def test_file_is_read_once_while_it_stays_as_it_is(tmp_path, monkeypatch):
    """A thousand runs from the same weights read them once; a change is seen all the same."""
    file = tmp_path / "weights.pt"
    file.write_bytes(b"as it was")
    read = []

    def digest(path):
        read.append(path)
        return file_digest(path)

    monkeypatch.setattr(identity, "file_digest", digest)
    fresh = [run_id(lraspp(file), DATA) for _ in range(2)]  # it may change within its time stamp
    monkeypatch.setattr(identity, "_FRESH_NS", -1)  # as if it had been lying there for long
    first = [run_id(lraspp(file), DATA) for _ in range(3)]
    often = len(read)
    before = file.stat().st_mtime_ns
    file.write_bytes(b"as it is.")
    os.utime(file, ns=(before, before))

    assert often == 2 + 1
    assert len({*fresh, *first}) == 1
    assert run_id(lraspp(file), DATA) not in first


@pytest.mark.parametrize("config", [lraspp, split_by, grouped_by])
def test_file_that_is_not_there_is_said_before_anything_starts(tmp_path, config):
    """Left out of the id, a typing error would be a run of its own."""
    with pytest.raises(ConfigError, match=r"absent\.csv: cannot be read \(No such file"):
        run_id(config(tmp_path / "absent.csv"), DATA)


def test_home_is_expanded_before_a_file_is_read(tmp_path, monkeypatch):
    """The reader of groups expands ~, so the id must see the same file."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "groups.csv").write_text("id,group\n")

    assert run_id(grouped_by("~/groups.csv"), DATA) == run_id(
        grouped_by(tmp_path / "groups.csv"), DATA
    )


@pytest.fixture
def somebodys(tmp_path):
    """Write six pairs of images and return (their folder, a function that plans a run on them)."""
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(6):
        image, mask = blob(index)
        Image.fromarray(image).save(folder / f"case{index}.png")
        Image.fromarray(mask).save(folder / f"case{index}_mask.png")

    def planned(place, **changed):
        dataset._prepared.cache_clear()  # as in a new process
        node = {"_target_": "segsweep.data.folder.Folder", "images": str(place)}
        split = {"train": 2, "val": 2, "test": 2}
        data = {**node, "mask_name": "{id}_mask.png", "size": 32, "split": split}
        values = deepcopy(BASE) | {"data": data, "outputs": str(tmp_path / "out")}
        values["model"]["channels"] = [2, 2]
        values["trainer"]["batch"] = 2
        for key, value in changed.items():
            put(values, key.replace("__", "."), value)
        return plan_run(values, {**CHOICES, "data": "folder"})

    return folder, planned


def test_moved_data_are_the_same_run(somebodys):
    """Neither the folder's place nor its name counts, the pixels do."""
    folder, planned = somebodys
    first = planned(folder)
    moved = folder.rename(folder.with_name("moved"))
    second = planned(moved)
    Image.fromarray(blob(99)[0]).save(moved / "case0.png")
    third = planned(moved)

    assert second.config.run_id == first.config.run_id
    assert second.config.data_fingerprint == first.config.data_fingerprint
    assert third.config.run_id != first.config.run_id
    assert third.config.data_fingerprint != first.config.data_fingerprint


def test_renamed_image_is_other_data(somebodys):
    """Ids steer the split, so they count."""
    folder, planned = somebodys
    first = planned(folder)
    for end in (".png", "_mask.png"):
        (folder / f"case0{end}").rename(folder / f"kase0{end}")

    assert planned(folder).config.data_fingerprint != first.config.data_fingerprint


@pytest.fixture
def stored(somebodys):
    """Freeze one run and return (the data's folder, its plan, its config as read from the file)."""
    folder, planned = somebodys
    run = planned(folder)
    freeze([run], "a command")
    return folder, run, yaml.safe_load(run.paths.config.read_text())


def test_frozen_config_is_the_run_and_stands_in_the_plan(stored):
    """Folder, file and plan carry one id; planning it again writes nothing."""
    _, run, config = stored
    rows = list(csv.DictReader((run.paths.root.parents[1] / "plan.csv").open()))
    before = run.paths.config.stat().st_mtime_ns
    freeze([run], "another command")

    assert run.name == f"unet2-bce-s0-{config['run_id']}"
    assert config["run_id"] == run_id(config, config["data_fingerprint"])
    assert [(row["run_id"], row["folder"]) for row in rows] == [(config["run_id"], run.name)]
    assert run.paths.config.stat().st_mtime_ns == before


@pytest.mark.parametrize("finished", [False, True])
def test_planning_again_touches_nothing(stored, somebodys, finished):
    """No file, no folder, no lock, whether the run is finished or not."""
    folder, run, _ = stored
    if finished:
        run.paths.result.write_text("{}")
    outputs = run.paths.root.parents[2]

    def times():
        found = [outputs, *outputs.rglob("*")]
        return {path: path.stat().st_mtime_ns for path in found if ".cache" not in path.parts}

    before = times()
    again = somebodys[1](folder)
    freeze([again], "a command")

    assert again == run
    assert len(before) == 7 + finished  # outputs, sweep, plan, its lock, runs, run, config
    assert times() == before


def test_config_is_frozen_again_for_another_place(stored):
    """The same run with other threads: its file follows, until it is finished."""
    _, run, config = stored
    run = replace(run, config=run.config.with_values(threads=3))
    freeze([run], "a command")
    moved = yaml.safe_load(run.paths.config.read_text())
    run.paths.result.write_text("{}")
    run = replace(run, config=run.config.with_values(threads=4))
    freeze([run], "a command")

    assert moved == config | {"threads": 3}
    assert yaml.safe_load(run.paths.config.read_text()) == moved


def test_frozen_config_is_accepted_as_it_is(stored):
    """Out of the check comes what was planned."""
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
    """Its hash no longer fits its id."""
    _, _, config = stored
    put(config, key, value)
    with pytest.raises(ConfigError, match=r"was edited \(its hash is [0-9a-f]{12}\); restore it"):
        check_frozen(typed(config))


def test_other_option_for_the_same_class_is_refused(stored):
    """unet2's class does not become unet3 by its name."""
    _, _, config = stored
    put(config, "choices.model", "unet3")

    with pytest.raises(ConfigError, match="model=unet3 is"):
        check_frozen(typed(config))


@pytest.mark.parametrize(("key", "value"), [("device", "cpu"), ("outputs", None), ("sweep", "b")])
def test_place_and_machine_may_be_edited(stored, tmp_path, key, value):
    """A sweep that was copied to another machine goes on there."""
    _, _, config = stored
    put(config, key, value or str(tmp_path / "elsewhere"))

    assert check_frozen(typed(config)).run_id == config["run_id"]


@pytest.mark.parametrize("key", ["nonsense", "trainer.nonsense", "model.nonsense"])
def test_keys_that_the_schema_does_not_know_are_refused(stored, key):
    """They may have meant something to the version that wrote them."""
    _, _, config = stored
    put(config, key, 1)
    with pytest.raises(ConfigError, match=f"^{key}: no such key"):
        check_frozen(typed(config))


def test_changed_data_are_refused(stored):
    """The images must still be those that the run was planned for."""
    folder, _, config = stored
    Image.fromarray(blob(99)[0]).save(folder / "case0.png")
    dataset._prepared.cache_clear()
    with pytest.raises(
        DataError, match=r"^the data have changed since run [0-9a-f]{12} was planned"
    ):
        check_frozen(typed(config))


def test_batch_larger_than_the_training_part_is_refused(somebodys):
    """No whole batch, no step: said before the run is planned."""
    folder, planned = somebodys
    with pytest.raises(ConfigError) as caught:
        planned(folder, trainer__batch=3)

    assert str(caught.value) == (
        "trainer.batch=3: more than the 2 training images; allowed are 1 to 2"
    )


def test_each_split_of_the_same_data_is_counted_for_itself(somebodys):
    """A larger training part before does not hide that this one is too small."""
    folder, planned = somebodys
    planned(folder)
    with pytest.raises(ConfigError, match="more than the 1 training images"):
        planned(folder, data__split__train=1)


def test_outputs_that_cannot_be_written_are_refused(somebodys, tmp_path):
    """A file where the folder should be."""
    folder, planned = somebodys
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^outputs=.*/file: cannot be written \(.*\); choose"):
        planned(folder, outputs=str(tmp_path / "file"))
