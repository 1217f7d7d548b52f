"""Cards of nodes: what the node grid shows of each, read for a whole page at once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any

from django.db.models import Count, Q, QuerySet

from backends.choices import BackendStatus, PowerStatus, Why
from backends.models import Backend, Device
from moreh_cloud.alerts.models import OPEN, Alert
from moreh_cloud.console.queries.states import meaning_of
from moreh_cloud.lib.errors import Message
from scheduler.models import Allocation
from scheduler.queries import OPEN as HELD_NOW

ROW = 8  # devices beside each other; a node with more has several rows
NOTICE, ACT = 86, 98  # °C, from which on a device is marked as warm and as hot
NODE = (
    "pk", "name", "description", "status", "why", "group__name", "agent__last_seen", "agent__cpu",
    "agent__used_memory", "agent__total_memory", "bmc__status", "bmc__target",
)  # fmt: skip
DEVICE = (
    "pk", "backend_id", "index", "model", "status", "drain_to", "total_memory", "telemetry__temperature",
    "telemetry__utilization", "telemetry__memory_utilization",
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
    """One device in a picture."""

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

    @property
    def meaning(self) -> str:
        return meaning_of(self.status, self.drain_to)

    @property
    def heat(self) -> str:
        """Say whether it is too warm: temperature levels are those of the alerts."""
        if self.temperature is None or self.temperature < NOTICE:
            return ""
        return "hot" if self.temperature >= ACT else "warm"


@dataclass(slots=True)
class Run:
    """Devices beside each other with one holder; whether it goes on in the row before and in the one after."""

    holder: Holder | None
    cells: Sequence[Cell]
    before: bool = False
    after: bool = False

    @property
    def key(self) -> tuple[int | None, int] | None:
        return (self.holder.job, self.holder.sda) if self.holder else None


@dataclass(slots=True)
class Card:
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

    @property
    def shown_status(self) -> Message:
        return BackendStatus(self.status).label

    @property
    def shown_why(self) -> Message:
        return Why(self.why).label if self.why else ""

    @property
    def shown_power(self) -> Message:
        return PowerStatus(self.power or PowerStatus.UNKNOWN).label

    @property
    def shown_target(self) -> Message:
        """Give the wished power while it differs from what was seen."""
        return PowerStatus(self.power_target).label if self.power_target not in (None, "", self.power) else ""


def cards(nodes: QuerySet[Backend]) -> list[Card]:
    """Give the cards of some nodes in their order, in four queries."""
    shown = list(nodes.values_list(*NODE))
    pks = [pk for pk, *_rest in shown]
    devices, alerts = cells(pks), open_alerts(pks)
    made = [Card(rows_of(devices.get(pk, ())), alerts.get(pk, 0), pk, *rest) for pk, *rest in shown]
    _join([row for card in made for row in card.rows])
    return made


def cells(pks: Sequence[int]) -> Mapping[int, list[Cell]]:
    """Give the devices of some nodes with their telemetry and holders, by node, in two queries."""
    held = holders(pks)
    found: dict[int, list[Cell]] = defaultdict(list)
    for pk, backend, *rest in Device.objects.filter(backend__in=pks).order_by("backend", "index").values_list(*DEVICE):
        found[backend].append(Cell(held.get(pk), pk, *rest))
    return found


def holders(pks: Sequence[int]) -> dict[int, Holder]:
    """Give who holds the devices of some nodes, by device."""
    rows = Allocation.objects.filter(HELD_NOW, device__backend__in=pks).order_by()
    names = ("device_id", "job_id", "sda_id", "token__description", "started_at")
    return {device: Holder(*rest) for device, *rest in rows.values_list(*names)}


def open_alerts(pks: Iterable[int]) -> dict[int, int]:
    """Count the open alerts of some nodes."""
    subjects = {f"backend/{pk}": pk for pk in pks}
    rows = Alert.objects.filter(OPEN, Q(subject__in=list(subjects))).order_by().values_list("subject")
    return {subjects[subject]: number for subject, number in rows.annotate(number=Count("pk"))}


def rows_of(devices: Sequence[Cell]) -> list[list[Run]]:
    """Put devices into rows, and those of one holder that stand beside each other into one run."""
    rows = [devices[place : place + ROW] for place in range(0, len(devices), ROW)]
    made = [[_run(list(cells)) for _key, cells in groupby(row, key=_holds)] for row in rows]
    _join(made)
    return made


def _holds(cell: Cell) -> Any:
    return (cell.holder.job, cell.holder.sda) if cell.holder else None


def _run(cells: list[Cell]) -> Run:
    return Run(cells[0].holder, cells)


def _join(rows: Sequence[Sequence[Run]]) -> None:
    """Note where a run goes on at the beginning of the next row, of the same node or of the next."""
    for row, following in pairwise(rows):
        if row[-1].key is not None and row[-1].key == following[0].key:
            row[-1].after = following[0].before = True
