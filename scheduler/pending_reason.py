"""Texts of pending reasons, with their numbers."""

from collections.abc import Iterable, Mapping

from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy

from backends.queries.health import faulty_devices
from core.errors import Message
from scheduler.models import Job
from scheduler.policy.decisions import BLOCKING, PendingReason

TEXTS: Mapping[str, Message] = {
    PendingReason.BLOCKED_BY_HEAD: _("Job #%(head)s is in front of it and needs devices first."),
    PendingReason.NOT_ENOUGH_DEVICES: ngettext_lazy(
        "It needs %(needed)s device; free: %(available)s.",
        "It needs %(needed)s devices; free: %(available)s.",
        "needed",
    ),
    PendingReason.NO_SINGLE_NODE: ngettext_lazy(
        "It needs %(needed)s device on one node; free on the best one: %(available)s.",
        "It needs %(needed)s devices on one node; free on the best one: %(available)s.",
        "needed",
    ),
    PendingReason.MAINTENANCE: ngettext_lazy(
        "It needs %(needed)s device without maintenance before its end; free: %(available)s.",
        "It needs %(needed)s devices without maintenance before its end; free: %(available)s.",
        "needed",
    ),
    PendingReason.OVER_TOKEN_LIMIT: ngettext_lazy(
        "Its token may hold %(available)s device at once; with it: %(needed)s.",
        "Its token may hold %(available)s devices at once; with it: %(needed)s.",
        "available",
    ),
    PendingReason.OVER_GROUP_LIMIT: ngettext_lazy(
        "One of its token's groups may hold %(available)s device at once; with it: %(needed)s.",
        "One of its token's groups may hold %(available)s devices at once; with it: %(needed)s.",
        "available",
    ),
    PendingReason.TOKEN_STOPPED: _("Its token may start nothing: what it may use this month is used up."),
    PendingReason.SDA_BUSY: _("Its SDA already runs as many jobs as it may."),
    PendingReason.NO_ACTIVE_BACKEND: _("No node of its group is in service."),
    PendingReason.GROUP_DRAINING: _("Its group takes no new jobs."),
    PendingReason.NEVER_FITS: ngettext_lazy(
        "It needs %(needed)s device; its group has at most %(available)s.",
        "It needs %(needed)s devices; its group has at most %(available)s.",
        "needed",
    ),
}


def describe_pending_reason(job: Job, head: int | None) -> str:
    """Return the text of a job's pending reason; `head` is the job that blocks its queue."""
    return pending_reason_text(job.pending_reason, job.pending_needed, job.pending_available, head)


def faulty_among(reasons: Iterable[tuple[int, str]]) -> dict[int, int]:
    """Return how many devices have failed or are in repair in those groups in which a job waits for devices.

    `reasons`: (backend group, pending reason) of waiting jobs. One query, or none if no job waits for devices.
    """
    groups = {group for group, reason in reasons if reason in BLOCKING}
    return faulty_devices(groups) if groups else {}


def describe_faulty_devices(reason: str, faulty: int) -> str:
    """Return how many devices of its group a job cannot get because they are faulty, if it waits for devices; or ""."""
    if not faulty or reason not in BLOCKING:
        return ""
    text = ngettext(
        "%(faulty)s device of its group has failed or is in repair.",
        "%(faulty)s devices of its group have failed or are in repair.",
        faulty,
    )
    return text % {"faulty": faulty}


def pending_reason_text(reason: str, needed: int, available: int, head: int | None, *, faulty: int = 0) -> str:
    """Return the text of a reason with its numbers, in the reader's language.

    Without a reason it says that no cycle has decided on the job yet. `faulty`: how many devices of its group have
    failed or are in repair.
    """
    text = TEXTS.get(reason)
    if text is None:
        return str(_("The scheduler has not looked at it yet."))
    said = text % {"head": head or "?", "needed": needed, "available": available}
    return f"{said} {describe_faulty_devices(reason, faulty)}".rstrip()
