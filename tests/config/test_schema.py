"""Every problem in a config is reported in one line, with the value given and those allowed."""

import pytest
import yaml

from conftest import put
from segsweep.config.check import check_config
from segsweep.config.run_config import RunConfig
from segsweep.config.schema import Config, DataConfig, SplitConfig
from segsweep.config.validate import check_section, coerce, nearest, type_text
from segsweep.errors import ConfigError
from segsweep.metrics import columns
from segsweep.system.installation import conf_folder
from segsweep.training.check_built import check_built, check_loss

SMALL = ("data.size=32", "model.channels=[2,2]")


@pytest.fixture
def refusal(composed):
    """Return a function: overrides and {dotted key: value} -> the lines of the ConfigError."""

    def refuse(*overrides, **changed):
        values, choices = composed(*SMALL, *overrides)
        for key, value in changed.items():
            put(values, key.replace("__", "."), value)
        with pytest.raises(ConfigError) as caught:
            check_built(RunConfig.of(check_config(values, choices)))
        return str(caught.value).splitlines()

    return refuse


@pytest.fixture
def accepted(composed):
    """Return a function: overrides and {dotted key: value} -> the checked config."""

    def accept(*overrides, **changed):
        values, choices = composed(*SMALL, *overrides)
        for key, value in changed.items():
            put(values, key.replace("__", "."), value)
        config = check_config(values, choices)
        check_built(RunConfig.of(config))
        return config

    return accept


@pytest.mark.parametrize(
    ("key", "known", "meant"),
    [
        ("modle", "keys are", "model"),
        ("sead", "keys are", "seed"),
        ("trainer.epoch", "trainer has", "epochs"),
        ("evaluate.emty", "evaluate has", "empty"),
        ("data.splt", "data has", "split"),
        ("data.split.tran", "data.split has", "train"),
        ("data.cuont", "data has", "count"),
        ("optimizer.weight_deca", "optimizer has", "weight_decay"),
        ("model.chanels", "model has", "channels"),
        ("scheduler.evry", "scheduler has", "every"),
    ],
)
def test_misspelt_key_lists_the_keys_and_the_nearest(refusal, key, known, meant):
    """An unknown key would have no effect."""
    (line,) = refusal(**{key: 3})

    assert line.startswith(f"{key}: no such key; {known} ")
    assert meant is None or line.endswith(f"; did you mean {meant!r}?")


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("trainer.epochs", "abc", "whole number, >= 1"),
        ("trainer.epochs", 2.5, "whole number, >= 1"),
        ("trainer.epochs", None, "whole number, >= 1"),
        ("trainer.early_stop", "never", "whole number or null, >= 1"),
        ("seed", 1.5, "whole number, >= 0 and <= 4294967295"),
        ("threshold", "half", "number, > 0 and < 1"),
        ("trainer.compile", "maybe", "true or false"),
        ("trainer.precision", 16, "text, one of auto, float32, bfloat16, float16"),
        ("data.size", "big", "whole number or list of whole number, >= 1"),
        ("search.filled", "optimizer.lr", "list of text"),
        ("optimizer.lr", "abc", "number"),
        ("optimizer.lr", None, "number"),
        ("optimizer.lr", [0.1], "number"),
        ("model.channels", [2, "x"], "list of whole number"),
        ("model.channels", 2, "list of whole number"),
        ("optimizer.amsgrad", "perhaps", "true or false"),
    ],
)
def test_wrong_type_names_the_type_wanted(refusal, key, value, wanted):
    """The line has the key, the value and the type."""
    assert refusal(**{key: value}) == [f"{key}={value!r}: wanted {wanted}"]


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("trainer.epochs", 0, ">= 1"),
        ("trainer.batch", -1, ">= 1"),
        ("trainer.averaging", 1.0, ">= 0 and < 1"),
        ("trainer.clip_norm", 0.0, "> 0"),
        ("seed", -1, ">= 0 and <= 4294967295"),
        ("seed", 2**32, ">= 0 and <= 4294967295"),
        ("threshold", 2.0, "> 0 and < 1"),
        ("threshold", 0.0, "> 0 and < 1"),
        ("threshold", 1.0, "> 0 and < 1"),
        ("threshold", float("nan"), "> 0 and < 1"),
        ("data.size", 0, ">= 1"),
        ("data.split.train", -0.5, "> 0; a run needs images to train on"),
        ("data.split.folds", 1, ">= 2"),
        ("optimizer.lr", 0.0, "> 0"),
        ("optimizer.lr", -0.1, "> 0"),
        ("optimizer.lr", float("nan"), "> 0"),
        ("optimizer.weight_decay", float("nan"), ">= 0"),
        ("optimizer.weight_decay", -1e-9, ">= 0"),
    ],
)
def test_out_of_range_names_the_range(refusal, key, value, allowed):
    """At the ends of each range; NaN is outside every range."""
    assert refusal(**{key: value}) == [f"{key}={value}: must be {allowed}"]


@pytest.mark.parametrize(
    ("option", "key", "value", "allowed"),
    [
        ("cosine", "eta_min", -1e-9, ">= 0"),
        ("plateau", "factor", 0.0, "> 0 and <= 1"),
        ("plateau", "factor", 1.1, "> 0 and <= 1"),
        ("plateau", "patience", -1, ">= 0"),
        ("plateau", "cooldown", -1, ">= 0"),
        ("none", "total_iters", -1, ">= 0"),
    ],
)
def test_out_of_range_of_torchs_schedulers(refusal, option, key, value, allowed):
    """Torch would accept them and train with a rising or negative learning rate."""
    found = refusal(f"scheduler={option}", **{f"scheduler__{key}": value})

    assert found == [f"scheduler.{key}={value}: must be {allowed}"]


@pytest.mark.parametrize(
    ("option", "every", "line"),
    [
        ("cosine", "val_loss", "CosineAnnealingLR takes no loss; allowed are step, epoch"),
        ("onecycle", "val_loss", "OneCycleLR takes no loss; allowed are step, epoch"),
        ("none", "val_loss", "ConstantLR takes no loss; allowed are step, epoch"),
        ("plateau", "step", "ReduceLROnPlateau needs a loss; allowed is val_loss"),
        ("plateau", "epoch", "ReduceLROnPlateau needs a loss; allowed is val_loss"),
    ],
)
def test_scheduler_steps_on_a_loss_only_if_it_takes_one(refusal, option, every, line):
    """Torch would use the loss as the number of an epoch, or fail after the first epoch."""
    found = refusal(f"scheduler={option}", scheduler__every=every)

    assert found == [f"scheduler.every={every}: {line}"]


@pytest.mark.parametrize("folder", ["", " ", "~/sweeps"])
def test_outputs_must_be_a_folder(refusal, folder):
    """An unset shell variable gives an empty path; ~ would be the name of a folder."""
    assert refusal(outputs=folder)[0].startswith(f"outputs={folder}: give the path of a folder")


def test_empty_path_is_not_the_working_folder(refusal):
    """An unset shell variable gives an empty path."""
    assert refusal("data=ph2", data__root="") == ["data.root is empty; give it as data.root=<path>"]
    assert refusal(data__split__file="")[0].startswith("data.split.file is empty")


def test_parts_that_are_needed_say_why(refusal):
    """Only the test part may be empty, and not with folds or with distances of test images."""
    assert refusal(data__split__val=0) == [
        "data.split.val=0.0: must be > 0; the best epoch is selected on validation images"
    ]
    assert refusal(data__split__train=0) == [
        "data.split.train=0.0: must be > 0; a run needs images to train on"
    ]
    assert refusal(data__split__test=-0.1) == ["data.split.test=-0.1: must be >= 0"]
    (line,) = refusal(data__split__test=0, data__split__fold=1)
    assert line.startswith("data.split.fold=1: not allowed with data.split.test=0")
    (line,) = refusal(data__split__test=0, evaluate__boundary=True)
    assert line.startswith("evaluate.boundary=true: not allowed with data.split.test=0")


def test_split_file_and_fold_exclude_each_other(refusal):
    """All folds would be the same split, but count as several."""
    (line,) = refusal(data__split__file="s.csv", data__split__fold=1)

    assert line == "data.split.fold=1: not allowed with data.split.file; set only one"


def test_nearest_word_of_an_argument(refusal):
    """Words that a class allows are suggested like those of the schema."""
    (line,) = refusal("scheduler=plateau", scheduler__mode="mni")

    assert line == "scheduler.mode='mni': wanted one of min, max; did you mean 'min'?"


def test_nan_is_refused_without_a_range_too(refusal):
    """Arguments of a user's class have no range."""
    assert refusal(optimizer__eps=float("nan")) == ["optimizer.eps=nan: must be a number"]


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("evaluate.select", "val_iuo", ", ".join((*columns("val"), "val_loss"))),
        ("evaluate.empty", "ones", "one, skip"),
        ("kind", "trail", "run, trial"),
        ("trainer.precision", "float8", "auto, float32, bfloat16, float16"),
        ("data.channels", 2, "1, 3"),
        ("scheduler.every", "batch", "step, epoch, val_loss"),
    ],
)
def test_unknown_word_lists_all_allowed_words(refusal, key, value, line):
    """The line has the key, the value and the words."""
    (found,) = refusal(**{key: value})

    assert found.startswith(f"{key}={value}: allowed are {line}")


def test_nearest_word_is_suggested_only_if_similar():
    """A misspelt word has a suggestion, an unrelated one has none."""
    assert nearest("val_iuo", ("val_iou", "val_loss")) == "; did you mean 'val_iou'?"
    assert nearest("xyz", ("val_iou", "val_loss")) == ""


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(
    "key", ["seed", "threshold", "trainer.batch", "trainer.early_stop", "data.size", "optimizer.lr"]
)
def test_true_is_not_a_number(refusal, key, value):
    """Python treats True as 1; in a config it is a mistake."""
    (line,) = refusal(**{key: value})

    assert line.startswith(f"{key}={value}: wanted ")
    assert "number" in line


@pytest.mark.parametrize("key", ["data.size", "model.channels"])
def test_true_in_a_list_is_not_a_number(refusal, key):
    """The same mistake in an item of a list."""
    assert refusal(**{key: [True, 32]})[0].startswith(f"{key}=[True, 32]: wanted ")


def test_all_problems_are_listed_at_once(refusal):
    """Seven problems give seven lines, each starting with its key."""
    lines = refusal(
        "loss=focal",
        sead=1,
        threshold=2,
        trainer__epochs="x",
        loss__gama=2,
        optimizer__lr=0,
        data__split__train=-1,
        sweep="../up",
    )
    keys = {line.split("=")[0].split(":")[0] for line in lines}

    assert len(lines) == 7
    assert keys == {
        *("sead", "threshold", "trainer.epochs", "loss.gama", "optimizer.lr"),
        *("data.split.train", "sweep"),
    }


def test_problems_of_building_are_listed_at_once_too(refusal):
    """One line for each constructor that refuses its arguments: loss, augmentation, scheduler."""
    lines = refusal(
        "loss=focal", loss__gamma=-1, augment__probability=2, scheduler__every="sometimes"
    )

    assert [line.split(":")[0] for line in lines] == [
        *("loss", "augment", "scheduler.every=sometimes")
    ]
    assert "gamma must be >= 0; got -1" in lines[0]
    assert "probability must be 0 to 1; got 2" in lines[1]


@pytest.mark.parametrize(
    ("key", "given", "expected"),
    [
        ("optimizer.lr", 1, 1.0),
        ("optimizer.lr", "3e-4", 0.0003),
        ("seed", "3", 3),
        ("seed", 3.0, 3),
        ("trainer.epochs", "12", 12),
        ("trainer.clip_norm", 1, 1.0),
        ("data.split.train", 100, 100.0),
        ("data.size", [32, "64"], [32, 64]),
        ("model.channels", ["4", 8], [4, 8]),
        ("trainer.early_stop", None, None),
    ],
)
def test_numbers_are_converted_to_the_type_of_the_key(accepted, key, given, expected):
    """1 and 1.0 are the same learning rate, so they must give the same run."""
    found = accepted(**{key: given})
    for part in key.split("."):
        found = found[part]

    assert found == expected
    assert type(found) is type(expected)


def test_keys_left_out_get_their_defaults(composed):
    """A checked config is complete, the data node included."""
    values, choices = composed(*SMALL)
    for key in ("seed", "trainer", "evaluate"):
        del values[key]
    values["data"] = {"_target_": "segsweep.data.synthetic.Synthetic", "size": 32}
    checked = check_config(values, choices)

    assert (checked["seed"], checked["trainer"]["epochs"]) == (0, 40)
    assert checked["evaluate"] == {
        **{"select": "val_iou", "empty": "one", "at": "both"},
        **{"boundary": False, "tolerance": 2.0},
    }
    assert checked["data"]["channels"] == 3
    assert checked["data"]["split"] == vars(SplitConfig())


def test_checking_twice_changes_nothing(accepted):
    """A frozen config is returned unchanged."""
    once = accepted()
    values = {key: value for key, value in once.items() if key != "choices"}

    assert check_config(values, once["choices"]) == once


def test_choices_are_those_of_the_nodes(accepted):
    """Choices of Hydra's groups, trainer and experiment are removed: they name no class."""
    assert accepted()["choices"] == {
        **{"model": "unet2", "loss": "bce", "optimizer": "adamw"},
        **{"scheduler": "onecycle", "augment": "flips", "data": "synthetic"},
    }


def test_two_options_at_once_are_refused(composed):
    """`loss=[bce,dice]` would merge two nodes into one."""
    values, choices = composed(*SMALL, "loss=[bce,dice]")
    with pytest.raises(ConfigError) as caught:
        check_config(values, choices)

    assert str(caught.value).startswith("loss: choose one option, loss=<name>")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("size", "channels", "side", "multiple", "near"),
    [
        (100, [2, 2, 2, 2], 100, 16, "96 and 112"),
        ([64, 100], [2, 2, 2, 2], 100, 16, "96 and 112"),
        ([97, 64], [2, 2], 97, 4, "96 and 100"),
    ],
)
def test_size_that_does_not_divide_names_the_nearest_two(
    refusal, size, channels, side, multiple, near
):
    """The network halves the sides once per stage."""
    assert refusal(data__size=size, model__channels=channels) == [
        f"data.size={side}: model=unet2 needs a multiple of {multiple}; the nearest are {near}"
    ]


def test_tile_that_does_not_divide_is_named_by_its_key(refusal):
    """What the network sees is the tile; the size of resizing may be anything."""
    assert refusal(data__tile=100, data__size=97, model__channels=[2] * 4) == [
        "data.tile=100: model=unet2 needs a multiple of 16; the nearest are 96 and 112"
    ]
    assert refusal(data__tile=[32]) == ["data.tile=[32]: give one number, or [height, width]"]


@pytest.mark.parametrize("size", [50, [40, 70]])
def test_torchvisions_networks_take_any_size(composed, size):
    """They resize their logits to the size of the image."""
    values, choices = composed("model=lraspp")
    values["data"]["size"] = size

    assert check_config(values, choices)["data"]["size"] == size


@pytest.mark.parametrize("size", [[32], [32, 32, 32], []])
def test_size_is_one_number_or_two(refusal, size):
    """An image has two sides."""
    assert refusal(data__size=size) == [f"data.size={size}: give one number, or [height, width]"]


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("ph2", "data.root is not set; give it as data.root=<path>"),
        ("folder", "data.images is not set; give it as data.images=<path>"),
    ],
)
def test_missing_values_say_how_to_give_them(refusal, data, line):
    """The line for a `???` in an option file has the key and its type."""
    assert refusal(f"data={data}") == [line]


@pytest.mark.parametrize("node", ["model", "loss", "optimizer", "scheduler", "augment", "data"])
@pytest.mark.parametrize("value", ["???", None, {"lr": 1}])
def test_node_without_a_class_names_the_folder_of_options(refusal, node, value):
    """No option chosen, `null`, or arguments without a class."""
    (line,) = refusal(**{node: value})

    assert line == f"{node}={value!r}: choose one of the options in conf/{node}/"


@pytest.mark.parametrize("value", [5, None, "quick"])
def test_section_is_not_a_value(refusal, value):
    """`trainer` has keys."""
    assert refusal(trainer=value) == [
        f"trainer={value!r}: a section, not a value; set trainer.<key>"
    ]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../up", "a/b", "/tmp", " a", "a ", ".a", "a" * 101]
)
def test_sweep_is_a_plain_folder_name(refusal, name):
    """It becomes a folder in outputs."""
    (line,) = refusal(sweep=name)

    assert line.startswith(f"sweep={name}: a folder name of letters")


@pytest.mark.parametrize("name", ["main", "a" * 100, "my sweep-1.2_x+y=z", "Läsion 2"])
def test_allowed_sweep_names(accepted, name):
    """Letters of any language, digits, space and some signs are allowed."""
    assert accepted(sweep=name)["sweep"] == name


def test_defaults_pass_the_check():
    """Every default has the type and range of its key."""
    assert check_section(DataConfig, {})["size"] == 128
    assert check_section(SplitConfig, {}) == vars(SplitConfig())
    assert check_section(Config, {})["trainer"]["batch"] == 10


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (int, "whole number"),
        (float | None, "number or null"),
        (list[str], "list of text"),
        (tuple[int, ...], "list of whole number"),
        (int | list[int], "whole number or list of whole number"),
    ],
)
def test_types_in_words(hint, text):
    """Messages do not use the names of Python's types."""
    assert type_text(hint) == text


def test_order_of_types_in_a_union_matters():
    """The first type that fits the value is used, although Python treats the unions as equal."""
    found = [coerce("x", "3", hint) for hint in (int | float, float | int, int | float)]

    assert [repr(value) for value in found] == ["3", "3.0", "3"]


def test_checked_configs_share_nothing(composed):
    """Checks are cached, but changing one config does not change the others."""
    first, second = (check_config(*composed(*SMALL)) for _ in range(2))
    first["model"]["channels"].append(99)
    first["data"]["split"]["fold"] = 3
    third = check_config(*composed(*SMALL))

    assert second == third
    assert third["model"]["channels"] == [2, 2]


@pytest.mark.parametrize(("given", "kind"), [(1, "float"), (1.0, "float"), ("1", "float")])
def test_equal_numbers_of_other_types_are_checked_separately(accepted, refusal, given, kind):
    """1, 1.0 and true are equal in Python; a cached check must distinguish them."""
    assert type(accepted(optimizer__lr=given)["optimizer"]["lr"]).__name__ == kind
    assert refusal(optimizer__lr=True) == ["optimizer.lr=True: wanted number"]


def test_missing_value_names_the_type_and_range():
    """The line has the key, its type and its range."""
    with pytest.raises(ConfigError, match=r"^lr is not set; give it as lr=<number, > 0>$"):
        coerce("lr", "???", float, "> 0")


def test_a_loss_that_cannot_ignore_pixels_is_refused_with_them():
    """It would count them. Every loss of segsweep takes `valid`."""
    plain = {"_target_": "torch.nn.BCEWithLogitsLoss"}
    check_loss("plain", plain, False, ())

    with pytest.raises(
        ConfigError, match=r"^loss=plain: not allowed with data\.ignore: .*valid=None"
    ):
        check_loss("plain", plain, True, ())
    for path in sorted((conf_folder() / "loss").glob("*.yaml")):
        check_loss(path.stem, yaml.safe_load(path.read_text()), True, ())


@pytest.mark.parametrize(("ignore", "ignores"), [(None, False), ([255], True), ([[0, 0, 9]], True)])
def test_ignored_values_are_checked_with_the_rest(accepted, refusal, tmp_path, ignore, ignores):
    """A list of values, or of colours; text is refused."""
    config = accepted("data=folder", data__images=str(tmp_path), data__ignore=ignore)

    assert config["data"]["ignore"] == ignore
    assert RunConfig.of(config).data.ignores == ignores
    (line,) = refusal("data=folder", data__images=str(tmp_path), data__ignore="border")
    assert line.startswith("data.ignore=")
