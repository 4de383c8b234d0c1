"""Control characters in what users wrote are shown; segsweep's own sequences are obeyed."""

import io
import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from command import TINY, train_here
from segsweep.cli import main as cli
from segsweep.system.console import console_on
from segsweep.system.progress import Counter, Progress
from segsweep.system.terminal import json_visible, raw, visible, visible_output

NASTY = "a\x1b[31mb\x1b]0;title\x07c\x9b2Jd\re\u202ef\u2066g\x08h"
SHOWN = r"a\x1b[31mb\x1b]0;title\x07c\x9b2Jd\x0de\u202ef\u2066g\x08h"


def is_harmless(text):
    """Whether a terminal writes *text* and does nothing else, by Unicode's own categories."""
    ends = text.replace("\r\n", "\n").replace("\n", "").replace("\t", "")
    turns = ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
    return not any(
        unicodedata.category(sign) in ("Cc", "Cs", "Zl", "Zp")
        or unicodedata.bidirectional(sign) in turns
        for sign in ends
    )


@given(st.text())
def test_any_text_becomes_harmless(text):
    """And a harmless one stays as it is."""
    assert is_harmless(visible(text))
    assert not is_harmless(text) or visible(text) == text


def test_escapes_are_those_of_python():
    """As in an error's repr."""
    assert visible(NASTY) == SHOWN
    assert visible("Kaltes Gewässer\t中文 עברית 👩‍🔬\r\n") == "Kaltes Gewässer\t中文 עברית 👩‍🔬\r\n"


@given(st.text())
def test_json_stays_the_same_value(text):
    """JSON has escapes of its own."""
    written = json_visible(json.dumps({"a": text}, ensure_ascii=False))

    assert json.loads(written) == {"a": text}
    assert is_harmless(written)


def test_everything_printed_passes(capsys):
    """On both streams, until the block ends; a second block changes nothing."""
    with visible_output(), visible_output():
        print(NASTY)
        print(NASTY, file=sys.stderr)
        sys.stdout.writelines([NASTY])
        assert not sys.stdout.isatty()
    print(NASTY, end="")

    assert capsys.readouterr() == (f"{SHOWN}\n{SHOWN}{NASTY}", f"{SHOWN}\n")


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        """Return True."""
        return True


def test_rich_draws_its_colours_and_shows_those_of_a_text(monkeypatch):
    """Bold is a sequence of rich, the rest is text."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    with visible_output():
        console_on().print(Text(NASTY.replace("\r", ""), "bold"), soft_wrap=True)
    text = stream.getvalue()

    assert "\x1b[1m" in text
    assert text.replace("\x1b[1m", "").replace("\x1b[0m", "").strip().startswith(r"a\x1b[31mb")
    assert "\x1b]0" not in text


def test_progress_still_rewrites_its_line(monkeypatch, tmp_path):
    """The sequence that clears the line passes; one in a run's name does not."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with visible_output():
        progress = Progress("x\x1b[2J-id", 2, tmp_path / "log")
        names = ("epoch", "seconds", "val_iou", "train_loss", "val_loss", "lr")
        row = dict.fromkeys(names, 1.0)
        progress.epoch([row], best=True)
        progress.announce("said")
        count = Counter("reading")
        count.last_output -= 10
        count(1, 2)

        assert raw(sys.stderr) is stream
    assert stream.getvalue().count("\r\033[K") == 3
    assert "\033" not in stream.getvalue().replace("\r\033[K", "")


@pytest.fixture
def nasty_loss(tmp_path, monkeypatch):
    """Return the words that train a loss whose error contains escape sequences."""
    (tmp_path / "nasty.py").write_text(
        "from torch import nn\n"
        "class Nasty(nn.Module):\n"
        "    def forward(self, logits, target):\n"
        f"        print({NASTY!r})\n"
        f"        raise RuntimeError({NASTY!r})\n"
    )
    (tmp_path / "mine" / "loss").mkdir(parents=True)
    (tmp_path / "mine" / "loss" / "nasty.yaml").write_text("_target_: nasty.Nasty\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return [*TINY, f"--config-dir={tmp_path / 'mine'}", "allow=[nasty]", "loss=nasty"]


@pytest.mark.slow
def test_error_of_a_users_loss(nasty_loss, tmp_path, monkeypatch, capsys):
    """In the command that trains, and in those that show it afterwards."""
    assert train_here(nasty_loss, monkeypatch, tmp_path) == 1
    said = ["".join(capsys.readouterr())]
    (run,) = (tmp_path / "outputs" / "main" / "runs").iterdir()
    with (run / "train.log").open("a") as log:
        log.write(f"{NASTY}\n")
    for words in (["show", run.name], ["runs", "main", "--failed"], ["status", "main"]):
        monkeypatch.setattr(sys, "argv", ["segsweep", *words])
        with pytest.raises(SystemExit):
            cli.main()
        said.append("".join(capsys.readouterr()))
    monkeypatch.setattr(sys, "argv", ["segsweep", "runs", "main", "--failed", "--json"])
    with pytest.raises(SystemExit):
        cli.main()
    values = capsys.readouterr().out

    assert all(map(is_harmless, said))
    assert all(r"\x1b[31m" in text for text in said)
    assert is_harmless(values)
    assert r"\x1b[31m" in json.loads(values)["runs"][0]["error"]  # as it is stored
