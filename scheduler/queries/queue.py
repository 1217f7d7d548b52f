"""Queues of backend groups: their order, and the place of each waiting job."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import (
    F,
    Q,
    QuerySet,
    Window,
)
from django.db.models.functions import RowNumber

from scheduler.choices import LIVE
from scheduler.models import WAITING, Job
from scheduler.queries.jobs import jobs

QUEUE_ORDER = ("-priority", "fair_rank", "requested_at", "pk")
RANK = Window(
    RowNumber(),
    partition_by=[F("group")],
    order_by=[F("priority").desc(), F("fair_rank").asc(), F("requested_at").asc(), F("pk").asc()],
)


def queue() -> QuerySet[Job]:
    """Return live jobs in the order of the queue, after those that hold devices."""
    return jobs().filter(status__in=LIVE).order_by(F("submitted_at").desc(nulls_last=True), *QUEUE_ORDER)


def waited_for() -> list[int]:
    """Return the backend groups with waiting jobs."""
    return list(Job.objects.filter(WAITING).order_by().values_list("group_id", flat=True).distinct())


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """The place of a waiting job in its group's queue, from 1 (0: it does not wait), and the job that blocks it."""

    number: int = 0
    head: int = 0


def places(group_id: int | None = None) -> dict[int, QueuePlace]:
    """Return the places of every waiting job, or of those of one group, by job id."""
    return _places(Job.objects.filter(WAITING, **({} if group_id is None else {"group": group_id})))


def places_of(waiting: Sequence[Job]) -> dict[int, QueuePlace]:
    """Return the places of some waiting jobs, in one query."""
    found = places_among({job.group_id for job in waiting}, [job.pk for job in waiting])
    return {job.pk: found[job.pk] for job in waiting if job.pk in found}


def places_among(group_ids: Collection[int], job_ids: Collection[int]) -> dict[int, QueuePlace]:
    """Return the places of those of some jobs that wait in these groups, in one query."""
    return _places(Job.objects.filter(WAITING, group__in=group_ids), job_ids) if job_ids else {}


def _places(waiting: QuerySet[Job], job_ids: Collection[int] | None = None) -> dict[int, QueuePlace]:
    ranked = waiting.order_by().annotate(place=RANK)
    # A condition that names the rank, here by OR, is applied after the rows are ranked; no job has place 0.
    chosen = ranked if job_ids is None else ranked.filter(Q(pk__in=job_ids) | Q(place=0))
    rows = chosen.values_list("pk", "place", "group__queue__head")
    return {pk: QueuePlace(place, head or 0) for pk, place, head in rows}
