"""Which values a measurement can have. What lies outside was not measured: absent on the wire, NULL in rows."""

import math
from typing import TypeVar

N = TypeVar("N", int, float)

# The lowest and the highest possible value. No card is hotter than 200 °C or draws 10 kW; memory, MiB.
RANGES = {
    "temperature": (-50.0, 200.0),
    "share": (0.0, 100.0),
    "memory": (0, 2**31 - 1),
    "host_memory": (0, 2**53 - 1),
    "power": (0.0, 10_000.0),
}


def measured(kind: str, value: N | None) -> N | None:
    """Return the value when it can be one of its kind; None when it is absent, not finite or impossible."""
    lowest, highest = RANGES[kind]
    return value if value is not None and math.isfinite(value) and lowest <= value <= highest else None
