"""The marks of trials in the figures of searches: a shape for each way in which a trial ended."""

from collections.abc import Collection

from segsweep.report.figures.svg import Canvas, breadth

SIZE, LABEL, LINE = 4.0, 11, 24.0
"""Pixels: half a mark, a text of the legend, a line of the legend."""
KINDS = {
    **{"plain": "trial", "own": "config's own", "plain chosen": "chosen"},
    **{"pruned": "pruned", "lost": "diverged or failed"},
}
"""What the legend says of each kind of mark; a chosen one is filled, whatever its shape."""


def draw_mark(canvas: Canvas, x: float, y: float, kind: str, words: str = "") -> None:
    """Draw a mark of a *kind*, such as `own chosen`; *words* are shown under the pointer.

    A circle, a square for own values, a triangle for pruned, a cross for lost.
    """
    shape, css = kind.split()[0], f"mark {kind}"
    if shape == "plain":
        canvas.add("circle", words, cx=x, cy=y, r=SIZE, class_=css)
    elif shape == "own":
        box = {"x": x - SIZE, "y": y - SIZE, "width": 2 * SIZE, "height": 2 * SIZE}
        canvas.add("rect", words, class_=css, **box)
    elif shape == "pruned":
        points = f"M{x - SIZE:.1f} {y - SIZE:.1f}h{2 * SIZE:.1f}L{x:.1f} {y + SIZE:.1f}Z"
        canvas.add("path", words, d=points, class_=css)
    else:
        arms = f"M{x - SIZE:.1f} {y - SIZE:.1f}l{2 * SIZE:.1f} {2 * SIZE:.1f}"
        back = f"M{x + SIZE:.1f} {y - SIZE:.1f}l{-2 * SIZE:.1f} {2 * SIZE:.1f}"
        canvas.add("path", words, d=arms + back, class_=css)


def _legend(kinds: Collection[str]) -> list[tuple[str, str]]:
    """Return kind and words of each entry of the legend: of what is drawn."""
    shapes = {kind.split()[0] for kind in kinds}
    chosen = any("chosen" in kind for kind in kinds)
    return [
        (kind, words)
        for kind, words in KINDS.items()
        if (chosen if kind == "plain chosen" else kind in shapes)
    ]


def _places(kinds: Collection[str], width: float) -> list[tuple[str, str, float, int]]:
    """Return kind, words, place and line of each entry of the legend."""
    found, x, line = [], 0.0, 0
    for kind, words in _legend(kinds):
        size = 2 * SIZE + 8 + breadth([words], LABEL) + 18
        if x + size - 18 > width:
            x, line = 0.0, line + 1
        found.append((kind, words, x, line))
        x += size
    return found


def legend_lines(kinds: Collection[str], width: float) -> int:
    """Return how many lines the legend of marks of these *kinds* takes."""
    return max((line + 1 for *_, line in _places(kinds, width)), default=0)


def draw_legend(canvas: Canvas, kinds: Collection[str], width: float) -> None:
    """Draw what the marks of these *kinds* mean at the top of *canvas*."""
    for kind, words, x, line in _places(kinds, width):
        y = 8 + LINE * line
        draw_mark(canvas, x + SIZE + 1, y, kind)
        canvas.text(x + 2 * SIZE + 8, y + 4, words, "small")
