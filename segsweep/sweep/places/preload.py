"""Imported only by the fork server: the modules that every run needs, imported once."""

import encodings.utf_8_sig  # noqa: F401  of tables that a user gives
import importlib
import pkgutil

import torch
from PIL import Image, ImageDraw, ImageFont
from skimage import transform  # noqa: F401  loads its parts late
from skimage.measure import approximate_polygon, find_contours  # noqa: F401
from torch.utils import serialization  # noqa: F401
from torchvision import tv_tensors  # noqa: F401
from torchvision.transforms import v2  # noqa: F401

from segsweep import augment, data, losses, models, schedulers  # noqa: F401
from segsweep.config.validate import coerce
from segsweep.sweep.planning import probe  # noqa: F401
from segsweep.sweep.processes import worker  # noqa: F401
from segsweep.training import multiply_adds, preview, run  # noqa: F401
from segsweep.training.environment import git_commit

for package in (data, losses, models):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))])  # the first one imports the compiler
Image.preinit()
ImageDraw.Draw(Image.new("L", (9, 9))).text((0, 0), "a", font=ImageFont.load_default(12))
coerce("seed", 1, int)  # loads and builds its validator
git_commit()
