"""rich's console, with control characters in texts shown; rich's own sequences are kept."""

import sys
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console
from rich.segment import Segment

from segsweep.system.terminal import raw, visible


class VisibleConsole(Console):
    """Draws texts as they are, without markup or highlighting: a folder may be called [old]."""

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(
            one if one.control else Segment(visible(one.text), one.style) for one in buffer
        )


def console_on(stream: TextIO | None = None) -> Console:
    """Return a console that writes to *stream*, by default standard output."""
    return VisibleConsole(file=raw(stream or sys.stdout), markup=False, highlight=False)
