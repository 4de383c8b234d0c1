"""One seed for everything random, without state that a kill could lose.

Three streams come from the run's seed: initial weights, order of images, augmentation.
Order and augmentation are functions of (seed, epoch, image), so that every cell of a
sweep sees the same draws and a resumed run draws what it would have drawn.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray

WEIGHTS, ORDER, AUGMENT, TRAINING = range(4)


def derive(seed: int, *path: int) -> int:
    """Return a 63-bit seed for the stream at *path* below *seed*."""
    words = np.random.SeedSequence([seed, *path]).generate_state(2, np.uint32)
    return (int(words[0]) << 31) ^ int(words[1])


def seed_everything(seed: int) -> None:
    """Seed python, numpy and torch (all devices)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def epoch_order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """Return the order in which *epoch* visits *count* images."""
    return np.random.default_rng(derive(seed, ORDER, epoch)).permutation(count)


@contextmanager
def drawing_from(seed: int) -> Iterator[None]:
    """Let torch's CPU generator draw from *seed* in the block, and put its state back after."""
    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed the GPUs too
    try:
        yield
    finally:
        torch.set_rng_state(state)
