"""Times as every file of a sweep has them: ISO 8601 with the offset, to the second."""

import time

FORMAT = "%Y-%m-%dT%H:%M:%S%z"


def time_text(seconds: float | None = None) -> str:
    """Return a time, *seconds* since the epoch, or now: `2026-11-24T12:35:09+0000`."""
    return time.strftime(FORMAT, time.localtime(seconds))
