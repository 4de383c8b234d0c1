"""report.html: one file that holds everything, opens anywhere and needs no network."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from segsweep import __version__
from segsweep.config.truth import NO_TEST
from segsweep.report.comparisons import summary
from segsweep.report.content.images import cases, image_table
from segsweep.report.content.listing import (
    MOST_PAIRS,
    grouped_failures,
    listings,
)
from segsweep.report.content.material import Material
from segsweep.report.content.meanings import metric_words, score_words
from segsweep.report.content.pictures import within_limit
from segsweep.report.content.rows import JsonValue, Listing, plain
from segsweep.report.figures.cells import heatmap, intervals, may
from segsweep.report.figures.cost import costs
from segsweep.report.figures.curves import curves
from segsweep.report.figures.distances import distances
from segsweep.report.figures.figure import Figure
from segsweep.report.figures.images import image_heatmap
from segsweep.report.figures.learning_rates import learning_rates
from segsweep.report.figures.outlines import Named, outline_figure
from segsweep.report.figures.race import race_figure
from segsweep.report.figures.searches import search_figures
from segsweep.report.figures.spread import rank_stability, variance_sources
from segsweep.report.figures.standalone import figure_style
from segsweep.report.page.tables import folded_pairs, meanings_html, table_html
from segsweep.stats.wording.search import wider_word
from segsweep.stats.wording.sentences import about_networks
from segsweep.store.states import Status
from segsweep.system.terminal import json_visible, visible

RELOAD_SECONDS = 10
WHOLE = ("runs", "reads", "elsewhere", "ensembles")
"""Tables of the whole sweep; each comparison has its own others."""


@dataclass(frozen=True)
class Shown:
    """One comparison on the page."""

    material: Material
    suffix: str
    """Ends the names of its sections, figures and tables; empty for the first comparison."""
    figures: Mapping[str, object]
    tables: Mapping[str, Listing]

    @property
    def cases(self) -> list[tuple[str, list[dict[str, object]]]]:
        """The images that are listed by name."""
        return cases(image_table(self.material.images, self.material.metric))

    @property
    def facts(self) -> list[str]:
        """The size of the comparison in words."""
        return _facts(self.material)

    @property
    def wider(self) -> str:
        """The word that searches beyond the ends at which values were chosen, empty without one."""
        return wider_word(self.material.compared.searched)

    @property
    def tied(self) -> bool:
        """Whether a cell without the best mean may be the best."""
        return _tied(self.material)


def build_page(material: Material, live: bool = False, comparisons: Sequence[Material] = ()) -> str:
    """Return the page of a sweep as HTML, whatever state the sweep is in.

    The page reloads itself while runs are unfinished and a command works on them: *live*, or a
    run is running.

    Args:
        material: the whole sweep.
        live: a command works on the sweep.
        comparisons: what each comparison shows, by its own runs; empty: *material* is the only one.

    """
    parts = within_limit(comparisons or [material])
    shown = [_shown(own, number) for number, own in enumerate(parts, 1)]
    tables = {name: rows for name, rows in listings(material).items() if name in WHOLE}
    for own in shown:
        tables |= {f"{name}{own.suffix}": rows for name, rows in own.tables.items()}
    script, style = _part("page.js"), figure_style() + _part("style.css")
    page = _template().render(
        material=material,
        comparisons=shown,
        together=summary([own.compared for own in parts]).notes if len(parts) > 1 else (),
        version=__version__,
        tables=tables,
        failures=grouped_failures(material.failures),
        metric_words=metric_words(material.metric),
        score_words=score_words(),
        most_pairs=MOST_PAIRS,
        about_networks=about_networks,
        reload=RELOAD_SECONDS if _renewed(material, live) else 0,
        data=_script_json(_data([own.figures for own in shown])),
        script=Markup(script),
        style=Markup(style),
        script_hash=_hash(script),
    )
    return visible(page)


def _renewed(material: Material, live: bool) -> bool:
    trying = any(one.is_open for one in material.compared.searched)
    return bool(live and (material.open or trying)) or Status.RUNNING in material.counts


def _shown(material: Material, number: int) -> Shown:
    """Return the comparison *number*, counted from 1."""
    suffix = f"-{number}" if number > 1 else ""
    figures = {name: _renamed(found, suffix) for name, found in _figures(material).items()}
    tables = {name: rows for name, rows in listings(material).items() if name not in WHOLE}
    return Shown(material, suffix, figures, tables)


def _renamed(shown: object, suffix: str) -> object:
    """Return nested figures with *suffix* at the end of their names."""
    if isinstance(shown, Figure):
        return replace(shown, name=f"{shown.name}{suffix}")
    if isinstance(shown, Mapping):
        return {key: _renamed(part, suffix) for key, part in shown.items()}
    if isinstance(shown, list | tuple):
        return type(shown)(_renamed(part, suffix) for part in shown)
    return shown


def _figures(material: Material) -> dict[str, object]:
    """Return all figures by the name that page.html uses; one that cannot be drawn is None."""
    done = len(material.done) > 0 and not material.validation_only
    grid = len(material.cells) > 0 and not material.validation_only
    searches = search_figures(material.compared.searched)
    return {
        "heatmap": heatmap(material) if grid else None,
        "intervals": intervals(material) if done else None,
        "distances": distances(material) if done else None,
        "race": race_figure(material.compared.raced),
        "ranks": rank_stability(material) if done else None,
        "variance": variance_sources(material) if done else None,
        "curves": curves(material.history),
        "rates": None if searches else learning_rates(material),
        "searches": searches,
        "costs": costs(material) if done else [],
        "images": image_heatmap(material),
        "outlines": _outlines(material),
    }


def _outlines(material: Material) -> dict[str, Figure]:
    """Return a figure of outlines for each image that has some."""
    table = image_table(material.images, material.metric).set_index("image").to_dict("index")
    figures = {}
    for number, (image, outlines) in enumerate(material.outlines.items(), 1):
        row = table[image]
        ends = [
            Named(end, str(row[f"{end}_cell"]), f"{material.metric.label} {row[end]:.2f}")
            for end in ("best", "worst")
            if row[f"{end}_cell"]
        ]
        figures[image] = outline_figure(outlines, image, number, ends)
    return figures


def _every(shown: object) -> Iterator[Figure]:
    """Yield the figures in nested lists, dicts and tuples."""
    if isinstance(shown, Figure):
        yield shown
    elif isinstance(shown, Mapping):
        yield from _every([*shown.values()])
    elif isinstance(shown, list | tuple):
        for part in shown:
            yield from _every(part)


def _data(figures: object) -> dict[str, object]:
    """Return what the script needs: the numbers behind the figures."""
    numbers = {
        figure.name: {
            "columns": figure.columns,
            "rows": [[_number(value) for value in row] for row in figure.rows],
        }
        for figure in _every(figures)
    }
    return {"figures": numbers}


def _number(value: object) -> JsonValue:
    if value is None or isinstance(value, str | bool):
        return value
    number = plain(value)
    return number if number is None else float(f"{number:.6g}")


def _facts(material: Material) -> list[str]:
    """Return the size of the comparison in words."""
    cells, images = len(material.cells), material.images.shape[1]
    seeds = sorted({int(count) for count in material.done["seeds"]}) if len(material.done) else []
    facts = [*([NO_TEST] if material.validation_only else []), _many(cells, "cell")]
    if seeds:
        same = len(seeds) == 1
        facts.append(_many(seeds[0], "seed") if same else f"{seeds[0]} to {seeds[-1]} seeds")
    if images:
        facts.append(_many(images, "test image"))
    if len(material.done) > 1 and material.compared.claims:
        facts.append(f"{sum(may(row) for row in material.done.to_dict('records'))} may be the best")
    return facts


def _tied(material: Material) -> bool:
    """Whether a cell without the best mean may be the best."""
    rows = material.done.to_dict("records")
    return material.compared.claims and any(may(row) for row in rows[1:])


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _script_json(values: Mapping[str, object]) -> Markup:
    """Return JSON that cannot end the script element around it."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(json_visible(text))  # it holds no character with a meaning in HTML


def _hash(script: str) -> str:
    """Return the hash by which the page's security policy allows its one script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


@cache
def _part(name: str) -> str:
    return (files("segsweep.report.page") / "template" / name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["many"] = _many
    environment.filters["rows"] = table_html
    environment.filters["meanings"] = meanings_html
    environment.filters["folded"] = folded_pairs
    return environment.from_string(_part("page.html"))
