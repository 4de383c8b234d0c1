"""What was left out of a comparison, or is missing from it, as facts.

`segsweep.stats.wording.notes` turns them into sentences.
"""

from dataclasses import dataclass
from typing import TypeAlias

Unit: TypeAlias = tuple[str, str]
"""A cell and one of its seeds."""


@dataclass(frozen=True)
class SeveralVersions:
    """Runs that count were made by several versions or commits of segsweep."""

    versions: tuple[str, ...]
    commits: tuple[str, ...]


@dataclass(frozen=True)
class FailedRuns:
    """Runs failed."""

    count: int


@dataclass(frozen=True)
class SupersededRuns:
    """Runs at values that a search has chosen before were left out."""

    count: int


@dataclass(frozen=True)
class RepeatedRuns:
    """Earlier runs of a seed that was run again were left out."""

    count: int


@dataclass(frozen=True)
class IncompleteFolds:
    """Seeds without all folds were left out."""

    folds: int
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class RunsWithoutCounts:
    """Finished runs without per-image counts were left out."""

    count: int


@dataclass(frozen=True)
class RunsWithoutMetric:
    """Finished runs in which a stored metric was not measured were left out."""

    count: int
    metric: str
    """Its label."""


@dataclass(frozen=True)
class OtherImages:
    """Seeds scored on other images than most seeds were left out."""

    units: tuple[Unit, ...]


@dataclass(frozen=True)
class PartlyScoredImages:
    """Images that some run did not score were left out."""

    count: int


@dataclass(frozen=True)
class UnequalSeeds:
    """Cells have different numbers of seeds."""

    least: int
    most: int
    cells: tuple[str, ...]
    """Those with the fewest."""


@dataclass(frozen=True)
class CellsWithoutRuns:
    """Cells have no finished run."""

    cells: tuple[str, ...]


@dataclass(frozen=True)
class MissingCombinations:
    """Combinations of model and loss were not requested."""

    cells: tuple[str, ...]
    total: int
    """Combinations of all models and losses of the sweep."""


@dataclass(frozen=True)
class UnfinishedRuns:
    """Runs are planned, running or interrupted."""

    count: int


@dataclass(frozen=True)
class GroupedImages:
    """Test images form groups, which are the independent units."""

    images: int
    groups: int


EMPTY, FULL = "empty", "full"


@dataclass(frozen=True)
class ConstantMasks:
    """Networks predict nothing, or everything, on all test images."""

    kind: str
    """EMPTY or FULL."""
    images: int
    cells: tuple[tuple[str, int, int], ...]
    """Each cell with the number of its seeds that do, and of its seeds."""


@dataclass(frozen=True)
class UngroupedImages:
    """Test images are missing from the groups file: each is its own group."""

    images: int
    file: str


Note: TypeAlias = (
    SeveralVersions
    | FailedRuns
    | SupersededRuns
    | RepeatedRuns
    | IncompleteFolds
    | RunsWithoutCounts
    | RunsWithoutMetric
    | OtherImages
    | PartlyScoredImages
    | UnequalSeeds
    | CellsWithoutRuns
    | MissingCombinations
    | UnfinishedRuns
    | GroupedImages
    | UngroupedImages
)
