"""A list as a file: exactly the filtered, searched and sorted rows, all of them, read while they are sent."""

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.utils import timezone, translation

from core.admin.columns import Read, columns_of
from core.admin.refused import ParameterRefused, refuse
from core.sheets import head, line
from core.stored_text import SOURCE

PIECE = 2_000  # rows that are in memory at once
KINDS = {"csv": "text/csv; charset=utf-8; header=present", "json": "application/json"}


def export(admin: Any, request: HttpRequest, kind: str) -> HttpResponse | StreamingHttpResponse:
    """Return the list with the filters of a request as CSV or JSON."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    try:
        rows = _whole(admin, request)
    except ParameterRefused as refused:
        return refuse(request, refused)
    write = _as_csv if kind == "csv" else _as_json
    day = f"{timezone.localtime():%Y-%m-%d}"
    named = f'attachment; filename="{admin.model._meta.model_name}-{day}.{kind}"'
    headers = {"Content-Disposition": named, "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(write(columns_of(admin), rows), content_type=KINDS[kind], headers=headers)


def _whole(admin: Any, request: HttpRequest) -> Any:
    request.whole_list = True  # type: ignore[attr-defined]
    rows = admin.get_changelist_instance(request).queryset
    return rows.prefetch_related(*admin.importer.prefetch) if admin.importer else rows


def without_pages(changelist: type[Any]) -> type[Any]:
    """Make a changelist that filters and sorts, and neither counts nor reads a page."""
    return type("WholeList", (changelist,), {"get_results": lambda _self, _request: None})


def _pieces(columns: Mapping[str, Read], rows: Any) -> Iterator[list[list[Any]]]:
    """Read the rows by a cursor of the server, a piece at a time; what has no field is said in English."""
    found = rows.iterator(chunk_size=PIECE)
    while piece := list(islice(found, PIECE)):
        with translation.override(SOURCE):
            yield [[read(row) for read in columns.values()] for row in piece]


def _as_csv(columns: Mapping[str, Read], rows: Any) -> Iterator[str]:
    yield head(columns)
    for piece in _pieces(columns, rows):
        yield "".join(line(values) for values in piece)


def _as_json(columns: Mapping[str, Read], rows: Any) -> Iterator[str]:
    joint = "[\n"
    for piece in _pieces(columns, rows):
        lines = (
            json.dumps(dict(zip(columns, values, strict=True)), ensure_ascii=False, default=str) for values in piece
        )
        yield joint + ",\n".join(lines)
        joint = ",\n"
    yield "\n]\n" if joint == ",\n" else "[]\n"
