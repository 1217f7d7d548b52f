"""Verbs of subscriptions."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from core.clock import db_now
from core.errors import InvalidParameter, NotFound
from core.tombstone import hold
from events.actor import Actor
from events.services import record
from events.settled import settled_id
from outbox.choices import ChannelKind
from outbox.services import create_channel, delete_channel, update_channel
from subscriptions.choices import EventKind
from subscriptions.models import Feed, Subscription

OF_CHANNEL = ("name", "url", "secret", "enabled", "language")


@transaction.atomic
def create_subscription(
    *, name: str, kinds: Sequence[str], url: str, actor: Actor, secret: str = "", language: str = "en"
) -> tuple[Subscription, str]:
    """Create a subscription with a channel of the same name; return it and the secret that was made, else "".

    It gets the events that come from now on. Raises Duplicate, InvalidParameter.
    """
    channel, new = create_channel(
        name=name, kind=ChannelKind.WEBHOOK, url=url, secret=secret, language=language, actor=actor
    )
    since = locked_feed(settled_id()).position  # nobody reads on until this is committed
    row = Subscription(channel=channel, name=channel.name, kinds=_checked(kinds), since_id=since, created_at=db_now())
    row.save()
    record("CREATE_SUBSCRIPTION", actor=actor, subject=_subject(row), name=row.name, kinds=row.kinds)
    return row, new


@transaction.atomic
def update_subscription(row: Subscription, *, actor: Actor, **fields: Any) -> Subscription:
    """Change name, kinds, url, secret, language, or whether it is enabled.

    Raises Duplicate, InvalidParameter, Conflict when it was deleted meanwhile.
    """
    hold(row)
    changes = {name: fields[name] for name in OF_CHANNEL if name in fields}
    if changes:
        update_channel(row.channel, actor=actor, by_owner=True, **changes)
    row.name = row.channel.name
    if "kinds" in fields:
        row.kinds = _checked(fields["kinds"])
        record("UPDATE_SUBSCRIPTION", actor=actor, subject=_subject(row), kinds=row.kinds)
    row.save(update_fields=["name", "kinds"])
    return row


@transaction.atomic
def delete_subscription(row: Subscription, *, actor: Actor) -> None:
    """Delete a subscription and its channel; what waits for it is canceled."""
    hold(row, alone=True)
    if not Subscription.objects.live().filter(pk=row.pk).update(deleted_at=db_now()):
        raise NotFound(id=row.pk)
    if row.channel.deleted_at is None:
        delete_channel(row.channel, actor=actor, by_owner=True)
    record("DELETE_SUBSCRIPTION", actor=actor, subject=_subject(row), name=row.name)


def locked_feed(start: int) -> Feed:
    """Return the locked row of the feed; `start` is where a new one begins."""
    Feed.objects.get_or_create(pk=1, defaults={"position": start})
    return Feed.objects.select_for_update().get(pk=1)


def _checked(kinds: Sequence[str]) -> list[str]:
    wanted = [kind for kind in EventKind.values if kind in kinds]
    if not wanted or set(kinds) - set(EventKind.values):
        raise InvalidParameter(_("Choose what it is told of."), parameter="kinds")
    return wanted


def _subject(row: Subscription) -> str:
    return f"subscription/{row.pk}"
