"""A whole config as plain values, and runs on a folder of images planned from it."""

from copy import deepcopy

import yaml
from PIL import Image

from conftest import put
from fake_data import blob
from segsweep.config.schema import NEUTRAL_ARGUMENTS
from segsweep.sweep.planning.plan import plan_run
from segsweep.training import dataset

BASE = yaml.safe_load("""
sweep: main
outputs: outputs
seed: 0
kind: run
threshold: 0.5
device: auto
threads: 0
allow: []
keep: best
keep_gb: null
plan: false
max_runs: 10000
check_limit: 120.0
preflight: true
rerun: none
retry_failed: true
slots: null
per_device: 1
time_limit: null
frozen: null
model: {_target_: segsweep.models.unet2.UNet2, in_channels: 3, channels: [16, 32, 64, 128]}
loss: {_target_: segsweep.losses.BceLoss}
optimizer: {_target_: torch.optim.AdamW, lr: 0.002, weight_decay: 0.01}
scheduler:
  _target_: torch.optim.lr_scheduler.CosineAnnealingLR
  every: step
  eta_min: 0.0
augment: {_target_: segsweep.augment.flips, probability: 0.5}
data:
  _target_: segsweep.data.synthetic.Synthetic
  count: 200
  side: 192
  seed: 0
  size: 32
  channels: 3
  resize: classic
  tile: null
  overlap: 0.25
  crops: null
  split:
    seed: 42
    train: 0.5
    val: 0.25
    test: 0.25
    keep_groups: true
    folds: 5
    fold: null
    file: null
    given: false
trainer:
  epochs: 40
  batch: 10
  early_stop: null
  clip_norm: null
  averaging: 0.99
  precision: auto
  memory_format: auto
  cpu_precision: null
  lean: auto
  compile: false
  checkpoint_every_steps: null
  preview_every: 10
evaluate: {select: val_iou, empty: one, at: both, boundary: false, tolerance: 2.0}
search:
  params: {}
  n_trials: 8
  epochs: 0.5
  sampler: tpe
  storage: null
  seed: 0
  reuse: null
  pruner: none
  study: ""
  filled: []
race: {looks: [], hours: null}
report: {images: true}
tracker: {name: none, mode: offline}
""")
CHOICES = {
    **{"model": "unet2", "loss": "bce", "optimizer": "adamw"},
    **{"scheduler": "cosine", "augment": "flips", "data": "synthetic"},
}


def planner(tmp_path):
    """Write six pairs of images; return their folder and a function that plans a run on them."""
    folder = tmp_path / "images"
    folder.mkdir()
    for index in range(6):
        image, mask = blob(index)
        Image.fromarray(image).save(folder / f"case{index}.png")
        Image.fromarray(mask).save(folder / f"case{index}_mask.png")

    def planned(place, **changed):
        dataset._prepared.cache_clear()  # as in a new process
        node = {"_target_": "segsweep.data.folder.Folder", "images": str(place)}
        split = {"train": 2, "val": 2, "test": 2}
        neutral = NEUTRAL_ARGUMENTS[node["_target_"]]
        data = {**node, **neutral, "mask_name": "{id}_mask.png", "size": 32, "split": split}
        values = deepcopy(BASE) | {"data": data, "outputs": str(tmp_path / "out")}
        values["model"]["channels"] = [2, 2]
        values["trainer"]["batch"] = 2
        for key, value in changed.items():
            put(values, key.replace("__", "."), value)
        return plan_run(values, {**CHOICES, "data": "folder"})

    return folder, planned
