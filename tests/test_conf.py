"""Every option file of conf/ is composed, checked, built and used."""

import re
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image

from conftest import compose_here
from fake_data import blob, write_ph2
from segsweep.config.check import check_config
from segsweep.config.run_config import RunConfig
from segsweep.config.targets import build
from segsweep.system.installation import conf_folder
from segsweep.training.build import build_optimizer, build_scheduler
from segsweep.training.check_built import check_built

CONF = conf_folder()
README = Path(__file__).resolve().parents[1] / "README.md"
FILES = sorted(path.relative_to(CONF) for path in CONF.rglob("*.yaml"))
OPTIONS = [(path.parent.as_posix(), path.stem) for path in FILES if path.parent.name]
GROUPS = {"model", "loss", "optimizer", "scheduler", "data", "augment", "trainer", "experiment"}
TORCH_CALLS_IT = {"plateau": "reducelronplateau", "none": "constantlr"}
"""Schedulers whose option name differs from torch's class name."""


def names(group):
    """Return the option names of a group."""
    return [name for folder, name in OPTIONS if folder == group]


WRITTEN = {"ph2": 6, "folder": 3}
"""Data sets that `places` writes: their number of images."""
DATA = [
    name
    for name in names("data")
    if name in WRITTEN or "???" not in (CONF / f"data/{name}.yaml").read_text(encoding="utf-8")
]
"""Data sets that can be opened here; another one that needs files is tested in its own file."""


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Write data sets; return `group=option` -> the overrides that point to them."""
    root = tmp_path_factory.mktemp("data")
    write_ph2(root / "ph2")
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    for index in range(3):
        image, mask = blob(index)
        Image.fromarray(image).save(root / f"images/case {index}.png")
        Image.fromarray(mask).save(root / f"masks/case {index}.png")
    ph2 = (f"data.root={root / 'ph2'}",)
    folder = (f"data.images={root / 'images'}", f"data.masks={root / 'masks'}")
    of_ph2 = dict.fromkeys(("data=ph2", "experiment=notebook", "experiment=best"), ph2)
    return {**of_ph2, "data=folder": folder}


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Limit torch to one thread: tiny networks are slower with more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def checked(*overrides):
    """Return the checked config of a command line."""
    config = check_config(*compose_here(*overrides))
    check_built(RunConfig.of(config))
    return config


def small(chosen, places=None):
    """Return the checked config of one option, at 32 pixels unless an experiment sets the size."""
    size = [] if chosen.startswith("experiment") else ["data.size=32"]
    return checked(chosen, *size, *(places or {}).get(chosen, ()))


def test_every_group_is_found():
    """The parametrized tests below see at least 30 options, and every group."""
    assert len(OPTIONS) >= 30
    assert {group for group, _ in OPTIONS} >= GROUPS
    assert {"segnet", "unet", "unet2", "unet3"} <= set(names("model"))
    assert {"bce", "dice", "focal", "ss", "bce_ss"} <= set(names("loss"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "name"), [(g, n) for g, n in OPTIONS if g != "data" or n in DATA]
)
def test_every_option_composes_and_is_checked(places, group, name):
    """`group=option` is a complete command line once the data's folder is given."""
    config = small(f"{group}={name}", places)

    assert config["choices"].get(group, name) == name
    assert "???" not in str(config)


@pytest.mark.parametrize("group", sorted(GROUPS))
def test_readme_lists_every_option(group):
    """Its table "What you can choose": the last word of each item, what is in brackets aside."""
    (row,) = re.findall(rf"^\| `{group}` \| (.*) \|$", README.read_text("utf-8"), re.MULTILINE)
    listed = [item.split()[-1] for item in re.split("[,;]", re.sub(r"\(.*?\)", "", row))]

    assert sorted(listed) == sorted(names(group)), f"README.md, What you can choose: {group}"


@pytest.mark.parametrize("path", FILES, ids=str)
def test_every_file_opens_with_what_it_is(path):
    """The first line, after Hydra's own directive, is a comment that describes the option."""
    lines = (CONF / path).read_text(encoding="utf-8").splitlines()
    first = lines[1] if lines[0].startswith("# @package") else lines[0]

    assert first.startswith("# ")
    assert len(first.split()) > 3
    assert max(map(len, lines)) <= 100


@pytest.mark.parametrize(
    ("group", "name"),
    [(g, n) for g, n in OPTIONS if g in GROUPS - {"trainer", "experiment"}],
)
def test_file_stem_is_the_name_in_code(group, name):
    """The option name and the class name match: `loss=bce_ss` is `BceSsLoss`."""
    target = yaml.safe_load((CONF / group / f"{name}.yaml").read_text())["_target_"]
    word = TORCH_CALLS_IT.get(name, name) if group == "scheduler" else name

    assert target.rpartition(".")[2].lower().replace("_", "").startswith(word.replace("_", ""))


@pytest.mark.parametrize("name", DATA)
def test_every_key_of_the_data_can_be_set_from_the_command_line(places, name):
    """Keys that the schema gives every data set need no `+`, so that folds can be swept."""
    keys = ("size=64", "channels=1", "split.seed=1", "split.train=0.6", "split.val=0.2")
    more = ("split.test=0.2", "split.keep_groups=false", "split.folds=3", "split.fold=2")
    words = [f"data.{key}" for key in (*keys, *more, "split.file=null", "split.given=false")]
    data = checked(f"data={name}", *places.get(f"data={name}", ()), *words)["data"]

    assert (data["size"], data["channels"]) == (64, 1)
    assert data["split"] == {
        **{"seed": 1, "train": 0.6, "val": 0.2, "test": 0.2},
        **{"keep_groups": False, "folds": 3, "fold": 2, "file": None, "given": False},
    }


@pytest.mark.parametrize("name", names("model"))
def test_every_model_gives_a_logit_per_pixel(name):
    """A batch of grey images gives logits of the same height and width, in training mode.

    They are of both signs: a network that ends with a sigmoid gives none below 0.
    """
    torch.manual_seed(0)
    model = build("model", compose_here(f"model={name}", "data.channels=1")[0]["model"]).train()
    with torch.no_grad():
        logits = model(torch.rand(2, 1, 32, 48))
        of_noise = model(100 * torch.randn(2, 1, 32, 48))

    assert logits.shape == (2, 1, 32, 48)
    assert logits.isfinite().all()
    assert of_noise.min() < 0 < of_noise.max(), "the model must return logits, without activation"


@pytest.mark.parametrize("name", names("loss"))
def test_every_loss_falls_as_the_prediction_improves(name):
    """The loss is a scalar with finite gradients, lower for a right prediction than a wrong one."""
    loss_fn = build("loss", small(f"loss={name}")["loss"])
    target = torch.zeros(2, 1, 12, 12)
    target[..., 3:9, 4:10] = 1
    right = (6 * target - 3).requires_grad_()
    loss = loss_fn(right, target)
    loss.backward()

    assert loss.shape == ()
    assert right.grad.isfinite().all()
    assert loss.item() < loss_fn(3 - 6 * target, target).item()


@pytest.mark.parametrize("name", names("optimizer"))
def test_every_optimizer_goes_downhill(name):
    """One step on p squared moves p towards 0, with the config's learning rate."""
    weight = torch.nn.Parameter(torch.ones(1))
    config = small(f"optimizer={name}")
    optimizer = build_optimizer(config["optimizer"], [weight], ())
    weight.square().sum().backward()
    optimizer.step()

    assert optimizer.param_groups[0]["lr"] == config["optimizer"]["lr"]
    assert 0.5 < weight.item() < 1


def lrs(name, steps=20, loss=1.0):
    """Return the learning rates of a run of *steps* whose validation loss is constant."""
    config = checked(f"scheduler={name}", "optimizer=sgd", "optimizer.lr=0.5", "data.size=32")
    optimizer = build_optimizer(config["optimizer"], [torch.nn.Parameter(torch.ones(1))], ())
    scheduler = build_scheduler(config["scheduler"], optimizer, config["optimizer"], steps, ())
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*([loss] if config["scheduler"]["every"] == "val_loss" else []))
    return rates


@pytest.mark.parametrize("name", names("scheduler"))
def test_every_scheduler_steps_through_a_run(name):
    """It accepts every step of the run and never exceeds the optimizer's learning rate."""
    rates = lrs(name)

    assert len(rates) == 20
    assert all(0 < rate <= 0.5 + 1e-12 for rate in rates)


def test_schedulers_do_what_their_files_say():
    """By hand: constant; half a cosine; up for 10 % and down; halved at a plateau."""
    cosine, up_and_down, plateau = lrs("cosine"), lrs("onecycle"), lrs("plateau")

    assert lrs("none") == [0.5] * 20
    assert cosine[10] == pytest.approx(0.25)
    assert cosine == sorted(cosine, reverse=True)
    assert up_and_down[0] == pytest.approx(0.5 / 25)
    assert max(up_and_down) == up_and_down[1] == pytest.approx(0.5)
    assert up_and_down[-1] == pytest.approx(0.5 / 25 / 1e4)
    assert (
        plateau == [0.5] * 12 + [0.25] * 8
    )  # epoch 1 is best, 10 without improvement pass, the next halves


@pytest.mark.parametrize("name", names("augment"))
def test_every_augmentation_keeps_an_image_and_its_mask(name):
    """Image in [0, 1], mask in {0, 1}, same sizes; `none` gives no function."""
    augment = build("augment", small(f"augment={name}")["augment"])
    image, mask = torch.rand(3, 16, 16), (torch.rand(1, 16, 16) > 0.5).float()
    torch.manual_seed(0)
    pairs = [augment(image, mask) for _ in range(5)] if augment else [(image, mask)]

    assert (augment is None) == (name == "none")
    for changed, moved in pairs:
        assert (changed.shape, moved.shape) == (image.shape, mask.shape)
        assert 0 <= changed.min() <= changed.max() <= 1
        assert set(moved.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("name", DATA)
def test_every_data_set_is_found_and_read(places, name):
    """Samples are sorted by id, have no errors, and each image has its mask."""
    config = small(f"data={name}", places)
    source = build("data", RunConfig.of(config).data.source)
    samples, problems = source.find()
    pixels = source.read(samples[0])

    assert len(samples) == WRITTEN.get(name, len(samples)) > 0
    assert [sample.id for sample in samples] == sorted({sample.id for sample in samples})
    assert [problem for problem in problems if problem.level == "error"] == []
    assert pixels.image.shape == (*pixels.mask.shape, 3)
    assert 0 < pixels.mask.mean() < 1


def test_notebook_is_the_original_experiment(places):
    """It has the original settings: 256 pixels, 100/50/50 by seed 42, cut at logit 0.5."""
    config = small("experiment=notebook", places)

    assert RunConfig.of(config).data.height_width == (256, 256)
    assert (
        config["data"]["split"] | {"seed": 42, "train": 100, "val": 50, "test": 50}
        == (config["data"]["split"])
    )
    assert (config["trainer"]["epochs"], config["trainer"]["batch"]) == (200, 25)
    assert torch.tensor(config["threshold"]).logit().item() == pytest.approx(0.5)
