"""A small network without pooling: what it sees grows by dilation."""

from torch import Tensor, nn


class RidgeNet(nn.Module):
    """Dilated convolutions. Shape: (B, in_channels, H, W) to logits (B, 1, H, W), any H and W."""

    def __init__(self, in_channels: int = 3, width: int = 16, depth: int = 4) -> None:
        super().__init__()
        if width < 1 or depth < 1:
            raise ValueError(f"width and depth must be >= 1; got {width} and {depth}")
        layers: list[nn.Module] = []
        before = in_channels
        for step in range(depth):
            reach = 2**step
            layers.append(nn.Conv2d(before, width, 3, padding=reach, dilation=reach, bias=False))
            layers += [nn.BatchNorm2d(width), nn.ReLU()]
            before = width
        self.layers = nn.Sequential(*layers, nn.Conv2d(before, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits."""
        logits: Tensor = self.layers(images)
        return logits
