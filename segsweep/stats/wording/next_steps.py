"""What it would take to settle more: seeds of which cells, how many, or other images."""

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.advice import IMAGES, MORE, claims_played
from segsweep.stats.contrasts import CELLS
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.null import TINY
from segsweep.stats.runs import listed
from segsweep.stats.wording.sentences import advised, left_out, what_first


def next_steps(analysis: Analysis) -> tuple[str, ...]:
    """Return what would rule out further cells that may be the best, the first thing first."""
    if not analysis.claims:
        return (what_first(analysis),)
    first = left_out(analysis)
    said = [f"Run at least 3 seeds of {listed(first)}, for example seed=0,1,2."] if first else []
    tested = analysis.tested.get(CELLS)
    open_ = _open(analysis, tested) if tested is not None else np.zeros(0, int)
    if tested is None or not len(open_):
        return tuple(said)
    tied = np.abs(tested.difference[open_]) < TINY
    if tied.any():
        said.append(_tie(analysis, tested, open_[tied]))
    return (*said, *(() if tied.all() else _seeds(analysis, tested, open_)))


def _top(analysis: Analysis) -> int:
    """Return the place of the highest mean among the claimed cells."""
    return int(analysis.claimed_parts.mean.argmax())


def _of_top(analysis: Analysis, tested: Tested) -> NDArray[np.int64]:
    """Return the pairs of the highest cell."""
    return np.flatnonzero(tested.family.matrix[:, [_top(analysis)]].toarray()[:, 0])


def _open(analysis: Analysis, tested: Tested) -> NDArray[np.int64]:
    """Return the pairs of the highest cell with others that may be the best."""
    best = analysis.may_be_best[analysis.claimed]
    of_top = _of_top(analysis, tested)
    both = tested.family.matrix[of_top].astype(bool).toarray()
    return of_top[both[:, best].sum(1) == 2]


def _tie(analysis: Analysis, tested: Tested, tied: NDArray[np.int64]) -> str:
    """Return between which cells no difference was seen."""
    top = analysis.values.cells[analysis.claimed[_top(analysis)]]
    pairs = [{tested.family.a[k], tested.family.b[k]} for k in tied.tolist()]
    others = listed([name for pair in pairs for name in pair - {top}])
    return f"No difference was seen between {top} and {others}: no number of seeds can be reckoned."


def _seeds(analysis: Analysis, tested: Tested, open_: NDArray[np.int64]) -> tuple[str, ...]:
    """Return how many seeds would set the highest cell apart; nothing where none were reckoned."""
    of_top = _of_top(analysis, tested).tolist()
    rivals = [tested.advice[k] for k in of_top if k in tested.advice]
    if not rivals:
        return ()
    top = analysis.values.cells[analysis.claimed[_top(analysis)]]
    numbers = sorted(advice.seeds for advice in rivals if advice.seeds is not None)
    said = []
    if numbers:
        some = numbers[len(numbers) // 2]
        reached = _of(sum(number <= some for number in numbers), len(rivals))
        said.append(
            f"If the differences are as large as they look, {some} seeds per cell would probably "
            f"set {top} apart from {reached}."
        )
    if never := sum(advice.reason == IMAGES for advice in rivals):
        said.append(
            f"More seeds would not set {'it' if said else top} apart from "
            f"{_of(never, len(rivals))}: more test images or folds would, or there is no "
            "difference to find."
        )
    return (*said, _with_more(analysis, tested, open_))


def _of(count: int, others: int) -> str:
    return "the other" if others == 1 else f"{count} of the {others} others"


def _with_more(analysis: Analysis, tested: Tested, open_: NDArray[np.int64]) -> str:
    """Return how many cells that may be the best MORE seeds would rule out."""
    parts = analysis.claimed_parts
    seeds = parts.seeds + MORE
    known = tested.family, parts, analysis.moderated, analysis.settings
    played = claims_played(*known, seeds, open_)
    reached = [
        played[row].mean() >= analysis.settings.power or advised(tested.advice.get(k), seeds)
        for row, k in enumerate(open_.tolist())
    ]
    return _ruled_out(sum(reached), len(reached), float(played.any(0).mean()))


def _ruled_out(count: int, others: int, some: float) -> str:
    """Return the sentence; *some* is the chance that any is ruled out."""
    which = "the one other" if others == 1 else f"of the {others} others"
    more, best = f"{MORE} more seeds per cell", f"{which} that may be the best"
    if not count and some <= 0.5:
        none = "would probably not rule out" if others == 1 else "would probably rule out none"
        return f"{more} {none} {best}."
    would = "would probably rule out" if count else "may rule out"
    if others > 1:
        would = f"{would} {count or 'one or more'}"
    return f"{more} {would} {best}, at the differences now seen."
