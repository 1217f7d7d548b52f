"""Times on the wire: out in UTC with milliseconds, in also as `YYYY-MM-DD HH:mm[:ss[.fff]]` of the installation."""

from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

OLDEST, NEWEST = datetime(1971, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)


def iso(at: datetime | None) -> str | None:
    """Write a time in UTC with milliseconds."""
    if at is None:
        return None
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


class At(serializers.DateTimeField):
    """A moment."""

    def to_internal_value(self, value: Any) -> datetime:
        at = super().to_internal_value(value)
        if not OLDEST <= at <= NEWEST:
            raise serializers.ValidationError(_("The time is out of range."))
        return at
