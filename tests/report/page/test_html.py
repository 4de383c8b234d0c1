"""The page as text: its content for sweeps in every state, and that it is safe."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from importlib.resources import files

import numpy as np
import pandas as pd
import pytest

from sample_sweeps import (
    EVIL,
    LOSSES,
    MODELS,
    READ,
    Maker,
    all_failed_sweep,
    finished_sweep,
    half_finished_sweep,
    one_cell_sweep,
    write_rows,
)
from segsweep.metrics import METRICS
from segsweep.report.analysis import Compared, compare
from segsweep.report.content.images import cases, image_table
from segsweep.report.content.listing import listings
from segsweep.report.content.material import material_of
from segsweep.report.figures.cost import pareto
from segsweep.report.figures.curves import _apart
from segsweep.report.figures.panels import TOP, panels_of
from segsweep.report.figures.svg import log_ticks, path, shade, short, ticks, whole_ticks
from segsweep.report.page.html import build_page
from segsweep.report.question import Asked
from segsweep.stats.wording.answer import Answer
from segsweep.store.tables import read_all
from segsweep.system.files import claimed

NAMESPACE = "http://www.w3.org/2000/svg"
KINDS = {
    "finished": lambda maker: finished_sweep(maker, 2, MODELS[:2], LOSSES[:2]),
    "half": half_finished_sweep,
    "one seed": lambda maker: finished_sweep(maker, 1, MODELS[:2], LOSSES[:2]),
    "one cell": one_cell_sweep,
    "all failed": all_failed_sweep,
    "empty": lambda maker: None,
}
REPEAT = "repeat after a crash"


@pytest.fixture
def maker(tmp_path, frozen, write_run):
    """Return what writes a sweep."""
    return Maker(tmp_path / "mine", frozen, write_run, images=8, epochs=4)


@dataclass(frozen=True)
class Found(Compared):
    """What an analysis of a finished sweep could have found, without one."""

    claims: bool = True
    images: pd.DataFrame = field(default_factory=pd.DataFrame)
    rank_shares: pd.DataFrame | None = None
    kendall: float | None = None


def found_for(cells, pairs=None, **more):
    """Return what was found out about *cells*: name -> mean."""
    table = pd.DataFrame(
        [
            {
                **{"model": cell.partition("/")[0], "loss": cell.partition("/")[2], "seeds": 2},
                **{"failed": 0, "test_iou": mean, "ci_low": mean - 0.02, "ci_high": mean + 0.02},
                **{"sd_seeds": 0.01, "sd_images": 0.1, "may_be_best": mean > 0.85},
                **{"seconds": 10 / mean, "parameters": 1000 * mean, "multiply_adds": 1e6 * mean},
            }
            for cell, mean in cells.items()
        ]
    )
    answer = Answer("Settled: this is the best.", ())
    pairs = pd.DataFrame() if pairs is None else pairs
    return Found(Asked(), None, answer, table, pairs, len(cells), **more)


def material(folder, found=None):
    """Return what the page shows of a sweep, from *found* or from an analysis."""
    tables = read_all(folder)
    return material_of(tables, found or compare(tables))


def data_of(html):
    """Return what the page's script reads."""
    return json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])


@pytest.mark.parametrize("kind", KINDS)
def test_page_is_one_file_in_every_state(kind, maker):
    """Nothing is loaded: no address but SVG's name, no source, one policy that forbids it."""
    KINDS[kind](maker)
    html = build_page(material(maker.folder))
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", html)) - {NAMESPACE}

    assert not addresses
    assert not re.findall(r"<(?:img|iframe|object|embed)|\ssrc=|@import|url\(", html)
    assert "default-src 'none'" in html
    assert html.count("<script") == html.count("</script>") == 2


def test_text_from_data_and_errors_does_no_harm(maker):
    """An image, an error, a request and a machine that are named like elements stay text."""
    half_finished_sweep(maker)
    maker.plan(f"-m data.root={EVIL} loss=bce")
    html = build_page(material(maker.folder))

    assert "<script>alert" not in html
    assert "node<1>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert EVIL in [row[0] for row in listings(material(maker.folder))["images"].rows]


def test_only_the_pages_own_script_may_run(maker):
    """The policy allows the script by its hash, so injected scripts do not run."""
    html = build_page(material(maker.folder))
    script = (files("segsweep.report.page") / "template" / "page.js").read_bytes()
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()

    assert f"script-src 'sha256-{digest}'" in html
    assert script.decode() in html
    assert "unsafe" not in html.replace("style-src 'unsafe-inline'", "")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("all failed", "All 7 runs failed."),
        ("empty", "Nothing is planned in this sweep yet."),
        ("one cell", "One cell, nothing to compare: unet2/ss has a mean of 0."),
        ("one seed", "No claim about methods: one seed per cell."),
        ("finished", "ettled: "),
    ],
)
def test_page_says_at_the_top_what_there_is(kind, words, maker):
    """The answer, or why there is none."""
    KINDS[kind](maker)
    html = build_page(material(maker.folder))

    assert words in re.search(r'class="headline">(.*?)</p>', html, re.DOTALL)[1]


def test_heatmap_shows_means_intervals_and_who_may_be_best(maker):
    """The numbers in the picture are the comparison's; a dot per cell that may be the best."""
    finished_sweep(maker, 2, MODELS[:2], LOSSES[:2])
    means = {"segnet/bce": 0.8123, "segnet/dice": 0.8011, "unet/bce": 0.8764, "unet/dice": 0.86}
    shown = material(maker.folder, found_for(means))
    html = build_page(shown)
    svg = re.search(r'data-figure="heatmap".*?(<svg.*?</svg>)', html, re.DOTALL)[1]

    assert sorted(re.findall(r'class="value t\d+" text-anchor="middle">([^<]+)', svg)) == [
        "0.801",
        "0.812",
        "0.860",
        "0.876",
    ]
    assert "0.856–0.896" in svg
    assert svg.count("<circle") == 2
    assert "unet/bce: 0.8764 (0.8564 to 0.8964), 2 seeds, may be the best" in svg
    assert [row[0] for row in data_of(html)["figures"]["intervals"]["rows"]] == [*means]


def test_every_figure_has_words_and_numbers(maker):
    """Each drawing says what it shows; each has rows for its CSV, as wide as its columns."""
    finished_sweep(maker, 2, MODELS[:2], LOSSES[:2])
    for seed, lr in ((0, 0.1), (1, 0.3)):
        maker.finished("unet", "ss", seed, optimizer__lr=lr)
    shares = pd.DataFrame([[0.7, 0.3], [0.3, 0.7]], ["unet/bce", "unet/dice"], [1, 2])
    images = pd.DataFrame([[0.9, 0.7], [0.8, 0.8]], ["unet/bce", "unet/dice"], ["i0", "i1"])
    means = {"unet/bce": 0.9, "unet/dice": 0.8}
    found = found_for(means, rank_shares=shares, kendall=0.4, images=images)
    html = build_page(material(maker.folder, found))
    names = re.findall(r'data-figure="([^"]+)"', html)
    numbers = data_of(html)["figures"]

    assert {"heatmap", "intervals", "ranks", "variance", "images", "learning-rates"} <= {*names}
    assert {"cost-multiply_adds", "cost-parameters", "val_loss-bce", "val_score-segnet"} <= {*names}
    assert {*names} == {*numbers}
    for drawing in re.findall(r"<svg[^>]*>", html):
        assert len(re.search(r'aria-label="([^"]*)"', drawing)[1]) > 20
    for figure in numbers.values():
        assert {len(row) for row in figure["rows"]} == {len(figure["columns"])}


def test_curves_are_means_over_seeds(maker):
    """Mean, lowest and highest of an epoch, from histories written here."""
    for seed, losses in enumerate(((0.9, 0.5), (0.7, 0.1))):
        folder = maker.running("unet", "bce", seed)
        rows = [(e + 1, 1, loss, 0.5, 0.5, 0.5, 0.1, 1) for e, loss in enumerate(losses)]
        header = (folder / "history.csv").read_text().splitlines()[0].split(",")
        write_rows(folder / "history.csv", rows, header)
    drawn = data_of(build_page(material(maker.folder)))["figures"]["val_loss-bce"]["rows"]

    assert drawn == [["unet", 1, 0.8, 0.7, 0.9], ["unet", 2, 0.3, 0.1, 0.5]]


def test_losses_of_different_functions_have_an_axis_each(maker):
    """A panel per loss function, arguments included; a panel per architecture for the score."""
    for gamma in (1.0, 2.0):
        maker.finished("unet", "focal", 0, loss__gamma=gamma)
        maker.finished("unet", "bce", 0)
    figures = data_of(build_page(material(maker.folder)))["figures"]
    losses = [name for name in figures if name.startswith("val_loss")]

    assert losses == [
        "val_loss-bce",
        "val_loss-focal@loss.gamma=1.0",
        "val_loss-focal@loss.gamma=2.0",
    ]
    assert [name for name in figures if name.startswith("val_score")] == ["val_score-unet"]


def test_no_value_of_a_curve_is_cut(maker):
    """One early loss of 50 is inside the axis, which is then logarithmic and says so."""
    folder = maker.running("unet", "bce", 0)
    rows = [(e + 1, 1, loss, 0.5, 0.5, 0.5, 0.1, 1) for e, loss in enumerate([50.0] + [0.1] * 99)]
    header = (folder / "history.csv").read_text().splitlines()[0].split(",")
    write_rows(folder / "history.csv", rows, header)
    (score,), (loss,) = panels_of(material(maker.folder).history)

    assert (loss.axis.low, loss.axis.high, loss.axis.log) == (0.1, 50.0, True)
    assert loss.axis_title == "validation loss (bce), log scale"
    assert loss.axis.scale(50.0) == pytest.approx(TOP)
    assert score.axis.log is False


def test_values_that_are_not_finite_are_counted(maker):
    """A diverged epoch leaves a gap; the axis says how many values are not there."""
    folder = maker.running("unet", "bce", 0)
    rows = [(e + 1, 1, loss, 0.5, 0.5, 0.5, 0.1, 1) for e, loss in enumerate(["inf", 0.4, "nan"])]
    header = (folder / "history.csv").read_text().splitlines()[0].split(",")
    write_rows(folder / "history.csv", rows, header)

    assert "validation loss (bce); 2 values not finite: not drawn" in build_page(
        material(maker.folder)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_column_of_every_table_is_explained(kind, maker):
    """The heading has the meaning as a tooltip; a list that prints stands below the table."""
    KINDS[kind](maker)
    shown = material(maker.folder)
    html = build_page(shown)
    for name, listing in listings(shown).items():
        box = html.split(f'data-table="{name}"')[1].split("</dl>")[0]
        head = re.findall(
            r'data-key="([^"]+)"><span role="button" tabindex="0" title="([^"]+)">', box
        )

        assert [key for key, _ in head] == [key for key, *_ in listing.columns]
        assert box.count("<dt>") == len(listing.columns)
        assert len(re.findall("<tr", box)) == 1 + len(listing.rows)
    assert "thresholds .50, .55" in html or kind in ("all failed", "empty")


def test_figures_have_titled_axes_and_say_how_far_colours_reach(maker):
    """Words with the metric beside axes and colour bars; the range of the colours in a sentence."""
    finished_sweep(maker, 2, MODELS[:2], LOSSES[:2])
    html = build_page(material(maker.folder))
    axes = re.findall(r'class="axis"[^>]*>([^<]+)', html)

    for words in (
        "mean test IoU, with 95 % interval",
        "colours: mean test IoU, worst to best here",
        "colours: chance of that rank",
        "standard error of the mean test IoU",
        "epoch",
        "validation score",
        "test images, the hardest left",
        "parameters, log scale",
        "mean test IoU",
    ):
        assert words in axes
    assert re.search(r"worst to the best mean here, 0\.\d{3} to 0\.\d{3}, not from 0 to 1", html)


CONTRAST = 4.5
ON_PAPER = ("ink", "soft", "faint", "accent", "warn")


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read(dark):
    """Every colour of text on paper, on raised paper, and on each colour of a heat map."""
    css = (files("segsweep.report.figures") / "figures.css").read_text()
    values = dict(re.findall(r"--([\w-]+): (#\w{6})", css.split("@media")[dark]))
    pairs = [(name, paper) for name in ON_PAPER for paper in ("paper", "raised")]
    pairs += [(f"t{step}", f"q{step}") for step in range(12)]
    low = {pair: contrast(*(values[name] for name in pair)) for pair in pairs}

    assert {pair: value for pair, value in low.items() if value < CONTRAST} == {}


def contrast(first, second):
    """Return the contrast of two colours by the rule of WCAG 2."""
    lights = sorted((_light(first), _light(second)), reverse=True)
    return (lights[0] + 0.05) / (lights[1] + 0.05)


def _light(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_images_are_means_over_seeds(maker):
    """The value of a cell on an image is the mean IoU of its runs, from the counts."""
    for seed in range(2):
        maker.finished("unet", "bce", seed)
    images = material(maker.folder).images
    counts = pd.concat(map(pd.read_csv, maker.folder.glob("runs/*/per_image.csv")))
    by_hand = (counts["tp"] / (counts["tp"] + counts["fp"] + counts["fn"])).groupby(counts["image"])

    assert images.shape == (1, 8)
    assert images.loc["unet/bce"].to_dict() == pytest.approx(by_hand.mean().to_dict())


def test_hardest_and_most_disputed_images():
    """Of five images by two cells the order of difficulty and of disagreement is plain."""
    images = pd.DataFrame(
        [[0.1, 0.9, 0.5, 0.7, 0.3], [0.2, 0.9, 0.9, 0.7, 0.3]], ["a", "b"], [*"vwxyz"]
    )
    table = image_table(images, METRICS["iou"])
    found = {name: [row["image"] for row in rows] for name, rows in cases(table)}

    assert [*table["image"]] == [*"vzxyw"]
    groups = ("Hardest", "In the middle", "Easiest")
    assert [found[name] for name in groups] == [[*"vz"], [*"x"], [*"wy"]]  # none is shown twice
    assert found["Cells disagree most"][:2] == [*"xv"]
    assert table.set_index("image").loc["x", "best_cell"] == "b"


@pytest.mark.parametrize(
    ("reads", "words"),
    [
        ([(READ, "the run's one reading", 8)], None),
        ([("2026-03-01T09:00:00+0000", "the run's one reading", 8), (READ, REPEAT, 8)], None),
        ([(READ, "the run's one reading", 8)] * 2, "read 2 times"),
        ([(READ, "the run's one reading", 8), (READ, "curiosity", 8)], "curiosity"),
        ([("2026-03-01T09:59:00+0000", "the run's one reading", 8)], "before the choice"),
        ([("2026-03-01T10:00:30+0000", "the run's one reading", 8)], "before the choice"),
        ([("2026-03-01T11:00:00+0000", "the run's one reading", 8)], "after the result"),
    ],
)
def test_readings_of_the_test_set_that_should_not_be(reads, words, maker):
    """One reading after training and a repeat after a crash are regular; others cause warnings."""
    folder = maker.finished("unet", "bce", 0)  # 10:00 to 10:21, 260 seconds of training
    write_rows(folder / "test_reads.csv", reads)
    shown = material(maker.folder)
    warnings = shown.reads.warnings

    assert len(warnings) == (words is not None)
    assert all(words in warning and folder.name in warning for warning in warnings)
    assert len(shown.reads.rows) == len(reads)
    assert ('class="warning" role="alert"' in build_page(shown)) == (words is not None)


def test_finished_run_without_a_reading_is_named(maker):
    """Its log was emptied: it was tested, so that there was one."""
    folder = maker.finished("unet", "bce", 0)
    write_rows(folder / "test_reads.csv", [])
    with pytest.warns(UserWarning, match=r"test_reads.csv: ignored: damaged, it has no row"):
        shown = material(maker.folder)

    assert shown.reads.rows == []


def test_run_that_was_resumed_raises_no_alarm(maker):
    """Training took longer than the last attempt: earlier attempts did part of it."""
    folder = maker.finished("unet", "bce", 0)
    result = json.loads((folder / "result.json").read_text())
    times = {"started": "2026-03-01T10:19:50+0000", "finished": "2026-03-01T10:20:05+0000"}
    (folder / "result.json").write_text(json.dumps({**result, **times, "seconds": 5000}))

    assert not material(maker.folder).reads.warnings


def test_pairs_name_the_higher_first(maker):
    """A negative difference is turned round with its interval; main effects come first."""
    maker.finished("unet", "bce", 0)
    pairs = pd.DataFrame(
        [
            ["cells", "x", "y", -0.05, -0.08, -0.02, 0.01, 0.1, "b better", None],
            ["losses", "bce", "dice", 0.01, -0.01, 0.03, 0.5, 0.4, "undecided", 8],
        ],
        columns=[
            *("family", "a", "b", "difference", "ci_low", "ci_high"),
            *("p_adjusted", "p_equal", "verdict", "seeds_needed"),
        ],
    )
    shown = material(maker.folder, found_for({"unet/bce": 0.8}, pairs=pairs))
    rows = listings(shown)["pairs"].rows

    assert rows[0][:2] == ["losses", "bce"]
    assert rows[1][:6] == ["cells", "y", "x", 0.05, 0.02, 0.08]
    assert [row[8] for row in rows] == ["undecided", "better"]


def test_many_pairs_are_cut_to_the_clearest(maker):
    """Of 11,000 pairs the page holds 10,000, those with the smallest p, and says so."""
    maker.finished("unet", "bce", 0)
    count = 11_000
    pairs = pd.DataFrame(
        {
            **{"family": "cells", "a": "x", "b": "y", "difference": 0.01, "ci_low": 0.0},
            **{"ci_high": 0.02, "p_adjusted": np.linspace(1, 0, count), "p_equal": 0.5},
            **{"verdict": "undecided", "seeds_needed": 5},
        },
        index=range(count),
    )
    shown = material(maker.folder, found_for({"unet/bce": 0.8}, pairs=pairs))
    html = build_page(shown)
    rows = listings(shown)["pairs"].rows

    assert html.count("<tr><td>cells</td>") + html.count('<tr class="folded"><td>cells') == 10_000
    assert len(rows) == 10_000
    assert max(row[6] for row in rows) < 0.91
    assert "The 10,000 clearest of 11,000" in html


def test_epochs_have_whole_ticks():
    """No axis of epochs has a mark at 2.5; a few marks for any number of epochs."""
    assert whole_ticks(1, 10) == [2, 4, 6, 8, 10]
    assert whole_ticks(1, 2) == [1, 2]
    assert whole_ticks(1, float("inf")) == [1]  # from a damaged file
    assert whole_ticks(1, 1) == [1]
    for last in range(2, 300):
        marks = whole_ticks(1, last)
        assert all(mark == int(mark) and 1 <= mark <= last for mark in marks)
        assert 2 <= len(marks) <= 6


def test_failures_stand_together_by_cause(maker):
    """Six runs with one error are one entry with their count; the seventh is another."""
    all_failed_sweep(maker)
    html = build_page(material(maker.folder))
    counts = re.findall(r'class="cause">raised</span> (\d+) run', html)

    assert counts == ["6", "1"]
    assert "the loss is nan in epoch 3" in html
    assert "Traceback (most recent call last)" in html


def test_page_tells_how_the_sweep_was_made(maker):
    """The command, data, split, machine and versions are there, and where they differ."""
    finished_sweep(maker, 2, MODELS[:1], LOSSES[:1])
    folder = maker.finished("unet", "bce", 0)
    other = json.loads((folder / "environment.json").read_text()) | {"torch": "2.8.0"}
    (folder / "environment.json").write_text(json.dumps(other))
    html = build_page(material(maker.folder))

    assert "segsweep-train -m model=segnet,unet loss=bce,dice seed=0,1,2" in html
    assert "0123456789abcdef" in html
    assert "20 train, 10 val, 8 test" in html
    assert "2.9.0" in html
    assert "Not all runs were made on the same machine" in html


def test_page_renews_itself_only_while_somebody_works_on_open_runs(maker):
    """Ten seconds with open runs; never after the last one, nor where the work was broken off."""
    finished_sweep(maker, 1, MODELS[:1], LOSSES[:1])
    closed = build_page(material(maker.folder), live=True)
    folder = maker.running("unet", "bce", 0)
    broken_off = build_page(material(maker.folder))
    live = build_page(material(maker.folder), live=True)
    with claimed(folder / ".claim"):
        running = build_page(material(maker.folder))

    assert ['data-reload="0"' in page for page in (closed, broken_off)] == [True, True]
    assert ['data-reload="10"' in page for page in (live, running)] == [True, True]


def test_swept_keys_name_rows_of_the_heatmap(maker):
    """A value with a point in it is not cut: `lr=0.25`, not `25`."""
    for lr in (0.25, 0.5):
        maker.finished("unet", "bce", 0, optimizer__lr=lr)
    html = build_page(material(maker.folder))

    assert ">unet lr=0.25</text>" in html
    assert ">unet lr=0.5</text>" in html


def test_damaged_files_of_runs_leave_a_page(maker):
    """A truncated history, environment, log of readings and plan cost their part only."""
    folder = maker.finished("unet", "bce", 0)
    maker.finished("unet", "dice", 0)
    maker.plan()
    for name in ("environment.json", "test_reads.csv", "split.csv", "history.csv"):
        (folder / name).write_bytes(b"\xff\xfe,{")
    (maker.folder / "plan.csv").write_bytes(b"\xff\xfe")
    with pytest.warns(UserWarning, match="history.csv: ignored"):
        html = build_page(material(maker.folder))

    assert "2 cells" in html
    assert "None so far" not in html  # the other run's


def test_pareto_front_by_hand():
    """Cheapest first, without points that cost more and are not better."""
    points = [("a", 1.0, 0.5), ("b", 2.0, 0.7), ("c", 2.0, 0.6), ("d", 3.0, 0.7), ("e", 4.0, 0.8)]

    assert [cell for cell, *_ in pareto(points)] == ["a", "b", "e"]


def test_axes_have_round_values_inside_their_limits():
    """Linear and logarithmic, in a wide range and in one below a decade."""
    assert ticks(0.78, 0.91) == pytest.approx([0.8, 0.825, 0.85, 0.875, 0.9])
    assert log_ticks(1, 1000) == [1, 10, 100, 1000]
    assert log_ticks(210, 390) == pytest.approx([250, 300, 350])
    assert ticks(float("nan"), 1) == []


@pytest.mark.parametrize(
    ("value", "words"),
    [(0, "0"), (0.85, "0.85"), (0.002, "0.002"), (0.0001, "1e-4"), (931969, "932k"), (2e6, "2M")],
)
def test_axis_numbers_are_short(value, words):
    """Numbers as people write them."""
    assert short(value) == words


def test_colours_cover_the_range_and_gaps_interrupt_lines():
    """The ends have the first and the last colour; a missing value interrupts a line."""
    assert (shade(0, 0, 1), shade(1, 0, 1), shade(5, 5, 5)) == (0, 11, 6)
    assert path([(0, 0), (1, float("nan")), (2, 1), (3, 1)]) == "M0 0M2 1L3 1"


def test_names_of_lines_are_pushed_apart_and_stay_inside():
    """Three ends at the bottom are as far apart as text is high, in their order."""
    moved = _apart([218.0, 219.0, 220.0], 13.0)

    assert np.diff(moved).min() >= 13
    assert moved[-1] <= 220
    assert moved == sorted(moved)


def test_one_seed_marks_no_cell_as_best(maker):
    """Without claims no dot and no count suggests a best cell."""
    finished_sweep(maker, 1, MODELS[:2], LOSSES[:2])
    cells = {"unet/bce": 0.9, "unet/dice": 0.8}
    marked = build_page(material(maker.folder, found_for(cells)))
    plain = build_page(material(maker.folder, found_for(cells, claims=False)))

    assert "may be the best" in marked
    assert "may be the best" not in plain
    assert "not for methods" in plain


def test_outlines_are_drawn_where_runs_have_stored_them(maker):
    """Truth and a line per cell on the images that are named; without files nothing is drawn."""
    folders = [maker.finished("unet", loss, 0) for loss in LOSSES[:3]]
    without = build_page(material(maker.folder))
    for folder in folders:
        maker.outlines(folder)
    (folders[2] / "outlines.json").write_text('{"size": [128], "images": {}}')  # damaged
    shown = material(maker.folder)
    html = build_page(shown)
    drawing = re.search(r'data-figure="outlines-1".*?(<svg.*?</svg>)', html, re.DOTALL)[1]

    assert "outlines-1" not in without
    assert len(shown.outlines) >= 6
    assert drawing.count('class="ring') == 2
    assert drawing.count('class="truth') == 1
    assert "ring best m" in drawing
    assert data_of(html)["figures"]["outlines-1"]["rows"][0][0] == "truth"


def test_engine_fills_the_page(maker):
    """What the analysis of a sweep finds stands on its page: sentence, marks, ranks, pairs."""
    for seed in range(3):
        maker.finished("unet", "bce", seed, 0.1)
        maker.finished("unet", "dice", seed, -0.1)
    said = compare(read_all(maker.folder)).answer
    html = build_page(material(maker.folder))
    ranks = data_of(html)["figures"]["ranks"]["rows"]

    assert said.headline in html
    assert [row[0] for row in ranks] == ["unet/bce", "unet/dice"]
    assert ranks[0][1] > 0.9
    assert listings(material(maker.folder))["pairs"].rows[-1][1:3] == ["unet/bce", "unet/dice"]
