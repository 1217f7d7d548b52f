"""Values of devices over hours and days: from Prometheus where it is named, else from the ring in the cache."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from redis import RedisError

from backends.errors import HistoryUnavailable
from backends.queries.telemetry_ring import ring_is_used
from backends.telemetry_history import ring
from backends.telemetry_history.prometheus import read_prometheus
from backends.telemetry_history.shapes import MEASURED, RANGES, ChosenNode, DeviceHistory, Window, window
from core.clock import db_now

WRITTEN_AFTER = timedelta(seconds=15)  # the ring has five minutes so long after their end
MOST_NODES = 32  # of one request


class Source(StrEnum):
    """Where values come from."""

    PROMETHEUS = "PROMETHEUS"
    RING = "RING"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class History:
    """What is known of some devices over a window.

    `beyond`: the ring has no room for these nodes. `cut`: more nodes were asked for than one request reads.
    """

    source: Source
    window: Window
    devices: Sequence[DeviceHistory]
    beyond: Sequence[ChosenNode] = ()
    cut: bool = False


def source_of_history() -> Source:
    """Return where values come from now."""
    if settings.MOREH_PROMETHEUS_URL:
        return Source.PROMETHEUS
    return Source.RING if ring_is_used() else Source.NONE


def ranges_of_history() -> list[str]:
    """Return the names of the ranges that the source can fill."""
    longest = float("inf") if source_of_history() == Source.PROMETHEUS else ring.KEPT_S
    return [name for name, length in RANGES.items() if length.total_seconds() <= longest]


def read_history(
    nodes: Sequence[ChosenNode], start: datetime, end: datetime, columns: Collection[str] = MEASURED
) -> History:
    """Return the values of devices of some nodes from `start` to `end`, at most until now.

    Raises PrometheusFailed, HistoryUnavailable.
    """
    source, some = source_of_history(), nodes[:MOST_NODES]
    now = db_now()
    end = min(now, end)
    if source == Source.PROMETHEUS:
        times = window(start, end)
        return History(source, times, read_prometheus(some, times, columns), cut=len(some) < len(nodes))
    kept_since = now - timedelta(seconds=ring.KEPT_S)
    times = window(max(start, min(kept_since, end)), min(end, now - WRITTEN_AFTER), step=ring.SLOT_S)
    if source == Source.NONE:
        return History(source, times, [])
    return _from_ring(some, times, cut=len(some) < len(nodes))


def _from_ring(nodes: Sequence[ChosenNode], times: Window, *, cut: bool) -> History:
    try:
        found, last = ring.read_slots(nodes, times), ring.last_node()
    except RedisError as error:
        raise HistoryUnavailable from error
    beyond = [node for node in nodes if last is not None and node.pk > last]
    return History(Source.RING, times, found, beyond, cut=cut)
