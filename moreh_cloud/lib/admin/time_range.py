"""A range of times as a filter; unfold's own takes the times for naive ones and needs both a date and a time."""

from collections.abc import Iterator
from datetime import datetime, time
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_time
from unfold.contrib.filters.admin import RangeDateTimeFilter

ENDS = {"from": ("gte", time.min), "to": ("lte", time.max)}


class TimeRange(RangeDateTimeFilter):
    """From and to, each a date with or without a time, in the time zone of the installation."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what lies in the range; what is no date does not count."""
        limits = {f"{self.parameter_name}__{how}": self._at(end, default) for end, (how, default) in ENDS.items()}
        return queryset.filter(**{name: at for name, at in limits.items() if at})

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Give the form, without complaints where nothing was asked for."""
        for choice in super().choices(changelist):
            asked = choice["form"].data if any(choice["form"].data.values()) else None
            yield {**choice, "form": self.form_class(name=str(self.parameter_name), data=asked)}

    def _at(self, end: str, default: time) -> datetime | None:
        day, hour = (str(self.used_parameters.get(f"{self.parameter_name}_{end}_{part}") or "") for part in (0, 1))
        try:
            date, clock = parse_date(day), parse_time(hour) if hour else default
        except ValueError:
            return None
        return timezone.make_aware(datetime.combine(date, clock or default)) if date else None
