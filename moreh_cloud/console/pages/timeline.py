"""The timeline: which node, device or token held what, from when to when."""

from dataclasses import replace
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET

from moreh_cloud.console import looks
from moreh_cloud.console.bars import Bar
from moreh_cloud.console.pages.frame import show
from moreh_cloud.console.pages.timeline_asked import PRESETS, SIZES, Asked, local, read_asked
from moreh_cloud.console.queries import timeline as reads
from moreh_cloud.console.queries.jobs import groups
from moreh_cloud.lib.clock import db_now, to_ms
from moreh_cloud.lib.errors import Message
from scheduler.choices import JobStatus

JOB_ADDRESS = "0" * 12  # stands for a job's number in an address


@gzip_page
@require_GET
def timeline(request: HttpRequest) -> HttpResponse:
    """Show the picture, or say that the range has more bars than one picture shows."""
    now = db_now()
    asked = read_asked(request.GET, now)
    lines, more = _lines(asked)
    too_many, bars = False, list[Bar]()
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
        "start": local(window.start),
        "end": local(window.end),
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


def _lines(asked: Asked) -> tuple[list[reads.Line], bool]:
    """Give the rows of the page, and whether there are more."""
    if asked.node is not None:
        return reads.devices(asked.node), False
    if asked.by == "token":
        found = reads.tokens(asked.window, asked.text, asked.token)
    else:
        found = reads.nodes(asked.window, asked.group, asked.text)
    return found[: asked.window.rows], len(found) > asked.window.rows


def _bars(asked: Asked, lines: list[reads.Line]) -> tuple[list[reads.Line], list[Bar]]:
    if asked.node is not None:
        return lines, reads.bars_by_device(asked.window, lines)
    if asked.by == "token":
        return reads.bars_by_token(asked.window, lines)
    return lines, reads.bars_by_node(asked.window, lines)


def _picture(asked: Asked, lines: list[reads.Line], bars: list[Bar], now: datetime) -> dict[str, object]:
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
        "rows": [[_name(line), line.lanes, follow(line.id) if follow else ""] for line in lines],
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


def _name(line: reads.Line) -> str:
    return _now("%(name)s (deleted)") % {"name": line.name} if line.gone else line.name


def _bar(bar: Bar) -> list[object]:
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
        *((f"{looks.JOB[s]} {'mc-unended' if s == JobStatus.RUNNING else ''}", s.label) for s in shown),
        (looks.RESERVED, _("reserved")),
    ]


def _shifts(asked: Asked) -> dict[str, str]:
    """Give the addresses of the ranges before and after this one."""
    window, length = asked.window, asked.window.end - asked.window.start
    ranges = {"earlier": (window.start - length, window.start), "later": (window.end, window.end + length)}
    return {
        name: asked.address(range="", **{"from": local(start), "to": local(end)})
        for name, (start, end) in ranges.items()
    }
