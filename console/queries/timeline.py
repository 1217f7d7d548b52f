"""Queries of the timeline: its rows (nodes, devices or tokens) and the bars of a range of time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from django.db.models import Max, Q, QuerySet

from backends.choices import MaintenanceState
from backends.models import Backend, Device, MaintenanceNode
from console.bars import Bar, HeldDevice, bar_key, device_names, join_neighbours, take_lane
from console.errors import TooManyBars
from scheduler.models import Allocation
from tokens.models import Token

MOST = 20_000  # allocations that one timeline reads
MOST_BARS = 5_000  # bars that one timeline draws
HELD = (
    *("device_id", "device__index", "device__backend_id", "device__backend__name", "job_id", "sda_id"),
    *("job__status", "token_id", "token__description", "started_at", "ended_at"),
)


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """A node, device or token with its number of lanes. `gone`: it has been deleted."""

    id: int
    name: str
    lanes: int
    gone: bool = False


class Band(NamedTuple):
    """A maintenance window over a whole row."""

    row: int
    window: int
    reason: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Extent:
    """What a timeline shows: a range of time, and a page of so many rows."""

    start: datetime
    end: datetime
    page: int = 1
    rows: int = 50

    def cut(self, found: QuerySet[Any, Any]) -> list[Any]:
        """Return the rows of the page, and one row more if there is a next page."""
        first = (self.page - 1) * self.rows
        return list(found[first : first + self.rows + 1])


def nodes(extent: Extent, group: int | None, text: str) -> list[TimelineRow]:
    """Return nodes by name, with a lane for each device; also deleted nodes whose devices were held in the range."""
    held = Allocation.objects.filter(_overlapping(extent), device__backend__deleted_at__gt=extent.start)
    shown = Q(deleted_at__isnull=True) | Q(pk__in=held.order_by().values("device__backend_id"))
    chosen = Backend.objects.filter(shown, name__icontains=text, **({} if group is None else {"group": group}))
    picked = extent.cut(chosen.order_by("name", "pk").values_list("pk", "name", "deleted_at"))
    last = dict(
        Device.objects.filter(backend__in=[pk for pk, *_ in picked])
        .order_by()
        .values_list("backend_id")
        .annotate(Max("index"))
    )
    return [TimelineRow(pk, name, last.get(pk, 0) + 1, gone is not None) for pk, name, gone in picked]


def devices(node: int) -> list[TimelineRow]:
    """Return the devices of one node."""
    found = Device.objects.filter(backend=node).order_by("index").values_list("pk", "index", "backend__name")
    return [TimelineRow(pk, f"{name}/{index:02}", 1) for pk, index, name in found]


def tokens(extent: Extent, text: str, token: int | None) -> list[TimelineRow]:
    """Return the tokens that held something in the range, by name. `bars_by_token` sets their lanes."""
    active = Allocation.objects.filter(_overlapping(extent)).order_by().values("token_id")
    chosen = Token.objects.filter(pk__in=active, description__icontains=text)
    chosen = chosen if token is None else chosen.filter(pk=token)
    return [
        TimelineRow(pk, name, 1, gone is not None)
        for pk, name, gone in extent.cut(
            chosen.order_by("description", "pk").values_list("pk", "description", "deleted_at")
        )
    ]


def bars_by_node(extent: Extent, rows: Sequence[TimelineRow]) -> list[Bar]:
    """Return the bars of nodes; neighbouring devices of one job are one bar. Raises TooManyBars."""
    held = _held(extent, Q(device__backend__in=[row.id for row in rows]))
    return _few(bar for number, mine in _by_row(rows, held, "node") for bar in join_neighbours(number, mine))


def bars_by_device(extent: Extent, rows: Sequence[TimelineRow]) -> list[Bar]:
    """Return the bars of devices. Raises TooManyBars."""
    held = _held(extent, Q(device__in=[row.id for row in rows]))
    return _few(
        Bar(number, 0, 1, one, device_names([one])) for number, mine in _by_row(rows, held, "device") for one in mine
    )


def bars_by_token(extent: Extent, rows: Sequence[TimelineRow]) -> tuple[list[TimelineRow], list[Bar]]:
    """Return the tokens, with as many lanes as jobs run at once, and a bar for each job. Raises TooManyBars."""
    held = _held(extent, Q(token__in=[row.id for row in rows]))
    bars: list[Bar] = []
    lanes: dict[int, int] = {}
    for number, mine in _by_row(rows, held, "token"):
        ends: list[datetime | None] = []
        for key, joined in groupby(sorted(mine, key=bar_key), key=bar_key):
            together = list(joined)
            lane = take_lane(ends, key[0], together[0].end)
            bars.append(Bar(number, lane, 1, together[0], device_names(together)))
        lanes[number] = max(1, len(ends))
    return [replace(row, lanes=lanes.get(number, 1)) for number, row in enumerate(rows)], _few(bars)


def maintenance(extent: Extent, rows: Sequence[TimelineRow], node: int | None = None) -> list[Band]:
    """Return the maintenance windows of the rows in the range, `rows` being nodes, or devices of one `node`."""
    nodes = {row.id: number for number, row in enumerate(rows)} if node is None else {node: 0}
    found = MaintenanceNode.objects.filter(
        backend__in=nodes, window__starts_at__lt=extent.end, window__ends_at__gt=extent.start
    ).exclude(window__state=MaintenanceState.CANCELED)
    names = ("backend_id", "window_id", "window__reason", "window__starts_at", "window__ends_at", "left_at")
    bands = []
    for backend, window, reason, start, planned, left in found.order_by("window_id", "pk").values_list(*names):
        end = planned if left is None else min(planned, left)
        for number in [nodes[backend]] if node is None else range(len(rows)):
            bands.append(Band(number, window, reason, start, max(start, end)))
    return bands


def _overlapping(extent: Extent) -> Q:
    still = Q(ended_at__isnull=True) | Q(ended_at__gt=extent.start)
    return still & Q(started_at__lt=extent.end)


def _held(extent: Extent, owners: Q) -> list[HeldDevice]:
    rows = Allocation.objects.filter(owners, _overlapping(extent)).order_by().values_list(*HELD)[: MOST + 1]
    found = [HeldDevice(*row) for row in rows]
    if len(found) > MOST:
        raise TooManyBars
    return found


def _few(bars: Iterable[Bar]) -> list[Bar]:
    found = list(bars)
    if len(found) > MOST_BARS:
        raise TooManyBars
    return found


def _by_row(rows: Sequence[TimelineRow], held: Iterable[HeldDevice], of: str) -> list[tuple[int, list[HeldDevice]]]:
    mine: Mapping[int, list[HeldDevice]] = {row.id: [] for row in rows}
    for one in held:
        mine[getattr(one, of)].append(one)
    return [(number, mine[row.id]) for number, row in enumerate(rows)]
