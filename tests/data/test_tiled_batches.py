"""Tiles put together again are the whole image; crops are the same in every cell."""

import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference
from numpy.random import default_rng
from torch import nn

from segsweep.augment import flips
from segsweep.data.batches import Batches
from segsweep.data.native import NativeFile, NativeImages, NativeMasks, as_shares, native_bytes
from segsweep.data.tiled_batches import TiledBatches
from segsweep.data.tiles import Tiling

CPU = torch.device("cpu")
SIZES = [(40, 33), (16, 16), (9, 50), (7, 5), (31, 64), (17, 16)]
TILE = (16, 16)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Return random images of many sizes, masks that follow from them, and their file."""
    folder = tmp_path_factory.mktemp("native")
    images = [
        default_rng(k).integers(0, 256, (*s, 3)).astype(np.uint8) for k, s in enumerate(SIZES)
    ]
    masks = [image[..., 0] > 128 for image in images]
    parts = [native_bytes(*pair) for pair in zip(images, masks, strict=True)]
    (folder / "native.bin").write_bytes(b"".join(parts))
    file = NativeFile(folder / "native.bin", SIZES, 3, list(map(len, parts)))
    return images, masks, file


def tiled(file, indices=range(6), batch=3, tile=TILE, overlap=0.25, crops=None, **options):
    """Return the batches of a part."""
    tiling = Tiling(tile, overlap, crops)
    images, masks = NativeImages(file), NativeMasks(file)
    return TiledBatches(images, masks, [*indices], batch, CPU, tiling=tiling, **options)


def follows(batch):
    """Whether masks fit their images: above 128 of 255 in the first channel."""
    return torch.equal(batch.masks, (batch.images[:, :1] * 255 > 128.5).float())


def same(ones, others):
    """Whether two lists of batches are equal to the last bit."""
    pairs = zip(ones, others, strict=True)
    return all(
        torch.equal(a, b) for one, two in pairs for a, b in zip(one[:2], two[:2], strict=True)
    )


def test_in_order_gives_whole_images(stored):
    """Each in its own batch, at its own size."""
    images, masks, file = stored
    found = list(tiled(file).in_order())

    assert [tuple(batch.images.shape) for batch in found] == [(1, 3, *size) for size in SIZES]
    for batch, image, mask in zip(found, images, masks, strict=True):
        np.testing.assert_array_equal(batch.images[0], as_shares(image).transpose(2, 0, 1))
        np.testing.assert_array_equal(batch.masks[0, 0].bool(), mask)


def test_steps_count_crops(stored):
    """As many crops as cover each image: 9, 1, 4, 1, 8, 2; whole batches only."""
    batches = tiled(stored[2], batch=4)

    assert batches.count == 25
    assert batches.steps() == 6
    assert len(list(batches.shuffled(0, 0, None))) == 6
    assert tiled(stored[2], crops=2).count == 12


def test_crops_are_parts_of_their_images(stored):
    """Every crop of an epoch is found in an image, mirrored where that is smaller than a tile."""
    images, _, file = stored
    enlarged = [
        np.pad(image, [(0, max(0, 16 - side)) for side in image.shape[:2]] + [(0, 0)], "symmetric")
        for image in images
    ]
    windows = {
        np.ascontiguousarray(
            as_shares(one[top : top + 16, left : left + 16]).transpose(2, 0, 1)
        ).tobytes(): index
        for index, one in enumerate(enlarged)
        for top in range(one.shape[0] - 15)
        for left in range(one.shape[1] - 15)
    }
    seen = []
    for batch in tiled(file, batch=5).shuffled(3, 1, None):
        assert batch.images.shape == (5, 3, 16, 16)
        assert follows(batch)
        seen += [windows[image.numpy().tobytes()] for image in batch.images]

    assert np.bincount(seen).tolist() == [9, 1, 4, 1, 8, 2]


def test_start_skips_batches_without_a_trace(stored):
    """Going on in the middle of an epoch: the same crops with the same flips."""
    whole = list(tiled(stored[2]).shuffled(7, 3, flips()))
    np.random.seed(5)
    torch.manual_seed(5)

    assert len(whole) == 8
    for start in range(9):
        assert same(tiled(stored[2]).shuffled(7, 3, flips(), start), whole[start:])


def test_epochs_and_seeds_differ(stored):
    """Other places of the same images."""
    first, *others = (
        torch.cat([batch.images for batch in tiled(stored[2], [0]).shuffled(seed, epoch, None)])
        for seed, epoch in [(0, 0), (0, 1), (1, 0)]
    )

    assert all(not torch.equal(first, other) for other in others)


def test_crops_do_not_depend_on_the_batch(stored):
    """Cells of another batch size cut the same crops in the same order."""
    by_batch = [
        torch.cat([batch.images for batch in tiled(stored[2], batch=size).shuffled(1, 2, None)])
        for size in (1, 3, 4)
    ]

    assert all(torch.equal(one[:24], by_batch[0][:24]) for one in by_batch)


class Counting(nn.Module):
    """A network of 1 x 1 convolutions; it notes how many images it gets, and of which size."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        layers = nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 1, 1)
        self.layers, self.seen = nn.Sequential(*layers), []

    def forward(self, x):
        """Return the logits."""
        self.seen.append(tuple(x.shape))
        return self.layers(x)


@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.9])
@pytest.mark.parametrize("tile", [(16, 16), (8, 24), (5, 3), (64, 64)])
@torch.inference_mode()
def test_pointwise_network_sees_the_whole_image(stored, tile, overlap):
    """Tiles put together are what the network makes of the whole image, whatever its size."""
    model = Counting()
    batches = tiled(stored[2], tile=tile, overlap=overlap)
    for batch in batches.in_order():
        found = batches.logits(model, batch.images)

        assert found.shape == batch.masks.shape
        torch.testing.assert_close(found, model.layers(batch.images), rtol=1e-5, atol=1e-6)
    assert {shape[1:] for shape in model.seen} == {(3, *tile)}
    assert max(shape[0] for shape in model.seen) <= 3


@pytest.mark.parametrize("kind", [torch.float64, torch.bfloat16])
@torch.inference_mode()
def test_precision_of_the_sum(stored, kind):
    """Float64 stays so; what a network says in bfloat16 is added up in float32."""
    batches = tiled(stored[2])
    image = next(batches.in_order()).images
    model = Counting().to(kind)
    found = batches.logits(lambda tiles: model(tiles.to(kind)), image)

    assert found.dtype == (torch.float64 if kind == torch.float64 else torch.float32)


@pytest.mark.parametrize(("mode", "overlap"), [("constant", 0.25), ("constant", 0.5)])
@torch.inference_mode()
def test_same_grid_as_monai(stored, monkeypatch, mode, overlap):
    """With equal weights for all pixels of a tile, a network that looks around gives the same."""
    torch.manual_seed(0)
    model = nn.Conv2d(3, 1, 5, padding=2)
    batches = tiled(stored[2], [0, 4], overlap=overlap)
    monkeypatch.setattr(Tiling, "weights", lambda self: np.ones(self.tile, np.float32))
    for batch in batches.in_order():
        expected = sliding_window_inference(
            batch.images, TILE, 3, model, overlap=overlap, mode=mode
        )
        found = batches.logits(model, batch.images)

        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)


def test_weights_favour_the_middle_of_tiles(stored):
    """Of two tiles that say 0 and 1, the nearer one counts more, changing evenly in between."""
    batches = tiled(stored[2], [1], tile=(16, 8), overlap=0.5)
    said = iter([0.0, 1.0, 0.0])

    def model(tiles):
        return torch.cat([torch.full((1, 1, 16, 8), next(said)) for _ in tiles])

    found = batches.logits(model, torch.zeros(1, 3, 16, 16))[0, 0, 5]

    assert found[:4].tolist() == [0] * 4
    np.testing.assert_allclose(found[4:8], [0.2, 0.4, 0.6, 0.8], rtol=1e-6)
    np.testing.assert_allclose(found[8:12], [0.8, 0.6, 0.4, 0.2], rtol=1e-6)


def test_channels_last(stored):
    """Tiles come in the memory layout that the network computes in."""
    batches = tiled(stored[2], memory_format=torch.channels_last)
    seen = []
    image = next(batches.in_order()).images
    batches.logits(lambda x: seen.append(x) or x[:, :1], image)

    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in seen)
    assert all(
        batch.images.is_contiguous(memory_format=torch.channels_last)
        for batch in batches.shuffled(0, 0, None)
    )


def test_images_of_one_tile_are_trained_like_resized_ones(stored):
    """An image that is exactly a tile gives the batch that an array of it gives."""
    images, masks, file = stored
    array = as_shares(images[1]).transpose(2, 0, 1)[None], masks[1].astype(np.uint8)[None, None]
    plain = Batches(*array, [0], 1, CPU)

    assert same(tiled(file, [1], 1).shuffled(3, 4, flips()), plain.shuffled(3, 4, flips()))
    assert same(tiled(file, [1], 1).in_order(), plain.in_order())


def test_pictures_have_one_size(stored):
    """Whatever the images': each in the middle of a white frame."""
    batches = tiled(stored[2])
    frames = [batches.drawn(batch.images[0].numpy()) for batch in batches.in_order()]

    assert {frame.shape for frame in frames} == {(3, 40, 64)}
    assert (frames[3][:, 0] == 1).all()


def test_other_devices(stored):
    """Images, tiles and their sum are on the device of the batches; meta has shapes alone."""
    file = stored[2]
    tiling, meta = Tiling((16, 16)), torch.device("meta")
    batches = TiledBatches(NativeImages(file), NativeMasks(file), [0, 3], 2, meta, tiling=tiling)
    model = nn.Conv2d(3, 1, 1, device=meta)
    for batch in batches.in_order():
        found = batches.logits(model, batch.images)

        assert found.device == meta
        assert found.shape == batch.masks.shape
    assert next(batches.shuffled(0, 0, None)).images.device == meta


def test_ignored_pixels_go_with_their_crops(tmp_path):
    """In training and evaluation; a crop without a pixel that counts is one of them."""
    random = default_rng(3)
    labels = random.integers(0, 3, (40, 24)).astype(np.uint8)
    labels[:, 12:] = 2
    image = np.repeat(labels[..., None] * 100, 3, 2).astype(np.uint8)
    part = native_bytes(image, labels)
    (tmp_path / "native.bin").write_bytes(part)
    file = NativeFile(tmp_path / "native.bin", [(40, 24)], 3, [len(part)])
    batches = tiled(file, [0], 4, (8, 8), ignores=True)
    seen = [*batches.shuffled(0, 0, flips()), *batches.in_order()]

    assert len(seen) == 3 + 1  # 15 crops, whole batches of 4 only
    for batch in seen:
        stored = (batch.images[:, :1] * 2.55).round()
        assert torch.equal(batch.valid, stored != 2)
        assert torch.equal(batch.masks, (stored == 1).float())
    assert any(not valid.any() for batch in seen for valid in batch.valid)
