"""The long errors of Hydra and OmegaConf become one line with the allowed values."""

import pytest
from hydra.errors import HydraException

from command import refusal, train_here
from conftest import compose_here
from segsweep.errors import ConfigError, DataError
from segsweep.sweep.planning.hydra_errors import one_line
from segsweep.system.installation import conf_folder


def said(*words):
    """Return the one line for the error that a command line raises in Hydra."""
    with pytest.raises((HydraException, ConfigError)) as caught:
        compose_here(*words)
    line = one_line(caught.value, words)

    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("loss=dise", "dice"),
        ("model=unet4", "unet"),
        ("optimizer=adma", "adam"),
        ("scheduler=cosin", "cosine"),
        ("augment=xyz", None),
        ("data=ph3", "ph2"),
        ("trainer=quik", "quick"),
        ("experiment=demos", "demo"),
    ],
)
def test_unknown_option_names_the_options(word, meant):
    """Every option that has a file, and the nearest; no suggestion that is far away."""
    line = said(word)
    files = sorted(file.stem for file in (conf_folder() / word.split("=")[0]).glob("*.yaml"))
    close = f"; did you mean {meant!r}?" if meant else ""

    assert line == f"{word}: no such option; allowed are {', '.join(files)}{close}"


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("lr=0.1", "lr: no such key; did you mean 'optimizer.lr'?"),
        (
            "data.images=a",
            "data.images: no such key; data has count, side, difficulty, seed, size, channels, "
            "resize, tile, overlap, crops, split; with images: data=folder; to add an option, "
            "write a file conf/data/<name>.yaml",
        ),
        (
            "data=./a",
            "data=./a: no such option; allowed are folder, pairs, ph2, synthetic; your own images: "
            "data=folder data.images=./a data.masks=<folder>",
        ),
    ],
)
def test_keys_and_folders_in_the_wrong_place(word, line):
    """The line says where they belong."""
    assert said(word) == line


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("modle=unet", "model"),
        ("trainer.epoch=3", "trainer.epochs"),
        ("epochs=3", "trainer.epochs"),
        ("evaluate.selct=val_iou", "evaluate.select"),
        ("sed=1", "seed"),
    ],
)
def test_unknown_key_names_the_nearest(word, meant):
    """With its section."""
    key = word.partition("=")[0]

    assert said(word) == (
        f"{key}: no such key; did you mean {meant!r}?; `segsweep-train --cfg job` lists them all"
    )


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["evaluate.x=1"], "evaluate.x: no such key; evaluate has at, boundary, empty, select"),
        (["~trainer.x"], "~trainer.x: no such key; trainer has averaging, batch, "),
        (["~trainer.epoch"], "~trainer.epoch: no such key; did you mean 'trainer.epochs'?"),
        (
            ["~trainer.epochs"],
            "~trainer.epochs: a run's keys cannot be deleted; leave the word out",
        ),
        (
            ["experiment=optuna_lr", "~hydra.sweeper.params"],
            "~hydra.sweeper.params: cannot be deleted; leave the word out, and give a key its own ",
        ),
        (
            ["~hydra.job.name"],
            "~hydra.job.name: Hydra's keys cannot be deleted; leave the word out, or set hydra.job",
        ),
        (["augment=none", "augment.p=1"], "augment.p: no such key; augment=none has no keys; "),
        (
            ["hydra=basic"],
            "hydra: takes the name of an option in its groups, as in hydra/launcher=",
        ),
        (["hydra.x=1"], "hydra.x: no such key; `segsweep-train --cfg hydra` lists those"),
        (
            ["hydra.launcher.n_jobs=2"],
            "hydra.launcher.n_jobs: hydra/launcher=segsweep has no such key; another is hydra/la",
        ),
        (
            ["hydra/sweeper=optuna", "hydra.sweeper.params={seed: 'range(0,3)'}"],
            "hydra.sweeper.params: Hydra reads it only from a file, as in conf/experiment/",
        ),
    ],
)
def test_the_cause_is_said(words, line):
    """A section lists its keys, an option without keys is named, a deleted key too."""
    assert said(*words).startswith(line)


def test_levels_by_the_thousand(monkeypatch, tmp_path, capsys):
    """In a YAML file or a word, they are named, not Python's recursion."""
    deep = "[" * 4_000 + "]" * 4_000
    (tmp_path / "own/model").mkdir(parents=True)
    (tmp_path / "own/model/deep.yaml").write_text(f"_target_: x\nwidths: {deep}\n")
    for words in (("--config-dir", "own", "model=deep"), (f"data.size={deep}",)):
        assert train_here(words, monkeypatch, tmp_path) == 2
        line = refusal((2, *capsys.readouterr()))
        assert line.startswith("brackets or levels within each other by the thousand")


def test_another_main_config(monkeypatch, tmp_path, capsys):
    """`-cn` names a file in segsweep's own conf folder, where users have none."""
    code = train_here(["-cn", "nothing"], monkeypatch, tmp_path)
    captured = capsys.readouterr()
    line = refusal((code, captured.out, captured.err))

    assert line.startswith("-cn nothing: no config of that name; leave it out: ")


def test_key_without_similar_keys():
    """The line names the command that lists all keys."""
    assert (
        said("qqqq.zzzz=1") == "qqqq.zzzz: no such key; `segsweep-train --cfg job` lists them all"
    )


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (["loss=focal", "loss.gama=3"], "loss has gamma; did you mean 'gamma'?"),
        (
            ["loss=bce", "loss.gamma=3"],
            "loss=bce has no keys; with gamma: loss=focal, loss=focal_lin",
        ),
        (["model=unet", "model.chanels=[1]"], "model has in_channels, channels; did you mean "),
        (
            ["data.cuont=3"],
            "data has count, side, difficulty, seed, size, channels, resize, tile, overlap, crops, "
            "split; did you mean ",
        ),
    ],
)
def test_unknown_key_of_an_option_names_that_options_keys(words, place):
    """Not those of the default option; the line says how to add an option."""
    key = words[-1].partition("=")[0]
    node = key.partition(".")[0]
    line = said(*words)

    assert line.startswith(f"{key}: no such key; {place}")
    assert line.endswith(f"; to add an option, write a file conf/{node}/<name>.yaml")


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("trainer.epochs=abc", "whole number"),
        ("trainer.epochs=1.5", "whole number"),
        ("trainer.epochs=true", "whole number"),
        ("seed=abc", "whole number"),
        ("threshold=half", "number"),
        ("trainer.averaging=[1]", "number"),
        ("trainer.compile=maybe", "true or false"),
        ("trainer.compile=[1]", "true or false"),
        ("trainer.compile=1.5", "true or false"),
    ],
)
def test_wrong_type_names_the_type_wanted(word, wanted):
    """Hydra checks the sections against the schema, before segsweep's own check."""
    key, _, value = word.partition("=")

    assert said(word).lower() == f"{key}={value}: wanted {wanted}"


@pytest.mark.parametrize(
    ("word", "wanted"),
    [("seed=null", "a value, not null"), ("allow=mine", "a list, as in allow=[mine]")],
)
def test_null_and_single_words_name_the_type_wanted(word, wanted):
    """A key that must not be null, and a key with a list."""
    assert said(word) == f"{word}: wanted {wanted}"


@pytest.mark.parametrize("word", ["hydra.run=3", "hydra.job_logging=none"])
def test_a_value_for_a_section_of_hydra(word):
    """The line says that it has keys of its own."""
    key = word.partition("=")[0]

    assert (
        said(word) == f"{word}: holds keys of its own; set one of these, as in {key}.<key>=<value>"
    )


@pytest.mark.parametrize("word", ["hydra.job.env_set={A:b}", "hydra.job.env_set.A=b"])
def test_variables_of_the_environment(word):
    """The line says where they are set."""
    assert said(word).endswith(
        ": set variables in front of the command: NAME=value segsweep-train ..."
    )


def test_several_values_without_m():
    """The line says to add -m."""
    assert said("loss=bce,dice") == "loss has several values; add -m to run one after the other"


@pytest.mark.parametrize("word", ["loss", "seed 3"])
def test_word_that_is_not_an_override(word):
    """The line does not contain Hydra's grammar and links."""
    assert said(word) == f"{word}: cannot be read as key=value"


@pytest.mark.parametrize("value", ["[mine", "x={"])
def test_value_that_needs_quotes_is_shown_with_them(value):
    """The suggestion, after a shell removed its quotes, is a value that Hydra can read."""
    quoted = f'sweep="{value}"'

    assert said(f"sweep={value}") == (
        f"sweep={value}: cannot be read as key=value; "
        f"put quotes around the value: sweep='\"{value}\"'"
    )
    assert compose_here(quoted)[0]["sweep"] == value


def test_interpolation_of_a_missing_key():
    """The line names the missing key."""
    assert said("sweep=${nowhere}") == "config: Interpolation key 'nowhere' not found"


def test_own_errors_are_unchanged():
    """An error with a line for each problem keeps its lines."""
    assert one_line(ConfigError("a=1: no\nb=2: no")) == "a=1: no\nb=2: no"
    assert one_line(DataError("x.png: no mask")) == "x.png: no mask"


def test_errors_of_the_system_name_the_file():
    """Without the error number."""
    with pytest.raises(OSError) as caught:
        open("/nowhere/at/all")  # noqa: PTH123, SIM115  any error that the system raises
    assert one_line(caught.value) == "/nowhere/at/all: No such file or directory"


def test_other_errors_name_their_class():
    """With the first two lines of the message, joined."""
    assert one_line(RuntimeError("first\n\n  second\nthird")) == "RuntimeError: first second"
    assert one_line(KeyError("x")) == "KeyError: 'x'"
    assert one_line(ValueError()) == "ValueError: unknown error"


def test_option_named_by_a_key_that_does_not_exist(monkeypatch, tmp_path, capsys):
    """Hydra names the groups that may be referred to; the word and its options are meant."""
    for word in ("data=${foo}", "model=${foo}"):
        line = refusal((train_here([word], monkeypatch, tmp_path), *capsys.readouterr()))
        assert line.startswith(f"{word}: no such option; allowed are ")


@pytest.mark.parametrize(("word", "kind"), [("scheduler=null", "NoneType"), ("scheduler=3", "int")])
def test_option_that_is_not_a_name(word, kind):
    """Hydra's own error names neither the group nor its options."""
    error = ValueError(f"Config group override must be a string or a list. Got {kind}")

    assert one_line(error, ["model=unet", word]) == (
        f"{word}: no such option; allowed are cosine, none, onecycle, plateau"
    )


def test_misspelt_key_of_the_split_names_its_keys():
    """Not those of the sections above it."""
    with pytest.raises(HydraException) as caught:
        compose_here("data.split.flod=1")

    assert one_line(caught.value, ["data.split.flod=1"]) == (
        "data.split.flod: no such key; data.split has file, fold, folds, given, keep_groups, seed, "
        "test, train, val; did you mean 'fold'?"
    )


@pytest.mark.parametrize("name", ["ray", "joblib", "submitit"])
def test_launcher_that_is_not_installed_says_what_to_install(name):
    """Hydra's own error names an unknown class or a missing option."""
    unknown = RuntimeError(
        f"Unknown plugin class : 'hydra_plugins.hydra_{name}_launcher.x.XLauncher'"
    )

    assert one_line(unknown, []) == (
        f"hydra/launcher={name}: not installed; pip install 'segsweep[{name}]'"
    )


def test_launcher_without_a_plugin_is_not_installed():
    """Another of Hydra's launchers may exist: what is missing is its plugin."""
    line = said("hydra/launcher=dask")

    assert line.startswith("hydra/launcher=dask: no such launcher is installed; allowed are basic")


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["threads=1", "hydra=9"], "hydra=9: hydra takes the name of an option"),
        (
            ["-m", "seed=0,1", "hydra=9,8"],
            "hydra=9,8: only one value is allowed, because it applies",
        ),
    ],
)
def test_the_word_that_is_wrong_is_named(words, line, tmp_path, monkeypatch, capsys):
    """Not another one, whose key takes a value of that kind."""
    assert train_here(words, monkeypatch, tmp_path) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(line)
