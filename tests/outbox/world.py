"""Channels and notes of the tests, and the worker that sends them."""

from typing import Any

from outbox.choices import ChannelKind
from outbox.models import Attempt, Channel, Delivery, OutgoingMessage
from outbox.sending.signature import new_webhook_secret
from outbox.services import NewDelivery, create_channel, enqueue
from tests.make import ACTOR

SECRET = new_webhook_secret()


def channel(url: str, name: str = "portal", **fields: Any) -> Channel:
    """Make a signed webhook."""
    given: dict[str, Any] = {"kind": ChannelKind.WEBHOOK, "url": url, "secret": SECRET, **fields}
    if given["kind"] != ChannelKind.WEBHOOK:
        given.pop("secret")
    made, _secret = create_channel(name=name, actor=ACTOR, **given)
    return made


def notes(where: Channel, *numbers: int, **more: Any) -> None:
    """Enqueue notes with these numbers."""
    enqueue(NewDelivery(where.pk, "note", {"number": number}, **more) for number in numbers)


def states() -> dict[int, str]:
    """Return the states of notes by their numbers."""
    rows = Delivery.objects.order_by("pk").values_list("payload", "state")
    return {payload["number"]: state for payload, state in rows}


def log() -> list[tuple[int, str, int | None]]:
    """Return the delivery log: number of the attempt, result, code."""
    return list(Attempt.objects.order_by("pk").values_list("number", "result", "code"))


def make_due() -> None:
    """Let the time for the next attempts come."""
    OutgoingMessage.objects.filter(next_at__isnull=False).update(next_at="2026-01-01T00:00Z")
    Channel.objects.filter(next_at__isnull=False).update(next_at=None)
