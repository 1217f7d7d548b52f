"""How states and results look."""

from datetime import datetime

from django.utils.safestring import SafeString
from django.utils.translation import ngettext

from core.admin import badge
from outbox.choices import AttemptResult, ChannelStatus, DeliveryStatus
from outbox.models import Attempt, Channel, Delivery
from outbox.sending.details import shown_detail
from outbox.status import channel_status, delivery_status

DELIVERY_COLOURS = {
    DeliveryStatus.WAITING: "",
    DeliveryStatus.SENDING: "info",
    DeliveryStatus.RETRY: "warning",
    DeliveryStatus.CHANNEL_OFF: "warning",
    DeliveryStatus.SENT: "success",
    DeliveryStatus.FAILED: "danger",
    DeliveryStatus.CANCELED: "",
}
CHANNEL_COLOURS = {
    ChannelStatus.FAILING: "danger",
    ChannelStatus.LAST_FAILED: "danger",
    ChannelStatus.WORKS: "success",
}


def state_badge(row: Delivery, now: datetime) -> SafeString:
    """Return what a delivery does now; it was read with channel and message."""
    status = delivery_status(row, now)
    return badge(status.label, DELIVERY_COLOURS[status])


def result_badge(row: Attempt) -> SafeString:
    """Return the result of an attempt."""
    return badge(row.get_result_display(), "success" if row.result == AttemptResult.OK else "danger")


def channel_badge(row: Channel, last_result: str | None) -> SafeString:
    """Return how a channel is; `last_result` is that of its last attempt."""
    status = channel_status(row, last_result)
    return badge(status.label, CHANNEL_COLOURS.get(status, ""))


def answer_of(row: Attempt) -> str:
    """Return the answer of a receiver in one line: code, latency and detail."""
    told = [str(row.code or ""), latency(row), shown_detail(row.detail)]
    return ", ".join(part for part in told if part)


def latency(row: Attempt) -> str:
    """Return how long a receiver took, with the unit."""
    return f"{row.latency_ms:,} ms"


def size(row: Attempt) -> str:
    """Return how much was sent, with the unit."""
    return ngettext("%(number)s byte", "%(number)s bytes", row.size) % {"number": f"{row.size:,}"}
