"""infer.py beside an exported network: the masks of predict, without segsweep and torch."""

import json
import os
import re
import runpy
import shutil
import struct
import subprocess
import sys
import zlib
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


@pytest.mark.slow
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


def test_grey_of_16_bits_and_turned_images(infer, exported, resized, tmp_path):
    """Their masks are those of the same picture in 8 bits, as displayed."""
    picture = np.asarray(Image.open(resized.images / "photo00.png"))[..., 0]
    deep, turned = picture.astype(np.uint16) * 257, Image.Exif()
    turned[0x112] = 6  # by a quarter, clockwise
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.fromarray(np.rot90(deep)).save(tmp_path / "turned16.png", exif=turned)
    Image.fromarray(np.rot90(picture)).save(tmp_path / "turned.png", exif=turned)
    Image.fromarray(np.rot90(picture)).save(tmp_path / "turned8.tif", exif=turned)
    Image.fromarray(picture).save(tmp_path / "grey.bmp")
    names = ("deep.png", "turned16.png", "turned.png", "turned8.tif", "grey.bmp")
    predictor = segsweep.open(resized.sweep).run(exported[1].paths.root.name).predictor()
    (expected,) = predictor.predict(picture, device="cpu")

    assert 20 < expected.mask.sum() < expected.mask.size / 2
    assert infer("masks", *names) == (0, "", "")
    for name in names:
        mask = mask_at(tmp_path / f"masks/{name[:-4]}.png")
        assert mask.shape == expected.mask.shape
        assert (mask != expected.mask).mean() < 0.003, name


def test_range_of_the_data_set(exported, resized, tmp_path):
    """12 bits, as if the network was trained so."""
    folder, network = exported
    model = onnx.load(folder / "model.onnx")
    facts = json.loads(model.metadata_props[0].value)
    onnx.helper.set_model_props(model, {"segsweep": json.dumps({**facts, "range": [0, 4095]})})
    (tmp_path / "out").mkdir()
    onnx.save(model, tmp_path / "out/model.onnx")
    shutil.copy(folder / "infer.py", tmp_path / "out")
    picture = np.asarray(Image.open(resized.images / "photo00.png"))[..., 0]
    Image.fromarray(np.rint(picture / 255 * 4095).astype(np.uint16)).save(tmp_path / "a.png")
    words = [sys.executable, "out/infer.py", "masks", "a.png"]
    subprocess.run(words, cwd=tmp_path, check=True)
    predictor = segsweep.open(resized.sweep).run(network.paths.root.name).predictor()
    (expected,) = predictor.predict(picture, device="cpu")

    assert 20 < expected.mask.sum() < expected.mask.size / 2
    assert (mask_at(tmp_path / "masks/a.png") != expected.mask).mean() < 0.003


def png_of_16_bits(values: np.ndarray) -> bytes:
    """Return a PNG of 16-bit values (H, W, 2 or 3), which Pillow cannot write, by its format."""
    height, width, colours = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    kind = {2: 4, 3: 2}[colours]  # grey with alpha, or RGB

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    parts = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def bad_files(folder: Path, grey: np.ndarray) -> dict[Path, str]:
    """Write images that cannot be read, or that nobody can read without a guess; -> said."""
    deep = grey.astype(np.uint16) * 257
    tifffile.imwrite(folder / "white.tif", ~deep, photometric="miniswhite")
    tifffile.imwrite(folder / "pages.tif", np.stack([grey, grey]), photometric="minisblack")
    Image.fromarray(grey.astype(np.float32)).save(folder / "range.tif")
    Image.fromarray(deep.astype(np.int32)).save(folder / "whole.tif")
    for name, colours in (("rgb16.png", 3), ("la16.png", 2)):
        (folder / name).write_bytes(png_of_16_bits(np.stack([deep] * colours, -1)))
    (folder / "text.png").write_text("no image")
    Image.fromarray(grey).save(folder / "cut.png")
    whole = (folder / "cut.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    values = "values of more than 8 bits, or pages; use `segsweep predict`"
    said = {
        "cut.png": "runcated",
        "none.png": "No such file",
        "pages.tif": values,
        "la16.png": values,
        "range.tif": values,
        "rgb16.png": values,
        "text.png": "cannot identify image file",
        "white.tif": values,
        "whole.tif": values,
    }
    return {folder / name: words for name, words in said.items()}


def test_image_that_cannot_be_read_ends_it(exported, resized, tmp_path, monkeypatch):
    """It has no mask; images before it have theirs."""
    (tmp_path / "bad").mkdir()
    grey = np.asarray(Image.open(resized.images / "photo00.png").convert("L"))
    for number, (path, said) in enumerate(bad_files(tmp_path / "bad", grey).items()):
        out = tmp_path / f"masks{number}"
        good = str(resized.images / "photo01.png")
        monkeypatch.setattr(sys, "argv", ["infer.py", str(out), good, str(path), good])
        with pytest.raises((OSError, SystemExit), match=re.escape(said)):
            runpy.run_path(str(exported[0] / "infer.py"))
        assert [path.name for path in out.iterdir()] == ["photo01.png"], path


def test_script_is_20_lines(exported):
    """To be read and changed: one docstring, and 20 lines of code with its imports."""
    docstring, *code = (exported[0] / "infer.py").read_text(encoding="utf-8").splitlines()

    assert docstring.startswith('"""') and docstring.endswith('"""')
    assert len([line for line in code if line.strip()]) == 20


def test_no_file_is_replaced(infer, resized, tmp_path):
    """Neither a mask of another image of that name nor an image, nor an earlier mask."""
    (tmp_path / "images").mkdir()
    for name in ("a.png", "a.bmp"):
        Image.open(resized.images / "photo00.png").save(tmp_path / "images" / name)
    before = (tmp_path / "images/a.png").read_bytes()
    for words in (("masks", "images/a.png", "images/a.bmp"), ("images", "images/a.png")):
        code, out, error = infer(*words)
        assert (code, out) == (1, "")
        assert error.endswith(f"File exists: '{words[0]}/a.png'\n")
    assert (tmp_path / "images/a.png").read_bytes() == before
    assert mask_at(tmp_path / "masks/a.png").any()


def test_no_image_is_refused_in_one_line(infer):
    """What it does and its usage, and no folder."""
    code, out, error = infer("masks")

    assert (code, out) == (1, "")
    assert error.endswith("python infer.py OUT IMAGE [IMAGE ...]\n")
    assert infer() == (code, out, error)
