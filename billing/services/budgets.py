"""Budgets as operators set them; what they ask for is done at once."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from billing.models import Budget
from billing.queries.budgets import plain, this_month, use_of
from billing.services.checking import ALERTS, clear, settle_now, subject
from moreh_cloud.alerts.choices import Category
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.errors import Duplicate, InvalidParameter, NotFound
from moreh_cloud.lib.tombstone import hold
from tokens.choices import Spent
from tokens.models import Token


@transaction.atomic
def create_budget(
    token: Token, kind: Spent, *, amount: Decimal, actor: Actor, warn_percent: int = 80, stops: bool = False
) -> Budget:
    """Set how much money or how many device-hours a token may use in each month; it counts at once.

    Raises InvalidParameter, Duplicate when the token has one of this kind, Conflict when it was deleted.
    """
    hold(token, "token")
    budget = Budget(token=token, kind=kind, amount=amount, warn_percent=warn_percent, stops=stops)
    _judge(budget)
    try:
        with transaction.atomic():
            budget.save(force_insert=True)
    except IntegrityError as error:
        raise Duplicate(_("The token has a budget of this kind."), kind=str(kind)) from error
    record("CREATE_BUDGET", actor=actor, **_about(budget), **_fields(budget))
    settle_now(token.pk)
    return Budget.objects.get(pk=budget.pk)


@transaction.atomic
def update_budget(budget: Budget, *, actor: Actor, **fields: Any) -> Budget:
    """Change amount, warn_percent or stops. What it no longer is, nearly spent or spent, may be told anew.

    A token that was stopped by it is free at once when it may be. Raises InvalidParameter, NotFound.
    """
    hold(budget.token, "token")
    changed = _read_again(budget)
    for name, value in fields.items():
        setattr(changed, name, value)
    _judge(changed)
    _lower(changed)
    changed.save()
    record("UPDATE_BUDGET", actor=actor, **_about(changed), **_fields(changed))
    settle_now(changed.token_id)
    return Budget.objects.get(pk=changed.pk)


@transaction.atomic
def delete_budget(budget: Budget, *, actor: Actor) -> None:
    """Take a budget away; a token that was stopped by it is free at once. Raises NotFound."""
    hold(budget.token, "token")
    gone = _read_again(budget)
    Budget.objects.filter(pk=gone.pk).delete()
    clear(ALERTS, [gone.pk])
    record("DELETE_BUDGET", actor=actor, **_about(gone), **_fields(gone))
    settle_now(gone.token_id)


def _lower(budget: Budget) -> None:
    """After a change: forget that it was told as spent, or nearly, when it is so no longer."""
    one = use_of([budget], month := this_month()).standing(budget)
    if budget.spent_in == month.day and not one.is_spent:
        budget.spent_in = None
        clear([Category.BUDGET_SPENT], [budget.pk])
    if budget.warned_in == month.day and not one.is_near:
        budget.warned_in = None
        clear([Category.BUDGET_NEAR], [budget.pk])


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


def _fields(budget: Budget) -> dict[str, Any]:
    told = {"kind": str(budget.kind), "amount": plain(budget.amount)}
    return {**told, "warnPercent": budget.warn_percent, "stops": budget.stops}
