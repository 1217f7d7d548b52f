"""Budgets as operators set them; what they ask for is done at once."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from billing.models import Budget
from billing.queries.budgets import plain
from billing.services.checking import ALERTS, clear, settle_now, subject
from core.errors import InvalidParameter, NotFound
from core.tombstone import hold
from core.unique import unique
from events.actor import Actor
from events.services import record
from tokens.choices import BudgetKind
from tokens.models import Token


@transaction.atomic
def create_budget(
    token: Token, kind: BudgetKind, *, amount: Decimal, actor: Actor, warn_percent: int = 80, stops: bool = False
) -> Budget:
    """Set how much money or how many device-hours a token may use in each month; it counts at once.

    Raises InvalidParameter, Duplicate when the token has one of this kind, Conflict when it was deleted.
    """
    _hold(token)
    budget = Budget(token=token, kind=kind, amount=amount, warn_percent=warn_percent, stops=stops)
    _judge(budget)
    with unique(_("The token has a budget of this kind."), kind=str(kind)):
        budget.save(force_insert=True)
    record("CREATE_BUDGET", actor=actor, **_about(budget), **event_values(budget))
    settle_now(token.pk)
    return Budget.objects.get(pk=budget.pk)


@transaction.atomic
def update_budget(budget: Budget, *, actor: Actor, **fields: Any) -> Budget:
    """Change amount, warn_percent or stops. If it is no longer nearly spent, or spent, it may be reported anew.

    A token that was stopped by it is free at once when it may be. Raises InvalidParameter, NotFound.
    """
    _hold(budget.token)
    changed = _read_again(budget)
    for name, value in fields.items():
        setattr(changed, name, value)
    _judge(changed)
    changed.save()
    record("UPDATE_BUDGET", actor=actor, **_about(changed), **event_values(changed))
    settle_now(changed.token_id)
    return Budget.objects.get(pk=changed.pk)


@transaction.atomic
def delete_budget(budget: Budget, *, actor: Actor) -> None:
    """Take a budget away; a token that was stopped by it is free at once. Raises NotFound."""
    _hold(budget.token)
    gone = _read_again(budget)
    Budget.objects.filter(pk=gone.pk).delete()
    clear(ALERTS, [gone.pk])
    record("DELETE_BUDGET", actor=actor, **_about(gone), **event_values(gone))
    settle_now(gone.token_id)


def _hold(token: Token) -> None:
    """Lock a token as its stop does: with a weaker lock first, a cycle could come in between and wait for this one."""
    hold(token, "token", alone=True)


def _read_again(budget: Budget) -> Budget:
    found: Budget | None = Budget.objects.filter(pk=budget.pk).select_related("token").first()
    if found is None:
        raise NotFound(id=budget.pk)
    return found


def _judge(budget: Budget) -> None:
    try:
        budget.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        raise InvalidParameter(_("A value is not valid."), **error.message_dict) from error


def _about(budget: Budget) -> dict[str, Any]:
    return {"subject": subject(budget.pk), "token_id": budget.token_id}


def event_values(budget: Budget) -> dict[str, Any]:
    """Return a budget as its events tell it."""
    what = {"kind": str(budget.kind), "amount": plain(budget.amount)}
    return {**what, "warnPercent": budget.warn_percent, "stops": budget.stops}
