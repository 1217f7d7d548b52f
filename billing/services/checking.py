"""Budgets compared with the use of this month: a crossed limit is reported once a month, and may stop the token."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from django.db import transaction

from alerts.choices import Category, Level
from alerts.codes import Code
from alerts.services import NewAlert, clear_alerts, raise_alerts
from alerts.subjects import budget as budget_subject
from billing.models import Budget
from billing.queries.budgets import BudgetUse, Month, Standing, live_budgets, this_month, use_of
from events.actor import SYSTEM
from events.services import NewEvent, record_all
from scheduler.services.tokens import free_tokens, stop_tokens
from tokens.models import Token

BATCH = 1000  # tokens that are settled in one transaction
ALERTS = (Category.BUDGET_NEAR, Category.BUDGET_SPENT)


class BudgetReport(NamedTuple):
    """What is reported of a budget: the column that holds in which month, the property of Standing, and the alert."""

    column: str
    state: str
    category: Category

    def is_untrue(self, one: Standing, month: Month) -> bool:
        """Whether it is of another month, or no longer so: a price was changed, or usage was counted again."""
        reported_in = getattr(one.budget, self.column)
        return reported_in is not None and not (reported_in == month.day and getattr(one, self.state))


REPORTS = (
    BudgetReport("warned_in", "is_near", Category.BUDGET_NEAR),
    BudgetReport("spent_in", "is_spent", Category.BUDGET_SPENT),
)


def check_budgets() -> None:
    """Compare every budget with this month's use, report what was crossed, stop tokens and free them.

    Safe to run twice: a crossing is reported once a month, and anew if the budget was no longer nearly spent, or spent,
    in between. The queries do not grow with the tokens of which nothing is to be reported.
    """
    _forget_deleted()
    month, budgets = this_month(), live_budgets()
    use = use_of(budgets, month)
    tokens = _unsettled(budgets, use)
    for first in range(0, len(tokens), BATCH):
        _settle(tokens[first : first + BATCH], use)


def settle_now(token_id: int) -> None:
    """Check the budgets of one token, in the caller's transaction."""
    month = this_month()
    _settle([token_id], use_of(Budget.objects.filter(token=token_id), month))


def _unsettled(budgets: Iterable[Budget], use: BudgetUse) -> list[int]:
    """Return the tokens of which something is to be reported or changed."""
    found = [use.standing(budget) for budget in budgets]
    stopped = dict(Token.objects.live().filter(stopped_at__isnull=False).values_list("pk", "stopped_for"))
    stops, news = _stops(found), {one.budget.token_id for one in found if _is_news(one, use.month)}
    moved = {pk for pk in stops.keys() | stopped.keys() if _limit(stops.get(pk)) != _limit(stopped.get(pk))}
    return sorted(news | moved)


def _is_news(one: Standing, month: Month) -> bool:
    """Whether a budget stands otherwise than was reported."""
    budget = one.budget
    unreported = (one.is_spent and not budget.spent_in) or (one.is_near and not budget.warned_in)
    return unreported or any(report.is_untrue(one, month) for report in REPORTS)


@transaction.atomic
def _settle(token_ids: Sequence[int], use: BudgetUse) -> None:
    """Check the budgets of some tokens again under their locks, and act on the result.

    The locks are those of a stop from the start: with weaker ones first, a cycle could come in between and wait.
    """
    tokens = Token.objects.live().select_for_update().filter(pk__in=token_ids).order_by("pk")
    stopped = {token.pk: token.stopped_for if token.stopped_at else None for token in tokens}
    budgets = Budget.objects.filter(token__in=stopped).select_related("token")
    found = [use.standing(budget) for budget in budgets]
    for report in REPORTS:
        _forget([one.budget for one in found if report.is_untrue(one, use.month)], report)
    spent = [one for one in found if one.is_spent and not one.budget.spent_in]
    near = [one for one in found if one.is_near and not one.is_spent and not one.budget.warned_in]
    _report_near(near, use.month)
    _report_spent(spent, use.month)
    _move(_stops(found), stopped)


def _forget(budgets: Collection[Budget], report: BudgetReport) -> None:
    """Take back reports, and close their alerts."""
    for budget in budgets:
        setattr(budget, report.column, None)
    if budgets:
        ids = [budget.pk for budget in budgets]
        Budget.objects.filter(pk__in=ids).update(**{report.column: None})
        clear([report.category], ids)


@transaction.atomic
def _forget_deleted() -> None:
    """Take back the reports of budgets whose tokens were deleted."""
    for report in REPORTS:
        gone = Budget.objects.filter(token__deleted_at__isnull=False, **{f"{report.column}__isnull": False})
        _forget(list(gone), report)


def _report_near(near: Sequence[Standing], month: Month) -> None:
    if near:
        Budget.objects.filter(pk__in=[one.budget.pk for one in near]).update(warned_in=month.day)
        _report("WARN_BUDGET", near, month, Category.BUDGET_NEAR, Level.WARNING)


def _report_spent(spent: Sequence[Standing], month: Month) -> None:
    if spent:
        ids = [one.budget.pk for one in spent]
        Budget.objects.filter(pk__in=ids).update(warned_in=month.day, spent_in=month.day)
        clear([Category.BUDGET_NEAR], ids)
        _report("SPEND_BUDGET", spent, month, Category.BUDGET_SPENT, Level.CRITICAL)


def _report(action: str, found: Sequence[Standing], month: Month, category: Category, level: Level) -> None:
    named = f"{month.day:%Y-%m}"
    events = (
        NewEvent(action, subject(one.budget.pk), one.budget.token_id, {**one.figures(), "month": named})
        for one in found
    )
    record_all(events, actor=SYSTEM)
    raise_alerts(
        NewAlert(_code(one, category), budget_subject(one.budget.pk), _params(one, named), level) for one in found
    )


def _code(one: Standing, category: Category) -> Code:
    if category == Category.BUDGET_NEAR:
        return Code.BUDGET_NEAR
    return Code.BUDGET_STOPS if one.is_spent and one.budget.stops else Code.BUDGET_SPENT


def _params(one: Standing, month: str) -> dict[str, object]:
    return {**one.figures(), "month": month, "customer": one.budget.token.description}


def _stops(found: Iterable[Standing]) -> dict[int, dict[str, str]]:
    """Return the tokens that shall start no new job, each with the first budget that says so."""
    stops: dict[int, dict[str, str]] = {}
    for one in sorted(found, key=lambda one: one.budget.kind):
        if one.budget.stops and one.is_spent:
            stops.setdefault(one.budget.token_id, one.figures())
    return stops


def _move(stops: dict[int, dict[str, str]], stopped: dict[int, Any]) -> None:
    """Stop and free tokens, where that is not as it is already."""
    wrong = {pk: limit for pk, limit in stops.items() if _limit(limit) != _limit(stopped.get(pk))}
    if wrong:
        stop_tokens(wrong, actor=SYSTEM)
    if free := [pk for pk, limit in stopped.items() if limit is not None and pk not in stops]:
        free_tokens(free, actor=SYSTEM)


def _limit(limit: Any) -> tuple[str, ...]:
    """Return what a stop is about; how much was spent grows on, and is as it was when the token was stopped."""
    return (limit["kind"], limit["limit"], limit["unit"]) if limit else ()


def clear(categories: Iterable[Category], ids: Collection[int]) -> None:
    """Close the open alerts of these categories of some budgets."""
    for category in categories:
        clear_alerts(category, map(budget_subject, ids))


def subject(pk: int) -> str:
    """Return the subject of a budget's events and alerts."""
    return f"budget/{pk}"
