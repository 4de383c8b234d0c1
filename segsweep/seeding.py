"""All random numbers of a run, derived from its one seed.

Five independent streams: initial weights, order of images, augmentation, what the network draws
in training (dropout), and where images are cropped. The trials of a search have a seed from a sixth
stream, of the seed of the search. Order, augmentation and crops depend only on
seed, epoch and image: every cell of a sweep gets the same ones, and a resumed run continues with
them. torch is imported by what needs it: a command whose runs are finished counts crops without.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

WEIGHTS, ORDER, AUGMENT, TRAINING, CROP, SEARCH = range(6)


def derive(seed: int, *path: int) -> int:
    """Return a 63-bit seed for a stream of *seed*; *path* is the stream, then epoch and image."""
    words = np.random.SeedSequence([seed, *path]).generate_state(2, np.uint32)
    return (int(words[0]) << 31) ^ int(words[1])


def seed_everything(seed: int) -> None:
    """Seed python, numpy and torch (all devices)."""
    import torch

    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def epoch_order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    """Return the order in which *epoch* visits *count* images."""
    return np.random.default_rng(derive(seed, ORDER, epoch)).permutation(count)


@contextmanager
def drawing_from(seed: int) -> Iterator[None]:
    """Seed torch's CPU generator with *seed* in the block and restore its state afterwards."""
    import torch

    state = torch.get_rng_state()
    torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed the GPUs
    try:
        yield
    finally:
        torch.set_rng_state(state)
