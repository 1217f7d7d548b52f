"""Signed webhooks and Slack-compatible webhooks: what is sent, and what an answer means."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from core.version import VERSION
from outbox.choices import AttemptResult, ChannelKind
from outbox.sending.http import HttpAnswer
from outbox.sending.outcome import Outgoing, SendOutcome
from outbox.sending.signature import key_of, signature

BASE = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": f"moreh-cloud/{VERSION}"}


def webhook_content(kind: str, at: datetime, data: Mapping[str, Any]) -> str:
    """Return the body of a signed webhook."""
    written = at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    return json.dumps({"type": kind, "timestamp": written, "data": data}, ensure_ascii=False, separators=(",", ":"))


def slack_content(subject: str, text: str) -> str:
    """Return the body for a Slack-compatible receiver; &, < and > are the characters that it gives a meaning."""
    said = f"*{_escaped(subject)}*\n{_escaped(text)}" if text else f"*{_escaped(subject)}*"
    return json.dumps({"text": said}, ensure_ascii=False)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def headers_of(outgoing: Outgoing, body: bytes) -> dict[str, str] | None:
    """Return the headers of a webhook, signed with its secrets and the time of now; None without a usable secret."""
    if outgoing.kind == ChannelKind.SLACK:
        return BASE
    if key_of(outgoing.secret) is None:
        return None
    keys = filter(None, map(key_of, (outgoing.secret, outgoing.old_secret)))
    message_id, at = f"msg_{outgoing.uid.hex}", int(time.time())
    return {
        **BASE,
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(signature(key, message_id, at, body) for key in keys),
    }


def outcome_of(answer: HttpAnswer, size: int) -> SendOutcome:
    """Return what an answer means: only 2xx accepts a message."""
    if 200 <= answer.status < 300:
        return SendOutcome(AttemptResult.OK, answer.status, size=size)
    if 300 <= answer.status < 400:
        return SendOutcome(AttemptResult.REDIRECT, answer.status, size=size)
    wait = _retry_after(answer.headers.get("retry-after", "")) if answer.status in (429, 503) else None
    return SendOutcome(AttemptResult.REFUSED, answer.status, size=size, retry_after=wait)


def _retry_after(text: str) -> float | None:
    """Return the seconds that a Retry-After header asks for, None if it cannot be read."""
    if text.strip().isascii() and text.strip().isdigit():
        return float(text.strip()[:9])
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
