"""The history as a file: the jobs that match the filters, read while they are sent."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_GET

from console.pages.history import HistoryForm
from console.queries import history as reads
from core import sheets

COLUMNS = (
    *(
        "id",
        "customer",
        "token_id",
        "backend_group",
        "priority",
        "status",
        "cause",
        "detail",
        "exit_code",
        "num_devices",
    ),
    *("process_name", "framework", "version", "requested_at", "submitted_at", "started_at", "ended_at"),
)
Writer = Callable[[reads.EndedFilter], Iterator[str]]


@require_GET
def export(request: HttpRequest, kind: str) -> HttpResponseBase:
    """Return the jobs as `csv` or `json`; 400 if a filter has an error."""
    if kind not in FORMATS:
        raise Http404
    media, write = FORMATS[kind]
    form = HistoryForm(request.GET)
    wanted = form.wanted
    if wanted is None:
        return HttpResponse(form.errors.as_text(), status=400, content_type="text/plain; charset=utf-8")
    wanted, _since = reads.bound_search(wanted)  # as on the page
    name = f"jobs-{timezone.localtime():%Y%m%d-%H%M%S}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(write(wanted), content_type=f"{media}; charset=utf-8", headers=headers)


def _as_csv(wanted: reads.EndedFilter) -> Iterator[str]:
    yield sheets.head(COLUMNS)
    for rows in reads.in_pieces(wanted):
        yield "".join(sheets.line(_columns_of(row).values()) for row in rows)


def _as_json(wanted: reads.EndedFilter) -> Iterator[str]:
    joint = "[\n"
    for rows in reads.in_pieces(wanted):
        yield joint + ",\n".join(json.dumps(_columns_of(row), ensure_ascii=False) for row in rows)
        joint = ",\n"
    yield "[]\n" if joint == "[\n" else "\n]\n"


def _columns_of(row: reads.Row) -> dict[str, object]:
    """Return the columns of the file; times are in the installation's time zone, with their offset."""
    picked = {name: row[name] for name in COLUMNS}
    return {name: _time(value) if isinstance(value, datetime) else value for name, value in picked.items()}


def _time(at: datetime) -> str:
    return timezone.localtime(at).isoformat(sep=" ", timespec="milliseconds")


FORMATS: Mapping[str, tuple[str, Writer]] = {"csv": ("text/csv", _as_csv), "json": ("application/json", _as_json)}
