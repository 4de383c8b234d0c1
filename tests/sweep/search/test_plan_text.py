"""What a search says before it starts."""

from command import TINY
from conftest import compose_here
from segsweep.sweep.planning.plan import plan_run
from segsweep.sweep.search.plan_text import search_lines
from segsweep.sweep.search.settings import settings_of


def test_lines_count_trials_runs_and_what_is_finished(tmp_path):
    """Two cells with 8 trials and 2 runs each; of one cell 3 trials are over."""
    words = (*TINY, "trainer.epochs=10", "search=lr", f"outputs={tmp_path}")
    runs = [plan_run(*compose_here(*words, f"seed={seed}")) for seed in (0, 1)]
    groups = {("unet2/bce", None): runs, ("unet2/dice", None): runs}
    settings = settings_of(runs, words)
    fresh = {"unet2/bce": (8, 2), "unet2/dice": (8, 2)}

    assert search_lines(groups, settings, fresh) == [
        "search: optimizer.lr in tag(log, interval(1e-5, 1e-2)); 8 trials of 5 epochs for each of "
        "2 cells, then 4 runs at the values found"
    ]
    assert search_lines(groups, settings, fresh | {"unet2/bce": (5, 2)})[1] == (
        "finished before: 3 of 16 trials, 0 of 4 runs"
    )


def test_line_says_that_trials_may_end_early(tmp_path):
    """With a pruner the epochs of a trial are a limit."""
    words = (*TINY, "search=lr", "search.epochs=5", "search.pruner=median", f"outputs={tmp_path}")
    run = plan_run(*compose_here(*words))
    (line,) = search_lines({("unet2/bce", None): [run]}, settings_of([run], words), {"a": (8, 1)})

    assert "; 8 trials of at most 5 epochs (pruner median) for each of 1 cell, then 1 run " in line
