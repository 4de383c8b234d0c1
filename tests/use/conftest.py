"""Fixtures of finished sweeps on image files, and of exported networks."""

from exported_networks import exported
from trained_sweeps import here, resized, tiled

__all__ = ["exported", "here", "resized", "tiled"]
