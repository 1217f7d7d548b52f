"""Prices of device-time, exactly: fractions until a line is rounded, once, half up; never floats."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Context, Decimal
from fractions import Fraction

from usage.metering import HOUR_MS

EXACT = Context(
    prec=60
)  # digits of unrounded money as a decimal; a price of an hour has no finite one of a millisecond
NO_MINOR = {
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"),
    *("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"),
}
THOUSANDTHS = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"}


def digits_of(currency: str) -> int:
    """Return the number of minor digits of a currency (ISO 4217): 0 of KRW, 2 of USD."""
    return 0 if currency in NO_MINOR else 3 if currency in THOUSANDTHS else 2


@dataclass(frozen=True, slots=True)
class Rate:
    """The price of a device-hour in [start, end) of an SDA model or, without one, of a device model."""

    id: int
    sda_model: int | None
    device_model: str
    amount: Decimal
    start: date
    end: date | None

    def holds(self, day: date) -> bool:
        """Whether it is valid on a day."""
        return self.start <= day and (self.end is None or day < self.end)


class PriceList:
    """Rates, of which no two of the same thing are valid on one day."""

    def __init__(self, rates: Iterable[Rate]) -> None:
        self._rates: defaultdict[int | str, list[Rate]] = defaultdict(list)
        for rate in rates:
            self._rates[rate.device_model if rate.sda_model is None else rate.sda_model].append(rate)

    def changes(self, after: date, before: date) -> list[date]:
        """Return the days, between two, with which some rate begins or ends, in order."""
        rates = [rate for mine in self._rates.values() for rate in mine]
        days = {day for rate in rates for day in (rate.start, rate.end) if day}
        return sorted(day for day in days if after < day < before)

    def rate(self, sda_model: int, device_model: str, day: date) -> Rate | None:
        """Return the price on a day: that of the SDA model, else that of the device model.

        Usage of before may name a device model with blanks at its ends; a price never does.
        """
        choice = (*self._rates.get(sda_model, ()), *self._rates.get(device_model.strip(), ()))
        return next((rate for rate in choice if rate.holds(day)), None)


def charge(device_ms: int, amount: Decimal) -> Fraction:
    """Return the money for device-milliseconds at a price of a device-hour, not rounded."""
    return device_ms * Fraction(amount) / HOUR_MS


def unrounded(money: Fraction) -> Decimal:
    """Return money as a decimal of 60 digits, far more than anything is rounded to."""
    return EXACT.divide(Decimal(money.numerator), Decimal(money.denominator))


def rounded(money: Fraction, digits: int) -> Decimal:
    """Round money to a currency's digits, half up: away from zero."""
    whole = (abs(money) * 10**digits * 2 + 1) // 2
    return Decimal(f"{-whole if money < 0 else whole}e-{digits}")


def money(amount: Decimal, digits: int) -> str:
    """Write an amount with exactly a currency's digits."""
    return f"{amount:.{digits}f}"
