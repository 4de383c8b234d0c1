"""Whether a run is started again within one command: decided here for every place.

A killed run is started once more. A run that a process of an earlier, killed command still holds
is started as soon as that process has ended, for up to a minute.
"""

import time
from collections import Counter

ATTEMPTS = 2
"""Maximum number of starts of a run that is killed."""
CLAIM_SECONDS = 60.0
"""How long to wait for a run that a process of a killed command still holds."""


class Retries:
    """Counts the kills of each run under one command."""

    def __init__(self) -> None:
        """Start with no kills."""
        self._kills: Counter[str] = Counter()
        self._held_since: dict[str, float] = {}

    def may_retry(self, name: str) -> bool:
        """Count a kill of the run *name*; return whether it is started again."""
        self._kills[name] += 1
        return self._kills[name] < ATTEMPTS

    def may_wait(self, name: str) -> bool:
        """Return whether to try the run *name* again, which another process holds."""
        since = self._held_since.setdefault(name, time.monotonic())
        return time.monotonic() - since < CLAIM_SECONDS

    def was_killed(self, name: str) -> bool:
        """Whether the run *name* was killed before under this command."""
        return self._kills[name] > 0
