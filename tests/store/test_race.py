"""race.csv: what the looks of a race found."""

from dataclasses import replace

import pytest

from segsweep.errors import StoredFileError
from segsweep.stats.looks import End
from segsweep.store.paths import SweepPaths
from segsweep.store.race import ENDS, Decision, RaceRow, end_of, last_look, read_race, write_race

LEFT = RaceRow(
    look=1,
    looks=(2, 4, 5),
    seeds=2,
    error=0.05 / 6,
    cell="unet2/bce@lr=0.01",
    cell_id="0123456789ab",
    mean=0.75,
    statistic=-1.25,
    p=0.625,
    low=-0.5,
    high=0.125,
    decision=Decision.IN,
    end="",
    runs=("00000000000a", "00000000000b"),
    spent=0.1,
    order=(7, 3, 0, 1, 2),
)
OUT = replace(LEFT, cell="unet/ss", decision=Decision.OUT, statistic=float("inf"), p=0.001)
UNKNOWN = dict.fromkeys(("mean", "statistic", "p", "low", "high"))
SHORT = replace(LEFT, cell="=cmd/bce", decision=Decision.SHORT, seeds=0, runs=(), **UNKNOWN)
NEXT = [replace(row, look=2, seeds=4, end="hours") for row in (LEFT, SHORT)]
ROWS = [LEFT, OUT, SHORT, *NEXT]


@pytest.fixture
def sweep(tmp_path):
    """Return a sweep with the race of ROWS."""
    paths = SweepPaths(tmp_path)
    write_race(paths, ROWS)
    return paths


def test_rows_are_read_as_they_were_written(sweep, tmp_path):
    """Every value with its type, numbers to the last digit; a race that has not begun has none."""
    assert read_race(sweep) == ROWS
    assert read_race(SweepPaths(tmp_path / "other")) == []
    assert (end_of(ROWS), end_of(ROWS[:3]), end_of([])) == ("hours", "", "")
    assert last_look(ROWS) == NEXT
    assert last_look([]) == []
    assert sweep.race in sweep.written


def test_writing_the_same_rows_touches_nothing(sweep):
    """The file keeps its time."""
    before = sweep.race.stat().st_mtime_ns
    write_race(sweep, ROWS)

    assert sweep.race.stat().st_mtime_ns == before


def test_ends_are_those_of_the_statistics():
    """The store may not import them."""
    assert set(ENDS) == {str(end) for end in End}


DAMAGES = {
    "empty": lambda text: b"",
    "half": lambda text: text[: len(text) // 2],
    "no last line feed": lambda text: text[:-1],
    "no last row": lambda text: b"\n".join(text.splitlines()[:-1]) + b"\n",
    "random": lambda text: bytes(range(256)) * 7,
    "another table": lambda text: b"x,y\n1,2\n",
    "a missing column": lambda text: text.replace(b"decision", b"verdict", 1),
    "a word for a number": lambda text: text.replace(b"0.625", b"x", 1),
    "no number": lambda text: text.replace(b"0.625", b"nan", 1),
    "huge": lambda text: text.replace(b"0.625", b"9" * 300_000, 1),
    "an unknown decision": lambda text: text.replace(b",out,", b",lost,", 1),
    "an unknown end": lambda text: text.replace(b"hours", b"bored"),
    "a look twice": lambda text: text + text.partition(b"\n")[2],
    "a look left out": lambda text: (
        b"\n".join(line for line in text.splitlines() if not line.startswith(b"1,")) + b"\n"
    ),
    "other looks": lambda text: text.replace(b"2 4 5", b"2 3 5", 1),
    "looks that fall": lambda text: text.replace(b"2 4 5", b"2 4 3"),
    "other seeds": lambda text: text.replace(b"7 3 0 1 2", b"7 3 0 1 4", 1),
    "more seeds than the look has": lambda text: text.replace(b",4,0.008", b",6,0.008"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_told(sweep, name):
    """With its path; nothing is made of what is left."""
    text = sweep.race.read_bytes()
    damaged = DAMAGES[name](text)
    assert damaged != text
    sweep.race.write_bytes(damaged)

    with pytest.raises(StoredFileError, match="damaged") as caught:
        read_race(sweep)
    assert caught.value.path == sweep.race
