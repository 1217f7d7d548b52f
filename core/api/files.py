"""`Accept: text/csv` gives a list as a file.

The lines are those of `lib.sheets`. An object in an object becomes columns like `group.name`; a list in an object
becomes one cell with its JSON. A growing table comes whole, in pieces that are read while they are sent.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import get_language, override
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.filters import TOTAL, LatestFirst
from core.api.parameters import merged
from core.sheets import head, line

MEDIA_TYPE = "text/csv"
PIECE = 2_000  # rows of a growing table that are in memory at once
Row = dict[str, Any]
Handler = Callable[..., Response]


def wants_file(request: Request) -> bool:
    """Whether a list is asked for as a file."""
    kinds = [part.partition(";")[0].strip().lower() for part in request.headers.get("Accept", "").split(",")]
    return MEDIA_TYPE in kinds


def as_file(view: Any, handler: Handler) -> Callable[..., HttpResponseBase]:
    """Add to a GET of a list that it can also return a file."""
    shape = getattr(handler, "listed", None)

    def answer(request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if shape is None or not wants_file(request):
            return handler(request, *args, **kwargs)
        grows = isinstance(getattr(view, "paginator", None), LatestFirst)
        whole = grows and not {"limit", "offset", "ordering"} & set(merged(request))
        first = _piece(view, handler, request, PIECE if whole else None)
        rows = _rows(first)
        pieces = _pieces(view, handler, request, rows) if whole else iter([rows])
        return _file(request, shape, pieces, first.headers.get(TOTAL, str(len(rows))))

    return answer


def _file(request: Request, shape: Any, pieces: Iterator[list[Row]], total: str) -> StreamingHttpResponse:
    name = request.path.rstrip("/").rpartition("/")[2]
    headers = {TOTAL: total, "Content-Disposition": f'attachment; filename="{name}.csv"'}
    lines = _lines(columns(shape()), pieces, get_language() or "en")
    return StreamingHttpResponse(lines, content_type=f"{MEDIA_TYPE}; charset=utf-8; header=present", headers=headers)


def _piece(view: Any, handler: Handler, request: Request, size: int | None, after: int | None = None) -> Response:
    if size:
        view.paginator.default_limit, view.paginator.resume = size, after
    return handler(request)


def _pieces(view: Any, handler: Handler, request: Request, rows: list[Row]) -> Iterator[list[Row]]:
    while rows:
        yield rows
        more = len(rows) == PIECE
        rows = _rows(_piece(view, handler, request, PIECE, rows[-1]["id"])) if more else []


def _rows(response: Response) -> list[Row]:
    """Return what is listed; a list with its length beside is the only one in an object."""
    data = response.data
    return data if isinstance(data, list) else next(part for part in data.values() if isinstance(part, list))


def columns(shape: serializers.Serializer[Any], before: str = "") -> list[str]:
    """Return the names of the columns of a shape, with those of objects inside it."""
    inside: list[list[str]] = []
    for name, field in shape.fields.items():
        path = f"{before}{name}"
        inside.append(columns(field, f"{path}.") if isinstance(field, serializers.Serializer) else [path])
    return list(chain.from_iterable(inside))


def _lines(names: list[str], pieces: Iterable[list[Row]], language: str) -> Iterator[str]:
    yield head(names)
    paths = [name.split(".") for name in names]
    with override(language):
        for rows in pieces:
            yield "".join(line(_at(row, path) for path in paths) for row in rows)


def _at(row: Row, path: list[str]) -> Any:
    value: Any = row
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
