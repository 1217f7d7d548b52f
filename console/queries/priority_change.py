"""What a new priority of a waiting job would do to its place in the queue."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from backends.choices import SchedulingPolicy
from core.snapshot import one_snapshot
from scheduler.cycle.load import load
from scheduler.cycle.reserved import reserved_in_front
from scheduler.models import WAITING, Job
from scheduler.policy.ordering import in_order
from scheduler.policy.priority_change import QueueKey, priority_between
from scheduler.policy.what_if import WhatIfChange, changed
from scheduler.queries.queue import QUEUE_ORDER
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY


@dataclass(frozen=True, slots=True)
class PriorityPreview:
    """Priority and place of a job now and with the change, in a queue of `length` jobs.

    `exact` is false if the job also passes other jobs of its new priority.
    """

    job: int
    customer: str
    group: str
    length: int
    priority: int
    place: int
    new_priority: int
    new_place: int
    exact: bool = True
    fair: bool = False


def waiting_job(pk: int) -> Job | None:
    """Return a waiting job with its customer and its group; None if it does not wait."""
    return Job.objects.filter(WAITING, pk=pk).select_related("token", "group").first()


@one_snapshot()
def with_priority(job: Job, priority: int, *, exact: bool = True) -> PriorityPreview:
    """Return what a new priority would do."""
    others = _queue(job)
    place = 1 + others.filter(_in_front_of(_key_of(job))).count()
    fair, new = _is_fair(job), QueueKey(priority, job.requested_at, job.pk)
    return PriorityPreview(
        job=job.pk,
        customer=job.token.description,
        group=job.group.name,
        length=others.count() + 1,
        priority=job.priority,
        place=place,
        new_priority=priority,
        new_place=_fair_place(job, priority) if fair else 1 + others.filter(_in_front_of(new)).count(),
        exact=exact,
        fair=fair,
    )


@one_snapshot()
def at_place(job: Job, target: Job, *, behind: bool) -> PriorityPreview | None:
    """Return the smallest change that puts a job directly before or behind another; None if no priority does."""
    others, at = _queue(job), _key_of(target)
    ahead: QueueKey | None = at
    after: QueueKey | None = at
    if behind:
        last = others.exclude(_in_front_of(at)).exclude(pk=target.pk).order_by(*QUEUE_ORDER)
        after = _first(last)
    else:
        nearest = others.filter(_in_front_of(at)).order_by("priority", "-fair_rank", "-requested_at", "-pk")
        ahead = _first(nearest)
    found = priority_between(_key_of(job), ahead, after, least=MIN_PRIORITY, most=MAX_PRIORITY, fair=_is_fair(job))
    return None if found is None else with_priority(job, found.priority, exact=found.exact)


def _queue(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(WAITING, group=job.group_id).exclude(pk=job.pk)


def _key_of(job: Job) -> QueueKey:
    return QueueKey(job.priority, job.requested_at, job.pk, job.fair_rank)


def _first(jobs: QuerySet[Job]) -> QueueKey | None:
    job = jobs.first()
    return None if job is None else _key_of(job)


def _in_front_of(one: QueueKey) -> Q:
    older = Q(requested_at__lt=one.requested_at) | Q(requested_at=one.requested_at, pk__lt=one.id)
    earlier = Q(fair_rank__lt=one.fair_rank) | Q(fair_rank=one.fair_rank) & older
    return Q(priority__gt=one.priority) | Q(priority=one.priority) & earlier


def _is_fair(job: Job) -> bool:
    return bool(job.group.policy == SchedulingPolicy.FAIR)


def _fair_place(job: Job, priority: int) -> int:
    """Return the place of a job in the order of the next plan. The order does not depend on running jobs.

    A job on a reserved SDA is not planned; its place is by priority, fair rank and time of request.
    """
    ordered = in_order(changed(load(job.group_id), WhatIfChange(priorities={job.pk: priority})))
    ids = [request.id for request in ordered]
    if job.pk in ids:
        return 1 + ids.index(job.pk) + reserved_in_front(job.group_id, priority, fair=True)
    return 1 + _queue(job).filter(_in_front_of(QueueKey(priority, job.requested_at, job.pk, job.fair_rank))).count()
