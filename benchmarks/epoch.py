"""Time an epoch of a plain loop against segsweep's, on the same learning, in one run.

    python benchmarks/epoch.py                  # the table below, about 8 minutes on 2 cores
    python benchmarks/epoch.py --rounds 1 --size 64   # a quick look

Both train unet2 with bce and AdamW on 100 embedded images, batch 25, with flips, and validate
on 50. The plain loop is written the obvious way: a DataLoader, float32, contiguous; validation
loss; then the training and the validation images scored again, each set in one batch under
`no_grad`. `notebook` is the same as the original experiment had it, with gradients kept while
scoring (13 GB: asked for with --notebook).
Each loop lives in a process of its own and they take turns, so that both see the same machine;
memory is the process's peak. That they learn the same is shown first: in float64 the weights
after an epoch, in float32 the loss of each step.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TRAIN, VAL, BATCH, SEED = 100, 50, 25, 0
LR = 5e-4
LOOPS = ("plain", "segsweep", "notebook")
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
    """Parse arguments; be the worker or the judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="timed epochs of each loop")
    parser.add_argument("--size", type=int, default=256, help="pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--notebook", action="store_true", help="time the original's loop too")
    parser.add_argument("--worker", choices=LOOPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--double", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments)
    else:
        judge(arguments)


# The two loops


def plain_loop(data, indices, double, gradients):
    """Return a function that does one epoch and returns the losses of its steps, and the model."""
    import torch
    from torch.utils.data import DataLoader, Dataset

    from segsweep.augment import flips
    from segsweep.losses import BceLoss
    from segsweep.models.lean.reflect_conv import ReflectConv2d
    from segsweep.models.unet2 import UNet2
    from segsweep.seeding import AUGMENT, derive, drawing_from, epoch_order

    dtype = torch.float64 if double else torch.float32
    train, val = indices

    class Pairs(Dataset):
        """Images and masks, flipped where *epoch* is set."""

        def __init__(self, rows, epoch=None):
            self.rows, self.epoch, self.flip = rows, epoch, flips()

        def __len__(self):
            return len(self.rows)

        def __getitem__(self, position):
            row = self.rows[position]
            image = torch.from_numpy(data.images[row].copy()).to(dtype)
            mask = torch.from_numpy(data.masks[row].copy()).to(dtype)
            if self.epoch is not None:  # the draws that segsweep makes, for the same learning
                with drawing_from(derive(SEED, AUGMENT, self.epoch, position)):
                    image, mask = self.flip(image, mask)
            return image, mask

    class PlainUNet2(UNet2):
        """The network as it is usually written: torch's own layers, skips joined by torch.cat."""

        def __init__(self):
            super().__init__()
            self.downs = torch.nn.ModuleList(torch.nn.MaxPool2d(2) for _ in self.downs)
            self.ups = torch.nn.ModuleList(torch.nn.Upsample(scale_factor=2) for _ in self.ups)
            for module in self.modules():
                if isinstance(module, ReflectConv2d):
                    module.__class__ = torch.nn.Conv2d

        def forward(self, x):
            skips = []
            for stage, down in zip(self.encoder, self.downs, strict=True):
                skips.append(stage(x))
                x = down(skips[-1])
            x = self.bottleneck(x)
            for up, stage in zip(self.ups, self.decoder, strict=True):
                x = stage(torch.cat([up(x), skips.pop()], dim=1))
            return x

    torch.manual_seed(SEED)
    model, loss_fn = PlainUNet2().to(dtype), BceLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)

    def score(rows, batch):
        totals = []
        with torch.set_grad_enabled(gradients):
            for images, masks in DataLoader(Pairs(rows), batch_size=batch):
                predicted = model(images).sigmoid() > 0.5
                overlap = (predicted & (masks > 0.5)).sum((1, 2, 3))
                union = (predicted | (masks > 0.5)).sum((1, 2, 3))
                totals.append(overlap / union.clamp(min=1))
        return float(torch.cat(totals).mean())

    def epoch(number):
        losses = []
        model.train()
        order = epoch_order(SEED, number, len(train)).tolist()
        for images, masks in DataLoader(Pairs(train, number), batch_size=BATCH, sampler=order):
            optimizer.zero_grad()
            loss = loss_fn(model(images), masks)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            loader = DataLoader(Pairs(val), batch_size=BATCH)
            float(np.mean([loss_fn(model(images), masks).item() for images, masks in loader]))
        for rows in (train, val):
            score(rows, len(rows))
        return losses

    return epoch, model


def segsweep_loop(data, indices, double):
    """Return the same for segsweep's own functions."""
    import torch

    from segsweep.augment import flips
    from segsweep.data.batches import Batches
    from segsweep.losses import BceLoss
    from segsweep.models.unet2 import UNet2
    from segsweep.training import device
    from segsweep.training.loop import Hooks, Loop, train_epoch, validate
    from segsweep.training.state import State

    device.prepare_memory()
    dtype = torch.float64 if double else torch.float32
    torch.manual_seed(SEED)
    placement = device.choose("cpu", 0, "float32", "auto")
    model, loss_fn = device.place(UNet2().to(dtype), placement), BceLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=LR)
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0, 0)
    state = State(model, optimizer, scheduler, "epoch")
    train, val = (
        Batches(data.images, data.masks, rows, BATCH, torch.device("cpu"), placement.layout, dtype)
        for rows in indices
    )
    loop, losses = Loop(epochs=10**6, seed=SEED), []
    hooks = Hooks(save=lambda *_: None, epoch_done=lambda *_: None)

    def epoch(number):
        train_epoch(state, loss_fn, train, loop, hooks, flips())
        losses[:] = state.losses
        validate(state, loss_fn, val, loop, hooks)
        return losses

    return epoch, model


# One process per loop


def work(arguments) -> None:
    """Do an epoch for every line on standard input; answer with seconds, losses, memory."""
    import resource

    import torch

    from segsweep.data.cache import prepare
    from segsweep.data.synthetic import Synthetic

    torch.set_num_threads(arguments.threads)
    folder = Path(arguments.folder)
    size = (arguments.size, arguments.size)
    data = prepare(Synthetic(count=TRAIN + VAL, side=256), size, 3, folder)
    indices = list(range(TRAIN)), list(range(TRAIN, TRAIN + VAL))
    if arguments.worker == "segsweep":
        epoch, model = segsweep_loop(data, indices, arguments.double)
    else:
        epoch, model = plain_loop(data, indices, arguments.double, arguments.worker == "notebook")
    print("ready", flush=True)
    for number, line in enumerate(sys.stdin):
        started = time.perf_counter()
        losses = epoch(number)
        seconds = time.perf_counter() - started
        if line.strip():
            torch.save(model.state_dict(), line.strip())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"seconds": seconds, "losses": losses, "gb": peak}), flush=True)


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
        """Let it do one epoch; store its weights at *weights*."""
        self.process.stdin.write(f"{weights}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        """Let it end."""
        self.process.stdin.close()
        self.process.wait()


def judge(arguments) -> None:
    """Show that the loops learn the same, then time them in turn and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        same_learning(arguments, folder)
        loops = LOOPS if arguments.notebook else LOOPS[:2]
        workers = {loop: Worker(loop, arguments, folder) for loop in loops}
        rows = {loop: [] for loop in loops}
        for number in range(arguments.rounds + 1):
            for loop, worker in workers.items():
                row = worker.epoch()
                if number:  # the first epoch of each warms up
                    rows[loop].append(row)
        for worker in workers.values():
            worker.close()
        print_table(arguments, rows)
        print_first_step(arguments, folder)


def same_learning(arguments, folder) -> None:
    """Print the largest difference of weights (float64) and of step losses (float32)."""
    import torch

    answers, weights = {}, {}
    for double in (True, False):
        for loop in ("plain", "segsweep"):
            path = Path(folder) / f"{loop}.pt"
            size = min(arguments.size, 128) if double else arguments.size
            worker = Worker(loop, arguments, folder, double, size)
            answers[loop] = worker.epoch(path)
            worker.close()
            weights[loop] = torch.load(path, weights_only=True)
        if double:
            names = [name for name in weights["plain"] if counts(name, weights["plain"])]
            worst = max(
                float((weights["plain"][n] - weights["segsweep"][n]).abs().max()) for n in names
            )
            print(f"float64: largest difference of {len(names)} weight tensors {worst:.1e}")
    pairs = zip(answers["plain"]["losses"], answers["segsweep"]["losses"], strict=True)
    print(f"float32: largest difference of a step's loss {max(abs(a - b) for a, b in pairs):.1e}")


def counts(name, weights) -> bool:
    """Leave out biases in front of a BatchNorm (their true gradient is zero) and its statistics."""
    layer, _, kind = name.rpartition(".")
    before_norm = kind == "bias" and f"{layer[:-1]}1.running_mean" in weights
    return not before_norm and "running" not in kind and "num_batches" not in kind


def print_table(arguments, rows) -> None:
    """Print median seconds, ratio of paired epochs, and peak memory."""
    size, rounds = arguments.size, arguments.rounds
    print(f"\n{size}x{size}, {arguments.threads} threads, medians of {rounds}")
    print(f"{'loop':10} {'s/epoch':>8} {'ratio':>6} {'peak GB':>8}")
    for loop in rows:
        seconds = [row["seconds"] for row in rows[loop]]
        pairs = zip(seconds, [row["seconds"] for row in rows["segsweep"]], strict=True)
        ratio = statistics.median(a / b for a, b in pairs)
        peak = max(row["gb"] for row in rows[loop])
        print(f"{loop:10} {statistics.median(seconds):8.2f} {ratio:6.2f} {peak:8.2f}")


def print_first_step(arguments, folder) -> None:
    """Print seconds from the command to the first training step, data cached before."""
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
    print(f"\nfrom command to first training step: {statistics.median(found[1:]):.1f} s")


if __name__ == "__main__":
    main()
