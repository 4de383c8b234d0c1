"""The time format of every file in a sweep: ISO 8601 with UTC offset, to the second."""

import time

FORMAT = "%Y-%m-%dT%H:%M:%S%z"


def time_text(seconds: float | None = None) -> str:
    """Return the time *seconds* after 1970, or now, in local time: `2026-11-24T12:35:09+0000`."""
    return time.strftime(FORMAT, time.localtime(seconds))
