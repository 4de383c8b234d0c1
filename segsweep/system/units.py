"""Amounts of bytes as people read them."""

MIB = 2**20
"""Bytes in the unit of all variables and columns that end in `_mb`."""
UNITS = ("kB", "MB", "GB", "TB")


def size_text(size: float) -> str:
    """Return *size* bytes in units of 1000: 12 kB, 0.4 MB, 80 MB, 9.1 GB, 24.0 GB."""
    number = size / 1000
    unit = UNITS[0]
    for larger in UNITS[1:]:
        if number < 999.5:
            break
        number, unit = number / 1000, larger
    exact = 0 < number < (10 if unit in UNITS[:2] else 100)
    return f"{number:.1f} {unit}" if exact else f"{number:.0f} {unit}"
