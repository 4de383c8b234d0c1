"""The fixtures with which runs grow and are followed."""

from tracker_contract import follower, new_run, sweep  # noqa: F401  fixtures
