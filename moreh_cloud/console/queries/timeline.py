"""Who held which devices when: rows of nodes, devices or tokens, and the bars of a range of time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from django.db.models import Max, Q, QuerySet

from backends.models import Backend, Device
from moreh_cloud.console.bars import Bar, Held, named, runs, take_lane, whose
from scheduler.models import Allocation
from tokens.models import Token

MOST = 20_000  # allocations read for one picture
MOST_BARS = 5_000  # bars drawn in one
HELD = (
    *("device_id", "device__index", "device__backend_id", "device__backend__name", "job_id", "sda_id"),
    *("job__status", "token_id", "token__description", "started_at", "ended_at"),
)


class TooMany(Exception):
    """The range has more bars than one picture shows."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the picture: a node, a device or a token, with so many lanes; `gone` when it was deleted since."""

    id: int
    name: str
    lanes: int
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """The range of time and the part of the rows that are asked for."""

    start: datetime
    end: datetime
    page: int = 1
    rows: int = 50

    def cut(self, found: QuerySet[Any, Any]) -> list[Any]:
        """Give the rows of the page, and one more when there are more."""
        first = (self.page - 1) * self.rows
        return list(found[first : first + self.rows + 1])


def nodes(window: Window, group: int | None, text: str) -> list[Line]:
    """Give nodes by name, with a lane for each of their devices; deleted ones that held something in the range too."""
    held = Allocation.objects.filter(_overlapping(window), device__backend__deleted_at__gt=window.start)
    shown = Q(deleted_at__isnull=True) | Q(pk__in=held.order_by().values("device__backend_id"))
    chosen = Backend.objects.filter(shown, name__icontains=text, **({} if group is None else {"group": group}))
    picked = window.cut(chosen.order_by("name", "pk").values_list("pk", "name", "deleted_at"))
    last = dict(
        Device.objects.filter(backend__in=[pk for pk, *_ in picked])
        .order_by()
        .values_list("backend_id")
        .annotate(Max("index"))
    )
    return [Line(pk, name, last.get(pk, 0) + 1, gone is not None) for pk, name, gone in picked]


def devices(node: int) -> list[Line]:
    """Give the devices of one node."""
    found = Device.objects.filter(backend=node).order_by("index").values_list("pk", "index", "backend__name")
    return [Line(pk, f"{name}/{index:02}", 1) for pk, index, name in found]


def tokens(window: Window, text: str, token: int | None) -> list[Line]:
    """Give the tokens that held something in the range, by name; their lanes are found with their bars."""
    active = Allocation.objects.filter(_overlapping(window)).order_by().values("token_id")
    chosen = Token.objects.filter(pk__in=active, description__icontains=text)
    chosen = chosen if token is None else chosen.filter(pk=token)
    return [
        Line(pk, name, 1, gone is not None)
        for pk, name, gone in window.cut(
            chosen.order_by("description", "pk").values_list("pk", "description", "deleted_at")
        )
    ]


def bars_by_node(window: Window, lines: Sequence[Line]) -> list[Bar]:
    """Give the bars of nodes: neighbouring devices of one job are one bar. Raises TooMany."""
    held = _held(window, Q(device__backend__in=[line.id for line in lines]))
    return _few(bar for row, mine in _by_row(lines, held, "node") for bar in runs(row, mine))


def bars_by_device(window: Window, lines: Sequence[Line]) -> list[Bar]:
    """Give the bars of devices. Raises TooMany."""
    held = _held(window, Q(device__in=[line.id for line in lines]))
    return _few(Bar(row, 0, 1, one, named([one])) for row, mine in _by_row(lines, held, "device") for one in mine)


def bars_by_token(window: Window, lines: Sequence[Line]) -> tuple[list[Line], list[Bar]]:
    """Give the bars of tokens, one for each job, and as many lanes as run at once. Raises TooMany."""
    held = _held(window, Q(token__in=[line.id for line in lines]))
    bars: list[Bar] = []
    lanes: dict[int, int] = {}
    for row, mine in _by_row(lines, held, "token"):
        ends: list[datetime | None] = []
        for key, parts in groupby(sorted(mine, key=whose), key=whose):
            all_of_it = list(parts)
            lane = take_lane(ends, key[0], all_of_it[0].end)
            bars.append(Bar(row, lane, 1, all_of_it[0], named(all_of_it)))
        lanes[row] = max(1, len(ends))
    return [replace(line, lanes=lanes.get(row, 1)) for row, line in enumerate(lines)], _few(bars)


def _overlapping(window: Window) -> Q:
    still = Q(ended_at__isnull=True) | Q(ended_at__gt=window.start)
    return still & Q(started_at__lt=window.end)


def _held(window: Window, owners: Q) -> list[Held]:
    rows = Allocation.objects.filter(owners, _overlapping(window)).order_by().values_list(*HELD)[: MOST + 1]
    found = [Held(*row) for row in rows]
    if len(found) > MOST:
        raise TooMany
    return found


def _few(bars: Iterable[Bar]) -> list[Bar]:
    found = list(bars)
    if len(found) > MOST_BARS:
        raise TooMany
    return found


def _by_row(lines: Sequence[Line], held: Iterable[Held], of: str) -> list[tuple[int, list[Held]]]:
    mine: Mapping[int, list[Held]] = {line.id: [] for line in lines}
    for one in held:
        mine[getattr(one, of)].append(one)
    return [(row, mine[line.id]) for row, line in enumerate(lines)]
