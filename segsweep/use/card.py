"""The model card of an exported network, and a paragraph of methods, from what was done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from segsweep import __version__
from segsweep.config.run_config import FrozenConfig, Node
from segsweep.report.comparisons import compare_all
from segsweep.store.json_files import known_environment, known_result
from segsweep.store.paths import RunPaths
from segsweep.store.records import read_config, read_split
from segsweep.store.tables import Tables
from segsweep.system.names import plural

AVERAGED = "Weights were averaged exponentially (decay {:g})."
LIMITS = (
    "The figures hold for images like those of the data set above. On others the network may fail "
    "without a sign: probabilities are not calibrated. Nothing here is approved for diagnosis."
)
UNSTATED = "not stated; ask whoever trained it"
VALUES = 6
"""Significant digits of a number in a text."""


@dataclass(frozen=True)
class Facts:
    """What is known of a run, for texts about it."""

    config: FrozenConfig
    cell: str
    counts: Mapping[str, int]
    """Part of the split -> its images."""
    result: Mapping[str, object]
    versions: Mapping[str, object]
    """Of what computed, and the machine."""
    seeds: int
    """Finished runs of the cell that are compared."""
    cells: int
    """Cells of the sweep that are compared."""
    mean: tuple[float, float, float] | None
    """Mean test IoU of the cell over its seeds, and its 95 % interval; None if unknown."""


def gather(tables: Tables, run: RunPaths) -> Facts:
    """Return what the files of a sweep say about a finished *run* of it."""
    config, result = read_config(run.config), known_result(run.result)
    parts = [row["split"] for row in read_split(run.split)]
    record = next(one for one in tables.runs if one.path == run.root)
    mean, seeds, cells = None, 1, 1
    for compared in compare_all(tables, advise=False):
        analysis = compared.analysis
        if analysis is None or compared.data not in ("", record.data):
            continue
        if record.cell not in analysis.values.cells:
            continue
        at = analysis.values.cells.index(record.cell)
        cells, seeds = len(analysis.values.cells), int(analysis.parts.seeds[at])
        if compared.part == "test":
            mean = analysis.mean(at)
    return Facts(
        config,
        record.cell,
        {part: parts.count(part) for part in ("train", "val", "test")},
        {} if result is None else result.values,
        known_environment(run.environment).values,
        seeds,
        cells,
        mean,
    )


def model_card(facts: Facts, sweep: str, files: Sequence[str], checked: str, licence: str) -> str:
    """Return the model card as Markdown.

    Args:
        facts: of the run.
        sweep: its name.
        files: that lie beside the card.
        checked: with what the exported network was compared; empty if it was not.
        licence: of the weights; empty: not stated.

    """
    config, result, counts = facts.config, facts.result, facts.counts
    above = f"mask where above {config.threshold:g}"
    data = f"fingerprint `{config.data_fingerprint}`, target: {config.data_target}"
    to_train = plural(counts["train"], "image")
    parts = f"{to_train} to train, {counts['val']} to validate, {counts['test']} to"
    epochs = f"epoch {result.get('best_epoch')} of {result.get('epochs')}"
    rows = {
        "network": f"{_words('model', config)}, {_number(result.get('parameters'))} parameters",
        "input": _input(config),
        "output": f"probability of each pixel to be foreground; {above}",
        "data": f"{config.choices['data']}, {data}",
        "split": f"{parts} test",
        "test IoU of this network": _number(result.get("test_iou")),
        "test IoU of the method": _mean(facts),
        "weights of": f"{epochs}, by {result.get('selected_by')}",
        "licence": licence or UNSTATED,
        "files": ", ".join(files),
        **({"compared with torch": checked} if checked else {}),
    }
    by = f"segsweep {config.segsweep_version} in the sweep `{sweep}`, run `{config.run_id}`"
    lines = [
        *(f"# {facts.cell}", "", f"A network for binary segmentation, trained by {by}.", ""),
        *("| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows.items())),
        *("", "## Limits", "", LIMITS, "", "## Methods", "", methods(facts), ""),
    ]
    return "\n".join(lines)


def methods(facts: Facts) -> str:
    """Return a paragraph on what was done, for a paper."""
    config, trainer = facts.config, facts.config.trainer
    return " ".join(
        [
            f"We trained {_words('model', config)} with the loss {_words('loss', config)} for",
            f"{plural(trainer.epochs, 'epoch')} in batches of {trainer.batch} with",
            f"{_words('optimizer', config)} and the schedule {_words('scheduler', config)},",
            f"augmentation: {_words('augment', config)}.",
            *([AVERAGED.format(trainer.averaging)] if trainer.averaging else []),
            _seen(config),
            _split(facts),
            f"The epoch with the best {config.evaluate.select} was tested once.",
            *([_compared(facts)] if facts.cells > 1 else []),
            *([f"Its mean test IoU was {_mean(facts)}."] if facts.mean is not None else []),
            f"Training and statistics: segsweep {config.segsweep_version} with PyTorch",
            f"{facts.versions.get('torch', '(unknown version)')} on",
            f"{facts.result.get('device', 'an unknown device')}; this text: segsweep",
            f"{__version__}.",
        ]
    )


def _split(facts: Facts) -> str:
    """Return how the images were divided."""
    split, counts = facts.config.data.split, facts.counts
    drawn = f"drawn at random (seed {split.seed})" if split.file is None else "given by a file"
    drawn = "as the data set gives it" if split.given else drawn
    if split.fold is not None:
        drawn = f"fold {split.fold} of {split.folds} (seed {split.seed})"
    return (
        f"The {sum(counts.values())} images were split into {counts['train']} for training, "
        f"{counts['val']} for validation and {counts['test']} for testing, {drawn}."
    )


def _compared(facts: Facts) -> str:
    others = "one other" if facts.cells == 2 else f"{facts.cells - 1} others"
    seeds = f" over {facts.seeds} seeds" if facts.seeds > 1 else ""
    return f"The method was compared with {others} under the same protocol{seeds}."


def _words(node: str, config: FrozenConfig) -> str:
    """Return an option and its arguments: `adamw (lr 0.002, weight_decay 0.01)`."""
    values: Node = getattr(config, node)
    shown = {key: value for key, value in values.items() if not key.startswith("_")}
    text = ", ".join(f"{key} {_number(value)}" for key, value in shown.items() if value is not None)
    name = config.choices[node]
    return f"{name} ({text})" if text else name


def _input(config: FrozenConfig) -> str:
    height, width = config.data.height_width
    kind = "RGB" if config.data.channels == 3 else "grey"
    if config.data.tile is not None:
        return f"{kind} images in [0, 1] at their own size, in tiles of {height} x {width}"
    return f"{kind} images in [0, 1], resized to {height} x {width} ({config.data.resize})"


def _seen(config: FrozenConfig) -> str:
    height, width = config.data.height_width
    if config.data.tile is not None:
        crops = f"The network saw crops of {height} x {width} pixels"
        return f"{crops}; in tests, overlapping tiles were put together."
    return f"Images were resized to {height} x {width} pixels."


def _mean(facts: Facts) -> str:
    if facts.mean is None:
        return "unknown"
    mean, low, high = facts.mean
    if isnan(low) or isnan(high):
        return f"{mean:.4f} ({facts.seeds} seeds, no interval)"
    return f"{mean:.4f} (95 % interval {low:.4f} to {high:.4f}; {facts.seeds} seeds)"


def _number(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.{VALUES}g}"
