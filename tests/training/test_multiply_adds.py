"""Multiply-adds of a forward pass, against hand counts and torch's own counter."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from networks import NETWORKS
from segsweep.models import kernels
from segsweep.training.multiply_adds import multiply_adds


def test_hand_count():
    """A 3x3 convolution 3 -> 8 on 16x16, batch norm, a 1x1 convolution 8 -> 1."""
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 1, 1))

    assert multiply_adds(model, torch.zeros(1, 3, 16, 16)) == 16 * 16 * (3 * 8 * 9 + 8)


@pytest.mark.parametrize("level", ["off", "fast", "memory"])
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_equals_torchs_counter(name, level):
    """The special kernels change nothing."""
    model, image = NETWORKS[name]().eval(), torch.zeros(1, 3, 32, 32)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image)
    kernels.apply(model, level)

    assert multiply_adds(model, image) == counter.get_total_flops() // 2


def test_cost_grows_with_pixels():
    """Twice the side, four times the work, for a network of convolutions alone."""
    model = nn.Conv2d(1, 1, 3, padding=1)
    small, large = (multiply_adds(model, torch.zeros(1, 1, side, side)) for side in (8, 16))

    assert large == 4 * small


def test_network_stays_as_it_was():
    """Training mode, running statistics, gradients."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    multiply_adds(model, torch.ones(1, 1, 4, 4))

    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


class Raises(nn.Module):
    """Cannot be counted."""

    def forward(self, images):
        """Raise."""
        raise NotImplementedError


@pytest.mark.parametrize("model", [Raises(), nn.ReLU()])
def test_no_figure_rather_than_a_wrong_one(model):
    """A network that raises; one without convolutions or products."""
    assert multiply_adds(model, torch.ones(1, 1, 4, 4)) is None
