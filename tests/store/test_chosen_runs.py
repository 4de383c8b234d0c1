"""A chosen.csv of an earlier version, and which runs are at chosen values."""

import warnings

import pandas as pd
import pytest

from sample_sweeps import Maker
from searched_results import LR, RATES, choose, final, trial
from segsweep.errors import StoredFileError
from segsweep.store.chosen import (
    COLUMNS,
    LATER,
    ChosenValues,
    read_chosen,
    superseded_among,
)
from segsweep.store.paths import SweepPaths
from segsweep.store.states import Status
from segsweep.store.tables import read_all
from segsweep.sweep.status import sweep_status


@pytest.fixture
def maker(tmp_path, frozen, write_run):
    """Return what writes a sweep."""
    return Maker(tmp_path / "mine", frozen, write_run, images=4, epochs=4)


def test_file_of_an_earlier_version(maker):
    """Later columns may be missing; any other makes the file damaged."""
    choose(maker, "bce", 1e-3, ["0123456789ab"], [0.5])
    path = maker.folder / "chosen.csv"
    whole = pd.read_csv(path)
    whole.drop(columns=list(LATER)).to_csv(path, index=False, lineterminator="\n")
    (found,) = read_chosen(SweepPaths(maker.folder))

    assert list(whole.columns) == [*COLUMNS]
    assert (found.sampler, found.own, found.trials) == ("", {}, ())
    for name in set(COLUMNS) - set(LATER):
        whole.drop(columns=name).to_csv(path, index=False, lineterminator="\n")
        with pytest.raises(StoredFileError, match="damaged, line 2"):
            read_chosen(SweepPaths(maker.folder))


def test_how_runs_stand_to_a_search(maker, frozen):
    """Chosen, superseded, given at the chosen value, given at another one, of another cell."""
    row = choose(maker, "bce", 1e-3, ["0123456789ab"], [0.5])
    chosen = ChosenValues([row])

    def standing(rate, filled, loss="bce"):
        config = frozen("model=unet", f"loss={loss}", seed=5, optimizer__lr=rate)
        found = chosen.standing({**config, "search": {"filled": [LR] if filled else []}})
        return found.searched, found.row is not None, found.superseded

    assert standing(1e-3, True) == ("lr", True, False)
    assert standing(2e-3, True) == ("lr", True, True)
    assert standing(1e-3, False) == ("lr", True, False)
    assert standing(2e-3, False) == ("", False, False)
    assert standing(1e-3, True, "dice") == ("lr", False, False)  # its own search is not over


def test_superseded_runs_in_every_listing(maker):
    """Tables and status agree; a planned one is no longer to do, and trials are untouched."""
    run = trial(maker, "bce", RATES[0], 0.7)
    choose(maker, "bce", RATES[3], [run], [0.7])
    old = final(maker, "bce", 0, 1e-3)
    new = [final(maker, "bce", seed, RATES[3]) for seed in (0, 1)]
    search = {"pruner": "none", "study": "", "filled": [LR]}
    open_ = maker.planned("unet", "bce", 1, optimizer__lr=1e-3, search=search)
    status = sweep_status(maker.folder)
    runs = read_all(maker.folder).runs
    in_tables = {run.path.name: run.status for run in runs if run.kind == "run"}

    assert {one.name for one in status.of(Status.SUPERSEDED)} == {old.name, open_.name}
    assert {name for name, one in in_tables.items() if one == Status.SUPERSEDED} == {
        old.name,
        open_.name,
    }
    assert {one.name for one in status.of(Status.FINISHED) if one.kind == "run"} == {
        path.name for path in new
    }
    assert not status.seconds_left()


def test_damaged_record_supersedes_nothing(maker):
    """What cannot be read makes no run wrong."""
    choose(maker, "bce", 1e-3, ["0123456789ab"], [0.5])
    runs = [final(maker, "bce", 0, rate) for rate in (1e-3, 2e-3)]
    sweep = SweepPaths(maker.folder)
    paths = sweep.run_folders()
    before = superseded_among(sweep, paths)
    (runs[1] / "config.yaml").write_text(": no\n")
    with_one = superseded_among(sweep, paths)
    sweep.chosen.write_text("no table\nat all\n")

    assert (before, with_one) == ({runs[1].name}, set())
    assert superseded_among(sweep, paths) == set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert sweep_status(maker.folder).of(Status.SUPERSEDED) == []
