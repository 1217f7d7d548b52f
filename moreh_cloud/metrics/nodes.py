"""Series of each node: its power, its BMC, its agent and its host."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isnan, nan
from typing import NamedTuple

from django.conf import settings

from backends.choices import BackendStatus, PowerStatus, ShutdownReason
from backends.models import Backend
from core.clock import to_ms
from moreh_cloud.metrics.exposition import GaugeText, chunks, label

MIB = 1024 * 1024
DIGITS = 6  # a share of 7 % is 0.07, not 0.07000000000000001


class NodeRow(NamedTuple):
    """What the series of a node are made of."""

    pk: int
    name: str
    group: str
    status: str
    why: str
    seen: datetime | None
    version: str | None
    cpu: float | None
    used_memory: int | None
    total_memory: int | None
    bmc: str | None
    power: str | None
    power_at: datetime | None
    bmc_error: str | None
    clock_skew_ms: int | None


COLUMNS = (
    *("pk", "name", "group__name", "status", "why", "agent__last_seen", "agent__version", "agent__cpu"),
    *("agent__used_memory", "agent__total_memory", "bmc__ip", "bmc__status", "bmc__checked_at", "bmc__error"),
    "agent__clock_skew_ms",
)


@dataclass(frozen=True, slots=True)
class Node:
    """A node and its labels; NaN is a value that is not known.

    `since`: from when on a value counts as measured; what is older is not known.
    """

    row: NodeRow
    labels: str
    since: datetime
    now: datetime

    def active(self) -> float:
        """Whether new jobs are placed on it."""
        return float(self.row.status == BackendStatus.ACTIVE)

    def lost(self) -> float:
        """Whether it was given up because its agent was silent for too long."""
        return float(self.row.status == BackendStatus.SHUTDOWN and self.row.why == ShutdownReason.NODE_LOST)

    def power_on(self) -> float:
        """Whether it is on."""
        known = self.row.power != PowerStatus.UNKNOWN
        return float(self.row.power == PowerStatus.ON) if known and not isnan(self.bmc_reachable()) else nan

    def bmc_reachable(self) -> float:
        """Whether its BMC answered when it was last asked."""
        return nan if self.row.bmc is None or self.row.power_at is None else float(not self.row.bmc_error)

    def agent_age(self) -> float:
        """Return the time (s) since its agent was last heard."""
        return nan if self.row.seen is None else max(0, to_ms(self.now) - to_ms(self.row.seen)) / 1000

    def cpu(self) -> float:
        """Return how busy its CPUs are."""
        return self._measured(self.row.cpu, 0.01)

    def used_memory(self) -> float:
        """Return its used memory (bytes)."""
        return self._measured(self.row.used_memory, MIB)

    def memory(self) -> float:
        """Return its memory (bytes)."""
        return self._measured(self.row.total_memory or None, MIB)

    def clock_skew(self) -> float:
        """Return how far its clock is from that of the server (s), positive if it is fast."""
        return self._measured(self.row.clock_skew_ms, 0.001)

    def _measured(self, value: float | None, unit: float) -> float:
        seen = self.row.seen
        return nan if value is None or seen is None or seen < self.since else round(value * unit, DIGITS)


GAUGES: Sequence[tuple[GaugeText, Callable[[Node], float]]] = (
    (
        GaugeText("moreh_node_active", "Whether new jobs are placed on the node (1) or it is shut down (0)."),
        Node.active,
    ),
    (
        GaugeText("moreh_node_lost", "Whether the agent was silent for so long that the node was given up (1)."),
        Node.lost,
    ),
    (GaugeText("moreh_node_power_on", "Whether the node is on (1) or off (0) by its BMC."), Node.power_on),
    (GaugeText("moreh_node_bmc_reachable", "Whether the BMC answered last (1) or not (0)."), Node.bmc_reachable),
    (GaugeText("moreh_node_agent_age_seconds", "Time since the agent of the node was last heard."), Node.agent_age),
    (
        GaugeText(
            "moreh_node_clock_skew_seconds",
            "How far the clock of the node is from that of the server, positive if it is fast.",
        ),
        Node.clock_skew,
    ),
    (GaugeText("moreh_node_cpu_utilization_ratio", "How busy the CPUs of the node are, from 0 to 1."), Node.cpu),
    (GaugeText("moreh_node_memory_used_bytes", "Used memory of the node."), Node.used_memory),
    (GaugeText("moreh_node_memory_size_bytes", "Memory of the node."), Node.memory),
)
AGENT = GaugeText("moreh_node_agent_info", "The version of the node's agent; the value is always 1.")


def read_nodes(now: datetime) -> list[Node]:
    """Return all nodes, in one query."""
    rows = Backend.objects.live().order_by("pk").values_list(*COLUMNS)
    return [_node(NodeRow(*row), now) for row in rows.iterator()]


def _node(row: NodeRow, now: datetime) -> Node:
    oldest = now - settings.MOREH_SILENT_AFTER
    off_at = row.power_at if row.power == PowerStatus.OFF else None
    labels = f"{label('node', row.name)},{label('group', row.group)}"
    return Node(row, labels, max(oldest, off_at or oldest), now)


def node_series(nodes: Sequence[Node], *, openmetrics: bool) -> Iterator[bytes]:
    """Yield the series of all nodes."""
    labels = [node.labels for node in nodes]
    for gauge, value in GAUGES:
        yield gauge.head(openmetrics=openmetrics).encode()
        yield from gauge.series(labels, array("d", (value(node) for node in nodes)))
    yield AGENT.head(openmetrics=openmetrics).encode()
    known = ((node.labels, node.row.version) for node in nodes if node.row.version)
    yield from chunks(f"{AGENT.name}{{{labels},{label('version', version)}}} 1.0\n" for labels, version in known)
