"""The shapes of channels, deliveries and attempts on the wire."""

from typing import Any

from core.api.times import iso
from core.crypto import readable
from outbox.models import Attempt, Delivery
from outbox.sending.details import shown_detail
from outbox.sending.targets import shown_url
from outbox.status import channel_status, next_attempt


def channel_card(channel: Any) -> dict[str, Any]:
    """Return a channel, which was read with its last attempt; of its address only the host is shown."""
    return {
        "id": channel.pk,
        "name": channel.name,
        "kind": channel.kind,
        "url": shown_url(str(readable(channel.url, channel.pk) or "")),
        "recipients": channel.recipients,
        "language": channel.language,
        "enabled": channel.enabled,
        "failures": channel.failures,
        "failingSince": iso(channel.failing_since),
        "nextAt": iso(channel.next_at),
        "state": channel_status(channel, channel.last_result),
        "lastResult": channel.last_result,
        "lastAttemptAt": iso(channel.last_attempt_at),
        "oldSecretUntil": iso(channel.old_secret_until),
    }


def delivery_card(row: Delivery) -> dict[str, Any]:
    """Return a delivery with its message, which the row was read with."""
    message = row.message
    return {
        "id": row.pk,
        "channel": row.channel_id,
        "kind": row.kind,
        "about": row.ordering_key,
        "group": row.group_key,
        "state": row.state,
        "message": str(message) if message else None,
        "subject": message.subject if message else "",
        "tries": message.tries if message else 0,
        "createdAt": iso(row.created_at),
        "notBefore": iso(row.not_before),
        "nextAt": iso(next_attempt(row)),
        "endedAt": iso(row.ended_at),
    }


def attempt_card(row: Attempt) -> dict[str, Any]:
    """Return an attempt with its message, which the row was read with."""
    return {
        "id": row.pk,
        "channel": row.channel_id,
        "message": str(row.message),
        "number": row.number,
        "at": iso(row.at),
        "result": row.result,
        "statusCode": row.code,
        "latency": row.latency_ms,
        "size": row.size,
        "detail": shown_detail(row.detail),
    }
