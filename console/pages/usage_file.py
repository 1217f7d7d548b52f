"""The table of the usage page as a file: all rows, with the same filters, in whole device-milliseconds."""

from collections.abc import Iterable
from dataclasses import astuple
from datetime import datetime
from itertools import chain
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _now

from console.pages.usage import NONE, UNNAMED
from console.pages.usage_params import UsageParams, read_params
from console.queries import usage as queries
from console.queries.periods import MILLISECOND, Period
from console.queries.usage import UNGROUPED, By, Report, UsageRow
from core import sheets
from tokens.models import Token
from usage.capacity import Capacity, capacity_of
from usage.metering import HOUR_MS, HeldDevices
from usage.unbilled_time import unbilled_times

FIGURES = ("min", "max", "average", "device_ms", "device_hours", "share_percent")
COLUMNS = ("id", "name", *FIGURES)
NOT_BILLED = ("waiting_ms", "waiting_jobs", "cleaning_ms")
JOB_COLUMNS = ("job", "sda", "process", "devices", "from", "until", "device_ms", "device_hours", "share_percent")
Cells = tuple[Any, ...]


def file(request: HttpRequest, kind: str) -> HttpResponseBase:
    """Return the table as CSV or JSON; the device-milliseconds of its rows add up to the total."""
    params = read_params(request)
    if kind not in ("csv", "json"):
        raise Http404
    if not (params.start and params.end):
        problems = [str(problem) for errors in params.form.errors.values() for problem in errors]
        return HttpResponse("\n".join(problems), status=400, content_type="text/plain; charset=utf-8")
    found = queries.usage_report(Period(params.start, params.end), params.by, params.tokens)
    rows, everybody = queries.with_extremes(found, found.rows)
    names, lines = _table(found, rows, params)
    answer = _csv(names, lines) if kind == "csv" else _json(names, lines, found, everybody)
    answer.headers["Content-Disposition"] = f'attachment; filename="{_name(params, found.period)}.{kind}"'
    return answer


def _table(found: Report, rows: list[UsageRow], params: UsageParams) -> tuple[Cells, Iterable[Cells]]:
    """Return the names of the columns, and the lines: jobs of one token, or rows; rows of tokens have unbilled time."""
    if params.token:
        return JOB_COLUMNS, _jobs(found, params.token)
    lines = _lines(found, rows)
    if found.by != By.TOKEN:
        return COLUMNS, lines
    unbilled = unbilled_times(found.period.start, found.period.end, found.tokens)
    cells = [(*line, *astuple(unbilled.get(line[0], NONE))) for line in lines]
    listed = {line[0] for line in lines}
    waited = sum((times for token, times in unbilled.items() if token not in listed), NONE)
    if waited != NONE:
        cells.append((None, _now("Tokens that held nothing"), None, None, None, *_shares(0, found), *astuple(waited)))
    return (*COLUMNS, *NOT_BILLED), cells


def _csv(names: Cells, lines: Iterable[Cells]) -> HttpResponseBase:
    text = chain([sheets.head(names)], map(sheets.line, lines))
    return StreamingHttpResponse(text, content_type="text/csv; charset=utf-8; header=present")


def _json(names: Cells, lines: Iterable[Cells], found: Report, everybody: HeldDevices | None) -> HttpResponseBase:
    average = float(capacity_of(found.period.start, found.period.end).average(found.total_ms))
    total = (*_extremes(everybody), average, *_shares(found.total_ms, found))
    head = {"from": _time_text(found.period.start), "to": _time_text(found.period.end), "by": found.by}
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    unbilled = {name: sum(row[name] for row in rows) for name in NOT_BILLED if name in names}
    return JsonResponse({**head, "total": {**dict(zip(FIGURES, total, strict=True)), **unbilled}, "rows": rows})


def _lines(found: Report, rows: list[UsageRow]) -> list[Cells]:
    capacity = capacity_of(found.period.start, found.period.end)
    lines = [_line(row, found, capacity) for row in queries.with_names(found.by, rows)]
    if found.repeated_ms:  # subtract what is counted more than once, for tokens in several user groups
        lines.append(
            (None, _now("Counted in several user groups"), None, None, None, *_shares(-found.repeated_ms, found))
        )
    return lines


def _line(row: UsageRow, found: Report, capacity: Capacity) -> Cells:
    named = (None if row.key == UNGROUPED else row.key, str(row.holder or UNNAMED[found.by]))
    return (*named, *_extremes(row.held), float(capacity.average(row.device_ms)), *_shares(row.device_ms, found))


def _jobs(found: Report, token: Token) -> Iterable[Cells]:
    for row in queries.jobs_of(found.period, token):
        until = None if row["open"] else row["until"]
        about = (
            row["job"],
            row["sda"],
            row["job__process_name"],
            row["devices"],
            _time_text(row["begun"]),
            _time_text(until),
        )
        yield (*about, *_shares(row["held"] // MILLISECOND, found))


def _extremes(held: HeldDevices | None) -> Cells:
    return (held.minimum, held.maximum) if held else (None, None)


def _shares(ms: int, found: Report) -> Cells:
    return ms, ms / HOUR_MS, 100 * ms / found.total_ms if found.total_ms else None


def _name(params: UsageParams, period: Period) -> str:
    subject = f"token-{params.token.pk}" if params.token else params.by
    return (
        f"usage-{subject}-{'-to-'.join(f'{timezone.localtime(at):%Y%m%d-%H%M}' for at in (period.start, period.end))}"
    )


def _time_text(at: datetime | None) -> str | None:
    return timezone.localtime(at).isoformat(timespec="milliseconds") if at else None
