"""Values of devices over a time, in the units of the columns of telemetry."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from core.clock import to_ms

MEASURED = ("temperature", "utilization", "used_memory", "power")
"""Columns of telemetry of which there is a history: °C, %, MiB, W."""
RANGES: Mapping[str, timedelta] = {
    "1h": timedelta(hours=1),
    "6h": timedelta(hours=6),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
}
STEPS = (60, 300, 900, 1800, 3600, 4 * 3600, 12 * 3600, 86_400)  # seconds between two points
MOST_POINTS = 360
Values = Sequence[float | None]
"""One value for each time of a grid; None: not measured, or not known any more."""


@dataclass(frozen=True, slots=True)
class TimeGrid:
    """Times at equal distances. The value at a time is the mean of the `step` seconds that end there.

    `start` and `end` are seconds since 1970 and multiples of `step`; the first value is that of `start + step`.
    """

    start: int
    end: int
    step: int

    @property
    def times(self) -> range:
        """Return the times of the values, in seconds since 1970."""
        return range(self.start + self.step, self.end + 1, self.step)


@dataclass(frozen=True, slots=True)
class ChosenNode:
    """A node whose devices are asked for; `devices` are their indexes, None: all of them."""

    pk: int
    name: str
    devices: frozenset[int] | None = None

    def has(self, index: int) -> bool:
        """Whether a device is asked for."""
        return self.devices is None or index in self.devices


@dataclass(frozen=True, slots=True)
class DeviceHistory:
    """The values of a device by column of telemetry, for each time of a grid."""

    node: ChosenNode
    index: int
    values: Mapping[str, Values]


def time_grid(start: datetime, end: datetime, *, step: int | None = None) -> TimeGrid:
    """Return the times from `start` to `end`, with at most MOST_POINTS values unless a step is given.

    It ends with the last whole step, and has at least one value.
    """
    first, last = to_ms(start) // 1000, to_ms(end) // 1000
    if step is None:
        step = next((one for one in STEPS if (last - first) / one <= MOST_POINTS), STEPS[-1])
    last -= last % step
    return TimeGrid(min(first - first % step, last - step), last, step)
