"""Time and size of `segsweep report` on sweeps of 10 to 10,000 runs.

    python benchmarks/report.py                   # about five minutes, 1 GB of disk
    python benchmarks/report.py --sizes 10,100    # half a minute
    python benchmarks/report.py --csv FILE        # also write the table

The sweeps are generated: 20 cells (5 for 10 runs; `1000:200` is 1,000 runs of 200 cells, 19,900
pairs), as many seeds as needed, 50 validation and 50 test images, 40 epochs, and skewed IoU values
with effects of cell, seed and image. Whole commands are timed in separate processes, including
their start-up. `unchanged` is the end of a command that finds every run finished: the tables are
built and compared with the stored ones, nothing else.
"""

import argparse
import csv
import json
import resource
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from measuring import timed

IMAGES, EPOCHS, PIXELS, TRUTH = 50, 40, 16384, 4000
MODELS, LOSSES = ("segnet", "unet", "unet2", "unet3"), ("bce", "dice", "focal", "ss", "bce_ss")
TIMES = {"started": "2026-01-01T10:00:00+0000", "finished": "2026-01-01T10:05:00+0000"}
REPORT = (
    "from segsweep.cli.main import main; import sys; sys.argv[1:] = ['report', sys.argv[1]]; main()"
)
AGAIN = (
    "import sys; from segsweep.report.write import write_report; "
    "from segsweep.store.paths import SweepPaths; from pathlib import Path; "
    "report = write_report(SweepPaths(Path(sys.argv[1])), only_if_changed=True); "
    "assert report.compared is None"
)
COLUMNS = ("runs", "cells", "seconds", "cpu_seconds", "unchanged_seconds", "memory_mb", "page_mb")


def main() -> None:
    """Measure and print; write the rows if requested."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sizes", default="10,100,1000,1000:200,10000", help="runs[:cells] of the sweeps"
    )
    parser.add_argument("--csv", type=Path, help="file to write the rows to")
    arguments = parser.parse_args()
    rows = []
    print("  ".join(f"{name:>17}" for name in COLUMNS))
    for size in arguments.sizes.split(","):
        runs, _, count = size.partition(":")
        with tempfile.TemporaryDirectory() as folder:
            row = measured(Path(folder) / "sweep", int(runs), int(count or 0))
            rows.append(row)
        print("  ".join(f"{rows[-1][name]:>17}" for name in COLUMNS), flush=True)
    if arguments.csv:
        with arguments.csv.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def measured(folder: Path, size: int, count: int = 0) -> dict[str, Any]:
    """Generate a sweep of *size* runs, report it twice; return a row of the table."""
    configs = cells(count or (5 if size < 20 else 20))
    write_sweep(folder, configs, size)
    first = timed(("-c", REPORT, str(folder)))
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    again = timed(("-c", AGAIN, str(folder)))
    page = (folder / "report.html").stat().st_size / 1e6
    values = (size, len(configs), first.wall, first.cpu, again.wall, memory, page)
    return dict(zip(COLUMNS, (round(value, 2) for value in values), strict=True))


def cells(count: int) -> list[dict[str, Any]]:
    """Return the frozen configs of *count* cells."""
    from hydra import initialize_config_dir

    from segsweep.plugins.register import register_schema
    from segsweep.sweep.planning.compose import Composer
    from segsweep.system.installation import conf_folder

    register_schema()
    with initialize_config_dir(str(conf_folder()), job_name="benchmark"):
        composer = Composer()
        both = [(model, loss) for model in MODELS for loss in LOSSES][:count]
        known = [_frozen(composer, model, loss) for model, loss in both]
    return [_longer(known[number % 20], number // 20) for number in range(count)]


def _longer(config: dict[str, Any], more: int) -> dict[str, Any]:
    """Return another cell: the same config with more epochs."""
    trainer = config["trainer"]
    return {**config, "trainer": {**trainer, "epochs": trainer["epochs"] + more}}


def _frozen(composer: Any, model: str, loss: str) -> dict[str, Any]:
    values, _ = composer.composed([f"model={model}", f"loss={loss}"])
    facts = {"kind": "run", "choices": {**_choices(), "model": model, "loss": loss}}
    data = {"identity_version": 1, "segsweep_version": "0.1.0", "data_fingerprint": "generated"}
    return {"run_id": "", **data, **facts, **values, "contents": {}}


def _choices() -> dict[str, str]:
    """Return the options of the generated runs besides model and loss."""
    names = {"optimizer": "adamw", "scheduler": "onecycle", "data": "synthetic"}
    return {**names, "augment": "flips"}


def write_sweep(folder: Path, configs: Sequence[dict[str, Any]], size: int) -> None:
    """Write a sweep of *size* finished runs of these cells."""
    from segsweep.store.records import config_text

    random = np.random.default_rng(0)
    images = random.beta(9, 1.6, IMAGES)
    effects = (
        random.normal(0, 0.02, (len(configs), IMAGES)) + np.linspace(0, 0.03, len(configs))[:, None]
    )
    known: dict[str, str] = {}
    for number in range(size):
        cell = number % len(configs)
        config = deepcopy(configs[cell])
        config["seed"], config["run_id"] = number // len(configs), uuid.uuid4().hex[:12]
        noise = random.normal(0, 0.045, IMAGES) + random.normal(0, 0.012)
        iou = np.clip(images + effects[cell] + noise, 0.02, 0.99)
        run = folder / "runs" / _name(config)
        run.mkdir(parents=True)
        (run / "config.yaml").write_text(config_text(config, known))
        _write_run(run, config, iou)
    rows = "".join(
        f"{path.name[-12:]},run,{path.name},,x\n" for path in (folder / "runs").iterdir()
    )
    (folder / "plan.csv").write_text("run_id,kind,folder,requested_at,request\n" + rows)


def _name(config: dict[str, Any]) -> str:
    choices = config["choices"]
    return f"{choices['model']}-{choices['loss']}-s{config['seed']}-{config['run_id']}"


def _write_run(run: Path, config: dict[str, Any], iou: Any) -> None:
    result = {
        **{
            f"{part}_{name}": float(iou.mean())
            for part in ("val", "test")
            for name in ("iou", "dice", "score")
        },
        **{"val_loss": 0.2, "epochs": EPOCHS, "best_epoch": 30, "n_test": IMAGES, "seconds": 200.0},
        **{"parameters": 500_000 + 1000 * len(run.name), "device": "cpu", "version": "0.1.0"},
        **{"data_fingerprint": config["data_fingerprint"], "git_commit": "0123456789ab", **TIMES},
    }
    (run / "result.json").write_text(json.dumps(result))
    (run / "environment.json").write_text(
        json.dumps({"machine": "m", "torch": "2.14", "device": "cpu"})
    )
    (run / "per_image.csv").write_text("".join(_counts(config["run_id"], iou)))
    (run / "history.csv").write_text("".join(_epochs(float(iou.mean()))))
    (run / "test_reads.csv").write_text(
        f"time,reason,images\n2026-01-01T10:04:59+0000,the run's one reading,{IMAGES}\n"
    )


def _counts(run_id: str, iou: Any) -> Iterator[str]:
    yield "run_id,split,at,image,tp,fp,fn,tn\n"
    for split in ("val", "test"):
        for number, hit in enumerate(np.round(iou * TRUTH).astype(int)):
            yield f"{run_id},{split},train,{split}{number},{hit},0,{TRUTH - hit},{PIXELS - TRUTH}\n"


def _epochs(iou: float) -> Iterator[str]:
    yield "epoch,train_loss,val_loss,val_iou,val_dice,val_score,lr,seconds\n"
    for epoch in range(1, EPOCHS + 1):
        value = iou * (1 - np.exp(-epoch / 6))
        yield f"{epoch},{1 - value},{1 - value},{value},{value},{value},0.002,5.0\n"


if __name__ == "__main__":
    main()
