"""segsweep: which segmentation model, loss and learning rate is best on your images.

In a notebook: `sweep = segsweep.open("outputs/main")`, then `sweep.results`, `sweep.status()`,
`sweep.compare()`, `sweep.best().predict(images)`. `segsweep.api` has all of it.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segsweep.api import Run, Sweep, open

__version__ = "0.1.0"
__all__ = ["Run", "Sweep", "__version__", "open"]


def __getattr__(name: str) -> object:
    """Return a name of the API, which is loaded on first use: training imports this file too."""
    if name not in ("Run", "Sweep", "open"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from segsweep import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
