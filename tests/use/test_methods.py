"""Model card and methods paragraph of sweeps of every kind: true sentences, or none."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from raced_sweep import raced
from sample_sweeps import Maker
from searched_results import LR, RATES, choose, final, searched_sweep
from segsweep.store.chosen import read_chosen, write_chosen
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import LOOK
from segsweep.store.tables import read_all
from segsweep.use.card import model_card
from segsweep.use.facts import gather

__all__ = ["raced"]


@pytest.fixture
def maker(tmp_path, frozen, write_run):
    """Return what writes a sweep."""
    return Maker(tmp_path / "mine", frozen, write_run, images=12, epochs=30)


def card_of(folder, run):
    """Return (card, paragraph of methods) of a run in a folder `runs/...`."""
    tables = read_all(folder)
    card = model_card(gather(tables, RunPaths(run)), folder.name, ["model.onnx"], "", "")
    assert "None" not in card
    assert "nan" not in card
    return card, card.split("## Methods")[1]


def change_json(path, **changed):
    """Change values of a JSON file; None removes one."""
    values = json.loads(path.read_text()) | changed
    kept = {key: value for key, value in values.items() if value is not None}
    path.write_text(json.dumps(kept))


def test_seeds_and_losses(maker):
    """Mean by hand, what was compared, and that the test images were scored once."""
    runs = [maker.finished("unet2", loss, seed) for loss in ("bce", "dice") for seed in range(2)]
    card, said = card_of(maker.folder, runs[0])
    mean = np.mean([json.loads((run / "result.json").read_text())["test_iou"] for run in runs[:2]])

    assert f"| mean test IoU of the method | {mean:.4f} (95 % interval " in card
    assert "; 2 seeds, 12 test images) |" in card
    assert "compared with one other (2 seeds each); they differ in loss (bce, dice); " in said
    assert "all other settings were the same." in said
    assert "was kept and scored on the test images once." in said
    assert "The 42 images were split into 20 for training, 10 for validation and 12 for" in said
    assert "searched" not in said
    assert "race" not in said


def test_no_test_part(maker):
    """Nothing was tested, and no test score is shown."""
    card, said = card_of(maker.folder, maker.validated("unet2", "bce", 0))

    assert "| test IoU | not tested |" in card
    assert "none to test |" in card
    assert "nothing was tested: no image was set aside for that." in said
    assert "for testing" not in said
    assert "so too high." in said
    assert "test IoU" not in said
    assert "The figures hold" not in card


def test_one_seed(maker):
    """The interval is of this network; nothing is claimed about the method."""
    runs = [maker.finished("unet2", loss, 0) for loss in ("bce", "dice")]
    card, said = card_of(maker.folder, runs[0])

    assert "of the method |" not in card
    assert "| test IoU of this network | " in card
    assert "on other images; 1 seed, 12 test images, nothing is claimed about the method)" in said
    assert "The test IoU of this network was" in said
    assert "compared with one other (one seed each)" in said
    assert "1 seeds" not in card


def folded(maker, seeds, folds=(0, 1, 2)):
    """Write runs with 3 folds of 4 images each; return the last one."""
    every = list(maker.images.items())
    for seed in range(seeds):
        for fold in folds:
            maker.images = dict(every[4 * fold : 4 * fold + 4])
            split = {"data__split__fold": fold, "data__split__folds": 3}
            run = maker.finished("unet2", "bce", seed, **split)
    return run


def test_folds(maker):
    """The mean is over all folds and images; fold 2 of 0 to 2 is not read as the second."""
    card, said = card_of(maker.folder, folded(maker, seeds=2))

    assert "4 to test: fold 2 (of 0 to 2) |" in card
    assert "divided into 3 folds (seed 42); this network, of fold 2 (of 0 to 2), had 20 for" in said
    assert "; 2 seeds, all 3 folds, 12 test images)" in said
    assert "drawn at random" not in said


def test_some_folds_of_one_seed(maker):
    """Not all folds were trained, and nothing is claimed about the method."""
    _, said = card_of(maker.folder, folded(maker, seeds=1, folds=(0, 1)))

    assert "The mean test IoU of these 2 networks was" in said
    assert "; 1 seed, 2 of 3 folds, 8 test images, nothing is claimed about the method)" in said


def test_further_keys_are_named(maker):
    """Cells that differ in epochs do not share a protocol."""
    runs = [
        maker.finished("unet2", "bce", seed, trainer__epochs=epochs)
        for epochs in (20, 30)
        for seed in range(2)
    ]
    _, said = card_of(maker.folder, runs[-1])

    assert "they differ in trainer.epochs (20, 30);" in said


def test_searched_values(maker):
    """Key, range, trials, their epochs, sampler, and that validation images chose."""
    searched_sweep(maker)
    run = next((maker.folder / "runs").glob("unet-bce-s0-*"))
    _, said = card_of(maker.folder, run)

    assert f"(lr {RATES[3]:g} (searched), weight_decay" in said
    assert "(optimizer.lr from 1e-05 to 0.01 on a logarithmic scale)" in said
    trials = "4 trials of 30 epochs (sampler tpe)"
    epochs = yaml.safe_load((run / "config.yaml").read_text())["trainer"]["epochs"]
    assert trials.replace("30", str(epochs)) in said
    assert f"the trial with the best validation IoU gave optimizer.lr={RATES[3]:g}." in said
    assert "same, but those that were searched" in said
    assert "Both cells are at the values found by 4 trials each (optimizer.lr)." in said


def test_values_of_another_sweep(maker):
    """Where they were found; their trials are not here."""
    rate = 3e-3
    run = final(maker, "bce", 0, rate)
    row = choose(maker, "bce", rate, [], [0.7], n_trials=8, complete=6, pruned=2, study="earlier")
    write_chosen(SweepPaths(maker.folder).chosen, [replace(row, epochs=40, trial="")])
    _, said = card_of(maker.folder, run)

    assert "Values were searched in the sweep earlier (optimizer.lr from 1e-05" in said
    assert "8 trials, 40 epochs in all (sampler tpe; 2 pruned);" in said


def test_values_that_are_no_longer_chosen(maker):
    """Not compared, and not said to be the chosen ones."""
    searched_sweep(maker)
    card, said = card_of(maker.folder, final(maker, "bce", 0, 1e-3))

    assert "of optimizer.lr come from a search that has chosen others since." in said
    assert "compared with" not in said
    assert "of the method" not in card


def test_search_without_a_record(maker):
    """Somebody removed chosen.csv."""
    searched_sweep(maker)
    SweepPaths(maker.folder).chosen.unlink()
    _, said = card_of(maker.folder, next((maker.folder / "runs").glob("unet-bce-s0-*")))

    assert "of optimizer.lr come from a search of which no record is left." in said


def test_trial(maker):
    """Also one of Hydra's own sweeper: it read no test image and is not compared."""
    searched_sweep(maker)
    assert read_chosen(SweepPaths(maker.folder))
    run = next((maker.folder / "runs").glob("unet-bce-s99-*"))
    card, said = card_of(maker.folder, run)

    assert f"This network is a trial of a search for {LR}." in said
    assert "nothing was tested: this is a trial of a search." in said
    assert "compared with" not in said
    assert "of the method" not in card


def test_race(raced):
    """Looks, who got more seeds and why, and what it found about each cell."""
    out = next(raced.runs.glob("unet2-dice-s1-*"))
    card, said = card_of(raced.root, out)

    assert "race of 4 cells, with looks at 2, 3 and 4 seeds:" in said
    assert "The race ended at look" in said
    assert "This cell was ruled out at look 1." in said
    assert "; 2 seeds, 16 test images, seeds given by results) |" in card
    assert "compared with 3 others (2 to 4 seeds each)" in said
    assert "images were split" not in said  # this sweep has no split.csv
    assert "This cell is left." in card_of(raced.root, next(raced.runs.glob("unet-bce-s3-*")))[1]


def test_race_whose_record_is_damaged(raced, recwarn):
    """No claim comes from it."""
    raced.race.write_text("look,cell\n1,x\n")
    _, said = card_of(raced.root, next(raced.runs.glob("unet-bce-s0-*")))

    assert "given by results in a race whose record cannot be used here." in said
    assert "ruled out" not in said


def test_precision(maker):
    """Of training and scores, and of the export; differences among runs are said."""
    runs = [maker.finished("unet2", "bce", seed) for seed in range(2)]
    other = maker.finished("unet2", "dice", 0)
    for run in runs:
        change_json(run / "environment.json", precision="bfloat16", lean="fast")
    change_json(other / "environment.json", precision="float32", lean="fast")
    card, said = card_of(maker.folder, runs[0])

    assert "| precision | trained and scored in bfloat16, exported in float32 |" in card
    assert "Training and scores used bfloat16; the export is float32." in said
    assert "Runs of this comparison differ in precision: 2 bfloat16, 1 float32." in said


def test_unknown_facts_are_not_written(maker):
    """Results of another version lack keys; the sentence goes, not the card."""
    run = maker.finished("unet2", "bce", 0)
    change_json(run / "result.json", parameters=None, best_epoch=None, test_iou=None)
    (run / "environment.json").unlink()
    (run / "test_reads.csv").unlink()
    card, said = card_of(maker.folder, run)

    assert "parameters" not in card
    assert "weights of" not in card
    assert "| precision | exported in float32 |" in card
    assert "scored on the test images." in said


def test_early_stop_and_further_readings(maker):
    """Fewer epochs than asked for; the test images read twice."""
    more = {"trainer__epochs": 60, "trainer__early_stop": 10, "trainer__clip_norm": 1.0}
    run = maker.finished("unet2", "bce", 0, **more)
    with (run / "test_reads.csv").open("a") as file:
        file.write("2026-03-01T10:30:00+0000,repeat after a crash,12\n")
        file.write(f"2026-03-01T10:31:00+0000,{LOOK.format(1)},12\n")
    _, said = card_of(maker.folder, run)

    assert "for at most 60 epochs (stopped after 10 epochs without a better one; " in said
    assert "; this network: 30)" in said
    assert "gradients clipped to a norm of 1." in said
    assert "scored on the test images 2 times (the run's one reading, repeat after a crash)" in said
