"""What people are told of channels and deliveries: true now, and not only where the row stands between two attempts."""

from datetime import datetime

from core.lease import is_leased
from outbox.choices import UNDER_WAY, AttemptResult, ChannelStatus, DeliveryState, DeliveryStatus
from outbox.models import Channel, Delivery


def channel_status(channel: Channel, last_result: str | None) -> ChannelStatus:
    """Return how a channel is; `last_result` is that of its last attempt in the log, None without one."""
    if channel.deleted_at:
        return ChannelStatus.DELETED
    if not channel.enabled:
        return ChannelStatus.OFF
    if channel.failing_since:
        return ChannelStatus.FAILING
    if last_result is None:  # the log is kept for some days only
        return ChannelStatus.QUIET if channel.attempt else ChannelStatus.UNTRIED
    return ChannelStatus.WORKS if last_result == AttemptResult.OK else ChannelStatus.LAST_FAILED


def delivery_status(row: Delivery, now: datetime) -> DeliveryStatus:
    """Return what a delivery does now; it was read with channel and message."""
    if row.state not in UNDER_WAY:
        return DeliveryStatus(row.state)
    if not row.channel.enabled and not _is_tested(row, now):
        return DeliveryStatus.CHANNEL_OFF
    if row.state == DeliveryState.PENDING:
        return DeliveryStatus.WAITING
    return DeliveryStatus.SENDING if _is_tried_now(row, now) else DeliveryStatus.RETRY


def next_attempt(row: Delivery) -> datetime | None:
    """Return when a delivery is tried next: when it is due, or later if its channel waits until then. None: never.

    It was read with channel and message. That of a channel that is switched off is not known.
    """
    if row.state not in UNDER_WAY or not row.channel.enabled:
        return None
    due = row.message.next_at if row.message else row.not_before
    return max(due, row.channel.next_at) if due and row.channel.next_at else due


def _is_tried_now(row: Delivery, now: datetime) -> bool:
    at = next_attempt(row)
    return _is_tested(row, now) or (is_leased(row.channel, now) and at is not None and at <= now)


def _is_tested(row: Delivery, now: datetime) -> bool:
    """Whether the process of an operator sends it as a test: workers leave it alone until later."""
    message = row.message
    return message is not None and not message.tries and message.next_at is not None and message.next_at > now
