"""When devices were clean after an allocation: told beside what is billed, and no part of it."""

from collections.abc import Collection

from django.db.models import F

from backends.choices import DeviceStatus
from moreh_cloud.lib.clock import db_now
from scheduler.models import UNCLEAN, Allocation


def note_clean(devices: Collection[int]) -> None:
    """Write down that these devices are no longer being cleaned: they are free, or shut down because they are not."""
    if devices:
        Allocation.objects.filter(UNCLEAN, device__in=devices).update(clean_at=db_now())


def note_uncleaned(devices: Collection[int]) -> None:
    """Write down of those devices that nobody cleans after their allocation that it took no time."""
    left = Allocation.objects.filter(UNCLEAN, device__in=devices)
    left.exclude(device__status=DeviceStatus.CLEANING).update(clean_at=F("ended_at"))
