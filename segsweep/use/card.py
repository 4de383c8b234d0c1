"""The model card of an exported network: what it is, what was done, and what it is worth."""

from collections.abc import Sequence

from segsweep.config.run_config import FrozenConfig
from segsweep.system.names import plural
from segsweep.use.facts import Facts
from segsweep.use.methods import methods
from segsweep.use.phrases import (
    EXPORTED,
    TOO_HIGH,
    fold_text,
    mean_name,
    mean_text,
    number,
    words_of,
)

LIMITS = (
    "On other images than those of the data set above the network may fail without a sign: "
    "probabilities are not calibrated. Nothing here is approved for diagnosis."
)
TESTED = "The figures hold for images like those of the data set above."
UNTESTED = "The network was not tested: how good it is on other images is unknown."
UNSTATED = "not stated; ask whoever trained it"


def model_card(facts: Facts, sweep: str, files: Sequence[str], checked: str, licence: str) -> str:
    """Return the model card as Markdown.

    Args:
        facts: of the run.
        sweep: its name.
        files: that lie beside the card.
        checked: with what the exported network was compared; empty if it was not.
        licence: of the weights; empty: not stated.

    """
    config = facts.config
    rows = {
        "network": _network(facts),
        "input": _input(config),
        "output": f"probability of each pixel to be foreground; mask where above "
        f"{config.threshold:g}",
        "data": f"{config.choices['data']}, fingerprint `{config.data_fingerprint}`, target: "
        f"{config.data_target}",
        "split": _split(facts),
        **_scores(facts),
        "weights of": _epoch(facts),
        "precision": _precision(facts),
        "licence": " ".join(licence.replace("|", "\\|").split()) or UNSTATED,
        "files": ", ".join(files),
        "compared with torch": checked,
    }
    table = [f"| {name} | {text} |" for name, text in rows.items() if text]
    by = f"segsweep {config.segsweep_version} in the sweep `{sweep}`, run `{config.run_id}`"
    limits = f"{TESTED if facts.record.is_tested else UNTESTED} {LIMITS}"
    lines = [
        *(f"# {facts.cell}", "", f"A network for binary segmentation, trained by {by}.", ""),
        *("| | |", "|---|---|", *table),
        *("", "## Limits", "", limits, "", "## Methods", "", methods(facts), ""),
    ]
    return "\n".join(lines)


def _network(facts: Facts) -> str:
    parameters, words = facts.result.parameters, words_of("model", facts.config)
    return words if parameters is None else f"{words}, {number(parameters)} parameters"


def _input(config: FrozenConfig) -> str:
    height, width = config.data.height_width
    kind = "RGB" if config.data.channels == 3 else "grey"
    if config.data.tile is not None:
        return f"{kind} images in [0, 1] at their own size, in tiles of {height} x {width}"
    return f"{kind} images in [0, 1], resized to {height} x {width} ({config.data.resize})"


def _split(facts: Facts) -> str:
    split, counts = facts.config.data.split, facts.counts
    if not any(counts.values()):
        return ""
    tested = f"{counts['test']} to test" if facts.record.is_tested else "none to test"
    text = f"{plural(counts['train'], 'image')} to train, {counts['val']} to validate, {tested}"
    return text if split.fold is None else f"{text}: {fold_text(split.fold, split.folds)}"


def _scores(facts: Facts) -> dict[str, str]:
    """Return what is known of the network's own score and of its method's, by name."""
    own, method = facts.result.values.get("test_iou"), facts.method
    if not facts.record.is_tested:
        value = facts.result.val_iou
        text = "" if value is None else f"{value:.4f}, {TOO_HIGH}"
        return {"validation IoU of this network": text, "test IoU": "not tested"}
    scores = {"test IoU of this network": f"{own:.4f}" if isinstance(own, int | float) else ""}
    if method is not None:
        scores[mean_name(method)] = mean_text(facts, method)
    return scores


def _epoch(facts: Facts) -> str:
    result, by = facts.result, facts.result.selected_by
    if result.best_epoch is None or result.epochs is None:
        return ""
    return f"epoch {result.best_epoch} of {result.epochs}" + (f", by {by}" if by else "")


def _precision(facts: Facts) -> str:
    made = facts.environment.precision
    exported = f"exported in {EXPORTED}"
    return f"trained and scored in {made}, {exported}" if made else exported
