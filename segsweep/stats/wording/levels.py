"""Architectures, or losses, averaged over the other factors: the note below their table."""

from segsweep.stats.engine import Analysis
from segsweep.stats.levels import Levels, levels_of, levels_that_may_be_best
from segsweep.stats.wording.phrases import p_text, sentence
from segsweep.stats.wording.sentences import finished_cells, no_claim
from segsweep.system.names import name_list

OTHER = {"model": "loss", "loss": "model"}
NOUNS = {"model": ("architecture", "architectures"), "loss": ("loss", "losses")}
DEPENDS = {
    "model": "the effect of the architecture depends on the loss",
    "loss": "the effect of the loss depends on the architecture",
}


def levels_note(analysis: Analysis, by: str, planned: int | None = None) -> str:
    """Return what limits the table of levels, as one sentence; '' if nothing does.

    Args:
        analysis: of all cells.
        by: model | loss.
        planned: number of planned cells; None: all of them are compared.

    Raises:
        ValueError: *by* is neither.

    """
    levels, missing = levels_of(analysis, by), finished_cells(analysis, planned)
    parts = [f"{missing}, and only they count"] if missing else []
    parts += [*no_best(analysis, by), *_averaged(levels, by, bool(missing))]
    return sentence([*parts, *_left_open(analysis, levels, by)])


def no_best(analysis: Analysis, by: str) -> list[str]:
    """Return why no level can be the best overall, if so."""
    if not analysis.claims:
        why = f"no claim about methods: {no_claim(analysis)}"
        return [f"{why}, so means and intervals hold for these trained networks only"]
    if analysis.depends is not None:
        none = f"no {NOUNS[by][0]} is best overall"
        return [f"{DEPENDS[by]} ({p_text(analysis.depends)}), so {none}"]
    return []


def _averaged(levels: Levels, by: str, missing: bool) -> list[str]:
    """Return what the means are over, if it is not every combination."""
    one, every = NOUNS[by]
    if len(levels.cells) == 1:
        return [f"there is only one {one}, nothing to compare"]
    if levels.every == 1:
        other = NOUNS[OTHER[by]][0]
        return [f"there is only one {other}, so the result may differ for another {other}"]
    if not levels.shared:
        return [
            f"no combination of the other factors is shared by all {every}, so each mean is over "
            f"the cells of its own {one} and the means are not directly comparable"
        ]
    if levels.shared == levels.every:
        return []
    over = f"the {levels.shared} of {levels.every} {_others(levels, by)}"
    finished = ", finished cells only" if missing else ""
    return [f"means are over {over} that all {every} have{finished}"]


def _others(levels: Levels, by: str) -> str:
    return "combinations of the other factors" if levels.further_keys else NOUNS[OTHER[by]][1]


def _left_open(analysis: Analysis, levels: Levels, by: str) -> list[str]:
    """Return for which levels it is open whether they may be the best, and why."""
    if not analysis.claims or analysis.depends is not None or len(levels.cells) == 1:
        return []
    may = zip(levels.cells, levels_that_may_be_best(analysis, levels, by), strict=True)
    unknown = [level for level, word in may if word is None]
    if not unknown:
        return []
    if levels.every == 1:
        return [f"nothing can be claimed about {name_list(unknown)}: one seed"]
    share = "it shares" if len(unknown) == 1 else "they share"
    return [
        f"it is open whether {name_list(unknown)} may be the best: {share} fewer than two "
        f"{_others(levels, by)} with any other {NOUNS[by][0]} that can be compared"
    ]
