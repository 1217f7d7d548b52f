"""SDAs with the jobs and devices that they have: create, switch, delete and reset them."""

from django.db import transaction

from core.errors import NotFound
from events.actor import Actor
from scheduler.choices import HOLDING, LIVE, Cause, JobStatus
from scheduler.models import Allocation, Job
from scheduler.services.cleaning import clean_released
from scheduler.services.jobs import end_jobs
from scheduler.services.reserved_devices import RESERVED, release_devices, reserve_devices
from sda.errors import SdaInUse
from sda.models import Sda, SdaModel, SdaModelGroup
from sda.services import sdas
from tokens.models import Token
from tokens.services import require_not_stopped


@transaction.atomic
def create_sda(
    token: Token,
    model: SdaModel,
    *,
    actor: Actor,
    alias: str = "",
    group: SdaModelGroup | None = None,
    reserved: bool = False,
) -> Sda:
    """Create an SDA of a token, and reserve its devices at once if it is reserved.

    Raises ModelNotAllowed, MaxSdaReached, and for a reserved one BudgetSpent, NotEnoughDevices, OverLimit,
    GroupDraining (then nothing is created).
    """
    sda = sdas.create_sda(token, model, actor=actor, alias=alias, group=group, reserved=reserved)
    if reserved:
        require_not_stopped(token)
        reserve_devices(sda)
    return sda


@transaction.atomic
def switch_model(sda: Sda, model: SdaModel, *, actor: Actor, group: SdaModelGroup | None = None) -> Sda:
    """Switch an idle SDA to another model, and return it; a reserved one gets new devices.

    Raises SdaInUse while a job waits for it or holds it, ModelNotAllowed, and for a reserved one as `create_sda`.
    """
    sda = _require_idle(sda)
    if not sda.reserved:
        return sdas.switch_model(sda, model, actor=actor, group=group)
    require_not_stopped(sda.token)
    before = list(Allocation.objects.filter(RESERVED, sda=sda).values_list("pk", flat=True))
    devices = release_devices(sda)
    switched = sdas.switch_model(sda, model, actor=actor, group=group)
    # The old devices are billed exactly until the start of the new ones.
    Allocation.objects.filter(pk__in=before).update(ended_at=reserve_devices(switched))
    clean_released(sda, devices)
    return switched


@transaction.atomic
def delete_sda(sda: Sda, *, actor: Actor, force: bool = False) -> None:
    """Delete an SDA and release its reserved devices. Raises SdaInUse unless `force` cancels its jobs."""
    if force:
        cancel_jobs_of(sda, cause=Cause.BY_OPERATOR, actor=actor)
    sda = _require_idle(sda)
    if sda.reserved:
        clean_released(sda, release_devices(sda))
    sdas.delete_sda(sda, actor=actor)


@transaction.atomic
def cancel_jobs_of(sda: Sda, *, cause: Cause, actor: Actor) -> int:
    """Cancel every live job of an SDA; return how many there were."""
    _lock_owner(sda)
    live = Job.objects.filter(sda=sda, status__in=LIVE)
    return len(end_jobs(live, JobStatus.CANCELED, cause=cause, actor=actor))


@transaction.atomic
def reset_sda(sda: Sda, *, actor: Actor) -> list[int]:
    """Cancel the jobs that hold devices of an SDA, for its user; return their ids. Waiting jobs stay."""
    held = Job.objects.filter(sda=sda, status__in=HOLDING)
    return end_jobs(held, JobStatus.CANCELED, cause=Cause.BY_USER, actor=actor)


def _require_idle(sda: Sda) -> Sda:
    """Lock an SDA against new jobs, and return it as it is now. Raises SdaInUse, NotFound."""
    _lock_owner(sda)
    live: Sda | None = Sda.objects.live().select_for_update().filter(pk=sda.pk).first()
    if live is None:
        raise NotFound(sdaId=sda.pk)
    if Job.objects.filter(sda=sda, status__in=LIVE).exists():
        raise SdaInUse(sdaId=sda.pk)
    return live


def _lock_owner(sda: Sda) -> None:
    """Lock the token of an SDA before its jobs and the SDA: calls of the token's clients lock in this order.

    New rows may refer to the token meanwhile: the end of a job in a fair group adds one while it holds the job.
    """
    list(Token.objects.select_for_update(no_key=True).filter(pk=sda.token_id).values_list("pk"))
