"""Dermoscopy-like images drawn from a seed, so that everything can be tried without data files.

A scene is drawn in image coordinates, x and y from -1 to 1: another side gives nearly the same
scene at another size. Only the sensor's noise is drawn per pixel, as the last step.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

from segsweep.data.fields import (
    Array,
    cover,
    curves,
    dimmed,
    grid,
    noise,
    step,
    strokes,
)
from segsweep.data.source import Pixels, Problem, Sample
from segsweep.errors import DataError

GENERATOR_VERSION = 1  # raise when the same seed would give other pixels
PREFIX = "synthetic"
# float64 throughout: rounding that differs between machines never reaches the 8-bit pixels.
# Images are (3, H, W) while they are drawn, fields (H, W), colours (3,) in [0, 1].
Mask = NDArray[np.bool_]


def _colours(codes: str) -> Array:
    return np.array([list(bytes.fromhex(code)) for code in codes.split()]) / 255


# skin colours under a dermoscope's light, fair to dark
SKINS = _colours("f0d4cc edd6a8 dbb0b8 e3b58a db9c5e b5845f 8c6247")
# light that pigments let through at full density: light brown, brown, dark brown, black, red,
# blue-grey
PIGMENTS = _colours("b88759 8a5e40 52382e 211c1f c76b61 7a859e")
PIGMENT_ODDS = (0.26, 0.33, 0.21, 0.08, 0.07, 0.05)
REDDENED, GLINT, SHADOW = _colours("facccc f7f7f7 0d0d0d")
INKS = _colours("52389e 266b9e 33806b")
HAIRS = _colours("1a1414 473024 735438")


@dataclass(frozen=True)
class Synthetic:
    """A data set of drawn skin lesions.

    Hairs, rulers, ink, freckles and vignettes are not part of the lesion. Image i depends only on
    the generator's version, seed, side, difficulty and i.
    """

    thread_safe: ClassVar[bool] = True
    count: int = 200
    """Number of images, 1 to 100000."""
    side: int = 192
    """Height and width, 32 to 1024 px."""
    seed: int = 0
    """0 to 4294967295; another seed gives other images."""
    difficulty: float = 0.5
    """0 to 1: how faint lesions may be, how much hair, noise and other pigment there is."""

    def __post_init__(self) -> None:
        _check("count", self.count, 1, 100_000)
        _check("side", self.side, 32, 1024)
        _check("seed", self.seed, 0, 2**32 - 1)
        _check("difficulty", self.difficulty, 0, 1)

    @property
    def signature(self) -> str:
        """The generator's version and all values that affect pixels; count is not one of them."""
        return (
            f"{PREFIX} generator {GENERATOR_VERSION}, side {self.side}, seed {self.seed}, "
            f"difficulty {float(self.difficulty)!r}"
        )

    def find(self) -> tuple[list[Sample], list[Problem]]:
        """Return the samples sorted by id, each its own group; no problems are possible."""
        ids = sorted(_id(index) for index in range(self.count))
        return [Sample(id=name, group=name) for name in ids], []

    def read(self, sample: Sample) -> Pixels:
        """Draw one sample, uint8 (side, side, 3) and its mask; DataError for an unknown id."""
        digits = sample.id.removeprefix(PREFIX)
        index = int(digits) if digits.isdecimal() else -1
        if not 0 <= index < self.count or sample.id != _id(index):
            raise DataError(
                f"no sample {sample.id!r} in synthetic data, whose ids go from {_id(0)} "
                f"to {_id(self.count - 1)}; check data.count"
            )
        image, mask = _draw(self.side, [GENERATOR_VERSION, self.seed, index], self.difficulty)
        return Pixels(image=image, mask=mask)


def _check(name: str, value: float, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be {low} to {high}; got {value}")


def _id(index: int) -> str:
    return f"{PREFIX}{index:04d}"


def _draw(side: int, entropy: list[int], difficulty: float) -> tuple[NDArray[np.uint8], Mask]:
    """Draw skin, lesion, objects on the skin, lens and sensor, as light passes them."""
    rng = Generator(PCG64(SeedSequence(entropy)))
    depth, mask = _outline(rng, side)
    image = _skin(rng, side)
    image = _other_pigment(rng, image, depth, difficulty)
    image = _lesion(rng, image, depth, difficulty)
    image = _bubbles(rng, image)
    image = _pen(rng, image)
    image = _hairs(rng, image, difficulty)
    image = _ruler(rng, image)
    image = _lens(rng, image)
    return _sensor(rng, image, difficulty), mask


def _skin(rng: Generator, side: int) -> Array:
    """Return bare skin: a tone between two neighbours, uneven light, redness and fine lines."""
    # dark skin is rarer here: with equal shares, a training run of one minute learns nothing useful
    low, rest = divmod((len(SKINS) - 1.001) * rng.random() ** 1.5, 1)
    base = SKINS[int(low)] * (1 - rest) + SKINS[int(low) + 1] * rest
    light = 1 + 0.035 * noise(rng, side, 2) + 0.02 * noise(rng, side, 6)
    along, across = rng.integers(20, 60, 2)
    light += rng.uniform(0.004, 0.018) * noise(rng, side, int(along), int(across))
    redness = rng.uniform(0.01, 0.05) * noise(rng, side, 4)
    return base[:, None, None] * (light + redness * np.array([0.2, -0.6, -0.4])[:, None, None])


def _outline(rng: Generator, side: int) -> tuple[Array, Mask]:
    """Return the depth in the lesion, 1 at its centre and 0 at its border, and the mask."""
    share = float(np.clip(rng.lognormal(np.log(0.24), 0.8), 0.03, 0.9))
    x, y = grid(side)
    shift = rng.normal(0, 0.12, 2) * (3 if rng.random() < 0.15 else 1)
    warp = np.sqrt(share) * rng.uniform(0.05, 0.2)
    x, y = x - shift[0] + warp * noise(rng, side, 3), y - shift[1] + warp * noise(rng, side, 3)
    turn, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(0, 0.35))
    u = (x * np.cos(turn) + y * np.sin(turn)) * stretch
    v = (y * np.cos(turn) - x * np.sin(turn)) / stretch
    distance = np.hypot(u, v) / _reach(rng, np.arctan2(v, u))
    for cells, rough in (10, 0.05), (22, 0.03), (44, 0.02):
        distance *= 1 + rng.uniform(0, rough) * noise(rng, side, cells)
    # the border is placed so that the lesion has this share, even if the image's edge cuts it
    depth = 1 - distance / np.quantile(distance, share)
    return depth, _largest(depth > 0)


def _reach(rng: Generator, angle: Array) -> Array:
    """Return the border's distance in each direction, about 1, with 2 to 9 waves per turn."""
    turn = np.linspace(-np.pi, np.pi, 257)
    waves = np.arange(2, 10)[:, None]
    height = rng.uniform(0.05, 0.3) * rng.standard_normal((8, 1)) / waves
    bulge = (height * np.cos(waves * turn + rng.uniform(0, 2 * np.pi, (8, 1)))).sum(0)
    return np.interp(angle, turn, np.exp(bulge))


def _largest(mask: Mask) -> Mask:
    """Keep the largest piece and fill its holes, as a person drawing the border by hand would."""
    from scipy import ndimage  # slow to import, and cached images need none of it

    pieces, _ = ndimage.label(mask)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    filled: Mask = ndimage.binary_fill_holes(pieces == sizes.argmax())
    return filled


def _other_pigment(rng: Generator, image: Array, depth: Array, difficulty: float) -> Array:
    """Return *image* with distractors that are not lesion: freckles, an edge stain, redness."""
    side = len(depth)
    x, y = grid(side)
    stain = np.zeros_like(depth)
    for _ in range(rng.poisson(4 * difficulty)):
        cx, cy, size = *rng.uniform(-1, 1, 2), 0.02 * np.exp(rng.exponential(0.6))
        spot = np.exp(-(((x - cx) / size) ** 2)) * np.exp(-(((y - cy) / size) ** 2))
        stain += rng.uniform(0.1, 0.6) * spot
    if rng.random() < 0.6 * difficulty:
        turn = rng.uniform(0, 2 * np.pi)
        band = x * np.cos(turn) + y * np.sin(turn) + 0.2 * noise(rng, side, 5)
        stain += rng.uniform(0.2, 0.9) * step((band - rng.uniform(0.55, 1.0)) * 3)
    image = dimmed(image, np.minimum(stain, 0.9), PIGMENTS[rng.integers(0, 2)])
    red = rng.uniform(0, 0.9 * difficulty) if rng.random() < 0.5 else 0.0
    around = 1 + depth / rng.uniform(0.2, 0.6) + 0.3 * noise(rng, side, 5)
    return dimmed(image, red * step(around), REDDENED)


def _lesion(rng: Generator, image: Array, depth: Array, difficulty: float) -> Array:
    """Return *image* with the lesion: two or three pigments under an uneven, soft-edged density."""
    side = len(depth)
    soft = 0.24 * np.exp(rng.normal(0, 0.6) + 0.4 * noise(rng, side, 4))
    inside = step(depth / np.clip(soft, 0.03, 0.7) + 0.4)
    density = inside * _density(rng, side, depth, difficulty)
    first, *more = PIGMENTS[rng.choice(len(PIGMENTS), 3, replace=False, p=PIGMENT_ODDS)]
    through = np.broadcast_to(first[:, None, None], image.shape)
    for pigment in more[: rng.integers(1, 3)]:
        patch = step(0.8 * noise(rng, side, 4) + 0.3 * noise(rng, side, 12) - rng.uniform(0, 1))
        through = cover(through, rng.uniform(0.3, 1) * patch, pigment)
    return image * (1 - np.clip(density, 0, 1) * (1 - through))


def _density(rng: Generator, side: int, depth: Array, difficulty: float) -> Array:
    """Return the pigment's density, about 0 to 1: dark centre, network, globules, pale parts."""
    # powers: most lesions are clearly visible, a few very faint, as in real data
    density = (1 - min(1.1 * difficulty, 0.8) * rng.random() ** 4) * (0.8 + 0.3 * step(depth))
    density *= 1 + rng.uniform(0, 0.3) * noise(rng, side, 7)
    network = 0.7 - np.abs(noise(rng, side, int(rng.integers(36, 80))))
    density *= 1 + rng.uniform(0, 0.25) * network + rng.uniform(0, 0.2) * noise(rng, side, 60)
    density += rng.uniform(0, 0.4) * density * step(2 * noise(rng, side, 40) - 2)
    pale = step(noise(rng, side, 4) - rng.uniform(0.4, 2))
    density *= 1 - rng.uniform(0.3, 0.9) * pale
    x, y = grid(side)
    turn = rng.uniform(0, 2 * np.pi)
    faint = step(0.5 + 1.5 * (x * np.cos(turn) + y * np.sin(turn)) + 0.4 * noise(rng, side, 4))
    return density * (1 - min(1.6 * difficulty, 1) * rng.random() ** 3 * faint)


def _bubbles(rng: Generator, image: Array) -> Array:
    """Return *image* with glints and, in one of three, air bubbles in the fluid."""
    side = image.shape[1]
    x, y = grid(side)
    glow = rng.uniform(0, 0.5) * step(2 * noise(rng, side, 70) - 5)
    for _ in range(rng.poisson(0.4)):
        cx, cy, size = *rng.uniform(-0.9, 0.9, 2), rng.uniform(0.015, 0.08)
        ring = (np.hypot(x - cx, y - cy) - size) / 0.012
        glow += rng.uniform(0.1, 0.5) * np.exp(-(ring**2))
    return cover(image, np.minimum(glow, 1), GLINT)


def _hairs(rng: Generator, image: Array, difficulty: float) -> Array:
    """Return *image* with no, some or many hairs, dark or fair."""
    side = image.shape[1]
    number = rng.poisson(50 * difficulty * rng.random() ** 2.5)
    ink = strokes(side, *curves(rng, number, 0.8, 3 * side), rng.uniform(0.004, 0.014))
    return cover(image, rng.uniform(0.5, 0.95) * ink, HAIRS[rng.integers(0, len(HAIRS))])


def _pen(rng: Generator, image: Array) -> Array:
    """Return *image*, in one of ten with strokes of a surgeon's pen."""
    if rng.random() > 0.1:
        return image
    side = image.shape[1]
    ink = strokes(side, *curves(rng, 2, 1.5, 3 * side), rng.uniform(0.03, 0.08))
    return dimmed(image, rng.uniform(0.5, 0.9) * ink, INKS[rng.integers(0, len(INKS))])


def _ruler(rng: Generator, image: Array) -> Array:
    """Return *image*, in one of seven with a ruler's marks along one edge."""
    if rng.random() > 0.15:
        return image
    side = image.shape[1]
    x = np.arange(-1, 1, rng.uniform(0.06, 0.14))[:, None]
    length = np.where(np.arange(len(x)) % 5 == 0, 0.14, 0.08)[:, None]
    y = rng.uniform(0.8, 0.97) - length * np.linspace(0, 1, side)
    ink = strokes(side, x + np.zeros(side), y, 0.01)
    return dimmed(image, 0.85 * np.rot90(ink, int(rng.integers(0, 4))), SHADOW)


def _lens(rng: Generator, image: Array) -> Array:
    """Return *image*, in three of four with the dark corners of a round lens."""
    x, y = grid(image.shape[1])
    cx, cy = rng.normal(0, 0.05, 2)
    rim, soft = rng.uniform(1.05, 1.5), rng.uniform(0.08, 0.4)
    dark = rng.uniform(0.5, 0.97) if rng.random() < 0.75 else 0.0
    return dimmed(image, dark * step((np.hypot(x - cx, y - cy) - rim) / soft + 1), SHADOW)


def _sensor(rng: Generator, image: Array, difficulty: float) -> NDArray[np.uint8]:
    """Return 8-bit pixels, (H, W, 3), after exposure, colour balance, blur and noise."""
    from scipy import ndimage

    side = image.shape[1]
    image = image * (rng.uniform(0.88, 1.08) * rng.uniform(0.95, 1.05, (3, 1, 1)))
    blur = rng.uniform(0.1, 0.35) * side / 100
    image = ndimage.gaussian_filter(image, (0, blur, blur), truncate=3)
    image += rng.uniform(0.004, 0.004 + 0.025 * difficulty) * rng.standard_normal((side, side))
    return np.clip(image.transpose(1, 2, 0) * 255 + 0.5, 0, 255).astype(np.uint8)
