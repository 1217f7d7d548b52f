"""Unbilled time: how long jobs waited for devices, and how long devices were cleaned after them.

A job waits from its request until it gets its devices or ends without any, and again after it was preempted. A device
is cleaned from the end of an allocation until it is free again or is shut down.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, DateTimeField, DurationField, ExpressionWrapper, F, Q, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, Greatest, Least

from backends.choices import DeviceStatus
from core.clock import db_now, to_ms
from scheduler.choices import LIVE, OVER
from scheduler.models import Allocation, Job
from usage.metering import UnbilledTime, length, without
from usage.rollups.measure import Tokens

MILLISECOND = timedelta(milliseconds=1)
ONCE = Q(attempt=1)


def unbilled_times(start: datetime, end: datetime, tokens: Tokens = None) -> dict[int, UnbilledTime]:
    """Return the unbilled time within a range, cut to now, by token id; a token without any is absent.

    It reads the jobs and allocations of the range, because unbilled time is not rolled up. `tokens`: None for all.
    """
    end = min(end, db_now())
    sums: defaultdict[int, UnbilledTime] = defaultdict(UnbilledTime)
    if start < end:
        for token, time in (
            *_waits(start, end, tokens),
            *_waits_again(start, end, tokens),
            *_cleaned(start, end, tokens),
        ):
            sums[token] += time
    return dict(sums)


def _waits(start: datetime, end: datetime, tokens: Tokens) -> Iterable[tuple[int, UnbilledTime]]:
    """Return the waits of jobs that waited once, summed in the database."""
    waited = _cut(waiting(start, end, tokens).filter(ONCE), "requested_at", F("until"), start, end)
    rows = waited.values("token", "num_devices").annotate(waited=Sum("time"), jobs=Count("pk"))
    for row in rows.values_list("token", "num_devices", "waited", "jobs"):
        token, devices, time, jobs = row
        yield token, UnbilledTime(devices * (time // MILLISECOND), jobs)


def waiting(start: datetime, end: datetime, tokens: Tokens = None) -> QuerySet[Any]:
    """Return the jobs that may have waited in a range, annotated with `until`, the end of their latest wait."""
    lived = Q(status__in=LIVE) | Q(status__in=OVER, ended_at__gt=start)  # both are found by an index
    until = Coalesce("submitted_at", "ended_at", Value(end, DateTimeField()))
    found: QuerySet[Any] = Job.objects.filter(lived, _whose(tokens), requested_at__lt=end).order_by()
    waited: QuerySet[Any] = found.annotate(until=until)
    return waited.filter(until__gt=Greatest("requested_at", Value(start, DateTimeField())))


def _waits_again(start: datetime, end: datetime, tokens: Tokens) -> Iterable[tuple[int, UnbilledTime]]:
    """Return the waits of jobs that were preempted: the time since their request without their earlier allocations."""
    again = waiting(start, end, tokens).exclude(ONCE)
    held: defaultdict[int, set[tuple[int, int]]] = defaultdict(set)
    spans = Allocation.objects.filter(job__in=again.values("pk"), ended_at__isnull=False).order_by()
    for pk, begun, ended in spans.values_list("job_id", "started_at", "ended_at").distinct():
        if ended:
            held[pk].add((to_ms(begun), to_ms(ended)))
    jobs = again.values_list("pk", "token_id", "num_devices", "requested_at", "until")
    for pk, token, devices, requested, until in jobs.iterator(chunk_size=5000):
        whole = (max(to_ms(requested), to_ms(start)), min(to_ms(until), to_ms(end)))
        if time := length(without(whole, held[pk])):
            yield token, UnbilledTime(devices * time, 1)


def _cleaned(start: datetime, end: datetime, tokens: Tokens) -> Iterable[tuple[int, UnbilledTime]]:
    """Return how long the devices of each token were cleaned, summed in the database."""
    last = Value(end, DateTimeField())
    ended = Allocation.objects.filter(_whose(tokens), ended_at__lt=end).order_by()
    over = Q(clean_at__gt=Greatest("ended_at", Value(start, DateTimeField())))
    found = ended.filter(over | Q(clean_at__isnull=True, device__status=DeviceStatus.CLEANING))
    cleaned = _cut(found, "ended_at", Coalesce("clean_at", last), start, end)
    for token, time in cleaned.values("token").annotate(cleaned=Sum("time")).values_list("token", "cleaned"):
        yield token, UnbilledTime(cleaning_ms=time // MILLISECOND)


def _cut(rows: QuerySet[Any], begins: str, until: Any, start: datetime, end: datetime) -> QuerySet[Any]:
    """Annotate each row with its `time` within a range; all stored times are whole milliseconds."""
    first, last = Value(start, DateTimeField()), Value(end, DateTimeField())
    time = Least(until, last) - Greatest(begins, first)
    timed: QuerySet[Any] = rows.annotate(time=ExpressionWrapper(time, DurationField()))
    return timed


def _whose(tokens: Tokens) -> Q:
    return Q() if tokens is None else Q(token__in=tokens)
