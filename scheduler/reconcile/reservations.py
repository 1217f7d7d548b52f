"""Checks of reserved SDAs: they hold exactly the devices that they should."""

from django.db.models import Count, F, Q, QuerySet

from events.actor import SYSTEM
from scheduler.choices import HOLDING, Cause, JobStatus
from scheduler.errors import GroupDraining, NotEnoughDevices, OverLimit
from scheduler.models import Allocation, Job
from scheduler.queries.allocations import OPEN
from scheduler.reconcile.checks import Check, NotRepaired
from scheduler.reconcile.devices import send_to_clean
from scheduler.services.cleaning import note_clean
from scheduler.services.jobs import end_job
from scheduler.services.reserved_devices import release_devices, reserve_missing
from sda.models import Sda

RESERVED = Q(reserved=True, deleted_at=None)
HELD = Count("allocations", filter=Q(allocations__ended_at=None, allocations__job=None))


def _nobodys() -> QuerySet[Sda]:
    """Only a live reserved SDA holds devices without a job."""
    reserving = Allocation.objects.filter(OPEN, job=None).values("sda")
    return Sda.objects.filter(pk__in=reserving).exclude(RESERVED)


def _give_back(sda: Sda) -> str:
    devices = release_devices(sda)
    send_to_clean(devices)
    return f"reserves nothing any more, but held {len(devices)} devices"


def _on_a_deleted_node() -> QuerySet[Sda]:
    """The devices of a deleted node are held by no SDA."""
    gone = Allocation.objects.filter(OPEN, job=None, device__backend__deleted_at__isnull=False).values("sda")
    return Sda.objects.filter(pk__in=gone)


def _let_go(sda: Sda) -> str:
    gone = Allocation.objects.filter(OPEN, sda=sda, job=None, device__backend__deleted_at__isnull=False)
    devices = release_devices(sda, list(gone.values_list("pk", flat=True)))
    note_clean(devices)
    return f"held {len(devices)} devices of nodes that are deleted"


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
        reserve_missing(sda)
    except NotEnoughDevices as problem:
        raise NotRepaired(f"{wrong}, and {problem.details['missing']} more are not free") from problem
    except (GroupDraining, OverLimit) as problem:
        raise NotRepaired(f"{wrong}, and gets no more: {problem.code}") from problem
    return wrong


CHECKS = (Check(_nobodys, _give_back), Check(_on_a_deleted_node, _let_go), Check(_incomplete, _complete))
