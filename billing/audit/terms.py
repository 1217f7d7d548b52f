"""Prices and budgets beside their events, each of which holds all that was set."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Model

from billing.models import Budget, Price
from billing.services import budgets, prices
from events.models import Event

COLUMNS = {
    "token": "token_id",
    "sdaModel": "sda_model_id",
    "deviceModel": "device_model",
    "amount": "amount",
    "validFrom": "valid_from",
    "validUntil": "valid_until",
    "kind": "kind",
    "warnPercent": "warn_percent",
    "stops": "stops",
}
ACTIONS = {kind: [f"{verb}_{kind}" for verb in ("CREATE", "UPDATE", "END", "DELETE")] for kind in ("PRICE", "BUDGET")}


@dataclass(frozen=True, slots=True)
class _SetEvent:
    """The last event of a row."""

    pk: int
    action: str
    token: int | None
    request: Mapping[str, Any]


def unlike_set() -> Iterator[str]:
    """Return a line for each value of a price or a budget that differs from the event that set it."""
    yield from _unlike("PRICE", {row.pk: (row, prices.event_values(row)) for row in Price.objects.order_by("pk")})
    rows = Budget.objects.order_by("pk")
    yield from _unlike("BUDGET", {row.pk: (row, {**budgets.event_values(row), "token": row.token_id}) for row in rows})


def _unlike(kind: str, rows: Mapping[int, tuple[Model, Mapping[str, Any]]]) -> Iterator[str]:
    table = f"billing_{kind.lower()}"
    events = _last_events(kind)
    for pk in sorted(rows.keys() | events.keys()):
        event, there = events.get(pk), rows.get(pk)
        if event is None:
            yield f"{table} {pk}: no event says that it was set"
        elif there is None:
            if not event.action.startswith("DELETE"):
                yield f"{table} {pk}: event {event.pk} says that it was set, but it is gone"
        elif event.action.startswith("DELETE"):
            yield f"{table} {pk}: event {event.pk} says that it was deleted, but it is there"
        else:
            yield from _values(f"{table} {pk}", there[1], event)


def _last_events(kind: str) -> Mapping[int, _SetEvent]:
    found = Event.objects.filter(action__in=ACTIONS[kind]).order_by("pk")
    events = found.values_list("subject", "pk", "action", "token_id", "request")
    last = {subject: _SetEvent(*event) for subject, *event in events}
    return {int(number): event for subject, event in last.items() if (number := subject.partition("/")[2]).isdecimal()}


def _values(whose: str, there: Mapping[str, Any], event: _SetEvent) -> Iterator[str]:
    stored = {**(event.request if isinstance(event.request, dict) else {}), "token": event.token}
    for name, column in COLUMNS.items():
        value, wanted = there.get(name), stored.get(name)
        if name == "amount":
            value, wanted = _plain(value), _plain(wanted)
        if value != wanted:
            yield f"{whose} {column}: is {value}, was set to {wanted}"


def _plain(amount: Any) -> str:
    """Return an amount without zeros behind the point; what is no amount as it is."""
    try:
        return f"{Decimal(str(amount)).normalize():f}"
    except ArithmeticError:
        return str(amount)
