"""Calls a function on many items in threads; results come in the order of the items."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

AHEAD = 4
"""Items per thread that are started before the result of the first is taken."""


def in_order(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    cost: Callable[[Item], float],
    threads: int,
    budget: float,
) -> Generator[Result, None, None]:
    """Yield *function* of each of *items* in their order, computed in up to *threads* threads.

    Args:
        function: called in the threads; its exception is raised in place of its result.
        items: taken as they are needed.
        cost: what an item takes, such as bytes of memory.
        threads: 1: everything is computed by the caller, one item after the other.
        budget: sum of costs of the items whose results are not taken yet; an item that costs
            more is computed alone.

    Whoever stops taking results waits for none: items not begun are dropped.

    """
    if threads == 1:
        yield from map(function, items)
        return
    pool = ThreadPoolExecutor(threads)
    waiting: deque[tuple[Future[Result], float]] = deque()
    taken = 0.0
    try:
        for item in items:
            price = cost(item)
            while waiting and (
                waiting[0][0].done() or len(waiting) >= AHEAD * threads or taken + price > budget
            ):
                first, paid = waiting.popleft()
                yield first.result()
                taken -= paid
            waiting.append((pool.submit(function, item), price))
            taken += price
        while waiting:
            yield waiting.popleft()[0].result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
