"""Range checks of a loss's arguments; the message names the argument, its range and the value."""

import math


def positive(name: str, value: float) -> float:
    """Return *value* if it is finite and > 0, else raise ValueError."""
    if not 0 < value < math.inf:
        raise ValueError(f"{name} must be > 0; got {value}")
    return value


def not_negative(name: str, value: float) -> float:
    """Return *value* if it is finite and >= 0, else raise ValueError."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be >= 0; got {value}")
    return value


def whole(name: str, value: int, least: int = 1) -> int:
    """Return *value* if it is a whole number >= *least*, else raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number >= {least}; got {value}")
    return value


def share(name: str, value: float) -> float:
    """Return *value* if it is between 0 and 1, else raise ValueError."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be between 0 and 1; got {value}")
    return value
