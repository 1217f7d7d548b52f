"""Budgets beside this month's use: what is crossed is told once a month, and stops the token where that is wished."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import transaction

from billing.models import Budget
from billing.queries.budgets import Month, Standing, Use, live_budgets, this_month, use_of
from moreh_cloud.alerts.choices import Category, Level
from moreh_cloud.alerts.services import clear_alerts, raise_alerts
from moreh_cloud.events.actor import SYSTEM
from moreh_cloud.events.services import NewEvent, record_all
from scheduler.services.stops import free_tokens, stop_tokens
from tokens.models import Token

BATCH = 1000  # tokens that are settled in one transaction
ALERTS = (Category.BUDGET_NEAR, Category.BUDGET_SPENT)


def check_budgets() -> None:
    """Compare every budget with this month's use, tell what was crossed, stop tokens and free them.

    Safe to run twice: a crossing is told once a month. The queries do not grow with the tokens of which nothing is
    to be told.
    """
    month, budgets = this_month(), live_budgets()
    use = use_of(budgets, month)
    tokens = _unsettled(budgets, use)
    for first in range(0, len(tokens), BATCH):
        _settle(tokens[first : first + BATCH], use)


def settle_now(token_id: int) -> None:
    """Check the budgets of one token, in the caller's transaction."""
    month = this_month()
    _settle([token_id], use_of(Budget.objects.filter(token=token_id), month))


def _unsettled(budgets: Iterable[Budget], use: Use) -> list[int]:
    """Give the tokens of which something is to be told or changed."""
    found = [use.standing(budget) for budget in budgets]
    stopped = dict(Token.objects.live().filter(stopped_at__isnull=False).values_list("pk", "stopped_for"))
    stops, news = _stops(found), {one.budget.token_id for one in found if _is_news(one, use.month)}
    moved = {pk for pk in stops.keys() | stopped.keys() if _limit(stops.get(pk)) != _limit(stopped.get(pk))}
    return sorted(news | moved)


def _is_news(one: Standing, month: Month) -> bool:
    """Tell whether a budget stands otherwise than was told, or was told in another month."""
    budget = one.budget
    untold = (one.is_spent and not budget.spent_in) or (one.is_near and not budget.warned_in)
    return untold or _is_old(budget, month)


@transaction.atomic
def _settle(token_ids: Sequence[int], use: Use) -> None:
    """Look at the budgets of some tokens again, now that nobody changes them, and do what they ask for."""
    tokens = Token.objects.live().select_for_update(no_key=True).filter(pk__in=token_ids).order_by("pk")
    stopped = {token.pk: token.stopped_for if token.stopped_at else None for token in tokens}
    budgets = Budget.objects.filter(token__in=stopped).select_related("token")
    _forget([budget for budget in budgets if _is_old(budget, use.month)], use.month)
    found = [use.standing(budget) for budget in budgets]
    spent = [one for one in found if one.is_spent and not one.budget.spent_in]
    near = [one for one in found if one.is_near and not one.is_spent and not one.budget.warned_in]
    _tell_near(near, use.month)
    _tell_spent(spent, use.month)
    _move(_stops(found), stopped)


def _is_old(budget: Budget, month: Month) -> bool:
    return any(told not in (None, month.day) for told in (budget.warned_in, budget.spent_in))


def _forget(budgets: Sequence[Budget], month: Month) -> None:
    """Begin a new month: what was told in another is over."""
    for budget in budgets:
        budget.warned_in = budget.warned_in if budget.warned_in == month.day else None
        budget.spent_in = budget.spent_in if budget.spent_in == month.day else None
    if budgets:
        ids = [budget.pk for budget in budgets]
        Budget.objects.filter(pk__in=ids).exclude(warned_in=month.day).update(warned_in=None)
        Budget.objects.filter(pk__in=ids).exclude(spent_in=month.day).update(spent_in=None)
        clear(ALERTS, ids)


def _tell_near(near: Sequence[Standing], month: Month) -> None:
    if near:
        Budget.objects.filter(pk__in=[one.budget.pk for one in near]).update(warned_in=month.day)
        _tell("WARN_BUDGET", near, month, Category.BUDGET_NEAR, Level.WARNING)


def _tell_spent(spent: Sequence[Standing], month: Month) -> None:
    if spent:
        ids = [one.budget.pk for one in spent]
        Budget.objects.filter(pk__in=ids).update(warned_in=month.day, spent_in=month.day)
        clear([Category.BUDGET_NEAR], ids)
        _tell("SPEND_BUDGET", spent, month, Category.BUDGET_SPENT, Level.CRITICAL)


def _tell(action: str, found: Sequence[Standing], month: Month, category: Category, level: Level) -> None:
    named = f"{month.day:%Y-%m}"
    events = (
        NewEvent(action, subject(one.budget.pk), one.budget.token_id, {**one.told(), "month": named}) for one in found
    )
    record_all(events, actor=SYSTEM)
    raise_alerts(category, {subject(one.budget.pk): _content(one, named) for one in found}, level=level)


def _content(one: Standing, month: str) -> str:
    figures = {**one.told(), "month": month, "token": one.budget.token.description}
    return "{token}: {spent} of {limit} {unit} of {month} are used.".format(**figures) + (
        " It starts no new job." if one.is_spent and one.budget.stops else ""
    )


def _stops(found: Iterable[Standing]) -> dict[int, dict[str, str]]:
    """Give the tokens that shall start no new job, each with the first budget that says so."""
    stops: dict[int, dict[str, str]] = {}
    for one in sorted(found, key=lambda one: one.budget.kind):
        if one.budget.stops and one.is_spent:
            stops.setdefault(one.budget.token_id, one.told())
    return stops


def _move(stops: dict[int, dict[str, str]], stopped: dict[int, Any]) -> None:
    """Stop and free tokens, where that is not as it is already."""
    wrong = {pk: why for pk, why in stops.items() if _limit(why) != _limit(stopped.get(pk))}
    if wrong:
        stop_tokens(wrong, actor=SYSTEM)
    if free := [pk for pk, why in stopped.items() if why is not None and pk not in stops]:
        free_tokens(free, actor=SYSTEM)


def _limit(why: Any) -> tuple[str, ...]:
    """Give what a stop is about; how much was spent grows on, and is as it was when the token was stopped."""
    return (why["kind"], why["limit"], why["unit"]) if why else ()


def clear(categories: Iterable[Category], ids: Collection[int]) -> None:
    """Close the open alerts of these categories of some budgets."""
    for category in categories:
        clear_alerts(category, subjects=[subject(pk) for pk in ids])


def subject(pk: int) -> str:
    """Name a budget as events and alerts do."""
    return f"budget/{pk}"
