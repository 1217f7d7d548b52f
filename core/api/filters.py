"""Filters of lists, and the part of a list that is asked for."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters import rest_framework as filters
from django_filters.fields import BaseCSVField, IsoDateTimeField
from django_filters.widgets import BaseCSVWidget
from drf_spectacular.drainage import set_override
from rest_framework import serializers
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.parameters import Parameters, Whole, merged
from core.numbers import MAX_ID, is_plain
from core.texts import LONGEST
from core.times import read_time

TOTAL = "X-Total-Count"
EXPAND = [("tokenlist", _("the tokens of nested groups"))]


def keep(rows: QuerySet[Any], _name: str, _value: Any) -> QuerySet[Any]:
    """Return the rows as they are: the parameter is about their shape."""
    return rows


class Filters(filters.DjangoFilterBackend):
    """django-filter over the parameters of the query string and of the body."""

    def get_filterset_kwargs(self, request: Request, queryset: QuerySet[Any], view: Any) -> dict[str, Any]:
        return {"data": merged(request), "queryset": queryset, "request": request}


def _once(value: Any) -> Any:
    """Return the value of a parameter that is given once. Raises ValidationError."""
    if isinstance(value, list | dict | bool):
        raise ValidationError(_("Enter one value."))
    return value


class _TextField(forms.CharField):
    def to_python(self, value: Any) -> str | None:
        return super().to_python(_once(value))


class TextFilter(filters.CharFilter):
    """A text, given once."""

    field_class = _TextField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_length": LONGEST, **kwargs})  # a database refuses patterns without end


class _WholeField(forms.IntegerField):
    def to_python(self, value: Any) -> int | None:
        if not is_plain(_once(value)):
            raise ValidationError(self.error_messages["invalid"])
        return super().to_python(value)


class WholeFilter(filters.Filter):
    """A whole number, like an id, that a database can be asked for."""

    field_class = _WholeField

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, min_value=-MAX_ID, max_value=MAX_ID, **kwargs)
        set_override(self, "field", {"type": "integer"})  # not what the column of this database can hold


class _WordField(forms.ChoiceField):
    def to_python(self, value: Any) -> str:
        words = {str(choice).lower(): str(choice) for choice, _label in self.choices}  # type: ignore[union-attr,misc]
        return words.get(str(value or "").lower(), str(value or ""))


class WordFilter(filters.Filter):
    """One of a closed list of words, in any case."""

    field_class = _WordField

    def __init__(self, *args: Any, choices: Any, **kwargs: Any) -> None:
        super().__init__(*args, choices=choices, **kwargs)
        set_override(self, "field", {"type": "string", "enum": [word for word, _label in choices]})


class _WordsField(forms.MultipleChoiceField):
    def to_python(self, value: Any) -> list[str]:
        parts = value if isinstance(value, list | tuple) else str(value or "").split(",")
        words = {str(choice).lower(): str(choice) for choice, _label in self.choices}  # type: ignore[union-attr,misc]
        given = [str(part).strip().lower() for part in parts]
        return [words.get(part, part) for part in given if part]


class WordsFilter(filters.Filter):
    """Words of a closed list, in any case, separated by commas."""

    field_class = _WordsField

    def __init__(self, *args: Any, choices: Any, **kwargs: Any) -> None:
        super().__init__(*args, choices=choices, **kwargs)
        words = {"type": "string", "enum": [word for word, _label in choices]}
        set_override(self, "field", {"type": "array", "items": words})

    def filter(self, qs: QuerySet[Any], value: list[str]) -> QuerySet[Any]:
        """Keep rows with one of the words."""
        return qs.filter(**{f"{self.field_name}__in": value}) if value else qs


class _TimeField(IsoDateTimeField):
    def to_python(self, value: Any) -> datetime | None:
        return None if value in self.empty_values else read_time(str(_once(value)))


class TimeFilter(filters.IsoDateTimeFilter):
    """A time: ISO 8601, or `YYYY-MM-DD HH:mm[:ss[.fff]]` in the installation's time zone."""

    field_class = _TimeField


class _OrderWidget(BaseCSVWidget):
    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        """Return the names of columns; a body in JSON may hold something else, which is no choice."""
        given = data.get(name)
        asked = given if given is None or isinstance(given, list) else str(given)
        return super().value_from_datadict({name: asked}, files, name)


class _OrderField(BaseCSVField):
    base_widget_class = _OrderWidget


class Ordering(filters.OrderingFilter):
    """The order that is asked for; among equals by id, so that pages hold each row once."""

    base_field_class = _OrderField

    def filter(self, qs: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        """Order by the columns, then by id."""
        ordered: QuerySet[Any] = super().filter(qs, value)
        return ordered.order_by(*ordered.query.order_by, "pk") if value else ordered


class PageParameters(Parameters):
    """The parameters that select a part of a list."""

    limit = Whole(min_value=1, max_value=100_000, required=False)
    offset = Whole(default=0)
    after = Whole(min_value=1, max_value=MAX_ID, required=False)


class Window(BasePagination):
    """The whole list unless `limit` is given; X-Total-Count says how many there are in all."""

    default_limit: int | None = None
    total: int | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """Cut a queryset or list to the part that is asked for; without a part, nothing is counted."""
        page = PageParameters(data=merged(request), context={"lenient": True})
        page.is_valid(raise_exception=True)
        return self.cut(queryset, **{"limit": self.default_limit, "after": None, **page.validated_data})

    def cut(self, rows: Any, *, limit: int | None, offset: int, after: int | None) -> Any:
        """Return the requested part of the rows, and set `total`."""
        if limit is None and not offset:
            return rows
        self.total = len(rows) if isinstance(rows, list) else rows.count()
        return rows[offset:] if limit is None else rows[offset : offset + limit]

    def get_paginated_response(self, data: Any) -> Response:
        """Return the list as it is, with its full length in the header."""
        total = len(data) if self.total is None else self.total
        return Response(data, headers={TOTAL: str(total)})

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe `limit` and `offset` for the schema."""
        limit = {"type": "integer", "minimum": 1, "maximum": 100_000}
        if self.default_limit:
            limit["default"] = self.default_limit
        offset = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1, "default": 0}
        return [_parameter("limit", limit), _parameter("offset", offset)]

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Describe the answer: the list itself."""
        return schema


class LatestFirst(Window):
    """For tables that grow: the newest 500 unless asked otherwise, pages also by `after`, the last id seen."""

    default_limit = 500
    keyset: tuple[str, ...] = ("pk",)  # what the list is ordered by, descending
    count_all: Callable[[], int] | None = None  # how many there are without a filter, without counting them

    def __init__(self) -> None:
        self.unfiltered = False
        self.resume: int | None = None

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> Any:
        """Cut as ever; an order of the caller's own has no `after`. Raises ValidationError."""
        asked = merged(request)
        if asked.get("after") and asked.get("ordering"):
            raise serializers.ValidationError({"after": [_("It goes only with the list's own order.")]})
        self.unfiltered = queryset.query.where == view.queryset.query.where
        return super().paginate_queryset(queryset, request, view)

    def cut(self, rows: Any, *, limit: int | None, offset: int, after: int | None) -> Any:
        """Return the requested part of the rows: from the offset, or after the row with the id `after`."""
        if self.total is None:
            self.total = self.count_all() if self.unfiltered and self.count_all else rows.count()
        after = self.resume or after
        beyond = rows.filter(self._beyond(rows, after)) if after else rows
        return beyond[offset : offset + (limit or 0)]

    def _beyond(self, rows: QuerySet[Any], after: int) -> Q:
        last = rows.model._default_manager.filter(pk=after).values_list(*self.keyset).first()
        if last is None or None in last:
            return Q(pk__in=[])
        where, same = Q(), Q()
        for name, value in zip(self.keyset, last, strict=True):
            where |= same & Q(**{f"{name}__lt": value})
            same &= Q(**{name: value})
        # Said again for the index: with the alternatives alone PostgreSQL reads every row in front of the page.
        return Q(**{f"{self.keyset[0]}__lte": last[0]}) & where

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """Describe `after` too."""
        after = {"type": "integer", "minimum": 1}
        return [*super().get_schema_operation_parameters(view), _parameter("after", after)]


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}
