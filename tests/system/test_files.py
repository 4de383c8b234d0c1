"""Files are complete or absent, even if the writer is killed; locks end with their process."""

import csv
import io
import json
import math
import multiprocessing
import os
import random
import signal
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsweep.system import files
from segsweep.system.csv_cells import exact

QUICK = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
FORK = multiprocessing.get_context("fork")
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""The sha256 of "abc", from FIPS 180-2, appendix B.1."""
# Python before 3.13 does not quote a lone carriage return; names and errors never hold one.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=6)


@pytest.fixture
def child():
    """Return a function that starts another process; all are killed after the test."""
    started = []

    def start(work, *arguments):
        process = FORK.Process(target=work, args=arguments, daemon=True)
        process.start()
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def wait_for(path):
    """Wait until *path* exists."""
    end = time.monotonic() + 60
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.002)

    assert path.exists()


def kill(process):
    """Kill a process without giving it a chance to clean up."""
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def test_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    """Half-written text never replaces the file, and the temporary file is removed."""
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def fails_half_way():
        with files.replacing(path) as temporary:
            temporary.write_text("ne")
            raise RuntimeError("disk on fire")

    with pytest.raises(RuntimeError, match="disk on fire"):
        fails_half_way()

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_readers_see_the_old_file_until_the_block_ends(tmp_path):
    """Within the block the path still holds the old content."""
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with files.replacing(path) as temporary:
        temporary.write_text("new")
        during = path.read_text()

    assert (during, path.read_text()) == ("old", "new")
    assert list(tmp_path.iterdir()) == [path]


def write_forever(path):
    """Write long texts of one repeated letter until killed."""
    while True:
        for letter in "abc":
            files.write_text(path, letter * 300_000)


def test_killed_writer_leaves_a_whole_file(tmp_path, child):
    """After SIGKILL at any time the file is one of the texts; leftovers block no later write."""
    path, moment = tmp_path / "a.txt", random.Random(1)
    for _ in range(8):
        writer = child(write_forever, path)
        wait_for(path)
        time.sleep(moment.uniform(0, 0.03))
        kill(writer)
        text = path.read_text()

        assert len(text) == 300_000
        assert len(set(text)) == 1
    for leftover in tmp_path.glob(".*"):
        leftover.rename(leftover.with_name(f".a.txt.{os.getpid()}.tmp"))  # as if from this process
    files.write_text(path, "after")

    assert path.read_text() == "after"


def test_unchanged_text_is_not_written(tmp_path):
    """The same text leaves the file and its time unchanged; any other text is written."""
    path = tmp_path / "a.csv"
    first = files.write_if_changed(path, "x,ü\n1,2\n")
    os.utime(path, ns=(1, 1))
    before = path.stat()
    second = files.write_if_changed(path, "x,ü\n1,2\n")
    after = path.stat()

    assert (first, second) == (True, False)
    assert (after.st_mtime_ns, after.st_ino) == (1, before.st_ino)
    assert files.write_if_changed(path, "x,ü\n1,3\n")
    assert path.read_text(encoding="utf-8") == "x,ü\n1,3\n"


def test_bytes_that_are_not_text_are_overwritten(tmp_path):
    """Bytes that are not UTF-8 count as different from the text."""
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xff\xfe\0")

    assert files.write_if_changed(path, "a")
    assert path.read_text() == "a"


@pytest.mark.parametrize("text", ["", "\n", "a\r\nb", "50 %\rdone", "\ufeffid", "a\u2028b"])
def test_writing_twice_writes_once(tmp_path, text):
    """Also with the line ends of other systems and a progress bar's carriage return."""
    path = tmp_path / "a"
    written = [files.write_if_changed(path, text) for _ in range(2)]

    assert written == [True, False]
    assert path.read_bytes() == text.encode()


def strict(path):
    """Parse JSON by the standard: NaN and Infinity fail the test."""
    return json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)


def test_json_has_null_for_nan_and_infinity(tmp_path):
    """NaN and infinities become null at every depth; all other values are read back equal."""
    values = {
        "loss": math.nan,
        "list": [1.5, math.inf, [-math.inf, "NaN"], (1, math.nan)],
        "deep": {"mean": np.float64("nan"), "n": 3, "none": None, "yes": True},
        "naïve": "日本",
    }
    files.write_json(tmp_path / "a.json", values)

    expected = {
        "loss": None,
        "list": [1.5, None, [None, "NaN"], [1, None]],
        "deep": {"mean": None, "n": 3, "none": None, "yes": True},
        "naïve": "日本",
    }
    assert strict(tmp_path / "a.json") == expected == files.read_json(tmp_path / "a.json")
    assert "日本" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", [None, b"", b'{"a": 1', b"[1, 2]", b"3", b'{"a": "\xff"}'])
def test_unreadable_json_is_none(tmp_path, text):
    """Missing, empty, truncated, not an object, not UTF-8."""
    if text is not None:
        (tmp_path / "a.json").write_bytes(text)

    assert files.read_json(tmp_path / "a.json") is None


def test_csv_by_hand():
    """Exactly the requested columns, in order; missing values and None are empty."""
    rows = [{"b": 2, "a": 'say "x, y"', "more": 1}, {"a": None}, {"b": 0.1}]

    assert files.csv_text(rows, ("a", "b")) == 'a,b\n"say ""x, y""",2\n,\n,0.1\n'
    assert files.csv_text([], ("a", "b")) == "a,b\n"


@QUICK
@given(st.lists(st.fixed_dictionaries({"id": CELLS, "what": CELLS})))
def test_csv_is_read_back_equal(rows):
    """Whatever a cell contains, including commas, quotes and line ends."""
    text = files.csv_text(rows, ("id", "what"))

    read = csv.DictReader(io.StringIO(text, newline=""))
    assert [{key: exact(cell) for key, cell in row.items()} for row in read] == rows


def test_digests_are_sha256(tmp_path):
    """The standard's example, from text and from a file."""
    (tmp_path / "a").write_bytes(b"abc")

    assert files.text_digest("abc") == ABC == files.file_digest(tmp_path / "a")
    assert files.text_digest("ü") == files.text_digest(b"\xc3\xbc".decode())


def note_twice(folder, name):
    """Write *name* to the log at the start and end of the locked block, five times."""
    for _ in range(5):
        with files.locked(folder / "lock"), (folder / "log").open("a") as log:
            for _ in range(2):
                log.write(name)
                log.flush()
                time.sleep(0.002)


def test_only_one_at_a_time_is_inside_the_lock(tmp_path, child):
    """Three processes compete for the lock; no two are ever inside together."""
    processes = [child(note_twice, tmp_path, name) for name in "abc"]
    for process in processes:
        process.join(60)
    log = (tmp_path / "log").read_text()

    assert sorted(log) == sorted("abc" * 10)
    assert {log[i : i + 2] for i in range(0, 30, 2)} == {"aa", "bb", "cc"}


def hold(path):
    """Claim *path*, write a file `held`, and keep the claim until killed."""
    with files.claimed(path) as mine:
        path.with_name("held").write_text(str(mine))
        time.sleep(600)


def test_claim_dies_with_its_holder(tmp_path, child):
    """A claim held elsewhere is refused soon; after that process is killed it can be taken."""
    path = tmp_path / "lock"
    holder = child(hold, path)
    wait_for(tmp_path / "held")
    started = time.monotonic()
    with files.claimed(path) as mine:
        seen = (mine, files.is_locked(path))
    waited = time.monotonic() - started
    kill(holder)
    with files.claimed(path) as mine_now:
        pass

    assert seen == (False, True)
    assert waited < 30
    assert (mine_now, files.is_locked(path)) == (True, False)


def test_claim_ends_with_its_block(tmp_path):
    """A second claim within the first is refused; an exception releases the first."""
    path = tmp_path / "lock"

    def claims_and_fails():
        with files.claimed(path) as outer, files.claimed(path) as inner:
            raise RuntimeError(f"{outer} {inner} {files.is_locked(path)}")

    with pytest.raises(RuntimeError, match="True False True"):
        claims_and_fails()

    assert not files.is_locked(path)


def test_is_locked_creates_no_file(tmp_path):
    """A lock file that does not exist is not locked, and is not created."""
    assert not files.is_locked(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []
