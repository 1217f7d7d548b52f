"""The history as a file: exactly the jobs that the filters find, read while they are sent."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_GET

from moreh_cloud.console.pages.history import PastForm
from moreh_cloud.console.queries import history as reads
from moreh_cloud.lib import sheets

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
Kind = Callable[[reads.Past], Iterator[str]]


@require_GET
def export(request: HttpRequest, kind: str) -> HttpResponseBase:
    """Send the jobs as `csv` or `json`; filters that make no sense are refused."""
    if kind not in KINDS:
        raise Http404
    media, write = KINDS[kind]
    form = PastForm(request.GET)
    past = form.past
    if past is None:
        return HttpResponse(form.errors.as_text(), status=400, content_type="text/plain; charset=utf-8")
    past, _since = reads.searched(past)  # as on the page
    name = f"jobs-{timezone.localtime():%Y%m%d-%H%M%S}.{kind}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(write(past), content_type=f"{media}; charset=utf-8", headers=headers)


def _as_csv(past: reads.Past) -> Iterator[str]:
    yield sheets.head(COLUMNS)
    for rows in reads.pieces(past):
        yield "".join(sheets.line(_plain(row).values()) for row in rows)


def _as_json(past: reads.Past) -> Iterator[str]:
    joint = "[\n"
    for rows in reads.pieces(past):
        yield joint + ",\n".join(json.dumps(_plain(row), ensure_ascii=False) for row in rows)
        joint = ",\n"
    yield "[]\n" if joint == "[\n" else "\n]\n"


def _plain(row: reads.Row) -> dict[str, object]:
    """Give the columns of the file, times in the installation's zone with their offset."""
    picked = {name: row[name] for name in COLUMNS}
    return {name: _time(value) if isinstance(value, datetime) else value for name, value in picked.items()}


def _time(at: datetime) -> str:
    return timezone.localtime(at).isoformat(sep=" ", timespec="milliseconds")


KINDS: Mapping[str, tuple[str, Kind]] = {"csv": ("text/csv", _as_csv), "json": ("application/json", _as_json)}
