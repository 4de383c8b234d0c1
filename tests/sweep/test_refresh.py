"""When the tables of a running sweep are refreshed, and that concurrent writes are safe."""

import signal
import threading
import time

import pytest

from command import TINY, start, wait_for
from segsweep.report.write import write_report
from segsweep.store.paths import SweepPaths
from segsweep.store.run_cache import RunCache
from segsweep.sweep import refresh
from segsweep.sweep.refresh import Refresher
from segsweep.system.files import is_locked, write_text


@pytest.fixture(autouse=True)
def no_settling(monkeypatch):
    """A change is written at once."""
    monkeypatch.setattr(refresh, "SETTLE", 0.0)


@pytest.fixture
def sweep(tmp_path, frozen, write_run) -> SweepPaths:
    """Return a sweep with one finished run."""
    result = {"val_iou": 0.5, "test_iou": 0.4, "best_epoch": 1, "epochs": 1}
    write_run(tmp_path / "main", frozen(), result=result, epochs=1)
    return SweepPaths(tmp_path / "main")


def test_written_only_after_a_change(sweep):
    """Nothing is written as long as nothing changed, however long ago the last refresh was."""
    refresher = Refresher(sweep, RunCache())
    refresher.written = float("-inf")
    refresher.refresh_if_due()
    refresher.wait()
    before = sweep.results.exists()
    refresher.changed = True
    refresher.refresh_if_due()
    refresher.wait()

    assert (before, sweep.results.exists()) == (False, True)


def test_first_change_of_a_command_is_written_at_once(sweep):
    """A resumed sweep's page is current when its first run has started, not minutes later."""
    refresher = Refresher(sweep, RunCache())
    refresher.changed = True
    refresher.refresh_if_due()
    refresher.wait()

    assert sweep.page.exists()
    assert refresher.cost < 5


def test_changes_that_come_together_are_written_together(sweep, monkeypatch):
    """Runs that start in several slots one after the other make one refresh, a second later."""
    monkeypatch.setattr(refresh, "SETTLE", 1e6)
    refresher = Refresher(sweep, RunCache())
    refresher.changed = True
    refresher.refresh_if_due()

    assert refresher.thread is None
    monkeypatch.setattr(refresh, "SETTLE", 0.0)
    refresher.refresh_if_due()
    refresher.wait()
    assert sweep.page.exists()


def test_report_can_be_written_once_its_libraries_are_there(sweep):
    """After a signal nothing may be imported, so a refresher that prepared nothing writes none."""
    refresher = Refresher(sweep, RunCache())
    before = refresher.can_write()
    refresher.prepare()

    assert (before, refresher.can_write()) == (False, True)


def test_page_is_live_until_the_command_ends(sweep, frozen, write_run):
    """The page reloads itself while runs are open; the page written at the end does not."""
    write_run(sweep.root, frozen(seed=1))
    refresher = Refresher(sweep, RunCache())
    refresher.written, refresher.changed = float("-inf"), True
    refresher.refresh_if_due()
    refresher.wait()
    meanwhile = sweep.page.read_text()
    write_report(sweep, only_if_changed=True)

    assert 'data-reload="10"' in meanwhile
    assert 'data-reload="0"' in sweep.page.read_text()


def test_not_written_again_too_soon(sweep, monkeypatch):
    """Not twice within the pause, nor within twenty times the seconds that a refresh takes."""
    refresher = Refresher(sweep, RunCache())
    refresher.written = time.monotonic()
    written = []
    monkeypatch.setattr("segsweep.report.write.write_report", lambda *_, **__: written.append(1))
    for cost, pause in ((0.0, 1e6), (1e6, 0.0)):
        monkeypatch.setattr(refresh, "SECONDS", pause)
        refresher.cost, refresher.changed = cost, True
        refresher.refresh_if_due()
        refresher.wait()

    assert written == []
    assert refresher.changed


def test_two_threads_may_write_one_file(tmp_path):
    """Each writes its own temporary file; the final file is always one of the two texts."""
    path = tmp_path / "table.csv"
    texts = ["a" * 5000, "b" * 5000]
    errors = []

    def write(text: str) -> None:
        try:
            for _ in range(50):
                write_text(path, text)
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(text,)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert path.read_text() in texts
    assert [file.name for file in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.slow
def test_page_is_current_before_the_first_run_ends_and_after_a_resume(tmp_path):
    """The path is printed before the runs start; start and resume show within seconds."""
    words = ["-m", "seed=0,1", "slots=2", *TINY, "trainer.epochs=100000", "preflight=false"]
    page = tmp_path / "outputs" / "main" / "report.html"
    locks = (tmp_path / "outputs" / "main" / "runs").glob
    for command in ("first", "resumed"):
        with (tmp_path / command).open("w") as said:
            process = start(words, tmp_path, stderr=said)
            wait_for(lambda: sum(map(is_locked, locks("*/.claim"))) == 2)
            begun = time.monotonic()
            wait_for(lambda: page.exists() and "2 running" in page.read_text(), 30)
            seconds = time.monotonic() - begun
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=120)

        assert seconds < 15
        assert "report: outputs/main/report.html" in (tmp_path / command).read_text()
        assert "2 interrupted" in page.read_text()
