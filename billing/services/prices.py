from datetime import date
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from billing.errors import PriceOverlap
from billing.models import Price
from billing.models.prices import DECIMALS, DIGITS
from billing.queries.prices import within
from moreh_cloud.events.actor import Actor
from moreh_cloud.events.services import record
from moreh_cloud.lib.errors import InvalidParameter, NotFound
from moreh_cloud.lib.tombstone import hold
from sda.models import SdaModel

FINEST = Decimal(10) ** -DECIMALS
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
    price = Price(sda_model=sda_model, device_model=device_model.strip(), amount=amount)
    price.valid_from, price.valid_until = valid_from, valid_until
    _save(price)
    record("CREATE_PRICE", actor=actor, subject=f"price/{price.pk}", **told(price))
    return price


@transaction.atomic
def delete_price(price: Price, *, actor: Actor) -> None:
    """Take a price away. Raises NotFound."""
    if not Price.objects.filter(pk=price.pk).delete()[0]:
        raise NotFound(id=price.pk)
    record("DELETE_PRICE", actor=actor, subject=f"price/{price.pk}", **told(price))


def told(price: Price) -> dict[str, Any]:
    """Give a price as its events tell it."""
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
    if price.valid_until and price.valid_until <= price.valid_from:
        raise InvalidParameter(_("The end must be after the start."), parameter="validUntil")
    mine = Price.objects.filter(sda_model=price.sda_model_id, device_model=price.device_model).exclude(pk=price.pk)
    other = mine.filter(within(price.valid_from, price.valid_until)).order_by("valid_from").first()
    if other:
        until = other.valid_until.isoformat() if other.valid_until else ""
        raise PriceOverlap(validFrom=other.valid_from.isoformat(), validUntil=until)
