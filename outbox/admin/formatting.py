"""How states and results look."""

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from core.admin import badge
from outbox.choices import AttemptResult, DeliveryState
from outbox.models import Attempt, Channel, Delivery
from outbox.sending.details import shown_detail

STATES = {
    DeliveryState.PENDING: "",
    DeliveryState.SENDING: "info",
    DeliveryState.SENT: "success",
    DeliveryState.FAILED: "danger",
    DeliveryState.CANCELED: "",
}


def state_badge(row: Delivery) -> SafeString:
    """Return the state of a delivery."""
    return badge(row.get_state_display(), STATES[DeliveryState(row.state)])


def result_badge(row: Attempt) -> SafeString:
    """Return the result of an attempt."""
    return badge(row.get_result_display(), "success" if row.result == AttemptResult.OK else "danger")


def channel_badge(row: Channel) -> SafeString:
    """Return how a channel is."""
    if row.deleted_at:
        return badge(_("deleted"))
    if not row.enabled:
        return badge(_("switched off"))
    return badge(_("failing"), "danger") if row.failing_since else badge(_("works"), "success")


def answer_of(row: Attempt) -> str:
    """Return the answer of a receiver in one line: code, latency and detail."""
    told = [str(row.code or ""), f"{row.latency_ms} ms", shown_detail(row.detail)]
    return ", ".join(part for part in told if part)
