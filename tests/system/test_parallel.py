"""Calls in threads: order of results, what may be in flight, errors, and giving up early."""

import threading
import time

import pytest

from segsweep.system.parallel import AHEAD, in_order

SLOW_FIRST = [0.2, 0.0, 0.1, 0.0, 0.0, 0.05, 0.0, 0.0]


def slept(seconds):
    """Sleep, and return how long."""
    time.sleep(seconds)
    return seconds


class Watch:
    """Counts calls in progress, and the largest number of them."""

    def __init__(self):
        self.lock, self.now, self.most, self.begun = threading.Lock(), 0, 0, 0

    def __call__(self, item):
        with self.lock:
            self.now, self.begun = self.now + 1, self.begun + 1
            self.most = max(self.most, self.now)
        time.sleep(0.005)
        with self.lock:
            self.now -= 1
        return item


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("budget", [0, 2, 1000])
def test_results_come_in_the_order_of_the_items(threads, budget):
    """Also if the first takes longest, and whatever may be in flight."""
    assert list(in_order(slept, SLOW_FIRST, lambda item: 1, threads, budget)) == SLOW_FIRST


@pytest.mark.parametrize(("budget", "most"), [(0, 1), (10, 1), (29, 2), (1000, 4)])
def test_costs_limit_what_is_in_flight(budget, most):
    """Items of 10 with a budget of 29: two at a time, in four threads; one where none fits."""
    watch = Watch()
    assert list(in_order(watch, range(20), lambda item: 10, 4, budget)) == list(range(20))

    assert watch.most <= most
    assert watch.most > 1 or most == 1


def test_results_not_taken_hold_the_rest_up():
    """Whoever takes no result is not overrun by them."""
    watch = Watch()
    results = in_order(watch, range(1000), lambda item: 0, 2, 0)
    next(results)
    time.sleep(0.3)
    results.close()

    assert watch.begun <= 2 * AHEAD


def test_an_error_comes_in_its_place_and_drops_the_rest():
    """Results before it are taken; what has not begun is not begun."""
    watch = Watch()

    def odd(item):
        if item == 3:
            raise KeyboardInterrupt
        return watch(item)

    taken = []
    with pytest.raises(KeyboardInterrupt):
        taken.extend(in_order(odd, range(1000), one, 2, 10))
    time.sleep(0.1)

    assert taken == [0, 1, 2]
    assert watch.begun < 30


def one(item):
    """Return what an item costs here."""
    return 1


def test_one_thread_is_the_caller():
    """What is not safe in threads is called where it always was."""
    names = in_order(lambda _: threading.current_thread(), range(3), one, 1, 0)

    assert set(names) == {threading.current_thread()}
