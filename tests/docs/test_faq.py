"""docs/faq.md quotes what segsweep really prints: each command is given, each message found."""

import ast
import re
import shlex
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from command import ROOT, TINY, train_here
from trained_sweeps import write_photos

PAGE = ROOT / "docs" / "faq.md"
GAP = "..."
"""What differs from case to case, or is left out."""
MYNET = """
from torch import nn


class MyNet(nn.Module):
    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.layer = nn.Conv2d(in_channels, 1, 1)

    def forward(self, x):
        return self.layer(x)
"""
TRAINS = {"sweep=nan": [word for word in TINY if not word.startswith("optimizer")]}
"""A word of a command that trains -> words that make it short."""


def blocks(info: str) -> list[str]:
    """Return the page's code blocks with this word after the fence."""
    tokens = MarkdownIt().parse(PAGE.read_text(encoding="utf-8"))
    return [token.content for token in tokens if token.type == "fence" and token.info == info]


def quoted() -> list[tuple[str, str]]:
    """Return the page's commands, each with the output that it quotes."""
    parts = [block.partition("\n") for block in blocks("console")]
    return [(first.removeprefix("$ "), rest.strip()) for first, _, rest in parts]


def in_order(text: str, printed: str) -> str:
    """Return the first part of *text*, between gaps, that *printed* lacks; empty: none."""
    place, words = 0, " ".join(printed.split())
    for part in re.split(rf"(?:^|(?<=[\s/:-])){re.escape(GAP)}", text):
        wanted = " ".join(part.split())
        found = words.find(wanted, place)
        if found < 0:
            return wanted
        place = found + len(wanted)
    return ""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """Return a folder with the images, options and the sweep that the page's commands name."""
    folder = tmp_path_factory.mktemp("faq")
    for name in ("photos", "mixed"):
        write_photos(folder / name, 8)
    (folder / "mixed/masks/photo03.png").unlink()
    (folder / "empty").mkdir()
    (folder / "myconf/model").mkdir(parents=True)
    option = "# a model of one's own\n_target_: mypackage.MyNet\nin_channels: ${data.channels}\n"
    (folder / "myconf/model/mynet.yaml").write_text(option)
    (folder / "mypackage").mkdir()
    (folder / "mypackage/__init__.py").write_text(MYNET)
    words = ("-m", *TINY, "model=unet,unet2", "keep=none", "preflight=false")
    with pytest.MonkeyPatch.context() as patch:
        assert train_here([*words, "hydra/launcher=basic"], patch, folder) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("command", "output"), quoted(), ids=lambda text: text.split("\n")[0][:60])
def test_command_prints_what_is_quoted(place, monkeypatch, capsys, command, output):
    """Line by line, but for line breaks and gaps."""
    program, *words = shlex.split(command)
    monkeypatch.syspath_prepend(place)
    if program == "segsweep-train":
        short = [word for key, more in TRAINS.items() if key in words for word in more]
        code = train_here([*words, *short], monkeypatch, place)
    else:
        code = _other(words, monkeypatch, place)
    printed = capsys.readouterr()

    assert code == (1 if re.search(r"of \d+ runs? failed", output) else 2)
    assert in_order(output, printed.out + printed.err) == "", printed.out + printed.err


def _other(words: list[str], monkeypatch: pytest.MonkeyPatch, place: Path) -> int:
    """Run `segsweep WORDS` in *place*; return its exit code."""
    from segsweep.cli.main import main

    monkeypatch.chdir(place)
    monkeypatch.setattr(sys, "argv", ["segsweep", *words])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_other_messages_are_in_the_code():
    """Those that need a full disk or a second process: their parts are texts of the package."""
    texts = "".join(text for path in (ROOT / "segsweep").rglob("*.py") for text in _texts(path))
    found = blocks("text")

    assert len(found) >= 3
    for message in found:
        parts = re.split(rf"{re.escape(GAP)}|data\.size", message.strip())  # the key is filled in
        assert [part for part in parts if part not in texts] == []


def _texts(path: Path) -> list[str]:
    """Return the string constants of a module in order; what is filled in ends one."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    constants = [node for node in nodes if isinstance(node, ast.Constant)]
    return [f"{node.value}\0" for node in constants if isinstance(node.value, str)]


@pytest.mark.slow
def test_sentences_of_the_answer_are_printed(place, monkeypatch, capsys):
    """What the page quotes in bold: the answer of a sweep that was trained too briefly."""
    found = re.findall(r'\*\*"(.*?)"\.\*\*', PAGE.read_text(encoding="utf-8"))
    assert _other(["report", "main"], monkeypatch, place) == 0
    printed = capsys.readouterr().out

    assert len(found) >= 2
    assert [sentence for sentence in found if in_order(sentence, printed)] == []
