"""Fixtures of finished sweeps on image files."""

from trained_sweeps import here, resized, tiled

__all__ = ["here", "resized", "tiled"]
