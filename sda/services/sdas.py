"""SDAs: created, switched, made current, deleted. `scheduler.services.sdas` adds what concerns their devices."""

from django.db import transaction

from core.clock import db_now
from core.errors import NotFound
from core.texts import require_texts
from core.tombstone import hold
from events.actor import Actor
from events.services import record
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
    """Create an SDA of the token; it becomes the current one if the token has no current one.

    Raises ModelNotAllowed, MaxSdaReached. `scheduler.services.sdas` allocates the devices of a reserved SDA.
    """
    alias = alias.strip()
    require_texts(desc=alias)
    way = require_access(token, model, group)
    token = _lock(token)
    if way.group:
        hold(way.group, "group")
    hold(model, "model")
    owned = list(Sda.objects.live().filter(token=token).values_list("current", flat=True))
    if len(owned) >= token.max_sda_count:
        raise MaxSdaReached(token=token.description, maxSdaCount=token.max_sda_count)
    sda: Sda = Sda.objects.create(
        token=token, model=model, model_group=way.group, alias=alias, reserved=reserved, current=not any(owned)
    )
    details = {"model": model.name, "alias": alias, "reserved": reserved}
    record("CREATE_SDA", actor=actor, subject=f"sda/{sda.pk}", token_id=token.pk, **details)
    return sda


@transaction.atomic
def switch_model(sda: Sda, model: SdaModel, *, actor: Actor, group: SdaModelGroup | None = None) -> Sda:
    """Switch an SDA to another model. Raises ModelNotAllowed. `scheduler.services.sdas` refuses it while in use."""
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
def set_current_sda(sda: Sda, *, actor: Actor) -> bool:
    """Set the SDA that the token's programs use unless they name another; return False if it was already.

    Raises NotFound.
    """
    _lock(sda.token)
    if Sda.objects.live().filter(pk=sda.pk, current=True).exists():
        return False
    Sda.objects.live().filter(token=sda.token_id, current=True).exclude(pk=sda.pk).update(current=False)
    if not Sda.objects.live().filter(pk=sda.pk).update(current=True):
        raise NotFound(sdaId=sda.pk)
    record("SET_CURRENT_SDA", actor=actor, subject=f"sda/{sda.pk}", token_id=sda.token_id)
    return True


@transaction.atomic
def delete_sda(sda: Sda, *, actor: Actor) -> None:
    """Mark an SDA as deleted; the oldest remaining one becomes current if none is.

    Raises NotFound. `scheduler.services.sdas` refuses it while in use.
    """
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
    _lock(token, alone=True)
    owned = Sda.objects.live().filter(token=token).count()
    if owned:
        raise TokenHasSda(token=token.description, sdas=owned)
    tokens.delete_token(token, actor=actor)


def _lock(token: Token, *, alone: bool = False) -> Token:
    """Lock a token, so that one transaction at a time changes its SDAs, and return it. Raises NotFound.

    `alone`: transactions of the token's clients are waited for, too.
    """
    locked: Token | None = Token.objects.live().select_for_update(no_key=not alone).filter(pk=token.pk).first()
    if locked is None:
        raise NotFound
    return locked
