"""Reserved SDAs that hold not what they should."""

from django.db.models import Count, F, Q, QuerySet

from moreh_cloud.events.actor import SYSTEM
from scheduler.choices import HOLDING, Cause, JobStatus
from scheduler.errors import NotEnoughDevices
from scheduler.models import Allocation, Job
from scheduler.queries import OPEN
from scheduler.reconcile.devices import send_to_clean
from scheduler.reconcile.looks import Look, NotRepaired
from scheduler.reservations import hold_missing, release_devices
from scheduler.services.jobs import end_job
from sda.models import Sda

RESERVED = Q(reserved=True, deleted_at=None)
HELD = Count("allocations", filter=Q(allocations__ended_at=None, allocations__job=None))


def _nobodys() -> QuerySet[Sda]:
    """Only an SDA that is there and reserved holds devices without a job."""
    reserving = Allocation.objects.filter(OPEN, job=None).values("sda")
    return Sda.objects.filter(pk__in=reserving).exclude(RESERVED)


def _give_back(sda: Sda) -> str:
    devices = release_devices(sda)
    send_to_clean(devices)
    return f"reserves nothing any more, but held {len(devices)} devices"


def _incomplete() -> QuerySet[Sda]:
    """A reserved SDA holds as many devices as its model says."""
    reserved: QuerySet[Sda] = Sda.objects.filter(RESERVED)
    return reserved.annotate(held=HELD).exclude(held=F("model__num_devices"))


def _complete(sda: Sda) -> str:
    wrong = f"held {sda.held} of {sda.model.num_devices} reserved devices"  # type: ignore[attr-defined]
    for pk in Job.objects.filter(sda=sda, status__in=HOLDING).values_list("pk", flat=True):
        end_job(pk, JobStatus.FAILED, cause=Cause.INCONSISTENT, detail=wrong, actor=SYSTEM, only=HOLDING)
    surplus = Allocation.objects.filter(OPEN, sda=sda, job=None).order_by("pk")[sda.model.num_devices :]
    send_to_clean(release_devices(sda, [row.pk for row in surplus]))
    try:
        hold_missing(sda)
    except NotEnoughDevices as problem:
        raise NotRepaired(f"{wrong}, and {problem.details['missing']} more are not free") from problem
    return wrong


LOOKS = (Look(_nobodys, _give_back), Look(_incomplete, _complete))
