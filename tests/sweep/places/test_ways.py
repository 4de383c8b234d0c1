"""Each key of the command in each way of running: heeded, or refused in one line."""

import dataclasses
import importlib.util

import pytest
from omegaconf import OmegaConf

from command import TINY, refusal, snapshot, train_here
from segsweep.config.schema import COMMAND_KEYS, Config
from segsweep.errors import ConfigError
from segsweep.plugins.register import register_plugins, register_schema
from segsweep.sweep.places.ways import HEEDS, Way, check_way, way_of
from segsweep.sweep.planning.compose import compose

WAYS = {
    "single": (Way.SINGLE, ()),
    "ours": (Way.OURS, ()),
    "ours basic": (Way.OURS_BY_HYDRA, ("hydra/launcher=basic",)),
    "ours joblib": (Way.OURS_BY_HYDRA, ("hydra/launcher=joblib",)),
    "ours submitit": (Way.OURS_BY_HYDRA, ("hydra/launcher=submitit_local",)),
    "ours ray": (Way.OURS_BY_HYDRA, ("hydra/launcher=ray",)),
    "basic": (Way.BASIC, ("hydra/sweeper=basic",)),
    "basic basic": (Way.BASIC_BY_HYDRA, ("hydra/sweeper=basic", "hydra/launcher=basic")),
    "basic joblib": (Way.BASIC_BY_HYDRA, ("hydra/sweeper=basic", "hydra/launcher=joblib")),
    "basic submitit": (
        Way.BASIC_BY_HYDRA,
        ("hydra/sweeper=basic", "hydra/launcher=submitit_slurm"),
    ),
    "basic ray": (Way.BASIC_BY_HYDRA, ("hydra/sweeper=basic", "hydra/launcher=ray")),
    "optuna": (Way.SEARCH, ("experiment=optuna_lr",)),
    "optuna joblib": (Way.SEARCH_BY_HYDRA, ("experiment=optuna_lr", "hydra/launcher=joblib")),
    "optuna basic": (Way.SEARCH_BY_HYDRA, ("experiment=optuna_lr", "hydra/launcher=basic")),
    "optuna submitit": (
        Way.SEARCH_BY_HYDRA,
        ("experiment=optuna_lr", "hydra/launcher=submitit_slurm"),
    ),
    "optuna ray": (Way.SEARCH_BY_HYDRA, ("experiment=optuna_lr", "hydra/launcher=ray")),
}
ORDER = "single, ours, ours by Hydra, basic, basic by Hydra, search, search by Hydra"
EXPECTED = {
    "plan=true": "- + + + - - -",
    "max_runs=5": "+ + + + + + +",
    "rerun=all": "- + + + - - -",
    "retry_failed=false": "- + + + - + -",
    "time_limit=5": "- + - + - + -",
    "keep_gb=1": "- + + + - + -",
    "slots=2": "- + - + - + -",
    "per_device=2": "- + - + - + -",
    "preflight=false": "+ + + + + + +",
    "check_limit=60": "+ + + + + + +",
    "frozen=x/config.yaml": "- - - - - - -",
    "sweep=other": "+ + + + + + +",
    "outputs=other": "+ + + + + + +",
    "device=cpu": "+ + + + + + +",
    "threads=1": "+ + + + + + +",
    "allow=[mine]": "+ + + + + + +",
    "keep=last": "+ + + + + + +",
}
"""A word -> whether each way heeds it (+) or refuses it (-), in the order of `Way`."""


@pytest.fixture(autouse=True)
def registered():
    """Register what Hydra knows of segsweep."""
    register_schema()
    register_plugins()


def composed(way: str, *words: str):
    """Return the composed config of a command; skip the test without the launcher's plugin."""
    chosen = WAYS[way][1]
    for word in chosen:
        name = word.removeprefix("hydra/launcher=").partition("_")[0]
        plugin = f"hydra_plugins.hydra_{name}_launcher"
        if not word.startswith("hydra/launcher=") or name == "basic":
            continue
        if importlib.util.find_spec(plugin) is None:
            pytest.skip(f"not installed: segsweep[{name}]")
    return compose([*chosen, *words])


def test_every_key_of_the_command_has_an_entry():
    """A new key is in the table, for each way, or this fails; so are keys of no identity."""
    fields = dataclasses.fields(Config)
    whole = {item.name for item in fields if item.metadata.get("identity") is False}
    # sections: one is of every run, one has an entry of its own, every way heeds a tracker
    whole -= {"report", "race", "tracker"}

    assert {*HEEDS} == whole | {*COMMAND_KEYS}
    assert {*HEEDS} == {word.partition("=")[0] for word in EXPECTED}
    assert {len(entry) for entry in HEEDS.values()} == {len(Way)} == {len(ORDER.split(", "))}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_heeds_or_refuses_each_key(way):
    """What is refused names the key, its value and what to do; the rest is accepted."""
    config, kind, single = composed(way), WAYS[way][0], way == "single"
    assert way_of(config, single) is kind
    check_way(config, single)
    wrong = []
    for word, marks in EXPECTED.items():
        heeded = marks.split()[list(Way).index(kind)] == "+"
        key, _, value = word.partition("=")
        changed = config.copy()
        OmegaConf.update(changed, key, ["mine"] if key == "allow" else value)
        try:
            check_way(changed, single)
            found = True
        except ConfigError as error:
            found = False
            assert str(error).startswith(f"{word}: ")
            assert len(str(error).splitlines()) == 1
        wrong += [word] if found != heeded else []

    assert wrong == []


@pytest.mark.parametrize(
    ("way", "word", "hint"),
    [
        ("ours joblib", "slots=2", "use hydra.launcher.n_jobs"),
        ("ours submitit", "time_limit=5", "use hydra.launcher.timeout_min"),
        ("ours submitit", "slots=2", "use hydra.launcher.array_parallelism"),
        ("ours ray", "per_device=2", "use hydra.launcher.ray.remote.num_gpus"),
        ("ours basic", "time_limit=5", "leave out hydra/launcher"),
        ("basic joblib", "plan=true", "leave out hydra/sweeper"),
        ("optuna", "plan=true", "plan it as a run"),
    ],
)
def test_a_refusal_says_what_to_use_instead(way, word, hint):
    """The launcher's own key, where it has one."""
    with pytest.raises(ConfigError, match=hint):
        check_way(composed(way, word))


@pytest.mark.parametrize("part", ["sweeper", "launcher"])
@pytest.mark.parametrize("words", [("-m", "plan=true"), ("-m",), ()])
def test_a_class_that_is_no_sweeper_or_launcher(part, words, monkeypatch, tmp_path, capsys):
    """An experiment may name any class; it is not taken for a search, and never called."""
    (tmp_path / "mine/experiment").mkdir(parents=True)
    text = f"# @package _global_\nhydra: {{{part}: {{_target_: os.system}}}}\n"
    (tmp_path / "mine/experiment/bad.yaml").write_text(text)
    more = [f"--config-dir={tmp_path / 'mine'}", "experiment=bad"]
    code = train_here([*words, *TINY, *more], monkeypatch, tmp_path)
    captured = capsys.readouterr()
    line = refusal((code, captured.out, captured.err))

    assert line.startswith(f"hydra.{part}._target_=os.system: not a {part} of segsweep or Hydra; ")
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_search_is_heeded_by_our_sweeper_alone(way):
    """What asks for one, or steers one, is refused elsewhere with what to leave out."""
    heeded = WAYS[way][0] in (Way.OURS, Way.OURS_BY_HYDRA)
    single = way == "single"
    words = {"search=lr": "search=lr", "search.n_trials=3": "search.n_trials=3"}
    words |= {"+search.params.seed='a,b'": "search.params={'seed': 'a,b'}"}
    for word, shown in words.items():
        config = composed(way, word)
        if heeded:
            check_way(config, single)
            continue
        with pytest.raises(ConfigError) as caught:
            check_way(config, single)
        line = str(caught.value)
        assert line.startswith(f"{shown}: ")
        assert line.endswith("add -m" if single else "or the search")
    check_way(composed(way, "search=none"), single)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_race_is_heeded_by_our_sweeper_alone(way):
    """Also one that is steered by single keys."""
    single = way == "single"
    for word, shown in {"race=best": "race=best", "race.hours=3": "race.hours=3"}.items():
        config = composed(way, word)
        if WAYS[way][0] in (Way.OURS, Way.OURS_BY_HYDRA):
            check_way(config, single)
            continue
        with pytest.raises(ConfigError) as caught:
            check_way(config, single)
        assert str(caught.value).startswith(f"{shown}: ")
        assert str(caught.value).endswith("add -m" if single else "or the race")


@pytest.mark.parametrize("word", ["search=lr", "search.reuse=other"])
@pytest.mark.parametrize("sweeper", ["basic", "optuna"])
def test_another_sweeper_makes_no_search_of_its_cells(sweeper, word):
    """It would ignore the search in silence."""
    check_way(compose([f"hydra/sweeper={sweeper}"]))
    with pytest.raises(ConfigError) as caught:
        check_way(compose([f"hydra/sweeper={sweeper}", word]))

    assert str(caught.value) == (
        f"{word}: not with hydra/sweeper={sweeper}; leave out that sweeper and its experiment, "
        "or the search"
    )


REFUSED = {
    "plan of a search": ("-m", "experiment=optuna_lr", "plan=true"),
    "one run": ("slots=2",),
    "search of one run": ("search=lr",),
    "two searches": ("-m", "experiment=optuna_lr", "search=lr"),
    "search of the basic sweeper": ("-m", "hydra/sweeper=basic", "search=lr_wd"),
    "optuna without -m": ("experiment=optuna_lr",),
    "nothing to search": ("-m", "experiment=optuna_lr", "optimizer.lr=0.01"),
    "an invalid option": ("-m", "experiment=optuna_lr", "optimizer=adam,nope"),
    "an end that is invalid": ("-m", "experiment=optuna_lr", "trainer.clip_norm=interval(-1,1)"),
    "no trials": ("-m", "experiment=optuna_lr", "hydra.sweeper.n_trials=0"),
    "no trial at a time": ("-m", "experiment=optuna_lr", "hydra.sweeper.n_jobs=0"),
    "a rate above 1": ("-m", "experiment=optuna_lr", "hydra.sweeper.max_failure_rate=2"),
    "no address": ("-m", "experiment=optuna_lr", "hydra.sweeper.storage=x.db"),
    "an interval as a grid": ("-m", "experiment=optuna_lr", "hydra/sweeper/sampler=grid"),
    "a mixture": ("-m", "experiment=optuna_lr", "loss=bce,dice"),
    "frozen": ("-m", "frozen=outputs/main/runs/x/config.yaml"),
    "frozen run": ("frozen=outputs/main/runs/x/config.yaml",),
    "rerun of a search": ("-m", "experiment=optuna_lr", "rerun=all"),
    "basic": ("-m", "hydra/sweeper=basic", "hydra/launcher=basic", "plan=true", "seed=0,1"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_refused_commands_start_nothing(name, monkeypatch, tmp_path, capsys):
    """One line, exit code 2, no file."""
    code = train_here([*REFUSED[name], *TINY], monkeypatch, tmp_path)
    captured = capsys.readouterr()

    refusal((code, captured.out, captured.err))
    assert list(tmp_path.iterdir()) == []


def sweep_files(folder):
    """Return every file of `outputs/` outside the cache."""
    return {path for path in snapshot(folder / "outputs") if ".cache" not in path.parts}


SLOWER = [("hydra/sweeper=basic",), ("hydra/launcher=basic",)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [(), *(pytest.param(one, marks=pytest.mark.slow) for one in SLOWER)]
)
def test_a_plan_leaves_no_trace(words, monkeypatch, tmp_path, capsys):
    """Looks at different grids change nothing: no folder of the sweep, and the same words."""
    looks = [
        (*("seed=0,1", "loss=bce,dice"), lr) for lr in ("optimizer.lr=0.1", "optimizer.lr=0.2")
    ]
    said = []
    for look in (*looks, looks[0]):
        code = train_here(["-m", *TINY, "plan=true", *words, *look], monkeypatch, tmp_path)
        said.append(capsys.readouterr().out.partition("about")[0])
        assert code == 0

    assert sweep_files(tmp_path) == {tmp_path / "outputs"}
    assert said[0] == said[2]
    assert "4 runs in 2 cells: 4 new" in said[0]
    assert "unet2/bce " in said[0]
    assert "lr=" not in said[0]


@pytest.mark.slow
def test_a_look_at_a_started_sweep_touches_nothing(monkeypatch, tmp_path, capsys):
    """Its files keep content and time; the plan knows the finished runs and what differs."""
    assert train_here([*TINY, "sweep=main", "trainer.epochs=1"], monkeypatch, tmp_path) == 0
    sweep = tmp_path / "outputs" / "main"
    before = snapshot(sweep)
    words = ["-m", *TINY, "plan=true", "trainer.epochs=1"]
    codes = [
        train_here([*words, *more], monkeypatch, tmp_path)
        for more in (["seed=0,1"], ["seed=0,1", "rerun=all"], ["trainer.epochs=3"])
    ]
    captured = capsys.readouterr()

    assert codes == [0, 0, 0]
    assert snapshot(sweep) == before
    assert "2 runs in 1 cell: 1 finished, 1 new" in captured.out
    assert "1 finished run differs only in trainer.epochs" in captured.err
