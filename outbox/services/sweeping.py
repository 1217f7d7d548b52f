"""What no worker does for a single message: giving up what nobody could send, and deleting what is old."""

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Count, QuerySet

from core.clock import db_now
from outbox.choices import DeliveryState
from outbox.models import Attempt, Delivery, OutgoingMessage
from outbox.services.enqueueing import cancel_rows
from outbox.signals import deliveries_failed

BATCH = 5000


def give_up_waiting() -> None:
    """End as FAILED what waited for MOREH_OUTBOX_GIVE_UP without an attempt; cancel what deleted channels had."""
    cancel_rows(Delivery.objects.filter(channel__deleted_at__isnull=False))
    before = db_now() - settings.MOREH_OUTBOX_GIVE_UP
    late = Delivery.objects.filter(state=DeliveryState.PENDING, not_before__lte=before)
    while _give_up(late):
        pass


@transaction.atomic
def _give_up(late: QuerySet[Delivery]) -> bool:
    rows = late.filter(pk__in=list(late.order_by("pk").values_list("pk", flat=True)[:BATCH]))
    numbers = list(rows.order_by().values_list("channel").annotate(Count("pk")))
    rows.update(state=DeliveryState.FAILED, ended_at=db_now())
    for channel_id, number in numbers:
        deliveries_failed.send(Delivery, channel_id=channel_id, number=number)
    return bool(numbers)


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
