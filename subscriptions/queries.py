"""Named reads of subscriptions."""

from collections.abc import Collection
from typing import Any

from django.db.models import Q, QuerySet

from events.models import Event
from subscriptions.choices import PREFIXES, EventKind
from subscriptions.models import Subscription

FIELDS = ("pk", "action", "subject", "token_id", "actor", "event_time", "request")


def live_subscriptions() -> QuerySet[Subscription]:
    """Return the subscriptions that are not deleted, with their channels."""
    return Subscription.objects.live().select_related("channel").order_by("name", "id")


def events_between(after: int, until: int, kinds: Collection[str], most: int) -> list[tuple[Any, ...]]:
    """Return the events of some kinds with ids above `after` and up to `until`, in order, at most so many."""
    wanted = Q()
    for kind in kinds:
        if prefix := PREFIXES.get(EventKind(kind)):
            wanted |= Q(subject__startswith=prefix)
    if not wanted:
        return []
    rows = Event.objects.filter(wanted, pk__gt=after, pk__lte=until).order_by("pk")
    return list(rows.values_list(*FIELDS)[:most])
