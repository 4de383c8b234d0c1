"""Scores networks of a sweep on another data set; images that they were trained on are left out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from segsweep.config.run_config import FrozenConfig, RunConfig
from segsweep.config.truth import target_of
from segsweep.data.cache import Prepared
from segsweep.data.source import Sample
from segsweep.errors import ConfigError, StoreError, WeightsError
from segsweep.metrics import COUNTS
from segsweep.store.evaluations import Evaluation
from segsweep.store.paths import RunPaths, SweepPaths
from segsweep.store.records import SPLIT, per_image_text, read_config
from segsweep.system.files import csv_text, write_text
from segsweep.training.build import batches_of
from segsweep.training.dataset import prepared_data
from segsweep.training.evaluate import Scored, score_images
from segsweep.training.frozen import at_current_place
from segsweep.use.network import Network, Way, open_network
from segsweep.use.seen import seen_images

SIZE_KEYS = ("size", "channels", "resize", "tile", "overlap", "crops")
"""Keys of `data` that are the network's, whatever the data set."""


@dataclass(frozen=True)
class Elsewhere:
    """Another data set, as its own words describe it."""

    config: RunConfig
    title: str
    words: tuple[str, ...]


def evaluation_of(
    sweep: SweepPaths, runs: Sequence[RunPaths], other: Elsewhere, name: str
) -> Evaluation:
    """Return where results on the other data are stored.

    Raises ConfigError if these are the sweep's own data, DataError if they cannot be read.
    """
    own = at_current_place(read_config(runs[0].config), runs[0].config, ())
    prepared = prepared_data(_on_other(own, other))
    target = target_of(other.config.data.source)
    if prepared.fingerprint == own.data_fingerprint:
        raise ConfigError(
            f"--data: {other.title} is what the sweep was trained and tested on: its report has it "
            "already; give other data"
        )
    root = sweep.evaluations / name
    return Evaluation(root, other.title, other.words, prepared.fingerprint, target)


def evaluate_run(
    run: RunPaths, other: Elsewhere, evaluation: Evaluation, way: Way
) -> tuple[int, int]:
    """Score a run on the other data and store its counts.

    Returns the images that were scored, and those that were left out because the network was
    trained or chosen on them.
    """
    network = open_network(run, way)
    sweep = SweepPaths(run.root.parents[1])
    config = _on_other(network.config, other)
    prepared = prepared_data(config)
    cache = sweep.root.parent / ".cache"
    seen = seen_images(network.config, run, cache)
    left_out = seen.among(prepared, cache)
    rows = [row for row, one in enumerate(prepared.samples) if one.id not in {*left_out}]
    if not rows:
        raise StoreError(f"{run.root.name}: was trained on every image of {other.title}")
    scored = _scored(network, config, prepared, rows)
    own = evaluation.run(run.root.name)
    own.root.mkdir(parents=True, exist_ok=True)
    samples = [prepared.samples[row] for row in rows]
    write_text(own.split, csv_text(_split_rows(samples), SPLIT))
    text = per_image_text(network.config.run_id, _count_rows(samples, scored))
    write_text(own.per_image, text)
    evaluation.note(run, left_out, seen.checked)
    return len(rows), len(left_out)


def _on_other(config: FrozenConfig, other: Elsewhere) -> FrozenConfig:
    """Return a run's config on the other data: its own size, the other images and masks."""
    own, theirs = (_node(one.values) for one in (config, other.config))
    node = {**theirs, **{key: own[key] for key in SIZE_KEYS if key in own}}
    return config.with_values({"data": node, "allow": [*config.allow, *other.config.allow]})


def _node(values: Mapping[str, object]) -> Mapping[str, object]:
    node = values["data"]
    assert isinstance(node, Mapping), "a checked config has a data node"
    return node


def _scored(network: Network, config: FrozenConfig, prepared: Prepared, rows: list[int]) -> Scored:
    return score_images(
        network.model,
        batches_of(config, prepared, rows, network.placement),
        threshold=config.threshold,
        native_mask=prepared.native_mask,
        native_ignored=prepared.native_ignored if prepared.ignores else None,
        autocast=network.placement.autocast(),
    )


def _split_rows(samples: Sequence[Sample]) -> list[dict[str, object]]:
    return [{"id": one.id, "group": one.group, "split": "test"} for one in samples]


def _count_rows(samples: Sequence[Sample], scored: Scored) -> list[dict[str, object]]:
    """Return the rows of per_image.csv, all of them of the part `test`."""
    rows: list[dict[str, object]] = []
    for at, counts in (("train", scored.counts), ("native", scored.native)):
        for sample, values in zip(samples, () if counts is None else counts, strict=False):
            numbers = dict(zip(COUNTS, map(int, values), strict=True))
            rows.append({"split": "test", "at": at, "image": sample.id, **numbers})
    return rows


Tell = Callable[[int, int], None]


def evaluate_all(
    runs: Sequence[RunPaths],
    other: Elsewhere,
    evaluation: Evaluation,
    way: Way,
    tell: Tell = lambda done, total: None,
) -> tuple[dict[str, tuple[int, int]], list[WeightsError]]:
    """Evaluate the runs that were not yet.

    Returns run -> images scored and left out, and the errors of runs whose weights were removed or
    damaged. Raises the first of these if no run was evaluated.
    """
    found: dict[str, tuple[int, int]] = {}
    lost: list[WeightsError] = []
    for number, run in enumerate(runs):
        tell(number, len(runs))
        try:
            found[run.root.name] = evaluate_run(run, other, evaluation, way)
        except WeightsError as error:
            lost.append(error)
    if lost and not found:
        raise lost[0]
    if runs:
        tell(len(runs), len(runs))
    return found, lost


def slug(words: Sequence[str], places: Sequence[Path]) -> str:
    """Return a folder name for a data set: of its folder, else of its option."""
    if places:
        name = places[0].resolve().name
        return "".join(sign if sign.isalnum() else "-" for sign in name) or "data"
    named = [word.partition("=")[2] for word in words if word.startswith("data=")]
    return named[-1] if named else "data"
