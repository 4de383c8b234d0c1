"""Races that are refused: one line, exit code 2, nothing started or written."""

import shutil

import pytest

from command import TINY, refusal, rows_of, snapshot, train_here
from damages import DAMAGES
from segsweep.plugins.register import register_schema
from segsweep.report.write import write_report
from segsweep.store.chosen import Chosen, write_chosen
from segsweep.store.paths import SweepPaths
from segsweep.sweep.planning.expand import expand
from segsweep.sweep.planning.plan import cell_by_run
from segsweep.sweep.planning.plan_runs import plan_all
from segsweep.sweep.race.settings import race_cells, race_of

RACE = ("-m", *TINY, "trainer.epochs=1", "preflight=false", "race=best")
SEEDS = ("loss=bce,dice", "seed=range(0,4)")

REFUSED = {
    "one seed": (("loss=bce,dice",), "several seeds; add seed=range(0,20)"),
    "one cell": (("seed=0,1,2",), "several cells; add model="),
    "no test part": ((*SEEDS, "data.split.test=0"), "this split has none; give it some"),
    "trials": ((*SEEDS, "kind=trial"), "kind=trial: not in a race"),
    "a search": ((*SEEDS, "search=lr"), "search first, then race at the values found with search."),
    "hours alone": ((*SEEDS, "race=none", "race.hours=2"), "race.hours=2: has no effect without"),
    "two data sets": ((*SEEDS, "data.count=24,25"), "one data set and target per race"),
    "rerun": ((*SEEDS, "rerun=all"), "rerun=all: not in a race"),
    "two races": (("race=none,best", *SEEDS), "race=none,best: only one value is allowed"),
    "two times": (("race.hours=1,2", *SEEDS), "race.hours=1,2: only one value is allowed"),
    "a look at one seed": ((*SEEDS, "race.looks=[1,3]"), ">= 2"),
    "no look": ((*SEEDS, "race.looks=[]"), "race.looks=[]: race=best without looks races nothing"),
    "no number": ((*SEEDS, "race.looks=[a]"), "race.looks"),
    "no time": ((*SEEDS, "race.hours=0"), "> 0"),
    "without -m": (None, "race=best: only with -m; add -m"),
    "another sweeper": ((*SEEDS, "hydra/sweeper=basic"), "or the race"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REFUSED)
def test_refused_commands_start_nothing(name, monkeypatch, tmp_path, capsys):
    """What, where, what is allowed or what to do; no file of the sweep."""
    words, said = REFUSED[name]
    command = (*TINY, "race=best") if words is None else (*RACE, *words)
    code = train_here(command, monkeypatch, tmp_path)
    captured = capsys.readouterr()
    told = [line for line in captured.err.splitlines() if not line.startswith("reading images")]

    assert said in refusal((code, captured.out, "\n".join(told)))  # how far is told if that is slow
    assert not (tmp_path / "outputs" / "main").exists()


def planned(*words):
    """Return the runs of a command."""
    from hydra import initialize_config_dir

    from segsweep.system.installation import conf_folder

    register_schema()
    with initialize_config_dir(str(conf_folder()), job_name="test"):
        return plan_all(expand([*TINY, *words]))[0]


def test_a_race_changes_no_run(monkeypatch, tmp_path):
    """Ids, cells and what is frozen are those of the same command without it."""
    monkeypatch.chdir(tmp_path)
    plain = planned(*SEEDS)
    racing = planned(*SEEDS, "race=best", "race.hours=3")

    assert [run.name for run in racing] == [run.name for run in plain]
    assert [run.config.values for run in racing] == [run.config.values for run in plain]
    assert cell_by_run(racing) == cell_by_run(plain)
    assert race_of(plain) is None
    assert "race" not in racing[0].config.values


def test_settings_and_cells(monkeypatch, tmp_path):
    """Seeds in the command's order; looks beyond them are dropped; each cell has all its runs."""
    monkeypatch.chdir(tmp_path)
    runs = planned("loss=bce,dice", "seed=7,3,5,1", "data.split.fold=0,1", "race=best")
    settings = race_of(runs)
    cells = race_cells(runs, settings)

    assert (settings.looks, settings.seeds, settings.hours) == ((3, 4), (7, 3, 5, 1), None)
    assert [cell.name for cell in cells] == ["unet2/bce", "unet2/dice"]
    assert len({cell.id for cell in cells}) == 2
    for cell in cells:
        assert [*cell.units] == [7, 3, 5, 1]
        for seed, own in cell.units.items():
            assert [(r.config.seed, r.config.data.split.fold) for r in own] == [
                (seed, 0),
                (seed, 1),
            ]


OTHER = {
    "another list of seeds": ({"seed=": "seed=0,2,1"}, "over the seeds 0, 1, 2, not 0, 2, 1"),
    "more seeds": ({"seed=": "seed=range(0,9)"}, "not 0, 1, 2, ..., 7, 8"),
    "other looks": ({"race.looks=": "race.looks=[3]"}, "looks at 2, 3 seeds, not 3"),
    "another cell": ({"loss=": "loss=bce,dice,ss"}, "of other cells than the command (unet2/ss)"),
    "a cell less": ({"loss=": "loss=bce,ss"}, "(unet2/dice, unet2/ss)"),
    "other settings": (
        {"trainer.epochs=": "trainer.epochs=3"},
        "of the same cells with other settings",
    ),
}


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    """Return the folder and the words of a race that was held."""
    folder = tmp_path_factory.mktemp("held")
    words = [*RACE, "loss=bce,dice", "seed=0,1,2", "race.looks=[2]", "slots=1"]
    with pytest.MonkeyPatch.context() as patch:
        assert train_here(words, patch, folder) == 0
    return folder, words


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHER)
def test_a_race_is_not_changed_or_extended(held, name, monkeypatch, capsys):
    """The line says why, and what to do; the sweep stays as it was."""
    (folder, words), (changed, said) = held, OTHER[name]
    (key, word), *_ = changed.items()
    before = snapshot(folder / "outputs" / "main")
    capsys.readouterr()
    code = train_here([*(w for w in words if not w.startswith(key)), word], monkeypatch, folder)
    captured = capsys.readouterr()
    line = refusal((code, captured.out, captured.err))

    assert said in line
    assert "the error of each look was fixed at the first one" in line
    assert snapshot(folder / "outputs" / "main") == before


def test_a_race_that_has_ended_is_left_alone(held, monkeypatch, capsys):
    """The same command trains nothing and touches no file; a plan says so too."""
    folder, words = held
    before = snapshot(folder / "outputs" / "main")
    capsys.readouterr()
    for more in ([], ["plan=true"]):
        assert train_here([*words, *more], monkeypatch, folder) == 0
        captured = capsys.readouterr()
        assert "race ended: " in captured.err + captured.out
    assert snapshot(folder / "outputs" / "main") == before


@pytest.mark.slow
@pytest.mark.parametrize("damage", [name for name in DAMAGES if name != "missing"])
def test_a_damaged_race_is_told(held, tmp_path, monkeypatch, capsys, damage):
    """In one line; the report then has no race and says so; put back, all is as before."""
    folder, words = held
    shutil.copytree(folder / "outputs", tmp_path / "outputs")
    sweep = tmp_path / "outputs" / "main"
    DAMAGES[damage](sweep / "race.csv")
    before = snapshot(sweep)
    capsys.readouterr()
    code = train_here(words, monkeypatch, tmp_path)
    captured = capsys.readouterr()
    line = refusal((code, captured.out, captured.err))

    assert "race.csv: damaged, " in line
    assert "; put a copy of it back, or delete it: then the looks are taken again, " in line
    assert snapshot(sweep) == before
    with pytest.warns(UserWarning, match=r"race.csv: ignored: damaged"):
        report = write_report(SweepPaths(sweep))
    assert "race.csv: damaged" in report.where.page.read_text()


def test_without_its_race_csv_the_same_looks_are_taken(held, tmp_path, monkeypatch):
    """From the stored runs; only the hours that were spent may differ."""
    folder, words = held
    shutil.copytree(folder / "outputs", tmp_path / "outputs")
    path = tmp_path / "outputs" / "main" / "race.csv"
    before = [{**row, "spent": ""} for row in rows_of(path)]
    path.unlink()
    assert train_here(words, monkeypatch, tmp_path) == 0

    assert [{**row, "spent": ""} for row in rows_of(path)] == before


OTHERS = {
    "a sweep": ("-m", "loss=bce,dice", "seed=range(0,4)", "plan=true"),
    "one run": (),
    "Hydra's basic sweeper": ("-m", "loss=bce,dice", "hydra/sweeper=basic", "plan=true"),
    "Hydra's Optuna sweeper": (
        "-m",
        "experiment=optuna_lr",
        "sweep=main",
        "hydra.sweeper.n_trials=1",
    ),
    "a search": ("-m", "loss=bce,dice", "search=lr", "search.n_trials=2", "plan=true"),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", OTHERS)
def test_a_command_without_a_race_is_told_of_it(held, tmp_path, monkeypatch, capsys, way):
    """Once, however it runs; it does not change what the race claims."""
    folder, _ = held
    shutil.copytree(folder / "outputs", tmp_path / "outputs")
    path = tmp_path / "outputs" / "main" / "race.csv"
    before = path.read_bytes()
    capsys.readouterr()
    code = train_here(
        (*TINY, "trainer.epochs=1", "preflight=false", *OTHERS[way]), monkeypatch, tmp_path
    )
    error = capsys.readouterr().err

    assert code == 0, error
    assert error.count("race.csv: this sweep holds a race; runs of other commands leave") == 1
    assert path.read_bytes() == before


def test_a_race_at_values_found_elsewhere(monkeypatch, tmp_path, capsys):
    """`search.reuse` and a race go together; a plan says which values, and starts nothing."""
    monkeypatch.chdir(tmp_path)
    rows = [
        Chosen(
            *(f"unet2/{loss}", "unet2", loss, None, "0" * 12, {"optimizer.lr": rate}),
            *({"optimizer.lr": "interval(1e-5, 1e-1)"}, "", 0.5, None, 4, 4, 0, 0, 0, 8, 9.0, "s"),
        )
        for loss, rate in (("bce", 0.004), ("dice", 0.0005))
    ]
    (tmp_path / "outputs" / "rates" / "runs").mkdir(parents=True)
    write_chosen(tmp_path / "outputs" / "rates" / "chosen.csv", rows)
    words = [*RACE, *SEEDS, "search.reuse=rates", "plan=true"]
    code = train_here(words, monkeypatch, tmp_path)
    captured = capsys.readouterr()

    assert code == 0, captured.err
    assert "unet2/dice: optimizer.lr=0.0005" in captured.err
    assert "race: looks at 3, 4 seeds of 2 cells; at least 6 runs, at most 8" in captured.out
    assert not (tmp_path / "outputs" / "main").exists()
