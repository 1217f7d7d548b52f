"""Parameters of a list's or a row's address: those that the page offers, with values that can be read."""

from collections.abc import Mapping
from typing import Any

from django.contrib.admin.options import IS_FACETS_VAR
from django.contrib.admin.utils import get_fields_from_path
from django.contrib.admin.views.main import IGNORED_PARAMS, PAGE_VAR
from django.core.exceptions import ValidationError
from django.db.models import DateTimeField, IntegerField, Model, QuerySet
from django.http import HttpRequest

from core.admin.time_range import TimeRange
from core.numbers import whole
from core.times import NEWEST, OLDEST, read_time

NO_FILTERS = {*IGNORED_PARAMS, PAGE_VAR, IS_FACETS_VAR}
Bounds = tuple[int, ...] | None
DATE_PARTS: Mapping[str, Bounds] = {"year": (OLDEST.year, NEWEST.year - 1), "month": (1, 12), "day": (1, 31)}


def is_offered(admin: Any, lookup: str, value: str) -> bool:
    """Whether a filter of the page reads this lookup, and can read this value.

    Django takes every lookup of every local field, by which anybody who sees a list can find out, letter by letter,
    what a column holds that is never shown, or make the database match a pattern without end.
    """
    offered = _offered(admin)
    if lookup not in offered or "\0" in value:
        return False
    bounds = offered[lookup]
    return bounds is None or whole(value, *bounds) is not None


def filters_of(request: HttpRequest) -> list[str]:
    """Return the names of the filters in an address."""
    return [name for name in request.GET if name not in NO_FILTERS]


def key_of(model: type[Model], text: str) -> Any:
    """Return the primary key that a text writes; None for what can be none."""
    field: Any = model._meta.pk
    while field.remote_field:
        field = field.target_field
    if isinstance(field, IntegerField):
        return whole(text, 0)
    try:
        return read_time(text) if isinstance(field, DateTimeField) else field.to_python(text)
    except ValidationError:
        return None


def with_key(rows: QuerySet[Any], text: str | None) -> QuerySet[Any]:
    """Return the row with a primary key as it stands in an address; none for what can be none."""
    key = key_of(rows.model, text or "")
    return rows.none() if key is None else rows.filter(pk=key)


def _offered(admin: Any) -> Mapping[str, Bounds]:
    """Return the lookups of a list, with the bounds of those that are whole numbers."""
    offered: dict[str, Bounds] = dict.fromkeys(admin.linked)
    for spec in admin.list_filter:
        offered |= _of_filter(admin.model, spec)
    if admin.date_hierarchy:
        offered |= {f"{admin.date_hierarchy}__{part}": bounds for part, bounds in DATE_PARTS.items()}
    return offered


def _of_filter(model: type[Model], spec: Any) -> Mapping[str, Bounds]:
    if isinstance(spec, type):
        return {str(spec.parameter_name): None}  # type: ignore[attr-defined]
    path, kind = spec if isinstance(spec, tuple) else (spec, None)
    if kind is TimeRange:
        return dict.fromkeys(f"{path}_{end}_{part}" for end in ("from", "to") for part in (0, 1))
    field: Any = get_fields_from_path(model, path)[-1]
    if field.remote_field:
        return {f"{path}__{field.target_field.name}__exact": (0,), f"{path}__isnull": None}
    return dict.fromkeys((path, f"{path}__exact", f"{path}__isnull"))
