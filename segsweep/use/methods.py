"""A paragraph of methods for a paper: each sentence from a fact that is stored, or none."""

from collections.abc import Mapping

from segsweep import __version__
from segsweep.config.cells import SEARCHED
from segsweep.stats.wording.search import found_text
from segsweep.system.names import plural
from segsweep.use.facts import Facts, Others
from segsweep.use.phrases import (
    EXPORTED,
    TOO_HIGH,
    fold_text,
    mean_name,
    mean_text,
    seen_text,
    words_of,
)
from segsweep.use.settled import race_texts_of, searched_texts

MOST_VALUES = 6
"""A key's values are listed if there are no more."""


def methods(facts: Facts) -> str:
    """Return a paragraph on what was done, for a paper."""
    sentences = (
        *_trained(facts),
        *searched_texts(facts),
        seen_text(facts.config),
        *_split(facts),
        *_selected(facts),
        *_compared(facts),
        *race_texts_of(facts),
        *_mean(facts),
        *_computed(facts),
    )
    return " ".join(sentences)


def _trained(facts: Facts) -> list[str]:
    config, trainer = facts.config, facts.config.trainer
    clipped = f", gradients clipped to a norm of {trainer.clip_norm:g}" if trainer.clip_norm else ""
    text = (
        f"We trained {words_of('model', config)} with the loss {words_of('loss', config)} for "
        f"{_epochs(facts)} in batches of {trainer.batch} with {words_of('optimizer', config)} and "
        f"the schedule {words_of('scheduler', config)}, augmentation: "
        f"{words_of('augment', config)}{clipped}."
    )
    averaged = f"Weights were averaged exponentially (decay {trainer.averaging:g})."
    return [text, averaged] if trainer.averaging else [text]


def _epochs(facts: Facts) -> str:
    trainer, done = facts.config.trainer, facts.result.epochs
    if trainer.early_stop is None:
        whole = plural(trainer.epochs, "epoch")
        return whole if done in (None, trainer.epochs) else f"{done} of {whole}"
    here = "" if done is None else f"; this network: {done}"
    without = plural(trainer.early_stop, "epoch")
    return f"at most {trainer.epochs} epochs (stopped after {without} without a better one{here})"


def _split(facts: Facts) -> list[str]:
    """Return how the images were divided; nothing if that is not stored."""
    split, counts = facts.config.data.split, facts.counts
    if not any(counts.values()):
        return []
    drawn = f"drawn at random (seed {split.seed})" if split.file is None else "given by a file"
    drawn = "as the data set gives it" if split.given else drawn
    start, end = f"The {sum(counts.values())} images were split into", f", {drawn}"
    if split.fold is not None:
        start = (
            f"The {sum(counts.values())} images were divided into {split.folds} folds (seed "
            f"{split.seed}); this network, of {fold_text(split.fold, split.folds)}, had"
        )
        end = ""
    parts = [f"{counts['train']} for training", f"{counts['val']} for validation"]
    parts += [f"{counts['test']} for testing"] if facts.record.is_tested else []
    parts += [f"{counts['unused']} unused"] if counts.get("unused") else []
    return [f"{start} {', '.join(parts[:-1])} and {parts[-1]}{end}."]


def _selected(facts: Facts) -> list[str]:
    """Return how the epoch was selected, and what its scores are worth."""
    kept, reads = f"The epoch with the best {facts.config.evaluate.select} was kept", facts.reads
    if facts.record.is_tested:
        times = {0: "", 1: " once"}.get(len(reads), f" {len(reads)} times ({', '.join(reads)})")
        return [f"{kept} and scored on the test images{times}."]
    trial = facts.record.kind == "trial"
    why = "this is a trial of a search" if trial else "no image was set aside for that"
    texts, value = [f"{kept}; nothing was tested: {why}."], facts.result.val_iou
    if value is not None:
        texts.append(f"Its validation IoU was {value:.4f}, {TOO_HIGH}.")
    return texts


def _compared(facts: Facts) -> list[str]:
    """Return what the cell was compared with, and in what they differ."""
    others = facts.others
    if others is None:
        return []
    fewest, most = others.seeds
    seeds = "one seed" if most == 1 else f"{most} seeds"
    seeds = f"{fewest} to {seeds}" if fewest < most else seeds
    with_ = "one other" if others.count == 1 else f"{others.count} others"
    rest = "; all other settings were the same"
    if others.searches:
        rest = "; all other settings were the same, but those that were searched"
    texts = [f"The method was compared with {with_} ({seeds} each); they differ in {_keys(others)}"]
    texts[0] += f"{rest}."
    if others.searches:
        texts.append(found_text(others.searches, others.count + 1))
    return [*texts, *others.notes]


def _keys(others: Others) -> str:
    found = []
    for key, values in others.differ.items():
        named = "whether values were searched" if key == SEARCHED else key
        listed = 1 < len(values) <= MOST_VALUES and key != SEARCHED
        found.append(f"{named} ({', '.join(values)})" if listed else named)
    return ", ".join(found[:-1]) + f" and {found[-1]}" if len(found) > 1 else "".join(found)


def _mean(facts: Facts) -> list[str]:
    method = facts.method
    return [] if method is None else [f"The {mean_name(method)} was {mean_text(facts, method)}."]


def _computed(facts: Facts) -> list[str]:
    made, found = facts.environment, []
    if made.precision:
        found.append(f"Training and scores used {made.precision}; the export is {EXPORTED}.")
    else:
        found.append(f"The export is {EXPORTED}.")
    with_ = made.segsweep or facts.config.segsweep_version
    torch = f" with PyTorch {made.torch}" if made.torch else ""
    device = made.device or facts.result.device
    where = f" on {device}" if device else ""
    found.append(f"Training: segsweep {with_}{torch}{where}{_resumed(made.resumed_with)}; ")
    found[-1] += f"statistics and this text: segsweep {__version__}."
    return found


def _resumed(marks: list[object]) -> str:
    """Return what was different after a run was resumed."""
    said = [
        f"{key} {value}" for one in marks if isinstance(one, Mapping) for key, value in one.items()
    ]
    return f" (resumed with {', '.join(said)})" if said else ""
