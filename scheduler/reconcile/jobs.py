"""Checks of jobs: they hold exactly the devices and workers that they should."""

from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Greatest

from backends.choices import OPEN_ORDERS, DeviceStatus, OrderVerb, ShutdownReason
from backends.models import Order
from core.clock import db_now
from events.actor import SYSTEM
from scheduler.choices import HOLDING, LIVE, OVER, Cause, JobStatus, WorkerState
from scheduler.models import WAITING, Allocation, Job, Worker
from scheduler.queries.allocations import OPEN, billed_as
from scheduler.reconcile.checks import Check
from scheduler.reconcile.devices import clean_unattended, send_to_clean
from scheduler.services.jobs import end_job
from scheduler.services.workers import PRESENT

OWN = Allocation.objects.filter(OPEN, job=OuterRef("pk"))
ITS_WORKERS = Worker.objects.filter(job=OuterRef("pk"), attempt=OuterRef("attempt"))
HERE = Worker.objects.filter(
    job=OuterRef("job"), attempt=OuterRef("job__attempt"), backend=OuterRef("device__backend"), state__in=PRESENT
)
HELD_HERE = Allocation.objects.filter(
    Q(job=OuterRef("job")) | Q(job=None, sda=OuterRef("job__sda")), OPEN, device__backend=OuterRef("backend")
)
STARTS = Order.objects.filter(ref=OuterRef("pk"), verb=OrderVerb.START, state__in=OPEN_ORDERS)
TAKEN_AWAY = Q(device__status=DeviceStatus.CLEANING) | Q(device__status=DeviceStatus.SHUTDOWN) & ~Q(
    device__why=ShutdownReason.OPERATOR
)


def _holding() -> QuerySet[Job]:
    return Job.objects.filter(status__in=HOLDING)


def _fail(job: Job, detail: str) -> str:
    """End a job as FAILED; its devices, reserved or not, are cleaned at once if no worker has to stop on them."""
    used = Allocation.objects.filter(Q(job=job) | Q(job=None, sda=job.sda_id), OPEN)
    devices = list(used.values_list("device_id", flat=True))
    end_job(job.pk, JobStatus.FAILED, cause=Cause.INCONSISTENT, detail=detail, actor=SYSTEM, only=LIVE)
    clean_unattended(devices)
    return detail


def _wrong_devices() -> QuerySet[Job]:
    """A job with devices holds as many as its model says; on a reserved SDA it holds none itself."""
    held = Count("allocations", filter=Q(allocations__ended_at=None))
    due = Case(When(sda__reserved=True, then=Value(0)), default=F("num_devices"), output_field=IntegerField())
    return _holding().annotate(held=held, due=due).exclude(held=F("due"))


def _never_submitted() -> QuerySet[Job]:
    """A job with devices has a time of submission."""
    return _holding().filter(submitted_at=None)


def _taken_away() -> QuerySet[Job]:
    """A device of a live job is neither being cleaned nor out of service, unless an operator shut it down."""
    return _holding().filter(Exists(OWN.filter(TAKEN_AWAY)))


def _without_workers() -> QuerySet[Job]:
    """A job with devices has a worker on each of their nodes."""
    unserved = Exists(OWN.filter(~Exists(HERE)))
    return _holding().filter(unserved | Q(~Exists(ITS_WORKERS.filter(state__in=PRESENT)), sda__reserved=True))


def _workers_elsewhere() -> QuerySet[Job]:
    """A job has no worker on a node of which it holds no devices."""
    return _holding().filter(Exists(ITS_WORKERS.filter(~Exists(HELD_HERE), state__in=PRESENT)))


def _start_forgotten() -> QuerySet[Job]:
    """A STARTING worker has an open START order. The job ends, because a second order might start the worker twice."""
    return _holding().filter(Exists(ITS_WORKERS.filter(~Exists(STARTS), state=WorkerState.STARTING)))


def _two_on_a_reservation() -> QuerySet[Job]:
    """A reserved SDA runs one job at a time."""
    others = _holding().filter(sda=OuterRef("sda")).exclude(pk=OuterRef("pk"))
    return _holding().filter(Exists(others), sda__reserved=True)


def _fail_all_on(job: Job) -> str:
    """End all jobs on the same reserved SDA, because they use the same devices."""
    for other in _holding().filter(sda=job.sda_id).order_by("pk"):
        _fail(other, "two jobs at once on a reserved SDA")
    return "two jobs at once on a reserved SDA"


def _on_deleted_sda() -> QuerySet[Job]:
    """A live job is on an SDA that is not deleted."""
    return Job.objects.filter(status__in=LIVE, sda__deleted_at__isnull=False)


def _waiting_and_holding() -> QuerySet[Job]:
    """A waiting job has no allocations, submission time or workers of its present attempt."""
    return Job.objects.filter(Q(Exists(OWN)) | Q(submitted_at__isnull=False) | Exists(ITS_WORKERS), WAITING)


def _wait_anew(job: Job) -> str:
    """Release what the job holds; it goes on waiting, for its next attempt."""
    count = _release(job)
    Job.objects.filter(pk=job.pk).update(
        attempt=F("attempt") + 1, revision=F("revision") + 1, submitted_at=None, started_at=None
    )
    return f"waiting, but had begun and held {count} devices"


def _over_and_holding() -> QuerySet[Job]:
    """A job that is over holds nothing."""
    return Job.objects.filter(pk__in=Allocation.objects.filter(OPEN).values("job"), status__in=OVER)


def _end_allocations(job: Job) -> str:
    """End its allocations at the time at which the job ended, because only that time is billed."""
    return f"over, but held {_release(job)} devices"


def _release(job: Job) -> int:
    held = Allocation.objects.filter(OPEN, job=job)
    devices = list(held.values_list("device_id", flat=True))
    end = Value(job.ended_at or db_now())
    held.update(ended_at=Greatest(F("started_at"), end), **billed_as(job))
    send_to_clean(devices)
    return len(devices)


def _stale_notice() -> QuerySet[Job]:
    """Only a job with devices has notice of preemption, and only for its present attempt."""
    return Job.objects.filter(~Q(status__in=HOLDING) | Q(preempt_at__lt=F("submitted_at")), preempt_at__isnull=False)


def _take_notice_back(job: Job) -> str:
    Job.objects.filter(pk=job.pk).update(preempt_at=None, preempted_by=0, revision=F("revision") + 1)
    return "notice of preemption from another attempt"


def _billed_to_another() -> QuerySet[Job]:
    """The allocations of a job have its token and SDA."""
    wrong = OWN.filter(~Q(token=OuterRef("token")) | ~Q(sda=OuterRef("sda")))
    return Job.objects.filter(Exists(wrong), pk__in=Allocation.objects.filter(OPEN).values("job"))


def _bill(job: Job) -> str:
    held = Allocation.objects.filter(~Q(token=job.token_id) | ~Q(sda=job.sda_id), OPEN, job=job)
    count = held.update(token=job.token_id, sda=job.sda_id)
    return f"{count} devices were billed to another customer or SDA"


CHECKS = (
    Check(_over_and_holding, _end_allocations),
    Check(_waiting_and_holding, _wait_anew),
    Check(_on_deleted_sda, lambda job: _fail(job, "its SDA is deleted")),
    Check(_wrong_devices, lambda job: _fail(job, f"held {job.held} of {job.due} devices")),
    Check(_never_submitted, lambda job: _fail(job, "held devices since nobody knows when")),
    Check(_two_on_a_reservation, _fail_all_on),
    Check(_taken_away, lambda job: _fail(job, "a device was taken away under it")),
    Check(_without_workers, lambda job: _fail(job, "held devices on which no worker of it is")),
    Check(_workers_elsewhere, lambda job: _fail(job, "had a worker where it holds no device")),
    Check(_start_forgotten, lambda job: _fail(job, "nobody had been told to start its worker")),
    Check(_stale_notice, _take_notice_back),
    Check(_billed_to_another, _bill),
)
