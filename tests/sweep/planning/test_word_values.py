"""Values that no word may have: one line that names the word and what is allowed."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from clusters import is_installed
from command import TINY, refusal, train_here
from segsweep.errors import ConfigError
from segsweep.store.outcome import NAN, Outcome
from segsweep.store.states import AttemptStatus
from segsweep.sweep.planning.plain_words import check_plain_words
from segsweep.sweep.planning.word_values import check_one_value, without_m
from segsweep.system.installation import conf_folder

DATA = "folder, pairs, ph2, synthetic"
PLUGINS = ("joblib", "submitit_local", "submitit_slurm")
LAUNCHERS = {"basic", "ray", "segsweep", *filter(is_installed, PLUGINS)}
"""Those with a file of segsweep's or Hydra's, and those of the plugins that are installed."""


def said(word):
    """Return the one line with which a word is refused."""
    with pytest.raises(ConfigError) as caught:
        check_plain_words([word])

    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "key",
    ["seed", "data.size", "optimizer.lr", "threshold", "sweep", "report", "data.split", "outputs"],
)
@pytest.mark.parametrize("value", ["", "=0"])
def test_a_key_of_the_schema_cannot_be_deleted(key, value):
    """Alike in every command: the check does not know of -m."""
    assert said(f"~{key}{value}") == (
        f"~{key}: a run's keys cannot be deleted; leave the word out, or set {key}=<value>"
    )


@pytest.mark.parametrize("group", ["model", "loss", "data", "search"])
def test_an_option_cannot_be_deleted(group):
    """One is needed."""
    assert said(f"~{group}").endswith(f"or set {group}=<option>")


@pytest.mark.parametrize("word", ["~hydra", "~hydra/launcher", "~hydra.sweeper"])
def test_parts_of_hydra_cannot_be_deleted(word):
    """A command needs them."""
    assert said(word) == f"{word}: cannot be deleted; leave the word out"


@pytest.mark.parametrize("word", ["~experiment", "~search.params.x", "~trainer.epoch", "~nothing"])
def test_other_deletions_are_left_to_hydra(word):
    """An experiment need not be there; for a misspelt key Hydra's error leads to the right one."""
    check_plain_words([word])


@pytest.mark.parametrize("value", ["[1]", "[]", "3", "nan", "true", "range(3)", "ph2,[1]"])
def test_what_is_no_name_is_no_option(value):
    """Also within a list of options."""
    assert said(f"data={value}") == f"data={value}: no such option; allowed are {DATA}"


@pytest.mark.parametrize("group", ["model", "trainer", "search", "experiment"])
def test_every_group_names_its_options(group):
    """Those that have a file."""
    files = sorted(file.stem for file in (conf_folder() / group).glob("*.yaml"))

    assert said(f"{group}=[1]").endswith(f"allowed are {', '.join(files)}")


def test_a_mapping_is_not_an_option():
    """The line says how keys are set."""
    assert said("loss={a:1}").startswith(
        "loss={a:1}: its keys are set one by one, as in loss.a=<value>; allowed are bce, "
    )


@pytest.mark.parametrize("value", ["nan", "[1]", "null", "[ray]", "{a:1}"])
def test_launchers_are_those_that_hydra_finds(value):
    """Not only those with a file of segsweep's."""
    allowed = said(f"hydra/launcher={value}").partition("allowed are ")[2].split(", ")

    assert set(allowed) >= LAUNCHERS


def test_options_in_the_users_folder_are_named(tmp_path):
    """Beside segsweep's own, and groups of the user's."""
    for name in ("data/mine", "task/first"):
        file = tmp_path / f"{name}.yaml"
        file.parent.mkdir()
        file.write_text("a: 1\n")
    for word, allowed in (("data=3", "folder, mine, pairs, ph2, synthetic"), ("task=3", "first")):
        with pytest.raises(ConfigError) as caught:
            check_plain_words([f"--config-dir={tmp_path}", word])

        assert str(caught.value) == f"{word}: no such option; allowed are {allowed}"


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("seed=range(0,2),3", "a range, an interval or a pattern cannot be an item of a list; "),
        ("seed=interval(0,1),3", "a range, an interval or a pattern cannot be an item of a list; "),
        ("seed=3,glob(*)", "a range, an interval or a pattern cannot be an item of a list; "),
        ("seed=range(0,5,0)", "the step, the third number, must not be 0"),
        ("optimizer.lr=range(0,1,0.0)", "the step, the third number, must not be 0"),
        ("seed=shuffle(range(0,5,0))", "the step, the third number, must not be 0"),
        ("optimizer.lr=range(0,inf)", "a range needs numbers: range(start,stop,step)"),
        ("optimizer.lr=range(nan,1)", "a range needs numbers: range(start,stop,step)"),
        ("hydra/launcher=ray,segsweep", "only one value is allowed, because it applies to the wh"),
    ],
)
def test_ranges_that_cannot_be_counted(word, line):
    """The line begins with the word."""
    assert said(word).startswith(f"{word}: {line}")


@pytest.mark.parametrize(
    "word",
    [
        *("seed=range(0,3)", "seed=0,1", "model=glob(*)", "model=unet,unet2", "data=ph2"),
        *("experiment=null", "trainer=[quick]", "data.size=[64,64]", "search.params={}"),
    ],
)
def test_right_values(word):
    """Are not refused."""
    check_plain_words([word])


@pytest.mark.parametrize(
    ("word", "search"),
    [
        (
            "trainer.batch=int(interval(4,16))",
            ["+search.params.trainer.batch='int(interval(4,16))'"],
        ),
        (
            "optimizer.lr=interval(1e-4,1e-2)",
            ["search=lr", "search.params={optimizer.lr:'interval(1e-4,1e-2)'}"],
        ),
    ],
)
def test_an_interval_without_m_names_the_search(word, search):
    """In words that Hydra reads and segsweep takes."""
    line = without_m(word)

    assert "-m " in line
    assert "docs/search.md" in line
    for one in search:
        assert one in line
        OverridesParser.create().parse_overrides([one])
    check_plain_words(search)


@pytest.mark.parametrize("word", ["seed=range(0,3)", "model=glob(*)", "optimizer.lr=choice(1,2)"])
@pytest.mark.parametrize("more", [[], ["plan=true"]])
def test_several_values_without_m(word, more, monkeypatch, tmp_path, capsys):
    """The line says to add -m, and nothing is started."""
    code = train_here([*TINY, *more, word], monkeypatch, tmp_path)
    captured = capsys.readouterr()
    line = refusal((code, captured.out, captured.err))

    assert line == f"{word.partition('=')[0]} has several values; add -m to run one after the other"
    assert list(tmp_path.iterdir()) == []


def test_an_interval_with_m_names_the_own_search_first(monkeypatch, tmp_path, capsys):
    """Then Hydra's Optuna sweeper."""
    code = train_here(["-m", *TINY, "optimizer.lr=interval(1e-4,1e-2)"], monkeypatch, tmp_path)
    captured = capsys.readouterr()
    line = refusal((code, captured.out, captured.err))

    assert 0 < line.index("search=lr") < line.index("optuna_lr")


@pytest.mark.parametrize("params", ["{seed: '0,1'}", "{loss: dice}", "{+a.b: '1,2'}"])
def test_an_experiment_with_values_needs_m(params, monkeypatch, tmp_path, capsys):
    """Without -m Hydra would ignore them."""
    (tmp_path / "mine/experiment").mkdir(parents=True)
    text = f"# @package _global_\nhydra: {{sweeper: {{params: {params}}}}}\n"
    (tmp_path / "mine/experiment/e1.yaml").write_text(text)
    code = train_here(
        [*TINY, f"--config-dir={tmp_path}/mine", "experiment=e1"], monkeypatch, tmp_path
    )
    captured = capsys.readouterr()
    line = refusal((code, captured.out, captured.err))

    assert line.startswith("experiment=e1: sets ")
    assert line.endswith("; add -m")


@pytest.mark.parametrize("word", ["model=unet,unet2", "seed=range(0,3)", "data=glob(*)"])
def test_one_data_set_is_looked_at(word):
    """-m is not for `segsweep data`."""
    with pytest.raises(ConfigError, match=r"give one$"):
        check_one_value([word])


@pytest.mark.parametrize(
    ("run", "error", "line"),
    [
        ("unet-bce-s0", "RuntimeError: no", "unet-bce-s0: RuntimeError: no"),
        ("model=net", "model=net: Net called sys.exit", "model=net: Net called sys.exit"),
        ("model=net seed=1", "model=net: Net raised", "model=net: Net raised [in seed=1]"),
    ],
)
def test_the_name_of_a_failed_run_is_said_once(run, error, line):
    """An error of a user's class begins with the option."""
    assert Outcome(run, AttemptStatus.FAILED, NAN, error).error_line == line
