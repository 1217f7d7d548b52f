"""When maintenance of the nodes of jobs begins."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import F, Min

from backends.models import MaintenanceNode
from scheduler.models import Job, Worker


def may_overlap(job: Job, starts_at: datetime) -> bool:
    """Whether a job that holds devices may still run at that time."""
    return job.time_limit is None or job.submitted_at is None or job.submitted_at + job.time_limit > starts_at


def maintenance_of(jobs: Iterable[Job]) -> dict[int, datetime]:
    """Return when the first maintenance of a node of each job begins, or began, unless it is over before; one query."""
    held = {job.pk: job for job in jobs}
    begins = _first_windows(held) if held else {}
    return {pk: at for pk, at in begins.items() if may_overlap(held[pk], at)}


def _first_windows(jobs: Mapping[int, Job]) -> dict[int, datetime]:
    open_ones = MaintenanceNode.objects.filter(left_at__isnull=True).values("backend")
    workers = Worker.objects.filter(job__in=jobs, attempt=F("job__attempt"), backend__in=open_ones)
    there = workers.filter(backend__maintenance__left_at__isnull=True).order_by()
    return dict(there.values_list("job_id").annotate(Min("backend__maintenance__window__starts_at")))
