"""The laws of allocations, each as a query for what breaks it."""

from collections.abc import Iterator

from django.db.models import Count, Exists, F, OuterRef, Q, QuerySet, Window
from django.db.models.functions import Lag

from scheduler.choices import OVER
from scheduler.models import Allocation, Job

NAMED = 100  # breaches of one law that are named


def broken_laws() -> Iterator[str]:
    """Name what can never be, and is."""
    yield from _overlaps()
    yield from _gangs()
    yield from _open_ends()


def _overlaps() -> Iterator[str]:
    """No device is in two allocations at any instant."""
    for allocation in overlapping()[:NAMED]:
        yield f"device {allocation.device_id}: allocation {allocation.pk} begins before the one before has ended"


def overlapping() -> QuerySet[Allocation]:
    """Give allocations of a device that begin before the one before has ended. There can be none."""
    order = [F("started_at").asc(), F("pk").asc()]
    before = Allocation.objects.annotate(
        earlier=Window(Lag("pk"), partition_by=[F("device")], order_by=order),
        free_from=Window(Lag("ended_at"), partition_by=[F("device")], order_by=order),
    )
    return before.filter(Q(earlier__isnull=False) & (Q(free_from__isnull=True) | Q(started_at__lt=F("free_from"))))


def _gangs() -> Iterator[str]:
    """A job that got devices got all of them, in each of its attempts."""
    own = Allocation.objects.filter(job__isnull=False)
    attempts = own.order_by().values_list("job_id", "started_at", "job__num_devices").annotate(got=Count("pk"))
    for job, at, wanted, got in attempts.exclude(got=F("job__num_devices"))[:NAMED]:
        yield f"job {job}: {got} allocations at {at.isoformat()} for {wanted} devices"
    now = own.filter(job=OuterRef("pk"), started_at=OuterRef("submitted_at"))
    placed = Job.objects.filter(~Exists(now), submitted_at__isnull=False, sda__reserved=False)
    for job in placed.order_by("pk")[:NAMED]:
        yield f"job {job.pk}: no allocations for {job.num_devices} devices"


def _open_ends() -> Iterator[str]:
    """The allocations of a job end with it, to the millisecond; those of an attempt that was preempted, before."""
    last = Q(started_at=F("job__submitted_at")) & ~Q(ended_at=F("job__ended_at"))
    late = Q(ended_at__isnull=True) | Q(ended_at__gt=F("job__ended_at")) | last
    for allocation in Allocation.objects.filter(late, job__status__in=OVER)[:NAMED]:
        yield f"job {allocation.job_id}: allocation {allocation.pk} did not end with it"
