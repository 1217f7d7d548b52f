"""Jobs that hold what they should not, or hold not what they should."""

from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Value, When
from django.db.models.functions import Greatest

from backends.choices import OPEN_ORDERS, DeviceStatus, OrderVerb, Why
from backends.models import Order
from moreh_cloud.events.actor import SYSTEM
from moreh_cloud.lib.clock import db_now
from scheduler.choices import HOLDING, LIVE, OVER, Cause, JobStatus, WorkerState
from scheduler.models import WAITING, Allocation, Job, Worker
from scheduler.queries import OPEN, billed_as
from scheduler.reconcile.devices import clean_unattended, send_to_clean
from scheduler.reconcile.looks import Look
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
    device__why=Why.OPERATOR
)


def _holding() -> QuerySet[Job]:
    return Job.objects.filter(status__in=HOLDING)


def _fail(job: Job, detail: str) -> str:
    """End a job that cannot go on; what no worker has to leave first, reserved or not, is cleaned at once."""
    used = Allocation.objects.filter(Q(job=job) | Q(job=None, sda=job.sda_id), OPEN)
    devices = list(used.values_list("device_id", flat=True))
    end_job(job.pk, JobStatus.FAILED, cause=Cause.INCONSISTENT, detail=detail, actor=SYSTEM, only=LIVE)
    clean_unattended(devices)
    return detail


def _wrong_devices() -> QuerySet[Job]:
    """A live job holds as many devices as its model says; on a reserved SDA, none of its own."""
    held = Count("allocations", filter=Q(allocations__ended_at=None))
    due = Case(When(sda__reserved=True, then=Value(0)), default=F("num_devices"), output_field=IntegerField())
    return _holding().annotate(held=held, due=due).exclude(held=F("due"))


def _never_submitted() -> QuerySet[Job]:
    return _holding().filter(submitted_at=None)


def _taken_away() -> QuerySet[Job]:
    """Nobody cleans or gives up a device under a live job."""
    return _holding().filter(Exists(OWN.filter(TAKEN_AWAY)))


def _without_workers() -> QuerySet[Job]:
    """A live job has a worker on each node of which it holds devices."""
    unserved = Exists(OWN.filter(~Exists(HERE)))
    return _holding().filter(unserved | Q(~Exists(ITS_WORKERS.filter(state__in=PRESENT)), sda__reserved=True))


def _workers_elsewhere() -> QuerySet[Job]:
    """A live job has no worker on a node of which it holds nothing."""
    return _holding().filter(Exists(ITS_WORKERS.filter(~Exists(HELD_HERE), state__in=PRESENT)))


def _start_forgotten() -> QuerySet[Job]:
    """Somebody has been told to start what is starting. Told again it might start twice."""
    return _holding().filter(Exists(ITS_WORKERS.filter(~Exists(STARTS), state=WorkerState.STARTING)))


def _two_on_a_reservation() -> QuerySet[Job]:
    others = _holding().filter(sda=OuterRef("sda")).exclude(pk=OuterRef("pk"))
    return _holding().filter(Exists(others), sda__reserved=True)


def _fail_all_on(job: Job) -> str:
    """The devices of one are the devices of the other: none of them can be trusted."""
    for other in _holding().filter(sda=job.sda_id).order_by("pk"):
        _fail(other, "two jobs at once on a reserved SDA")
    return "two jobs at once on a reserved SDA"


def _on_deleted_sda() -> QuerySet[Job]:
    return Job.objects.filter(status__in=LIVE, sda__deleted_at__isnull=False)


def _waiting_and_holding() -> QuerySet[Job]:
    """A job that waits has nothing of its coming attempt yet."""
    return Job.objects.filter(Q(Exists(OWN)) | Q(submitted_at__isnull=False) | Exists(ITS_WORKERS), WAITING)


def _wait_anew(job: Job) -> str:
    """Take back what it holds; it goes on waiting, under its next attempt."""
    count = _release(job)
    Job.objects.filter(pk=job.pk).update(
        attempt=F("attempt") + 1, revision=F("revision") + 1, submitted_at=None, started_at=None
    )
    return f"waiting, but had begun and held {count} devices"


def _over_and_holding() -> QuerySet[Job]:
    """A job that is over holds nothing."""
    return Job.objects.filter(pk__in=Allocation.objects.filter(OPEN).values("job"), status__in=OVER)


def _leave(job: Job) -> str:
    """End its billing when the job ended: that is what its customer owes."""
    return f"over, but held {_release(job)} devices"


def _release(job: Job) -> int:
    held = Allocation.objects.filter(OPEN, job=job)
    devices = list(held.values_list("device_id", flat=True))
    end = Greatest(F("started_at"), Value(job.ended_at)) if job.ended_at else db_now()
    held.update(ended_at=end, **billed_as(job))
    send_to_clean(devices)
    return len(devices)


def _stale_notice() -> QuerySet[Job]:
    """Notice is given to who holds devices, for this attempt."""
    return Job.objects.filter(~Q(status__in=HOLDING) | Q(leaves_at__lt=F("submitted_at")), leaves_at__isnull=False)


def _take_notice_back(job: Job) -> str:
    Job.objects.filter(pk=job.pk).update(leaves_at=None, leaves_for=0, revision=F("revision") + 1)
    return "notice of preemption from another attempt"


def _billed_to_another() -> QuerySet[Job]:
    """What a job holds is billed to its own token and SDA."""
    wrong = OWN.filter(~Q(token=OuterRef("token")) | ~Q(sda=OuterRef("sda")))
    return Job.objects.filter(Exists(wrong), pk__in=Allocation.objects.filter(OPEN).values("job"))


def _bill(job: Job) -> str:
    held = Allocation.objects.filter(~Q(token=job.token_id) | ~Q(sda=job.sda_id), OPEN, job=job)
    count = held.update(token=job.token_id, sda=job.sda_id)
    return f"{count} devices were billed to another customer or SDA"


LOOKS = (
    Look(_over_and_holding, _leave),
    Look(_waiting_and_holding, _wait_anew),
    Look(_on_deleted_sda, lambda job: _fail(job, "its SDA is deleted")),
    Look(_wrong_devices, lambda job: _fail(job, f"held {job.held} of {job.due} devices")),
    Look(_never_submitted, lambda job: _fail(job, "held devices since nobody knows when")),
    Look(_two_on_a_reservation, _fail_all_on),
    Look(_taken_away, lambda job: _fail(job, "a device was taken away under it")),
    Look(_without_workers, lambda job: _fail(job, "held devices on which no worker of it is")),
    Look(_workers_elsewhere, lambda job: _fail(job, "had a worker where it holds no device")),
    Look(_start_forgotten, lambda job: _fail(job, "nobody had been told to start its worker")),
    Look(_stale_notice, _take_notice_back),
    Look(_billed_to_another, _bill),
)
