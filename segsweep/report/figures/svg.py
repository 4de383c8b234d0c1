"""Drawing with SVG: shapes, text and scales; all text is escaped."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

Scale = Callable[[float], float]
"""Value -> position in pixels."""
WIDE, NARROW = 736, 352
"""Widths in pixels for which a figure is drawn: on a screen, on a phone."""
PER_CHARACTER = 0.6
"""Width of a character in the page's font, in font sizes."""
SHADES = 12
"""Steps of the sequential colours q0 .. q11; their values are in `figures.css`."""
COLOURS = 7
"""Colours c0 .. c6 that tell lines apart, Okabe and Ito's; they are followed by dashes."""


@dataclass
class Canvas:
    """A picture being drawn, *width* x *height* pixels; y grows downwards."""

    width: float
    height: float
    parts: list[Markup] = field(default_factory=list)

    def add(self, tag: str, title: str = "", **attributes: object) -> None:
        """Add a shape; a shape with a *title* is a mark: it shows that text under the pointer."""
        names = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        if title:
            names["class"] = f"{names.get('class', '')} m".strip()
        self.parts.append(_element(tag, names, _title(title)))

    def text(
        self, x: float, y: float, words: object, css: str = "", at: str = "start", title: str = ""
    ) -> None:
        """Write *words* with the baseline at *y*; *at* is start, middle or end."""
        names = {"x": x, "y": y, "class": css or None}
        names |= {"text-anchor": None if at == "start" else at}
        self.parts.append(_element("text", names, Markup("{}{}").format(_title(title), words)))

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        """Draw a straight line."""
        self.parts.append(
            _element("line", {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "class": css}, Markup())
        )

    def place(self, other: "Canvas", x: float, y: float) -> None:
        """Draw *other* with its top left corner at *x*, *y*."""
        inside = Markup("").join(other.parts)
        self.parts.append(
            _element("g", {"transform": f"translate({_number(x)} {_number(y)})"}, inside)
        )

    def svg(self, alt: str, css: str = "") -> Markup:
        """Return the finished element; *alt* describes it for people who cannot see it."""
        names = {
            "xmlns": "http://www.w3.org/2000/svg",
            "viewBox": f"0 0 {_number(self.width)} {_number(self.height)}",
            "class": css or None,
            "role": "img",
            "aria-label": alt,
            "tabindex": "0",
        }
        return _element("svg", names, Markup("").join(self.parts))


def linear(low: float, high: float, start: float, end: float) -> Scale:
    """Return the scale that takes [low, high] to [start, end]."""
    span = high - low or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def logarithmic(low: float, high: float, start: float, end: float) -> Scale:
    """Return a logarithmic scale from [low, high] to [start, end]; both limits are positive."""
    inner = linear(math.log10(low), math.log10(high), start, end)
    return lambda value: inner(math.log10(value))


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values in [low, high], *about* as many as given."""
    return _multiples(low, high, about, (1, 2, 2.5, 5, 10))


def whole_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round whole numbers in [low, high], *about* as many as given or fewer."""
    return _multiples(low, high, about, (1, 2, 5, 10), 1.0)


def _multiples(
    low: float, high: float, about: int, sizes: Sequence[float], least: float = 0.0
) -> list[float]:
    """Return multiples of a step with one of these first digits, which is at least *least*."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = max(least, next(power * size for size in sizes if power * size >= 0.9 * raw))
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Return 1, 2, 5 times powers of ten in [low, high]; round values where few of these are."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for sizes in ((1, 2, 5), (1, 3), (1,)):
        found = [size * 10.0**power for power in powers for size in sizes]
        inside = [value for value in found if low * 0.999 <= value <= high * 1.001]
        if len(inside) <= 6:
            break
    return inside if len(inside) > 2 else ticks(low, high, 4)


def padded(
    values: Sequence[float], share: float = 0.04, least: float = 0.02
) -> tuple[float, float]:
    """Return limits around *values*, at least *least* apart; 0 to 1 where there are none."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return 0.0, 1.0
    low, high = min(known), max(known)
    wanting = max(least - (high - low), 0) / 2
    pad = share * (high - low) + wanting
    return low - pad, high + pad


def within(ends: tuple[float, float], limits: tuple[float, float]) -> tuple[float, float]:
    """Return the *ends* of a scale, none of them beyond the *limits* of what is measured."""
    return max(ends[0], limits[0]), min(ends[1], limits[1])


def around(values: Sequence[float], factor: float = 1.25) -> tuple[float, float]:
    """Return limits for a logarithmic scale around positive *values*."""
    known = [value for value in values if math.isfinite(value) and value > 0]
    return (min(known) / factor, max(known) * factor) if known else (0.1, 1.0)


def shade(value: float, low: float, high: float) -> int:
    """Return the step of the sequential colours for *value* on the way from *low* to *high*.

    Where lower is better, *low* is the greater of the two.
    """
    share = (value - low) / (high - low) if high != low else 0.5
    return min(max(int(share * SHADES), 0), SHADES - 1)


def fitted(words: str, pixels: float, size: float = 12) -> str:
    """Return *words*, cut with an ellipsis where they are wider than *pixels*."""
    most = max(int(pixels / (size * PER_CHARACTER)), 2)
    return words if len(words) <= most else words[: most - 1] + "…"


def fitted_name(words: str, pixels: float, size: float = 12) -> str:
    """Return a cell's name, cut in the middle where it is wider than *pixels*.

    Long names begin alike and differ in their last values.
    """
    most = max(int(pixels / (size * PER_CHARACTER)), 4)
    if len(words) <= most:
        return words
    start = (most - 1) // 3
    return f"{words[:start]}…{words[len(words) - (most - 1 - start) :]}"


def breadth(words: Sequence[str], size: float = 12, most: float = math.inf) -> float:
    """Return about how many pixels the longest of *words* takes, at most *most*."""
    return min(max((len(word) for word in words), default=0) * size * PER_CHARACTER, most)


def short(value: float) -> str:
    """Return a number as an axis shows it: 0.85, 1.5k, 2M, 1e-4."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    if abs(value) < 0.001:
        digits, _, power = f"{value:.2e}".partition("e")
        return f"{float(digits):g}e{int(power)}"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def path(points: Sequence[tuple[float, float]]) -> str:
    """Return a line through *points* as path data; a point that is not finite interrupts it."""
    words, pen = [], "M"
    for x, y in points:
        if not math.isfinite(x + y):
            pen = "M"
            continue
        words.append(f"{pen}{_number(x)} {_number(y)}")
        pen = "L"
    return "".join(words)


def _title(words: str) -> Markup:
    return Markup("<title>{}</title>").format(words) if words else Markup()


def _element(tag: str, names: Mapping[str, object], inside: Markup) -> Markup:
    written = "".join(
        f' {key}="{escape(_number(value) if isinstance(value, float) else value)}"'
        for key, value in names.items()
        if value is not None
    )
    return Markup(f"<{tag}{written}>{inside}</{tag}>")  # every part was escaped above


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
