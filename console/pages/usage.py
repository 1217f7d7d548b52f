"""The usage page: a table over any range, its chart, and the jobs of a token."""

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

from console.calendar import unit_for
from console.pages.base_page import render_page
from console.pages.usage_params import FREE, UsageParams, read_params
from console.queries import usage as queries
from console.queries.periods import MILLISECOND, Period
from console.queries.usage import By, UsageRow
from core.clock import db_now
from core.errors import Message
from tokens.models import Token
from usage.calendar import Unit, bounds
from usage.capacity import Capacity, capacity_of
from usage.metering import HOUR_MS, UnbilledTime
from usage.series import device_ms_between

PER_PAGE = 50
TOP_ROWS = 8
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
HISTORY_FILTERS = {By.BACKENDS: "group", By.MODELS: "sda_model", By.DEVICES: "device_model"}
"""The parameter of the history that finds the jobs of a row."""

UNNAMED: Mapping[By, Message] = {
    By.TOKEN: "",
    By.GROUP: _("In no user group"),
    By.BACKENDS: "",
    By.MODELS: "",
    By.DEVICES: _("A device model that no agent has reported"),
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
NONE = UnbilledTime()
LABELS = {Unit.HOUR: "%m-%d %H:%M", Unit.DAY: "%m-%d", Unit.MONTH: "%Y-%m"}


@gzip_page
def page(request: HttpRequest) -> TemplateResponse:
    """Return the page with the usage that the query string requests."""
    params = read_params(request)
    context = {"params": params, "ranges": _ranges(params), "ways": _ways(params), "free": params.range == FREE}
    context |= {"query": params.query(), "everybody_query": params.query(token=None, group=None, by=_back(params))}
    if params.start and params.end:
        context |= _figures(request, params, Period(params.start, params.end))
    return render_page(request, "console/usage/page.html", _("Usage"), is_fullwidth="1", **context)


def chart(request: HttpRequest) -> JsonResponse:
    """Return the device-hours of each hour, day or month of the range."""
    params = read_params(request)
    if not (params.start and params.end):
        return JsonResponse({}, status=400)
    unit, zone = unit_for(params.start, params.end), timezone.get_default_timezone()
    cuts = bounds(params.start, min(params.end, db_now()), unit, zone)
    sums = device_ms_between(cuts, unit, params.tokens)
    labels = [f"{cut.astimezone(zone):{LABELS[unit]}}" for cut in cuts[:-1]]
    series = {"name": _now("device-hours"), "values": [round(ms / HOUR_MS, 3) for ms in sums]}
    return JsonResponse({"unit": series["name"], "labels": labels, "series": [series] if any(sums) else []})


def _ranges(params: UsageParams) -> list[tuple[Message, str, bool]]:
    change = {"start": None, "end": None, "by": params.by}
    return [(title, params.query(range=name, **change), params.range == name) for name, title in RANGES.items()]


def _ways(params: UsageParams) -> list[tuple[Message, str, bool]]:
    return [(title, params.query(by=by), params.by == by) for by, title in WAYS.items()]


def _back(params: UsageParams) -> By:
    return By.GROUP if params.group and not params.token else By.TOKEN


def _figures(request: HttpRequest, params: UsageParams, period: Period) -> dict[str, Any]:
    found = queries.usage_report(period, params.by, params.tokens)
    pages = Paginator(found.rows, PER_PAGE).get_page(request.GET.get("page"))
    rows, everybody = queries.with_extremes(found, list(pages))
    jobs = _jobs(request, period, params.token) if params.token else None
    unbilled = queries.unbilled_of(found)
    capacity = capacity_of(period.start, period.end)
    return {
        "period": period,
        "report": found,
        "lines": _lines(params, capacity, rows, unbilled or {}),
        "unbilled": None if unbilled is None else sum(unbilled.values(), NONE),
        "show_unbilled": params.by == By.TOKEN and unbilled is not None,
        "top": [] if params.token else _lines(params, capacity, found.rows[:TOP_ROWS]),
        "top_title": TOPS[params.by],
        "who": HEADS[params.by],
        "jobs": jobs,
        "holdings": [_holding(row) for row in jobs] if jobs else [],
        "everybody": everybody,
        "average": float(capacity.average(found.total_ms)),
        "capacity": capacity,
        "devices": float(capacity.devices),
        "pages": pages,
        "unit": UNITS[unit_for(period.start, period.end)],
        "most": queries.MOST_ALLOCATIONS,
    }


def _jobs(request: HttpRequest, period: Period, token: Token) -> Page[Any]:
    return Paginator(queries.jobs_of(period, token), PER_PAGE).get_page(request.GET.get("page"))


def _holding(row: dict[str, Any]) -> dict[str, Any]:
    """Return the line of a job, or of a reserved SDA that held devices without a job."""
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
class UsageLine:
    """A line of the table: a name, the address of its details, and its average number of devices."""

    name: Message
    address: str
    gone: bool
    row: UsageRow
    average: float
    unbilled: UnbilledTime = NONE


def _lines(
    params: UsageParams,
    capacity: Capacity,
    rows: Sequence[UsageRow],
    unbilled: Mapping[int, UnbilledTime] = MappingProxyType({}),
) -> list[UsageLine]:
    """Return the lines of some rows with their names; lines of tokens also have their unbilled time."""
    lines = [_line(params, row, float(capacity.average(row.device_ms))) for row in queries.with_names(params.by, rows)]
    if params.by != By.TOKEN:
        return lines
    return [replace(line, unbilled=unbilled.get(int(line.row.key), NONE)) for line in lines]


def _line(params: UsageParams, row: UsageRow, average: float) -> UsageLine:
    if row.holder is None:
        return UsageLine(UNNAMED[params.by], "", False, row, average)
    return UsageLine(str(row.holder), _more(params, row), bool(getattr(row.holder, "deleted_at", None)), row, average)


def _more(params: UsageParams, row: UsageRow) -> str:
    """Return the address of the details of a row: jobs of a token, backend group or model, or tokens of a group."""
    if params.by in HISTORY_FILTERS:
        return f"{params.history}&{urlencode({HISTORY_FILTERS[params.by]: row.key})}"
    return params.query(by=By.TOKEN, **{params.by: row.key})
