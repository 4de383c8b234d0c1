"""Imported only by the fork server, for runs with model=smp: the library, imported once."""

import segmentation_models_pytorch  # noqa: F401
