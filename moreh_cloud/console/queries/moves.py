"""What a change of a waiting job's priority would do to its place."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from scheduler.models import WAITING, Job
from scheduler.policy.moving import Standing, move_between
from tokens.choices import MAX_PRIORITY, MIN_PRIORITY


@dataclass(frozen=True, slots=True)
class Outlook:
    """Priority and place of a job as they are and as they would be, in a queue of `length`."""

    job: int
    customer: str
    group: str
    length: int
    priority: int
    place: int
    new_priority: int
    new_place: int
    exact: bool = True


def waiting_job(pk: int) -> Job | None:
    """Find a job that waits, with its customer and its group."""
    return Job.objects.filter(WAITING, pk=pk).select_related("token", "group").first()


def with_priority(job: Job, priority: int, *, exact: bool = True) -> Outlook:
    """Tell what a priority would do."""
    others = _queue(job)
    place = 1 + others.filter(_in_front_of(_standing(job))).count()
    new = Standing(priority, job.requested_at, job.pk)
    return Outlook(
        job=job.pk,
        customer=job.token.description,
        group=job.group.name,
        length=others.count() + 1,
        priority=job.priority,
        place=place,
        new_priority=priority,
        new_place=1 + others.filter(_in_front_of(new)).count(),
        exact=exact,
    )


def moved(job: Job, target: Job, *, behind: bool) -> Outlook | None:
    """Tell which smallest change puts a job right in front of another one, or behind it; None: no priority does."""
    others, at = _queue(job), _standing(target)
    ahead: Standing | None = at
    after: Standing | None = at
    if behind:
        last = others.exclude(_in_front_of(at)).exclude(pk=target.pk).order_by("-priority", "requested_at", "pk")
        after = _first(last)
    else:
        nearest = others.filter(_in_front_of(at)).order_by("priority", "-requested_at", "-pk")
        ahead = _first(nearest)
    move = move_between(_standing(job), ahead, after, least=MIN_PRIORITY, most=MAX_PRIORITY)
    return None if move is None else with_priority(job, move.priority, exact=move.exact)


def _queue(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(WAITING, group=job.group_id).exclude(pk=job.pk)


def _standing(job: Job) -> Standing:
    return Standing(job.priority, job.requested_at, job.pk)


def _first(jobs: QuerySet[Job]) -> Standing | None:
    job = jobs.first()
    return None if job is None else _standing(job)


def _in_front_of(one: Standing) -> Q:
    older = Q(requested_at__lt=one.requested_at) | Q(requested_at=one.requested_at, pk__lt=one.id)
    return Q(priority__gt=one.priority) | Q(priority=one.priority) & older
