"""When the tables of a running sweep are refreshed, and that concurrent writes are safe."""

import threading

import pytest

from segsweep.report.write import write_report
from segsweep.store.paths import SweepPaths
from segsweep.store.run_cache import RunCache
from segsweep.sweep import refresh
from segsweep.sweep.refresh import Refresher
from segsweep.system.files import write_text


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
