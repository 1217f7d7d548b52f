"""What waiting jobs are told, and those who are to make room for them. The caller holds the queue's lease."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import pairwise

from django.db.models import F

from backends.models import BackendGroup
from moreh_cloud.events.actor import SYSTEM
from moreh_cloud.events.services import NewEvent, record_all
from moreh_cloud.lib.bell import tell_on_commit
from moreh_cloud.lib.clock import db_now
from scheduler.choices import HOLDING
from scheduler.models import WAITING, Job, Queue
from scheduler.policy.reasons import Reason, Waits

LAST_TURN = 2**31 - 1  # of a job that no tick has lined up yet
CHUNK = 5000  # ids in one statement; SQLite takes at most 32,766
Said = tuple[str, int, int]


def tell_why(group_id: int, waits: Sequence[Waits]) -> None:
    """Store why jobs wait and who blocks the queue, touching only what has changed."""
    head = next((wait.blocker for wait in waits if wait.blocker), 0)
    Queue.objects.filter(pk=group_id).exclude(head=head).update(head=head)
    rows = Job.objects.filter(WAITING, group=group_id)
    before = {pk: said for pk, *said in rows.values_list("pk", *SAID)}
    news: dict[Said, list[int]] = {}
    for wait in waits:
        said = _said(wait)
        if before.get(wait.request_id, [*said]) != [*said]:
            news.setdefault(said, []).append(wait.request_id)
    for said, ids in news.items():
        for start in range(0, len(ids), CHUNK):
            changed = Job.objects.filter(WAITING, pk__in=ids[start : start + CHUNK])
            changed.update(**dict(zip(SAID, said, strict=True)))


def tell_stopped(stopped: Sequence[int], free: Sequence[int]) -> None:
    """Store of jobs on reserved SDAs, which no plan decides, that their token is stopped, or no longer."""
    if stopped:
        reason = {"pending_reason": Reason.TOKEN_STOPPED, "pending_needed": F("num_devices"), "pending_available": 0}
        Job.objects.filter(WAITING, pk__in=stopped).update(**reason)
    if free:
        Job.objects.filter(WAITING, pk__in=free).update(pending_reason="", pending_needed=0)


SAID = ("pending_reason", "pending_needed", "pending_available")


def _said(wait: Waits) -> Said:
    """Give what is stored of a reason; how much is free behind a blocker would change with every job."""
    return (str(wait.reason), wait.needed, 0 if wait.blocker else wait.available)


def line_up(group_id: int, ordered: Sequence[int], *, fair: bool) -> None:
    """Write down in which order a fair group's jobs are tried, where that has changed; elsewhere age decides."""
    waiting = Job.objects.filter(WAITING, group=group_id)
    if not fair:
        waiting.filter(turn__gt=0).update(turn=0)
        return
    turns = dict(waiting.values_list("pk", "turn"))
    there = [pk for pk in ordered if pk in turns]
    if any(turns[one] >= turns[two] or turns[two] == LAST_TURN for one, two in pairwise(there)):
        jobs = [Job(pk=pk, turn=place) for place, pk in enumerate(there, 1)]
        Job.objects.bulk_update(jobs, ["turn"], batch_size=500)


def give_notice(job_ids: Iterable[int], *, wanted_by: int) -> None:
    """Tell jobs when their devices will be taken, and for whom; who has been told already keeps that time."""
    jobs = Job.objects.filter(pk__in=list(job_ids), status__in=HOLDING, leaves_at=None)
    rows = list(jobs.select_for_update().order_by("pk").values_list("pk", "token_id", "group_id"))
    notices = dict(BackendGroup.objects.filter(pk__in={row[2] for row in rows}).values_list("pk", "notice_s"))
    now = db_now()
    for group_id, notice_s in notices.items():
        mine = [pk for pk, _token, group in rows if group == group_id]
        at = now + timedelta(seconds=notice_s)
        Job.objects.filter(pk__in=mine).update(leaves_at=at, leaves_for=wanted_by, revision=F("revision") + 1)
    record_all(
        (NewEvent("NOTICE_JOB", f"job/{pk}", token, {"wanted_by": wanted_by}) for pk, token, _group in rows),
        actor=SYSTEM,
    )
    tell_on_commit("job", [pk for pk, _token, _group in rows])
