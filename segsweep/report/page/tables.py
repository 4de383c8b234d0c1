"""Tables of the page as HTML: every row is there, can be found, copied and printed."""

from collections.abc import Sequence

from markupsafe import Markup, escape

from segsweep.report.columns import COLUMN_TEXTS, DASH
from segsweep.report.content.meanings import meaning_of
from segsweep.report.content.rows import COUNT, TEXT, YES, JsonValue, Listing

LONG = 60
"""From this length on a text may be broken into lines."""
MOST_PRINTED_PAIRS = 24
"""Up to this many pairs of cells are printed."""
SHORTENED = ("p_adjusted", "p_equal", "p_best", "multiply_adds")
"""Columns with texts such as `< 0.01` or `1.2 G`: sorting needs the number beside it."""


def table_html(listing: Listing) -> Markup:
    """Return a table with all its rows; each heading carries its column's meaning."""
    head = Markup("").join(_heading(listing, column) for column in listing.columns)
    folded = _folded(listing)
    body = Markup("\n").join(
        _row(listing, row, hidden) for row, hidden in zip(listing.rows, folded, strict=True)
    )
    return Markup("<thead><tr>{}</tr></thead>\n<tbody>\n{}\n</tbody>").format(head, body)


def meanings_html(listing: Listing) -> Markup:
    """Return the meaning of each column, as a list that stands below the table."""
    items = (
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(title, meaning_of(listing.name, key))
        for key, title, _ in listing.columns
    )
    return Markup('<dl class="meanings">{}</dl>').format(Markup("").join(items))


def folded_pairs(listing: Listing) -> int:
    """Return how many rows a printed page leaves out: pairs of cells, where they are many."""
    return sum(_folded(listing))


def text_of(key: str, value: JsonValue, digits: int) -> str:
    """Return a value as the page shows it."""
    if value is None:
        return DASH
    if digits == YES:
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if key in SHORTENED:
        return COLUMN_TEXTS[key](value)
    return f"{value:,.0f}" if digits == COUNT else f"{round(value, digits) + 0.0:.{digits}f}"


def _folded(listing: Listing) -> list[bool]:
    pairs = listing.name == "pairs"
    single = [pairs and row[0] in ("cells", "interaction") for row in listing.rows]
    return single if sum(single) > MOST_PRINTED_PAIRS else [False] * len(single)


def _heading(listing: Listing, column: tuple[str, str, int]) -> Markup:
    key, title, digits = column
    return Markup(  # no <button>: Chromium does not repeat a head with one on the next page
        '<th scope="col"{} data-key="{}"><span role="button" tabindex="0" title="{}">{}</span></th>'
    ).format(_css(digits), key, meaning_of(listing.name, key), title)


def _row(listing: Listing, row: Sequence[JsonValue], folded: bool) -> Markup:
    cells = []
    for (key, _, digits), value in zip(listing.columns, row, strict=True):
        text = text_of(key, value, digits)
        css = ' class="long"' if len(text) > LONG else _css(digits)
        number = (
            f' data-v="{value:.9g}"' if key in SHORTENED and isinstance(value, int | float) else ""
        )
        cells.append(f"<td{css}{number}>{escape(text)}</td>")
    start = '<tr class="folded">' if folded else "<tr>"
    return Markup(f"{start}{''.join(cells)}</tr>")  # every text was escaped above


def _css(digits: int) -> Markup:
    return Markup("" if digits in (TEXT, YES) else ' class="n"')
