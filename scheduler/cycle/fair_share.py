"""Decayed usage of tokens, for policy `fair`: device-time counts half after each half-life."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from math import exp2, log

from django.conf import settings
from django.db.models import Count

from scheduler.models import Allocation, Share
from scheduler.queries.allocations import OPEN

LN_2 = log(2)


def weight(start: datetime, end: datetime, now: datetime, half_life: timedelta) -> float:
    """Return the decayed usage of one device held from start to end, in ms: the integral of 2^(-age / half-life)."""
    span_ms = half_life / timedelta(milliseconds=1)
    return span_ms / LN_2 * (exp2((end - now) / half_life) - exp2((start - now) / half_life))


def add_usage(token_id: int, devices: int, start: datetime, end: datetime) -> None:
    """Add the usage of a job that ends to its token's, in the transaction that ends it."""
    half_life = settings.MOREH_FAIR_HALF_LIFE
    usage, _made = Share.objects.select_for_update().get_or_create(token_id=token_id, defaults={"at": end})
    now = max(usage.at, end)
    usage.device_ms = usage.device_ms * exp2((usage.at - now) / half_life) + devices * weight(
        start, end, now, half_life
    )
    usage.at = now
    usage.save(update_fields=["device_ms", "at"])


def decayed_usage(token_ids: Iterable[int], now: datetime) -> Mapping[int, float]:
    """Return the decayed usage of some tokens, including what they hold now, in two queries."""
    half_life, tokens = settings.MOREH_FAIR_HALF_LIFE, list(token_ids)
    used = {
        pk: device_ms * exp2((min(at, now) - now) / half_life)
        for pk, device_ms, at in Share.objects.filter(pk__in=tokens).values_list("pk", "device_ms", "at")
    }
    held = Allocation.objects.filter(OPEN, token__in=tokens).order_by().values_list("token_id", "started_at")
    for token_id, start, devices in held.annotate(devices=Count("pk")):
        used[token_id] = used.get(token_id, 0.0) + devices * weight(min(start, now), now, now, half_life)
    return used
