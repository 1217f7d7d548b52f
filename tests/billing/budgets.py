"""Budgets of tokens, and what is reported of them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from alerts.models import OPEN, Alert
from billing.models import Budget
from billing.queries.budgets import this_month
from billing.services.budgets import create_budget
from events.models import Event
from scheduler.models import Allocation
from tests import make
from tokens.choices import BudgetKind
from tokens.models import Token

SECONDS_18 = timedelta(seconds=18)  # half a hundredth of an hour; at 1,000 KRW a second, 18,000 KRW


def hours(token: Token, amount: str, **fields: Any) -> Budget:
    return create_budget(token, BudgetKind.DEVICE_HOURS, amount=Decimal(amount), actor=make.ACTOR, **fields)


def money(token: Token, amount: str, **fields: Any) -> Budget:
    return create_budget(token, BudgetKind.MONEY, amount=Decimal(amount), actor=make.ACTOR, **fields)


def told(*actions: str) -> list[tuple[str, str, Any]]:
    wanted = actions or ("WARN_BUDGET", "SPEND_BUDGET", "STOP_TOKEN", "FREE_TOKEN")
    rows = Event.objects.filter(action__in=wanted).order_by("pk")
    return list(rows.values_list("action", "subject", "request"))


def alerts() -> list[tuple[str, str, int]]:
    rows = Alert.objects.filter(OPEN).order_by("pk")
    return [(alert.category, str(alert.subject), alert.times) for alert in rows]


def a_month_later() -> None:
    """Let everything have happened a month ago."""
    last = this_month().start - timedelta(days=1)
    Budget.objects.exclude(warned_in=None).update(warned_in=last.date().replace(day=1))
    Budget.objects.exclude(spent_in=None).update(spent_in=last.date().replace(day=1))
    for row in Allocation.objects.filter(ended_at__isnull=False).order_by("started_at"):
        moved = {"started_at": row.started_at - timedelta(days=40), "ended_at": row.ended_at - timedelta(days=40)}  # type: ignore[operator]
        Allocation.objects.filter(pk=row.pk).update(**moved)
