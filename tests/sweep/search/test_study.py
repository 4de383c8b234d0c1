"""A study: suggestions depend only on its name, k and the trials that ended."""

import pytest
from optuna.trial import TrialState

from segsweep.store.paths import SweepPaths
from segsweep.sweep.search.space import space_of
from segsweep.sweep.search.storage import open_storage
from segsweep.sweep.search.study import Study, best_of, study_name

SPACE = space_of({"optimizer.lr": "tag(log, interval(1e-5, 1e-2))"})
OWN = {"optimizer.lr": 0.002}


def objective(trial):
    """Return a value that is best at 3e-4."""
    import math

    return 1 - 0.1 * abs(math.log10(trial.params["optimizer.lr"] / 3e-4))


@pytest.fixture(params=["default", "journal.log"])
def storage(request, tmp_path):
    """Return a function that opens the same storage again and again."""
    address = None if request.param == "default" else str(tmp_path / request.param)
    return lambda: open_storage(address, SweepPaths(tmp_path))


def study_in(storage, sampler="tpe", own=OWN):
    """Return the study of the tests."""
    return Study(storage, "unet2/bce 0123", SPACE, sampler, own)


def search(study, ks):
    """Ask for each k, tell what it gives; return the suggested rates."""
    for k in ks:
        trial = study.ask(k)
        study.tell(trial, TrialState.COMPLETE, objective(trial))
    return [study.by_k()[k].params["optimizer.lr"] for k in ks]


def test_first_trials(storage):
    """Trial 0 has the config's own value; the next three lie in different thirds of the range."""
    import math

    rates = search(study_in(storage()), range(4))

    assert rates[0] == 0.002
    assert sorted(int(math.log10(rate) + 5) for rate in rates[1:]) == [0, 1, 2]


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["tpe", "gp", "random"])
def test_suggestions_do_not_depend_on_interruptions(sampler, tmp_path):
    """Opened again before every trial, and with failed attempts between, they are the same."""
    whole = search(study_in(open_storage(None, SweepPaths(tmp_path / "a")), sampler), range(7))
    folder = SweepPaths(tmp_path / "b")
    rates = []
    for k in range(7):
        if k % 3 == 0:
            attempt = study_in(open_storage(None, folder), sampler)
            attempt.tell(attempt.ask(k), TrialState.FAIL)
        rates += search(study_in(open_storage(None, folder), sampler), [k])

    assert rates == whole
    assert len(set(whole)) == 7


@pytest.fixture(autouse=True)
def folders(tmp_path):
    """Make the folders of the sweeps."""
    for name in "ab":
        (tmp_path / name).mkdir()


def test_a_failed_attempt_is_tried_again_at_the_same_values(storage):
    """Also if other trials have ended in between."""
    study = study_in(storage())
    failed = study.ask(5)
    study.tell(failed, TrialState.FAIL)
    search(study, [0, 1, 2])
    again = study.ask(5)

    assert again.params == failed.params
    assert study.by_k()[5].number == again.number
    assert [one.state.name for one in study.trials()].count("FAIL") == 1


def test_own_value_outside_the_range_is_not_tried(storage):
    """Four stratified trials begin the search instead of three."""
    import math

    rates = search(study_in(storage(), own=None), range(4))

    assert sorted(int((math.log10(rate) + 5) / 3 * 4) for rate in rates) == [0, 1, 2, 3]


def test_another_name_gives_other_suggestions(storage):
    """Cells do not try the same values beyond the first."""
    there = storage()
    first = search(study_in(there), range(6))
    second = search(Study(there, "unet2/dice 0123", SPACE, "tpe", OWN), range(6))

    assert first[0] == second[0]
    assert not {*first[1:]} & {*second[1:]}


def test_names_tell_everything_fixed_apart():
    """Any change of what is fixed gives another name; the order of keys gives none."""
    base = study_name("unet2/bce", [{"a": 1, "b": 2}, "range"])

    assert study_name("unet2/bce", [{"b": 2, "a": 1}, "range"]) == base
    assert study_name("unet2/bce", [{"a": 1, "b": 3}, "range"]) != base
    assert study_name("unet2/bce", [{"a": 1, "b": 2}, "wider"]) != base


def test_best_is_the_first_of_equal_complete_trials(storage):
    """Pruned and failed trials never win, nor does a later equal one."""
    study = study_in(storage())
    for k, (state, value) in enumerate(
        [
            (TrialState.COMPLETE, 0.5),
            (TrialState.PRUNED, 0.9),
            (TrialState.COMPLETE, 0.7),
            (TrialState.COMPLETE, 0.7),
            (TrialState.FAIL, None),
        ]
    ):
        trial = study.ask(k)
        study.report(trial, 1, 0.9)
        study.tell(trial, state, value)

    assert best_of(study.by_k()).user_attrs["k"] == 2


def test_optuna_reads_the_study(tmp_path):
    """A person opens it with Optuna's own functions."""
    import optuna

    search(study_in(open_storage(None, SweepPaths(tmp_path))), range(5))

    study = optuna.load_study(
        study_name="unet2/bce 0123", storage=f"sqlite:///{tmp_path}/search.db"
    )

    assert len(study.trials) == 5
    assert study.best_value == max(objective(trial) for trial in study.trials)


def test_cmaes_learns(tmp_path):
    """Its state is kept with the trials: the last ones are better than the first ones."""
    pytest.importorskip("cmaes", reason="cmaes is not installed: pip install '.[cmaes]'")
    space = space_of(dict.fromkeys(("a.x", "a.y"), "interval(-1, 1)"))

    def height(values):
        return -((values["a.x"] - 0.7) ** 2) - (values["a.y"] + 0.7) ** 2

    gains = []
    for number in range(3):
        storage = open_storage(str(tmp_path / f"{number}.log"), SweepPaths(tmp_path))
        heights = []
        for k in range(44):
            study = Study(storage, f"cell {number}", space, "cmaes", None)  # as after a kill
            trial = study.ask(k)
            heights.append(height(trial.params))
            study.tell(trial, TrialState.COMPLETE, heights[-1])
        gains.append(sum(heights[-10:]) - sum(heights[4:14]))

    assert min(gains) > 2
