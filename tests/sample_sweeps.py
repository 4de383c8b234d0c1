"""Finished and unfinished sweeps with realistic numbers, for tests of report and tables."""

import csv
import json
from pathlib import Path

import numpy as np
import yaml

from segsweep.store.paths import SweepPaths
from segsweep.store.pictures import picture_path
from segsweep.training.pictures import jpeg

HISTORY = ("epoch", "train_loss", "val_loss", "val_iou", "val_dice", "val_score", "lr", "seconds")
PIXELS, TRUTH = 16384, 4000
EVIL = "<script>alert(1)</script>.png"
STARTED, READ, FINISHED = (f"2026-03-01T10:{minute}:00+0000" for minute in ("00", "20", "21"))
ENVIRONMENT = {
    **{"segsweep": "0.1.0", "torch": "2.9.0", "python": "3.12.3", "git_commit": "0123456789ab"},
    **{"machine": "node<1>", "processor": "a processor", "device": "cpu", "threads": 2},
}


class Maker:
    """Writes the runs of one sweep; *frozen* and *write_run* are the fixtures of these names."""

    def __init__(self, folder, frozen, write_run, images=12, epochs=30, seed=0):
        self.folder, self.frozen, self.write_run = folder, frozen, write_run
        self.epochs = epochs
        self.random = np.random.default_rng(seed)
        names = [EVIL, *(f"IMD{index:03d}" for index in range(1, images))]
        self.images = dict(zip(names, self.random.beta(9, 1.6, images), strict=True))
        self.effects = {}
        (folder / "runs").mkdir(parents=True, exist_ok=True)

    def finished(self, model, loss, seed, lift=0.0, **changed):
        """Write a finished run; *lift* is added to the IoU of its images."""
        config = self.frozen(f"model={model}", f"loss={loss}", seed=seed, **changed)
        lift = lift + self.random.normal(0, 0.006)
        counts, iou = self._counts(model, loss, lift)
        result = {
            **{"test_iou": iou, "test_dice": 2 * iou / (1 + iou), "test_score": iou - 0.1},
            **{"val_loss": 1 - iou, "val_iou": iou + 0.01, "val_dice": 0.9, "val_score": 0.75},
            **{
                "parameters": 500_000 + 70_000 * len(model),
                "multiply_adds": 10**8 * len(model),
                "seconds": 100 + 40 * len(model),
            },
            **{
                "epochs": self.epochs,
                "best_epoch": max(self.epochs - 3, 1),
                "n_test": len(self.images),
            },
            **{"device": "cpu", "version": "0.1.0", "git_commit": "0123456789ab"},
            **{"data_fingerprint": config["data_fingerprint"], "peak_memory_mb": 512.0},
            **{"started": STARTED, "finished": FINISHED},
        }
        folder = self.write_run(self.folder, config, result=result, counts=counts)
        self._history(folder, iou, self.epochs)
        write_rows(folder / "test_reads.csv", [(READ, "the run's one reading", len(self.images))])
        return self._write_other_files(folder)

    def validated(self, model, loss, seed, lift=0.0, **changed):
        """Write a finished run without a test part: its images are validation images."""
        folder = self.finished(model, loss, seed, lift, data__split__test=0, **changed)
        config = yaml.safe_load((folder / "config.yaml").read_text())
        (folder / "config.yaml").write_text(yaml.safe_dump(config | {"validation_only": True}))
        result = json.loads((folder / "result.json").read_text())
        moved = {f"val_{name}": result[f"test_{name}"] for name in ("iou", "dice", "score")}
        kept = {key: value for key, value in result.items() if not key.startswith("test_")}
        (folder / "result.json").write_text(json.dumps({**kept, **moved, "n_test": 0}))
        for name in ("per_image.csv", "split.csv"):
            text = (folder / name).read_text()
            kept_rows = [line for line in text.splitlines() if not line.startswith("val")]
            rows = "\n".join(kept_rows).replace(",test", ",val")
            (folder / name).write_text(f"{rows}\n")
        (folder / "test_reads.csv").unlink()
        return folder

    def running(self, model, loss, seed, epochs=8, **changed):
        """Write an unfinished run with some epochs."""
        config = self.frozen(f"model={model}", f"loss={loss}", seed=seed, **changed)
        folder = self.write_run(self.folder, config)
        self._history(folder, 0.8, epochs)
        return self._write_other_files(folder)

    def planned(self, model, loss, seed, **changed):
        """Write a run that has not started."""
        config = self.frozen(f"model={model}", f"loss={loss}", seed=seed, **changed)
        return self.write_run(self.folder, config)

    def failed(self, model, loss, seed, error=f"ValueError: cannot read {EVIL}", **changed):
        """Write a run that raised an error."""
        config = self.frozen(f"model={model}", f"loss={loss}", seed=seed, **changed)
        trace = f"Traceback (most recent call last):\n  File 'x.py', line 1\n{error}"
        failure = {"cause": "raised", "error": error, "attempts": 2, "traceback": trace}
        return self._write_other_files(self.write_run(self.folder, config, failure=failure))

    def outlines(self, folder):
        """Write an ellipse as truth for each image, and a slightly moved one as prediction."""
        turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        circle = np.stack([np.cos(turn), np.sin(turn)], 1)
        images = {}
        for index, name in enumerate(self.images):
            size = 20 + 3 * (index % 9) + np.array([0, 6])
            middle = 64 + self.random.normal(0, 4, 2)
            rough = circle * (size + self.random.normal(0, 1.5, (40, 1))) + middle
            rings = {"truth": circle * size + 64, "predicted": rough}
            images[name] = {key: [ring.round(1).ravel().tolist()] for key, ring in rings.items()}
        (folder / "outlines.json").write_text(json.dumps({"size": [128, 128], "images": images}))

    def pictures(self, draw, fingerprint="0123456789abcdef"):
        """Store a picture of each image, *draw* of nothing (C, H, W); return them by image."""
        found = {}
        for image in self.images:
            path = picture_path(SweepPaths(self.folder), fingerprint, (128, 128), 3, image)
            path.parent.mkdir(parents=True, exist_ok=True)
            found[image] = jpeg(draw())
            path.write_bytes(found[image])
        return found

    def plan(self, request="-m model=segnet,unet loss=bce,dice seed=0,1,2"):
        """Write the sweep's plan: one command requested every run."""
        header = ("run_id", "kind", "folder", "requested_at", "request")
        names = sorted(path.name for path in (self.folder / "runs").iterdir())
        rows = [(name[-12:], "run", name, STARTED, request) for name in names]
        write_rows(self.folder / "plan.csv", rows, header)

    def _counts(self, model, loss, lift):
        effect = self.effects.setdefault(
            (model, loss), self.random.normal(0, 0.02, len(self.images))
        )
        noise = self.random.normal(0, 0.02, len(self.images))
        ious = np.clip(np.array([*self.images.values()]) + effect + noise + lift, 0.02, 0.99)
        hits = np.round(ious * TRUTH).astype(int)
        rows = [
            ("test", "train", name, int(tp), 0, TRUTH - int(tp), PIXELS - TRUTH)
            for name, tp in zip(self.images, hits, strict=True)
        ]
        return rows, float(np.mean(hits / TRUTH))

    def _history(self, folder, iou, epochs):
        done = np.arange(1, epochs + 1)
        noise = self.random.normal(0, 0.012, epochs)
        loss = 0.15 + 0.6 * np.exp(-done / 6) + np.abs(noise)
        score = np.clip((iou - 0.1) * (1 - np.exp(-done / 5)) + noise, 0, 1)
        rows = [
            [epoch, low * 0.9, low, share, share, share, 0.002, 1.5]
            for epoch, low, share in zip(done, loss, score, strict=True)
        ]
        write_rows(folder / "history.csv", rows, HISTORY)

    def _write_other_files(self, folder):
        (folder / "environment.json").write_text(json.dumps(ENVIRONMENT))
        rows = [(f"train{k}", "", "train") for k in range(20)]
        rows += [(f"val{k}", "", "val") for k in range(10)]
        rows += [(image, "", "test") for image in self.images]
        write_rows(folder / "split.csv", rows, ("id", "group", "split"))
        return folder


def write_rows(path: Path, rows, header=("time", "reason", "images")):
    """Write a CSV file."""
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


MODELS = ("segnet", "unet", "unet2", "unet3")
LOSSES = ("bce", "dice", "focal", "ss", "bce_ss")
LIFT = {"unet2": 0.02, "segnet": -0.02, "ss": 0.01, "focal": -0.03}


def finished_sweep(maker, seeds=3, models=MODELS, losses=LOSSES):
    """Write a grid with all runs finished."""
    for model in models:
        for loss in losses:
            for seed in range(seeds):
                lift = LIFT.get(model, 0) + LIFT.get(loss, 0)
                maker.outlines(maker.finished(model, loss, seed, lift))
    maker.plan()


def half_finished_sweep(maker):
    """Write a grid with finished, failed, running and planned runs."""
    for model in MODELS:
        for seed in range(3):
            maker.finished(model, "bce", seed, LIFT.get(model, 0))
    for seed in range(2):
        maker.finished("unet2", "ss", seed, 0.03)
        maker.failed("unet", "focal", seed)
        maker.running("segnet", "ss", seed)
        maker.planned("unet3", "ss", seed)
    maker.plan()


def one_cell_sweep(maker):
    """Write one cell with three seeds."""
    for seed in range(3):
        maker.finished("unet2", "ss", seed)
    maker.plan()


def all_failed_sweep(maker):
    """Write a sweep in which every run failed."""
    for loss in ("bce", "dice"):
        for seed in range(3):
            maker.failed("unet2", loss, seed)
    maker.failed("unet", "bce", 0, "NonFiniteLossError: the loss is nan in epoch 3")
    maker.plan()
