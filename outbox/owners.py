"""Whose a channel is: an app above that owns channels of its own says so, and only it renames and deletes them."""

from collections.abc import Callable

from core.errors import Conflict, Message
from outbox.models import Channel

Claim = Callable[[Channel], Message | None]
_claims: list[Claim] = []


def register_owner(claim: Claim) -> None:
    """Register what says to whom a channel belongs; it returns None for every other channel."""
    _claims.append(claim)


def require_unowned(channel: Channel, name: str) -> None:
    """Raise Conflict, which names the parameter `name`, when a channel belongs to something else."""
    for claim in _claims:
        if told := claim(channel):
            raise Conflict(told, **{name: channel.pk if name == "id" else channel.name})
