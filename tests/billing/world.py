"""Usage to be billed, in a month that is long over."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from billing.models import Price, Statement
from billing.services.prices import create_price
from scheduler.models import Allocation
from sda.models import Sda
from tests import make
from usage.services import recount_hours

MARCH = date(2025, 3, 1)
START = datetime(2025, 2, 28, 15, tzinfo=UTC)  # midnight in Seoul
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
END = START + 31 * DAY


def hold(sda: Sda, start: datetime, end: datetime, device_model: str = "MI250") -> Allocation:
    """Let a reserved SDA have held a device of its own; no roll-up knows it yet."""
    device = make.backend(1, device_model=device_model).devices.get()
    times = {"started_at": start, "ended_at": end}
    made: Allocation = Allocation.objects.create(sda=sda, sda_model=sda.model, token=sda.token, device=device, **times)
    return made


def price(amount: str, since: date = MARCH, until: date | None = None, **of: Any) -> Price:
    return create_price(amount=Decimal(amount), valid_from=since, valid_until=until, actor=make.ACTOR, **of)


def close(start: datetime = START, end: datetime = END) -> None:
    """Close all hours of March, and the month."""
    recount_hours(start, end, actor=make.ACTOR)


def lines_of(statement: Statement) -> list[tuple[Any, ...]]:
    names = ("sda_model_name", "device_model", "unit_price", "device_ms", "amount")
    return list(statement.lines.order_by("place").values_list(*names))
