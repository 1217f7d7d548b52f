"""Invariants of allocations and of closed periods: each is a query for the rows that break it."""

from collections.abc import Iterable, Iterator
from itertools import chain, pairwise
from typing import Any

from django.db.models import Count, Exists, F, ForeignKey, Model, OuterRef, Q, QuerySet, Window
from django.db.models.functions import Lag

from scheduler.choices import OVER
from scheduler.models import Allocation, Job
from sda.models import Sda
from usage.calendar import HOUR
from usage.rollups.grains import DAYS, HOURS, MONTHS, Grain

NAMED = 100  # rows listed for one invariant


def broken_invariants() -> Iterator[str]:
    """Return a line for each row that breaks an invariant, at most 100 for each invariant."""
    yield from _overlaps()
    yield from _gangs()
    yield from _open_ends()
    yield from _owners()
    yield from chain.from_iterable(map(_gaps, (HOURS, DAYS, MONTHS)))


def orphans(models: Iterable[type[Model]]) -> Iterator[str]:
    """Return a line for each value of a foreign key without its row: a database that does not check keys allows it."""
    for model in models:
        for field in model._meta.concrete_fields:
            if isinstance(field, ForeignKey):
                yield from _orphans(model, field)


def _orphans(model: type[Model], field: ForeignKey[Any, Any]) -> Iterator[str]:
    parents = field.remote_field.model._base_manager.filter(pk=OuterRef(field.attname))
    rows = model._base_manager.filter(~Exists(parents), **{f"{field.name}__isnull": False})
    for pk, value in rows.order_by("pk").values_list("pk", field.attname)[:NAMED]:
        table, parent = model._meta.db_table, field.remote_field.model._meta.db_table
        yield f"{table} {pk} {field.column}: there is no {parent} {value}"


def _overlaps() -> Iterator[str]:
    """No device is in two allocations at any instant."""
    for allocation in overlapping()[:NAMED]:
        yield f"device {allocation.device_id}: allocation {allocation.pk} begins before the one before has ended"


def overlapping() -> QuerySet[Allocation]:
    """Return the allocations that begin before the earlier one of their device has ended; one of no time holds none."""
    order = [F("started_at").asc(), F("pk").asc()]
    held = Allocation.objects.filter(Q(ended_at__isnull=True) | ~Q(ended_at=F("started_at")))
    before = held.annotate(
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


def _owners() -> Iterator[str]:
    """An allocation has the SDA of its job, and the token of that SDA: it alone says who is billed."""
    of_job = Job.objects.filter(pk=OuterRef("job"), sda=OuterRef("sda"))
    others = Allocation.objects.filter(~Exists(of_job), job__isnull=False)
    for pk, sda, job in others.values_list("pk", "sda", "job")[:NAMED]:
        yield f"scheduler_allocation {pk} sda_id: is {sda}, but job {job} is of another"
    of_sda = Sda.objects.filter(pk=OuterRef("sda"), token=OuterRef("token"))
    others = Allocation.objects.filter(~Exists(of_sda))
    for pk, token, sda in others.values_list("pk", "token", "sda")[:NAMED]:
        yield f"scheduler_allocation {pk} token_id: is {token}, but SDA {sda} is of another"


def _gaps(grain: Grain) -> Iterator[str]:
    """Closed periods follow each other without a gap, and a closed hour lasts one hour."""
    table = grain.closed._meta.db_table
    rows = list(grain.closed._default_manager.order_by(grain.name).values_list(grain.name, "until"))
    for (start, until), (following, _end) in pairwise(rows):
        if until != following:
            yield f"{table} {start} until: is {until}, but the next begins at {following}"
    if grain == HOURS and rows and rows[-1][1] != rows[-1][0] + HOUR:
        yield f"{table} {rows[-1][0]} until: is {rows[-1][1]}"
