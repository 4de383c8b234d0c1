"""How an attempt at a run ended, read from the run's folder."""

from main_sweep import write_main
from segsweep.store.outcome import stored_outcome
from segsweep.store.paths import RunPaths


def test_what_a_folder_holds(tmp_path, frozen, write_run):
    """The outcome of another process: finished, failed, or none if it was stopped or not begun."""
    runs = write_main(tmp_path, frozen, write_run)
    finished, failed, *others = [stored_outcome(RunPaths(run)) for run in runs]

    assert finished is not None
    assert (finished.status, finished.value, finished.trained) == ("finished", 0.7, False)
    assert failed is not None
    assert (failed.status, failed.error) == ("failed", "ValueError: no")
    assert others == [None, None]
