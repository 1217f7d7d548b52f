"""A range of times as a filter; unfold's own takes the times for naive ones and needs both a date and a time."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Never

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.dateparse import parse_time
from unfold.contrib.filters.admin import RangeDateTimeFilter

from core.admin.refused import ParameterRefused
from core.times import read_end_of_day, read_time

ENDS: Mapping[str, tuple[str, Callable[[str], datetime]]] = {"from": ("gte", read_time), "to": ("lte", read_end_of_day)}


OFFSET = re.compile(r"(Z|[+-]\d\d(:?\d\d)?)\Z")  # of an hour that clocks repeat


class TimeRange(RangeDateTimeFilter):
    """From and to, each a date with or without a time, in the time zone of the installation."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows in the range. Raises ParameterRefused."""
        limits = {f"{self.parameter_name}__{how}": self._at(end, day) for end, (how, day) in ENDS.items()}
        return queryset.filter(**{name: at for name, at in limits.items() if at})

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Return the form, without complaints where nothing was asked for."""
        for choice in super().choices(changelist):
            asked = choice["form"].data if any(choice["form"].data.values()) else None
            yield {**choice, "form": self.form_class(name=str(self.parameter_name), data=asked)}

    def _at(self, end: str, read_day: Callable[[str], datetime]) -> datetime | None:
        names = [f"{self.parameter_name}_{end}_{part}" for part in (0, 1)]
        day, hour = (str(self.used_parameters.get(name) or "") for name in names)
        if not day:
            return None
        try:
            if not hour:
                return read_day(day)
            clock, offset = parse_time(hour), OFFSET.search(hour)
            return read_time(f"{day}T{clock:%H:%M:%S.%f}{offset[0] if offset else ''}") if clock else _refuse(names[1])
        except ValueError:
            return _refuse(names[1])
        except ValidationError as error:
            return _refuse(names[0], *error.messages)


def _refuse(name: str, why: str = "") -> Never:
    raise ParameterRefused(name, why=why)
