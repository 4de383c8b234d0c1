"""A killed run is started again once; the count is per run."""

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
