from datetime import date
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from billing.errors import PriceInUse, PriceOverlap
from billing.models import Price
from billing.models.prices import DECIMALS, DIGITS
from billing.queries.prices import used_until, within
from core.errors import InvalidParameter, NotFound
from core.texts import require_row
from core.times import NEWEST, OLDEST
from core.tombstone import hold
from events.actor import Actor
from events.services import record
from sda.models import SdaModel
from usage.rollups.lock import lock_rollups

FINEST = Decimal(10) ** -DECIMALS
# How parameters are called outside.
WIRE = {
    "sda_model": "sdaModel",
    "device_model": "deviceModel",
    "valid_from": "validFrom",
    "valid_until": "validUntil",
}
MOST = Decimal(10) ** (DIGITS - DECIMALS)


@transaction.atomic
def create_price(
    *,
    amount: Decimal,
    valid_from: date,
    actor: Actor,
    sda_model: SdaModel | None = None,
    device_model: str = "",
    valid_until: date | None = None,
) -> Price:
    """Set the price of a device-hour of an SDA model or of a device model in [valid_from, valid_until).

    Raises InvalidParameter, and PriceOverlap where another price of the same is valid.
    """
    if sda_model:
        hold(sda_model, "sdaModel")
    price = Price(sda_model=sda_model, device_model=device_model, amount=amount)
    price.valid_from, price.valid_until = valid_from, valid_until
    require_row(price, WIRE)
    _save(price)
    record("CREATE_PRICE", actor=actor, subject=f"price/{price.pk}", **event_values(price))
    return price


@transaction.atomic
def change_price(price: Price, *, actor: Actor, **fields: Any) -> Price:
    """Change what a price is of, its amount or its days. Raises InvalidParameter, PriceOverlap.

    Raises PriceInUse when an issued statement used it: then it may only end, or end later.
    """
    _lock(price)
    used = used_until(price)
    if used and (fields.keys() - {"valid_until"} or not _outlasts(fields.get("valid_until"), used)):
        raise PriceInUse(**{WIRE.get(name, name): str(fields[name]) for name in fields}, usedUntil=used.isoformat())
    for name, value in fields.items():
        setattr(price, name, value)
    require_row(price, WIRE, only=fields)
    _save(price)
    record("UPDATE_PRICE", actor=actor, subject=f"price/{price.pk}", **event_values(price))
    return price


@transaction.atomic
def end_price(price: Price, valid_until: date, *, actor: Actor) -> bool:
    """End a price at a day's midnight; return whether it was valid until another one.

    Raises InvalidParameter, and PriceInUse when an issued statement used it later than that.
    """
    _lock(price)
    used = used_until(price)
    if used and valid_until < used:
        raise PriceInUse(validUntil=valid_until.isoformat(), usedUntil=used.isoformat())
    if price.valid_until == valid_until:
        return False
    price.valid_until = valid_until
    _save(price)
    record("END_PRICE", actor=actor, subject=f"price/{price.pk}", **event_values(price))
    return True


@transaction.atomic
def replace_price(price: Price, *, amount: Decimal, valid_from: date, actor: Actor) -> Price:
    """End a price and set another one of the same from that day on, until it would have ended. Raises as both do."""
    _lock(price)
    until = price.valid_until
    if until and until <= valid_from:
        raise InvalidParameter(_("The price ends before that day."), parameter="validFrom")
    end_price(price, valid_from, actor=actor)
    of: dict[str, Any] = {"sda_model": price.sda_model, "device_model": price.device_model}
    return create_price(amount=amount, valid_from=valid_from, valid_until=until, actor=actor, **of)


@transaction.atomic
def delete_price(price: Price, *, actor: Actor) -> None:
    """Take a price away. Raises PriceInUse when an issued statement used it, NotFound."""
    _lock(price)
    used = used_until(price)
    if used:
        raise PriceInUse(id=price.pk, usedUntil=used.isoformat())
    Price.objects.filter(pk=price.pk).delete()
    record("DELETE_PRICE", actor=actor, subject=f"price/{price.pk}", **event_values(price))


def _lock(price: Price) -> None:
    """Read a price again; nobody else changes it, or issues a statement, until the transaction ends."""
    lock_rollups()
    try:
        price.refresh_from_db(from_queryset=Price.objects.select_for_update())
    except Price.DoesNotExist as error:
        raise NotFound(id=price.pk) from error


def _outlasts(until: date | None, used: date) -> bool:
    return until is None or until >= used


def event_values(price: Price) -> dict[str, Any]:
    """Return a price as its events tell it."""
    whose = {"sdaModel": price.sda_model_id} if price.sda_model_id else {"deviceModel": price.device_model}
    until = price.valid_until.isoformat() if price.valid_until else None
    return {**whose, "amount": str(price.amount), "validFrom": price.valid_from.isoformat(), "validUntil": until}


def _save(price: Price) -> None:
    _judge(price)
    try:
        with transaction.atomic():
            price.save()
    except IntegrityError as error:  # another one was set meanwhile
        raise PriceOverlap(validFrom=price.valid_from.isoformat()) from error


def _judge(price: Price) -> None:
    if bool(price.sda_model_id) == bool(price.device_model):
        raise InvalidParameter(_("Name an SDA model or a device model, and not both."), parameter="sdaModel")
    amount = Decimal(price.amount)
    if not (amount.is_finite() and 0 <= amount < MOST) or amount != amount.quantize(FINEST):
        raise InvalidParameter(_("A price is not negative and has at most six decimals."), parameter="amount")
    for name in ("valid_from", "valid_until"):
        day = getattr(price, name)
        if day and not OLDEST.date() <= day <= NEWEST.date():
            raise InvalidParameter(_("The day is out of range."), parameter=WIRE[name])
    if price.valid_until and price.valid_until <= price.valid_from:
        raise InvalidParameter(_("The end must be after the start."), parameter="validUntil")
    mine = Price.objects.filter(sda_model=price.sda_model_id, device_model=price.device_model).exclude(pk=price.pk)
    other = mine.filter(within(price.valid_from, price.valid_until)).order_by("valid_from").first()
    if other:
        until = other.valid_until.isoformat() if other.valid_until else ""
        raise PriceOverlap(validFrom=other.valid_from.isoformat(), validUntil=until)
