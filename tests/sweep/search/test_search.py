"""A search as a feed of runs: real plans and studies; the training is replaced by a formula."""

import json
import math
import random

import pytest
from optuna.trial import TrialState

from command import TINY, rows_of
from damages import DAMAGES
from segsweep.config.cells import title_of
from segsweep.errors import ConfigError
from segsweep.plugins.register import register_schema
from segsweep.store.chosen import read_chosen
from segsweep.store.outcome import NAN, Outcome
from segsweep.store.states import AttemptStatus, Cause
from segsweep.store.studies import read_study
from segsweep.sweep import session
from segsweep.sweep.planning import work
from segsweep.sweep.planning.compose import Composer
from segsweep.sweep.planning.expand import expand
from segsweep.sweep.planning.plan import sweep_of
from segsweep.sweep.planning.plan_runs import plan_all
from segsweep.sweep.run_search import group_runs, search_of
from segsweep.sweep.search.planner import Planner
from segsweep.sweep.search.settings import settings_of

BEST = {"bce": 3e-3, "dice": 2e-4}
"""The learning rate at which each loss is best."""
GRID = ("loss=bce,dice", "seed=0,1", "search=lr", "search.n_trials=5")
HEADER = "epoch,train_loss,val_loss,val_iou,val_dice,val_score,lr,seconds\n"


def value_of(run):
    """Return the validation IoU of a run: highest at its loss's best rate."""
    rate = run.config.optimizer["lr"]
    return 0.9 - 0.1 * abs(math.log10(rate / BEST[run.config.choices["loss"]]))


def train(run, value=None):
    """Write what a finished run leaves behind; return its outcome."""
    value = value_of(run) if value is None else value
    run.paths.history.write_text(HEADER + f"1,0.5,0.5,{value},0.5,0.1,0.01,1.5\n")
    result = {"run_id": run.config.run_id, "epochs": 1, "best_epoch": 1, "val_iou": value}
    run.paths.result.write_text(json.dumps(result))
    return Outcome(run.name, AttemptStatus.FINISHED, value)


def fail(run, cause=Cause.RAISED):
    """Write what a failed run leaves behind; return its outcome."""
    run.paths.failure.write_text(json.dumps({"cause": cause, "error": "no", "attempts": 1}))
    return Outcome(run.name, AttemptStatus.FAILED, NAN, "no", cause=cause)


@pytest.fixture(scope="module")
def composer():
    """Return one composer for all commands: what options say does not change between them."""
    return Composer()


@pytest.fixture
def begin(composer, tmp_path, monkeypatch):
    """Return a function: words -> the search of a command that has just started."""
    from hydra import initialize_config_dir

    from segsweep.system.installation import conf_folder

    register_schema()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(work, "damages_of", lambda *_: {})  # most files of a run are not there

    def start(*words):
        monkeypatch.setattr(session, "current", session.Session())
        planned = plan_all(expand([*TINY, *words]), composer)[0]
        session.current.sweep = sweep_of(planned[0].config)
        settings = settings_of(planned, words)
        groups = group_runs(planned)
        search = search_of(groups, Planner(composer, settings))
        search.seconds = {title_of(*names): (1.0, 2.0) for names in groups}
        search.start()
        return search

    with initialize_config_dir(str(conf_folder()), job_name="test"):
        yield start


def run_all(search, slots=1, draws=None, do=train):
    """Run a search in *slots*; with *draws* it may be killed. Return the runs that ended."""
    running, ended = [], []
    while True:
        running += [one.run for one in search.next_runs(slots - len(running))]
        if not running:
            return ended
        if draws is not None and draws.random() < 0.25:
            return None  # killed
        run = running.pop(0)
        outcome = do(run)
        if draws is not None and draws.random() < 0.25:
            return None  # killed after the run's result, before the study knows it
        search.ended(outcome)
        ended.append(run)


def by_cell(ended, kind):
    """Return loss -> runs of a kind."""
    found = {}
    for run in ended:
        if run.config.kind == kind:
            found.setdefault(run.config.choices["loss"], []).append(run)
    return found


def rates(runs):
    """Return the learning rates of runs."""
    return [run.config.optimizer["lr"] for run in runs]


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_every_cell_gets_its_trials_then_its_seeds_at_the_best(begin, slots):
    """Equal trials in each cell; the final runs are at the rate of the best one."""
    ended = run_all(begin(*GRID), slots)
    trials, finals = by_cell(ended, "trial"), by_cell(ended, "run")

    for loss in BEST:
        assert len(trials[loss]) == len({*rates(trials[loss])}) == 5
        best = max(trials[loss], key=value_of)
        assert rates(finals[loss]) == [best.config.optimizer["lr"]] * 2
        assert sorted(run.config.seed for run in finals[loss]) == [0, 1]
    assert rates(finals["bce"]) != rates(finals["dice"])


def test_trials_have_a_seed_and_epochs_of_their_own(begin):
    """Half of the epochs, the same weights in all trials, no checkpoint afterwards."""
    ended = run_all(begin(*GRID))
    trials = [run for run in ended if run.config.kind == "trial"]

    assert len({run.config.seed for run in trials}) == 1
    assert trials[0].config.seed not in (0, 1)
    assert {run.config.trainer.epochs for run in trials} == {1}
    assert {run.config.keep for run in trials} == {"none"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 5])
def test_kills_lose_nothing_and_double_nothing(begin, seed, tmp_path):
    """Killed at random points, a search in one slot ends like one that nobody disturbed."""
    draws, starts = random.Random(seed), 1
    while run_all(begin(*GRID), 1, draws) is None:
        starts += 1
    disturbed = read_chosen(session.current.sweep)
    runs = sorted(path.name for path in (tmp_path / "outputs/main/runs").iterdir())
    trials = begin(*GRID).cells[0].study.trials()
    whole = run_all(begin(*GRID, "outputs=whole"))

    assert starts > 9
    assert runs == sorted(run.name for run in whole)
    assert [one.state for one in trials] == [TrialState.COMPLETE] * 5
    assert [vars(one) for one in disturbed] == [
        vars(one) for one in read_chosen(session.current.sweep)
    ]


def test_what_a_kill_after_a_result_left_is_removed(begin):
    """A finished trial keeps no checkpoint and no earlier failure, whenever the kill came."""
    search = begin(*GRID)
    run = search.next_runs(1)[0].run
    train(run)
    run.paths.failure.write_text("{}")
    run.paths.checkpoints.mkdir()
    (run.paths.checkpoints / "last.pt").write_text("weights")
    begin(*GRID)

    assert not [*run.paths.checkpoints.iterdir()]
    assert not run.paths.failure.exists()


def test_a_finished_search_asks_for_nothing(begin):
    """The same command again has no run left, and counts all of them."""
    ended = run_all(begin(*GRID))
    search = begin(*GRID)

    assert search.expected() == {}
    assert search.next_runs(2) == []
    assert {run.name for run in search.planned} == {run.name for run in ended}


def test_more_trials_add_the_difference(begin):
    """5 trials, then 7: two more in each cell, and new final runs only where the best changed."""
    first = run_all(begin(*GRID))
    more = run_all(begin(*GRID[:-1], "search.n_trials=7"))
    trials = by_cell(more, "trial")

    assert [len(trials[loss]) for loss in BEST] == [2, 2]
    for loss, runs in by_cell([*first, *more], "trial").items():
        best = max(runs, key=value_of)
        finals = rates(by_cell(more, "run").get(loss, by_cell(first, "run")[loss]))
        assert {*finals} == {best.config.optimizer["lr"]}


def test_fewer_trials_use_the_first_ones(begin):
    """3 of 5: no new trial; the values are those of the best of three."""
    first = by_cell(run_all(begin(*GRID)), "trial")
    again = run_all(begin(*GRID[:-1], "search.n_trials=3"))

    assert by_cell(again, "trial") == {}
    for one in read_chosen(session.current.sweep):
        best = max(first[one.loss][:3], key=value_of)
        assert one.values == {"optimizer.lr": best.config.optimizer["lr"]}
        assert one.complete == one.n_trials == 3


def test_fewer_trials_after_a_kill_leave_none_running(begin):
    """All 5 were running; with 3 the others are closed; with 5 they have the same rates again."""
    killed = rates([one.run for one in begin(*GRID).next_runs(10)])
    fewer = begin(*GRID[:-1], "search.n_trials=3")
    first = run_all(fewer)
    states = {one.state for cell in fewer.cells for one in cell.study.trials()}
    whole = begin(*GRID)
    second = run_all(whole)

    assert states == {TrialState.COMPLETE, TrialState.FAIL}
    for loss in BEST:
        assert len(by_cell(first, "trial")[loss]) == 3
        assert len(by_cell(second, "trial")[loss]) == 2
    trials = [run for run in (*first, *second) if run.config.kind == "trial"]
    assert sorted(rates(trials)) == sorted(killed)
    for cell in whole.cells:
        assert [one.state for one in cell.asked().values()] == [TrialState.COMPLETE] * 5
    assert {one.n_trials for one in read_chosen(session.current.sweep)} >= {5}


def test_label_says_the_best_so_far(begin):
    """Of the cell's trials that have ended; the first has none before it."""
    search = begin("loss=bce", *GRID[1:])
    first = search.next_runs(1)[0]
    search.ended(train(first.run, 0.6))
    second = search.next_runs(1)[0]

    assert first.label.endswith(" trial 1/5")
    assert second.label == first.label.replace("1/5", "2/5, best so far 0.6000")


def test_a_failed_trial_is_counted_and_tried_again_by_the_next_command(begin):
    """The cell goes on without it; a rerun trains the same values again."""
    broken = []

    def once(run):
        if run.config.kind == "trial" and len(broken) < 1:
            broken.append(run)
            return fail(run)
        return train(run)

    run_all(begin(*GRID), do=once)
    (cell,) = [one for one in read_chosen(session.current.sweep) if one.failed]
    again = run_all(begin(*GRID))

    assert (cell.complete, cell.failed) == (4, 1)
    assert [run.name for run in again if run.config.kind == "trial"] == [broken[0].name]
    assert [one.failed for one in read_chosen(session.current.sweep)] == [0, 0]


def test_failed_trials_are_left_alone_if_asked(begin):
    """`retry_failed=false`: the outcome says that they failed."""
    run_all(begin(*GRID), do=lambda run: fail(run) if run.config.kind == "trial" else train(run))
    search = begin(*GRID, "retry_failed=false")

    assert search.next_runs(1) == []
    assert {one.status for one in search.outcomes} == {AttemptStatus.FAILED}
    assert len(search.outcomes) == 2 * (5 + 2)  # trials, and final runs that cannot be trained


def test_a_diverged_trial_is_a_result(begin):
    """Its values are bad: it counts as a trial, is not tried again and is never chosen."""

    def diverge(run):
        high = run.config.kind == "trial" and run.config.optimizer["lr"] > 1e-3
        return fail(run, Cause.NON_FINITE) if high else train(run)

    search = begin(*GRID)
    ended = run_all(search, do=diverge)
    trials = by_cell(ended, "trial")
    again = begin(*GRID)

    assert again.expected() == {}
    for one in read_chosen(session.current.sweep):
        high = sum(rate > 1e-3 for rate in rates(trials[one.loss]))
        assert high >= 1  # trial 0 is at the config's own 0.002
        assert (one.complete, one.diverged, one.pruned, one.failed) == (5 - high, high, 0, 0)
        assert one.values["optimizer.lr"] <= 1e-3


def test_no_barrier(begin):
    """A cell whose trials are over trains its final runs while the other one is still searched."""
    search = begin(*GRID)
    slow, order = [], []
    running = [one.run for one in search.next_runs(2)]
    while running:
        ready = [run for run in running if run.config.choices["loss"] == "bce"] or running
        run = ready[0]
        running.remove(run)
        order.append(run)
        search.ended(train(run))
        running += [one.run for one in search.next_runs(2 - len(running))]
    kinds = [(run.config.choices["loss"], run.config.kind) for run in order]

    assert slow == []
    assert kinds.index(("bce", "run")) < kinds.index(("dice", "trial")) + 5


def test_rounds_have_one_trial_of_each_cell(begin):
    """Where a launcher waits for all its jobs, no trial could have learnt from another."""
    search, rounds = begin(*GRID), []
    while found := search.next_runs(None):
        rounds.append(sorted(one.run.config.choices["loss"] for one in found))
        for one in found:
            search.ended(train(one.run))

    assert rounds == [["bce", "dice"]] * 5 + [["bce", "bce", "dice", "dice"]]


def test_another_range_is_another_study(begin):
    """Nothing is learnt from it; runs at equal values are not trained twice."""
    first = run_all(begin(*GRID))
    wider = "search.params={optimizer.lr:'tag(log, interval(1e-6, 1e-1))'}"
    second = run_all(begin(*GRID, wider))
    trials = by_cell(second, "trial")

    assert [len(trials[loss]) for loss in BEST] == [4, 4]  # the config's own value is there
    assert not {run.name for run in first} & {run.name for run in second}


def test_folds_have_a_study_each(begin):
    """Another fold has other training images, so its best rate is its own."""
    words = ("loss=bce", "data.split.folds=3", "data.split.fold=0,1", "seed=0", *GRID[2:])
    ended = run_all(begin(*words))
    trials = [run for run in ended if run.config.kind == "trial"]

    assert len(trials) == 10
    assert [one.fold for one in read_chosen(session.current.sweep)] == [0, 1]
    assert len({*rates(trials)}) == 9  # the config's own value is tried in both


def test_a_grid_tries_every_value_once(begin):
    """`search.n_trials` has no meaning there."""
    words = (
        *GRID[:-1],
        "search.sampler=grid",
        "search.params={optimizer.lr:'choice(.1,.01,.001)'}",
    )
    trials = by_cell(run_all(begin(*words)), "trial")

    assert all(sorted(rates(runs)) == [0.001, 0.01, 0.1] for runs in trials.values())


def test_an_option_can_be_searched(begin):
    """Its arguments are no cell keys either."""
    words = ("loss=bce", "search.n_trials=4", "+search.params={augment:'choice(none, flips)'}")
    ended = run_all(begin(*words))

    assert {run.config.choices["augment"] for run in ended} <= {"none", "flips"}
    assert len(ended) == 3  # two options as trials, one final run


def test_plan_names_the_cells_of_trials(begin):
    """Every run that was asked for stands in plan.csv."""
    ended = run_all(begin(*GRID))
    rows = rows_of(session.current.sweep.plan)

    assert {row["folder"] for row in rows} == {run.name for run in ended}
    assert {row["cell"] for row in rows} == {"unet2/bce", "unet2/dice"}


def prune(run):
    """Train all trials but those at low rates, which end early with a value of their own."""
    outcome = train(run)
    if run.config.kind == "trial" and run.config.optimizer["lr"] < 1e-3:
        result = json.loads(run.paths.result.read_text())
        run.paths.result.write_text(json.dumps({**result, "val_iou": 0.99, "pruned": True}))
    return outcome


def test_pruned_trials_count_and_are_not_chosen(begin):
    """As trials of the cell, with their epochs; a value that was reached early is no best one."""
    ended = by_cell(run_all(begin(*GRID, "search.pruner=median"), do=prune), "trial")

    for one in read_chosen(session.current.sweep):
        low = sum(rate < 1e-3 for rate in rates(ended[one.loss]))
        assert low >= 1
        assert (one.complete, one.pruned, one.diverged, one.failed) == (5 - low, low, 0, 0)
        assert one.epochs == 5
        assert one.values["optimizer.lr"] >= 1e-3
    assert begin(*GRID, "search.pruner=median").expected() == {}


def test_a_cell_with_pruned_trials_alone_has_a_best_one(begin):
    """The trial that all others were compared with can diverge afterwards."""

    def unlucky(run):
        if run.config.kind == "run":
            return train(run)
        if run.config.optimizer["lr"] == 0.002:  # trial 0
            return fail(run, Cause.NON_FINITE)
        outcome = train(run)
        result = json.loads(run.paths.result.read_text())
        run.paths.result.write_text(json.dumps({**result, "pruned": True}))
        return outcome

    ended = run_all(begin(*GRID, "search.pruner=hyperband"), do=unlucky)
    trials, finals = by_cell(ended, "trial"), by_cell(ended, "run")

    for loss in BEST:
        best = max(trials[loss][1:], key=value_of)
        assert rates(finals[loss]) == [best.config.optimizer["lr"]] * 2


def test_trials_know_each_other_only_if_they_may_be_pruned(begin):
    """Each that starts finds the runs of all before it, and its own."""
    known = []

    def look(run):
        if run.config.kind == "trial":
            study = run.config.search.study
            known.append(
                [one.root.name for one in read_study(session.current.sweep, study).values()]
            )
            assert known[-1][-1] == run.name
        return train(run)

    run_all(begin("loss=bce", *GRID[1:], "search.pruner=median"), do=look)

    assert [len(names) for names in known] == [1, 2, 3, 4, 5]
    run_all(begin("loss=bce", *GRID[1:], "sweep=plain"))
    assert not session.current.sweep.studies.exists()


def test_only_trials_depend_on_the_pruner(begin):
    """What a trial trains depends on the others of its study; a run at the same values does not."""
    trials, finals = [], []
    for name in ("none", "median", "hyperband"):
        words = ("loss=bce", "search.n_trials=1", *GRID[1:3], f"search.pruner={name}")
        ended = run_all(begin(*words, f"sweep={name}"))
        trials += [run.name for run in by_cell(ended, "trial")["bce"]]
        finals.append([run.name for run in by_cell(ended, "run")["bce"]])

    assert len({*trials}) == 3
    assert finals[0] == finals[1] == finals[2]


def test_a_trial_that_may_end_early_is_another_run(begin):
    """A search without a pruner never takes the result of a trial that one has ended."""
    pruned = begin("loss=bce", "search=lr", "search.pruner=median").next_runs(1)[0].run
    whole = begin("loss=bce", "search=lr").next_runs(1)[0].run

    assert pruned.config.optimizer["lr"] == whole.config.optimizer["lr"]
    assert pruned.config.run_id != whole.config.run_id


def test_final_runs_are_the_runs_at_given_values(begin):
    """Whatever the search, a run at values that somebody gives is the same run."""
    search = begin("loss=bce", "search=lr", "search.n_trials=1", "search.pruner=median")
    ended = run_all(search)
    (final,) = [run for run in ended if run.config.kind == "run"]
    (given,) = plan_all(expand([*TINY, "loss=bce", f"optimizer.lr={rates([final])[0]}"]))[0]

    assert final.config.run_id == given.config.run_id


def test_more_cells_need_no_more_queries_per_trial(begin, monkeypatch):
    """A study is read again only after a change of its own."""
    from optuna.storages._cached_storage import _CachedStorage

    read, original = [], _CachedStorage.get_all_trials
    monkeypatch.setattr(
        _CachedStorage,
        "get_all_trials",
        lambda *given, **named: read.append(1) or original(*given, **named),
    )
    per_trial = []
    for losses in ("bce", "bce,dice,focal"):
        search = begin(
            f"loss={losses}", "seed=0", "search=lr", "search.n_trials=3", f"sweep={len(losses)}"
        )
        read.clear()
        ended = run_all(search, do=lambda run: train(run, 0.5))
        per_trial.append(len(read) / len(ended))

    assert per_trial[1] <= per_trial[0] * 1.1


def test_the_command_of_a_trial_trains_it_again(begin):
    """`segsweep show` prints it: the keys that a search fills in are no search of their own."""
    (trial, *_) = run_all(begin(*GRID, "search.pruner=median"))
    values = trial.config.values["search"]
    words = [*trial.words, "kind=trial", f"search.study='{values['study']}'"]
    words = [word for word in words if not word.startswith(("search=", "search.n_trials"))]
    (again,) = plan_all([[*words, "search.filled=[optimizer.lr]"]], Composer())[0]

    assert settings_of([again], words) is None
    assert again.config.values["search"] == values


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_choice_is_made_again(begin, capsys, damage):
    """chosen.csv, by the same command, from the trials; which file it was is said."""
    run_all(begin(*GRID))
    path = session.current.sweep.chosen
    before = path.read_text()
    DAMAGES[damage](path)
    capsys.readouterr()
    assert run_all(begin(*GRID)) == []

    assert path.read_text() == before
    assert damage == "missing" or "chosen.csv: damaged, " in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_lost_studies_are_made_again_from_the_runs(begin, damage):
    """A damaged search.db is named, and may be deleted: in one slot nothing is trained again."""
    search = begin(*GRID)
    run_all(search)
    search.cells[0].study.storage._backend.engine.dispose()  # as when the command has ended
    sweep = session.current.sweep
    before = sweep.chosen.read_text()
    DAMAGES[damage](sweep.search)
    if damage in ("half", "random", "huge"):
        with pytest.raises(ConfigError, match=r"main/search\.db: damaged \(.*or delete it: then"):
            begin(*GRID)
        sweep.search.unlink()

    assert run_all(begin(*GRID)) == []
    assert sweep.chosen.read_text() == before


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_curve_of_a_trial_changes_no_choice(begin, damage):
    """Its epochs are those of its result; as a study that is made again takes it too."""
    run_all(begin(*GRID))
    sweep = session.current.sweep
    before = [(one.values, one.epochs, one.trials) for one in read_chosen(sweep)]
    trials = [run for run in sweep.run_folders() if "0.9," not in run.history.read_text()]
    DAMAGES[damage](trials[0].history)
    for lost in (sweep.chosen, sweep.search):
        lost.unlink()
        assert run_all(begin(*GRID)) == []
        assert [(one.values, one.epochs, one.trials) for one in read_chosen(sweep)] == before


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_list_of_trials_is_written_again(begin, damage):
    """In `studies/`, with the next trial."""
    words = (*GRID, "search.pruner=median")
    begin(*words).next_runs(2)
    (path, *_) = sorted(session.current.sweep.studies.iterdir())
    before = path.read_text()
    DAMAGES[damage](path)
    begin(*words).next_runs(2)

    assert path.read_text() == before
