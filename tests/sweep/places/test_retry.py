"""A killed run is started again once; the count is per run."""

from segsweep.sweep.places import retry
from segsweep.sweep.places.retry import ATTEMPTS, Retries


def test_run_is_retried_after_its_first_kill_only():
    """Two starts at most."""
    retries = Retries()
    decisions = [retries.may_retry("a") for _ in range(3)]

    assert ATTEMPTS == 2
    assert decisions == [True, False, False]


def test_kills_are_counted_per_run():
    """A killed run does not use up another run's retry."""
    retries = Retries()
    retries.may_retry("a")

    assert (retries.was_killed("a"), retries.was_killed("b")) == (True, False)
    assert retries.may_retry("b")


def test_held_run_is_tried_again_for_a_minute(monkeypatch):
    """From when it was first found held; another run has its own minute."""
    now = [1000.0]
    monkeypatch.setattr(retry.time, "monotonic", lambda: now[0])
    retries = Retries()
    first = retries.may_wait("a")
    now[0] += retry.CLAIM_SECONDS - 1
    still, other = retries.may_wait("a"), retries.may_wait("b")
    now[0] += 1

    assert (first, still, other) == (True, True, True)
    assert (retries.may_wait("a"), retries.may_wait("b")) == (False, True)
