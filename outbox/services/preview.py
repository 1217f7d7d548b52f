"""What a channel's messages look like, of each kind, with sample payloads. Nothing is sent."""

import json
from html import unescape
from typing import Any, NamedTuple

from core.clock import db_now
from core.errors import Message
from outbox.choices import ChannelKind
from outbox.models import Channel, OutgoingMessage
from outbox.rendering import KINDS
from outbox.services.sending import fill


class Preview(NamedTuple):
    """A kind of message with its subject and content."""

    kind: str
    label: Message
    subject: str
    content: str


def previews(channel: Channel, **known: Any) -> list[Preview]:
    """Return a message of each kind as the channel would send it; a content for people is its text.

    `known` says what samples of alerts hold instead of made-up values.
    """
    now = db_now()
    found = []
    for name, kind in sorted(KINDS.items()):
        message = OutgoingMessage(kind=name, created_at=now, give_up_at=now)
        fill(message, channel, [{**one, **known} for one in kind.sample()])
        found.append(Preview(name, kind.label, message.subject, _readable(channel, message.content)))
    return found


def preview_as(name: str, kind: str, language: str, **known: Any) -> Preview:
    """Return a message of one kind as a new channel of a kind and language would send it. Raises KeyError."""
    return {one.kind: one for one in previews(Channel(kind=kind, language=language), **known)}[name]


def _readable(channel: Channel, content: str) -> str:
    if not content:
        return ""
    read = json.loads(content)
    if channel.kind == ChannelKind.MAIL:
        return str(read["text"])
    if channel.kind == ChannelKind.SLACK:
        return unescape(str(read["text"]))
    return json.dumps(read, ensure_ascii=False, indent=2)
