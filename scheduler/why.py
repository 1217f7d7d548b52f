"""Why a job waits, in words with numbers."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from moreh_cloud.lib.errors import Message
from scheduler.models import Job
from scheduler.policy.reasons import Reason

WORDS: Mapping[str, Message] = {
    Reason.BLOCKED_BY_HEAD: _("Job #%(head)s is in front of it and needs devices first."),
    Reason.NOT_ENOUGH_DEVICES: ngettext_lazy(
        "It needs %(needed)s device; free: %(available)s.",
        "It needs %(needed)s devices; free: %(available)s.",
        "needed",
    ),
    Reason.NO_SINGLE_NODE: ngettext_lazy(
        "It needs %(needed)s device on one node; free on the best one: %(available)s.",
        "It needs %(needed)s devices on one node; free on the best one: %(available)s.",
        "needed",
    ),
    Reason.OVER_TOKEN_LIMIT: ngettext_lazy(
        "Its token may hold %(available)s device at once; with it: %(needed)s.",
        "Its token may hold %(available)s devices at once; with it: %(needed)s.",
        "available",
    ),
    Reason.OVER_GROUP_LIMIT: ngettext_lazy(
        "One of its token's groups may hold %(available)s device at once; with it: %(needed)s.",
        "One of its token's groups may hold %(available)s devices at once; with it: %(needed)s.",
        "available",
    ),
    Reason.TOKEN_STOPPED: _("Its token may start nothing: what it may use this month is used up."),
    Reason.SDA_BUSY: _("Its SDA already runs as many jobs as it may."),
    Reason.NO_ACTIVE_BACKEND: _("No node of its group is in service."),
    Reason.GROUP_DRAINING: _("Its group takes no new jobs."),
    Reason.NEVER_FITS: ngettext_lazy(
        "It needs %(needed)s device; its group has at most %(available)s.",
        "It needs %(needed)s devices; its group has at most %(available)s.",
        "needed",
    ),
}


def why_it_waits(job: Job, head: int | None) -> str:
    """Say why a waiting job waits; `head` is the job that blocks its queue."""
    return in_words(job.pending_reason, job.pending_needed, job.pending_available, head)


def in_words(reason: str, needed: int, available: int, head: int | None) -> str:
    """Say a reason with its numbers in the reader's language; without a reason, that nobody has looked yet."""
    words = WORDS.get(reason)
    if words is None:
        return str(_("The scheduler has not looked at it yet."))
    return words % {"head": head or "?", "needed": needed, "available": available}
