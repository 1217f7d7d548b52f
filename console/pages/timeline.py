"""The timeline: which job held which devices, in rows of nodes, devices or tokens."""

from dataclasses import replace
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_GET

from console.bars import Bar
from console.errors import TooManyBars
from console.pages.base_page import render_page
from console.pages.timeline_params import PRESETS, SIZES, TimelineParams, form_fields, read_params
from console.queries import timeline as reads
from console.queries.jobs import groups
from core.clock import db_now, to_ms
from core.errors import Message
from core.times import NEWEST, OLDEST, local_iso
from scheduler import colours
from scheduler.choices import JobStatus

MAINTENANCE, BAND = "MAINTENANCE", "mc-band"  # the state of a band, and its CSS class
JOB_ADDRESS = "0" * 12  # a placeholder for the number of a job or SDA; timeline.js replaces it


@gzip_page
@require_GET
def timeline(request: HttpRequest) -> HttpResponse:
    """Return the page: the timeline, or a message if the range has more bars than one timeline draws."""
    now = db_now()
    params = read_params(request.GET, now)
    rows, more = _rows(params)
    too_many, bars = False, list[Bar]()
    try:
        rows, bars = _bars(params, rows)
    except TooManyBars:
        too_many = True
    extent = params.extent
    context = {
        "params": params,
        "presets": [
            (label, params.address(range=name, **{"from": "", "to": ""}), name == params.preset)
            for name, (label, _length) in PRESETS.items()
        ],
        "kinds": _kinds(params),
        "sizes": [(size, size == extent.rows) for size in SIZES],
        "groups": groups(),
        "ends": form_fields(params),
        "rows": rows,
        "too_many": too_many,
        "most": reads.MOST_BARS,
        "chart": None if too_many else _chart(params, rows, [*_bands(params, rows), *map(_bar, bars)], now),
        "legend": _legend(),
        "before": params.address(page=extent.page - 1) if extent.page > 1 else "",
        "after": params.address(page=extent.page + 1) if more else "",
        **_shifts(params),
    }
    return render_page(request, "console/timeline.html", _("Timeline"), **context)


def _rows(params: TimelineParams) -> tuple[list[reads.TimelineRow], bool]:
    """Return the rows of the page, and whether there is a next page."""
    if params.node is not None:
        return reads.devices(params.node), False
    if params.by == "token":
        found = reads.tokens(params.extent, params.text, params.token)
    else:
        found = reads.nodes(params.extent, params.group, params.text)
    return found[: params.extent.rows], len(found) > params.extent.rows


def _bars(params: TimelineParams, rows: list[reads.TimelineRow]) -> tuple[list[reads.TimelineRow], list[Bar]]:
    if params.node is not None:
        return rows, reads.bars_by_device(params.extent, rows)
    if params.by == "token":
        return reads.bars_by_token(params.extent, rows)
    return rows, reads.bars_by_node(params.extent, rows)


def _chart(
    params: TimelineParams, rows: list[reads.TimelineRow], bars: list[list[object]], now: datetime
) -> dict[str, object]:
    """Return what `timeline.js` draws. Each bar is a list, because there may be thousands."""
    extent = params.extent
    addresses = {
        "node": lambda pk: params.address(node=pk, q=""),
        "token": lambda pk: reverse("console:history") + f"?token={pk}",
    }
    address_of = None if params.node is not None else addresses[params.by]
    return {
        "start": to_ms(extent.start),
        "end": to_ms(extent.end),
        "now": to_ms(now),
        "rows": [[_name(row), row.lanes, address_of(row.id) if address_of else ""] for row in rows],
        "bars": bars,
        "states": {status.value: [colours.JOB[status], status.label] for status in JobStatus}
        | {"": [colours.RESERVED, _now("reserved")], MAINTENANCE: [BAND, _now("maintenance")]},
        "job": reverse("admin:scheduler_job_change", args=[JOB_ADDRESS]),
        "sda": reverse("admin:sda_sda_change", args=[JOB_ADDRESS]),
        "others": {MAINTENANCE: reverse("admin:backends_maintenancewindow_change", args=[JOB_ADDRESS])},
        "words": {
            "job": _now("Job #%(job)s"),
            MAINTENANCE: _now("Maintenance #%(job)s"),
            "reserved": _now("Reservation of SDA #%(sda)s"),
            "until": _now("%(start)s – %(end)s"),  # noqa: RUF001 - from, to
            "open": _now("since %(start)s"),
        },
    }


def _bands(params: TimelineParams, rows: list[reads.TimelineRow]) -> list[list[object]]:
    """Return a bar over the whole row for each maintenance window, behind the others; none in rows of customers."""
    if params.by == "token":
        return []
    bands = reads.maintenance(params.extent, rows, params.node)
    return [
        [one.row, 0, rows[one.row].lanes, to_ms(one.start), to_ms(one.end), MAINTENANCE, one.window, one.reason, ""]
        for one in bands
    ]


def _name(row: reads.TimelineRow) -> str:
    return _now("%(name)s (deleted)") % {"name": row.name} if row.gone else row.name


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


def _kinds(params: TimelineParams) -> list[tuple[Message, str, bool]]:
    plain = replace(params, node=None, token=None)
    return [
        (_("By node"), plain.address(by="node"), params.by == "node"),
        (_("By customer"), plain.address(by="token", group=""), params.by == "token"),
    ]


def _legend() -> list[tuple[str, Message]]:
    shown = (JobStatus.RUNNING, JobStatus.SUBMITTED, JobStatus.COMPLETED, JobStatus.CANCELED, JobStatus.FAILED)
    return [
        *((f"{colours.JOB[s]} {'mc-unended' if s == JobStatus.RUNNING else ''}", s.label) for s in shown),
        (colours.RESERVED, _("reserved")),
        (BAND, _("maintenance")),
    ]


def _shifts(params: TimelineParams) -> dict[str, str]:
    """Return the addresses of the ranges before and after this one, as far as times are kept; "" where none is left."""
    extent, length = params.extent, params.extent.end - params.extent.start
    earlier = extent.start - min(length, extent.start - OLDEST)
    later = extent.end + min(length, NEWEST - extent.end)
    ranges = {"earlier": (earlier, extent.start), "later": (extent.end, later)}
    return {
        name: params.address(range="", **{"from": local_iso(start), "to": local_iso(end)}) if start < end else ""
        for name, (start, end) in ranges.items()
    }
