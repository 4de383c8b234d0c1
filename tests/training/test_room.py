"""Networks that cannot fit into memory are refused without building them."""

import pytest
import torch
from torch import nn

from command import refusal, train_here
from segsweep.errors import ConfigError
from segsweep.training import room
from segsweep.training.room import Step, large_output


def wide(width):
    """Return a function that builds two 1x1 convolutions over *width* channels."""
    return lambda: nn.Sequential(nn.Conv2d(3, width, 1), nn.Conv2d(width, 1, 1))


def test_small_networks_are_left_to_a_real_pass():
    """Nothing is known and nothing refused."""
    assert large_output("net", wide(8), Step((64, 64), 3, 4)) is None


@pytest.mark.parametrize(("free_gb", "fits"), [(2.71, False), (2.73, True)])
def test_largest_layer_is_counted(free_gb, fits, monkeypatch):
    """Batch 10 of 1000 x 1000: the first layer reads 3 and writes 65 values of 4 bytes a pixel."""
    monkeypatch.setattr(room, "SMALL_VALUES", 0)
    monkeypatch.setattr(room, "available_memory_mb", lambda: free_gb * 1000**3 / 2**20)
    step = Step((1000, 1000), 3, 10)
    if fits:
        model, shape = large_output("net", wide(65), step)
        assert shape == (1, 1, 1000, 1000)
        assert next(model.parameters()).is_meta
    else:
        with pytest.raises(ConfigError, match=r"model=net with data.size=1000 x 1000.*2\.7 GB"):
            large_output("net", wide(65), step)


def test_weights_are_counted(monkeypatch):
    """A layer of 100,000 x 100,000 weights and its gradients: 80 GB; nothing is allocated."""
    monkeypatch.setattr(room, "available_memory_mb", lambda: 70e9 / 2**20)
    with pytest.raises(ConfigError, match=r"at least 80\.0 GB"):
        large_output("net", lambda: nn.Linear(100_000, 100_000), Step((8, 8), 3, 1))


def test_network_that_reads_numbers_is_left_to_a_real_pass():
    """It cannot be built without numbers."""

    class Reads(nn.Module):
        def __init__(self):
            super().__init__()
            self.width = int(torch.ones(1).item())

    assert large_output("net", Reads, Step((30000, 30000), 3, 10)) is None


def test_runs_that_cannot_fit_are_refused_in_equal_words(monkeypatch):
    """Free memory changes from moment to moment; lines that differ in it would not be merged."""
    left = iter((3e9, 2e9, 1e9))
    monkeypatch.setattr(room, "available_memory_mb", lambda: next(left) / 2**20)
    step = Step((30_000, 30_000), 3, 10)
    said = []
    for _ in range(2):
        with pytest.raises(ConfigError) as refused:
            room._raise_if_short("unet2", 1e12, step)
        said.append(str(refused.value))

    assert said[0] == said[1]
    assert "3.0 GB free" in said[0]


@pytest.mark.parametrize("words", [(), ("-m", "plan=true"), ("-m", "loss=bce,dice")])
@pytest.mark.parametrize("size", [30_000, 100_000])
def test_a_command_refuses_it_in_one_line(size, words, monkeypatch, tmp_path, capsys):
    """Before anything is decoded, measured or written."""
    code = train_here([*words, f"data.size={size - size % 16}"], monkeypatch, tmp_path)
    captured = capsys.readouterr()
    line = refusal((code, captured.out, captured.err))

    assert line.startswith("not enough memory for model=unet2 with data.size=")
    assert "use a smaller data.size" in line
    assert list(tmp_path.iterdir()) == []
