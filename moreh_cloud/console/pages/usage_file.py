"""The table of the usage page as a file: every row, with the same filters, in whole device-milliseconds."""

from collections.abc import Iterable
from dataclasses import astuple
from datetime import datetime
from itertools import chain
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _now

from moreh_cloud.console.pages.usage import NONE, REST_NAMES
from moreh_cloud.console.pages.usage_wish import Wish, read_wish
from moreh_cloud.console.queries import usage as queries
from moreh_cloud.console.queries.spans import MILLISECOND, Span
from moreh_cloud.console.queries.usage import REST, By, Report, Row
from moreh_cloud.lib import sheets
from tokens.models import Token
from usage.beside import beside
from usage.metering import HOUR_MS, Held

FIGURES = ("min", "max", "average", "device_ms", "device_hours", "share_percent")
COLUMNS = ("id", "name", *FIGURES)
NOT_BILLED = ("waiting_ms", "waiting_jobs", "cleaning_ms")
JOB_COLUMNS = ("job", "sda", "process", "devices", "from", "until", "device_ms", "device_hours", "share_percent")
Line = tuple[Any, ...]


def file(request: HttpRequest, kind: str) -> HttpResponseBase:
    """Give the table as CSV or JSON; the device-milliseconds of its rows add up to the total."""
    wish = read_wish(request)
    if kind not in ("csv", "json"):
        raise Http404
    if not (wish.start and wish.end):
        problems = [str(problem) for errors in wish.form.errors.values() for problem in errors]
        return HttpResponse("\n".join(problems), status=400, content_type="text/plain; charset=utf-8")
    found = queries.report(Span(wish.start, wish.end), wish.by, wish.tokens)
    rows, everybody = queries.measured(found, found.rows)
    names, lines = _table(found, rows, wish)
    answer = _csv(names, lines) if kind == "csv" else _json(names, lines, found, everybody)
    answer.headers["Content-Disposition"] = f'attachment; filename="{_name(wish, found.over)}.{kind}"'
    return answer


def _table(found: Report, rows: list[Row], wish: Wish) -> tuple[Line, Iterable[Line]]:
    """Give columns and lines: of a token's jobs, or of rows, those of tokens with what is told beside their usage."""
    if wish.token:
        return JOB_COLUMNS, _jobs(found, wish.token)
    lines = _lines(found, rows)
    if found.by != By.TOKEN:
        return COLUMNS, lines
    unbilled = beside(found.over.start, found.over.end, found.tokens)
    return (*COLUMNS, *NOT_BILLED), [(*line, *astuple(unbilled.get(line[0], NONE))) for line in lines]


def _csv(names: Line, lines: Iterable[Line]) -> HttpResponseBase:
    text = chain([sheets.head(names)], map(sheets.line, lines))
    return StreamingHttpResponse(text, content_type="text/csv; charset=utf-8; header=present")


def _json(names: Line, lines: Iterable[Line], found: Report, everybody: Held | None) -> HttpResponseBase:
    total = (*_extremes(everybody), found.total_ms / found.over.ms, *_time(found.total_ms, found))
    head = {"from": _shown(found.over.start), "to": _shown(found.over.end), "by": found.by}
    rows = [dict(zip(names, line, strict=True)) for line in lines]
    return JsonResponse({**head, "total": dict(zip(FIGURES, total, strict=True)), "rows": rows})


def _lines(found: Report, rows: list[Row]) -> list[Line]:
    lines = [_line(row, found) for row in queries.named(found.by, rows)]
    if found.twice_ms:  # take away what tokens in several user groups have had counted more than once
        lines.append((None, _now("Counted in several user groups"), None, None, None, *_time(-found.twice_ms, found)))
    return lines


def _line(row: Row, found: Report) -> Line:
    who = (None if row.key == REST else row.key, str(row.who or REST_NAMES[found.by]))
    return (*who, *_extremes(row.held), row.device_ms / found.over.ms, *_time(row.device_ms, found))


def _jobs(found: Report, token: Token) -> Iterable[Line]:
    for row in queries.jobs_of(found.over, token):
        until = None if row["open"] else row["until"]
        about = (row["job"], row["sda"], row["job__process_name"], row["devices"], _shown(row["begun"]), _shown(until))
        yield (*about, *_time(row["held"] // MILLISECOND, found))


def _extremes(held: Held | None) -> Line:
    return (held.minimum, held.maximum) if held else (None, None)


def _time(ms: int, found: Report) -> Line:
    return ms, ms / HOUR_MS, 100 * ms / found.total_ms if found.total_ms else None


def _name(wish: Wish, over: Span) -> str:
    whose = f"token-{wish.token.pk}" if wish.token else wish.by
    return f"usage-{whose}-{'-to-'.join(f'{timezone.localtime(at):%Y%m%d-%H%M}' for at in (over.start, over.end))}"


def _shown(at: datetime | None) -> str | None:
    return timezone.localtime(at).isoformat(timespec="milliseconds") if at else None
