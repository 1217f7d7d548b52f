from django.db import transaction

from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.clock import db_now
from moreh_cloud.lib.errors import NotFound
from moreh_cloud.lib.tombstone import hold
from sda.errors import MaxSdaReached
from sda.models import Sda, SdaModel, SdaModelGroup
from sda.queries import require_access
from tokens import services as tokens
from tokens.errors import TokenHasSda
from tokens.models import Token


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
    """Give the token another accelerator; its first one becomes the current one.

    Raises ModelNotAllowed, MaxSdaReached. The devices of a reserved one are held by `scheduler.services`.
    """
    way = require_access(token, model, group)
    _lock(token)
    if way.group:
        hold(way.group, "group")
    hold(model, "model")
    owned = list(Sda.objects.live().filter(token=token).values_list("current", flat=True))
    if len(owned) >= token.max_sda_count:
        raise MaxSdaReached(token=token.description, maxSdaCount=token.max_sda_count)
    sda: Sda = Sda.objects.create(
        token=token, model=model, model_group=way.group, alias=alias, reserved=reserved, current=not any(owned)
    )
    asked = {"model": model.name, "alias": alias, "reserved": reserved}
    record("CREATE_SDA", actor=actor, subject=f"sda/{sda.pk}", token_id=token.pk, **asked)
    return sda


@transaction.atomic
def switch_model(sda: Sda, model: SdaModel, *, actor: Actor, group: SdaModelGroup | None = None) -> Sda:
    """Give an SDA another model. Raises ModelNotAllowed. `scheduler.services` refuses it while in use."""
    way = require_access(sda.token, model, group)
    if way.group:
        hold(way.group, "group")
    hold(model, "model")
    if not Sda.objects.live().filter(pk=sda.pk).update(model=model, model_group=way.group):
        raise NotFound(sdaId=sda.pk)
    record("UPDATE_SDA", actor=actor, subject=f"sda/{sda.pk}", token_id=sda.token_id, model=model.name)
    fresh: Sda = Sda.objects.select_related("token", "model", "model_group").get(pk=sda.pk)
    return fresh


@transaction.atomic
def set_current_sda(sda: Sda, *, actor: Actor) -> None:
    """Make this SDA the one that programs of its token get when they name none. Raises NotFound."""
    _lock(sda.token)
    Sda.objects.live().filter(token=sda.token_id, current=True).exclude(pk=sda.pk).update(current=False)
    if not Sda.objects.live().filter(pk=sda.pk).update(current=True):
        raise NotFound(sdaId=sda.pk)
    record("SET_CURRENT_SDA", actor=actor, subject=f"sda/{sda.pk}", token_id=sda.token_id)


@transaction.atomic
def delete_sda(sda: Sda, *, actor: Actor) -> None:
    """Leave a tombstone; the oldest remaining becomes current. `scheduler.services` refuses it while in use."""
    _lock(sda.token)
    if not Sda.objects.live().filter(pk=sda.pk).update(deleted_at=db_now(), current=False):
        raise NotFound(sdaId=sda.pk)
    rest = Sda.objects.live().filter(token=sda.token_id)
    if not rest.filter(current=True).exists():
        oldest = rest.order_by("pk").first()
        if oldest:
            Sda.objects.filter(pk=oldest.pk).update(current=True)
    record("DELETE_SDA", actor=actor, subject=f"sda/{sda.pk}", token_id=sda.token_id)


@transaction.atomic
def delete_token(token: Token, *, actor: Actor) -> None:
    """Delete a token that owns no SDA. Raises TokenHasSda, NotFound."""
    _lock(token)
    owned = Sda.objects.live().filter(token=token).count()
    if owned:
        raise TokenHasSda(token=token.description, sdas=owned)
    tokens.delete_token(token, actor=actor)


def _lock(token: Token) -> None:
    """Let only one transaction at a time change which SDAs a token has."""
    if not Token.objects.live().select_for_update().filter(pk=token.pk).values_list("pk"):
        raise NotFound
