"""What a change of a waiting job's priority would do to its place."""

from dataclasses import dataclass

from django.db.models import Q, QuerySet

from backends.choices import SchedulingPolicy
from scheduler.load import load
from scheduler.models import WAITING, Job
from scheduler.policy.moving import Standing, move_between
from scheduler.policy.ordering import in_order
from scheduler.policy.whatif import Change, changed
from scheduler.queries import QUEUE_ORDER
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
    fair: bool = False


def waiting_job(pk: int) -> Job | None:
    """Find a job that waits, with its customer and its group."""
    return Job.objects.filter(WAITING, pk=pk).select_related("token", "group").first()


def with_priority(job: Job, priority: int, *, exact: bool = True) -> Outlook:
    """Tell what a priority would do."""
    others = _queue(job)
    place = 1 + others.filter(_in_front_of(_standing(job))).count()
    fair, new = _is_fair(job), Standing(priority, job.requested_at, job.pk)
    return Outlook(
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


def moved(job: Job, target: Job, *, behind: bool) -> Outlook | None:
    """Tell which smallest change puts a job right in front of another one, or behind it; None: no priority does."""
    others, at = _queue(job), _standing(target)
    ahead: Standing | None = at
    after: Standing | None = at
    if behind:
        last = others.exclude(_in_front_of(at)).exclude(pk=target.pk).order_by(*QUEUE_ORDER)
        after = _first(last)
    else:
        nearest = others.filter(_in_front_of(at)).order_by("priority", "-turn", "-requested_at", "-pk")
        ahead = _first(nearest)
    move = move_between(_standing(job), ahead, after, least=MIN_PRIORITY, most=MAX_PRIORITY, fair=_is_fair(job))
    return None if move is None else with_priority(job, move.priority, exact=move.exact)


def _queue(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(WAITING, group=job.group_id).exclude(pk=job.pk)


def _standing(job: Job) -> Standing:
    return Standing(job.priority, job.requested_at, job.pk, job.turn)


def _first(jobs: QuerySet[Job]) -> Standing | None:
    job = jobs.first()
    return None if job is None else _standing(job)


def _in_front_of(one: Standing) -> Q:
    older = Q(requested_at__lt=one.requested_at) | Q(requested_at=one.requested_at, pk__lt=one.id)
    earlier = Q(turn__lt=one.turn) | Q(turn=one.turn) & older
    return Q(priority__gt=one.priority) | Q(priority=one.priority) & earlier


def _is_fair(job: Job) -> bool:
    return bool(job.group.policy == SchedulingPolicy.FAIR)


def _fair_place(job: Job, priority: int) -> int:
    """Line the queue up as the next plan will; without reading who runs, which the order does not ask."""
    ordered = in_order(changed(load(job.group_id), Change(priorities={job.pk: priority})))
    return 1 + [request.id for request in ordered].index(job.pk)
