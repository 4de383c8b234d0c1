"""Which runs are used: by hand-made results."""

import json
import shutil

import pytest

from segsweep.errors import RunNotFoundError, StoreError
from segsweep.store.tables import read_all
from segsweep.use.choose import choose_best, choose_cell, choose_ensemble, choose_run

# cell -> validation IoU of two seeds, pixels hit of 100 in each of 30 test images, multiply-adds
CELLS = {
    "unet": ((0.70, 0.72), 90, 4_000),
    "unet2": ((0.80, 0.78), 90, 9_000),
    "unet3": ((0.75, 0.76), 90, 1_000),
    "segnet": ((0.95, 0.95), 40, 500),
}
"""Validation prefers segnet, which is clearly worst on test images; the others are alike."""

IMAGES = 30
RESULT = {"run_id": "x", "epochs": 3, "best_epoch": 2, "n_test": IMAGES}


@pytest.fixture
def make(tmp_path, frozen, write_run):
    """Return a function that writes a sweep with some seeds of each cell and reads its tables."""

    def sweep(seeds=2, **changes):
        for model, (values, hits, cost) in CELLS.items():
            for seed in range(seeds):
                noise = [(seed * 7 + image * 3 + len(model)) % 5 for image in range(30)]
                counts = [
                    (
                        "test",
                        "train",
                        f"{image:02d}",
                        hits - noise[image],
                        0,
                        100 - hits + noise[image],
                        900,
                    )
                    for image in range(30)
                ]
                counts += [("val", "train", "99", 5, 0, 0, 995)]
                result = {
                    "run_id": "x",
                    "epochs": 3,
                    "best_epoch": 2,
                    "val_iou": values[seed],
                    "n_test": 30,
                }
                result["multiply_adds"] = cost
                config = frozen(f"model={model}", seed=seed, **changes)
                write_run(tmp_path / "main", config, result=result, epochs=3, counts=counts)
        return read_all(tmp_path / "main")

    return sweep


def name(choice):
    """Return the model and the seed of the only run of a choice."""
    (run,) = choice.runs
    model, _, seed, _ = run.root.name.split("-")
    return model, seed


def test_best_is_chosen_by_validation_among_those_that_may_be_the_best(make):
    """Test images rule segnet out; validation, not test images, decides among the rest."""
    choice = choose_best(make())

    assert name(choice) == ("unet2", "s0")
    assert choice.why.startswith(
        "unet2/bce, of 3 that may be the best, the best by validation; seed 0"
    )


def test_cheapest_is_as_good_as_the_best(make):
    """Of the three alike, unet3 has the fewest multiply-adds; segnet has fewer but is worse."""
    choice = choose_best(make(), cheapest=True)

    assert name(choice) == ("unet3", "s1")
    assert "the cheapest of 3 as good as the best within 0.01" in choice.why


def test_with_one_seed_validation_alone_decides(make):
    """And the choice says so; nothing is then shown to be as good."""
    tables = make(seeds=1)
    choice = choose_best(tables)

    assert name(choice) == ("segnet", "s0")
    assert "with one seed per cell, no cell is shown to be better" in choice.why
    with pytest.raises(StoreError, match="--cheapest: with one seed per cell"):
        choose_best(tables, cheapest=True)


def test_without_claims_the_seeds_are_not_blamed(make, tmp_path):
    """Only unet2 has two seeds: nothing is shown, but not because each cell has one."""
    make()
    for run in (tmp_path / "main/runs").glob("*-s1-*"):
        if not run.name.startswith("unet2-"):
            shutil.rmtree(run)
    tables = read_all(tmp_path / "main")

    assert choose_best(tables).why.endswith("the best by validation; no cell is shown to be better")
    with pytest.raises(StoreError, match="--cheapest: no cell is shown to be as good"):
        choose_best(tables, cheapest=True)


def test_cheapest_needs_a_cost(make, tmp_path):
    """A run of an older version has no multiply-adds, and no parameters here."""
    make()
    file = next((tmp_path / "main/runs").glob("unet-*")) / "result.json"
    result = json.loads(file.read_text())
    del result["multiply_adds"]
    file.write_text(json.dumps(result))

    with pytest.raises(StoreError, match="--cheapest: nothing says what these networks cost"):
        choose_best(read_all(tmp_path / "main"), cheapest=True)


def test_cell_gives_its_run_with_the_highest_validation_iou(make):
    """Not the first seed, nor the one that is best on test images."""
    tables = make()

    assert name(choose_cell(tables, "unet/bce")) == ("unet", "s1")
    with pytest.raises(StoreError, match=r"no such cell; did you mean 'unet/bce'\?; cells are"):
        choose_cell(tables, "unet/bc")


def test_cell_without_a_finished_run(make, frozen, write_run, tmp_path):
    """Says what to look at."""
    make()
    write_run(tmp_path / "main", frozen("loss=dice"), failure={"error": "ValueError: no"})
    with pytest.raises(StoreError, match=r"none of its runs is finished; `.* unet2/dice`"):
        choose_cell(read_all(tmp_path / "main"), "unet2/dice")


def test_ensemble_has_all_runs_of_the_best_cells(make):
    """The best by mean validation IoU; or those of a named cell."""
    tables = make()
    two = choose_ensemble(tables, 2)
    named = choose_ensemble(tables, 1, "unet3/bce")

    assert sorted(run.root.name.rsplit("-", 1)[0] for run in two.runs) == [
        *("segnet-bce-s0", "segnet-bce-s1", "unet2-bce-s0", "unet2-bce-s1"),
    ]
    assert sorted(run.root.name.rsplit("-", 1)[0] for run in named.runs) == [
        "unet3-bce-s0",
        "unet3-bce-s1",
    ]
    with pytest.raises(StoreError, match="--ensemble 9: allowed are 1 to 4"):
        choose_ensemble(tables, 9)


def test_run_by_id_or_name(make):
    """By the start of an id too; an unknown one is named with the nearest, several are refused."""
    tables = make()
    first = tables.runs[0].path.name

    assert choose_run(tables, first).runs[0].root.name == first
    assert choose_run(tables, first.rpartition("-")[2]).runs[0].root.name == first
    with pytest.raises(StoreError, match="--run unet9-bce-s0: no run of that id or name"):
        choose_run(tables, "unet9-bce-s0")
    with pytest.raises(RunNotFoundError, match="matches"):
        choose_run(tables, "0000")


def test_several_data_sets_have_no_best_cell(make, tmp_path):
    """Cells are named as the tables name them."""
    make()
    tables = make(data_fingerprint="other")
    assert len(tables.comparisons()) == 2
    for choose in (choose_best, lambda own: choose_ensemble(own, 1)):
        with pytest.raises(StoreError, match="several data sets or targets"):
            choose(tables)


def test_nothing_is_finished(tmp_path, frozen, write_run):
    """One line."""
    write_run(tmp_path / "main", frozen())
    with pytest.raises(StoreError, match="no run is finished yet"):
        choose_best(read_all(tmp_path / "main"))
