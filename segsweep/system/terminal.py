"""What reaches the terminal: control characters in names and errors are shown, not obeyed.

An image, a config value or an error of a user's code may contain escape sequences that move the
cursor, set the window's title or reverse the order of letters. Everything that a command prints
passes `visible`: through `visible_output` what is printed, through `console.py` what rich draws.
"""

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO, cast

_CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 without tab and line ends, delete, C1
    "\u2028\u2029\u202a-\u202e\u2066-\u2069"  # line separators, overrides of the direction
    "\ud800-\udfff]"  # bytes of a file name that are no text
    "|\r(?!\n)"
)


def visible(text: str) -> str:
    r"""Return *text* with control characters as escapes, `\x1b`; tabs and line ends stay."""
    return _CONTROL.sub(lambda match: _escape(match[0]), text)


def json_visible(text: str) -> str:
    r"""Return JSON with control characters in its texts as JSON's own escapes, `\u009b`."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


@contextmanager
def visible_output() -> Iterator[None]:
    """Show control characters in everything that is printed, until the block ends."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (cast(TextIO, VisibleStream(raw(stream))) for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def stop_printing() -> None:
    """Send what is still printed nowhere: who reads standard output has closed it."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), raw(sys.stdout).fileno())


class VisibleStream:
    """A text stream that shows control characters; everything else is that of *stream*."""

    def __init__(self, stream: TextIO) -> None:
        """Write to *stream*."""
        self.stream = stream

    def write(self, text: str) -> int:
        """Write *text* with visible control characters."""
        self.stream.write(visible(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of *lines*."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> object:
        """Return an attribute of the stream, such as isatty or flush."""
        return getattr(self.stream, name)


def raw(stream: TextIO) -> TextIO:
    """Return the stream below, for control sequences of segsweep itself."""
    return stream.stream if isinstance(stream, VisibleStream) else stream


def _escape(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
