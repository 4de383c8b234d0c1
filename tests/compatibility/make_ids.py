"""Write `ids_0_1_0.json`: the runs that commands ask for, as the code of a checkout names them.

    python tests/compatibility/make_ids.py CHECKOUT TARGET

A run's folder ends with its id. The commands only plan; they name each option of each group
of `conf/`, and each key that can change numbers.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SMALL = ("data.count=24", "data.side=32", "data.size=32", "trainer.batch=4")
SIX = ("data.size=32", "data.split.train=2", "data.split.val=2", "data.split.test=2")
PH2 = ("data.root=ph2", *SIX, "trainer.batch=2")
FOLDER = ("data=folder", "data.images=images", "data.masks=masks", *SIX, "trainer.batch=2")
COMMANDS: dict[str, tuple[str, ...]] = {
    "default": (),
    "models": ("model=segnet,unet,unet2,unet3,fcn,deeplabv3,lraspp", *SMALL),
    "torchvision": ("model=fcn,deeplabv3", "model.backbone=resnet50,resnet101", *SMALL),
    "losses": (
        "loss=bce,bce_ss,dice,dice_bce,focal,focal_lin,focal_tversky,jaccard,lovasz,soft_dice,ss,"
        "tversky",
        *SMALL,
    ),
    "loss arguments": ("loss=focal_lin", "loss.gamma=0,1.5,3", "loss.alpha=null,0.25", *SMALL),
    "overlap of a batch": ("loss=soft_dice,tversky", "loss.batch=true", "loss.smooth=2", *SMALL),
    "optimizers": ("optimizer=adamw,adam,sgd", "optimizer.lr=0.01,1", *SMALL),
    "optimizer arguments": ("optimizer=sgd", "optimizer.nesterov=false,true", *SMALL),
    "schedulers": ("scheduler=none,cosine,onecycle,plateau", *SMALL),
    "scheduler arguments": ("scheduler=onecycle", "scheduler.pct_start=0.2,0.3", *SMALL),
    "augmentation": ("augment=none,flips,dermoscopy", *SMALL),
    "augmentation arguments": ("augment=dermoscopy", "augment.degrees=0,45", *SMALL),
    "trainers": ("trainer=default,quick,notebook", *SMALL),
    "trainer": (
        *("trainer.epochs=3", "trainer.averaging=0,0.9", "trainer.clip_norm=null,1"),
        *("trainer.early_stop=null,5", *SMALL),
    ),
    "precision": ("trainer.precision=auto,float32,bfloat16", *SMALL),
    "no identity": (
        *("threads=1", "device=cpu", "keep=both", "slots=2", "trainer.preview_every=0"),
        *("trainer.memory_format=contiguous", "trainer.checkpoint_every_steps=2", *SMALL),
        "evaluate.at=train",
    ),
    "evaluation": (
        *("threshold=0.5,0.6", "evaluate.select=val_iou,val_score,val_loss"),
        *("evaluate.empty=one,skip", *SMALL),
    ),
    "seeds": ("seed=0,1,7", "model=unet2,segnet", "loss=bce,dice", *SMALL),
    "trial": ("kind=trial", "search.filled=[optimizer.lr]", "optimizer.lr=0.00123", *SMALL),
    "channels": ("model=unet3", "model.channels=[4,4],[8,16,32]", "data.channels=1,3", *SMALL),
    "sizes": ("data.size=32,64,[32,48]", "data.count=24", "data.side=32", "trainer.batch=4"),
    "drawn images": ("data.difficulty=0,1", "data.seed=0,5", *SMALL),
    "splits": (
        *("data.split.seed=1,42", "data.split.keep_groups=true,false", "data.split.val=0.2"),
        *SMALL,
    ),
    "folds": ("data.split.fold=0,1,2", "data.split.folds=3", *SMALL),
    "split file": ("data.split.file=split.csv", *FOLDER),
    "ph2": ("data=ph2", *PH2, "data.channels=1,3"),
    "folder": FOLDER,
    "folder arguments": (
        *(*FOLDER, "data.foreground=half,[0]", "data.invert=false,true"),
        *("data.groups_file=null,groups.csv",),
    ),
    "notebook": ("experiment=notebook", *PH2, "model=segnet,unet,unet2,unet3", "loss=bce,ss"),
    "demo": ("experiment=demo", "model=segnet,unet2", "loss=bce,dice"),
}
"""Name -> the words of a command, which is also its sweep's name."""


def words_of(name: str) -> list[str]:
    """Return the whole command line that plans the runs of a command."""
    return ["-m", "plan=true", "preflight=false", f"sweep={name}", *COMMANDS[name]]


def write_data(folder: Path) -> None:
    """Write the images that the commands name, in formats whose bytes no library decides."""
    from PIL import Image

    from fake_data import blob, write_ph2

    write_ph2(folder / "ph2")
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for index in range(6):
        image, mask = blob(index)
        Image.fromarray(image).save(folder / f"images/case{index}.bmp")
        Image.fromarray(mask).save(folder / f"masks/case{index}.bmp")
    groups = "".join(f"case{index},{'abcd'[index // 2]}\n" for index in range(6))
    (folder / "groups.csv").write_text(f"id,group\n{groups}")
    parts = ("train", "train", "val", "val", "test", "test")
    split = "".join(f"case{index},{part}\n" for index, part in enumerate(parts))
    (folder / "split.csv").write_text(f"id,split\n{split}")


def runs_of(folder: Path, name: str) -> list[str]:
    """Return the names of the run folders that a command planned."""
    return sorted(run.name for run in (folder / "outputs" / name / "runs").iterdir())


def main(checkout: Path, target: Path) -> None:
    """Plan every command with the checkout's code and write the names of its runs."""
    sys.path.insert(0, str(checkout / "tests"))
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_data(folder)
        for name in COMMANDS:
            command = [sys.executable, "-m", "segsweep.train", *words_of(name)]
            subprocess.run(command, cwd=folder, env=environment, check=True)
            found[name] = runs_of(folder, name)
    text = json.dumps(found, indent=1)
    (target / "ids_0_1_0.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*(Path(word).resolve() for word in sys.argv[1:3]))
