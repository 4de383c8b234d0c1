"""How the schema declares a key: its default, its limits, whether it can change numbers."""

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Limits:
    """The range of a number, or the allowed values of a string; None sets no limit."""

    low: float | None = None
    """Smallest allowed value, itself included."""
    above: float | None = None
    """Every value must be greater than this."""
    high: float | None = None
    """Largest allowed value, itself included."""
    below: float | None = None
    """Every value must be less than this."""
    allowed: tuple[str, ...] = ()
    why: str = ""
    """Why no other value makes sense, for the message."""

    def contain(self, number: float) -> bool:
        """Whether a number is finite and in the range."""
        return (
            (isinstance(number, int) or math.isfinite(number))
            and (self.low is None or number >= self.low)
            and (self.above is None or number > self.above)
            and (self.high is None or number <= self.high)
            and (self.below is None or number < self.below)
        )

    def __str__(self) -> str:
        """Return the limits in words: `> 0 and <= 1`, or the allowed words; empty for none."""
        if self.allowed:
            return "one of " + ", ".join(self.allowed)
        signs = {">=": self.low, ">": self.above, "<=": self.high, "<": self.below}
        return " and ".join(f"{sign} {limit}" for sign, limit in signs.items() if limit is not None)


NO_LIMITS = Limits()


def option(
    default: Any,
    limits: Limits = NO_LIMITS,
    *,
    identity: bool = True,
    neutral: object = dataclasses.MISSING,
) -> Any:
    """Declare a config key: its default, its limits, and whether it can change numbers.

    Args:
        default: the value where a config does not set the key.
        limits: the values allowed.
        identity: False for keys that cannot change a run's numbers.
        neutral: the value that means "as before this key existed"; it is left out of the run's id.

    """
    metadata = {"limits": limits, "identity": identity, "neutral": neutral}
    if isinstance(default, list | dict):
        return field(default_factory=lambda: type(default)(default), metadata=metadata)
    return field(default=default, metadata=metadata)
