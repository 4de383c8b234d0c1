"""A drawing that opens anywhere: SVG with its own style and background."""

from functools import cache
from importlib.resources import files

from markupsafe import Markup


def standalone(drawn: Markup) -> str:
    """Return an `<svg>` element as a separate file, with the figures' style and a background."""
    end = drawn.index(">") + 1
    style = f"<style>{figure_style()}</style>"
    paper = '<rect x="-5%" y="-5%" width="110%" height="110%" style="fill:var(--paper)"/>'
    return f"{drawn[:end]}{style}{paper}{drawn[end:]}\n"


@cache
def figure_style() -> str:
    """Return the style that figures need: the colours, light and dark, and the rules for shapes."""
    return (files("segsweep.report.figures") / "figures.css").read_text(encoding="utf-8")
