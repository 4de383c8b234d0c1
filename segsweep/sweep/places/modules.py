"""Which modules the fork server imports for the runs of a command, so that no forked run has to."""

from collections.abc import Iterable, Sequence

from segsweep.sweep.planning.plan import PlannedRun
from segsweep.sweep.processes.child import PRELOAD

FURTHER = {"model=smp": "segsweep.sweep.places.preload_smp"}
"""Option -> what imports the library that its runs need; over a second, so only for them."""


def modules_for(words: Iterable[str]) -> tuple[str, ...]:
    """Return the modules for runs that the *words* of a command ask for."""
    found = dict.fromkeys(FURTHER[word] for word in words if word in FURTHER)
    return (*PRELOAD, *found)


def model_words(runs: Sequence[PlannedRun]) -> list[str]:
    """Return the words that choose the models of *runs*, each once."""
    return list(dict.fromkeys(f"model={run.config.choices['model']}" for run in runs))
