"""Batches and the seeds behind them: the same images and draws whatever happened before."""

import random
from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from segsweep import seeding
from segsweep.augment import dermoscopy, flips
from segsweep.data.batches import Batch, Batches
from segsweep.errors import ConfigError

QUICK = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
CPU = torch.device("cpu")
INDICES = [1, 2, 4, 5, 7, 8, 9, 11]
"""Eight of twelve images belong to the part."""


def part(batch=3, device=CPU, indices=INDICES, **options):
    """Return batches of images that hold nothing but their row's number, masks likewise."""
    rows = np.arange(12)
    images = np.broadcast_to(rows[:, None, None, None] / 16, (12, 3, 4, 6)).astype(np.float32)
    masks = np.broadcast_to(rows[:, None, None, None] % 2, (12, 1, 4, 6)).astype(np.uint8)
    return Batches(images, masks, indices, batch, device, **options)


def rows_of(images):
    """Return which rows these images are."""
    return (16 * images[:, 0, 0, 0]).round().int().tolist()


def noisy(image, mask):
    """Add a draw to every pixel, and turn the mask over at random."""
    return image + torch.rand_like(image), mask ^ torch.randint(0, 2, (1,), dtype=torch.uint8)


def same(ones, others):
    """Whether two lists of batches are equal to the last bit."""
    for one, other in zip(ones, others, strict=True):
        for a, b in zip(one, other, strict=True):
            if (a is None) != (b is None) or (a is not None and not torch.equal(a, b)):
                return False
    return True


def test_in_order_covers_all():
    """Every image of the part once, sorted, the incomplete last batch included."""
    batches = list(part().in_order())

    assert [rows_of(images) for images, *_ in batches] == [[1, 2, 4], [5, 7, 8], [9, 11]]
    assert [masks[:, 0, 0, 0].tolist() for _, masks, _ in batches] == [[1, 0, 0], [1, 1, 0], [1, 1]]


def test_a_whole_last_batch_is_no_empty_one():
    """Eight images in fours are two batches."""
    assert [len(images) for images, *_ in part(4).in_order()] == [4, 4]


@pytest.mark.parametrize(("batch", "steps"), [(1, 8), (3, 2), (4, 2), (5, 1), (8, 1), (9, 0)])
def test_training_drops_the_incomplete_batch(batch, steps):
    """Only whole batches, no image twice in an epoch."""
    batches = part(batch)
    seen = [rows_of(images) for images, *_ in batches.shuffled(0, 0, None)]
    flat = list(chain(*seen))

    assert batches.steps() == steps == len(seen)
    assert all(len(rows) == batch for rows in seen)
    assert len(set(flat)) == len(flat)
    assert set(flat) <= set(INDICES)


@QUICK
@given(st.integers(0, 2**32), st.integers(0, 500))
def test_an_epoch_is_every_image_once(seed, epoch):
    """Where the batch divides the part, in every epoch; masks go with their images."""
    batches = list(part(4).shuffled(seed, epoch, None))
    rows = list(chain(*(rows_of(images) for images, *_ in batches)))
    odd = list(chain(*(masks[:, 0, 0, 0].int().tolist() for _, masks, _ in batches)))

    assert sorted(rows) == INDICES
    assert [row % 2 for row in rows] == odd


def test_order_follows_from_seed_and_epoch():
    """Twice the same, whatever was drawn between; other seeds and epochs give other orders."""
    orders = {}
    for seed in range(6):
        for epoch in range(6):
            seeding.seed_everything(seed * epoch + 5)
            for _ in range(2):
                seen = [rows_of(images) for images, *_ in part(4).shuffled(seed, epoch, None)]

                assert orders.setdefault((seed, epoch), seen) == seen
    assert len({str(order) for order in orders.values()}) > 30


def test_incomplete_batches_do_not_always_lose_the_same_images():
    """Over epochs everything is seen."""
    seen = {
        r for e in range(20) for images, *_ in part(5).shuffled(0, e, None) for r in rows_of(images)
    }

    assert seen == set(INDICES)


@pytest.mark.parametrize("augment", [None, noisy])
@pytest.mark.parametrize("start", [0, 1, 2, 3, 4])
def test_start_skips_batches_without_a_trace(augment, start):
    """Going on at step k is the same as having done the first k, also to the augmentation."""
    whole = list(part(2).shuffled(7, 3, augment))
    torch.rand(5)

    assert len(whole) == 4
    assert same(part(2).shuffled(7, 3, augment, start), whole[start:])


def test_draws_depend_on_the_image_not_on_its_batch():
    """In batches of another size each image is augmented as before."""
    found = []
    for batch in (1, 2, 4):
        batches = part(batch).shuffled(7, 3, noisy)
        found.append([image for images, *_ in batches for image in images])

    assert same(found[:1], found[1:2])
    assert same(found[:1], found[2:])


def test_draws_differ_between_seeds_epochs_and_images():
    """No two images of an epoch, nor one image in two epochs, get the same draw."""
    draws = set()
    for seed, epoch in [(0, 0), (0, 1), (1, 0)]:
        for images, *_ in part(4).shuffled(seed, epoch, noisy):
            draws |= {round(float(v), 6) for v in images[:, 0, 1, 1] - images[:, 0, 0, 0]}

    assert len(draws) == 24


def test_nobody_else_notices_the_draws():
    """Between batches torch's own generator is where the network left it."""
    torch.manual_seed(1)
    expected = torch.rand(4).tolist()
    torch.manual_seed(1)
    drawn = [torch.rand(1).item() for _ in part(2).shuffled(0, 0, noisy)]

    assert drawn == expected


def test_augmenting_writes_to_no_array():
    """The cache on disk is shared by all runs."""
    batches = part(4)
    before = batches.images.copy(), batches.masks.copy()
    batches.images.flags.writeable = batches.masks.flags.writeable = False
    list(batches.shuffled(0, 0, lambda image, mask: (image.mul_(0), mask.add_(1))))

    assert np.array_equal(before[0], batches.images)
    assert np.array_equal(before[1], batches.masks)


def test_memory_mapped_arrays_do(tmp_path):
    """As the cache has them, read-only."""
    made = part()
    np.save(tmp_path / "images.npy", made.images)
    np.save(tmp_path / "masks.npy", made.masks)
    images, masks = (np.load(tmp_path / f"{n}.npy", mmap_mode="r") for n in ("images", "masks"))
    mapped = Batches(images, masks, INDICES, 3, CPU)

    assert same(mapped.shuffled(1, 2, noisy), made.shuffled(1, 2, noisy))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_type_and_memory_layout(dtype, layout):
    """Images and masks have the asked type, images the asked layout, in both kinds of pass."""
    batches = part(dtype=dtype, memory_format=layout)
    for images, masks, valid in [*batches.in_order(), *batches.shuffled(0, 0, noisy)]:
        assert (images.dtype, masks.dtype, valid) == (dtype, dtype, None)
        assert images.is_contiguous(memory_format=layout)
        assert set(masks.unique().tolist()) <= {0, 1}


def test_other_devices_get_the_tensors():
    """Shapes and types arrive on the device; there, on meta, are no values to look at."""
    batches = list(part(3, torch.device("meta")).in_order())

    assert [tuple(images.shape) for images, *_ in batches] == [(3, 3, 4, 6)] * 2 + [(2, 3, 4, 6)]
    assert {tensor.device.type for batch in batches for tensor in batch[:2]} == {"meta"}


@pytest.fixture
def beside_gpu(monkeypatch):
    """Return a device that is treated like a GPU, while tensors stay where they can be read."""
    monkeypatch.setattr(
        Batches, "_placed", lambda _, batch: batch._replace(masks=batch.masks.float())
    )
    return SimpleNamespace(type="gpu")


@pytest.mark.parametrize("start", [0, 3, 4])
def test_looking_ahead_changes_nothing(beside_gpu, start):
    """Made one ahead in a thread, batches come in the same order with the same draws."""
    ahead, plain = part(2, beside_gpu), part(2)
    drawn = list(ahead.shuffled(7, 3, noisy, start))  # before the others: one generator serves all

    assert same(drawn, plain.shuffled(7, 3, noisy, start))
    assert same(ahead.in_order(), plain.in_order())


@pytest.mark.timeout(60)
def test_looking_ahead_passes_errors_on_and_can_be_left(beside_gpu):
    """What augmentation raises arrives; leaving in the middle of an epoch leaves no thread."""

    def fails(image, mask):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(part(2, beside_gpu).shuffled(0, 0, fails))
    passing = part(2, beside_gpu).shuffled(0, 0, noisy)
    first = next(passing)
    passing.close()

    assert same([first], list(part(2).shuffled(0, 0, noisy))[:1])


def test_drawing_from_restores_the_state_also_after_an_error():
    """The block draws from its seed alone; afterwards the generator is where it was."""
    torch.manual_seed(3)
    state = torch.get_rng_state()
    with seeding.drawing_from(11):
        inside = torch.rand(3)
    with pytest.raises(ZeroDivisionError), seeding.drawing_from(11):
        again = torch.rand(3)
        raise ZeroDivisionError

    assert torch.equal(inside, again)
    assert torch.equal(inside, torch.rand(3, generator=torch.Generator().manual_seed(11)))
    assert torch.equal(torch.get_rng_state(), state)


def test_seeding_covers_all_three_generators():
    """The same seed gives the same python, numpy and torch draws, also a seed above 32 bits."""
    draws = []
    for seed in (5, 5, 6, seeding.derive(5, seeding.WEIGHTS)):
        seeding.seed_everything(seed)
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))

    assert draws[0] == draws[1]
    assert len(set(draws[1:])) == 3
    assert all(len(set(column)) == 3 for column in zip(*draws[1:], strict=True))


WORDS = st.integers(0, 2**32 - 1)
STREAMS = st.one_of(
    st.tuples(WORDS, st.sampled_from([seeding.WEIGHTS, seeding.TRAINING])),
    st.tuples(WORDS, st.just(seeding.ORDER), WORDS),
    st.tuples(WORDS, st.just(seeding.AUGMENT), WORDS, WORDS),
)
"""Seed, stream, epoch, image: what a run asks for."""


@QUICK
@given(STREAMS, STREAMS)
def test_streams_are_apart(path, other):
    """Seeds fit torch's signed 64 bits; different streams have different ones."""
    one, two = seeding.derive(*path), seeding.derive(*other)

    assert 0 <= one < 2**63
    assert (one == two) == (path == other)


def test_small_numbers_do_not_collide():
    """The streams of the first seeds, epochs and images are all different."""
    paths = [(s, k) for s in range(8) for k in (seeding.WEIGHTS, seeding.TRAINING)]
    paths += [(s, seeding.ORDER, e) for s in range(8) for e in range(20)]
    paths += [(s, seeding.AUGMENT, e, i) for s in range(8) for e in range(20) for i in range(8)]

    assert len({seeding.derive(*path) for path in paths}) == len(paths)


def test_epoch_order_is_a_permutation_of_its_own():
    """Pinned to numpy's generators, which keep their streams: old runs must resume alike."""
    words = np.random.SeedSequence([3, seeding.ORDER, 5]).generate_state(2, np.uint32)
    seed = int(words[0]) * 2**31 ^ int(words[1])
    expected = np.random.Generator(np.random.PCG64(seed)).permutation(9)

    assert seeding.epoch_order(3, 5, 9).tolist() == expected.tolist()
    assert sorted(seeding.epoch_order(3, 6, 9).tolist()) == list(range(9))


def labelled_part(shape=(6, 12), ignores=True, labels=None, **options):
    """Return batches of four images whose pixels hold their own label, 0 to 2, over 2."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, (4, 1, *shape)).astype(np.uint8) if labels is None else labels
    images = np.repeat(labels / 2, 3, axis=1).astype(np.float32)
    return Batches(images, labels, [0, 1, 2, 3], 2, CPU, ignores=ignores, **options)


def assert_carried(batch):
    """Assert that masks and valid are where the image says; the image holds labels over 2."""
    labels = (2 * batch.images[:, :1]).round()
    assert torch.equal(batch.valid, labels != 2)
    assert torch.equal(batch.masks, (labels == 1).float())


@pytest.mark.parametrize("augment", [None, flips(1.0), flips()])
def test_ignored_pixels_are_separated_and_carried(augment):
    """Masks are 1 only on foreground; valid is False on the 2s, in both kinds of pass."""
    batches = labelled_part()
    for batch in [*batches.in_order(), *batches.shuffled(0, 0, augment)]:
        assert (batch.masks.dtype, batch.valid.dtype) == (torch.float32, torch.bool)
        assert set(batch.masks.unique().tolist()) == {0, 1}
        assert_carried(batch)


def test_a_batch_whose_pixels_all_count_is_plain():
    """As without data.ignore: bit for bit the same, and no *valid*."""
    labels = np.random.default_rng(1).integers(0, 2, (4, 1, 6, 12)).astype(np.uint8)
    ignoring, plain = (labelled_part(labels=labels, ignores=one) for one in (True, False))

    assert same(ignoring.in_order(), plain.in_order())
    assert same(ignoring.shuffled(3, 1, flips()), plain.shuffled(3, 1, flips()))
    assert all(isinstance(one, Batch) and one.valid is None for one in ignoring.in_order())


def test_what_an_augmentation_fills_with_a_constant_is_ignored():
    """A shift shows what is beyond the image: 0 in the image, and it counts for nothing."""

    def shifted(image, mask):
        moved = [torch.zeros_like(x) for x in (image, mask)]
        for new, old in zip(moved, (image, mask), strict=True):
            new[..., 3:] = old[..., :-3]
        return tuple(moved)

    labels = np.ones((4, 1, 6, 12), np.uint8)
    labels[..., 0] = 2
    for batch in labelled_part(labels=labels).shuffled(0, 0, shifted):
        assert not batch.valid[..., :4].any()
        assert batch.valid[..., 4:].all()
        assert torch.equal(batch.masks, batch.valid.float())
    for batch in labelled_part(labels=labels.clip(0, 1), ignores=False).shuffled(0, 0, shifted):
        assert batch.valid is None
        assert not batch.masks[..., :3].any()


def test_quarter_turn_of_an_oblong_image_ignores_what_it_has_no_pixels_for():
    """Dermoscopy turns within the frame and leaves the ends empty; its affine map reflects."""
    labels = np.zeros((4, 1, 16, 48), np.uint8)
    still = dermoscopy(0, 0, 0, 0, 0, 0)
    shares = set()
    for batch in labelled_part(labels=labels).shuffled(0, 0, still):
        everywhere = torch.ones_like(batch.masks, dtype=torch.bool)
        valid = everywhere if batch.valid is None else batch.valid
        shares |= {round(float(one.float().mean()), 3) for one in valid}
    moved = dermoscopy(brightness=0, contrast=0, saturation=0)
    ends = labelled_part(labels=labels[..., :16]).shuffled(0, 0, moved)

    assert shares == {1.0, round(16 / 48, 3)}
    assert all(batch.valid is None for batch in ends)  # reflected: square images have no outside


@pytest.mark.parametrize("seed", range(3))
def test_dermoscopy_carries_labels_as_it_moves_the_image(seed):
    """Far from the borders of labels, the image has the colour of its pixel's label."""
    labels = np.zeros((4, 1, 48, 48), np.uint8)
    labels[..., 10:30, 8:20], labels[..., 10:30, 20:40] = 1, 2
    moved = dermoscopy(brightness=0, contrast=0, saturation=0)
    for batch in labelled_part(labels=labels).shuffled(seed, 0, moved):
        shade = 2 * batch.images[:, :1]
        clear = (shade - shade.round()).abs() < 1e-3
        label = torch.where(batch.valid, batch.masks, 2.0)
        between = clear & (shade.round() != 1)  # 0 beside 2 gives shades of 1 on the way

        assert torch.equal(label[between], shade.round()[between])
        assert (label == 2).any() and (label == 1).any()


def test_an_augmentation_that_looks_at_the_mask_is_refused():
    """It would move the labels and the ignored pixels in two ways."""

    def centred(image, mask):
        return image.roll(int(mask.sum()), -1), mask.roll(int(mask.sum()), -1)

    def from_elsewhere(image, mask):
        return image * random.random(), mask

    for augment in (centred, from_elsewhere):
        with pytest.raises(ConfigError, match=r"^augment: .*data\.ignore .*torch's generator"):
            list(labelled_part().shuffled(0, 0, augment))


def test_draws_are_those_without_ignored_pixels():
    """The image of each draw is the same whether pixels are ignored or not."""
    labels = np.random.default_rng(1).integers(0, 2, (4, 1, 16, 16)).astype(np.uint8)
    ignoring, plain = (
        [batch.images for batch in labelled_part(labels=labels, ignores=one).shuffled(5, 2, how)]
        for one in (True, False)
        for how in [dermoscopy()]
    )

    assert all(map(torch.equal, ignoring, plain))
