"""Use of budgets in this month of the installation's time zone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

from django.conf import settings
from django.utils import timezone

from billing.models import Budget
from billing.pricing import digits_of, money, rounded
from billing.queries.charges import charges
from core.clock import db_now
from tokens.choices import BudgetKind
from usage.calendar import Unit, floor
from usage.metering import HOUR_MS
from usage.queries import usage_by

MANY = 1000  # of more tokens than these, everybody's use is read
HOURS = "device-hours"


@dataclass(frozen=True, slots=True)
class Month:
    """A month so far: its first day, when it began, and until when its use is counted."""

    day: date
    start: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class BudgetUse:
    """What tokens have used in a month, by kind and token; tokens that used nothing are absent."""

    month: Month
    of: Mapping[str, Mapping[int, Fraction]] = field(default_factory=dict)

    def standing(self, budget: Budget) -> "Standing":
        """Return how much of a budget is used."""
        return Standing(budget, self.of.get(budget.kind, {}).get(budget.token_id, Fraction(0)))


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget and what is used of it, exactly: money or device-hours."""

    budget: Budget
    used: Fraction

    @property
    def percent(self) -> Fraction:
        """Return how much of it is used, %; 100 of a budget of nothing."""
        return 100 * self.used / Fraction(self.budget.amount) if self.budget.amount else Fraction(100)

    @property
    def is_near(self) -> bool:
        """Whether the warning level is reached."""
        return self.percent >= self.budget.warn_percent

    @property
    def is_spent(self) -> bool:
        """Whether all of it is used."""
        return self.used >= Fraction(self.budget.amount)

    def figures(self) -> dict[str, str]:
        """Return its figures as events store them: kind, limit, spent and unit."""
        limit, used = self.budget.amount, self.used
        figures = {"kind": str(self.budget.kind), "unit": HOURS}
        if self.budget.kind == BudgetKind.MONEY:
            digits = digits_of(settings.MOREH_CURRENCY)
            figures["unit"] = settings.MOREH_CURRENCY
            return {**figures, "limit": plain(limit), "spent": money(rounded(used, digits), digits)}
        return {**figures, "limit": plain(limit), "spent": money(rounded(used, 2), 2)}


def plain(amount: Decimal) -> str:
    """Write an amount without zeros behind the point."""
    return f"{amount.normalize():f}"


def this_month() -> Month:
    """Return the month that it is now."""
    return month_of(db_now())


def month_of(now: datetime) -> Month:
    """Return the month of the installation's time zone that a time lies in, until then."""
    zone = timezone.get_default_timezone()
    start = floor(now, Unit.MONTH, zone)
    return Month(timezone.localdate(start, zone), start, now)


def use_of(budgets: Collection[Budget], month: Month) -> BudgetUse:
    """Return what the tokens of some budgets have used; as many queries for all of them as for one."""
    money, hours = (_tokens(budgets, kind) for kind in (BudgetKind.MONEY, BudgetKind.DEVICE_HOURS))
    found: dict[str, Mapping[int, Fraction]] = {}
    if money:
        spent = charges(month.start, month.now, _few(money))
        found[BudgetKind.MONEY] = {token: Fraction(amount) for token, amount in spent.items()}
    if hours:
        used = usage_by(month.start, month.now, ["token"], _few(hours))
        found[BudgetKind.DEVICE_HOURS] = {token: Fraction(times.device_ms, HOUR_MS) for (token,), times in used.items()}
    return BudgetUse(month, found)


def live_budgets() -> list[Budget]:
    """Return the budgets of every token that was not deleted."""
    return list(Budget.objects.filter(token__deleted_at__isnull=True))


def _tokens(budgets: Collection[Budget], kind: BudgetKind) -> list[int]:
    return sorted({budget.token_id for budget in budgets if budget.kind == kind})


def _few(tokens: Sequence[int]) -> Sequence[int] | None:
    return tokens if len(tokens) <= MANY else None
