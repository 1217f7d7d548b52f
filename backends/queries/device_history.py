"""Values of devices over hours and days: from Prometheus where it is named, else from means in the cache."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.conf import settings
from redis import RedisError

from backends.errors import HistoryUnavailable
from backends.queries.cached_telemetry import cache_is_used
from backends.telemetry_history import cached
from backends.telemetry_history.prometheus import read_prometheus
from backends.telemetry_history.shapes import MEASURED, RANGES, ChosenNode, DeviceHistory, TimeGrid, time_grid
from core.clock import db_now

WRITTEN_AFTER = timedelta(seconds=15)  # the cache has five minutes so long after their end
MOST_NODES = 32  # of one request


class HistorySource(StrEnum):
    """Where values come from."""

    PROMETHEUS = "PROMETHEUS"
    CACHE = "CACHE"
    NONE = "NONE"


@dataclass(frozen=True, slots=True)
class History:
    """What is known of some devices over a time.

    `beyond`: the cache has no room for these nodes. `cut`: more nodes were asked for than one request reads.
    """

    source: HistorySource
    grid: TimeGrid
    devices: Sequence[DeviceHistory]
    beyond: Sequence[ChosenNode] = ()
    cut: bool = False


def source_of_history() -> HistorySource:
    """Return where values come from now."""
    if settings.MOREH_PROMETHEUS_URL:
        return HistorySource.PROMETHEUS
    return HistorySource.CACHE if cache_is_used() else HistorySource.NONE


def ranges_of_history() -> list[str]:
    """Return the names of the ranges that the source can fill."""
    longest = float("inf") if source_of_history() == HistorySource.PROMETHEUS else cached.KEPT_S
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
    if source == HistorySource.PROMETHEUS:
        grid = time_grid(start, end)
        return History(source, grid, read_prometheus(some, grid, columns), cut=len(some) < len(nodes))
    kept_since = now - timedelta(seconds=cached.KEPT_S)
    grid = time_grid(max(start, min(kept_since, end)), min(end, now - WRITTEN_AFTER), step=cached.SLOT_S)
    if source == HistorySource.NONE:
        return History(source, grid, [])
    return _from_cache(some, grid, cut=len(some) < len(nodes))


def _from_cache(nodes: Sequence[ChosenNode], grid: TimeGrid, *, cut: bool) -> History:
    try:
        found, last = cached.read_slots(nodes, grid), cached.last_node()
    except RedisError as error:
        raise HistoryUnavailable from error
    beyond = [node for node in nodes if last is not None and node.pk > last]
    return History(HistorySource.CACHE, grid, found, beyond, cut=cut)
