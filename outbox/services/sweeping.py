"""What no worker does for a single message: giving up what nobody could send, and deleting what is old."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from core.clock import db_now
from core.lease import is_leased
from outbox.models import Attempt, Channel, Delivery, OutgoingMessage
from outbox.queries import expired_messages, late_deliveries
from outbox.services.enqueueing import cancel_rows
from outbox.services.giving_up import give_up_late

BATCH = 5000


def give_up_waiting() -> None:
    """End as FAILED what should have been sent by now, also of channels that are off; cancel what deleted ones had."""
    cancel_rows(Delivery.objects.filter(channel__deleted_at__isnull=False))
    now = db_now()
    found = {*_channels_of(late_deliveries(now)), *_channels_of(expired_messages(now))}
    for channel_id in sorted(found):
        while _give_up(channel_id):
            pass


def _channels_of(rows: QuerySet[Any]) -> Iterable[int]:
    ids: Iterable[int] = rows.order_by().values_list("channel", flat=True).distinct()
    return ids


@transaction.atomic
def _give_up(channel_id: int) -> bool:
    """End a batch as FAILED, unless a worker is sending, which does that itself."""
    channel, now = Channel.objects.select_for_update(no_key=True).get(pk=channel_id), db_now()
    return not is_leased(channel, now) and give_up_late(channel, now)


def delete_old() -> None:
    """Delete deliveries, messages and attempts that ended before MOREH_OUTBOX_KEPT, in batches."""
    before = db_now() - settings.MOREH_OUTBOX_KEPT
    while _delete_deliveries(before):
        pass
    while _delete_messages(before):
        pass


def _delete_deliveries(before: datetime) -> bool:
    old = Delivery.objects.filter(ended_at__lt=before).order_by("ended_at").values_list("pk", flat=True)[:BATCH]
    return bool(Delivery.objects.filter(pk__in=list(old))._raw_delete("default"))  # nothing points at a delivery


@transaction.atomic
def _delete_messages(before: datetime) -> bool:
    """Delete messages without deliveries; one that is kept for a younger delivery goes later."""
    old = OutgoingMessage.objects.filter(created_at__lt=before, next_at=None, deliveries=None)
    pks = list(old.order_by("created_at").values_list("pk", flat=True)[:BATCH])
    Attempt.objects.filter(message__in=pks).delete()
    OutgoingMessage.objects.filter(pk__in=pks).delete()
    return bool(pks)
