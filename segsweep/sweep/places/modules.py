"""Which modules the fork server imports for the runs of a command, so that no forked run has to."""

from collections.abc import Iterable, Sequence

from segsweep.sweep.planning.plan import PlannedRun
from segsweep.sweep.processes.child import PRELOAD

FURTHER = {
    "model=smp": "segsweep.sweep.places.preload_smp",
    "search.pruner=median": "segsweep.sweep.places.preload_pruner",
    "search.pruner=hyperband": "segsweep.sweep.places.preload_pruner",
}
"""Word -> what imports the library that its runs need; over a second, so only for them."""


def modules_for(words: Iterable[str]) -> tuple[str, ...]:
    """Return the modules for runs that the *words* of a command ask for."""
    found = dict.fromkeys(FURTHER[word] for word in words if word in FURTHER)
    return (*PRELOAD, *found)


def library_words(runs: Sequence[PlannedRun]) -> list[str]:
    """Return the words that choose the models and pruners of *runs*, each once."""
    models = [f"model={run.config.choices['model']}" for run in runs]
    pruners = [run.config.search.pruner for run in runs if run.config.kind == "trial"]
    words = [*models, *(f"search.pruner={name}" for name in pruners if name != "none")]
    return list(dict.fromkeys(words))
