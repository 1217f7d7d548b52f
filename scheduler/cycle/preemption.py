"""Preemption of running jobs: notices, and whether preemption still helps the head."""

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import F, QuerySet

from backends.models import BackendGroup
from core.clock import db_now
from core.wakeups import publish_on_commit
from events.actor import SYSTEM
from events.services import NewEvent, record_all
from scheduler.choices import HOLDING
from scheduler.cycle.load import load
from scheduler.models import Job
from scheduler.policy.plan import head_of, plan
from scheduler.policy.preemption import still_helps


def schedule_preemptions(job_ids: Iterable[int], *, preempted_by: int) -> None:
    """Store when, and for which job, jobs are preempted, and notify them; a job with notice keeps its time."""
    jobs = Job.objects.filter(pk__in=list(job_ids), status__in=HOLDING, preempt_at=None)
    rows = list(jobs.select_for_update().order_by("pk").values_list("pk", "token_id", "group_id"))
    notices = dict(BackendGroup.objects.filter(pk__in={row[2] for row in rows}).values_list("pk", "notice_s"))
    now = db_now()
    for group_id, notice_s in notices.items():
        mine = [pk for pk, _token, group in rows if group == group_id]
        at = now + timedelta(seconds=notice_s)
        Job.objects.filter(pk__in=mine).update(preempt_at=at, preempted_by=preempted_by, revision=F("revision") + 1)
    record_all(
        (NewEvent("NOTICE_JOB", f"job/{pk}", token, {"wanted_by": preempted_by}) for pk, token, _group in rows),
        actor=SYSTEM,
    )
    publish_on_commit("job", [pk for pk, _token, _group in rows])


def withdraw_notices(jobs: QuerySet[Job]) -> None:
    """Withdraw the notices of these jobs; they keep their devices."""
    noticed = jobs.filter(preempt_at__isnull=False, status__in=HOLDING).select_for_update().order_by("pk")
    rows = list(noticed.values_list("pk", "token_id"))
    if not rows:
        return
    ids = [pk for pk, _token in rows]
    Job.objects.filter(pk__in=ids).update(preempt_at=None, preempted_by=0, revision=F("revision") + 1)
    record_all((NewEvent("KEEP_JOB", f"job/{pk}", token, {}) for pk, token in rows), actor=SYSTEM)
    publish_on_commit("job", ids)


def still_helps_head(job: Job) -> bool:
    """Whether the preemption of a job still lets the head start.

    The head may be gone, the devices may drain, or the group may no longer preempt.
    """
    # In the group of the preempting job: the nodes of this job may have moved there since it started.
    wanted_in = Job.objects.filter(pk=job.preempted_by).values_list("group_id", flat=True).first()
    snapshot = load(job.group_id if wanted_in is None else wanted_in, everyone=True)
    if not snapshot.rules.preempt:
        return False
    head = head_of(plan(snapshot))
    request = next((request for request in snapshot.queue if request.id == head), None)
    return request is not None and still_helps(job.pk, request, snapshot)
