"""Device-time that was held, as seconds that only grow."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from moreh_cloud.metrics.queries import Values
from usage.metering import Times
from usage.queries import usage_so_far

KIND = ("group", "sda_model")


@dataclass(frozen=True, slots=True)
class DeviceTime:
    """Device-time since the beginning, by backend group and SDA model, and by token when requested."""

    by_kind: Mapping[tuple[int, ...], Times]

    def phases(self) -> Values:
        """Return the seconds by phase: preparing, processing, reserved."""
        total = sum(self.by_kind.values(), Times())
        parts = {"preparing": total.preparing_ms, "processing": total.processing_ms, "reserved": total.reserved_ms}
        return {(phase,): ms / 1000 for phase, ms in parts.items()}

    def seconds(self, place: int, name: Callable[[int], str]) -> Values:
        """Return the seconds by one part of the key; objects of the same name are added."""
        sums: Counter[tuple[str]] = Counter()
        for key, times in self.by_kind.items():
            sums[(name(key[place]),)] += times.device_ms
        return {label: ms / 1000 for label, ms in sums.items()}


def device_time(*, tokens: bool) -> DeviceTime:
    """Return all device-time up to a moment that no late end can change: sums that never fall."""
    return DeviceTime(usage_so_far((*KIND, "token") if tokens else KIND))
