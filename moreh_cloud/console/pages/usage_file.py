"""The table of the usage page as a file: every row, with the same filters, in whole device-milliseconds."""

from itertools import chain
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _now

from moreh_cloud.console.pages.usage import REST_NAMES
from moreh_cloud.console.pages.usage_wish import Wish, read_wish
from moreh_cloud.console.queries import usage as queries
from moreh_cloud.console.queries.spans import Span, span
from moreh_cloud.console.queries.usage import REST, Report, Row
from moreh_cloud.lib import sheets
from usage.metering import HOUR_MS, Held

COLUMNS = ("id", "name", "min", "max", "average", "device_ms", "device_hours", "share_percent")
Line = tuple[Any, ...]


def file(request: HttpRequest, kind: str) -> HttpResponseBase:
    """Give the table as CSV or JSON; the device-milliseconds of its rows add up to the total."""
    wish = read_wish(request)
    if kind not in ("csv", "json"):
        raise Http404
    if not (wish.start and wish.end):
        problems = [str(problem) for errors in wish.form.errors.values() for problem in errors]
        return HttpResponse("\n".join(problems), status=400, content_type="text/plain; charset=utf-8")
    over = span(wish.start, wish.end)
    found = queries.report(over, wish.by, wish.scope)
    rows, everybody = queries.measured(found, found.rows)
    lines = [_line(row, found, wish) for row in queries.named(wish.by, rows)]
    lines += [_again(found)] if found.twice_ms else []
    answer = _csv(lines) if kind == "csv" else _json(lines, found, everybody)
    answer.headers["Content-Disposition"] = f'attachment; filename="{_name(wish, over)}.{kind}"'
    return answer


def _csv(lines: list[Line]) -> HttpResponseBase:
    text = chain([sheets.head(COLUMNS)], map(sheets.line, lines))
    return StreamingHttpResponse(text, content_type="text/csv; charset=utf-8; header=present")


def _json(lines: list[Line], found: Report, everybody: Held | None) -> HttpResponseBase:
    rows = [dict(zip(COLUMNS, line, strict=True)) for line in lines]
    total = _figures(found.total_ms, everybody, found)
    times = {"from": _shown(found.over.start), "to": _shown(found.over.end)}
    return JsonResponse({**times, "by": found.by, "total": dict(zip(COLUMNS[2:], total, strict=True)), "rows": rows})


def _line(row: Row, found: Report, wish: Wish) -> Line:
    name = str(row.who or REST_NAMES[wish.by])
    return (None if row.key == REST else row.key, name, *_figures(row.device_ms, row.held, found))


def _again(found: Report) -> Line:
    """Take away what tokens in several user groups have had counted more than once."""
    ms = -found.twice_ms
    return (None, _now("Counted in several user groups"), None, None, *_figures(ms, None, found)[2:])


def _figures(ms: int, held: Held | None, found: Report) -> Line:
    extremes = (held.minimum, held.maximum) if held else (None, None)
    share = round(100 * ms / found.total_ms, 4) if found.total_ms else None
    return (*extremes, round(ms / found.over.ms, 6), ms, round(ms / HOUR_MS, 6), share)


def _name(wish: Wish, over: Span) -> str:
    days = [f"{timezone.localtime(at):%Y%m%d-%H%M}" for at in (over.start, over.end)]
    return f"usage-{wish.by}-{'-to-'.join(days)}"


def _shown(at: Any) -> str:
    return timezone.localtime(at).isoformat(timespec="milliseconds")
