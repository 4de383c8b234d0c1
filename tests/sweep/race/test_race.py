"""A race as a feed of runs: real plans and files; training and judging are replaced."""

import json
import random
from math import nan

import pytest

from command import TINY, rows_of
from segsweep.plugins.register import register_schema
from segsweep.stats.looks import End, Judged, Look, spending
from segsweep.store.outcome import NAN, Outcome
from segsweep.store.race import Decision, read_race
from segsweep.store.states import AttemptStatus
from segsweep.sweep import session
from segsweep.sweep.planning import work
from segsweep.sweep.planning.compose import Composer
from segsweep.sweep.planning.expand import expand
from segsweep.sweep.planning.plan import sweep_of
from segsweep.sweep.planning.plan_runs import plan_all
from segsweep.sweep.planning.work import work_for
from segsweep.sweep.race.settings import race_of
from segsweep.sweep.run_race import race_over, rows_of_race

CELLS = ("unet2/bce", "unet2/dice", "segnet/bce", "segnet/dice")
GRID = ("model=unet2,segnet", "loss=bce,dice")
WORDS = (*GRID, "seed=4,0,2,1,3,5", "race=best", "race.looks=[2,4,9]")
SEEDS = (4, 0, 2, 1, 3, 5)
LAST = 6
"""All seeds: looks at 2, 4 and 6 of them."""


class Judging:
    """Rules out a cell at a chosen number of seeds; the statistic is a cell's place below."""

    order = ("segnet/bce", "unet2/dice", "segnet/dice", "unet2/bce")
    """From the smallest statistic to the largest."""

    def __init__(self, out=(), end=None):
        """*out*: (seeds, cell) pairs; *end*: seeds -> why the race ends."""
        self.out, self.end_at, self.calls = set(out), dict(end or {}), []

    def __call__(self, used, error, final, look):
        """Remember the call; judge."""
        seeds = {cell: len({run.config.seed for run in runs}) for cell, runs in used.items()}
        self.calls.append(({cell: [*runs] for cell, runs in used.items()}, error, final, look))
        most = max(seeds.values())
        cells = [
            Judged(
                cell=cell,
                seeds=count,
                mean=0.5,
                statistic=float(self.order.index(cell)),
                p=0.5,
                low=-0.1,
                high=nan if count == 1 else 0.1,
                out=(most, cell) in self.out,
            )
            for cell, count in seeds.items()
        ]
        return Look(cells, self.end_at.get(most, End.SEEDS if final is None else None))


def train(run):
    """Write what a finished run leaves behind; return its outcome."""
    result = {"run_id": run.config.run_id, "epochs": 1, "best_epoch": 1, "val_iou": 0.5}
    run.paths.result.write_text(json.dumps({**result, "seconds": 36.0}))
    return Outcome(run.name, AttemptStatus.FINISHED, 0.5)


def fail(run):
    """Write what a failed run leaves behind; return its outcome."""
    run.paths.failure.write_text(json.dumps({"cause": "raised", "error": "no", "attempts": 1}))
    return Outcome(run.name, AttemptStatus.FAILED, NAN, "no")


@pytest.fixture(scope="module")
def composer():
    """Return one composer for all commands."""
    return Composer()


@pytest.fixture
def begin(composer, tmp_path, monkeypatch):
    """Return a function: judging and words -> the race of a command that has just started."""
    from hydra import initialize_config_dir

    from segsweep.system.installation import conf_folder

    register_schema()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(work, "damages_of", lambda *_: {})  # most files of a run are not there

    def start(judge, *words):
        monkeypatch.setattr(session, "current", session.Session())
        planned = plan_all(expand([*TINY, *(words or WORDS)]), composer)[0]
        session.current.sweep = sweep_of(planned[0].config)
        settings = race_of(planned)
        race = race_over(planned, settings, work_for(planned), rows_of_race(planned, settings))
        race.judge, race.say = judge, lambda rows: None
        race.start()
        return race

    with initialize_config_dir(str(conf_folder()), job_name="test"):
        yield start


def name_of(run):
    """Return a run's cell and seed."""
    choices = run.config.choices
    return f"{choices['model']}/{choices['loss']}", run.config.seed


def race_on(race, slots=1, draws=None, do=train):
    """Run a race in *slots*; with *draws* it may be killed: None. Return the runs in order."""
    running, begun = [], []
    while True:
        new = [one.run for one in race.next_runs(slots - len(running))]
        running, begun = [*running, *new], [*begun, *map(name_of, new)]
        if not running:
            return begun
        if draws is not None and draws.random() < 0.1:
            return None  # killed
        run = running.pop(0 if draws is None else draws.randrange(len(running)))
        outcome = do(run)
        if draws is not None and draws.random() < 0.1:
            return None  # killed after the run's result
        race.ended(outcome)


def seed_major(cells, seeds):
    """Return one seed of every cell after the other."""
    return [(cell, seed) for seed in seeds for cell in cells]


def decisions(race):
    """Return (look, cell) -> decision, as they are stored."""
    return {(row.look, row.cell): str(row.decision) for row in read_race(race.sweep)}


def test_all_cells_get_the_first_seeds_then_those_that_are_left(begin):
    """In the order of the command's seeds; each look has exactly its seeds, with its own error."""
    judge = Judging(out={(2, "unet2/bce"), (4, "segnet/dice"), (4, "unet2/dice")})
    race = begin(judge)
    begun = race_on(race)
    after, last = [cell for cell in CELLS if cell != "unet2/bce"], ["segnet/bce"]

    assert race.settings.looks == (2, 4, LAST)
    assert begun == [
        *seed_major(CELLS, SEEDS[:2]),
        *seed_major(after, SEEDS[2:4]),
        *seed_major(last, SEEDS[4:]),
    ]
    used = [{cell: [*map(name_of, runs)] for cell, runs in call[0].items()} for call in judge.calls]
    assert used == [
        {cell: [(cell, seed) for seed in SEEDS[:count]] for cell in cells}
        for count, cells in ((2, CELLS), (4, after), (LAST, last))
    ]
    errors = spending(3)
    assert [call[1:] for call in judge.calls] == [
        (errors[0], errors[2], 1),
        (errors[1], errors[2], 2),
        (errors[2], None, 3),
    ]
    assert sum(errors) == pytest.approx(0.05)
    assert race.end == "seeds"
    assert race.next_runs(5) == race.next_runs(None) == []


def test_what_is_stored(begin):
    """A row per cell that was left; runs by their ids; hours over the slots."""
    race = begin(Judging(out={(2, "unet2/bce")}, end={4: End.GOOD}))
    race.slots = 2
    race_on(race)
    rows = read_race(race.sweep)
    ids = {name_of(run): run.config.run_id for run in race.asked()}

    assert [(row.look, row.cell) for row in rows] == [
        *((1, cell) for cell in CELLS),
        *((2, cell) for cell in CELLS[1:]),
    ]
    assert [row.decision for row in rows] == [Decision.OUT, *[Decision.IN] * 6]
    assert {row.end for row in rows[:4]} == {""}
    assert {row.end for row in rows[4:]} == {"as good"}
    assert {row.order for row in rows} == {SEEDS}
    assert {row.looks for row in rows} == {(2, 4, LAST)}
    for row in rows:
        count = (2, 4)[row.look - 1]
        assert row.seeds == count
        assert row.runs == tuple(ids[row.cell, seed] for seed in SEEDS[:count])
        assert row.spent == pytest.approx(36 * (8 if row.look == 1 else 14) / 2 / 3600)


def test_a_run_is_in_the_plan_once_it_starts(begin):
    """Not before; a cell that is ruled out has no row of its further seeds."""
    race = begin(Judging(out={(2, cell) for cell in CELLS[1:]}, end={2: End.ONE}))
    assert not race.sweep.plan.exists()
    race.next_runs(3)
    plan = [(row["cell"], int(row["seed"])) for row in rows_of(race.sweep.plan)]

    assert plan == seed_major(CELLS, SEEDS[:1])[:3]


def test_slots_do_not_idle_before_the_first_look(begin):
    """They take later seeds of all cells, which do not enter the look."""
    judge = Judging()
    race = begin(judge)
    first = [one.run for one in race.next_runs(10)]

    assert [*map(name_of, first)] == seed_major(CELLS, SEEDS[:3])[:10]
    for run in (*first[8:], *first[:7]):
        race.ended(train(run))
        assert judge.calls == []
    race.ended(train(first[7]))
    assert [len(runs) for runs in judge.calls[0][0].values()] == [2] * 4
    assert [len(row.runs) for row in race.rows] == [2] * 4


def test_idle_slots_take_the_best_cells_next(begin):
    """Those with the smallest statistic: they will need it; ruled out, a run is kept, not used."""
    race = begin(Judging(out={(4, "segnet/bce")}))
    for one in race.next_runs(8):
        race.ended(train(one.run))
    second = [one.run for one in race.next_runs(8)]
    ahead = [one.run for one in race.next_runs(5)]

    assert [*map(name_of, second)] == seed_major(CELLS, SEEDS[2:4])
    best, following = Judging.order[:2]
    assert [*map(name_of, ahead)] == [
        *((best, seed) for seed in SEEDS[4:]),
        *((following, seed) for seed in SEEDS[4:]),
        (Judging.order[2], SEEDS[4]),
    ]
    for run in (*ahead[:1], *second):
        race.ended(train(run))
    third = [*map(name_of, (one.run for one in race.next_runs(None)))]
    assert decisions(race)[2, "segnet/bce"] == "out"
    assert ("segnet/bce", SEEDS[4]) not in third
    used = {name for row in race.rows for name in row.runs}
    assert ahead[0].config.run_id not in used
    assert len(third) == 3 * 2 - 3  # three of the others' runs are on their way


def test_a_round_has_every_run_of_the_look_and_no_other(begin):
    """For launchers that return when all jobs have ended."""
    race = begin(Judging(out={(2, "unet2/bce")}))
    rounds = []
    while found := race.next_runs(None):
        rounds.append([name_of(one.run) for one in found])
        for one in found:
            race.ended(train(one.run))

    after = [cell for cell in CELLS if cell != "unet2/bce"]
    assert race.whole_rounds
    assert rounds == [
        seed_major(CELLS, SEEDS[:2]),
        seed_major(after, SEEDS[2:4]),
        seed_major(after, SEEDS[4:]),
    ]


def test_a_cell_that_is_short_of_seeds_stays_in(begin):
    """Its failed run is not replaced; while it is short, nothing but the seeds ends the race."""
    short = "segnet/bce", SEEDS[1]
    judge = Judging(out={(2, short[0]), (2, "unet2/bce")}, end={2: End.ONE, 4: End.IMAGES})
    race = begin(judge)
    begun = race_on(race, do=lambda run: fail(run) if name_of(run) == short else train(run))

    assert begun.count(short) == 1
    assert decisions(race)[1, short[0]] == decisions(race)[3, short[0]] == "short"
    assert decisions(race)[1, "unet2/bce"] == "out"
    assert [row.seeds for row in race.rows if row.cell == short[0]] == [1, 3, 5]
    assert race.end == "seeds"
    assert len(race.rows) == 4 + 3 + 3


def test_a_cell_without_any_finished_run(begin):
    """It is short, without numbers."""
    race = begin(Judging())
    race_on(race, do=lambda run: fail(run) if name_of(run)[0] == "unet2/dice" else train(run))
    (first, *_) = [row for row in read_race(race.sweep) if row.cell == "unet2/dice"]

    assert (first.decision, first.seeds, first.runs) == ("short", 0, ())
    assert (first.mean, first.p) == (None, None)


@pytest.mark.parametrize(("hours", "taken"), [(0.081, 2), (0.08, 1), (1.0, 3)])
def test_hours_end_it_at_a_look(begin, hours, taken):
    """Eight runs of 36 s are .08 h, after which the second look is not begun."""
    race = begin(Judging(), *WORDS, f"race.hours={hours}")
    race_on(race)

    assert race.looks_taken == taken
    assert race.end == ("seeds" if taken == 3 else "hours")


def test_hours_do_not_end_what_costs_nothing(begin):
    """All runs are finished already: every look is taken."""
    race = begin(Judging())
    race_on(race)
    race.sweep.race.unlink()
    again = begin(Judging(), *WORDS, "race.hours=0.01")

    assert (again.looks_taken, again.end) == (3, "seeds")
    assert again.possible() == []


@pytest.mark.slow
@pytest.mark.parametrize("slots", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_time_it_decides_the_same(begin, tmp_path, slots, seed):
    """The same race.csv, hours aside; nothing that finished starts again."""
    out = {(2, "unet2/bce"), (4, "segnet/dice")}
    undisturbed = begin(Judging(out))
    race_on(undisturbed, slots)
    wanted = [{**vars(row), "spent": 0} for row in read_race(undisturbed.sweep)]
    draws, finished, kills = random.Random(seed), [], 0

    def once(run):
        finished.append(run.name)
        return train(run)

    words = (*WORDS, "sweep=killed")
    while race_on(race := begin(Judging(out), *words), slots, draws, once) is None:
        kills += 1
    assert [{**vars(row), "spent": 0} for row in read_race(race.sweep)] == wanted
    assert len({*finished}) == len(finished)
    assert kills > 0
    after = begin(Judging(), *words)
    assert after.end == "seeds"
    assert after.next_runs(9) == after.possible() == []


def test_a_lost_run_of_an_earlier_look_is_trained_again(begin):
    """Also of a cell that is ruled out: the decisions stay, and their runs are there again."""
    judge = Judging(out={(2, "unet2/bce")}, end={4: End.GOOD})
    race = begin(judge)
    race_on(race)
    before = race.sweep.race.read_bytes()
    lost = next(run for run in race.asked() if name_of(run) == ("unet2/bce", SEEDS[0]))
    lost.paths.result.unlink()
    again = begin(judge)

    assert race_on(again) == [("unet2/bce", SEEDS[0])]
    assert race.sweep.race.read_bytes() == before
    assert len(judge.calls) == 2


def test_a_failed_run_is_tried_again_by_the_same_command(begin):
    """As without a race, unless the race has ended or its cell is out."""
    failing = {("unet2/bce", SEEDS[0]), ("unet2/dice", SEEDS[0])}
    race = begin(Judging())
    runs = [one.run for one in race.next_runs(8)]
    for run in runs[:-1]:
        race.ended(fail(run) if name_of(run) in failing else train(run))
    again = begin(Judging())

    assert {*map(name_of, again.waiting())} == {*failing, name_of(runs[-1])}
    kept = begin(Judging(), *WORDS, "retry_failed=false")
    assert {*map(name_of, kept.waiting())} == {name_of(runs[-1])}


def test_folds_count_as_part_of_a_seed(begin):
    """A seed whose one fold failed does not count; the look has both folds of the others."""
    words = ("loss=bce,dice", "seed=0,1,2", "data.split.fold=0,1", "race=best", "race.looks=[2]")
    judge = Judging()
    race = begin(judge, *words)
    first = [one.run for one in race.next_runs(None)]
    broken = next(run for run in first if run.config.seed == 1)
    labels = [one.label for one in begin(judge, *words).next_runs(2)]

    assert [(name_of(run), run.config.data.split.fold) for run in first[:4]] == [
        *((("unet2/bce", 0), fold) for fold in (0, 1)),
        *((("unet2/dice", 0), fold) for fold in (0, 1)),
    ]
    assert len(first) == 2 * 2 * 2
    assert labels == ["unet2/bce seed 0 fold 0", "unet2/bce seed 0 fold 1"]
    for run in first:
        race.ended(fail(run) if run is broken else train(run))
    cell = name_of(broken)[0]
    assert {row.cell: (row.decision, len(row.runs)) for row in race.rows} == {
        **dict.fromkeys(("unet2/bce", "unet2/dice"), ("in", 4)),
        cell: ("short", 2),
    }


def test_what_is_dropped_and_expected(begin):
    """The view expects all runs of the cells that are left, and is told of those dropped."""
    race = begin(Judging(out={(2, "unet2/bce")}))
    assert len(race.expected()) == 4 * LAST
    for one in race.next_runs(8):
        race.ended(train(one.run))
    dropped = race.take_dropped()

    assert len(dropped) == LAST - 2
    assert {name.partition("-s")[0] for name in dropped} == {"unet2-bce"}
    assert len(race.expected()) == 3 * (LAST - 2)
    assert race.take_dropped() == race.take_skipped() == []
