"""Template filters that format numbers."""

from django import template

from usage.metering import HOUR_MS

register = template.Library()


@register.filter
def percent_of(part: float, whole: float) -> str:
    """Return a part as a percentage of a whole. Only 0 is shown as 0 %, and only the whole as 100 %."""
    if not whole:
        return ""
    share = 100 * part / whole
    if 0 < share < 1 or 99 < share < 100:
        return "< 1 %" if share < 1 else "> 99 %"
    return f"{share:.0f} %"


@register.filter
def amount(value: float) -> str:
    """Return a number with two decimals; a small one with two digits. Only 0 is shown as 0."""
    if 0 < value < 0.1:
        return f"{value:.2g}" if value >= 0.0001 else "< 0.0001"
    return f"{value:,.2f}"


@register.filter
def whole(value: int) -> str:
    """Return a whole number with separators of thousands."""
    return f"{value:,}"


@register.filter
def device_hours(device_ms: int) -> str:
    """Return device-milliseconds as device-hours."""
    return amount(device_ms / HOUR_MS)
