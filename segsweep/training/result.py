"""Score the selected weights of a trained run and write its result."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from segsweep import __version__, metrics
from segsweep.config.cells import flat_values
from segsweep.data.batches import Batches
from segsweep.store.pictures import shown_data
from segsweep.store.records import add_test_read, per_image_text, write_history
from segsweep.system.clock import time_text
from segsweep.system.files import write_json, write_text
from segsweep.training import device
from segsweep.training.boundary import surface_metrics
from segsweep.training.build import Job
from segsweep.training.environment import git_commit
from segsweep.training.evaluate import (
    NativeMask,
    OnNative,
    OnPrediction,
    Scored,
    score_images,
)
from segsweep.training.loop import PREVIEW_IMAGES
from segsweep.training.multiply_adds import multiply_adds
from segsweep.training.outlines import MOST_IMAGES, Outlines
from segsweep.training.pictures import picture_paths, store_pictures
from segsweep.training.preview import draw_preview
from segsweep.training.state import Row


def write_result(job: Job, history: list[Row], started: float, pruned: bool = False) -> float:
    """Score the selected weights, the test set once; write the result last.

    *pruned*: the run is a trial that its search ended early.
    Returns the validation IoU of the selected epoch.
    """
    write_history(job.paths, history)  # a kill may have come between the checkpoint and this file
    job.state.judged.load_state_dict(job.checkpoints.load_best(job.state.best_epoch))
    scored = _score(job, job.val)
    if job.config.trainer.preview_every:  # a kill may have come before it was drawn
        draw_validation(job, scored, "best")
    rows = count_rows(job, "val", scored)
    tested: dict[str, float] = {} if "test" in job.parts else {"n_test": 0}
    if job.test is not None:
        scored, surfaces = _score_test_set(job, job.test)
        rows += with_surfaces(count_rows(job, "test", scored), surfaces)
        tested = _test_metrics(scored, job.loop.empty, surfaces)
    write_text(job.paths.per_image, per_image_text(job.config.run_id, rows))
    ended = {"pruned": True} if pruned else {}
    write_json(job.paths.result, _result(job, history, started, tested) | ended)
    job.paths.failure.unlink(missing_ok=True)
    return float(history[job.state.best_epoch - 1]["val_iou"])


def draw_validation(job: Job, scored: Scored, name: str) -> None:
    """Draw the first validation images with their probabilities as `preview/<name>.png`."""
    data, val = job.prepared, job.val
    rows = val.indices[: len(scored.shown)]
    images = np.stack([val.drawn(data.images[row]) for row in rows])
    masks = np.stack([val.drawn_labels(data.masks[row]) for row in rows])
    captions = [
        (data.samples[row].id, _iou_words(counts, job.loop.empty))
        for row, counts in zip(rows, scored.counts, strict=False)
    ]
    draw_preview(images, masks, scored.shown, captions, job.paths.preview / f"{name}.png")


def _iou_words(counts: NDArray[np.int64], empty: metrics.Empty) -> str:
    """Return the IoU of one image as it stands above its preview."""
    tp, fp, fn, tn = counts[:, None]
    value = metrics.per_image("iou", tp, fp, fn, tn, empty)[0]
    return f"IoU {value:.2f}" if np.isfinite(value) else "empty"


def count_rows(job: Job, part: str, scored: Scored) -> list[dict[str, object]]:
    """Return the rows of per_image.csv for a part of the data, val or test."""
    batches = job.test if part == "test" and job.test is not None else job.val
    rows: list[dict[str, object]] = []
    for at, counts in (("train", scored.counts), ("native", scored.native)):
        for index, values in zip(
            batches.indices, counts if counts is not None else [], strict=False
        ):
            names = {"split": part, "at": at, "image": job.prepared.samples[index].id}
            rows.append({**names, **dict(zip(metrics.COUNTS, map(int, values), strict=True))})
    return rows


def with_surfaces(
    rows: list[dict[str, object]], surfaces: Sequence[Mapping[str, float]]
) -> list[dict[str, object]]:
    """Return *rows* with the boundary metrics of each image, if any, in its row at native size."""
    found = iter(surfaces)
    return [{**row, **next(found)} if surfaces and row["at"] == "native" else row for row in rows]


def _score_test_set(job: Job, test: Batches) -> tuple[Scored, list[dict[str, float]]]:
    """Score the test set; its read is recorded before, outlines and pictures are stored.

    Also returns the boundary metrics of each image, if they are requested.
    """
    add_test_read(job.paths, time_text(), len(test.indices))
    ids = [sample.id for sample in job.prepared.samples]
    outlines = Outlines(job.prepared.masks, ids)
    surfaces: list[dict[str, float]] = []
    tolerance = job.config.evaluate.tolerance

    def measure(predicted: NDArray[np.bool_], truth: NDArray[np.bool_]) -> None:
        surfaces.append(surface_metrics(predicted, truth, tolerance))

    on_native = measure if job.config.evaluate.boundary else None
    scored = _score(job, test, outlines.add, on_native)
    write_json(job.paths.outlines, outlines.values)
    if job.config.report.images:
        sweep, channels = job.paths.root.parents[1], job.config.data.channels
        shown, size_of = shown_data(flat_values(job.config.values)), job.prepared.drawn_size
        paths = picture_paths(sweep, shown, size_of, channels, ids)
        store_pictures(job.prepared.images, test.indices[:MOST_IMAGES], paths)
    return scored, surfaces


def native_masks(job: Job) -> tuple[NativeMask | None, NativeMask | None]:
    """Return what gives masks and ignored pixels at the native size; None where not needed."""
    if job.config.evaluate.at != "both":
        return None, None
    return job.prepared.native_mask, job.prepared.native_ignored if job.prepared.ignores else None


def _score(
    job: Job,
    batches: Batches,
    on_prediction: OnPrediction | None = None,
    on_native: OnNative | None = None,
) -> Scored:
    native, ignored = native_masks(job)
    return score_images(
        job.state.judged,
        batches,
        threshold=job.loop.threshold,
        native_mask=native,
        native_ignored=ignored,
        show=PREVIEW_IMAGES,
        on_prediction=on_prediction,
        on_native=on_native,
        autocast=job.placement.autocast(),
    )


def _test_metrics(
    scored: Scored, empty: metrics.Empty, surfaces: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    tp, fp, fn, tn = scored.counts.T
    means = {}
    for column in metrics.known_columns("test", ()):
        name = column.removeprefix("test_")
        means[column] = metrics.mean_over_images(name, tp, fp, fn, tn, empty)
    over_all = metrics.over_all_pixels("iou", tp, fp, fn, tn)
    if scored.native is not None and surfaces:
        tp, fp, fn, tn = scored.native.T
        for name in metrics.BOUNDARY:
            stored = [values[name] for values in surfaces]
            means[f"test_{name}"] = metrics.mean_over_images(name, tp, fp, fn, tn, empty, stored)
    return {**means, "test_iou_all_pixels": over_all, "n_test": len(scored.counts)}


def _result(
    job: Job, history: list[Row], started: float, tested: dict[str, float]
) -> dict[str, object]:
    """Return the content of `result.json`."""
    best, last = history[job.state.best_epoch - 1], history[-1]
    return {
        "run_id": job.config.run_id,
        "epochs": job.state.epoch,
        "best_epoch": job.state.best_epoch,
        "selected_by": job.loop.select,
        **{key: best[key] for key in ("val_loss", *metrics.columns("val")) if key in best},
        **{f"last_{key}": last[key] for key in metrics.columns("val") if key in last},
        **tested,
        "parameters": sum(p.numel() for p in job.state.model.parameters()),
        "multiply_adds": multiply_adds(job.state.judged, job.val.seen_first()),
        "seconds": round(sum(row["seconds"] for row in history), 1),
        "peak_memory_mb": round(device.peak_memory_mb(job.placement.torch_device), 1),
        "device": job.placement.device,
        "version": __version__,
        "git_commit": git_commit(),
        "data_fingerprint": job.config.data_fingerprint,
        "started": time_text(started),
        "finished": time_text(),
    }
