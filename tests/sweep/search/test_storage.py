"""Where studies are kept: what cannot be opened is refused in one line without a password."""

import os
import subprocess
import sys
import time

import pytest
from optuna.trial import TrialState

from command import TINY, refusal, snapshot, train_here
from damages import DAMAGES
from segsweep.errors import ConfigError
from segsweep.store.paths import SweepPaths
from segsweep.sweep.search import storage
from segsweep.sweep.search.space import space_of
from segsweep.sweep.search.storage import open_storage, stored_name
from segsweep.sweep.search.study import Study

SPACE = space_of({"optimizer.lr": "tag(log, interval(1e-5, 1e-2))"})
CLOSED = "127.0.0.1:1/none"


@pytest.mark.parametrize(
    ("address", "shown", "reason"),
    [
        (
            f"mysql://me:secret@{CLOSED}",
            f"mysql://me:***@{CLOSED}",
            "needs pip install mysqlclient",
        ),
        ("foo://me:secret@h/n", "foo://me:***@h/n", "Can't load plugin: sqlalchemy.dialects:foo"),
        (f"foo://me:se@cret@{CLOSED}", f"foo://me:***@{CLOSED}", "an @ in the password must be"),
        ("foo://me:secret word@h/n", "foo://me:***@h/n", "Can't load plugin"),
        ("sqlite:////proc/none/x.db", "sqlite:////proc/none/x.db", "unable to open database file"),
        ("/proc/none/x.log", "/proc/none/x.log", "No such file or directory"),
        ("/tmp", "/tmp", "a folder, not a file"),
        ("", "", "a folder, not a file"),
    ],
)
def test_what_cannot_be_opened(tmp_path, address, shown, reason):
    """The reason, the address without its password, and what is allowed."""
    with pytest.raises(ConfigError) as caught:
        open_storage(address, SweepPaths(tmp_path))
    text = str(caught.value)

    assert text.startswith(f"search.storage={shown}: cannot be opened ({reason}")
    assert text.endswith(
        "; give a database URL, such as postgresql+psycopg://user@host/name, or the path of a file"
    )
    assert "secret" not in text and "cret" not in text and "\n" not in text


def test_an_unreachable_database(tmp_path):
    """Its driver's words, without the password."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install '.[postgresql]'")
    with pytest.raises(ConfigError, match="Connection refused") as caught:
        open_storage(f"postgresql+psycopg://me:secret@{CLOSED}", SweepPaths(tmp_path))

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("word", ["search.storage=", "hydra.sweeper.storage=", "+x.y="])
def test_a_password_on_the_command_line_is_refused(tmp_path, monkeypatch, capsys, word):
    """Before anything is written: `ps` shows it, and the plan would keep it."""
    words = ["-m", *TINY, "search=lr", f"{word}postgresql+psycopg://me:secret@h/n"]
    line = refusal((train_here(words, monkeypatch, tmp_path), *capsys.readouterr()))

    assert line.startswith(f"{word.partition('=')[0]}: has a password")
    assert "'search.storage=${oc.env:NAME}'" in line
    assert "secret" not in line
    assert snapshot(tmp_path).keys() == {tmp_path}


def test_a_password_in_a_config_file_is_refused(tmp_path, monkeypatch, capsys):
    """Nothing keeps it."""
    folder = tmp_path / "own" / "search"
    folder.mkdir(parents=True)
    text = "params: {optimizer.lr: 'interval(1e-4, 1e-2)'}\nstorage: "
    (folder / "mine.yaml").write_text(f"{text}postgresql://me:secret@h/n\n")
    words = ["-m", *TINY, f"--config-dir={folder.parent}", "search=mine"]
    line = refusal((train_here(words, monkeypatch, tmp_path), *capsys.readouterr()))
    before = snapshot(tmp_path)

    assert line.startswith("search.storage: has a password")
    assert not any(
        b"secret" in (content or b"")
        for path, (_, content) in before.items()
        if path.name != "mine.yaml"
    )


def test_without_a_search_the_address_is_not_shown(tmp_path, monkeypatch, capsys):
    """It has no effect, and the line says so without the password."""
    monkeypatch.setenv("ADDRESS", "postgresql://me:secret@h/n")
    words = ["-m", *TINY, "search.storage=${oc.env:ADDRESS}"]
    line = refusal((train_here(words, monkeypatch, tmp_path), *capsys.readouterr()))

    assert line.startswith("search.storage=postgresql://me:***@h/n: has no effect")


def study_of(storage, sweep, address):
    """Return the study of one name for a sweep."""
    name = "unet2/bce 0123"
    return Study(storage, name, SPACE, "tpe", None, stored_name(address, sweep, name))


def test_sweeps_share_a_storage_but_no_study(tmp_path):
    """The same search in two sweeps: each has its own trials, with the same suggestions."""
    address = str(tmp_path / "studies.log")
    sweeps = [SweepPaths(tmp_path / "a" / "main"), SweepPaths(tmp_path / "b" / "main")]
    rates = []
    for sweep in sweeps:
        sweep.root.mkdir(parents=True)
        study = study_of(open_storage(address, sweep), sweep, address)
        trial = study.ask(0)
        study.tell(trial, TrialState.COMPLETE, 0.5)
        rates.append(trial.params)
    moved = sweeps[0].root.rename(tmp_path / "moved")
    again = study_of(open_storage(address, SweepPaths(moved)), sweeps[1], address)

    assert rates[0] == rates[1]
    assert len(again.trials()) == 1
    assert stored_name(None, sweeps[1], "x") == "x"
    names = [one.study_name for one in open_storage(address, sweeps[0]).get_all_studies()]
    assert len({*names}) == 2
    assert all(name.startswith("main ") and name.endswith("unet2/bce 0123") for name in names)


KILLED = """
import os, sys, optuna
from optuna.storages.journal import JournalFileBackend
backend = JournalFileBackend(sys.argv[1])
backend._lock.acquire()
os.kill(os.getpid(), 9)
"""


@pytest.mark.slow
def test_a_journal_whose_writer_was_killed(tmp_path, monkeypatch):
    """A lock that a killed process left does not block the next one for ever."""
    monkeypatch.setattr(storage, "GRACE", 3)
    path = tmp_path / "studies.log"
    address, sweep = str(path), SweepPaths(tmp_path)
    study_of(open_storage(address, sweep), sweep, address).ask(0)
    subprocess.run([sys.executable, "-c", KILLED, address], env=os.environ, check=False)
    start = time.monotonic()
    study = study_of(open_storage(address, sweep), sweep, address)
    study.ask(1)

    assert sorted(study.by_k()) == [0, 1]
    assert 2 < time.monotonic() - start < 60


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_id_of_a_sweep(tmp_path, damage, capsys):
    """search.id: a new one is written, which is said; then it stays."""
    sweep = SweepPaths(tmp_path)
    before = stored_name("sqlite:///x.db", sweep, "a")
    DAMAGES[damage](sweep.search_id)
    found = stored_name("sqlite:///x.db", sweep, "a")

    assert found not in ("", before)
    assert len(found) == len(before)
    assert found == stored_name("sqlite:///x.db", sweep, "a")
    said = capsys.readouterr().err
    assert said.count("search.id: damaged, not an id") == (damage != "missing")
