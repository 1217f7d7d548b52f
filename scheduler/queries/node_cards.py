"""Cards of nodes for the node grid and a node's page, read for a whole page at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from alerts.choices import SubjectKind
from alerts.queries import count_open
from backends.choices import BackendStatus, PowerStatus, ShutdownReason, Verdict
from backends.models import Backend, Device
from backends.queries import is_old, old_in, reported_off_at
from backends.queries.device_states import meaning_of
from backends.queries.maintenance import describe_next, next_window
from core.errors import Message
from scheduler.models import Allocation
from scheduler.queries.allocations import OPEN

ROW = 8  # devices in one row; a node with more has several rows
NODE = (
    "pk", "name", "description", "status", "why", "group__name", "agent__last_seen", "agent__cpu",
    "agent__used_memory", "agent__total_memory", "bmc__status", "bmc__target", "bmc__ip",
)  # fmt: skip
DEVICE = (
    "pk", "backend_id", "index", "model", "status", "drain_to", "total_memory", "telemetry__temperature",
    "telemetry__utilization", "telemetry__memory_utilization", "telemetry__at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Holder:
    """A job, or a reserved SDA without one, that holds devices; and since when it holds the first of them."""

    job: int | None
    sda: int
    owner: str
    since: datetime


@dataclass(slots=True)
class Cell:
    """One device of a card."""

    holder: Holder | None
    pk: int
    index: int
    model: str
    status: str
    drain_to: str
    total_memory: int
    temperature: float | None
    gpu: float | None
    memory: float | None
    reported_at: datetime | None
    reported_off_at: datetime | None
    verdict: str = Verdict.HEALTHY

    @property
    def old(self) -> bool:
        """Whether its values are too old to be trusted."""
        return is_old(self.reported_at, timezone.now(), self.reported_off_at)

    @property
    def meaning(self) -> str:
        """Return what its state means, one of `MEANINGS`."""
        return meaning_of(self.status, self.drain_to)

    @property
    def heat(self) -> str:
        """Return "warm" or "hot" by the temperature levels of alerts, else ""."""
        if self.temperature is None or self.temperature < settings.MOREH_GPU_NOTICE or self.old:
            return ""
        return "hot" if self.temperature >= settings.MOREH_GPU_CRITICAL else "warm"


@dataclass(slots=True)
class Run:
    """Neighbouring devices with one holder; whether they continue a row before or go on in the next."""

    holder: Holder | None
    cells: Sequence[Cell]
    before: bool = False
    after: bool = False

    @property
    def key(self) -> tuple[int | None, int] | None:
        """Return the ids of the job and the SDA that hold the devices; None if they are not held."""
        return (self.holder.job, self.holder.sda) if self.holder else None


@dataclass(slots=True)
class NodeCard:
    """One node with its devices."""

    rows: Sequence[Sequence[Run]]
    alerts: int
    pk: int
    name: str
    description: str
    status: str
    why: str
    group: str
    last_seen: datetime | None
    cpu: float | None
    used_memory: int | None
    total_memory: int | None
    power: str | None
    power_target: str | None
    bmc_ip: str | None
    reported_off_at: datetime | None
    window_from: datetime | None = None
    window_to: datetime | None = None

    @property
    def maintenance_text(self) -> str:
        """Return until when it is in maintenance, or when its next one begins; else ""."""
        return describe_next(self.window_from, self.window_to, timezone.now())

    @property
    def old(self) -> bool:
        """Whether the figures of its host are too old to be trusted."""
        return is_old(self.last_seen, timezone.now(), self.reported_off_at)

    @property
    def old_in(self) -> int:
        """Return after how many seconds they are too old."""
        return old_in(self.last_seen, timezone.now())

    @property
    def status_text(self) -> Message:
        """Return the text of the status."""
        return BackendStatus(self.status).label

    @property
    def shutdown_reason_text(self) -> Message:
        """Return why the node is out of service, or an empty text."""
        return ShutdownReason(self.why).label if self.why else ""

    @property
    def power_text(self) -> Message:
        """Return the text of the power state, or that the node has no BMC."""
        if self.bmc_ip is None:
            return _("no BMC")
        return PowerStatus(self.power or PowerStatus.UNKNOWN).label

    @property
    def power_target_text(self) -> Message:
        """Return the wanted power state while it differs from the last known one, else ""."""
        return PowerStatus(self.power_target).label if self.power_target not in (None, "", self.power) else ""


def cards(nodes: QuerySet[Backend]) -> list[NodeCard]:
    """Return the cards of some nodes in their order, in four queries."""
    rows = list(nodes.values_list(*NODE, reported_off_at(), next_window(), next_window("ends_at")))
    pks = [pk for pk, *_rest in rows]
    devices, alerts = cells(pks), open_alerts(pks)
    made = [NodeCard(rows_of(devices.get(pk, ())), alerts.get(pk, 0), pk, *rest) for pk, *rest in rows]
    _join([row for card in made for row in card.rows])
    return made


def cells(pks: Sequence[int]) -> Mapping[int, list[Cell]]:
    """Return the devices of some nodes with their telemetry and holders, by node, in two queries."""
    held = holders(pks)
    found: dict[int, list[Cell]] = defaultdict(list)
    devices = Device.objects.filter(backend__in=pks).order_by("backend", "index")
    for pk, backend, *rest in devices.values_list(*DEVICE, reported_off_at("backend__bmc"), "verdict"):
        found[backend].append(Cell(held.get(pk), pk, *rest))
    return found


def holders(pks: Sequence[int]) -> dict[int, Holder]:
    """Return who holds the devices of some nodes, by device."""
    rows = Allocation.objects.filter(OPEN, device__backend__in=pks).order_by()
    names = ("device_id", "job_id", "sda_id", "token__description", "started_at")
    return {device: Holder(*rest) for device, *rest in rows.values_list(*names)}


def open_alerts(pks: Iterable[int]) -> dict[int, int]:
    """Return the number of open alerts of each of some nodes."""
    return dict(count_open(SubjectKind.NODE, pks))


def rows_of(devices: Sequence[Cell]) -> list[list[Run]]:
    """Return devices in rows, with neighbours of one holder in one run."""
    rows = [devices[place : place + ROW] for place in range(0, len(devices), ROW)]
    made = [[_run(list(cells)) for _key, cells in groupby(row, key=_holds)] for row in rows]
    _join(made)
    return made


def _holds(cell: Cell) -> Any:
    return (cell.holder.job, cell.holder.sda) if cell.holder else None


def _run(cells: list[Cell]) -> Run:
    return Run(cells[0].holder, cells)


def _join(rows: Sequence[Sequence[Run]]) -> None:
    """Mark runs that go on at the beginning of the next row, of the same node or of the next."""
    for row, following in pairwise(rows):
        if row[-1].key is not None and row[-1].key == following[0].key:
            row[-1].after = following[0].before = True
