"""Sentences on searches: the values that cells are compared at, and whether they are the best."""

import math
from collections.abc import Sequence

from segsweep.stats.ranges import End, Range
from segsweep.stats.search import (
    RANDOM,
    SearchedCell,
    TrialState,
    draws_of,
    ends_of,
    expected_best,
    expected_normal_best,
    further_gain,
    gain,
    last_improvement,
    mattered,
    more_may_help,
)
from segsweep.system.names import name_list, plural

EARLY = (TrialState.FAILED, TrialState.DIVERGED, TrialState.PRUNED)
FURTHER = {End.LOWER: "lower", End.UPPER: "higher"}


def search_texts(cells: Sequence[SearchedCell], planned: int) -> tuple[str, ...]:
    """Return sentences on the searches of a comparison, the most important first.

    Args:
        cells: the searches of its cells, one for each fold.
        planned: all cells of the comparison.

    """
    over = [one for one in cells if one.values]
    if not over:
        return _still(cells)
    own = [one for one in over if not one.source]
    texts = (found_text(over, planned), *_still(cells), _early(own), _matter(own), _more(own))
    return tuple(filter(None, texts))


def pair_text(cells: Sequence[SearchedCell], names: Sequence[str]) -> str:
    """Return at which values each of two cells was trained; empty if neither was searched."""
    said = []
    for name in names:
        own = [one for one in cells if one.cell == name and one.values]
        if not own:
            said.append(f"{name} at the values of its config")
            continue
        values = "; ".join(
            ("" if one.fold is None else f"fold {one.fold}: ")
            + ", ".join(f"{key}={number_text(value)}" for key, value in one.values.items())
            for one in own
        )
        said.append(f"{name} at the values found by {trials_text(own)} ({values})")
    return f"{', '.join(said)}." if any(one.cell in names for one in cells if one.values) else ""


def range_warnings(cells: Sequence[SearchedCell]) -> tuple[str, ...]:
    """Return a sentence for each key whose best values are at an end of what was searched."""
    return tuple(_at_end(*place, names) for place, names in _ends(cells).items())


def wider_word(cells: Sequence[SearchedCell]) -> str:
    """Return the word of a command, in quotes for a shell, that searches where the warnings say.

    A key whose best values are at both ends, in different cells, is searched further at both.
    Empty if nothing is to be searched further in this sweep.
    """
    found: dict[str, Range] = {}
    for key, end, known in _ends([one for one in cells if not one.source]):
        wider = found.get(key, known).wider(end)
        assert wider is not None, "an end that cannot be moved is not reported"
        found[key] = wider
    params = ", ".join(f"{key}: '{range_text(one)}'" for key, one in found.items())
    return f'"search.params={{{params}}}"' if params else ""


def _ends(cells: Sequence[SearchedCell]) -> dict[tuple[str, End, Range], list[str]]:
    """Return the cells whose best value is at an end of a range, by key, end and range."""
    found: dict[tuple[str, End, Range], list[str]] = {}
    for one in cells:
        for key, end in ends_of(one).items():
            known = one.ranges[key]
            assert known is not None, "a value at an end has a range"
            name = f"{one.title} ({number_text(one.values[key])})"
            found.setdefault((key, end, known), []).append(name)
    return found


def _at_end(key: str, end: End, known: Range, names: Sequence[str]) -> str:
    best = "best values are" if len(names) > 1 else "best value is"
    return (
        f"{key}: the {best} at the {end} end of what was searched, {range_words(known)}: "
        f"{name_list(names)}. Search {FURTHER[end]}."
    )


def range_words(known: Range) -> str:
    """Return the numbers of a range as a sentence has them: `1e-05 to 0.01`."""
    if known.listed:
        return ", ".join(map(number_text, known.listed))
    return f"{number_text(known.low)} to {number_text(known.high)}"


def range_text(known: Range) -> str:
    """Return a range in the words of `search.params`: `tag(log, interval(1e-05, 0.1))`."""
    if known.listed:
        return f"choice({', '.join(map(number_text, known.listed))})"
    text = f"interval({number_text(known.low)}, {number_text(known.high)})"
    text = f"int({text})" if known.whole else text
    return f"tag(log, {text})" if known.log else text


def number_text(value: object) -> str:
    """Return a value in few digits: `0.00951`, `flips`."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def trials_text(cells: Sequence[SearchedCell]) -> str:
    """Return how many trials each search had: `8 trials each`, `4 to 8 trials each`."""
    counts = sorted({one.ended for one in cells})
    folds = any(one.fold is not None for one in cells)
    each = "for each cell and fold" if folds else "each" if len(cells) > 1 else ""
    if len(counts) == 1:
        return f"{plural(counts[0], 'trial')} {each}".rstrip()
    return f"{counts[0]} to {counts[-1]} trials {each}, so not all had the same budget"


def found_text(over: Sequence[SearchedCell], planned: int) -> str:
    """Return at which values cells are compared, and what finding them took.

    *over* are the searches that have chosen, of *planned* cells.
    """
    cells = len({one.cell for one in over})
    keys = ", ".join(dict.fromkeys(key for one in over for key in one.keys))
    sources = name_list(list(dict.fromkeys(one.source for one in over if one.source)))
    where = f" in {sources}" if all(one.source for one in over) else ""
    where = f", some of them in {sources}" if sources and not where else where
    many = (
        "The cell is"
        if cells == 1
        else "Both cells are"
        if cells == 2
        else f"All {cells} cells are"
    )
    if cells < planned:
        many = f"{cells} of {planned} cells {'are' if cells > 1 else 'is'}"
    return f"{many} at the values found by {trials_text(over)}{where} ({keys})."


def _still(cells: Sequence[SearchedCell]) -> tuple[str, ...]:
    """Return which cells are still searched, and how far; which have no trial that counts."""
    unknown = [one.title for one in cells if one.lost]
    without = [one for one in cells if not one.values and not one.lost]
    lost = [one for one in without if _has_failed(one)]
    names = [
        f"{one.title} ({plural(one.ended, 'trial')} so far{_lost(one)})"
        for one in without
        if one not in lost
    ]
    failed = [f"{one.title} ({one.counts[TrialState.FAILED]} failed)" for one in lost]
    return (
        *(
            (f"What was chosen is not known (chosen.csv): {name_list(unknown)}.",)
            if unknown
            else ()
        ),
        *((f"Still searched: {name_list(names)}.",) if names else ()),
        *((f"No trial has finished, so not trained: {name_list(failed)}.",) if failed else ()),
    )


def _has_failed(one: SearchedCell) -> bool:
    """Whether all trials of a cell so far have failed, and none is running."""
    running = any(trial.state == TrialState.OPEN for trial in one.trials)
    return bool(one.counts.get(TrialState.FAILED)) and not one.ended and not running


def _lost(one: SearchedCell) -> str:
    failed = one.counts.get(TrialState.FAILED)
    return f", {failed} failed" if failed else ""


def _early(cells: Sequence[SearchedCell]) -> str:
    """Return the cells with trials that failed, diverged or were pruned."""
    said = []
    for one in cells:
        counts = [f"{one.counts[end]} {end}" for end in EARLY if one.counts.get(end)]
        said += [f"{one.title} ({', '.join(counts)} of {_all(one)})"] if counts else []
    lost = any(one.counts.get(TrialState.FAILED) for one in cells)
    fewer = "; a failed trial is missing from its cell's budget" if lost else ""
    return f"Trials that ended early: {name_list(said)}{fewer}." if said else ""


def _all(one: SearchedCell) -> int:
    return sum(count for state, count in one.counts.items() if state != TrialState.OPEN)


def _matter(cells: Sequence[SearchedCell]) -> str:
    """Return whether the chosen values gain more over the config's own than luck would."""
    known = [(one, mattered(one)) for one in cells if mattered(one) is not None]
    if not known:
        return ""
    yes = [f"{one.title} {_sds(one)}" for one, said in known if said]
    no = [f"{one.title} {_sds(one)}" for one, said in known if not said]
    counts = {one.counts.get(TrialState.COMPLETE, 0) for one, _ in known}
    limits = sorted({f"{expected_normal_best(count):.1f}" for count in counts}, key=float)
    limit = " to ".join(dict.fromkeys((limits[0], limits[-1])))
    luck = f"the luck of the best trial ({limit} sd of the seeds)"
    if yes:
        text = f"The search mattered: gains over the config's own values beyond {luck}"
        rest = f"; not for {name_list(no)}" if no else ""
        return f"{text} for {name_list(yes)}{rest}."
    return f"The search did not matter: no gain over the config's own values beyond {luck}: " + (
        f"{name_list(no)}."
    )


def _sds(one: SearchedCell) -> str:
    if one.is_own:
        return f"(own {'values' if len(one.values) > 1 else 'value'} kept)"
    found = gain(one)
    return "(seeds without spread)" if math.isinf(found) else f"({found:+.1f})"


def _more(cells: Sequence[SearchedCell]) -> str:
    """Return whether more trials may help, and the word that gives them."""
    known = [one for one in cells if more_may_help(one) is not None]
    if not known:
        return ""
    may = [one for one in known if more_may_help(one)]
    if not may:
        return f"More trials would hardly help: {_how(known)}."
    names = [f"{one.title} ({_why(one)})" for one in may]
    word = f"search.n_trials={2 * max(_all(one) for one in may)}"
    rest = " The others had their best early enough." if len(may) < len(known) else ""
    return f"More trials may help {name_list(names)}: {word}.{rest}"


def _how(cells: Sequence[SearchedCell]) -> str:
    """Return `the last quarter of them gained at most 0.0030`."""
    gains = [further_gain(one) for one in cells]
    if not any(gains):
        return "by those so far, no gain is to be expected"
    most = f"at most {max(gains):.4f} of validation IoU, within the luck of a seed"
    random = [one.sampler == RANDOM for one in cells]
    if all(random):
        return f"as many again would gain, on average, {most}"
    if any(random):
        return f"as many random ones again, or the last quarter of the others, gain {most}"
    return f"the last quarter of them gained {most}"


def _why(one: SearchedCell) -> str:
    """Return what says that more trials may help a cell."""
    if one.sampler == RANDOM:
        draws = draws_of(one)
        half = max(len(draws) // 2, 1)
        means = [f"{expected_best(draws, count):.4f}" for count in (half, len(draws))]
        return (
            f"best of {half} {means[0]} on average, of {len(draws)} {means[1]}; as many again gain "
            f"at most {further_gain(one):.4f}"
        )
    return f"best at trial {last_improvement(one)} of {len(one.trials)}, +{further_gain(one):.4f}"
