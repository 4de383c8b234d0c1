"""Sentences on what results decided: values that were searched, seeds that a race gave."""

from segsweep.config.cells import filled_keys
from segsweep.report.raced import Raced
from segsweep.stats.ranges import Range
from segsweep.stats.search import SearchedCell, TrialState
from segsweep.stats.wording.race import race_texts
from segsweep.stats.wording.search import range_words
from segsweep.store.race import Decision, RaceRow
from segsweep.store.states import Status
from segsweep.system.names import plural
from segsweep.use.facts import Facts, Race
from segsweep.use.phrases import number


def searched_texts(facts: Facts) -> list[str]:
    """Return how the values that a search filled in were found."""
    filled, search = filled_keys(facts.config.values), facts.search
    if facts.record.kind == "trial":
        return [f"This network is a trial of a search for {', '.join(filled)}."] if filled else []
    if facts.record.status == Status.SUPERSEDED:
        return [
            f"The values of {', '.join(filled)} come from a search that has chosen others since."
        ]
    if search is None or not search.values:
        missing = "come from a search of which no record is left"
        return [f"The values of {', '.join(filled)} {missing}."] if filled else []
    values = ", ".join(f"{key}={number(value)}" for key, value in search.values.items())
    where = f" in the sweep {search.source}" if search.source else ""
    fold = "" if search.fold is None else f" for fold {search.fold} (counted from 0)"
    return [
        f"Values were searched{where}{fold} ({_ranges(facts, search)}): {_trials(facts, search)}; "
        f"the trial with the best validation IoU gave {values}."
    ]


def _ranges(facts: Facts, search: SearchedCell) -> str:
    row = facts.record.chosen
    texts = {} if row is None else row.params
    return ", ".join(
        f"{key} {_range(search.ranges.get(key), texts.get(key, ''))}".rstrip()
        for key in search.values
    )


def _range(known: Range | None, text: str) -> str:
    if known is None:
        return f"among {text}" if text else ""
    words = f"among {range_words(known)}" if known.listed else f"from {range_words(known)}"
    return f"{words} on a logarithmic scale" if known.log else words


def _trials(facts: Facts, search: SearchedCell) -> str:
    """Return what a search took: `8 trials of 20 epochs (sampler tpe; 2 pruned)`."""
    lengths = facts.trial_epochs
    if lengths:
        most = f" of {plural(lengths[-1], 'epoch')}" if len(lengths) == 1 else ""
        most = most or f" of {lengths[0]} to {lengths[-1]} epochs"
    else:
        most = f", {plural(search.epochs, 'epoch')} in all" if search.epochs else ""
    ends = (TrialState.PRUNED, TrialState.DIVERGED)
    more = [f"sampler {search.sampler}"] if search.sampler else []
    more += [f"{search.counts[end]} {end}" for end in ends if search.counts.get(end)]
    return f"{plural(search.ended, 'trial')}{most}" + (f" ({'; '.join(more)})" if more else "")


def race_texts_of(facts: Facts) -> list[str]:
    """Return how a race gave the seeds, and what it found about the cell; nothing without one."""
    race = facts.race
    if race is None:
        return []
    if race.known is None:
        return ["Seeds were given by results in a race whose record cannot be used here."]
    return [*_race(race, race.known), *_in_race(race.row)]


def _race(race: Race, raced: Raced) -> tuple[str, ...]:
    *earlier, last = raced.rows[0].looks
    looks = f"{', '.join(map(str, earlier))} and {last}" if earlier else str(last)
    start = (
        f"Seeds were given by results in a race of {plural(len(raced.last), 'cell')}, with looks "
        f"at {looks} seeds: a cell that a look showed not to be the best got no further ones (95 % "
        "confidence over all looks)."
    )
    how = race_texts(raced.end, len(raced.last), raced.left, raced.look, race.runs, race.margin)
    return (start, *how)


def _in_race(row: RaceRow | None) -> list[str]:
    """Return what the last look of a cell found about it."""
    if row is None:
        return []
    out = row.decision is Decision.OUT
    return [f"This cell was ruled out at look {row.look}." if out else "This cell is left."]
