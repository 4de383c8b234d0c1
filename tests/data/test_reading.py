"""Decoding in threads: the same cache and the same problems as by one thread, and a quick stop."""

import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest
from PIL import Image

from fake_data import blob
from segsweep.data import cache, reading
from segsweep.data.folder import Folder
from segsweep.data.ph2 import PH2
from segsweep.data.source import reads_in_threads
from segsweep.data.synthetic import Synthetic
from segsweep.errors import DataError

FORK = multiprocessing.get_context("fork")
SIZE = (16, 24)


class Uneven(Folder):
    """A folder whose reads take times of their own, so that threads overtake each other."""

    thread_safe = True

    def read(self, sample):
        """Read one sample, the first ones slowly."""
        time.sleep(0.03 if sample.id in ("00", "05") else 0.001)
        return super().read(sample)


class Alone(Folder):
    """A user's folder, which does not say that its read may be called in threads."""

    def read(self, sample):
        """Read one sample, in the thread that asked for the data."""
        assert threading.current_thread() is threading.main_thread()
        return super().read(sample)


class Endless(Folder):
    """A folder of which the reads after the third take a while."""

    thread_safe = True

    def read(self, sample):
        """Read one sample."""
        time.sleep(0.0 if sample.id < "03" else 0.5)
        return super().read(sample)


@pytest.fixture
def data(tmp_path):
    """Return a folder of 16 pairs: two damaged, one mask of another size, an empty one, twins."""
    for kind in ("images", "masks"):
        (tmp_path / "data" / kind).mkdir(parents=True)
    for seed in range(16):
        image, mask = blob(0 if seed == 9 else seed, 40 + seed % 9, 50)
        mask = {3: mask[:-1], 12: np.zeros_like(mask)}.get(seed, mask)
        for kind, pixels in (("images", image), ("masks", mask)):
            path = tmp_path / "data" / kind / f"{seed:02}.png"
            Image.fromarray(pixels).save(path)
            if (kind, seed) in (("images", 2), ("masks", 14)):
                path.write_bytes(path.read_bytes()[:-30])
    return tmp_path / "data"


def repair(data):
    """Make the three refused pairs right."""
    for name, height in (("02", 42), ("03", 43), ("14", 45)):
        for kind, pixels in zip(("images", "masks"), blob(int(name), height, 50), strict=True):
            Image.fromarray(pixels).save(data / kind / f"{name}.png")


def prepared(kind, data, folder, monkeypatch, threads):
    """Prepare in so many threads."""
    monkeypatch.setattr(reading, "usable_cores", lambda: threads)
    return cache.prepare(kind(data / "images", data / "masks"), SIZE, 3, folder)


def content(folder):
    """Return the bytes of the one cache in *folder*."""
    (found,) = (path for path in folder.glob("data-*") if path.is_dir())
    return {path.name: path.read_bytes() for path in found.iterdir()}


def test_nothing_depends_on_the_number_of_threads(tmp_path, data, monkeypatch):
    """Errors, then warnings and the bytes of the cache, by 1, 2 and 8 threads and in parts."""
    told, made, warnings = [], [], []
    for threads in (1, 2, 8):
        with pytest.raises(DataError) as caught:
            prepared(Uneven, data, tmp_path / f"cache{threads}", monkeypatch, threads)
        told.append(str(caught.value))
    repair(data)
    for threads in (1, 2, 8):
        folder = tmp_path / f"cache{threads}"
        warnings.append(prepared(Uneven, data, folder, monkeypatch, threads).warnings)
        made.append(content(folder))

    assert told[0].count("error: ") == 3
    assert told[0] == told[1] == told[2]
    assert [warning.what.partition(":")[0] for warning in warnings[0]] == [
        "empty mask",
        "identical images",
    ]
    assert warnings[0] == warnings[1] == warnings[2]
    assert made[0] == made[1] == made[2]


def test_refused_data_are_decoded_once_in_threads(tmp_path, data, monkeypatch):
    """The second try asks the source for nothing."""
    for _ in range(2):
        with pytest.raises(DataError):
            prepared(Uneven, data, tmp_path / "cache", monkeypatch, 4)
        monkeypatch.setattr(Uneven, "read", None)


def test_who_does_not_say_so_is_read_by_one_thread(tmp_path, data, monkeypatch):
    """A subclass with its own `read` has to say so again."""
    repair(data)
    prepared(Alone, data, tmp_path / "cache", monkeypatch, 4)
    sources = [Folder(data), PH2(data), Synthetic(), Uneven(data), Alone(data)]

    assert [reads_in_threads(source) for source in sources] == [True] * 4 + [False]


def test_little_memory_means_one_image_at_a_time(tmp_path, data, monkeypatch):
    """Where not even one image fits into the share, it is decoded alone."""
    repair(data)
    now, most, lock = [0], [0], threading.Lock()
    read = Uneven.read

    def counted(self, sample):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        try:
            return read(self, sample)
        finally:
            with lock:
                now[0] -= 1

    monkeypatch.setattr(Uneven, "read", counted)
    monkeypatch.setattr(reading, "available_memory_mb", lambda: 0.1)
    prepared(Uneven, data, tmp_path / "cache", monkeypatch, 4)

    assert most == [1]


def interrupted(data, folder):
    """Prepare in two threads until SIGINT; the exit code says that it came."""
    reading.usable_cores = lambda: 2
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cache.prepare(Endless(data / "images", data / "masks"), SIZE, 3, folder)
    except KeyboardInterrupt:
        os._exit(7)


def test_ctrl_c_stops_at_once_and_keeps_what_was_done(tmp_path, data):
    """13 slow images are left: no more than those in flight are waited for or lost."""
    repair(data)
    builder = FORK.Process(target=interrupted, args=(data, tmp_path / "cache"), daemon=True)
    builder.start()
    end = time.monotonic() + 60

    def entered():
        lines = [path.read_text() for path in (tmp_path / "cache").glob("part-*/journal.jsonl")]
        return sum(map(len, (text.split() and text.strip().splitlines() for text in lines)))

    while entered() < 3 and time.monotonic() < end:
        time.sleep(0.01)
    os.kill(builder.pid, signal.SIGINT)
    asked = time.monotonic()
    builder.join(60)
    taken = time.monotonic() - asked

    assert builder.exitcode == 7
    assert taken < 3  # all of them would take 13 x 0.5 / 2 s and more
    assert 3 <= entered() < 16
