from datetime import date
from typing import Any

from django.db.models import Q
from django.utils import timezone

from billing.choices import StatementStatus
from billing.models import Price, Statement
from billing.pricing import PriceList, Rate

FIELDS = ("pk", "sda_model_id", "device_model", "amount", "valid_from", "valid_until")


def within(start: date, end: date | None) -> Q:
    """Choose the prices that are valid on some day of [start, end); None means without end."""
    begun = Q() if end is None else Q(valid_from__lt=end)
    return begun & (Q(valid_until__isnull=True) | Q(valid_until__gt=start))


def price_list(start: date, end: date) -> PriceList:
    """Return all prices of some days of [start, end), in one query."""
    rows: Any = Price.objects.filter(within(start, end)).order_by().values_list(*FIELDS)
    return PriceList(Rate(*row) for row in rows)


def used_until(price: Price) -> date | None:
    """Return the day before which issued statements used a price; None when none did."""
    issued = Q(lines__price=price.pk, status=StatementStatus.ISSUED)
    last = Statement.objects.filter(issued).order_by("month").values_list("ends_at", flat=True).last()
    if last is None:
        return None
    end = timezone.localdate(last)
    return min(end, price.valid_until) if price.valid_until else end
