"""Means of five minutes for the charts: summed in the process that takes the reports, and written in one pass."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from threading import Lock

from redis import RedisError

from backends.queries.cached_telemetry import nodes_in_cache
from backends.services.telemetry import VALUES, TelemetryReport
from backends.telemetry_history.cached import NodeMeans, slot_of, write_slots
from backends.telemetry_history.shapes import MEASURED
from core.clock import db_now
from core.outage_lines import OutageLine

PLACES = tuple(VALUES.index(name) for name in MEASURED)
_outage = OutageLine("telemetry_means_not_written", "telemetry_means_written")


@dataclass(slots=True)
class _Sums:
    """What a node has reported within five minutes: for each device, a sum and a number for each column."""

    devices: int
    reports: int = 0
    sums: list[float] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.sums = [0.0] * (self.devices * len(PLACES))
        self.numbers = [0] * (self.devices * len(PLACES))

    def add(self, report: TelemetryReport) -> None:
        """Add the values that were measured."""
        self.reports += 1
        for index, values in report.devices:
            if index >= self.devices:
                continue
            for place, column in enumerate(PLACES, index * len(PLACES)):
                value = values[column]
                if value is not None:
                    self.sums[place] += value
                    self.numbers[place] += 1

    def means(self) -> NodeMeans:
        """Return the means; None where nothing was measured."""
        pairs = zip(self.sums, self.numbers, strict=True)
        return NodeMeans(self.devices, self.reports, [total / many if many else None for total, many in pairs])


class TelemetryMeans:
    """Adds up what agents report, for the nodes for which the cache has room, and writes each five minutes once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._nodes: Mapping[int, int] = {}
        self._sums: dict[int, dict[int, _Sums]] = {}
        self._read_for = -1

    def add(self, reports: Iterable[TelemetryReport], at: datetime) -> None:
        """Add reports that were stored at this time."""
        with self._lock:
            known = self._nodes
            if not known:
                return
            sums = self._sums.setdefault(slot_of(at), {})
            for report in reports:
                devices = known.get(report.backend_id)
                if devices:
                    node = sums.get(report.backend_id)
                    if node is None:
                        node = sums[report.backend_id] = _Sums(devices)
                    node.add(report)

    def write(self, *, all_of_it: bool = False) -> None:
        """Write the five minutes that are over, or all; what the cache does not take is lost.

        Once in five minutes, also read for which nodes there is room.
        """
        number = slot_of(db_now())
        if self._read_for != number:
            self._nodes, self._read_for = nodes_in_cache(), number
        with self._lock:
            done = {one: self._sums.pop(one) for one in sorted(self._sums) if all_of_it or one < number}
        last = max(self._nodes, default=0)
        try:
            for one, nodes in done.items():
                write_slots(one, {pk: sums.means() for pk, sums in nodes.items()}, last)
        except RedisError as error:
            _outage.failed(error)
        else:
            if done:
                _outage.works()
