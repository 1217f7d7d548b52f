"""The proof that usage adds up: everything recomputed from the allocations, every difference named."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db.models import Count, Exists, F, OuterRef, Q, Sum

from moreh_cloud.lib.clock import db_now, to_ms
from scheduler.choices import OVER
from scheduler.models import Allocation, Job
from usage.metering import Held
from usage.models import ClosedHour, UsageHour
from usage.queries import HOUR, first_start, last_closed, measured_hours, overlapping, usage_of

VALUES = ("device_ms", "minimum", "maximum")


@dataclass(slots=True)
class Proof:
    """What was looked at, and every difference that was found."""

    allocations: int = 0
    hours: int = 0
    device_ms: int = 0
    device_ms_since: int = 0
    differences: list[str] = field(default_factory=list)


def prove() -> Proof:
    """Recompute every closed hour from the intervals and check the laws of allocations."""
    proof = Proof(allocations=Allocation.objects.count(), hours=ClosedHour.objects.count())
    proof.device_ms = UsageHour.objects.aggregate(total=Sum("device_ms"))["total"] or 0
    for check in (_hours, _overlaps, _gangs, _open_ends):
        proof.differences.extend(check())
    proof.device_ms_since = _since_the_last_hour()
    return proof


def _since_the_last_hour() -> int:
    """Measure the device-milliseconds that no closed hour holds yet."""
    last = last_closed()
    start = last.hour + HOUR if last else first_start()
    return usage_of(start, db_now()).total.device_ms if start else 0


def _hours() -> Iterator[str]:
    """What each token held in each hour, and all together, is what the allocations say."""
    start, last = first_start(), last_closed()
    tokens, totals = measured_hours(start, last.hour + HOUR) if start and last else ({}, {})
    rows = UsageHour.objects.values_list("hour", "token_id", *VALUES)
    stored = {(to_ms(hour), f"token {token}"): values for hour, token, *values in rows}
    stored |= {(to_ms(hour), "total"): values for hour, *values in ClosedHour.objects.values_list("hour", *VALUES)}
    expected = {(ms, f"token {token}"): _values(held) for (ms, token), held in tokens.items()}
    expected |= {(ms, "total"): _values(held) for ms, held in totals.items()}
    for key in sorted(expected.keys() | stored.keys()):
        there, true = stored.get(key, [0, 0, 0]), expected.get(key, [0, 0, 0])
        if there != true:
            at = datetime.fromtimestamp(key[0] / 1000, UTC)
            yield f"hour {at:%Y-%m-%dT%H}Z {key[1]}: stored {_said(there)}, is {_said(true)}"


def _values(held: Held) -> list[int]:
    return [held.device_ms, held.minimum, held.maximum]


def _said(values: list[int]) -> str:
    return "{} ms, {} to {} at once".format(*values)


def _overlaps() -> Iterator[str]:
    """No device is in two allocations at any instant."""
    for allocation in overlapping()[:100]:
        yield f"device {allocation.device_id}: allocation {allocation.pk} begins before the one before has ended"


def _gangs() -> Iterator[str]:
    """A job that got devices got all of them, in each of its attempts."""
    own = Allocation.objects.filter(job__isnull=False)
    attempts = own.order_by().values_list("job_id", "started_at", "job__num_devices").annotate(got=Count("pk"))
    for job, at, wanted, got in attempts.exclude(got=F("job__num_devices"))[:100]:
        yield f"job {job}: {got} allocations at {at.isoformat()} for {wanted} devices"
    now = own.filter(job=OuterRef("pk"), started_at=OuterRef("submitted_at"))
    for job in Job.objects.filter(~Exists(now), submitted_at__isnull=False, sda__reserved=False).order_by("pk")[:100]:
        yield f"job {job.pk}: no allocations for {job.num_devices} devices"


def _open_ends() -> Iterator[str]:
    """The allocations of a job end with it, to the millisecond; those of an attempt that was preempted, before."""
    last = Q(started_at=F("job__submitted_at")) & ~Q(ended_at=F("job__ended_at"))
    late = Q(ended_at__isnull=True) | Q(ended_at__gt=F("job__ended_at")) | last
    for allocation in Allocation.objects.filter(late, job__status__in=OVER)[:100]:
        yield f"job {allocation.job_id}: allocation {allocation.pk} did not end with it"
