"""The timeline: which node, device or token held what, from when to when."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET

from moreh_cloud.console import looks
from moreh_cloud.console.pages.asked import text, whole
from moreh_cloud.console.pages.frame import show
from moreh_cloud.console.queries import timeline as reads
from moreh_cloud.console.queries.jobs import groups
from moreh_cloud.lib.clock import db_now, to_ms
from moreh_cloud.lib.errors import Message
from scheduler.choices import JobStatus
from scheduler.queries import MAX_ID

PRESETS: Mapping[str, tuple[Message, timedelta]] = {
    "1h": (_("Last hour"), timedelta(hours=1)),
    "6h": (_("6 hours"), timedelta(hours=6)),
    "24h": (_("24 hours"), timedelta(hours=24)),
}
SIZES = (10, 25, 50, 100)
JOB_ADDRESS = "0" * 12  # stands for a job's number in an address


@dataclass(frozen=True, slots=True)
class Asked:
    """What the picture is asked for."""

    window: reads.Window
    preset: str
    by: str = "node"
    node: int | None = None
    token: int | None = None
    group: int | None = None
    text: str = ""

    def address(self, **changes: object) -> str:
        """Give the page's address with changes; a change goes back to the first rows."""
        now: dict[str, object] = {"by": self.by, "node": self.node, "token": self.token, "group": self.group}
        now |= {"q": self.text, "rows": self.window.rows, "range": self.preset}
        if not self.preset:
            now |= {"from": _local(self.window.start), "to": _local(self.window.end)}
        now |= changes
        given = {name: str(value) for name, value in now.items() if value not in (None, "")}
        return f"{reverse('console:timeline')}?{urlencode(given)}"


@require_GET
def timeline(request: HttpRequest) -> HttpResponse:
    """Show the picture, or say that the range has more bars than one picture shows."""
    now = db_now()
    asked = _asked(request.GET, now)
    lines, more = _lines(asked)
    too_many, bars = False, list[reads.Bar]()
    try:
        lines, bars = _bars(asked, lines)
    except reads.TooMany:
        too_many = True
    window = asked.window
    context = {
        "asked": asked,
        "presets": [
            (label, asked.address(range=name, **{"from": "", "to": ""}), name == asked.preset)
            for name, (label, _length) in PRESETS.items()
        ],
        "kinds": _kinds(asked),
        "sizes": [(size, size == window.rows) for size in SIZES],
        "groups": groups(),
        "start": _local(window.start),
        "end": _local(window.end),
        "lines": lines,
        "too_many": too_many,
        "most": reads.MOST_BARS,
        "picture": None if too_many else _picture(asked, lines, bars, now),
        "legend": _legend(),
        "before": asked.address(page=window.page - 1) if window.page > 1 else "",
        "after": asked.address(page=window.page + 1) if more else "",
        **_shifts(asked),
    }
    return show(request, "console/timeline.html", _("Timeline"), **context)


def _asked(given: QueryDict, now: datetime) -> Asked:
    preset = given.get("range", "6h" if "from" not in given else "")
    length = PRESETS[preset][1] if preset in PRESETS else timedelta(hours=6)
    start, end = now - length, now
    if preset not in PRESETS:
        preset = ""
        start, end = _time(given.get("from")) or start, _time(given.get("to")) or end
    rows = whole(given.get("rows"), 1, 100)
    window = reads.Window(
        start=start if start < end else end - timedelta(hours=1),
        end=end,
        page=whole(given.get("page"), 1, 100_000) or 1,
        rows=rows if rows in SIZES else 50,
    )
    node = whole(given.get("node"), 1, MAX_ID)
    by = "token" if given.get("by") == "token" and node is None else "node"
    token, group = whole(given.get("token"), 1, MAX_ID), whole(given.get("group"), 0, MAX_ID)
    return Asked(window, preset, by, node, token if by == "token" else None, group, text(given.get("q")))


def _lines(asked: Asked) -> tuple[list[reads.Line], bool]:
    """Give the rows of the page, and whether there are more."""
    if asked.node is not None:
        return reads.devices(asked.node), False
    if asked.by == "token":
        found = reads.tokens(asked.window, asked.text, asked.token)
    else:
        found = reads.nodes(asked.window, asked.group, asked.text)
    return found[: asked.window.rows], len(found) > asked.window.rows


def _bars(asked: Asked, lines: list[reads.Line]) -> tuple[list[reads.Line], list[reads.Bar]]:
    if asked.node is not None:
        return lines, reads.bars_by_device(asked.window, lines)
    if asked.by == "token":
        return reads.bars_by_token(asked.window, lines)
    return lines, reads.bars_by_node(asked.window, lines)


def _picture(asked: Asked, lines: list[reads.Line], bars: list[reads.Bar], now: datetime) -> dict[str, object]:
    """Give what the script draws; each bar is a list, because there may be thousands."""
    window = asked.window
    into = {
        "node": lambda pk: asked.address(node=pk, q=""),
        "token": lambda pk: reverse("console:history") + f"?token={pk}",
    }
    follow = None if asked.node is not None else into[asked.by]
    return {
        "start": to_ms(window.start),
        "end": to_ms(window.end),
        "now": to_ms(now),
        "rows": [[line.name, line.lanes, follow(line.id) if follow else ""] for line in lines],
        "bars": [_bar(bar) for bar in bars],
        "states": {status.value: [looks.JOB[status], status.label] for status in JobStatus}
        | {"": [looks.RESERVED, _now("reserved")]},
        "job": reverse("admin:scheduler_job_change", args=[JOB_ADDRESS]),
        "sda": reverse("admin:sda_sda_change", args=[JOB_ADDRESS]),
        "words": {
            "job": _now("Job #%(job)s"),
            "reserved": _now("Reservation of SDA #%(sda)s"),
            "until": _now("%(start)s – %(end)s"),  # noqa: RUF001 - from, to
            "open": _now("since %(start)s"),
        },
    }


def _bar(bar: reads.Bar) -> list[object]:
    held = bar.held
    end = None if held.end is None else to_ms(held.end)
    number = held.sda if held.job is None else held.job
    return [
        bar.row,
        bar.lane,
        bar.height,
        to_ms(held.start),
        end,
        held.status or "",
        number,
        held.customer,
        bar.devices,
    ]


def _kinds(asked: Asked) -> list[tuple[Message, str, bool]]:
    plain = replace(asked, node=None, token=None)
    return [
        (_("By node"), plain.address(by="node"), asked.by == "node"),
        (_("By customer"), plain.address(by="token", group=""), asked.by == "token"),
    ]


def _legend() -> list[tuple[str, Message]]:
    shown = (JobStatus.RUNNING, JobStatus.SUBMITTED, JobStatus.COMPLETED, JobStatus.CANCELED, JobStatus.FAILED)
    return [
        *((f"{looks.JOB[s]} {'mc-open' if s == JobStatus.RUNNING else ''}", s.label) for s in shown),
        (looks.RESERVED, _("reserved")),
    ]


def _shifts(asked: Asked) -> dict[str, str]:
    """Give the addresses of the ranges before and after this one."""
    window, length = asked.window, asked.window.end - asked.window.start
    ranges = {"earlier": (window.start - length, window.start), "later": (window.end, window.end + length)}
    return {
        name: asked.address(range="", **{"from": _local(start), "to": _local(end)})
        for name, (start, end) in ranges.items()
    }


def _time(given: str | None) -> datetime | None:
    try:
        at = parse_datetime(given or "")
    except ValueError:
        return None
    if at is None or not 1971 <= at.year <= 9000:
        return None
    return timezone.make_aware(at) if timezone.is_naive(at) else at


def _local(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%dT%H:%M:%S}"
