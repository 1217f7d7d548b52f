"""Usage over any range: a table by token, user group or backend group, its chart, and a token's jobs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from django.core.paginator import Page, Paginator
from django.http import HttpRequest, JsonResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page

from moreh_cloud.console.calendar import unit_for
from moreh_cloud.console.pages.frame import show
from moreh_cloud.console.pages.usage_wish import FREE, Wish, read_wish
from moreh_cloud.console.queries import usage as queries
from moreh_cloud.console.queries.spans import MILLISECOND, Span
from moreh_cloud.console.queries.usage import By, Row
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.errors import Message
from tokens.models import Token
from usage.calendar import Unit, bounds
from usage.capacity import capacity_of
from usage.metering import HOUR_MS, Beside
from usage.series import device_ms_between

PER_PAGE = 50
SHOWN_TOP = 8
RANGES: Mapping[str, Message] = {
    "today": _("Today"),
    "7d": _("7 days"),
    "month": _("This month"),
    "last-month": _("Last month"),
}
WAYS: Mapping[By, Message] = {
    By.TOKEN: _("By token"),
    By.GROUP: _("By user group"),
    By.BACKENDS: _("By backend group"),
    By.MODELS: _("By SDA model"),
    By.DEVICES: _("By device model"),
}
PAST = {By.BACKENDS: "group", By.MODELS: "sda_model", By.DEVICES: "device_model"}
"""By which filter of the history the jobs of a row are found."""

REST_NAMES: Mapping[By, Message] = {
    By.TOKEN: "",
    By.GROUP: _("In no user group"),
    By.BACKENDS: "",
    By.MODELS: "",
    By.DEVICES: _("A device model that no agent has told"),
}
UNITS: Mapping[Unit, Message] = {
    Unit.HOUR: _("Device-hours by hour"),
    Unit.DAY: _("Device-hours by day"),
    Unit.MONTH: _("Device-hours by month"),
}
TOPS: Mapping[By, Message] = {
    By.TOKEN: _("Top users"),
    By.GROUP: _("Top user groups"),
    By.BACKENDS: _("Top backend groups"),
    By.MODELS: _("Top SDA models"),
    By.DEVICES: _("Top device models"),
}
HEADS: Mapping[By, Message] = {
    By.TOKEN: _("token"),
    By.GROUP: _("user group"),
    By.BACKENDS: _("backend group"),
    By.MODELS: _("SDA model"),
    By.DEVICES: _("device model"),
}
NONE = Beside()
LABELS = {Unit.HOUR: "%m-%d %H:%M", Unit.DAY: "%m-%d", Unit.MONTH: "%Y-%m"}


@gzip_page
def page(request: HttpRequest) -> TemplateResponse:
    """Show the usage that the address asks for."""
    wish = read_wish(request)
    context = {"wish": wish, "ranges": _ranges(wish), "ways": _ways(wish), "free": wish.named == FREE}
    context |= {"query": wish.query(), "everybody_query": wish.query(token=None, group=None, by=_back(wish))}
    if wish.start and wish.end:
        context |= _figures(request, wish, Span(wish.start, wish.end))
    return show(request, "console/usage/page.html", _("Usage"), is_fullwidth="1", **context)


def chart(request: HttpRequest) -> JsonResponse:
    """Give the device-hours of each hour, day or month of the range."""
    wish = read_wish(request)
    if not (wish.start and wish.end):
        return JsonResponse({}, status=400)
    unit, zone = unit_for(wish.start, wish.end), timezone.get_default_timezone()
    cuts = bounds(wish.start, min(wish.end, db_now()), unit, zone)
    sums = device_ms_between(cuts, unit, wish.tokens)
    labels = [f"{cut.astimezone(zone):{LABELS[unit]}}" for cut in cuts[:-1]]
    series = {"name": _now("device-hours"), "values": [round(ms / HOUR_MS, 3) for ms in sums]}
    return JsonResponse({"unit": series["name"], "labels": labels, "series": [series] if any(sums) else []})


def _ranges(wish: Wish) -> list[tuple[Message, str, bool]]:
    change = {"start": None, "end": None, "by": wish.by}
    return [(title, wish.query(range=name, **change), wish.named == name) for name, title in RANGES.items()]


def _ways(wish: Wish) -> list[tuple[Message, str, bool]]:
    return [(title, wish.query(by=by), wish.by == by) for by, title in WAYS.items()]


def _back(wish: Wish) -> By:
    return By.GROUP if wish.group and not wish.token else By.TOKEN


def _figures(request: HttpRequest, wish: Wish, over: Span) -> dict[str, Any]:
    found = queries.report(over, wish.by, wish.tokens)
    shown = Paginator(found.rows, PER_PAGE).get_page(request.GET.get("page"))
    rows, everybody = queries.measured(found, list(shown))
    jobs = _jobs(request, over, wish.token) if wish.token else None
    unbilled = queries.not_billed(found)
    capacity = capacity_of(over.start, over.end)
    return {
        "over": over,
        "report": found,
        "lines": _lines(wish, over, rows, unbilled or {}),
        "unbilled": None if unbilled is None else sum(unbilled.values(), NONE),
        "beside": wish.by == By.TOKEN and unbilled is not None,
        "top": [] if wish.token else _lines(wish, over, found.rows[:SHOWN_TOP]),
        "top_title": TOPS[wish.by],
        "who": HEADS[wish.by],
        "jobs": jobs,
        "stays": [_stay(row) for row in jobs] if jobs else [],
        "everybody": everybody,
        "average": found.total_ms / over.ms,
        "capacity": capacity,
        "devices": float(capacity.devices),
        "pages": shown,
        "unit": UNITS[unit_for(over.start, over.end)],
        "most": queries.MOST_ALLOCATIONS,
    }


def _jobs(request: HttpRequest, over: Span, token: Token) -> Page[Any]:
    return Paginator(queries.jobs_of(over, token), PER_PAGE).get_page(request.GET.get("page"))


def _stay(row: dict[str, Any]) -> dict[str, Any]:
    """Name a job, or the reserved SDA that held devices without one."""
    job, sda = row["job"], row["sda"]
    name = f"#{job}" if job else _now("reserved SDA #%(number)s") % {"number": sda}
    page, number = ("scheduler_job", job) if job else ("sda_sda", sda)
    return {
        "name": name,
        "address": reverse(f"admin:{page}_change", args=[number]),
        "process": row["job__process_name"],
        "devices": row["devices"],
        "begun": row["begun"],
        "until": None if row["open"] else row["until"],
        "device_ms": row["held"] // MILLISECOND,
    }


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table: whose it is, where more of it is seen, and its devices averaged over the range."""

    name: Message
    address: str
    gone: bool
    row: Row
    average: float
    unbilled: Beside = NONE


def _lines(
    wish: Wish, over: Span, rows: Sequence[Row], unbilled: Mapping[int, Beside] = MappingProxyType({})
) -> list[Line]:
    """Name rows; those of tokens with what is told beside their usage."""
    lines = [_line(wish, row, row.device_ms / over.ms) for row in queries.named(wish.by, rows)]
    if wish.by != By.TOKEN:
        return lines
    return [replace(line, unbilled=unbilled.get(int(line.row.key), NONE)) for line in lines]


def _line(wish: Wish, row: Row, average: float) -> Line:
    if row.who is None:
        return Line(REST_NAMES[wish.by], "", False, row, average)
    return Line(str(row.who), _more(wish, row), bool(getattr(row.who, "deleted_at", None)), row, average)


def _more(wish: Wish, row: Row) -> str:
    """Lead to what is behind a row: a token's jobs, a group's tokens, the jobs of a backend group or of a model."""
    if wish.by in PAST:
        return f"{wish.history}&{urlencode({PAST[wish.by]: row.key})}"
    return wish.query(by=By.TOKEN, **{wish.by: row.key})
