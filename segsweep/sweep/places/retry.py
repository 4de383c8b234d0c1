"""Decides for every place whether a killed run is started again."""

from collections import Counter

ATTEMPTS = 2
"""Maximum number of starts of a run that is killed."""


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
        """Whether the run *name* was killed before under this command."""
        return self._kills[name] > 0
