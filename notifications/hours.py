"""The hours of a rule, in plain Python: days of the week and a time of day, in a time zone."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from notifications.choices import Weekday

DAYS = tuple(Weekday)


@dataclass(frozen=True, slots=True)
class Hours:
    """When a rule tells. No day is every day; no time is the whole day. 22:00 to 06:00 belongs to the day it begins."""

    days: Collection[str]
    begins: time | None
    ends: time | None
    zone: ZoneInfo

    def include(self, at: datetime) -> bool:
        """Whether a moment is within the hours."""
        local = at.astimezone(self.zone)
        now, begins, ends = local.time(), self.begins or time.min, self.ends or time.min
        if begins == ends:
            return self._on(local)
        if begins < ends:
            return begins <= now < ends and self._on(local)
        if now >= begins:
            return self._on(local)
        return now < ends and self._on(local - timedelta(days=1))

    def next_begin(self, at: datetime) -> datetime | None:
        """Return when the hours begin next; None if they never do."""
        local = at.astimezone(self.zone)
        days = (local.date() + timedelta(days=ahead) for ahead in range(9))
        begins = (datetime.combine(day, self.begins or time.min, self.zone) for day in days)
        return next((one for one in begins if one.astimezone(UTC) > at and self.include(one)), None)

    def _on(self, day: datetime) -> bool:
        return not self.days or DAYS[day.weekday()] in self.days
