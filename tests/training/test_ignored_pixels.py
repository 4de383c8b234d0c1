"""Ignored pixels teach nothing: other labels there, or images cut to the rest, train the same."""

import pytest
import torch
from torch import nn

from loss_cases import LOSSES
from networks import NETWORKS, SMALL, seeded
from segsweep.data.batches import Batch
from segsweep.training.loop import Loop, train_step
from segsweep.training.state import State

STEPS = 2


def batches(garbage: bool, count: int = STEPS) -> list[Batch]:
    """Return batches of noise; *garbage*: with other labels where pixels are ignored."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for _ in range(count):
        images = torch.rand((2, 3, 16, 16), generator=generator)
        masks = (torch.rand((2, 1, 16, 16), generator=generator) < 0.4).float()
        valid = torch.rand((2, 1, 16, 16), generator=generator) < 0.7
        masks = torch.where(valid, masks, 1 - masks if garbage else 0)
        made.append(Batch(images, masks, valid))
    return made


def trained(model: nn.Module, loss: nn.Module, given: list[Batch]) -> list[torch.Tensor]:
    """Return a model's weights and buffers after a step on each batch, and the losses."""
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0, 0)
    state = State(model, optimizer, scheduler, "step")
    seen = [train_step(state, loss, batch, Loop(epochs=1)) for batch in given]
    return [*seen, *model.state_dict().values()]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("network", NETWORKS)
def test_labels_under_ignored_pixels_change_no_weight(network, loss):
    """Two steps of every network with every loss end bit-identical."""
    first, second = (
        trained(seeded(NETWORKS[network], 3, SMALL), LOSSES[loss], batches(garbage))
        for garbage in (False, True)
    )
    fresh = seeded(NETWORKS[network], 3, SMALL).state_dict().values()

    assert all(map(torch.equal, first, second))
    assert not all(map(torch.equal, first[STEPS:], fresh))


@pytest.mark.parametrize("loss", LOSSES)
def test_a_network_of_single_pixels_learns_as_from_images_cut_to_what_counts(loss):
    """A 1x1 convolution sees no neighbours; the region that counts is of whole blocks of `ss`."""
    whole, cut = [], []
    for images, masks, _ in batches(garbage=True, count=5):
        valid = torch.zeros_like(masks, dtype=torch.bool)
        valid[..., :8, :11] = True
        whole.append(Batch(images, masks, valid))
        cut.append(Batch(images[..., :8, :11], masks[..., :8, :11]))
    one, other = (trained(seeded(nn.Conv2d, 3, 1, 1), LOSSES[loss], x) for x in (whole, cut))

    for ours, theirs in zip(one, other, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_a_batch_in_which_nothing_counts_has_no_gradient():
    """Its loss is 0, not 0/0."""
    (batch,) = batches(garbage=True, count=1)
    nothing = batch._replace(valid=torch.zeros_like(batch.valid))
    for loss in LOSSES.values():
        model = seeded(nn.Conv2d, 3, 1, 1)
        value, *_ = trained(model, loss, [nothing])

        assert value == 0
        assert not any(one.grad.any() for one in model.parameters())
