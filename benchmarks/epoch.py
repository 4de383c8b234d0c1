"""Time an epoch of a plain loop and of segsweep's, on the same learning, in one run.

    python benchmarks/epoch.py                  # all rows, about 15 minutes on 2 quiet cores
    python benchmarks/epoch.py --lean auto --precision float32    # one row and the plain loop
    python benchmarks/epoch.py --rounds 1 --size 64               # a quick look
    python benchmarks/epoch.py --output docs/results/epoch.md     # also into a file

Every loop trains unet2 with bce and AdamW on 100 embedded images, batch 25, with flips, and
validates on 50. The plain loop is written the obvious way: a DataLoader, float32, contiguous;
validation loss; then the training and the validation images scored again, each set in one batch
under `no_grad`. `notebook` is the same as in the original experiment, which kept gradients while
scoring (13 GB: only with --notebook). segsweep's own loop has a row for each `trainer.lean`
(off: plain layers, auto: kernels that save time, on: also those that save memory) and precision
(bfloat16 only on processors that compute in it).
The loops take turns, so that all see the same machine. In each turn a new process trains one
epoch to warm up and one that is timed; memory is its peak. On a busy machine look at the CPU
seconds, of which the smallest are shown. First the loops are shown to learn the same: in float64
the weights after an epoch, in float32 the loss of each step.
"""

import argparse
import csv
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import where
from plain_loop import BATCH, LR, SEED, plain_loop

from segsweep.system.processor import has_bfloat16

TRAIN, VAL = 100, 50
LEAN = ("off", "auto", "on")
PRECISIONS = ("float32", "bfloat16")
PLAIN, NOTEBOOK, REFERENCE = "plain", "notebook", "auto float32"
"""Rows of the table; segsweep's are named by lean and precision, ratios are to the reference."""
FIRST_STEP = """
import os, time
import segsweep.training.loop as fit
ticks = int(open('/proc/self/stat').read().rsplit(')', 1)[1].split()[19])
started = ticks / os.sysconf('SC_CLK_TCK')
step = fit.train_step
def first(*arguments, **named):
    now = float(open('/proc/uptime').read().split()[0])
    print(f'first step after {now - started:.2f}', flush=True)
    fit.train_step = step
    return step(*arguments, **named)
fit.train_step = first
from segsweep.train import main
main()
"""


def main() -> None:
    """Parse arguments; be a worker, or compare all of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="timed epochs of each loop")
    parser.add_argument("--size", type=int, default=256, help="pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--lean", nargs="*", choices=LEAN, default=list(LEAN))
    parser.add_argument("--precision", nargs="*", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--notebook", action="store_true", help="time the original's loop too")
    parser.add_argument("--only-time", action="store_true", help="skip the check of learning")
    parser.add_argument("--output", type=Path, help="a file for the table as well")
    parser.add_argument("--csv", type=Path, help="a file for the numbers of the table")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--double", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments)
    else:
        compare(arguments)


# The loops


def segsweep_loop(data, indices, double, lean, precision):
    """Return the same for segsweep's own functions."""
    import torch

    from segsweep.augment import flips
    from segsweep.data.batches import Batches
    from segsweep.losses import BceLoss
    from segsweep.models import kernels
    from segsweep.models.unet2 import UNet2
    from segsweep.training import device
    from segsweep.training.loop import Hooks, Loop, train_epoch, validate
    from segsweep.training.state import State

    dtype = torch.float64 if double else torch.float32
    placement = device.choose("cpu", 0, precision, "auto", lean)
    kernels.prepare_memory(placement.lean)
    torch.manual_seed(SEED)
    model, loss_fn = device.place(UNet2().to(dtype), placement), BceLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0, 0)
    around = kernels.around_forward(placement.lean)
    state = State(model, optimizer, scheduler, "epoch", around_forward=around)
    autocast = placement.autocast if precision != "float32" else None
    train, val = (
        Batches(data.images, data.masks, rows, BATCH, torch.device("cpu"), placement.layout, dtype)
        for rows in indices
    )
    loop, losses = Loop(epochs=10**6, seed=SEED), []
    hooks = Hooks(save=lambda *_: None, epoch_done=lambda *_: None)

    def epoch(number):
        train_epoch(state, loss_fn, train, loop, hooks, flips(), autocast)
        losses[:] = state.losses
        validate(state, loss_fn, val, loop, hooks, autocast)
        return losses

    return epoch, model


# One process per loop


def work(arguments) -> None:
    """Train an epoch for every line on standard input; answer with seconds, losses, memory."""
    import resource

    import torch

    from segsweep.data.cache import prepare
    from segsweep.data.synthetic import Synthetic

    torch.set_num_threads(arguments.threads)
    folder = Path(arguments.folder)
    size = (arguments.size, arguments.size)
    data = prepare(Synthetic(count=TRAIN + VAL, side=256), size, 3, folder)
    indices = list(range(TRAIN)), list(range(TRAIN, TRAIN + VAL))
    if arguments.worker in (PLAIN, NOTEBOOK):
        epoch, model = plain_loop(data, indices, arguments.double, arguments.worker == NOTEBOOK)
    else:
        lean, precision = arguments.worker.split()
        epoch, model = segsweep_loop(data, indices, arguments.double, lean, precision)
    print("ready", flush=True)
    for number, line in enumerate(sys.stdin):
        started, cpu = time.perf_counter(), time.process_time()
        losses = epoch(number)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
        if line.strip():
            torch.save(model.state_dict(), line.strip())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(
            json.dumps({"seconds": seconds, "cpu": cpu, "losses": losses, "gb": peak}), flush=True
        )


class Worker:
    """A loop in its own process."""

    def __init__(self, loop, arguments, folder, double=False, size=None):
        size = str(size or arguments.size)
        command = [sys.executable, __file__, "--worker", loop, "--folder", folder, "--size", size]
        command += ["--threads", str(arguments.threads), *(["--double"] if double else [])]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        assert self.process.stdout.readline().strip() == "ready"

    def epoch(self, weights=""):
        """Train one epoch; store the weights at *weights*."""
        self.process.stdin.write(f"{weights}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def compare(arguments) -> None:
    """Show that the loops learn the same, then time them in turn and print the table."""
    rows = [f"{lean} {one}" for one in computed(arguments.precision) for lean in arguments.lean]
    rows = [PLAIN, *rows, *([NOTEBOOK] if arguments.notebook else [])]
    found = [*where.lines()]
    with tempfile.TemporaryDirectory() as folder:
        if not arguments.only_time:
            found += ["", *same_learning(arguments, folder, rows)]
        taken = {row: [] for row in rows}
        for _ in range(arguments.rounds):
            for row in rows:  # one process at a time: idle ones would hold their memory
                worker = Worker(row, arguments, folder)
                worker.epoch()  # warms up
                taken[row].append(worker.epoch())
                worker.close()
        first = first_step(folder)
        found += [
            "",
            *table(arguments, taken),
            "",
            f"from command to first training step: {first:.1f} s",
        ]
    text = "\n".join(found)
    print(text)
    if arguments.output:
        command = " ".join(["python benchmarks/epoch.py", *sys.argv[1:]])
        arguments.output.write_text(f"# An epoch\n\n```\n{command}\n\n{text}\n```\n")
    if arguments.csv:
        write_csv(arguments.csv, taken, first)


def computed(precisions) -> list[str]:
    """Leave out bfloat16 where the processor only imitates it: an epoch takes ten minutes there."""
    return [one for one in precisions if one != "bfloat16" or has_bfloat16()]


def write_csv(path, taken, first) -> None:
    """Write median seconds and peak GB of each loop, and the seconds to the first step."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("loop", "seconds", "gb"))
        for row, epochs in taken.items():
            seconds = statistics.median(epoch["seconds"] for epoch in epochs)
            writer.writerow((row, f"{seconds:.2f}", f"{max(epoch['gb'] for epoch in epochs):.2f}"))
        writer.writerow(("first step", f"{first:.2f}", ""))


def same_learning(arguments, folder, rows) -> list[str]:
    """Return the largest difference of weights (float64) and of step losses, to the plain loop."""
    import torch

    lines, plain = [], {}
    for row in (row for row in rows if row != NOTEBOOK):
        for double in (True, False) if "bfloat16" not in row else (False,):
            path = Path(folder) / "weights.pt"
            worker = Worker(row, arguments, folder, double, min(arguments.size, 128))
            losses = worker.epoch(path)["losses"]
            worker.close()
            weights = torch.load(path, weights_only=True)
            first_losses, first = plain.setdefault(double, (losses, weights))
            if row == PLAIN:
                continue
            if double:
                names = [name for name in weights if counts(name, weights)]
                worst = max(float((weights[n] - first[n]).abs().max()) for n in names)
                what = f"float64: weights differ by at most {worst:.1e}"
            else:
                worst = max(abs(a - b) for a, b in zip(losses, first_losses, strict=True))
                what = f"losses of steps differ by at most {worst:.1e}"
            lines.append(f"{row:14} {what}")
    return lines


def counts(name, weights) -> bool:
    """Leave out biases in front of a BatchNorm (their true gradient is zero) and its statistics."""
    layer, _, kind = name.rpartition(".")
    before_norm = kind == "bias" and f"{layer[:-1]}1.running_mean" in weights
    return not before_norm and "running" not in kind and "num_batches" not in kind


def table(arguments, taken) -> list[str]:
    """Return median and range of seconds, CPU seconds, ratio of paired epochs, peak memory."""
    reference = taken.get(REFERENCE) or next(iter(taken.values()))
    lines = [
        f"{arguments.size}x{arguments.size}, {arguments.threads} threads, "
        f"medians of {arguments.rounds}; ratio to lean=auto in float32",
        f"{'lean, precision':16} {'s/epoch':>8} {'range':>14} {'CPU s':>6} {'ratio':>6} {'GB':>8}",
    ]
    for row, epochs in taken.items():
        seconds = [epoch["seconds"] for epoch in epochs]
        pairs = zip(seconds, [epoch["seconds"] for epoch in reference], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        peak = max(epoch["gb"] for epoch in epochs)
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        median = statistics.median(seconds)
        cpu = min(epoch["cpu"] for epoch in epochs)
        lines.append(f"{row:16} {median:8.2f} {spread:>14} {cpu:6.1f} {ratio:6.2f} {peak:8.2f}")
    return lines


def first_step(folder) -> float:
    """Return the seconds from the command to the first training step, data cached before."""
    words = ["trainer.epochs=1", "trainer.preview_every=0", f"outputs={folder}/outputs"]
    found = []
    script = Path(folder) / "first_step.py"
    script.write_text(FIRST_STEP, encoding="utf-8")
    for number in range(3):
        command = [sys.executable, str(script), *words, f"seed={number}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found += [
            float(line.split()[-1]) for line in done.stdout.splitlines() if "first step" in line
        ]
    return statistics.median(found[1:])


if __name__ == "__main__":
    main()
