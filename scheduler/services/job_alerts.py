"""Alerts about queues that cannot be served and about jobs that fail. All are looked for in bulk."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from alerts.choices import Category, SubjectKind
from alerts.codes import Code
from alerts.queries import open_ids
from alerts.services import NewAlert, settle_alerts
from alerts.subjects import customer, job, node_group
from backends.choices import BackendStatus, DeviceStatus
from backends.models import BackendGroup, Device
from core.clock import db_now
from scheduler.choices import Cause, JobStatus
from scheduler.models import WAITING, Job
from scheduler.policy.decisions import PendingReason
from tokens.models import Token

LACKS = (
    PendingReason.NOT_ENOUGH_DEVICES,
    PendingReason.NO_SINGLE_NODE,
    PendingReason.NO_ACTIVE_BACKEND,
    PendingReason.NEVER_FITS,
)
OUR_FAULT = (
    Cause.NODE_LOST,
    Cause.WORKER_ERROR,
    Cause.PREPARATION_TIMED_OUT,
    Cause.POWERED_OFF,
    Cause.INCONSISTENT,
)
HOUR = timedelta(hours=1)
MOST_JOBS = 100  # failed jobs that have an alert each, the latest


@transaction.atomic
def note_shortages() -> None:
    """Raise an alert for each group in which a job waits for devices too long while some are out of service.

    A group that has too few in all has one too. Groups whose devices are all in use have none.
    """
    late = Job.objects.filter(
        WAITING,
        group=OuterRef("pk"),
        pending_reason__in=LACKS,
        requested_at__lt=db_now() - settings.MOREH_SHORTAGE_AFTER,
    ).order_by("-priority", "fair_rank", "requested_at", "pk")
    heads = {name: Subquery(late.values(name)[:1]) for name in ("pk", "num_devices", "pending_reason")}
    found = BackendGroup.objects.live().annotate(
        head=heads["pk"], needed=heads["num_devices"], reason=heads["pending_reason"]
    )
    groups = list(found.filter(head__isnull=False).order_by("pk"))
    counts = _device_counts([group.pk for group in groups]) if groups else {}
    shortages = (_shortage(group, *counts.get(group.pk, (0, 0))) for group in groups)
    found_alerts = [alert for alert in shortages if alert]
    settle_alerts(Category.GPU_SHORTAGE, found_alerts, kind=SubjectKind.NODE_GROUP)


def _device_counts(groups: Iterable[int]) -> dict[int, tuple[int, int]]:
    """Return how many devices each group has, and how many of them are out of service."""
    out = Q(status=DeviceStatus.SHUTDOWN) | ~Q(backend__status=BackendStatus.ACTIVE)
    rows = Device.objects.filter(backend__group__in=groups, backend__deleted_at__isnull=True).order_by()
    counted = rows.values("backend__group_id").annotate(total=Count("pk"), out=Count("pk", filter=out))
    return {group: (total, gone) for group, total, gone in counted.values_list("backend__group_id", "total", "out")}


def _shortage(group: BackendGroup, total: int, out: int) -> NewAlert | None:
    head = group  # annotated
    needed, reason = head.needed, head.reason  # type: ignore[attr-defined]
    if not out and reason not in (PendingReason.NEVER_FITS, PendingReason.NO_ACTIVE_BACKEND):
        return None
    said = {
        "group": group.name,
        "job": head.head,  # type: ignore[attr-defined]
        "needed": needed,
        "total": total,
        "out": out,
        "minutes": int(settings.MOREH_SHORTAGE_AFTER.total_seconds() // 60),
    }
    code = Code.GROUP_DEVICES_OUT if out and needed <= total else Code.GROUP_TOO_SMALL
    return NewAlert(code, node_group(group.pk), said)


@transaction.atomic
def note_failed_jobs() -> None:
    """Raise an alert for each job that failed by our fault within an hour, and for each token whose jobs fail often.

    A token's alert is cleared when fewer than half of MOREH_FAILING_JOBS jobs have failed within an hour.
    """
    failed = Job.objects.filter(status=JobStatus.FAILED, ended_at__gte=db_now() - HOUR)
    settle_alerts(Category.JOB_ERROR, list(_failed_jobs(failed)), kind=SubjectKind.JOB)
    settle_alerts(Category.JOB_ERROR, list(_failing_tokens(failed)), kind=SubjectKind.TOKEN)


def _failed_jobs(failed: QuerySet[Job]) -> Iterable[NewAlert]:
    ours = failed.filter(cause__in=OUR_FAULT).order_by("-ended_at", "-pk")
    for pk, cause, detail, name in ours.values_list("pk", "cause", "detail", "token__description")[:MOST_JOBS]:
        said = {"customer": name, "job": pk, "cause": Cause(cause), "detail": detail}
        yield NewAlert(Code.JOB_FAILED, job(pk), said)


def _failing_tokens(failed: QuerySet[Job]) -> Iterable[NewAlert]:
    most, told = settings.MOREH_FAILING_JOBS, open_ids(Category.JOB_ERROR, SubjectKind.TOKEN)
    counts = dict(failed.order_by().values_list("token").annotate(jobs=Count("pk")).filter(jobs__gte=-(-most // 2)))
    failing = [pk for pk, jobs in counts.items() if jobs >= most or pk in told]
    for pk, name in Token.objects.filter(pk__in=failing).order_by("pk").values_list("pk", "description"):
        yield NewAlert(Code.JOBS_FAIL, customer(pk), {"customer": name, "failed": most})
