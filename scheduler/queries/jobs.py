"""Jobs: lists, search, and which jobs use which devices and SDAs."""

from collections.abc import Collection, Sequence

from django.db.models import (
    Q,
    QuerySet,
)

from core.numbers import whole
from idempotency.watching import count_rows
from scheduler.choices import HOLDING, LIVE, OVER
from scheduler.models import WAITING, Allocation, Job
from scheduler.queries.allocations import OPEN
from tokens.models import Token


def jobs() -> QuerySet[Job]:
    """Return all jobs with the rows that a list needs."""
    return Job.objects.select_related("token", "sda__model", "group")


def history() -> QuerySet[Job]:
    """Return jobs that are over, the newest end first."""
    return jobs().filter(status__in=OVER).order_by("-ended_at", "-pk")


def count_history() -> int:
    """Return the exact number of jobs that are over: the counted rows of the table minus the few live jobs."""
    return count_rows("scheduler_job", without=Job.objects.filter(status__in=LIVE))


def like(text: str) -> Q:
    """Return a filter on Job for a text: each word is an id, or part of the customer's name or the process name."""
    found = Q()
    for word in text.split():
        # Tokens are searched first: joined to a million jobs, their names would be read a million times.
        names = Q(token__in=Token.objects.filter(description__icontains=word)) | Q(process_name__icontains=word)
        number = whole(word.removeprefix("#"))
        found &= names | Q(pk=number) if number else names
    return found


def sdas_in_use(sda_ids: Sequence[int]) -> set[int]:
    """Return which of some SDAs have jobs that hold devices."""
    holding = Job.objects.filter(sda__in=sda_ids, status__in=LIVE).exclude(WAITING)
    return set(holding.values_list("sda", flat=True))


def live_jobs_of(token: Token) -> QuerySet[Job]:
    """Return the live jobs of a token, the oldest first."""
    return Job.objects.filter(token=token, status__in=LIVE).order_by("pk")


def is_submitted(token_id: int, request_id: str) -> bool:
    """Whether a request of a token is already a job."""
    return Job.objects.filter(token=token_id, request_id=request_id).exists()


def jobs_on(devices: Collection[int]) -> QuerySet[Job]:
    """Return the live jobs that use any of these devices, including jobs on reserved SDAs."""
    open_here = Allocation.objects.filter(OPEN, device__in=devices)
    own = open_here.filter(job__isnull=False).values("job_id")
    reserved = open_here.filter(job__isnull=True).values("sda_id")
    return Job.objects.filter(Q(pk__in=own) | Q(status__in=HOLDING, sda__in=reserved))
