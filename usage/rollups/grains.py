"""The three lengths of closed periods, and the tables of their rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, Min, QuerySet

from core.times import NEWEST, OLDEST
from usage.calendar import Unit
from usage.models import (
    Closed,
    ClosedDay,
    ClosedHour,
    ClosedMonth,
    Detail,
    DetailDay,
    DetailHour,
    DetailMonth,
    Usage,
    UsageDay,
    UsageHour,
    UsageMonth,
)

Period = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Grain:
    """Closed periods of one length; `name` is the field that holds the start of each."""

    unit: Unit
    closed: type[Closed]
    usage: type[Usage]
    detail: type[Detail]

    @property
    def name(self) -> str:
        """Return the name of the field with the start of a period: hour, day or month."""
        return self.unit.value

    def within(self, rows: QuerySet[Any], start: datetime, end: datetime) -> QuerySet[Any]:
        """Return the rows of periods that begin in a range."""
        return rows.filter(**{f"{self.name}__gte": start, f"{self.name}__lt": end}).order_by()

    def periods(self, start: datetime, end: datetime) -> list[Period]:
        """Return the closed periods that lie within a range, in order; they follow each other without a gap."""
        found = self.closed.objects.filter(**{f"{self.name}__gte": start}, until__lte=end)  # type: ignore[attr-defined]
        return list(found.order_by(self.name).values_list(self.name, "until"))

    def touching(self, start: datetime, end: datetime) -> list[Period]:
        """Return the closed periods of which some part lies in a range, in order."""
        found = self.closed.objects.filter(**{f"{self.name}__lt": end}, until__gt=start)  # type: ignore[attr-defined]
        return list(found.order_by(self.name).values_list(self.name, "until"))

    def reach(self) -> Period | None:
        """Return the start of the first and the end of the last closed period, between which all are closed."""
        sound = {f"{self.name}__gte": OLDEST, "until__lte": NEWEST}  # a damaged row must not end the closing for ever
        rows: QuerySet[Any] = self.closed.objects.filter(**sound)  # type: ignore[attr-defined]
        found = rows.aggregate(first=Min(self.name), last=Max("until"))
        return (found["first"], found["last"]) if found["first"] else None


HOURS = Grain(Unit.HOUR, ClosedHour, UsageHour, DetailHour)
DAYS = Grain(Unit.DAY, ClosedDay, UsageDay, DetailDay)
MONTHS = Grain(Unit.MONTH, ClosedMonth, UsageMonth, DetailMonth)
GRAINS: Mapping[Unit, Grain] = {grain.unit: grain for grain in (HOURS, DAYS, MONTHS)}
