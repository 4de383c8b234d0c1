"""Whether a run that was killed is started again: decided here for every place."""

from collections import Counter

ATTEMPTS = 2
"""How often a run is started that something kills."""


class Retries:
    """Counts the kills of each run under one command."""

    def __init__(self) -> None:
        """Start with no kills."""
        self._kills: Counter[str] = Counter()

    def may_retry(self, name: str) -> bool:
        """Count a kill of the run *name*; return whether it is started again."""
        self._kills[name] += 1
        return self._kills[name] < ATTEMPTS

    def was_killed(self, name: str) -> bool:
        """Whether the run *name* was killed before."""
        return self._kills[name] > 0
