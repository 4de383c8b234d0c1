"""Imported by the fork server alone: what every run would otherwise do for itself, done once."""

import torch
from PIL import Image
from skimage import transform  # noqa: F401  loads its parts late
from torch.utils import serialization  # noqa: F401
from torchvision import tv_tensors  # noqa: F401
from torchvision.transforms import v2  # noqa: F401

from segsweep import augment, execute, losses, preview, schedulers  # noqa: F401
from segsweep.config import coerce
from segsweep.data import check, folder, ph2, synthetic  # noqa: F401
from segsweep.environment import git_commit
from segsweep.models import segnet, unet, unet2, unet3  # noqa: F401
from segsweep.sweep import steps, worker  # noqa: F401

torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])  # the first one imports the compiler
Image.preinit()
coerce("warm", 1, int)
git_commit()
