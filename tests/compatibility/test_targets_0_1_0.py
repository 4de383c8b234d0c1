"""Class paths in the frozen configs of segsweep 0.1.0 still lead to their classes."""

from pathlib import Path

import pytest
import yaml

from segsweep.config.targets import locate
from segsweep.system.installation import conf_folder

TARGETS = {
    "augment=dermoscopy": "segsweep.augment.dermoscopy",
    "augment=flips": "segsweep.augment.flips",
    "augment=none": "segsweep.augment.none",
    "data=folder": "segsweep.data.folder.Folder",
    "data=ph2": "segsweep.data.ph2.PH2",
    "data=synthetic": "segsweep.data.synthetic.Synthetic",
    "loss=bce": "segsweep.losses.BceLoss",
    "loss=bce_ss": "segsweep.losses.BceSsLoss",
    "loss=dice": "segsweep.losses.DiceLoss",
    "loss=dice_bce": "segsweep.losses.DiceBceLoss",
    "loss=focal": "segsweep.losses.FocalLoss",
    "loss=focal_lin": "segsweep.losses.FocalLinLoss",
    "loss=focal_tversky": "segsweep.losses.FocalTverskyLoss",
    "loss=jaccard": "segsweep.losses.JaccardLoss",
    "loss=lovasz": "segsweep.losses.LovaszLoss",
    "loss=soft_dice": "segsweep.losses.SoftDiceLoss",
    "loss=ss": "segsweep.losses.SsLoss",
    "loss=tversky": "segsweep.losses.TverskyLoss",
    "model=deeplabv3": "segsweep.models.torchvision_nets.deeplabv3",
    "model=fcn": "segsweep.models.torchvision_nets.fcn",
    "model=lraspp": "segsweep.models.torchvision_nets.lraspp",
    "model=segnet": "segsweep.models.segnet.SegNet",
    "model=unet": "segsweep.models.unet.UNet",
    "model=unet2": "segsweep.models.unet2.UNet2",
    "model=unet3": "segsweep.models.unet3.UNet3",
    "optimizer=adam": "torch.optim.Adam",
    "optimizer=adamw": "torch.optim.AdamW",
    "optimizer=sgd": "torch.optim.SGD",
    "scheduler=cosine": "torch.optim.lr_scheduler.CosineAnnealingLR",
    "scheduler=none": "torch.optim.lr_scheduler.ConstantLR",
    "scheduler=onecycle": "segsweep.schedulers.onecycle",
    "scheduler=plateau": "torch.optim.lr_scheduler.ReduceLROnPlateau",
}
"""All that a frozen config of 0.1.0 can name without a class of the user's own."""
NODES = ("model", "loss", "optimizer", "scheduler", "augment", "data")
CONFIGS = sorted((Path(__file__).parent / "sweep_0_1_0" / "runs").glob("*/config.yaml"))


@pytest.mark.parametrize("option", TARGETS)
def test_class_is_where_it_was(option):
    """A class that moves leaves its name behind, in a module that configs may name."""
    target = TARGETS[option]
    found = locate(target)

    assert found.__name__ == target.rpartition(".")[2]


@pytest.mark.parametrize("option", TARGETS)
def test_option_still_means_that_class(option):
    """A frozen config whose class is not its option's is refused, because ids go by options."""
    group, _, name = option.partition("=")
    node = yaml.safe_load((conf_folder() / group / f"{name}.yaml").read_text())

    assert node["_target_"] == TARGETS[option]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.parent.name)
def test_frozen_configs_name_these_classes(path):
    """What a run stored, read from the file itself; the failed loss is a user's own class."""
    config = yaml.safe_load(path.read_text())
    named = {f"{node}={config['choices'][node]}": config[node]["_target_"] for node in NODES}
    own = {"loss=raises": "trouble.Trouble"}

    assert named.items() <= (TARGETS | own).items()


def test_stored_configs_are_found():
    """An empty walk would be a test that passes."""
    assert len(CONFIGS) == 9
