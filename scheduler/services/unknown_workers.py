"""Workers of jobs that a restored database does not know: they run on for a while, on devices nobody else gets."""

from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db.models import QuerySet

from backends.choices import ShutdownReason
from backends.models import Backend, Device
from backends.services.agents import Newcomer
from backends.services.devices import clean_devices
from core.clock import db_now
from events.actor import SYSTEM
from events.services import record
from scheduler.ids import started_in_lost_time
from scheduler.models import UnknownWorker
from scheduler.services.cleaning import give_up


def leave_alone(newcomer: Newcomer, strangers: Mapping[int, Sequence[int]]) -> dict[int, int]:
    """Return the unknown workers that are not stopped yet, with their jobs.

    Those that started in the lost time run on for MOREH_UNKNOWN_WORKER_GRACE. `strangers`: workers that the database
    does not expect, with their devices.
    """
    backend, now = newcomer.backend, db_now()
    unknown = started_in_lost_time(strangers.keys())
    rows = UnknownWorker.objects.filter(backend=backend)
    rows.exclude(worker_id__in=unknown).delete()
    if not unknown:
        return {}
    first_seen = dict(rows.values_list("worker_id", "seen_at"))
    new = [pk for pk in sorted(unknown) if pk not in first_seen]
    jobs = newcomer.jobs
    UnknownWorker.objects.bulk_create(
        UnknownWorker(backend=backend, worker_id=pk, job_id=jobs.get(pk, 0), devices=list(strangers[pk]), seen_at=now)
        for pk in new
    )
    if new:
        workers = [{"worker": pk, "job": jobs.get(pk, 0), "devices": list(strangers[pk])} for pk in new]
        record("KEEP_UNKNOWN_WORKERS", actor=newcomer.actor, subject=f"backend/{backend.pk}", workers=workers)
    left = {pk for pk in unknown if now - first_seen.get(pk, now) < settings.MOREH_UNKNOWN_WORKER_GRACE}
    under = Device.objects.filter(backend=backend, index__in={index for pk in left for index in strangers[pk]})
    give_up(under, ShutdownReason.UNKNOWN_WORKER, backend=backend, detail="an unknown worker is on a device")
    return {pk: jobs.get(pk, 0) for pk in left}


def overdue_unknown() -> QuerySet[UnknownWorker]:
    """Return the unknown workers whose MOREH_UNKNOWN_WORKER_GRACE is over."""
    return UnknownWorker.objects.filter(seen_at__lt=db_now() - settings.MOREH_UNKNOWN_WORKER_GRACE)


def forget_unknown(backend: Backend, worker_id: int) -> None:
    """Delete an unknown worker that has ended, and order its devices to be cleaned."""
    row = UnknownWorker.objects.filter(backend=backend, worker_id=worker_id).first()
    if row is None:
        return
    row.delete()
    record("UNKNOWN_WORKER_ENDED", actor=SYSTEM, subject=f"backend/{backend.pk}", worker=worker_id, job=row.job_id)
    clean_devices(backend, row.devices)
