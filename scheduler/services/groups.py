"""SDA model groups and the SDAs that got their model through them."""

from django.db import transaction

from core.errors import NotFound
from events.actor import Actor
from scheduler.choices import Cause
from scheduler.services.sdas import cancel_jobs_of, switch_model
from sda.errors import ModelNotAllowed
from sda.models import Sda, SdaModelGroup
from sda.queries import access_of, live_sdas


@transaction.atomic
def leave_group(group: SdaModelGroup, sda_id: int, *, actor: Actor, force: bool = False) -> Sda:
    """Move an SDA to another group that gives its token the same model, and return it.

    Raises NotFound if the SDA is not in this group, ModelNotAllowed if no other group gives its token the model,
    SdaInUse unless `force` cancels its jobs.
    """
    sda = live_sdas().filter(pk=sda_id, model_group=group).first()
    if sda is None:
        raise NotFound(sdaid=sda_id)
    ways = [way.group for way in access_of(sda.token) if way.model == sda.model and way.group not in (None, group)]
    if not ways:
        raise ModelNotAllowed(sdaid=sda_id)
    if force:
        cancel_jobs_of(sda, cause=Cause.BY_OPERATOR, actor=actor)
    return switch_model(sda, sda.model, actor=actor, group=ways[0])
