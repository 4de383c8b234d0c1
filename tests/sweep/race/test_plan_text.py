"""What a command says about a race."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from segsweep.stats.looks import End
from segsweep.store.paths import SweepPaths
from segsweep.store.race import Decision, RaceRow
from segsweep.sweep.race.plan_text import (
    ENDS,
    end_line,
    look_line,
    named,
    race_lines,
    time_line,
)
from segsweep.sweep.race.race import Race, State
from segsweep.sweep.race.settings import RaceCell, RaceSettings

NAMES = ("unet2/bce", "unet2/dice", "unet/bce", "unet/dice", "segnet/bce", "segnet/dice", "x", "y")


def run(cell, seed):
    """Return what stands for a run."""
    return SimpleNamespace(name=f"{cell} {seed}", config=SimpleNamespace(run_id=f"{cell} {seed}"))


def race(tmp_path, names=NAMES, rows=()):
    """Return a race over ten seeds, of which nothing has run."""
    settings = RaceSettings((3, 5, 8, 10), tuple(range(10)))
    cells = [RaceCell(name, name, {s: [run(name, s)] for s in range(10)}) for name in names]
    states = {one.name: State.WAITING for cell in cells for one in cell.runs(range(10))}
    return Race(SweepPaths(tmp_path), settings, cells, states, lambda *_: None, rows=[*rows])


def rows(out=(), short=(), end="", look=1, names=NAMES):
    """Return the rows of a look."""
    first = RaceRow(
        *(look, (3, 5, 8, 10), 3, 0.01, "", "", 0.5, 1.0, 0.5, -0.1, 0.1, Decision.IN, end),
        *((), 0.5, tuple(range(10))),
    )
    found = []
    for name in names:
        decision = Decision.OUT if name in out else Decision.IN
        decision = Decision.SHORT if name in short else decision
        found.append(replace(first, cell=name, cell_id=name, decision=decision))
    return found


def test_at_the_start(tmp_path):
    """Looks, and the least and the most runs: 8 cells of 3, and of 10 seeds."""
    assert race_lines(race(tmp_path), 0) == [
        "race: looks at 3, 5, 8, 10 seeds of 8 cells; at least 24 runs, at most 80"
    ]


def test_resumed(tmp_path):
    """What was finished, which looks were taken, who is left."""
    resumed = race(tmp_path, rows=rows(out=NAMES[:3]))

    assert race_lines(resumed, 26)[1] == (
        "race: 26 runs finished before, 1 of 4 looks taken, 5 cells left"
    )
    assert race_lines(race(tmp_path), 1)[1] == "race: 1 run finished before, 0 of 4 looks taken"


def test_a_look():
    """How many are left of how many, and who is not."""
    assert look_line(rows()) == "look 1, 3 seeds: 8 of 8 cells may still be the best"
    assert look_line(rows(out=("x", "unet/bce"), look=2)) == (
        "look 2, 5 seeds: 6 of 8 cells may still be the best; out: unet/bce, x"
    )
    assert look_line(rows(out=NAMES[1:], short=("y",))) == (
        "look 1, 3 seeds: 2 of 8 cells may still be the best; out: unet2/dice, unet/bce, "
        "unet/dice, segnet/bce, segnet/dice, x; short of seeds, so not judged: y"
    )


@pytest.mark.parametrize("end", End)
def test_why_it_ended(tmp_path, end):
    """Each reason has its words; what was saved is counted against every seed of every cell."""
    found = rows(out=NAMES[2:], end=str(end))
    found = [replace(row, runs=tuple(f"{row.cell} {seed}" for seed in range(3))) for row in found]
    held = race(tmp_path, rows=found)
    for cell in held.cells:
        for seed in range(3):
            held.states[cell.units[seed][0].name] = State.FINISHED

    assert end_line(held) == (
        f"race ended: {ENDS[end].format(left='unet2/bce, unet2/dice')}; 24 of 80 runs, 56 saved"
    )
    held.states[held.cells[0].units[3][0].name] = State.FINISHED  # in a slot that was idle
    assert end_line(held).endswith("; 25 of 80 runs, 55 saved; 1 of the 25 not used by a look")
    assert end_line(race(tmp_path)) == ""
    assert len({*ENDS.values()}) == len(End)


def test_many_names():
    """Of more than six cells the first six are named."""
    assert named(NAMES) == f"{', '.join(NAMES[:6])} and 2 more"
    assert named(NAMES[:6]) == ", ".join(NAMES[:6])


def test_how_long_it_takes(tmp_path):
    """24 runs of 60 s at least, 80 at most, in four slots; nothing where no time is known."""
    seconds = dict.fromkeys(race(tmp_path).states, 60.0)

    assert time_line(race(tmp_path), seconds, 4) == (
        "race: at least about 6 min, at most about 20 min"
    )
    assert time_line(race(tmp_path), {}, 4) == ""
