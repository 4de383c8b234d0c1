"""The site of `make docs`: what docs/hook.py does with pages, and what is built from them."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

from command import ROOT
from doc_blocks import pages

needs_mkdocs = pytest.mark.skipif(
    importlib.util.find_spec("mkdocs") is None, reason="no mkdocs: pip install -e '.[docs]'"
)


@pytest.fixture(scope="module")
def hook():
    """Return the module docs/hook.py."""
    spec = importlib.util.spec_from_file_location("hook", ROOT / "docs/hook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_page_is_in_the_navigation():
    """Those of docs/decisions and the lists of files are added by the hook."""
    nav = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    named = set(re.findall(r": ([\w/.-]+\.md)$", nav, re.MULTILINE))
    docs = ROOT / "docs"
    there = {path.relative_to(docs).as_posix() for path in docs.rglob("*.md")}
    expected = {page for page in there if not page.startswith("decisions/")}

    assert len(expected) > 20
    assert expected - named == set(), "add the page to nav in mkdocs.yml"


def test_links_of_pages_exist_in_the_repository():
    """As GitHub follows them: relative to the page; code is no link."""
    broken, count = [], 0
    for path in pages():
        tokens = MarkdownIt().enable("table").parse(path.read_text(encoding="utf-8"))
        inline = [child for token in tokens for child in token.children or ()]
        links = [child.attrGet("href") or child.attrGet("src") or "" for child in inline]
        for link in [link for link in links if link and not urlsplit(link).scheme]:
            place = urlsplit(link).path
            count += 1
            if place and not (path.parent / unquote(place)).exists():
                broken.append(f"{path.name}: {link}")

    assert count > 80
    assert broken == []


@needs_mkdocs
@pytest.mark.parametrize(
    ("link", "source", "page", "expected"),
    [
        ("keys.md#split", "docs/search.md", "search.md", "[a](keys.md#split)"),
        ("../CONTRIBUTING.md#add-a-loss", "docs/a.md", "a.md", "[a](contributing.md#add-a-loss)"),
        ("../../README.md", "docs/decisions/1.md", "decisions/1.md", "[a](../index.md)"),
        ("docs/keys.md", "CONTRIBUTING.md", "contributing.md", "[a](keys.md)"),
        ("../../docs/keys.md", "examples/plugin/README.md", "plugin.md", "[a](keys.md)"),
        ("../examples/plugin", "docs/extending.md", "extending.md", "[a](plugin.md)"),
        ("notebook.ipynb", "docs/use.md", "use.md", "[a](notebook.md)"),
        ("results/best/", "docs/best.md", "best.md", "[a](results/best/README.md)"),
        ("results/search.csv", "docs/search.md", "search.md", "[a](results/search.csv)"),
        ("../tests/test_layers.py", "docs/structure.md", "structure.md", "a"),
        ("conf", "README.md", "index.md", "a"),
        ("nothing.md", "docs/use.md", "use.md", "[a](nothing.md)"),
        ("https://doi.org/1", "docs/use.md", "use.md", "[a](https://doi.org/1)"),
    ],
)
def test_links_follow_pages_to_the_site(hook, link, source, page, expected):
    """A file that is no page becomes its text; a missing one is left to mkdocs, which fails."""
    assert hook.linked(f"[a]({link})", source, page) == expected


@needs_mkdocs
def test_code_is_no_link(hook):
    """In a line or in a block; a link may hold code, and run over two lines."""
    text = "`[a](../conf)`\n\n```\n[a](../conf)\n```\n\n[`b`\nc](../conf)"

    assert hook.linked(text, "docs/use.md", "use.md") == text.replace("[`b`\nc](../conf)", "`b`\nc")


@needs_mkdocs
def test_lists_are_indented_as_python_markdown_reads_them(hook):
    """Text, code and lists in an item; text after the list is not."""
    given = (
        "text:\n- one\n  more\n\n  ```\n  code\n    deep\n  ```\n\n  - in it\n\n"
        "1. two\n   - x\n\nend"
    )
    expected = (
        "text:\n\n- one\n    more\n\n    ```\n    code\n      deep\n    ```\n\n    - in it\n\n"
        "1. two\n    - x\n\nend"
    )

    assert hook.indented(given) == expected


@needs_mkdocs
def test_notebook_becomes_a_page(hook):
    """Text, code and stored outputs in order; no escape of a terminal, no style of pandas."""
    text = (ROOT / "docs/notebook.ipynb").read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    page = hook.of_notebook(text)

    assert page.startswith("# A sweep in a notebook")
    assert page.count("```python") == len(cells) > 10
    assert page.count('<div class="output">') == sum(len(cell["outputs"]) for cell in cells)
    assert "[12/12]" in page
    assert "\x1b" not in page
    assert "<style" not in page


def build(folder: Path, site: Path) -> "subprocess.CompletedProcess[str]":
    """Run `mkdocs build --strict` on the project in *folder*."""
    words = ("-m", "mkdocs", "build", "--strict", "--site-dir", str(site))
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


class Links(HTMLParser):
    """The ids of a page, where its links go, and what a browser loads for it."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep what the tag names."""
        found = dict(attrs)
        self.ids.add(found.get("id") or "")
        if tag == "a":
            self.links.append(found.get("href") or "")
        elif source := found.get("src") or (tag == "link" and found.get("href")):
            self.loaded.append(source)


@pytest.mark.slow
@needs_mkdocs
def test_site_is_whole_and_loads_nothing_from_elsewhere(tmp_path):
    """Every link leads to a file, and to a place in it that is there; all files are its own."""
    done = build(ROOT, tmp_path / "site")
    assert done.returncode == 0, done.stderr
    built = {}
    for path in (tmp_path / "site").rglob("*.html"):
        built[path] = Links()
        built[path].feed(path.read_text(encoding="utf-8"))
    broken = []
    for path, page in built.items():
        if path.name == "404.html":
            continue
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            known = built[target].ids if target in built else {unquote(parts.fragment)}
            if not target.is_file() or unquote(parts.fragment) not in known | {""}:
                broken.append(f"{path.name}: {link}")

    assert len(built) > 50
    assert broken == []
    loaded = [source for page in built.values() for source in page.loaded]
    assert [source for source in loaded if urlsplit(source).scheme not in ("", "data")] == []


@pytest.mark.slow
@needs_mkdocs
@pytest.mark.parametrize("link", ["nothing.md", "keys.md#nothing", "../nothing.py", "/keys.md"])
def test_a_link_that_leads_nowhere_ends_the_build(tmp_path, link):
    """The page is named."""
    for name in ("docs", "examples", "tests"):
        ignored = shutil.ignore_patterns("*.csv", "__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for name in ("mkdocs.yml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    with (tmp_path / "docs/use.md").open("a", encoding="utf-8") as file:
        file.write(f"\n[a link]({link})\n")
    done = build(tmp_path, tmp_path / "site")

    assert done.returncode == 1
    assert f"'{link}'" in done.stdout + done.stderr
    assert "use.md" in done.stdout + done.stderr
