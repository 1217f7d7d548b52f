"""How much tokens used lately, for policy `fair`: a sum in which use counts half after each half-life."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import exp2, log

from django.conf import settings
from django.db.models import Count

from scheduler.models import Allocation, Share
from scheduler.queries import OPEN

LN_2 = log(2)


def weight(start: datetime, end: datetime, now: datetime, half_life: timedelta) -> float:
    """Weigh a device held from start to end, in milliseconds: the integral of 2^(-age / half-life) over it."""
    span_ms = half_life / timedelta(milliseconds=1)
    return span_ms / LN_2 * (exp2((end - now) / half_life) - exp2((start - now) / half_life))


def add_use(token_id: int, devices: int, start: datetime, end: datetime) -> None:
    """Count a job that is over in, in the transaction that ends it."""
    half_life = settings.MOREH_FAIR_HALF_LIFE
    share, _made = Share.objects.select_for_update().get_or_create(token_id=token_id, defaults={"at": end})
    now = max(share.at, end)
    share.device_ms = share.device_ms * exp2((share.at - now) / half_life) + devices * weight(
        start, end, now, half_life
    )
    share.at = now
    share.save(update_fields=["device_ms", "at"])


def spent(token_ids: Iterable[int], now: datetime) -> Mapping[int, float]:
    """Give what some tokens used lately, with what they hold now, in two queries."""
    half_life, tokens = settings.MOREH_FAIR_HALF_LIFE, list(token_ids)
    used = {
        pk: device_ms * exp2((min(at, now) - now) / half_life)
        for pk, device_ms, at in Share.objects.filter(pk__in=tokens).values_list("pk", "device_ms", "at")
    }
    held = Allocation.objects.filter(OPEN, token__in=tokens).order_by().values_list("token_id", "started_at")
    for token_id, start, devices in held.annotate(devices=Count("pk")):
        used[token_id] = used.get(token_id, 0.0) + devices * weight(min(start, now), now, now, half_life)
    return used
