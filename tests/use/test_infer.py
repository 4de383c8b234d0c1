"""infer.py beside an exported network: the masks of predict, without segsweep and torch."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import tifffile
from PIL import Image

import segsweep
from exported_networks import opened
from segsweep.use.export import export_network


@pytest.fixture
def infer(exported, tmp_path):
    """Return a function that calls infer.py: (exit code, stdout, stderr)."""

    def call(*words):
        command = [sys.executable, str(exported[0] / "infer.py"), *map(str, words)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    return call


def mask_at(path: Path) -> np.ndarray:
    """Return a mask that was written, (H, W) bool."""
    return np.asarray(Image.open(path)) == 255


def test_infer_makes_the_masks_of_predict(exported, resized, tmp_path):
    """In a Python that has no segsweep and no torch; images of every size."""
    folder, network = exported
    images = sorted(resized.images.iterdir())[:8]
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')")
    (tmp_path / "segsweep.py").write_text("raise ImportError('no segsweep here')")
    words = [sys.executable, "-P", str(folder / "infer.py"), str(tmp_path / "masks")]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    subprocess.run([*words, *map(str, images)], env=environment, cwd=tmp_path, check=True)
    predictor = segsweep.open(resized.sweep).run(network.paths.root.name).predictor()
    foreground = 0
    for path, expected in zip(images, predictor.predict(images, device="cpu"), strict=True):
        mask = np.asarray(Image.open(tmp_path / "masks" / path.name))
        assert set(np.unique(mask)) <= {0, 255}
        assert ((mask == 255) != expected.mask).mean() < 0.002
        foreground += int(expected.mask.sum())
    assert foreground > 500


def test_infer_of_a_network_for_tiles(tiled, tmp_path, monkeypatch):
    """It sees whole images at their own size: nearly what overlapping tiles say."""
    monkeypatch.chdir(tiled.folder)
    folder = tmp_path / "out"
    export_network(opened(tiled), "onnx", folder)
    images = sorted(tiled.images.iterdir())[:4]
    words = [sys.executable, str(folder / "infer.py"), str(tmp_path / "masks"), *map(str, images)]
    subprocess.run(words, cwd=tmp_path, check=True)
    for path in images:
        (expected,) = segsweep.open(tiled.sweep).best().predict(path, device="cpu")
        mask = np.asarray(Image.open(tmp_path / "masks" / path.name)) == 255
        assert mask.shape == expected.mask.shape
        assert (mask != expected.mask).mean() < 0.05


def deep_files(folder: Path, picture: np.ndarray) -> list[Path]:
    """Write a grey picture of 8 bits in all that holds more; each is the same picture."""
    deep = picture.astype(np.uint16) * 257
    turned = Image.Exif()
    turned[0x112] = 6  # by a quarter, clockwise
    stored = Image.fromarray(np.rot90(deep))
    Image.fromarray(deep).save(folder / "deep.png")
    stored.save(folder / "turned.png", exif=turned)
    stored.save(folder / "turned16.tif", exif=turned)
    tifffile.imwrite(folder / "big.tif", deep, byteorder=">")
    tifffile.imwrite(folder / "white.tif", ~deep, photometric="miniswhite")
    Image.fromarray(deep.astype(np.int32)).save(folder / "whole.tif")
    Image.fromarray((deep / 65535).astype(np.float32)).save(folder / "shares.tif")
    with tifffile.TiffWriter(folder / "thumbnail.tif") as file:
        file.write(deep)
        file.write(deep[::4, ::4], subfiletype=1)
    return sorted(folder.iterdir())


def test_more_than_8_bits(infer, exported, resized, tmp_path):
    """Whatever holds the picture, its mask is that of the same picture in 8 bits."""
    (tmp_path / "deep").mkdir()
    picture = np.asarray(Image.open(resized.images / "photo00.png"))[..., 0]
    files = deep_files(tmp_path / "deep", picture)
    predictor = segsweep.open(resized.sweep).run(exported[1].paths.root.name).predictor()
    (expected,) = predictor.predict(picture, device="cpu")

    assert infer("masks", *files) == (0, "", "")
    assert len(files) == 8
    assert 20 < expected.mask.sum() < expected.mask.size / 2
    for file in files:
        mask = mask_at(tmp_path / f"masks/{file.stem}.png")
        assert mask.shape == expected.mask.shape
        assert (mask != expected.mask).mean() < 0.003, file.name


def test_page_and_range_of_the_data_set(exported, resized, tmp_path):
    """The second page, with 12 bits, is the picture; as if the network was trained so."""
    folder, network = exported
    model = onnx.load(folder / "model.onnx")
    facts = json.loads(model.metadata_props[0].value)
    onnx.helper.set_model_props(
        model, {"segsweep": json.dumps({**facts, "page": 2, "range": [0, 4095]})}
    )
    (tmp_path / "out").mkdir()
    onnx.save(model, tmp_path / "out/model.onnx")
    shutil.copy(folder / "infer.py", tmp_path / "out")
    picture = np.asarray(Image.open(resized.images / "photo00.png"))[..., 0]
    deep = np.rint(picture / 255 * 4095).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", np.stack([deep[::-1], deep]), photometric="minisblack")
    words = [sys.executable, "out/infer.py", "masks", "a.tif"]
    subprocess.run(words, cwd=tmp_path, check=True)
    predictor = segsweep.open(resized.sweep).run(network.paths.root.name).predictor()
    (expected,) = predictor.predict(picture, device="cpu")

    assert 20 < expected.mask.sum() < expected.mask.size / 2
    assert (mask_at(tmp_path / "masks/a.png") != expected.mask).mean() < 0.003


def bad_files(folder: Path, colours: np.ndarray) -> dict[Path, str]:
    """Write images that cannot be read, or that nobody can read without a guess; -> said."""
    deep = colours.astype(np.uint16) * 257
    grey = deep[..., 0]
    tifffile.imwrite(folder / "deep.tif", deep, photometric="rgb")
    planes = np.moveaxis(deep, 2, 0)
    tifffile.imwrite(folder / "planes.tif", planes, photometric="rgb", planarconfig="separate")
    tifffile.imwrite(folder / "pages.tif", np.stack([grey, grey]), photometric="minisblack")
    tifffile.imwrite(folder / "stack.tif", np.stack([grey, grey]), imagej=True)
    Image.fromarray(grey.astype(np.float32)).save(folder / "range.tif")
    (folder / "text.png").write_text("no image")
    whole = (folder / "deep.tif").read_bytes()
    (folder / "cut.tif").write_bytes(whole[: len(whole) // 2])
    said = {
        "cut.tif": "",
        "deep.tif": "16-bit colour",
        "pages.tif": "has 2 pages",
        "planes.tif": "16-bit colour",
        "range.tif": "not 0 to 1",
        "stack.tif": "a stack of images",
        "text.png": "not an image",
        "none.png": "No such file",
    }
    return {folder / name: words for name, words in said.items()}


def test_bad_images_cost_a_line_each(infer, resized, tmp_path):
    """The images after them have their masks; exit code 1."""
    (tmp_path / "bad").mkdir()
    bad = bad_files(tmp_path / "bad", np.asarray(Image.open(resized.images / "photo00.png")))
    code, out, error = infer("masks", *bad, resized.images / "photo01.png")

    assert (code, out) == (1, "")
    for line, (path, said) in zip(error.splitlines(), bad.items(), strict=True):
        assert line.startswith(f"{path}: {said}" if said != "not 0 to 1" else f"{path}: values")
        assert said in line
    assert [path.name for path in (tmp_path / "masks").iterdir()] == ["photo01.png"]


def test_every_image_has_a_mask_of_its_own(infer, resized, tmp_path):
    """Names that differ in their endings, in their folder, or in nothing but their case."""
    names = ("a.png", "a.bmp", "a.bmp.tif", "other/a.png", "B.png", "b.bmp", "c.png")
    for name in names:
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.open(resized.images / "photo00.png").save(tmp_path / "images" / name)
    words = [f"images/{name}" for name in names]
    code, out, error = infer("masks", *words, "images/c.png")
    found = dict(line.split(": ") for line in out.splitlines())

    assert (code, error) == (0, "")
    assert {*found} == {*words} - {"images/c.png"}  # the others have the names of their images
    assert len({mask.lower() for mask in found.values()}) == len(names) - 1
    assert {*found.values(), "masks/c.png"} == {
        f"masks/{path.name}" for path in (tmp_path / "masks").iterdir()
    }


def test_refused_in_one_line(infer, resized, tmp_path):
    """No image; a folder in which a mask would replace its image."""
    usage = (2, "", "usage: python infer.py OUT IMAGE [IMAGE ...]\n")
    assert infer() == infer("masks") == usage
    (tmp_path / "images").mkdir()
    shutil.copy(resized.images / "photo00.png", tmp_path / "images")
    before = (tmp_path / "images/photo00.png").read_bytes()
    code, out, error = infer("images", "images/photo00.png")

    assert (code, out, error.count("\n")) == (2, "", 1)
    assert "holds the images themselves" in error
    assert (tmp_path / "images/photo00.png").read_bytes() == before
