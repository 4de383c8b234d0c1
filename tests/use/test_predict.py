"""Masks of a folder: equal to the stored test evaluation, resumable, whatever the folder holds."""

import csv
import json
import os
import pickle
import shutil
import warnings
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from segsweep.errors import ConfigError, DataError, StoreError, WeightsError
from segsweep.store.paths import RunPaths
from segsweep.use import predict
from segsweep.use.inputs import images_in, read_image
from segsweep.use.network import Way, open_network
from segsweep.use.predict import Wanted, predict_folder
from segsweep.use.together import Together

ONE_THREAD = Way(device="cpu", threads=1)


def run_of(sweep: Path, start: str) -> RunPaths:
    """Return the run whose name begins so."""
    (found,) = (sweep / "runs").glob(f"{start}-*")
    return RunPaths(found)


def opened(sweep: Path, *starts: str, way: Way = ONE_THREAD) -> Together:
    """Return the networks of some runs."""
    return Together(tuple(open_network(run_of(sweep, start), way) for start in starts))


def mask_at(path: Path) -> np.ndarray:
    """Return a mask that was written, (H, W) bool."""
    values = np.asarray(Image.open(path))
    assert set(np.unique(values)) <= {0, 255}
    return values == 255


def counted(masks: Path, truths: Path, name: str) -> list[int]:
    """Return tp, fp, fn, tn of an image, counted by hand."""
    found, true = mask_at(masks / name), mask_at(truths / name)
    pairs = ((found, true), (found, ~true), (~found, true), (~found, ~true))
    return [int((a & b).sum()) for a, b in pairs]


def stored(run: RunPaths) -> dict[str, list[int]]:
    """Return image -> the counts of the run's test evaluation at the image's own size."""
    with run.per_image.open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    rows = [row for row in rows if row["at"] == "native"]
    return {row["image"]: [int(row[key]) for key in ("tp", "fp", "fn", "tn")] for row in rows}


def only_test_images(images: Path, names: list[str], folder: Path) -> Path:
    """Copy the named images to a folder of their own: they are batched as in the test."""
    folder.mkdir()
    for name in names:
        shutil.copy(images / f"{name}.png", folder)
    return folder


@pytest.mark.parametrize(
    ("fixture", "start"),
    [("resized", "unet2-bce-s0"), ("resized", "segnet-bce-s0"), ("tiled", "unet2-bce-s0")],
)
def test_counts_are_those_of_the_test_evaluation(fixture, start, request, tmp_path) -> None:
    """Of each test image at its own size: same machine, batch and threads."""
    trained = request.getfixturevalue(fixture)
    run = run_of(trained.sweep, start)
    expected = stored(run)
    photos = only_test_images(trained.images, [*expected], tmp_path / "photos")
    done = predict_folder(opened(trained.sweep, start), photos, tmp_path / "out", Wanted())

    assert done.predicted == len(expected) > 3
    truths = trained.folder / "photos/masks"
    found = {name: counted(tmp_path / "out/masks", truths, f"{name}.png") for name in expected}
    assert found == expected
    assert sum(tp + fp for tp, fp, _, _ in found.values()) > 0


def test_table_says_what_the_masks_and_probabilities_say(resized, tmp_path) -> None:
    """Size, area and confidence, from the files that were written."""
    together = opened(resized.sweep, "unet2-bce-s0")
    out = tmp_path / "out"
    predict_folder(together, resized.images, out, Wanted(probabilities=True, overlays=True))
    table = pd.read_csv(out / "predictions.csv")

    assert [*table["image"]] == [f"photo{number:02d}.png" for number in range(24)]
    assert table["error"].isna().all()
    for row in table.to_dict("records"):
        mask = mask_at(out / row["mask"])
        values = np.asarray(Image.open(out / "probabilities" / row["image"])) / 65535
        original = np.asarray(Image.open(resized.images / row["image"]))
        assert mask.shape == values.shape == original.shape[:2] == (row["height"], row["width"])
        assert row["area"] == mask.sum()
        assert row["share"] == pytest.approx(mask.mean(), abs=1e-6)
        assert ((values > 0.5) == mask).mean() > 0.999  # 16 bits round
        sure = np.where(mask, values, 1 - values).mean()
        assert row["confidence"] == pytest.approx(sure, abs=1e-4)


def test_overlay_has_a_line_around_the_mask(resized, tmp_path) -> None:
    """Inside and outside the image is as it was, but for JPEG's losses."""
    out = tmp_path / "out"
    predict_folder(
        opened(resized.sweep, "unet2-bce-s0"), resized.images, out, Wanted(overlays=True)
    )
    seen = 0
    for image in images_in(resized.images):
        mask = mask_at(out / "masks" / f"{image.stem}.png")
        shown = np.asarray(Image.open(out / "overlays" / f"{image.stem}.jpg")).astype(int)
        original = np.asarray(Image.open(image.path)).astype(int)
        far = ~mask & ~np.roll(mask, 8, 0) & ~np.roll(mask, -8, 0)
        far &= ~np.roll(mask, 8, 1) & ~np.roll(mask, -8, 1)
        assert np.abs(shown - original)[far].mean() < 25
        if mask.sum() > 50:
            red = shown[..., 0] - shown[..., 2]
            assert red[mask].max() > 100
            seen += 1
    assert seen > 5


def test_ensemble_is_the_mean_of_probabilities(resized, tmp_path) -> None:
    """Of two networks, to the precision of the files."""
    starts = ("unet2-bce-s0", "segnet-bce-s1")
    means = []
    for number, own in enumerate(((starts[0],), (starts[1],), starts)):
        out = tmp_path / str(number)
        predict_folder(opened(resized.sweep, *own), resized.images, out, Wanted(probabilities=True))
        values = [
            np.asarray(Image.open(out / f"probabilities/photo{image:02d}.png")) / 65535
            for image in range(24)
        ]
        means.append(values)

    for first, second, both in zip(*means, strict=True):
        assert np.abs((first + second) / 2 - both).max() < 2e-5
    assert any(np.abs(a - b).max() > 0.01 for a, b in zip(means[0], means[1], strict=True))


@pytest.mark.parametrize("fixture", ["resized", "tiled"])
def test_flips_make_a_network_blind_to_flips(fixture, request) -> None:
    """The prediction of a mirrored image is the mirrored prediction."""
    trained = request.getfixturevalue(fixture)
    way = Way(device="cpu", threads=1, flips=True)
    together = opened(trained.sweep, "unet2-bce-s0", way=way)
    plain = opened(trained.sweep, "unet2-bce-s0")
    image = np.asarray(Image.open(trained.images / "photo03.png"))  # 32 x 32: resizing is none

    def found(networks: Together, values: np.ndarray) -> np.ndarray:
        (probability,) = networks.probabilities([networks.prepare(np.ascontiguousarray(values))])
        assert isinstance(probability, np.ndarray)
        return probability

    for turned in (np.fliplr, np.flipud):
        assert found(together, turned(image)) == pytest.approx(
            turned(found(together, image)), abs=1e-5
        )
        assert np.abs(found(plain, turned(image)) - turned(found(plain, image))).max() > 1e-4


def test_tiles_on_request_keep_the_images_size(resized, tmp_path) -> None:
    """Smaller and larger images than a tile; one of a tile's size is seen as it is resized."""
    way = Way(device="cpu", threads=1, tile=True)
    predict_folder(
        opened(resized.sweep, "unet2-bce-s0", way=way), resized.images, tmp_path / "tiles", Wanted()
    )
    predict_folder(
        opened(resized.sweep, "unet2-bce-s0"), resized.images, tmp_path / "plain", Wanted()
    )
    for image in images_in(resized.images):
        tiles, plain = (
            mask_at(tmp_path / kind / "masks" / image.name) for kind in ("tiles", "plain")
        )
        assert tiles.shape == plain.shape == Image.open(image.path).size[::-1]
        if tiles.shape == (32, 32):
            assert (tiles == plain).all()


def test_same_command_goes_on_where_it_was_stopped(resized, tmp_path) -> None:
    """Images that were done stay; those that changed, or lost a file, are predicted again."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    shutil.copytree(resized.images, photos)
    together = opened(resized.sweep, "unet2-bce-s0")

    def kill(done: int, total: int) -> None:
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict_folder(together, photos, out, Wanted(), kill)
    with (out / "predictions.csv").open("a") as file:
        file.write("photo20.png,masks/pho")  # what a kill leaves of a row
    done = predict_folder(together, photos, out, Wanted())
    assert (done.before, done.predicted) == (7, 17)
    whole = pd.read_csv(out / "predictions.csv").drop(columns="modified")

    (out / "masks/photo03.png").unlink()
    (photos / "photo04.png").touch()
    again = predict_folder(together, photos, out, Wanted())
    assert (again.before, again.predicted) == (22, 2)
    assert pd.read_csv(out / "predictions.csv").drop(columns="modified").equals(whole)
    more = predict_folder(together, photos, out, Wanted(probabilities=True))
    assert (more.before, more.predicted) == (0, 24)


def test_bad_images_cost_their_rows_only(resized, tmp_path) -> None:
    """Each is told in a line and tried again by the next command."""
    photos, said = tmp_path / "photos", []
    shutil.copytree(resized.images, photos)
    for number, content in (
        (2, b""),
        (5, b"x" * 99),
        (9, (photos / "photo09.png").read_bytes()[:200]),
    ):
        (photos / f"photo{number:02d}.png").write_bytes(content)
    (photos / "notes.txt").write_text("no image")
    together = opened(resized.sweep, "unet2-bce-s0")
    done = predict_folder(together, photos, tmp_path / "out", Wanted(), say=said.append)
    table = pd.read_csv(tmp_path / "out/predictions.csv").set_index("image")

    assert (done.predicted, len(done.failed)) == (21, 3)
    assert [*table.index[table["error"].notna()]] == [f"photo0{n}.png" for n in (2, 5, 9)]
    assert "empty file, 0 bytes" in said[0]
    assert all("\n" not in line for line in said)
    shutil.copy(resized.images / "photo02.png", photos / "photo02.png")
    again = predict_folder(together, photos, tmp_path / "out", Wanted(), say=said.append)
    assert (again.before, again.predicted, len(again.failed)) == (21, 1, 2)


@contextmanager
def as_nobody():
    """Do without the rights of root, which may read any folder."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_folder_without_permission_costs_its_line(resized) -> None:
    """Named with the reason, the others predicted; once it may be read, its images are too."""
    said = []
    with TemporaryDirectory() as place:  # pytest's own folders are closed to others
        together = opened(shutil.copytree(resized.sweep, Path(place, "main")), "unet2-bce-s0")
        photos, out, closed = (Path(place, name) for name in ("photos", "out", "photos/closed"))
        shutil.copytree(resized.images, photos)
        shutil.copytree(resized.images, closed)
        out.mkdir()
        for folder, rights in ((Path(place), 0o755), (photos, 0o755), (out, 0o777), (closed, 0)):
            folder.chmod(rights)
        with as_nobody():
            done = predict_folder(together, photos, out, Wanted(), say=said.append)
            closed_itself = pytest.raises(DataError, match="closed: cannot be read: Permission")
            with closed_itself:
                images_in(closed)
        assert (done.predicted, [*done.failed]) == (24, ["closed"])
        assert said == [f"{closed}: cannot be read: Permission denied"]
        closed.chmod(0o755)
        again = predict_folder(together, photos, out, Wanted(), say=said.append)
        assert (again.before, again.predicted, again.failed) == (24, 24, {})
        assert "closed" not in set(pd.read_csv(out / "predictions.csv")["image"])


def test_name_that_is_not_text_costs_its_line(resized, tmp_path) -> None:
    """A file and a folder whose names are not UTF-8; the images after them are predicted."""
    photos, said = tmp_path / "photos", []
    (photos / os.fsdecode(b"caf\xe9")).mkdir(parents=True)
    source = resized.images / "photo00.png"
    for name in (os.fsdecode(b"bad\xff.png"), os.fsdecode(b"caf\xe9/a.png"), "z.png"):
        shutil.copy(source, photos / name)
    together = opened(resized.sweep, "unet2-bce-s0")
    done = predict_folder(together, photos, tmp_path / "out", Wanted(), say=said.append)
    table = pd.read_csv(tmp_path / "out/predictions.csv").set_index("image")

    assert said == [
        f"{photos}/{name}: its name is not UTF-8; rename it"
        for name in (r"bad\xff.png", r"caf\xe9/a.png")
    ]
    assert done.predicted == 1
    assert list(table.index[table["error"].isna()]) == ["z.png"]


def test_files_that_need_a_key_of_a_data_set(resized, tmp_path) -> None:
    """A command of prediction has no such key, so that none is advised."""
    photos, said = tmp_path / "photos", []
    photos.mkdir()
    tifffile.imwrite(
        photos / "pages.tif", np.zeros((2, 40, 40), np.uint8), photometric="minisblack"
    )
    tifffile.imwrite(photos / "range.tif", np.full((40, 40), 99, np.float32))
    predict_folder(
        opened(resized.sweep, "unet2-bce-s0"), photos, tmp_path / "out", Wanted(), say=said.append
    )

    assert said[0] == f"{photos}/pages.tif: has 2 pages: save each as a file of its own"
    assert said[1].startswith(f"{photos}/range.tif: values out of range: 99.0 to 99.0")
    assert said[1].endswith(": save it with 8 or 16 bits")


def test_other_networks_do_not_write_among_masks(resized, tmp_path) -> None:
    """Nor do other settings, nor is a folder continued of which nobody knows the networks."""
    out = tmp_path / "out"
    predict_folder(opened(resized.sweep, "unet2-bce-s0"), resized.images, out, Wanted())
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    flips = Way(device="cpu", threads=1, flips=True)
    others = (
        opened(resized.sweep, "unet2-bce-s1"),
        opened(resized.sweep, "unet2-bce-s0", way=flips),
    )
    for together in others:
        with pytest.raises(
            StoreError, match=r"predictions by other networks or settings \((runs|flips)"
        ):
            predict_folder(together, resized.images, out, Wanted())
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    (out / "predictions.json").write_text("{")
    with pytest.raises(StoreError, match="missing or damaged"):
        predict_folder(opened(resized.sweep, "unet2-bce-s0"), resized.images, out, Wanted())


def test_images_of_a_folder(tmp_path) -> None:
    """In folders too, hidden ones and results left out; names are unique without their endings."""
    names = (
        "a.png",
        "a.jpg",
        "b.TIF",
        "c.nii.dcm",
        "sub/a.png",
        ".hidden/x.png",
        "out/masks/a.png",
        "before/predictions.json",
        "before/overlays/a.png",
        "d.txt",
    )
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = {one.name: one.stem for one in images_in(tmp_path, tmp_path / "out")}

    assert found == {
        "a.jpg": "a.jpg",
        "a.png": "a.png",
        "b.TIF": "b",
        "c.nii.dcm": "c.nii",
        "sub/a.png": "sub/a",
    }


@pytest.mark.parametrize(
    "names",
    [
        ("a.jpg", "a.png", "a.jpg.bmp"),
        ("a.png", "A.jpg"),
        ("a.png", "A.png", "A.png-2.png"),
        ("x.bmp", "x.png/a.png", "x.jpg/a.png"),
        ("a.bmp", "a.bmp.png", "a.bmp.png.tif", "a.tif"),
    ],
)
def test_no_two_images_have_the_same_mask(tmp_path, names) -> None:
    """Whatever they are called, also where a disk ignores the case of letters."""
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    stems = {one.name: one.stem for one in images_in(tmp_path)}

    assert {*stems} == {*names}
    assert len({stem.casefold() for stem in stems.values()}) == len(names)
    folders = {str(Path(name).parent) for name in names}
    assert not folders & {f"{stem}{end}" for stem in stems.values() for end in (".png", ".jpg")}


@pytest.mark.parametrize(
    ("images", "out"),
    [("photos", "photos"), ("photos", "link"), ("link", "photos"), ("old/masks", "old")],
)
def test_results_do_not_lie_among_the_images(tmp_path, images, out) -> None:
    """They would be images of the next command, or replace them."""
    for name in ("photos/a.png", "old/masks/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "link").symlink_to("photos")
    with pytest.raises(ConfigError, match="would lie among the images"):
        images_in(tmp_path / images, tmp_path / out)


def test_masks_of_others_are_not_replaced(resized, tmp_path) -> None:
    """The folder above images is often that of their true masks."""
    shutil.copytree(resized.folder / "photos", tmp_path / "photos")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    with pytest.raises(StoreError, match="masks: holds other files"):
        predict_folder(
            opened(resized.sweep, "unet2-bce-s0"),
            tmp_path / "photos/images",
            tmp_path / "photos",
            Wanted(),
        )
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_mask_belongs_to_one_version_of_its_image(resized, tmp_path) -> None:
    """An image that replaces another is predicted, however old it is."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    names = [f"photo{number:02d}.png" for number in range(3)]
    only_test_images(resized.images, [name.removesuffix(".png") for name in names], photos)
    together = opened(resized.sweep, "unet2-bce-s0")
    predict_folder(together, photos, out, Wanted())
    shutil.copy2(resized.images / "photo08.png", photos / "photo01.png")
    os.utime(photos / "photo01.png", (0, 0))
    done = predict_folder(together, photos, out, Wanted())
    assert (done.before, done.predicted) == (2, 1)
    predict_folder(together, photos, tmp_path / "new", Wanted())
    for name in names:
        assert (mask_at(out / f"masks/{name}") == mask_at(tmp_path / f"new/masks/{name}")).all()

    (photos / "photo00.png").rename(photos / "photo00.bmp")  # its mask was that of a .png
    Image.open(photos / "photo02.png").save(photos / "photo00.tif")
    done = predict_folder(together, photos, out, Wanted())
    assert (done.before, done.predicted) == (2, 2)
    table = pd.read_csv(out / "predictions.csv", dtype=str)
    table.drop(columns=["bytes", "modified"]).to_csv(out / "predictions.csv", index=False)
    assert predict_folder(together, photos, out, Wanted()).before == 0  # by an older version


def test_folder_without_images(tmp_path) -> None:
    """One line each: no folder, a file, nothing in it."""
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    for name, said in (
        ("none", "no such folder"),
        ("file", "not a folder"),
        ("empty", "no image in it"),
    ):
        with pytest.raises(DataError, match=said):
            images_in(tmp_path / name)


def test_checkpoints_that_cannot_be_used(resized, tmp_path) -> None:
    """Removed, random bytes, another network's, or a pickle: training again makes new ones."""
    shutil.copytree(resized.sweep, tmp_path / "outputs/main")
    run = run_of(tmp_path / "outputs/main", "unet2-bce-s0")
    (file,) = run.checkpoints.glob("best-*.pt")
    other = next(run_of(resized.sweep, "segnet-bce-s0").checkpoints.glob("best-*.pt"))
    plain = pickle.dumps({"weight": 1.0}, protocol=4)
    for content in (b"random" * 99, evil(tmp_path / "executed"), plain, plain[:9], b""):
        file.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(WeightsError, match=r"best-\d+.pt: cannot be read"):
                open_network(run, ONE_THREAD)
    assert not (tmp_path / "executed").exists()
    shutil.copy(other, file)
    with pytest.raises(WeightsError, match="not the weights of this run's network"):
        open_network(run, ONE_THREAD)
    file.unlink()
    with pytest.raises(WeightsError, match="its weights were removed"):
        open_network(run, ONE_THREAD)


def evil(target: Path) -> bytes:
    """Return a checkpoint whose pickle makes a folder when it is loaded."""
    import io
    import os

    import torch

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(target),)

    buffer = io.BytesIO()
    torch.save({"weight": Evil()}, buffer)
    return buffer.getvalue()


def test_config_cannot_allow_itself_anything(resized, tmp_path) -> None:
    """A sweep from somebody else whose config names another class."""
    shutil.copytree(resized.sweep, tmp_path / "outputs/main")
    run = run_of(tmp_path / "outputs/main", "unet2-bce-s0")
    text = run.config.read_text().replace("segsweep.models.unet2.UNet2", "os.system")
    run.config.write_text(text.replace("allow: []", "allow: [os]"))
    from segsweep.errors import SegsweepError

    with pytest.raises(SegsweepError, match=r"os\.system|option"):
        open_network(run, ONE_THREAD)


def test_trained_in_half_precision_on_a_gpu(resized, tmp_path) -> None:
    """A CPU has no such precision: the network computes in one that it has."""
    shutil.copytree(resized.sweep, tmp_path / "outputs/main")
    run = run_of(tmp_path / "outputs/main", "unet2-bce-s0")
    text = run.config.read_text()
    assert "\n  precision: float32\n" in text
    run.config.write_text(text.replace("\n  precision: float32\n", "\n  precision: float16\n"))
    values = json.loads(run.environment.read_text())
    run.environment.write_text(json.dumps({**values, "device": "cuda:0", "precision": "float16"}))

    assert open_network(run, ONE_THREAD).placement.precision in ("float32", "bfloat16")


def test_image_that_changes_before_its_overlay_costs_a_line(resized, tmp_path, monkeypatch) -> None:
    """It is read twice; the second time one is gone and one has another size."""
    first, second, third = sorted(resized.images.iterdir())[:3]
    folder = tmp_path / "images"
    folder.mkdir()
    for path in (first, second, third):
        shutil.copy(path, folder)

    def changing(path, decoding):
        if path.name == first.name:
            raise DataError(f"{path}: gone")
        return read_image(path, decoding)[path.name == second.name :]

    monkeypatch.setattr(predict, "read_image", changing)
    together = opened(resized.sweep, "unet2-bce-s0")
    predict_folder(together, folder, tmp_path / "out", Wanted(overlays=True))
    table = pd.read_csv(tmp_path / "out/predictions.csv", keep_default_na=False)
    errors = table.set_index("image")["error"]

    assert errors[first.name].endswith(": gone")
    assert errors[second.name].endswith(": changed its size while it was predicted")
    assert errors[third.name] == ""
    assert [path.name for path in (tmp_path / "out/masks").iterdir()] == [third.name]


def test_settings_know_the_tiles_of_every_network() -> None:
    """One number where they are alike, as before; else one for each network."""

    def said(*tiles):
        networks = [
            SimpleNamespace(
                paths=RunPaths(Path("outputs/main/runs") / str(at)),
                tiling=None if tile is None else SimpleNamespace(tile=tile),
                flips=False,
            )
            for at, tile in enumerate(tiles)
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(predict, "file_digest", lambda path: "0" * 64)
            return predict.settings_of(SimpleNamespace(networks=networks, threshold=0.5))["tile"]

    assert said(None, None) is None
    assert said((64, 64), (64, 64)) == [64, 64]
    assert said((64, 64), None) == [[64, 64], None]


def test_settings_name_the_networks(resized, tmp_path) -> None:
    """predictions.json: runs, threshold, version."""
    predict_folder(
        opened(resized.sweep, "unet2-bce-s0"), resized.images, tmp_path / "out", Wanted()
    )
    said = json.loads((tmp_path / "out/predictions.json").read_text())

    assert said["runs"] == [run_of(resized.sweep, "unet2-bce-s0").root.name]
    assert (said["sweep"], said["threshold"], said["tile"], said["flips"]) == (
        "main",
        0.5,
        None,
        False,
    )


def test_nothing_of_an_older_image_stays(resized, tmp_path) -> None:
    """Not its probabilities or overlay if only masks are wanted now; nothing of a broken file."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    only_test_images(resized.images, ["photo00", "photo01"], photos)
    together = opened(resized.sweep, "unet2-bce-s0")
    predict_folder(together, photos, out, Wanted(probabilities=True, overlays=True))
    Image.open(photos / "photo00.png").rotate(90, expand=True).save(photos / "photo00.png")
    (photos / "photo01.png").write_bytes(b"no image")
    predict_folder(together, photos, out, Wanted())

    assert {path.name for path in out.rglob("*.*") if path.is_file()} == {
        *("photo00.png", "predictions.csv", "predictions.json", ".predict.lock")
    }
    again = predict_folder(together, photos, out, Wanted(probabilities=True, overlays=True))
    assert again.predicted == 1
    size = Image.open(photos / "photo00.png").size
    for name in ("masks/photo00.png", "probabilities/photo00.png", "overlays/photo00.jpg"):
        assert Image.open(out / name).size == size


def test_long_name_is_a_name(resized, tmp_path) -> None:
    """As long as a file system allows: predicted like others."""
    name = "ä" * 125 + ".png"
    (tmp_path / "photos").mkdir()
    shutil.copy(resized.images / "photo00.png", tmp_path / "photos" / name)
    together = opened(resized.sweep, "unet2-bce-s0")
    done = predict_folder(together, tmp_path / "photos", tmp_path / "out", Wanted())

    assert done.predicted == 1
    assert [path.name for path in (tmp_path / "out/masks").iterdir()] == [name]


def test_whole_numbers_of_an_array_mean_what_they_mean_in_a_file(resized, tmp_path) -> None:
    """The range that a data set names applies to an array as to the file it was read from."""
    together = opened(resized.sweep, "unet2-bce-s0")
    together.networks[0].config.data.source["range"] = [0, 4095]
    values = np.random.default_rng(0).integers(0, 4096, (20, 30), dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    from_file = together.read(tmp_path / "deep.png")

    for array in (values, (values / 4095).astype(np.float32)):
        for key, seen in together.prepare(array).inputs.items():
            assert seen == pytest.approx(from_file.inputs[key], abs=2e-5)  # rounded to 16 bits
