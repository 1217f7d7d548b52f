"""Allocations: who holds which devices, and what is noted for billing."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Q, QuerySet, Subquery

from scheduler.models import Allocation, Job
from sda.models import Sda
from tokens.models import Token

OPEN = Q(ended_at__isnull=True)
MILLISECOND = timedelta(milliseconds=1)


def held_by_jobs(job_ids: Iterable[int]) -> QuerySet[Allocation]:
    """Return all allocations of some jobs, open and ended, with device and node."""
    return Allocation.objects.filter(job__in=list(job_ids)).select_related("device__backend").order_by("device_id")


def billed_as(job: Job) -> dict[str, Any]:
    """Return the fields that a job's allocations store when they end, so that later changes do not alter usage."""
    model = Sda.objects.filter(pk=job.sda_id).values("model")[:1]
    return {"ready_at": job.started_at, "sda_model": Subquery(model), "group": job.group_id}


class Ended(NamedTuple):
    """An allocation that ends later than the clock says; there is none unless the clock was set back."""

    device: int
    job: int | None
    sda: int
    start: datetime
    end: datetime


def ended_after(now: datetime) -> list[Ended]:
    """Return the allocations that end later than now; normally one look into an index."""
    rows = Allocation.objects.filter(ended_at__gt=now).order_by()
    found = rows.values_list("device_id", "job_id", "sda_id", "started_at", "ended_at")
    return [Ended(device, job, sda, start, end) for device, job, sda, start, end in found if end]


def start_after(
    now: datetime, late: Iterable[Ended], devices: Collection[int], *, job: int | None = None, sda: int | None = None
) -> datetime:
    """Return when an allocation of devices to a job, or as the reservation of an SDA, begins.

    That is now, or when the devices were free and the earlier allocations of the same holder had ended: no device is
    billed twice, and no two attempts of a job begin at once. An allocation of no time held nothing.
    """
    ends = [one.end for one in late if one.device in devices and one.start < one.end]
    if job is None:
        ends += [one.end for one in late if one.job is None and one.sda == sda]
    else:
        ends += [one.end + MILLISECOND for one in late if one.job == job]
    return max([now, *ends])


def holders(backend_ids: Iterable[int]) -> QuerySet[Allocation]:
    """Return the open allocations of the devices of some nodes."""
    held = Allocation.objects.filter(OPEN, device__backend__in=list(backend_ids))
    return held.select_related("job", "sda", "token")


def held_by_token(token: Token) -> QuerySet[Allocation]:
    """Return the open allocations of a token, with the latest telemetry of each device."""
    held = Allocation.objects.filter(OPEN, token=token).select_related("device__backend", "device__telemetry")
    return held.order_by("device__backend_id", "device__index")
