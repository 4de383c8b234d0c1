"""Runs form one cell if all values agree except seed, fold and what a search filled in."""

import shlex

import pytest

from segsweep.config.cells import (
    SEPARATOR,
    as_cell_name,
    cell_id,
    cell_name,
    cells_of,
    differing_in_one_key,
    flat_values,
    split_name,
    swept_keys,
)
from segsweep.stats import runs


def test_models_and_losses_are_not_swept_keys(frozen):
    """Every table has columns for them anyway."""
    configs = [frozen(), frozen("model=unet"), frozen("loss=dice"), frozen("model=segnet")]

    assert swept_keys(configs) == []
    assert swept_keys([]) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", 1),
        ("data.split.fold", 2),
        ("sweep", "other"),
        ("outputs", "elsewhere"),
        ("device", "cuda"),
        ("threads", 2),
        ("allow", ["mine"]),
        ("trainer.memory_format", "channels_last"),
        ("trainer.compile", True),
        ("trainer.preview_every", 0),
        ("trainer.checkpoint_every_steps", 5),
        ("evaluate.at", "train"),
        ("run_id", "abc"),
        ("segsweep_version", "9.9"),
    ],
)
def test_repetitions_and_facts_are_not_swept_keys(frozen, key, value):
    """Seeds and folds repeat a cell; device, folder and version are facts about a run."""
    assert swept_keys([frozen(), frozen(**{key: value})]) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("threshold", 0.6),
        ("trainer.epochs", 80),
        ("trainer.precision", "bfloat16"),
        ("optimizer.weight_decay", 0.5),
        ("data.size", [64, 96]),
        ("data.split.seed", 1),
        ("data.split.file", "mine.csv"),
        ("data.count", 100),
        ("model.channels", [4, 8]),
        ("evaluate.select", "val_loss"),
        ("identity_version", 2),
    ],
)
def test_everything_else_that_differs_is_a_column(frozen, key, value):
    """Runs of two protocols in one sweep are different cells."""
    assert swept_keys([frozen(), frozen(seed=1), frozen(**{key: value})]) == [key]


@pytest.mark.parametrize("fact", ["data_fingerprint", "data_target"])
def test_other_data_and_other_targets_are_one_key(frozen, fact):
    """Their runs are never compared: what differs only between them makes no cells."""
    there = {fact: "f" * 16}
    other = [{**frozen(data__count=9, trainer__epochs=80, seed=seed), **there} for seed in (0, 1)]

    assert swept_keys([frozen(), *other]) == ["data"]
    assert swept_keys([frozen(), *other, {**frozen(data__count=9), **there}]) == [
        *("data", "trainer.epochs")
    ]


def test_cells_of_other_data_and_targets_are_named_by_them(frozen):
    """The name is one word of a shell."""
    words = ("data=folder", "data.images=/")
    configs = [frozen(), frozen(*words), frozen(*words, data__invert=True)]
    configs[0]["data_fingerprint"] = "f" * 16

    assert cells_of(configs) == [
        f"unet2/bce@data={data}" for data in ("synthetic", "folder", "folder,inverted")
    ]
    assert cells_of([frozen(*words), frozen(*words, seed=1)]) == ["unet2/bce"] * 2


def test_learning_rate_is_called_lr(frozen):
    """As in every table."""
    slow = frozen(optimizer__lr=0.0005)

    assert swept_keys([frozen(), slow]) == ["lr"]
    assert flat_values(slow)["lr"] == 0.0005
    assert "optimizer.lr" not in flat_values(slow)


@pytest.mark.parametrize("key", ["optimizer.lr", "optimizer.weight_decay", "loss.gamma"])
def test_values_that_a_search_filled_in_are_not_swept_keys(frozen, key):
    """By protocol, each cell has its own best value, found with the same budget."""
    filled = {"search.filled": [key]}
    configs = [frozen("loss=focal", **{key: value}, **filled) for value in (0.1, 0.2)]

    assert swept_keys(configs) == []


def test_trials_do_not_make_columns(frozen):
    """They have a separate table."""
    trials = [frozen(kind="trial", optimizer__lr=lr) for lr in (0.1, 0.2, 0.3)]

    assert swept_keys([frozen(), *trials]) == []


def test_argument_counts_only_among_runs_of_one_option(frozen):
    """Gamma 2 of focal and gamma 3 of focal_lin differ in the loss, not in gamma."""
    focal = [frozen("loss=focal", loss__gamma=gamma) for gamma in (2.0, 3.0)]
    lin = frozen("loss=focal_lin", loss__gamma=3.0)

    assert swept_keys([focal[0], lin, frozen()]) == []
    assert swept_keys([*focal, lin, frozen()]) == ["loss.gamma"]


def test_argument_that_only_some_runs_set_is_a_column(frozen):
    """`+optimizer.amsgrad=true` on the second command is another protocol."""
    assert swept_keys([frozen(), frozen("+optimizer.amsgrad=true")]) == ["optimizer.amsgrad"]


def test_moved_data_are_the_same_cell(frozen):
    """Seed 0 ran before the folder was moved, seed 1 after: same data, same cell."""
    configs = [frozen("data=ph2", "data.root=/", data__root=place) for place in ("/old", "/new")]
    for config in configs:
        config["contents"] = {"data.root": ""}  # as a plan writes it: a folder

    assert swept_keys(configs) == []


def test_file_overwritten_in_place_is_another_cell(frozen):
    """The same path with other content is another protocol; the digest differs."""
    configs = [frozen(data__split__file="split.csv") for _ in range(2)]
    for config, digest in zip(configs, ("aa", "bb"), strict=True):
        config["contents"] = {"data.split.file": digest}

    assert swept_keys(configs) == ["data.split.file"]


def test_file_is_a_short_part_of_the_name_and_a_whole_one_of_the_id(frozen):
    """Cells whose files begin alike keep different ids, which studies are found by."""
    digests = [8 * "a" + 56 * digit for digit in "bc"]
    configs = [frozen(data__split__file=name) for name in (None, "b.csv", "c.csv")]
    for config, digest in zip(configs[1:], digests, strict=True):
        config["contents"] = {"data.split.file": digest}

    assert cells_of(configs[:2])[1] == "unet2/bce@data.split.file=aaaaaaaa"
    assert len({cell_id(config, []) for config in configs}) == 3


def test_another_optimizer_is_one_column(frozen):
    """Its arguments differ too, but only because the option does."""
    configs = [frozen(), frozen("optimizer=sgd", optimizer__lr=0.002)]

    assert swept_keys(configs) == ["optimizer"]
    assert [flat_values(config)["optimizer"] for config in configs] == ["adamw", "sgd"]


def test_flat_values_name_every_setting_once(frozen):
    """Keys of sections are dotted, classes are option names; choices and targets are absent."""
    values = flat_values(frozen("loss=focal"))

    assert values["loss"] == "focal"
    assert values["loss.gamma"] == 2.0
    assert values["data.split.train"] == 0.5
    assert not [key for key in values if "_target_" in key or key.startswith("choices")]
    assert not [value for value in values.values() if isinstance(value, dict)]


@pytest.mark.parametrize(
    ("changed", "key"),
    [
        ({"trainer__epochs": 80}, "trainer.epochs"),
        ({"optimizer__lr": 0.1}, "lr"),
        ({"model__channels": [4, 8]}, "model.channels"),
        ({"data__size": 64}, "data.size"),
        ({"data__split__seed": 1}, "data.split.seed"),
        ({"data_fingerprint": "f" * 16}, "data_fingerprint"),
        ({"data_fingerprint": "f" * 16, "data__count": 100}, "data.count"),
        ({"trainer__epochs": 80, "outputs": "elsewhere", "threads": 2}, "trainer.epochs"),
    ],
)
def test_finished_runs_that_differ_from_new_ones_in_one_key(frozen, changed, key):
    """Seeds 0 and 1 are finished with another value; seed 2 is not requested again."""
    finished = [frozen(seed=seed, **changed) for seed in (0, 1, 2)]
    new = [frozen(seed=seed) for seed in (0, 1)]

    assert differing_in_one_key(new, finished) == {key: 2}
    assert differing_in_one_key(finished, new) == {key: 2}


def test_another_option_is_one_key_with_its_arguments(frozen):
    """SGD has a momentum and another learning rate than AdamW, but it is one change."""
    finished = [frozen("optimizer=sgd")]

    assert differing_in_one_key([frozen()], finished) == {"optimizer": 1}
    assert differing_in_one_key([frozen()], [*finished, frozen(optimizer__lr=0.1)]) == {
        **{"optimizer": 1, "lr": 1}
    }
    assert differing_in_one_key([frozen(threshold=0.6)], finished) == {}


def test_each_key_is_counted_separately(frozen):
    """A finished run may differ from two new ones in one key each."""
    new = [frozen(trainer__epochs=80), frozen(threshold=0.6), frozen("+optimizer.amsgrad=true")]

    assert differing_in_one_key(new, [frozen(), frozen()]) == {
        **{"trainer.epochs": 2, "threshold": 2, "optimizer.amsgrad": 2}
    }


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"seed": 1},
        {"data__split__fold": 1},
        {"kind": "trial"},
        {"outputs": "elsewhere", "threads": 2, "segsweep_version": "9.9"},
        {"trainer__epochs": 80, "trainer__batch": 5},
        {"trainer__epochs": 80, "seed": 1},
        {"trainer__epochs": 80, "kind": "trial"},
        {"data_fingerprint": "f" * 16, "data__size": 64},
    ],
)
def test_other_cells_repetitions_and_two_changes_do_not_count(frozen, changed):
    """A sweep varies model, loss and seed on purpose; two changes are another protocol."""
    assert differing_in_one_key([frozen()], [frozen(**changed)]) == {}
    assert differing_in_one_key([frozen("model=unet")], [frozen()]) == {}
    assert differing_in_one_key([frozen("loss=focal")], [frozen()]) == {}
    assert differing_in_one_key([], [frozen()]) == {}


def test_key_that_an_older_version_lacks_is_no_difference(frozen):
    """The neutral value of a later key means "as before"."""
    old = frozen(trainer__epochs=80)
    del old["trainer"]["precision"]

    assert differing_in_one_key([frozen()], [old]) == {"trainer.epochs": 1}


def test_sums_of_hashes_do_not_coincide(frozen):
    """No two of these runs differ in one key only; small numbers must not make it seem so."""
    new = [frozen(seed=seed, trainer__epochs=40, trainer__batch=10) for seed in range(40)]
    old = [frozen(seed=seed, trainer__epochs=50, trainer__batch=5) for seed in range(40)]

    assert differing_in_one_key(new, old) == {}


def test_a_cells_name_is_one_word_of_the_shell():
    """No character of it ends a command or needs quotes; the statistics write the same."""
    values = {"model": "unet2", "loss": "dice", "trainer.epochs": 80, "lr": 0.002}
    name = cell_name(values, ["trainer.epochs", "lr", "loss.gamma"])

    assert name == "unet2/dice@trainer.epochs=80@lr=0.002"
    assert shlex.split(name) == [shlex.quote(name)] == [name]
    assert split_name(name) == ["unet2/dice", "trainer.epochs=80", "lr=0.002"]
    assert runs.SEPARATOR == SEPARATOR


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("unet2/dice;trainer.epochs=80;lr=0.002", "unet2/dice@trainer.epochs=80@lr=0.002"),
        ("unet2/dice@trainer.epochs=80", "unet2/dice@trainer.epochs=80"),
        (
            f"smp/dice@model.weights_file={64 * 'a'}@lr=1",
            "smp/dice@model.weights_file=aaaaaaaa@lr=1",
        ),
        ("unet2/dice;data.root=/a;b@c", "unet2/dice@data.root=/a;b@c"),
    ],
)
def test_names_of_earlier_versions_are_understood(given, name):
    """A semicolon before a key separated; in a value it is a character like any other."""
    assert as_cell_name(given) == name
    assert len(split_name(name)) == name.count("=") + 1


def test_keys_without_effect_name_no_cell(frozen):
    """Beside a tile the size of resizing, without one the overlap: the tile alone differs."""
    resized = [frozen(data__size=64), frozen(data__size=64, data__overlap=0.5)]
    tiled = [frozen(data__tile=32, data__size=96), frozen(data__tile=32, data__resize="classic")]

    assert swept_keys(tiled) == swept_keys(resized) == []
    assert cells_of([resized[0], tiled[0]]) == [
        "unet2/bce@data.tile=None",
        "unet2/bce@data.tile=32",
    ]
    assert not {"data.size", "data.resize"} & {*flat_values(tiled[0])}
    assert not {"data.overlap", "data.crops"} & {*flat_values(resized[1])}


def test_keys_with_effect_name_those_cells_that_have_them(frozen):
    """Each size of resizing, each overlap of a tile."""
    sizes = [frozen(data__size=64), frozen(data__size=128)]
    overlaps = [frozen(data__tile=[32, 64], data__overlap=share) for share in (0.25, 0.5)]

    assert cells_of([*sizes, *overlaps]) == [
        "unet2/bce@data.size=64@data.tile=None",
        "unet2/bce@data.size=128@data.tile=None",
        "unet2/bce@data.tile=[32, 64]@data.overlap=0.25",
        "unet2/bce@data.tile=[32, 64]@data.overlap=0.5",
    ]


def test_a_tile_alone_tells_new_runs_from_finished_ones(frozen):
    """With it, other keys have an effect; that is one change."""
    assert differing_in_one_key([frozen(data__tile=32)], [frozen(), frozen(seed=1)]) == {
        "data.tile": 1
    }
