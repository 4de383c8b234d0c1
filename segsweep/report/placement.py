"""How runs computed: precision and kernels, from their `environment.json`."""

from collections import Counter
from collections.abc import Iterable, Mapping

from segsweep.store.json_files import known_environment
from segsweep.store.paths import RunPaths
from segsweep.store.run_cache import RunRecord

PLAIN, SPECIAL = "plain", "special"


def kernels_of(facts: Mapping[str, object]) -> str:
    """Return which kernels a run used, from its `environment.json`: plain or special.

    Runs of versions that stored no level always used the special ones.
    """
    return PLAIN if facts.get("lean") == "off" else SPECIAL


def placement_notes(runs: Iterable[RunRecord]) -> tuple[str, ...]:
    """Return a sentence for precision and for kernels where the compared *runs* differ in it.

    Runs that stored no precision say nothing about either.
    """
    stored = (known_environment(RunPaths(run.path).environment).values for run in runs)
    known = [facts for facts in stored if facts.get("precision")]
    by_name = {
        "precision": Counter(str(facts["precision"]) for facts in known),
        "kernels": Counter(map(kernels_of, known)),
    }
    return tuple(
        f"Runs of this comparison differ in {name}: {_counted(counts)}."
        for name, counts in by_name.items()
        if len(counts) > 1
    )


def _counted(counts: Counter[str]) -> str:
    """Return `12 bfloat16, 3 float32`: most runs first, ties by name."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {value}" for value, count in ordered)
