"""Template tags for jobs: status, start estimate, durations and times."""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from scheduler import colours
from scheduler.choices import JobStatus
from scheduler.estimates.start_estimates import Estimate
from scheduler.policy.forecast import Basis

register = template.Library()
SOON = timedelta(minutes=10)  # an estimate of a later start knows no seconds
NOTHING = "–"  # noqa: RUF001 - the sign for "no value"


@register.simple_tag
def job_chip(status: str) -> SafeString:
    """Return the status of a job as a coloured word."""
    return format_html('<span class="mc-word {}">{}</span>', colours.JOB[status], JobStatus(status).label)


@register.simple_tag
def expected_start(estimate: Estimate | None, until: datetime | None = None) -> SafeString:
    """Return when a waiting job is expected to start, with the basis of the estimate, or that it is unknown.

    `until`: when the forecast was cut off; None when it was not.
    """
    if estimate is None and until is not None:
        return format_html("<span>{}</span>", _("unknown, or after %(at)s") % {"at": moment(until)[:-3]})
    if estimate is None:
        basis = _("Nobody knows how long those before it will hold their devices, or nobody has looked yet.")
        return format_html('<span title="{}">{}</span>', basis, _("unknown"))
    if estimate.basis == Basis.FREE or estimate.at <= timezone.now():
        return format_html("<span>{}</span>", _("at any moment"))
    at = moment(estimate.at) if estimate.at - timezone.now() < SOON else moment(estimate.at)[:-3]
    if estimate.basis == Basis.LIMITS:
        basis = _("The time limits of those before it end by then; nobody knows more.")
        return format_html('<span title="{}">{}</span>', basis, _("%(at)s at the latest (time limits)") % {"at": at})
    if estimate.basis == Basis.MAINTENANCE:
        basis = _("Maintenance of nodes that it needs ends by then, as planned.")
        return format_html('<span title="{}">{}</span>', basis, _("about %(at)s (end of maintenance)") % {"at": at})
    basis = _("Such jobs of the same customers ran so long before: the median of the latest.")
    return format_html('<span title="{}">{}</span>', basis, _("about %(at)s (history)") % {"at": at})


@register.filter
def span(seconds: int | None) -> str:
    """Return a duration like 0:04:05, with the number of days in front when there are any."""
    if seconds is None:
        return NOTHING
    days, rest = divmod(int(seconds), 86_400)
    clock = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return _("%(days)s d %(clock)s") % {"days": days, "clock": clock} if days else clock


@register.simple_tag
def ticking(seconds: int | None) -> SafeString | str:
    """Return a duration that goes on; the script of the page counts it up."""
    if seconds is None:
        return NOTHING
    shape = _("%(days)s d %(clock)s")
    return format_html('<span data-seconds="{}" data-days="{}">{}</span>', seconds, shape, span(seconds))


@register.filter
def moment(at: Any) -> str:
    """Return a time to the second, in the time zone of the installation."""
    return NOTHING if at is None else f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"
