"""What a sweep stores beside its runs, each file damaged in six ways: the report names it."""

import json

import pytest

from damages import DAMAGES
from sample_sweeps import Maker
from searched_results import searched_sweep
from segsweep.store.ensembles import EnsembleRow, add_ensemble, read_ensembles, repair_reads
from segsweep.store.evaluations import DATA, RUN, Evaluation, start_evaluation
from segsweep.store.paths import SweepPaths
from segsweep.store.records import LOST_READS, SPLIT, add_reading, read_reads
from segsweep.system.files import csv_text, write_text

pytestmark = pytest.mark.filterwarnings("always")
NAME = "clinic"
OTHER = f"evaluations/{NAME}"
ROW = EnsembleRow(
    *("unet2/bce, unet2/dice", 4, False, 0.9, 0.88, 0.87, 8),
    *("2026-03-02T10:00:00+0000", "00a 00b", "0 1"),
)
RECORDS = ("chosen.csv", "test_reads.csv", "ensembles.csv", f"{OTHER}/{DATA}")
OF_A_RUN = ("per_image.csv", "split.csv", RUN)
"""Files of an evaluation about one run."""
UNTOLD = {("ensembles.csv", "missing"), (RUN, "missing")}
"""Nothing tells of what nobody has to have asked for: an ensemble, another data set."""

EVERYDAY = ["half", "empty"]
RARE = [pytest.param(name, marks=pytest.mark.slow) for name in DAMAGES if name not in EVERYDAY]
ELSEWHERE = {
    **dict.fromkeys(("plan", "trials", "results", "per_image", "comparison"), "test_damage.py"),
    **dict.fromkeys(("pairs", "answer", "page", "curves", "lock"), "test_damage.py"),
    **dict.fromkeys(("search", "studies"), "sweep/search/test_search.py"),
    **{"search_id": "sweep/search/test_storage.py"},
    **{"race": "report/test_race.py", "images": "report/content/test_pictures.py"},
}
"""Stored files of a sweep -> the tests that damage them."""
NOT_READ = ("tensorboard", "wandb", "mlflow", "earlier", "plan_lock")
"""Files that no command reads, or only to see that they are there."""


def test_every_stored_file_is_damaged_somewhere():
    """A new one needs a place in these lists, and tests there."""
    tables = {name.removesuffix(".csv") for name in RECORDS if "/" not in name}
    files = {name for name, item in vars(SweepPaths).items() if isinstance(item, property)}

    assert files - {"runs", "written"} == {*tables, "evaluations", *ELSEWHERE, *NOT_READ}


@pytest.fixture
def sweep(tmp_path, frozen, write_run):
    """Write a searched sweep with an ensemble and an evaluation; return its paths."""
    maker = Maker(tmp_path / "outputs/main", frozen, write_run, images=8, epochs=4)
    searched_sweep(maker)
    sweep = SweepPaths(maker.folder)
    add_ensemble(sweep, ROW)
    add_reading(sweep.test_reads, ROW.time, ROW.reading, ROW.n_test)
    other = Evaluation(sweep.evaluations / NAME, "clinic (images)", ("data=folder",), "f", "t")
    start_evaluation(sweep, other)
    for run in finals(sweep):
        own = other.run(run.root.name)
        own.root.mkdir(parents=True)
        lines = run.per_image.read_text().splitlines()
        write_text(own.per_image, "\n".join(line for line in lines if ",val," not in line) + "\n")
        images = [line.split(",")[3] for line in lines[1:] if ",test,train," in line]
        rows = [{"id": image, "group": image, "split": "test"} for image in images]
        write_text(own.split, csv_text(rows, SPLIT))
        other.note(run, (), checked=True)
    return sweep


def finals(sweep):
    """Return the finished runs that are no trials."""
    return [one for one in sweep.run_folders() if one.per_image.exists()]


def evaluated(sweep):
    """Return the folder with the files of the evaluation about one run."""
    return sweep.evaluations / NAME / "runs" / finals(sweep)[0].root.name


def told(sweep, error):
    """Return stderr and what the page says was left out."""
    return " ".join(error.split()), sweep.page.read_text().partition("Left out")[2][:400]


def test_whole_sweep_is_told_without_a_warning(segsweep, sweep):
    """The evaluation, the ensemble and the searches are on the page."""
    code, _, error = segsweep("report", "main")
    page = sweep.page.read_text()

    assert (code, error) == (0, "")
    assert "Left out" not in page
    assert "<h2>Ensembles</h2>" in page
    assert "<h2>Other data</h2>" in page


@pytest.mark.slow
@pytest.mark.parametrize("damage", EVERYDAY + RARE)
@pytest.mark.parametrize("name", [*RECORDS, *OF_A_RUN])
def test_report_names_a_damaged_record(segsweep, sweep, name, damage):
    """Once, on the terminal and on the page; nothing untrue is said of what it told."""
    path = sweep.root / name if name in RECORDS else evaluated(sweep) / name
    DAMAGES[damage](path)
    code, out, error = segsweep("report", "main")
    assert code == 0, error
    error, page = told(sweep, error)

    assert "Traceback" not in error
    assert "Still searched" not in out
    if (name, damage) not in UNTOLD:
        assert error.count(f"{path.parent.name}/{path.name}: ") == 1
        assert path.name in page


@pytest.mark.parametrize("damage", DAMAGES)
def test_search_does_not_say_that_nothing_was_chosen(segsweep, sweep, damage):
    """Which file, and what writes it again."""
    DAMAGES[damage](sweep.chosen)
    _, out, error = segsweep("search", "main")

    assert "chosen.csv: " in error
    assert "the command of its search writes it again" in " ".join(error.split())
    assert "chose no values" not in out


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", OF_A_RUN)
def test_damaged_evaluation_of_a_run_does_not_count(sweep, name, damage):
    """So that the same command evaluates it again; the others stay."""
    other = Evaluation(sweep.evaluations / NAME, "", (), "f", "t")
    assert all(map(other.has, finals(sweep)))
    DAMAGES[damage](evaluated(sweep) / name)

    assert [other.has(run) for run in finals(sweep)] == [False, *[True] * (len(finals(sweep)) - 1)]


@pytest.mark.parametrize("damage", DAMAGES)
def test_evaluation_of_unknown_data_is_repeated(sweep, damage, capsys):
    """What the stored counts are of is not known, so that none of them counts."""
    path = sweep.evaluations / NAME / DATA
    new = Evaluation(path.parent, "clinic (images)", ("data=folder",), "f", "t")
    before = json.loads(path.read_text())
    DAMAGES[damage](path)
    start_evaluation(sweep, new)

    assert json.loads(path.read_text()) == before
    assert not any(map(new.has, finals(sweep)))
    assert damage == "missing" or "data.json: damaged" in capsys.readouterr().err


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_log_of_readings_is_written_again(sweep, damage):
    """From the table of ensembles; it says that it was damaged, and so does the page."""
    assert repair_reads(sweep, "now") is None
    DAMAGES[damage](sweep.test_reads)
    assert repair_reads(sweep, "now") is not None
    first, second = read_reads(sweep.test_reads)

    assert (first["time"], first["reason"]) == ("now", LOST_READS)
    assert second == {"time": ROW.time, "reason": ROW.reading, "images": "8"}
    assert repair_reads(sweep, "later") is None


def test_lost_readings_stay_on_the_page(segsweep, sweep):
    """After the log was written again."""
    sweep.test_reads.unlink()
    repair_reads(sweep, "now")
    assert segsweep("report", "main")[0] == 0
    assert f"of readings by ensembles, {LOST_READS}" in sweep.page.read_text()


def test_damaged_ensembles_say_what_to_do(sweep):
    """In one line."""
    sweep.ensembles.write_bytes(bytes(range(256)))
    with pytest.raises(Exception, match=r"ensembles\.csv: damaged, not text; put a copy back, or"):
        read_ensembles(sweep)
