"""How figures are written on the console's pages."""

from django import template

from usage.metering import HOUR_MS

register = template.Library()


@register.filter
def percent_of(part: float, whole: float) -> str:
    """Write a part as a percentage of a whole; what is there is never 0 %, what is missing never 100 %."""
    if not whole:
        return ""
    share = 100 * part / whole
    if 0 < share < 1 or 99 < share < 100:
        return "< 1 %" if share < 1 else "> 99 %"
    return f"{share:.0f} %"


@register.filter
def amount(value: float) -> str:
    """Write a number that is not whole: two decimals, small ones two digits; what is there is never 0."""
    if 0 < value < 0.1:
        return f"{value:.2g}" if value >= 0.0001 else "< 0.0001"
    return f"{value:,.2f}"


@register.filter
def whole(value: int) -> str:
    """Write a whole number, thousands apart."""
    return f"{value:,}"


@register.filter
def device_hours(device_ms: int) -> str:
    """Write device-milliseconds as device-hours."""
    return amount(device_ms / HOUR_MS)
