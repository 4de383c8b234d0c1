"""Trials that end early: decided as Optuna does, from the files of the other trials."""

import json
import random
from dataclasses import replace

import optuna
import pytest
from optuna.trial import TrialState

from command import TINY, rows_of, train_here
from segsweep.config.identity import run_id
from segsweep.errors import Interrupted
from segsweep.store.outcome import finished_outcome
from segsweep.store.paths import SweepPaths
from segsweep.store.records import config_text, read_config, write_config_text
from segsweep.store.studies import read_study, study_file, write_study
from segsweep.training import loop, run
from segsweep.training.pruning import Curve, Pruning, should_end

optuna.logging.set_verbosity(optuna.logging.ERROR)
MEDIAN = {
    2: {"n_warmup_steps": 1},
    5: {"n_warmup_steps": 1},
    12: {"n_warmup_steps": 4},
    30: {"n_warmup_steps": 10},
}
"""Epochs of a trial -> how Optuna's MedianPruner is set."""
HYPERBAND = {2: 1, 5: 1, 12: 1, 30: 3}
"""Epochs of a trial -> `min_resource` of Optuna's HyperbandPruner."""


def pruner(name, epochs):
    """Return Optuna's pruner as the documentation says that it is set."""
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=2, **MEDIAN[epochs])
    return optuna.pruners.HyperbandPruner(min_resource=HYPERBAND[epochs], max_resource=epochs)


def curves_of(draws, trials, epochs):
    """Return random curves that rise, of trials that differ, with many equal values."""
    found = []
    for _ in range(trials):
        top, speed = draws.random(), draws.random()
        curve = [top * (1 - speed ** (epoch + 1)) + draws.gauss(0, 0.1) for epoch in range(epochs)]
        found.append([round(value, 2) for value in curve])
    return found


@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("epochs", [2, 5, 12, 30])
@pytest.mark.parametrize("name", ["median", "hyperband"])
def test_decisions_are_those_of_optuna(name, epochs, slots):
    """In a study in which trials report and ask in the usual way, one or several at a time."""
    draws, decided = random.Random(f"{name} {epochs} {slots}"), []
    for repeat in range(8):
        study_name, trials = f"unet2/bce {repeat}", draws.randint(3, 14)
        study = optuna.create_study(
            study_name=study_name, direction="maximize", pruner=pruner(name, epochs)
        )
        curves, ours, running = curves_of(draws, trials, epochs), {}, {}
        while len(ours) < trials or running:
            if len(ours) < trials and len(running) < slots:
                trial = study.ask()
                running[trial.number], ours[trial.number] = trial, Curve(())
            k = draws.choice(sorted(running))
            epoch = len(ours[k].values) + 1
            ours[k] = Curve(tuple(curves[k][:epoch]))
            running[k].report(curves[k][epoch - 1], epoch)
            expected = epoch < epochs and running[k].should_prune()
            decided.append(expected)

            assert should_end(name, study_name, epochs, ours, k) == expected
            if expected:
                study.tell(running.pop(k), state=TrialState.PRUNED)
            elif epoch == epochs:
                study.tell(running.pop(k), max(curves[k]))
                ours[k] = replace(ours[k], complete=True)

    assert {False, True} == set(decided)


def test_a_trial_without_a_score_is_not_ended():
    """Validation IoU is NaN if no image can be scored: that is no evidence."""
    others = {k: Curve((0.9,) * 8, complete=True) for k in range(3)}

    assert should_end("median", "a", 8, others | {3: Curve((0.1,) * 4)}, 3)
    assert not should_end("median", "a", 8, others | {3: Curve((0.1,) * 3 + (float("nan"),))}, 3)


HEADER = "epoch,train_loss,val_loss,val_iou,val_dice,val_score,lr,seconds\n"


def write_run(paths, values, ending=""):
    """Write what a run with these validation IoUs leaves behind; *ending* says how it ended."""
    paths.root.mkdir(parents=True)
    rows = [f"{epoch},0.5,0.5,{iou},0.5,0.1,0.01,1.5\n" for epoch, iou in enumerate(values, 1)]
    paths.history.write_text(HEADER + "".join(rows))
    if ending in ("complete", "pruned"):
        result = {"epochs": len(values), "best_epoch": 1, "val_iou": max(values)}
        more = {"pruned": True} if ending == "pruned" else {}
        paths.result.write_text(json.dumps(result | more))
    elif ending:
        paths.failure.write_text(json.dumps({"cause": ending, "error": "no", "attempts": 1}))


@pytest.fixture
def study_of(tmp_path):
    """Return a function: endings of the other trials, curves alike -> the last one's decision."""

    def decision(*endings, values=(0.9,) * 8, name="median"):
        sweep = SweepPaths(tmp_path / "main")
        runs = {k: sweep.run(f"run-{k}") for k in range(len(endings) + 1)}
        for k, ending in enumerate(endings):
            write_run(runs[k], values, ending)
        write_study(sweep, "s", runs)
        return Pruning(name, "s", sweep, f"run-{len(endings)}", 8)

    return decision


HISTORY = [{"val_iou": 0.1}] * 4


@pytest.mark.parametrize(
    ("endings", "ends"),
    [
        (("complete", "complete"), True),
        (("complete",), False),
        (("complete", "pruned"), False),
        (("complete", ""), False),
        (("complete", "non-finite"), False),
        (("complete", "raised", "complete"), True),
    ],
)
def test_the_median_needs_two_complete_trials(study_of, endings, ends):
    """Trials that were ended early, that run, or that failed are no complete ones."""
    assert study_of(*endings)(HISTORY) == ends


@pytest.mark.parametrize(("ending", "ends"), [("", True), ("pruned", True), ("non-finite", False)])
def test_a_diverged_trial_sets_no_bar(study_of, ending, ends):
    """Hyperband compares with trials that run; not with one whose loss became infinite later."""
    pruning = study_of(*[ending] * 4, name="hyperband")

    assert any(pruning(HISTORY[:epoch]) for epoch in (1, 2, 3)) == ends


@pytest.mark.parametrize(
    "damage",
    [
        lambda sweep: study_file(sweep, "s").unlink(),
        lambda sweep: study_file(sweep, "s").write_text('{"study": "s", "runs": [1]}'),
        lambda sweep: study_file(sweep, "s").write_text('{"study": "s", "runs": {"a": 1}}'),
        lambda sweep: write_study(sweep, "s", {0: sweep.run("run-0"), 1: sweep.run("run-1")}),
        lambda sweep: sweep.run("run-0").history.write_text("epoch,val_iou\n1,x\n"),
        lambda sweep: sweep.run("run-0").history.write_bytes(b"\xff\xfe"),
        lambda sweep: sweep.run("run-0").history.unlink(),
    ],
)
def test_what_cannot_be_read_ends_no_trial(study_of, damage):
    """A run does not fail, nor end, because a file of another one is damaged or missing."""
    pruning = study_of("complete", "complete")
    damage(pruning.sweep)

    assert not pruning(HISTORY)


def test_runs_of_others_are_read_while_they_run(study_of):
    """A trial that completes meanwhile counts from then on."""
    pruning = study_of("complete", "")
    before = pruning(HISTORY)
    pruning.sweep.run("run-1").result.write_text('{"epochs": 8}')

    assert (before, pruning(HISTORY)) == (False, True)


def test_a_run_that_trials_share_counts_once(tmp_path):
    """It is that of the first of them."""
    sweep = SweepPaths(tmp_path / "main")
    write_study(sweep, "s", {0: sweep.run("a"), 2: sweep.run("b"), 1: sweep.run("a")})

    assert read_study(sweep, "s") == {0: sweep.run("a"), 2: sweep.run("b")}
    assert read_study(sweep, "another") == {}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """Return the config of a run."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        assert train_here([*TINY, "trainer.epochs=1"], patch, folder) == 0
    (paths,) = SweepPaths(folder / "outputs/main").run_folders()
    return read_config(paths.config)


@pytest.fixture
def trial(config, tmp_path):
    """Return a trial of 8 epochs, not started, whose two siblings are far better."""
    sweep = SweepPaths(tmp_path / "main")
    trainer = {**config.values["trainer"], "epochs": 8, "preview_every": 0}
    search = {"pruner": "median", "study": "s", "filled": ["optimizer.lr"]}
    changed = {"kind": "trial", "keep": "none", "trainer": trainer, "search": search}
    values = {**config.values, **changed}
    values["run_id"] = run_id(values, config.data_fingerprint)
    paths = sweep.run(f"unet2-bce-s0-{values['run_id']}")
    paths.root.mkdir(parents=True)
    write_config_text(paths.config, config_text(values))
    better = {k: sweep.run(f"better-{k}") for k in range(2)}
    for other in better.values():
        write_run(other, (0.99,) * 8, "complete")
    write_study(sweep, "s", better | {2: paths})
    return paths


def test_a_trial_is_pruned(trial):
    """Its result says so, and has the values of its best epoch; it read no test image."""
    outcome = run.execute(trial.config)
    result, rows = json.loads(trial.result.read_text()), rows_of(trial.history)
    best = max(float(row["val_iou"]) for row in rows)

    assert (result["pruned"], result["epochs"], len(rows)) == (True, 2, 2)
    assert result["val_iou"] == outcome.value == best
    assert outcome.note == finished_outcome(trial).note == "pruned at epoch 2"
    assert "pruned at epoch 2 of 8" in trial.log.read_text()
    assert not trial.test_reads.exists()
    assert not [*trial.checkpoints.glob("*.pt")]


def test_a_trial_killed_before_its_end_trains_no_further_epoch(trial, monkeypatch):
    """It decides again before it trains on."""

    def killed(*_):
        raise Interrupted("killed")

    with monkeypatch.context() as patch:
        patch.setattr(run, "write_result", killed)
        with pytest.raises(Interrupted):
            run.execute(trial.config)
    before, steps = trial.history.read_text(), []
    train_step = loop.train_step
    monkeypatch.setattr(loop, "train_step", lambda *a: steps.append(1) or train_step(*a))
    outcome = run.execute(trial.config)

    assert (outcome.note, steps) == ("pruned at epoch 2", [])
    assert trial.history.read_text() == before


def test_a_trial_trained_alone_is_not_pruned(trial):
    """Without its search there is nothing to compare it with."""
    study_file(SweepPaths(trial.root.parents[1]), "s").unlink()
    run.execute(trial.config)
    result = json.loads(trial.result.read_text())

    assert "pruned" not in result
    assert result["epochs"] == 8
