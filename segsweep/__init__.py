"""segsweep: which segmentation model, loss and learning rate is best on your images."""

__version__ = "0.1.0"
