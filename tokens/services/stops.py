"""Stops of tokens: one that has used up a budget starts no new job."""

from collections.abc import Iterable, Mapping

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core.clock import db_now
from core.errors import Message, NotFound
from core.locks import keep
from events.actor import Actor
from events.services import NewEvent, record_all
from tokens.choices import BudgetKind
from tokens.errors import BudgetSpent
from tokens.models import Token

BATCH = 500  # rows in one UPDATE with a value of its own for each
STOP_MESSAGES: Mapping[str, Message] = {
    BudgetKind.MONEY: _("The token's budget of this month is spent: %(spent)s of %(limit)s %(unit)s."),
    BudgetKind.DEVICE_HOURS: _("The token's quota of this month is used up: %(spent)s of %(limit)s device-hours."),
}


def require_not_stopped(token: Token) -> Token:
    """Return a token as it is now; nobody can stop it before the caller's transaction ends.

    Raises BudgetSpent, with the use and the limit, if the token is stopped, and NotFound if it was deleted.
    """
    keep(Token, [token.pk])
    now: Token | None = Token.objects.live().filter(pk=token.pk).first()
    if now is None:
        raise NotFound
    if now.stopped_at is None:
        return now
    details = {name: now.stopped_for[name] for name in ("kind", "limit", "spent", "unit") if name in now.stopped_for}
    message = STOP_MESSAGES.get(details.get("kind", "")) if len(details) == 4 else None  # a damaged row stops as well
    raise BudgetSpent(message and message % details, parameter="token", **details)


@transaction.atomic
def stop_tokens(stops: Mapping[int, Mapping[str, str]], *, actor: Actor) -> list[int]:
    """Stop tokens: they start no new job, while running jobs go on. Return the ids of those not stopped before.

    `stops` holds for each token what it has used up: kind (a BudgetKind), limit, spent and unit.
    """
    tokens = list(Token.objects.live().select_for_update().filter(pk__in=stops).order_by("pk"))
    now = db_now()  # read after the locks: no job starts with an earlier time
    new = [token.pk for token in tokens if token.stopped_at is None]
    for token in tokens:
        token.stopped_at, token.stopped_for = token.stopped_at or now, dict(stops[token.pk])
    Token.objects.bulk_update(tokens, ["stopped_at", "stopped_for"], batch_size=BATCH)
    record_all((NewEvent("STOP_TOKEN", f"token/{pk}", pk, dict(stops[pk])) for pk in new), actor=actor)
    return new


@transaction.atomic
def free_tokens(ids: Iterable[int], *, actor: Actor) -> list[int]:
    """End the stops of tokens, which can start jobs again; return the ids of those that were stopped."""
    stopped = Token.objects.filter(pk__in=list(ids), stopped_at__isnull=False)
    found = list(stopped.select_for_update().order_by("pk").values_list("pk", flat=True))
    Token.objects.filter(pk__in=found).update(stopped_at=None, stopped_for={})
    record_all((NewEvent("FREE_TOKEN", f"token/{pk}", pk, {}) for pk in found), actor=actor)
    return found
