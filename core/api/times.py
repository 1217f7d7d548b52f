"""Times on the wire: out in UTC with milliseconds, in also as `YYYY-MM-DD HH:mm[:ss[.fff]]` of the installation."""

from datetime import UTC, datetime

from django.utils import timezone
from rest_framework import serializers

from core.times import placed


def iso(at: datetime | None) -> str | None:
    """Write a time in UTC with milliseconds."""
    if at is None:
        return None
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


class At(serializers.DateTimeField):
    """A moment."""

    def enforce_timezone(self, value: datetime) -> datetime:
        """Return the time in the installation's zone; DRF converts before the range is known, which overflows."""
        return timezone.localtime(placed(value))
