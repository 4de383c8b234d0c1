"""A search with its studies in a real PostgreSQL: killed, continued, no password written."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from command import TINY, finish, start, wait_for
from segsweep.store.chosen import read_chosen
from segsweep.store.paths import SweepPaths

pytestmark = pytest.mark.slow
PASSWORD = "s3cr3t%/word"
WRITTEN = ("s3cr3t", "%25%2Fword")
"""Parts of it that no file and no output may hold."""
SEARCH = (
    *("-m", *TINY, "slots=1", "loss=bce,dice", "seed=0,1", "search=lr", "search.n_trials=4"),
    "search.storage=${oc.env:STUDIES}",
)
TOTAL = 2 * (4 + 2)
"""Trials and final runs of both cells."""


def programs() -> Path:
    """Return the folder of PostgreSQL's programs; skip the test without them or the driver."""
    if find_spec("psycopg") is None:
        pytest.skip("psycopg is not installed: pip install '.[postgresql]'")
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    found += [Path(path) for path in [shutil.which("initdb")] if path]
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return found[-1].resolve().parent


@pytest.fixture(scope="module")
def server():
    """Start a PostgreSQL server of its own, as a user without rights; yield functions for it."""
    folder, port = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp")), free_port()
    here = programs()
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    (folder / "password").write_text(PASSWORD)
    if user:
        for path in (folder, folder / "password"):
            shutil.chown(path, user)

    def call(program, *words):
        command = [str(here / program), "-D", str(folder / "data"), *words]
        with (folder / "out").open("w") as out:  # the server keeps it open
            done = subprocess.run(command, stdout=out, stderr=out, user=user, cwd=folder)
        assert done.returncode == 0, (folder / "out").read_text()

    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    login = ("-U", "me", f"--pwfile={folder / 'password'}", "-A", "scram-sha-256")
    call("initdb", *login, "--no-sync")
    switch = {
        "start": lambda: call("pg_ctl", "-o", options, "-l", str(folder / "log"), "-w", "start"),
        "stop": lambda: call("pg_ctl", "-m", "immediate", "-w", "stop"),
    }
    switch["start"]()
    try:
        yield port, switch
    finally:
        switch["stop"]()
        shutil.rmtree(folder)


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def address_of(port: int, password: str = PASSWORD) -> str:
    """Return the address of the server's database."""
    from sqlalchemy.engine import URL

    url = URL.create("postgresql+psycopg", "me", password, "127.0.0.1", port, "postgres")
    return url.render_as_string(hide_password=False)


def holding(folder: Path) -> list[Path]:
    """Return the files below *folder* in which part of the password is."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and any(text.encode() in path.read_bytes() for text in WRITTEN)
    ]


def states(address: str) -> dict[str, list[str]]:
    """Return study -> the states of its trials, as Optuna reads them."""
    import optuna

    names = optuna.get_all_study_names(address)
    studies = [optuna.load_study(study_name=name, storage=address) for name in names]
    return {one.study_name: [trial.state.name for trial in one.trials] for one in studies}


def results(folder: Path) -> dict[Path, int]:
    """Return the finished runs and when they finished."""
    found = (folder / "outputs/main/runs").glob("*/result.json")
    return {path: path.stat().st_mtime_ns for path in found}


def test_killed_and_continued(server, tmp_path):
    """Two kills, and once the server is gone: the same totals, nothing twice, no password."""
    port, switch = server
    address, said, before = address_of(port), "", {}
    for ended in (2, 9):
        process = start(SEARCH, tmp_path, STUDIES=address)
        wait_for(lambda ended=ended: len(results(tmp_path)) >= ended)
        os.killpg(process.pid, signal.SIGKILL)
        said += "".join(process.communicate())
        found = results(tmp_path)
        assert before.items() <= found.items()
        before = found
    switch["stop"]()
    process = start(SEARCH, tmp_path, STUDIES=address)
    output, error = process.communicate(timeout=300)
    assert process.returncode == 2
    assert error.splitlines()[-1].startswith(
        f"search.storage=postgresql+psycopg://me:***@127.0.0.1:{port}/postgres: cannot be opened ("
    )
    switch["start"]()
    said += output + error + finish(SEARCH, tmp_path, STUDIES=address)
    after = results(tmp_path)
    found = states(address)

    assert before.items() <= after.items()
    assert len(after) == TOTAL
    assert [*found.values()] == [["COMPLETE"] * 4] * 2
    assert all(name.startswith("main ") for name in found)
    assert [one.complete for one in read_chosen(SweepPaths(tmp_path / "outputs/main"))] == [4, 4]
    assert holding(tmp_path) == []
    assert not any(text in said for text in WRITTEN)


def test_a_server_that_stops_midway(server, tmp_path):
    """The command ends with one line; the next one ends the search."""
    port, switch = server
    words, address = (*SEARCH, "sweep=other"), address_of(port)
    process = start(words, tmp_path, STUDIES=address)
    wait_for(lambda: len([*(tmp_path / "outputs/other/runs").glob("*/result.json")]) >= 2)
    switch["stop"]()
    output, error = process.communicate(timeout=300)
    switch["start"]()
    more = finish(words, tmp_path, STUDIES=address)
    mine = [found for name, found in states(address).items() if name.startswith("other ")]

    assert process.returncode == 1
    assert "Traceback" not in error
    assert [*mine] == [["COMPLETE"] * 4] * 2
    assert len([*(tmp_path / "outputs/other/runs").glob("*/result.json")]) == TOTAL
    assert holding(tmp_path) == []
    assert not any(text in output + error + more for text in WRITTEN)


def test_a_wrong_password(server, tmp_path):
    """One line with the server's reason."""
    address = address_of(server[0], "wrong" + WRITTEN[0])
    said = finish(SEARCH, tmp_path, 2, STUDIES=address)

    assert 'password authentication failed for user "me"' in said.splitlines()[-1]
    assert WRITTEN[0] not in said
