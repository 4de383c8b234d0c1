"""What mkdocs needs so that the pages that GitHub shows become a site.

Pages outside docs/ and the notebook become pages of the site, links to them and to folders follow,
and lists are indented as Python-Markdown needs it. GitHub shows the same files as they are.
"""

import html
import json
import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
INCLUDED = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "examples/plugin/README.md": "plugin.md",
    "docs/notebook.ipynb": "notebook.md",
    "README.md": "index.md",
}
"""Files by their path in the repository -> the page of the site that shows them, or is meant."""
SOURCES = {page: source for source, page in INCLUDED.items() if page != "index.md"}
FENCE = re.compile(r"^ *```.*?^ *``` *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[((?:[^\[\]`]|`[^`]*`)*)\]\(([^)\s]+)\)|`[^`\n]+`")
ANSI = re.compile(r"\x1b\[[\d;]*m")
ITEM = re.compile(r"( *)([-*]|\d+\.) +")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List every decision in the navigation."""
    folder = ROOT / "docs" / "decisions"
    pages = [{_title(path): f"decisions/{path.name}"} for path in sorted(folder.glob("*.md"))]
    for section in config.nav or ():
        for entry in section.get("Development", ()):
            if "Decisions" in entry:
                entry["Decisions"] = pages
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add pages from outside docs/, the notebook, and a list for each folder without a page."""
    for page, source in SOURCES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        content = of_notebook(text) if source.endswith(".ipynb") else text
        files.append(File.generated(config, page, content=content))
    paths = {path.parent for path in (ROOT / "docs" / "results").rglob("*.csv")}
    for folder in sorted(path for path in paths if not (path / "README.md").exists()):
        name = folder.relative_to(ROOT / "docs").as_posix()
        listed = [f"- [{path.name}]({path.name})" for path in sorted(folder.iterdir())]
        content = "\n".join([f"# {name}\n", *listed, ""])
        files.append(File.generated(config, f"{name}/README.md", content=content))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with its links and lists as the site needs them."""
    path = page.file.src_uri
    source = SOURCES.get(path, f"docs/{path}")
    return indented(linked(markdown, source, path))


def linked(text: str, source: str, page: str) -> str:
    """Return *text* of the file *source* of the repository with links for *page* of the site."""

    def link(match: re.Match[str]) -> str:
        if match[3] is None or "://" in match[3] or match[3].startswith(("#", "mailto:")):
            return match[0]
        target = of_site(match[3], source, page)
        return f"{match[1]}[{match[2]}]({target})" if target else match[2]

    parts, end = [], 0
    for fence in FENCE.finditer(text):
        parts += [LINK.sub(link, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, LINK.sub(link, text[end:])])


def of_site(target: str, source: str, page: str) -> str:
    """Return where a link goes on the site, seen from *page*; empty if nothing there shows it."""
    path, _, anchor = target.partition("#")
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
    if not (ROOT / inside).exists():
        return target  # mkdocs says that it is missing
    if (ROOT / inside).is_dir():
        inside = f"{inside}/README.md"
    found = INCLUDED.get(inside, inside.removeprefix("docs/"))
    if found == inside:  # a file of the repository that is no page
        return ""
    there = posixpath.relpath(found, posixpath.dirname(page) or ".")
    return f"{there}#{anchor}" if anchor else there


def indented(text: str) -> str:
    """Return *text* with what belongs to an item of a list indented by 4 columns a level.

    In Markdown as GitHub reads it, it is indented by as much as the item's own text.
    """
    lines: list[str] = []
    columns: list[int] = []  # where the text of each open item begins
    fenced = False
    for line in text.split("\n"):
        item = None if fenced else ITEM.match(line)
        width = len(line) - len(line.lstrip(" "))
        begins = not lines or not lines[-1].strip()
        if line.strip() and not fenced and (item or begins):
            while columns and width < columns[-1]:
                columns.pop()
        if item and not begins and not columns and not ITEM.match(lines[-1]):
            lines.append("")  # a list right below its paragraph
        depth = len(columns)
        kept = line[min(width, columns[-1] if columns else 0) :]
        lines.append(" " * 4 * depth + kept if line.strip() else "")
        if item:
            columns.append(item.end())
        fenced ^= line.lstrip().startswith("```")
    return "\n".join(lines)


def of_notebook(text: str) -> str:
    """Return a notebook with its stored outputs as a page; nothing is executed."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        parts += [shown for output in cell["outputs"] if (shown := of_output(output))]
    return "\n\n".join(parts) + "\n"


def of_output(output: dict) -> str:
    """Return one stored output of a cell: its table or picture, else its text."""
    data = output.get("data", {})
    if "text/html" in data:
        shown = re.sub(r"(?s)<style.*?</style>", "", "".join(data["text/html"]))
        shown = shown.replace(' border="1" class="dataframe"', "").replace(' class="dataframe"', "")
    elif "image/png" in data:
        shown = (
            f'<img alt="the output of the cell" src="data:image/png;base64,{data["image/png"]}">'
        )
    else:
        words = "".join(data.get("text/plain", output.get("text", "")))
        words = html.escape(ANSI.sub("", words).strip("\n"))
        shown = f"<pre>{words}</pre>".replace("\n\n", "\n&nbsp;\n")
    lines = [line for line in shown.split("\n") if line.strip()]  # a blank line would end the HTML
    return "\n".join(['<div class="output">', *lines, "</div>"])


def _title(path: Path) -> str:
    """Return the heading of a page."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("# ")
