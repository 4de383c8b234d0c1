"""The answer in words: which cells may be the best, what is settled, what is not, what it takes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segsweep.stats.advice import IMAGES, MORE, claims_played
from segsweep.stats.contrasts import ARCHITECTURES, CELLS, LOSSES
from segsweep.stats.engine import Analysis, Tested
from segsweep.stats.sentences import (
    NAMED,
    advised,
    claim,
    interval,
    listed,
    no_claim,
    p_text,
    what_first,
)
from segsweep.stats.verdicts import BETTER, EQUAL, UNDECIDED


@dataclass(frozen=True)
class Answer:
    """Sentences, the most important first."""

    headline: str
    """Which cells may be the best."""
    best: tuple[str, ...]
    """The cells that may be the best, highest mean first."""
    settled: tuple[str, ...] = ()
    unsettled: tuple[str, ...] = ()
    next: tuple[str, ...] = ()
    """What it would take."""
    notes: tuple[str, ...] = ()
    """What was left out."""

    @property
    def text(self) -> str:
        """All sentences but the notes, as one paragraph."""
        return " ".join([self.headline, *self.settled, *self.unsettled, *self.next])


def answer(analysis: Analysis | None, notes: tuple[str, ...] = ()) -> Answer:
    """Return the answer; None stands for a sweep in which nothing can be compared yet."""
    if analysis is None:
        return Answer("Nothing to compare: no run is finished.", (), notes=notes)
    said = (*analysis.values.notes, *notes)
    if len(analysis.values.cells) == 1:
        return Answer(_one_cell(analysis), _by_mean(analysis), notes=said)
    if not analysis.claims:
        headline = _one_seed(analysis)
        return Answer(headline, _by_mean(analysis), next=(what_first(analysis),), notes=said)
    best = tuple(name for name in _by_mean(analysis) if _may(analysis, name))
    settled = (*_pairs_settled(analysis), *_factors(analysis))
    take = _what_it_takes(analysis) if len(best) > 1 else ()
    return Answer(_headline(analysis, best), best, settled, _unclear(analysis), take, said)


def _headline(analysis: Analysis, best: tuple[str, ...]) -> str:
    count = len(analysis.values.cells)
    if len(best) == 1:
        chance = analysis.p_best[analysis.values.cells.index(best[0])]
        sure = f"{chance:.2f}" if chance < 0.995 else "over 0.99"
        return f"Settled: {best[0]} is the best of {count} cells (chance {sure})."
    if len(best) == count:
        return f"Not settled: any of the {count} cells may be the best."
    return f"Not settled: {len(best)} of {count} cells may be the best: {listed(best)}."


def _one_cell(analysis: Analysis) -> str:
    name, mean = analysis.values.cells[0], analysis.parts.mean[0]
    seeds = int(analysis.parts.seeds[0])
    where = interval(analysis.low[0], analysis.high[0])
    only = " This holds for this trained network only." if seeds == 1 else ""
    return f"One cell, nothing to compare: {name} has {mean:.4f} {where}.{only}"


def _one_seed(analysis: Analysis) -> str:
    top = int(analysis.parts.mean.argmax())
    return (
        f"No claim about methods: {no_claim(analysis)}. Of these {len(analysis.values.cells)} "
        f"trained networks {analysis.values.cells[top]} has the highest mean, "
        f"{analysis.parts.mean[top]:.4f} {interval(analysis.low[top], analysis.high[top])} on "
        f"new images; another seed may turn the order."
    )


def _pairs_settled(analysis: Analysis) -> tuple[str, ...]:
    """Return how many pairs are settled, and the clearest difference in words."""
    tested = analysis.tested.get(CELLS)
    if tested is None:
        return ()
    claims = [k for k, verdict in enumerate(tested.verdicts) if verdict in BETTER]
    equal = tested.verdicts.count(EQUAL)
    parts = []
    if claims:
        clearest = max(claims, key=lambda k: abs(tested.t[k]))
        some = f"{len(claims)} of {len(tested.t)} pairs of cells differ; clearest: "
        parts.append((some if len(tested.t) > 1 else "") + claim(tested, clearest))
    if equal:
        margin = f"{analysis.settings.margin:g}"
        parts.append(f"{equal} of {len(tested.t)} pairs are equal within {margin}.")
    return tuple(parts)


def _factors(analysis: Analysis) -> tuple[str, ...]:
    """Return claims about architectures and losses; none where they depend on each other."""
    if analysis.depends is not None:
        p = p_text(analysis.depends)
        return (
            f"What a loss brings depends on the architecture ({p}): no loss is best by itself.",
        )
    said = []
    for name in (ARCHITECTURES, LOSSES):
        tested = analysis.tested.get(name)
        if tested is not None:
            claims = [k for k, v in enumerate(tested.verdicts) if v in BETTER]
            said += [
                f"{name.capitalize()}, on average over the rest: {claim(tested, k)}"
                for k in sorted(claims, key=lambda k: -abs(tested.t[k]))[:NAMED]
            ]
    return tuple(said)


def _unclear(analysis: Analysis) -> tuple[str, ...]:
    """Return the families in which nothing is settled, and the cells nothing is said about."""
    silent = [
        name
        for name in (ARCHITECTURES, LOSSES)
        if name in analysis.tested and set(analysis.tested[name].verdicts) == {UNDECIDED}
    ]
    said = [f"Between {' and between '.join(silent)} nothing is settled."] if silent else []
    left = sorted(set(range(len(analysis.values.cells))) - set(analysis.claimed.tolist()))
    if left:
        names = listed(tuple(analysis.values.cells[cell] for cell in left))
        said.append(f"Nothing can be claimed about cells with one seed: {names}.")
    return tuple(said)


def _what_it_takes(analysis: Analysis) -> tuple[str, ...]:
    """Return how many seeds would rule out the other cells that may be the best."""
    tested = analysis.tested.get(CELLS)
    if tested is None:
        return ()
    place = int(analysis.claimed_parts.mean.argmax())
    top = analysis.values.cells[analysis.claimed[place]]
    against = np.flatnonzero(tested.family.matrix[:, [place]].toarray()[:, 0])
    rivals = [tested.advice[k] for k in against.tolist() if k in tested.advice]
    numbers = sorted(advice.seeds for advice in rivals if advice.seeds is not None)
    said = []
    if numbers:
        some = numbers[len(numbers) // 2]
        reached = sum(number <= some for number in numbers)
        said.append(
            f"If the differences are as large as they look, {some} seeds per cell would probably "
            f"set {top} apart from {reached} of the {len(rivals)} others."
        )
    if never := sum(advice.reason == IMAGES for advice in rivals):
        who = "it" if said else top
        said.append(
            f"More seeds would not set {who} apart from {never} of {len(rivals)}: more test images "
            f"or folds would, or there is no difference to find."
        )
    return (*said, *_with_more(analysis, tested, against)) if rivals else ()


def _with_more(analysis: Analysis, tested: Tested, against: NDArray[np.int64]) -> tuple[str, ...]:
    """Return how many cells that may be the best MORE seeds would rule out; *against* the top."""
    best = analysis.may_be_best[analysis.claimed]
    both = tested.family.matrix[against].astype(bool).toarray()
    open_ = against[both[:, best].sum(1) == 2]
    if not len(open_):
        return ()
    parts = analysis.claimed_parts
    seeds = parts.seeds + MORE
    known = tested.family, parts, analysis.moderated, analysis.settings
    played = claims_played(*known, seeds, open_)
    reached = [
        played[row].mean() >= analysis.settings.power or advised(tested.advice.get(k), seeds)
        for row, k in enumerate(open_.tolist())
    ]
    return (_ruled_out(sum(reached), len(reached), float(played.any(0).mean())),)


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


def _by_mean(analysis: Analysis) -> tuple[str, ...]:
    order = np.argsort(-analysis.parts.mean, kind="stable")
    return tuple(analysis.values.cells[cell] for cell in order)


def _may(analysis: Analysis, name: str) -> bool:
    return bool(analysis.may_be_best[analysis.values.cells.index(name)])
