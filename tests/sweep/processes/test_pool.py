"""Tasks in slots, each in a real process that ends, fails, hangs or is killed; no slot idles."""

import os
import signal
import sys
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

import pytest

from command import alive, end_server, wait_for
from segsweep.sweep.processes import pool as pools
from segsweep.sweep.processes.pool import Pool, Task
from segsweep.sweep.processes.server import start_server
from segsweep.sweep.processes.slots import Slot

APPS = Path(__file__).resolve().parents[2] / "apps"
sys.path.insert(0, str(APPS))
import tasks  # noqa: E402  a module outside the package, like a user's own

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no fork server")
TWO = [Slot(0, 1), Slot(1, 1)]


def never():
    """Return False: nobody asks to stop."""
    return False


@pytest.fixture(scope="module", autouse=True)
def small_server():
    """Use a server that imports few modules; later tests start a complete one."""
    end_server()
    start_server(["torch", "segsweep.sweep.processes.worker"])
    yield
    end_server()


def results(*todo, slots=TWO, **settings):
    """Run all tasks; return name -> result."""
    ended = list(Pool(slots, **settings).run(todo, never))
    assert len(ended) == len(todo)
    return {one.task.name: one for one in ended}


def test_every_task_comes_back_with_its_value():
    """Seven sums in two slots: each returns once, with its own value."""
    ended = results(*(Task(f"sum {n}", tasks.add, (n, 10)) for n in range(7)))

    assert {f"sum {n}": n + 10 for n in range(7)} == {n: one.value for n, one in ended.items()}
    assert {""} == {one.cause for one in ended.values()}


def test_each_task_has_its_own_process_and_its_slots_share():
    """Each task has its slot's threads and GPUs; server and controller are not changed."""
    slots = [Slot(0, 1, "GPU-a"), Slot(1, 3, "GPU-b")]
    ended = results(*(Task(str(n), tasks.place, ()) for n in range(4)), slots=slots)
    values = [one.value for one in ended.values()]

    assert len({pid for pid, *_ in values} | {os.getpid()}) == 5
    assert {(number, threads, gpu) for _, number, threads, gpu in values} <= {
        (0, 1, "GPU-a"),
        (1, 3, "GPU-b"),
    }


ENDINGS = {
    "raises": (tasks.fail, (), "exited", "exit code 1", "RuntimeError: broken here"),
    "leaves": (tasks.leave, (3,), "exited", "exit code 3", "about to leave"),
    "leaves well": (tasks.leave, (0,), "exited", "exit code 0", "about to leave"),
    "is killed": (tasks.die, (signal.SIGKILL,), "killed", "SIGKILL", ""),
    "crashes": (tasks.crash, (), "killed", "SIGSEGV", "Segmentation fault"),
}


def test_a_task_without_result_affects_no_other(tmp_path):
    """Five tasks end without a result, each with its cause and output; the sixth has its value.

    The log of a crash shows the line of code.
    """
    todo = [
        Task(name, function, arguments, log=tmp_path / name)
        for name, (function, arguments, *_) in ENDINGS.items()
    ]
    ended = results(*todo, Task("well", tasks.add, (1, 1)))

    assert ended["well"].value == 2
    for name, (*_, cause, error, output) in ENDINGS.items():
        assert cause == ended[name].cause, name
        assert error in ended[name].error
        assert output in (tmp_path / name).read_text()
    assert "tasks.py" in (tmp_path / "crashes").read_text()


def test_longest_first():
    """In one slot the longest task starts first; equal ones start in their order."""
    order = []
    todo = [Task(f"{s}", tasks.add, (1, 1), seconds=s) for s in (2.0, 5.0, 1.0)]
    todo.insert(0, Task("2.0 before", tasks.add, (1, 1), seconds=2.0))
    results(*todo, slots=TWO[:1], on_start=lambda task, slot: order.append(task.name))

    assert order == ["5.0", "2.0 before", "2.0", "1.0"]


def test_free_slot_takes_the_next_task_while_another_runs(tmp_path):
    """The first task waits for the third: started in batches, it would wait forever."""
    file = str(tmp_path / "file")
    ended = results(
        Task("waits", tasks.wait_for, (file,)),
        Task("short", tasks.add, (1, 1)),
        Task("makes", tasks.make, (file,)),
    )

    assert ended["waits"].value == "came"


def test_a_slot_holds_one_task_at_a_time():
    """While a task runs, no other one starts in its slot."""
    held, seen = {}, []

    def started(task, slot):
        assert slot.number not in held.values()
        held[task.name] = slot.number
        seen.append(len(held))

    todo = [Task(str(n), tasks.add, (n, n)) for n in range(6)]
    for one in Pool(TWO, on_start=started).run(todo, never):
        del held[one.task.name]

    assert max(seen) == 2


def test_messages_arrive_in_order_before_the_result():
    """Also many at once, from a process that has ended by the time they are read."""
    heard = []
    ended = results(
        Task("counts", tasks.count, (500,)), on_message=lambda task, message: heard.append(message)
    )

    assert heard == list(range(1, 501))
    assert ended["counts"].value == 500


def test_task_added_later_is_executed_too():
    """A retried task, for example."""
    pool = Pool(TWO)
    values = []
    for one in pool.run([Task("a", tasks.add, (1, 1))], never):
        values.append(one.value)
        if len(values) < 3:
            pool.add(one.task)

    assert values == [2, 2, 2]


def test_on_stop_running_tasks_save_and_waiting_ones_never_start(tmp_path):
    """Both running tasks return a value; the third does not start."""
    files = [tmp_path / name for name in "abc"]
    todo = [Task(file.name, tasks.work_until_stopped, (str(file),)) for file in files]
    ended = list(Pool(TWO).run(todo, lambda: files[0].exists() and files[1].exists()))

    assert [one.value for one in ended] == ["saved", "saved"]
    assert {"a", "b"} == {one.task.name for one in ended}
    assert not files[2].exists()


@pytest.mark.slow
def test_over_its_time_limit_a_task_is_asked_then_killed(tmp_path, monkeypatch):
    """A task that handles the request has time to save; one that hangs is killed.

    Tasks that end in time are not affected.
    """
    monkeypatch.setattr(pools, "GRACE", 1.0)
    listens, hangs = tmp_path / "listens", tmp_path / "hangs"
    ended = results(
        Task("listens", tasks.work_until_stopped, (str(listens),)),
        Task("hangs", tasks.hang, (str(hangs),)),
        Task("quick", tasks.add, (1, 1)),
        slots=[*TWO, Slot(2, 1)],
        time_limit=2.0,
    )

    assert ended["quick"].value == 2
    assert (tmp_path / "listens.saved").exists()
    assert ended["hangs"].cause == "time-limit"
    assert "time_limit=2 s" in ended["hangs"].error
    assert not alive(int(hangs.read_text()))


def test_task_that_takes_too_much_memory_is_killed():
    """The largest goes; the others are not affected."""
    ended = results(
        Task("small", tasks.grow, (32,)), Task("large", tasks.grow, (1 << 14,)), memory_mb=1000.0
    )

    assert ended["small"].value == "grown"
    assert ended["large"].cause == "killed"
    assert ended["large"].error.startswith("out of memory")


def test_closing_the_iterator_kills_running_tasks(tmp_path):
    """As after a second Ctrl-C."""
    file = tmp_path / "hangs"
    todo = [Task("hangs", tasks.hang, (str(file),)), Task("short", tasks.wait_for, (str(file),))]
    running = Pool(TWO).run(todo, never)
    next(running)
    running.close()

    assert not alive(int(file.read_text()))


def test_ctrl_c_does_not_reach_a_task():
    """In a terminal it is sent to every process; only the controller handles it."""
    ended = results(Task("interrupted", tasks.leave_alone, (signal.SIGINT,)))

    assert ended["interrupted"].value == "still here"


def test_without_its_controller_a_task_saves_and_ends(tmp_path):
    """When the pipe closes, the process saves and ends."""
    file = tmp_path / "works"
    one = pools._forked(Task("works", tasks.work_until_stopped, (str(file),)), TWO[0])
    wait_for(file.exists)
    one.pipe.close()
    one.process.join(60)

    assert one.process.exitcode == 0
    assert (tmp_path / "works.saved").exists()


def test_without_its_controller_a_task_that_hangs_is_ended(tmp_path):
    """It has some time to save, then it is ended."""
    file = tmp_path / "hangs"
    one = pools._forked(Task("hangs", tasks.hang_after, (0.2, str(file))), TWO[0])
    wait_for(file.exists)
    one.pipe.close()
    one.process.join(60)

    assert one.process.exitcode == 130


@pytest.mark.slow
def test_killed_server_costs_only_what_ran(tmp_path):
    """The running task counts as killed and its process ends; the next one gets a new server."""
    file = tmp_path / "works"
    todo = [Task("works", tasks.work_until_stopped, (str(file),)), Task("next", tasks.add, (1, 1))]
    killed = []

    def kill_server():
        if file.exists() and not killed:
            killed.append(forkserver._forkserver._forkserver_pid)
            os.kill(killed[0], signal.SIGKILL)

    ended = {one.task.name: one for one in Pool(TWO[:1], on_poll=kill_server).run(todo, never)}

    assert killed
    assert ended["works"].cause == "killed"
    assert ended["next"].value == 2
    wait_for(lambda: not alive(int(file.read_text())))


def test_process_that_does_not_end_frees_its_slot(monkeypatch):
    """A leftover thread keeps the process alive: its value counts, then it is killed."""
    monkeypatch.setattr(pools, "GRACE", 0.5)
    ended = results(Task("lingers", tasks.linger, ()), Task("next", tasks.add, (1, 1)))

    assert ended["lingers"].value == "done"
    assert ended["next"].value == 2


@pytest.mark.slow
def test_requests_to_stop_reach_the_processes_and_not_their_server():
    """Whoever ends a command ends its whole group: the server waits for what it forked."""
    end_server()
    resource_tracker._resource_tracker._stop()  # as in a new command
    start_server(["torch"])
    server = forkserver._forkserver._forkserver_pid
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(server, number)  # during its imports
    first = results(Task("blocked", tasks.blocked_signals, ()))["blocked"].value
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(server, number)
    second = results(Task("sum", tasks.add, (1, 1)))["sum"].value

    assert first == []
    assert second == 2
    assert forkserver._forkserver._forkserver_pid == server
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
