"""`search.reuse`: which values go to which cell, and what is refused. Real plans, no training."""

import json
from dataclasses import replace

import pytest

from command import TINY, refusal, train_here
from segsweep import train
from segsweep.errors import ConfigError
from segsweep.plugins.register import register_schema
from segsweep.store.chosen import Chosen, read_chosen, write_chosen
from segsweep.store.outcome import Outcome
from segsweep.store.paths import SweepPaths
from segsweep.store.states import AttemptStatus, Status
from segsweep.store.tables import read_all
from segsweep.sweep import session
from segsweep.sweep.places.local import Local
from segsweep.sweep.planning import work
from segsweep.sweep.planning.compose import Composer
from segsweep.sweep.planning.expand import expand
from segsweep.sweep.planning.plan_runs import plan_all
from segsweep.sweep.search.planner import Planner
from segsweep.sweep.search.reuse import reused
from segsweep.sweep.search.settings import settings_of

LR = "optimizer.lr"
RANGE = "tag(log, interval(1e-5, 1e-2))"


def row(loss="bce", rate=3e-4, fold=None, model="unet2", **values):
    """Return a row of another sweep's chosen.csv."""
    values = values or {LR: rate}
    return Chosen(
        **{"cell": f"{model}/{loss}", "model": model, "loss": loss, "fold": fold},
        **{"cell_id": f"{model}{loss}{fold}{[*values]}", "values": values},
        **{"params": dict.fromkeys(values, RANGE), "trial": "0123456789ab"},
        **{"val_iou": 0.8, "own_val_iou": 0.7, "n_trials": 8, "complete": 7, "pruned": 1},
        **{"diverged": 0, "failed": 0, "epochs": 30, "seconds": 1.5, "study": "unet2/bce 01"},
    )


def write(tmp_path, *rows, sweep="found"):
    """Write another sweep with these chosen values."""
    folder = tmp_path / "outputs" / sweep
    (folder / "runs").mkdir(parents=True, exist_ok=True)
    write_chosen(folder / "chosen.csv", rows)
    return folder


@pytest.fixture
def reuse(tmp_path, monkeypatch):
    """Return a function: words -> the command's runs at values found elsewhere."""
    from hydra import initialize_config_dir

    from segsweep.system.installation import conf_folder

    register_schema()
    monkeypatch.chdir(tmp_path)

    def start(*words):
        monkeypatch.setattr(session, "current", session.Session())
        composer = Composer()
        planned = plan_all(expand([*TINY, *words]), composer)[0]
        settings = settings_of(planned, words)
        return reused(planned, settings, Planner(composer, settings))

    with initialize_config_dir(str(conf_folder()), job_name="test"):
        yield start


def rates(found):
    """Return {(loss, fold): learning rates of its runs}."""
    by = {}
    for run in found.planned:
        key = run.config.choices["loss"], run.config.data.split.fold
        by.setdefault(key, set()).add(run.config.optimizer["lr"])
    return by


GRID = ("loss=bce,dice", "seed=0,1")


@pytest.mark.parametrize("words", [("search=lr",), ()])
def test_each_cell_gets_the_values_of_its_model_and_loss(reuse, tmp_path, words):
    """With a search, and with the sweep's name alone; every seed has them."""
    write(tmp_path, row("dice", 1e-4), row("bce", 3e-3), row("focal", 1e-5))
    found = reuse(*GRID, *words, "search.reuse=found")

    assert rates(found) == {("bce", None): {3e-3}, ("dice", None): {1e-4}}
    assert len(found.planned) == 4
    assert found.lines[1:] == [
        "  unet2/bce: optimizer.lr=0.003",
        "  unet2/dice: optimizer.lr=0.0001",
    ]


def test_runs_are_those_of_the_values_given_by_hand(reuse, tmp_path):
    """The id tells nothing of where a value comes from; the config does."""
    write(tmp_path, row(rate=3e-3))
    (run,) = reuse("loss=bce", "search.reuse=found").planned
    (plain,) = plan_all(expand([*TINY, "loss=bce", "optimizer.lr=0.003"]), Composer())[0]

    assert run.name == plain.name
    assert run.config.values["search"] == {"filled": [LR]}
    assert plain.config.values["search"] == {"filled": []}


def test_the_record_names_the_other_sweep(reuse, tmp_path):
    """chosen.csv has this sweep's cell, the values, what finding them took there, and where."""
    folder = write(tmp_path, row(rate=3e-3))
    by_name = reuse("loss=bce", "search.reuse=found")
    copied = tmp_path / "copied"
    folder.rename(copied)
    by_path = reuse("loss=bce", f"search.reuse={copied}/chosen.csv")
    by_name.sweep.root.mkdir()
    by_name.record()
    (stored,) = read_chosen(SweepPaths(tmp_path / "outputs/main"))

    assert by_name.is_recorded()
    assert (stored.values, stored.study, stored.trial) == ({LR: 3e-3}, "found", "")
    assert (stored.n_trials, stored.complete, stored.epochs) == (8, 7, 30)
    assert stored.cell_id != row().cell_id
    assert by_path.rows == [replace(stored, study=str(copied.resolve()))]
    assert not by_path.is_recorded()


def test_with_folds_the_fold_decides(reuse, tmp_path):
    """Another fold's values were chosen on images that this one tests with."""
    write(tmp_path, row(rate=1e-3, fold=0), row(rate=1e-4, fold=1))
    words = ("loss=bce", "data.split.folds=3", "search.reuse=found")
    found = reuse(*words, "data.split.fold=0,1")

    assert rates(found) == {("bce", 0): {1e-3}, ("bce", 1): {1e-4}}
    assert [one.fold for one in found.rows] == [0, 1]
    with pytest.raises(ConfigError, match=r"unet2/bce fold 2: no values there of fold 2; .* 0, 1$"):
        reuse(*words, "data.split.fold=1,2")
    with pytest.raises(ConfigError, match="no values there without folds"):
        reuse("loss=bce", "search.reuse=found")


def test_keys_of_the_search_choose_among_searches(reuse, tmp_path):
    """A sweep may hold the values of two searches of a cell: the given one's are taken."""
    both = {LR: 2e-3, "optimizer.weight_decay": 1e-4}
    write(tmp_path, row(rate=3e-3), row(**both))

    assert rates(reuse("loss=bce", "search=lr", "search.reuse=found")) == {("bce", None): {3e-3}}
    (run,) = reuse("loss=bce", "search=lr_wd", "search.reuse=found").planned
    assert run.config.optimizer["weight_decay"] == 1e-4
    with pytest.raises(ConfigError, match=r"2 candidates there .*0.003; .*weight_decay=0.0001"):
        reuse("loss=bce", "search.reuse=found")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "words", "reason"),
    [
        ([row("dice")], (), "unet2/bce: no values there; the search there is over for unet2/dice"),
        ([], (), "chosen.csv: damaged, it has no row; the command of its search writes it again"),
        ([row(), replace(row(), cell_id="2")], (), "2 candidates there"),
        ([row(**{"optimizer.speed": 3})], (), "optimizer.speed: no such key"),
        ([row(seed=3)], (), "seed: not searched"),
        ([row(**{"optimizer.lr": "fast"})], (), "optimizer.lr=fast"),
        ([row(**{"optimizer.lr": -1.0})], (), "optimizer.lr"),
        ([row(**{"optimizer.lr": [1]})], (), "not a value of a search"),
        (
            [row()],
            ("search=lr_wd",),
            "there are of optimizer.lr, not of optimizer.lr, optimizer.we",
        ),
        ([row()], ("optimizer.lr=0.1",), "optimizer.lr=0.1: optimizer.lr comes from there"),
        ([row()], ("search=lr", "optimizer.lr=0.1,0.2"), "optimizer.lr is searched; leave it out"),
        ([row()], ("search.n_trials=3",), "search.n_trials=3: has no effect with search.reuse"),
    ],
)
def test_what_does_not_fit_is_refused(reuse, tmp_path, rows, words, reason):
    """One line that names the cell or the key."""
    write(tmp_path, *rows)
    with pytest.raises(ConfigError) as refused:
        reuse("loss=bce", *words, "search.reuse=found")

    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "outputs/main").exists()


def test_every_cell_without_values_is_named(reuse, tmp_path):
    """A line for each, so that they can be searched together."""
    write(tmp_path, row("bce"))
    with pytest.raises(ConfigError) as refused:
        reuse("loss=bce,dice,focal", "search.reuse=found")

    assert [line.split(":")[1] for line in str(refused.value).splitlines()] == [
        " unet2/dice",
        " unet2/focal",
    ]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("nowhere", "no sweep at that path"),
        ("main", "this sweep itself"),
        ("plain", "no search has chosen values there"),
        ("damaged", "damaged, line 2"),
        ("gone/chosen.csv", "does not exist"),
    ],
)
def test_sweeps_that_hold_no_values(reuse, tmp_path, source, reason):
    """A missing sweep, this one, one without a search, a damaged file."""
    write(tmp_path, row(), sweep="main")
    write(tmp_path, sweep="damaged").joinpath("chosen.csv").write_text("cell,model\na,b\n")
    (tmp_path / "outputs/plain/runs").mkdir(parents=True)
    with pytest.raises(ConfigError, match=f"^search.reuse={source}: .*{reason}"):
        reuse("loss=bce", f"search.reuse={source}")


def finish(self, work, slots, costs, feed=None):
    """Write what finished runs leave behind, in place of training them."""
    for run in work.todo:
        run.paths.result.write_text(json.dumps({"run_id": run.config.run_id, "val_iou": 0.5}))
    return [Outcome(run.name, AttemptStatus.FINISHED, 0.5) for run in work.todo]


def test_a_command_plans_trains_and_supersedes(tmp_path, monkeypatch, capsys):
    """The plan writes nothing; other values later supersede the first ones, and back again."""
    monkeypatch.setattr(Local, "start", lambda self, words: None)
    monkeypatch.setattr(Local, "prepare", lambda self, todo: (list(todo), [], {}))
    monkeypatch.setattr(Local, "launch", finish)
    monkeypatch.setattr(work, "damages_of", lambda *_: {})
    monkeypatch.setattr(train, "_show", lambda sweep: None)
    write(tmp_path, row(rate=3e-3), sweep="first")
    write(tmp_path, row(rate=1e-3), sweep="second")

    def command(*words):
        code = train_here(["-m", *TINY, "loss=bce", "slots=1", *words], monkeypatch, tmp_path)
        return code, *capsys.readouterr()

    def statuses():
        runs = read_all(tmp_path / "outputs/main").results
        return dict(zip(runs["lr"], runs["status"], strict=True))

    code, _, shown = command("search.reuse=first", "plan=true")
    assert (code, (tmp_path / "outputs/main").exists()) == (0, False)
    assert "  unet2/bce: optimizer.lr=0.003" in shown

    assert command("search.reuse=first")[0] == 0
    assert statuses() == {3e-3: Status.FINISHED}
    assert command("search.reuse=second")[0] == 0
    assert statuses() == {3e-3: Status.SUPERSEDED, 1e-3: Status.FINISHED}
    assert "1 finished, 0 to do" in command("search.reuse=first")[2]
    assert statuses() == {3e-3: Status.FINISHED, 1e-3: Status.SUPERSEDED}
    (stored,) = read_chosen(SweepPaths(tmp_path / "outputs/main"))
    assert (stored.values, stored.study) == ({LR: 3e-3}, "first")
    line = refusal(command("search.reuse=third"))
    assert line.startswith("search.reuse=third: no sweep at that path")


def test_a_search_needs_a_multirun(tmp_path, monkeypatch, capsys):
    """Without -m there is one run: neither trials nor reuse are ignored in silence."""
    write(tmp_path, row())
    for word in ("search=lr", "search.reuse=found"):
        code = train_here([*TINY, word], monkeypatch, tmp_path)
        line = refusal((code, *capsys.readouterr()))

        assert line == f"{word}: only with -m; add -m"
    assert not (tmp_path / "outputs/main").exists()
