"""Figures of mean against cost, in multiply-adds and parameters, with the Pareto front.

Seconds are no axis: they depend on what else the machine did.
"""

from collections.abc import Sequence

from segsweep.report.content.material import Material
from segsweep.report.figures.figure import (
    Figure,
    brief,
    known,
    one_width,
    shown,
    x_axis,
    x_title,
    y_axis,
    y_title,
)
from segsweep.report.figures.svg import (
    NARROW,
    Canvas,
    Scale,
    around,
    fitted_name,
    linear,
    log_ticks,
    logarithmic,
    padded,
    path,
    short,
    ticks,
)
from segsweep.stats.wording.cheapest import COSTS

TOP, BOTTOM, LEFT, RIGHT = 24.0, 232.0, 44.0, NARROW - 12.0
Point = tuple[str, float, float]
"""Cell, cost, value."""


def costs(material: Material) -> list[Figure]:
    """Return a figure for each cost that is known of every cell and differs among them."""
    return [
        figure
        for name, words in COSTS.items()
        if name in material.done
        and material.done[name].notna().all()
        and (figure := _figure(material, name, words)) is not None
    ]


def pareto(points: Sequence[Point], sign: int = 1) -> list[Point]:
    """Return the points that no other beats in both cost and value, cheapest first.

    *sign* is 1 where a high value is better, -1 where a low one is.
    """
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point[1], -sign * point[2])):
        if not front or sign * point[2] > sign * front[-1][2]:
            front.append(point)
    return front


def _figure(material: Material, name: str, words: str) -> Figure | None:
    rows = material.done.to_dict("records")
    points = [
        (str(row["cell"]), float(row[name]), float(row[material.value]))
        for row in rows
        if known(row[name]) and row[name] > 0
    ]
    if len({cost for _, cost, _ in points}) < 2:
        return None
    front = pareto(points, material.metric.sign)
    on_it = [cell for cell, *_ in front]
    return one_width(
        _draw(points, front, words, material.metric.title),
        f"cost-{name}",
        words.capitalize(),
        f"{len(points)} cells by {words} and mean. On the Pareto front: {', '.join(on_it)}.",
        ("cell", name, "mean", "on_front"),
        [[*point, point[0] in on_it] for point in points],
    )


def _draw(points: Sequence[Point], front: Sequence[Point], words: str, metric: str) -> Canvas:
    canvas = Canvas(NARROW, 274)
    low, high = around([cost for _, cost, _ in points])
    bottom, top = padded([value for *_, value in points], share=0.12)
    x, y = logarithmic(low, high, LEFT, RIGHT), linear(bottom, top, BOTTOM, TOP)
    x_axis(canvas, x, log_ticks(low, high), TOP, BOTTOM, short)
    y_axis(canvas, y, ticks(bottom, top, 4), LEFT, RIGHT, short)
    x_title(canvas, f"{words}, log scale", LEFT, RIGHT, BOTTOM + 36)
    y_title(canvas, f"mean test {metric}", 0, 12)
    canvas.add("path", class_="front", d=path(_stairs(front, x, y)))
    on_it = [cell for cell, *_ in front]
    for cell, cost, value in sorted(points, key=lambda point: point[0] in on_it):
        tip = f"{cell}: mean {shown(value, '.4f')}, {words} {short(cost)}"
        css = "dot best" if cell in on_it else "dot other"
        canvas.add("circle", tip, cx=x(cost), cy=y(value), r=4.5, class_=css)
    _names(canvas, front, x, y)
    return canvas


def _stairs(front: Sequence[Point], x: Scale, y: Scale) -> list[tuple[float, float]]:
    """Return the front as a line of steps up to the right edge."""
    corners: list[tuple[float, float]] = []
    for _, cost, value in front:
        if corners:
            corners.append((x(cost), corners[-1][1]))
        corners.append((x(cost), y(value)))
    return [*corners, (RIGHT, corners[-1][1])]


def _names(canvas: Canvas, front: Sequence[Point], x: Scale, y: Scale) -> None:
    """Write the front's names above their points; those without room are left out."""
    taken: list[tuple[float, float, float]] = []
    for cell, cost, value in reversed(front):
        words = fitted_name(brief(cell), 150, 11)
        width = len(words) * 6.2
        left = min(max(x(cost) - width / 2, LEFT + 2), RIGHT - width)
        top = y(value) - 9
        free = all(
            abs(top - other) > 13 or left > end + 4 or left + width < begin - 4
            for begin, end, other in taken
        )
        if free:
            canvas.text(left, top, words, "end ink", title=cell)
            taken.append((left, left + width, top))
