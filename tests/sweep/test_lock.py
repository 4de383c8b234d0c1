"""The sweep's lock: real processes hold it, die, are suspended, and are told apart."""

import errno
import fcntl
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from command import wait_for
from segsweep.errors import SweepLockedError
from segsweep.sweep import lock as module
from segsweep.sweep.holder import this_process
from segsweep.sweep.lock import SweepLock, current_holder

HOLD = """
import sys, time
from pathlib import Path
from segsweep.sweep.lock import SweepLock
lock = SweepLock(Path(sys.argv[1]), beat=0.1, confirm=0.05)
lock.acquire()
exec(sys.argv[2])
print("held", flush=True)
time.sleep(60)
"""
HERE = {key: getattr(this_process(), key) for key in ("host", "boot", "namespace")}
QUICK = {"patience": 0.3, "confirm": 0.05, "beat": 0.05}


@pytest.fixture
def path(tmp_path) -> Path:
    """Return the path of a lock in a sweep's folder; there is no lock yet."""
    folder = tmp_path / "main"
    folder.mkdir()
    return folder / "lock"


@pytest.fixture
def elsewhere(path):
    """Return a function that starts a process which holds the lock; all are killed at the end."""
    started = []

    def start(then: str = "pass") -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", HOLD, str(path), then]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def forge(path: Path, age: float, **changed: object) -> None:
    """Write the lock as a process of another host (or as *changed*) would, *age* s ago."""
    values = {"host": "gpu3", "pid": 4711, "boot": "b", "namespace": "pid:[1]", "token": "abc"}
    values |= {"since": "2026-11-24T10:02:11+0000", "slots": None, **changed}
    path.write_text(json.dumps(values))
    then = time.time() - age
    os.utime(path, (then, then))


def refused(path: Path, **times: float) -> str:
    """Return the line with which the lock is refused, after checking that it is one."""
    with pytest.raises(SweepLockedError) as caught:
        SweepLock(path, **{**QUICK, **times}).acquire()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_held_lock_says_who_has_it(path, elsewhere):
    """Host, pid, since when, what to do; the holder is not disturbed."""
    process = elsewhere()
    line = refused(path)
    wanted = (
        rf"sweep main is being worked on by pid {process.pid} on host "
        rf"{re.escape(socket.gethostname())} since \d{{4}}-\d\d-\d\d \d\d:\d\d; wait for it, .*"
    )

    assert re.fullmatch(wanted, line)
    assert current_holder(path).pid == process.pid
    assert process.poll() is None


def test_dead_holder_is_followed_at_once(path, elsewhere):
    """Killed, however fresh its sign of life: its pid may have come back, the lock has not."""
    process = elsewhere()
    process.kill()
    process.wait()
    written = json.loads(path.read_text())
    path.write_text(json.dumps({**written, "pid": os.getpid()}))  # a pid that lives
    nobody = current_holder(path)
    started = time.monotonic()
    with SweepLock(path):
        seconds = time.monotonic() - started
        pid = current_holder(path).pid

    assert nobody is None
    assert seconds < 0.5
    assert pid == os.getpid()


def test_suspended_holder_on_this_host_keeps_it(path, elsewhere):
    """No sign of life, but the system knows that it lives."""
    process = elsewhere()
    process.send_signal(signal.SIGSTOP)
    os.utime(path, (0, 0))
    line = refused(path)
    seen = current_holder(path)
    process.send_signal(signal.SIGCONT)

    assert f"pid {process.pid}" in line
    assert seen.pid == process.pid
    assert seen.silent > 1e6


def test_child_processes_do_not_keep_it(path, elsewhere):
    """A program started by the holder, and a fork that lives on: the lock dies with its holder."""
    program = "import subprocess; subprocess.Popen(['sleep', '30'], close_fds=False)"
    fork = "import os\nif os.fork() == 0:\n os.close(1)\n time.sleep(30)\n os._exit(0)"
    for then in (program, fork):
        process = elsewhere(then)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        process.wait()
        with SweepLock(path, **QUICK):
            alive = [Path(f"/proc/{child}").exists() for child in children]
        for child in children:
            os.kill(int(child), signal.SIGKILL)

        assert alive == [True]


def test_fork_cannot_release_what_its_parent_holds(path, elsewhere):
    """A forked child that leaves the block gives nothing away."""
    process = elsewhere("import os\nif os.fork() == 0:\n lock.release()\n os._exit(0)\nos.wait()")

    assert f"pid {process.pid}" in refused(path)


def test_released_lock_is_an_empty_file(path):
    """Not deleted: whoever waits for it has it open. The next one gets it."""
    with SweepLock(path):
        inside = current_holder(path)
    empty = path.read_bytes()
    with SweepLock(path):
        again = current_holder(path)

    assert inside.pid == again.pid == os.getpid()
    assert inside.token != again.token
    assert empty == b""
    assert current_holder(path) is None
    assert [item.name for item in path.parent.iterdir()] == ["lock"]


def test_same_process_cannot_have_it_twice(path):
    """Two commands in one process are two commands."""
    with SweepLock(path):
        line = refused(path)

    assert f"pid {os.getpid()}" in line


@pytest.mark.parametrize("changed", [{}, {"host": socket.gethostname()}])
def test_holder_elsewhere_is_believed_while_it_shows_signs_of_life(path, changed):
    """Another host, or another container of this one: its file lock may not reach us."""
    forge(path, 20, **changed)
    line = refused(path)
    host = changed.get("host", "gpu3")
    (clock,) = re.findall(r"takes over from (\d\d:\d\d:\d\d) on$", line)
    hours, minutes, seconds = map(int, clock.split(":"))
    now = time.localtime()
    wait = (hours - now.tm_hour) * 3600 + (minutes - now.tm_min) * 60 + seconds - now.tm_sec

    assert f"pid 4711 on host {host} since 2026-11-24" in line
    assert re.search(r"last sign of life (20|21) s ago", line)
    assert 37 <= wait % 86400 <= 41
    assert current_holder(path).host == host
    assert json.loads(path.read_text())["token"] == "abc"


def test_holder_elsewhere_without_a_sign_of_life_is_followed(path):
    """After a minute; and that is what looking says, too."""
    forge(path, 61)
    nobody = current_holder(path)
    with SweepLock(path, **QUICK):
        pid = current_holder(path).pid

    assert nobody is None
    assert pid == os.getpid()


def test_age_goes_by_the_clock_of_the_disk(path, monkeypatch):
    """A host whose clock is an hour ahead does not throw a live holder out."""
    forge(path, 5)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 3600)

    assert "last sign of life 5 s ago" in refused(path) or "6 s ago" in refused(path)


@pytest.mark.parametrize("text", ["{", "\0\1", "[]", '{"host": 1}', '{"pid": "x"}', "null"])
def test_spoilt_content_is_nobody(path, text):
    """A file cut short by a full disk: the system's lock alone decides."""
    path.write_text(text)
    nobody = current_holder(path)
    with SweepLock(path, **QUICK):
        pid = current_holder(path).pid

    assert nobody is None
    assert pid == os.getpid()


def test_holder_that_said_nothing_is_a_holder(path, elsewhere):
    """The system's lock is taken, whatever the file says."""
    elsewhere("lock._ended.set()")
    path.write_text("")

    assert "another process, which has not said who it is; wait" in refused(path)


def test_signs_of_life_come_by_themselves(path):
    """The file's time moves on while the lock is held, and no more afterwards."""
    with SweepLock(path, **QUICK):
        os.utime(path, (0, 0))
        wait_for(lambda: time.time() - path.stat().st_mtime < 5, 2)
    os.utime(path, (0, 0))
    time.sleep(0.2)

    assert path.stat().st_mtime == 0


def test_lock_taken_over_is_noticed_and_left_alone(path):
    """A suspended laptop wakes up: it stops, and does not throw the new holder out."""
    lock = SweepLock(path, **QUICK)
    lock.acquire()
    before = lock.taken_over
    forge(path, 0)
    wait_for(lambda: lock.taken_over, 2)
    os.utime(path, (0, 0))
    time.sleep(0.2)
    touched = path.stat().st_mtime
    lock.release()

    assert not before
    assert touched == 0
    assert json.loads(path.read_text())["token"] == "abc"


def test_deleted_lock_is_lost(path):
    """Whoever deletes the file lets another one in."""
    with SweepLock(path, **QUICK) as lock:
        path.unlink()
        wait_for(lambda: lock.taken_over, 2)

        assert not path.exists()


def test_looking_keeps_nobody_out(path, look_in_the_act):
    """Whoever comes while somebody looks tries again, and a second look sees nobody either."""
    forge(path, 0, **HERE)
    nobody = current_holder(path)
    with SweepLock(path):
        pid = current_holder(path).pid

    assert nobody is None
    assert pid == os.getpid()


@pytest.fixture
def look_in_the_act(path):
    """Have the lock looked at for 0.2 s, a look that takes far too long."""
    path.touch()
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    timer = threading.Timer(0.2, os.close, (descriptor,))
    timer.start()
    yield
    timer.join()


def test_looking_creates_nothing(path):
    """Neither a lock nor anything beside it, nor where there is no sweep at all."""
    found = [current_holder(path), current_holder(path.parent / "nowhere" / "lock")]

    assert found == [None, None]
    assert list(path.parent.iterdir()) == []


def test_slots_are_told(path):
    """So that others can say how much goes on at once."""
    with SweepLock(path, **QUICK) as lock:
        first = current_holder(path).slots
        lock.publish_slots(12)
        second = current_holder(path)

        assert (first, second.slots, second.pid) == (None, 12, os.getpid())
        assert not lock.taken_over


@pytest.fixture(params=[errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, None])
def no_flock(request, monkeypatch):
    """Be on a disk without file locks, or (None) on a system without them."""

    def fails(descriptor: int, kind: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    if request.param is None:
        monkeypatch.setattr(module, "fcntl", None)
    else:
        monkeypatch.setattr(module.fcntl, "flock", fails)


def test_without_file_locks_the_sign_of_life_decides(path, no_flock):
    """Also of this host's own processes; the release lets the next one in at once."""
    with SweepLock(path, **QUICK):
        line = refused(path)
        seen = current_holder(path)
    released = current_holder(path)
    forge(path, 61)
    with SweepLock(path, **QUICK):
        pid = current_holder(path).pid

    assert f"pid {os.getpid()}" in line
    assert "last sign of life 0 s ago" in line
    assert seen.pid == pid == os.getpid()
    assert released is None


@pytest.mark.parametrize("no_flock", [errno.ENOLCK], indirect=True)
def test_without_file_locks_one_of_two_wins(path, no_flock):
    """Both start in the same moment; the last one that wrote has it, the other is refused."""
    for _ in range(3):
        locks = [SweepLock(path, confirm=0.1) for _ in range(2)]
        ends: list[str] = []
        barrier = threading.Barrier(2)

        def compete(lock: SweepLock, barrier=barrier, ends=ends) -> None:
            barrier.wait()
            try:
                lock.acquire()
                ends.append("mine")
            except SweepLockedError:
                ends.append("refused")

        threads = [threading.Thread(target=compete, args=(lock,)) for lock in locks]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for lock in locks:
            lock.release()

        assert sorted(ends) == ["mine", "refused"]
