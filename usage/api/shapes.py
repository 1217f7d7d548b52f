"""Usage as REST returns it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import islice, pairwise
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from core.api.shapes import Showing
from core.api.times import iso
from core.clock import db_now
from core.errors import InvalidParameter
from tokens.queries import token_names
from usage.breakdown import FIELDS, GroupBy, NamedUsage, Names
from usage.calendar import Unit, cut
from usage.capacity import Capacity, capacities, capacity_of
from usage.metering import Times, UnbilledTime
from usage.queries import TokenUsage, UsageReport, usage_by
from usage.rollups.measure import Key, Tokens
from usage.series import usage_between
from usage.unbilled_time import unbilled_times

MOST_INTERVALS = 1000


def total_use(report: UsageReport, token: str) -> dict[str, Any]:
    """Return `total_usage`: what all tokens, or the requested one, held together."""
    total = report.total
    return {
        "token": token,
        "min": total.minimum,
        "max": total.maximum,
        "average": float(report.average),
        "min_percentage": float(report.percent(total.minimum)),
        "max_percentage": float(report.percent(total.maximum)),
        "average_percentage": float(report.average_percent),
        "total_devices": report.total_devices,
    }


def token_use(row: TokenUsage, capacity: Capacity, showing: Showing) -> dict[str, Any]:
    """Return an entry of `usage_list`: what one token held."""
    return {
        "token": showing.secret(row.value),
        "min": row.held.minimum,
        "max": row.held.maximum,
        "average": float(capacity.average(row.held.device_ms)),
        "device_seconds": row.held.device_ms / 1000,
    }


def groups(start: datetime, end: datetime, by: GroupBy, tokens: Tokens) -> list[dict[str, Any]]:
    """Return the usage over a range by group."""
    end = min(end, db_now())
    found = usage_by(start, end, [FIELDS[by]], tokens)
    capacity = capacity_of(start, end)
    return [_group(usage, capacity) for usage in _names(by, [found]).named(found)]


def intervals(start: datetime, end: datetime, unit: Unit, by: GroupBy | None, tokens: Tokens) -> list[dict[str, Any]]:
    """Return the usage by local hour, day or month of a range. Raises InvalidParameter for too many of them."""
    end = min(end, db_now())
    if start >= end:
        return []
    cuts = list(islice(cut(start, end, unit, timezone.get_default_timezone()), MOST_INTERVALS + 2))
    if len(cuts) > MOST_INTERVALS + 1:
        text = _("A range has at most %(most)s intervals; choose longer ones.") % {"most": MOST_INTERVALS}
        raise InvalidParameter(text, parameter="interval")
    found = usage_between(cuts, unit, [FIELDS[by] if by else "token"], tokens)
    names = _names(by, found) if by else None
    there = capacities(cuts)
    return [_interval(*piece) for piece in zip(pairwise(cuts), found, there, [names] * len(found), strict=True)]


def not_billed(start: datetime, end: datetime, by: GroupBy | None, tokens: Tokens) -> dict[str, Any]:
    """Return the unbilled time within a range: in all, and by token where usage is grouped by token."""
    found = unbilled_times(start, end, tokens)
    total = _unbilled(sum(found.values(), UnbilledTime()))
    if by != GroupBy.TOKEN:
        return total
    names = token_names(found)
    return {**total, "tokens": [{"id": pk, "name": names[pk], **_unbilled(found[pk])} for pk in sorted(found)]}


def _unbilled(times: UnbilledTime) -> dict[str, Any]:
    return {
        "waiting_seconds": times.waiting_ms / 1000,
        "waiting_jobs": times.waiting_jobs,
        "cleaning_seconds": times.cleaning_ms / 1000,
    }


def _interval(
    span: tuple[datetime, datetime], found: Mapping[Key, Times], capacity: Capacity, names: Names | None
) -> dict[str, Any]:
    total = sum(found.values(), Times())
    return {
        "start": iso(span[0]),
        "end": iso(span[1]),
        "average_percentage": float(capacity.percent(total.device_ms)),
        **_times(total, capacity),
        **({"groups": [_group(usage, capacity) for usage in names.named(found)]} if names else {}),
    }


def _names(by: GroupBy, found: Sequence[Mapping[Key, Times]]) -> Names:
    keys = sorted({key[0] for piece in found for key in piece}) if by == GroupBy.TOKEN else []
    return Names(by, keys)


def _group(usage: NamedUsage, capacity: Capacity) -> dict[str, Any]:
    return {"id": usage.id, "name": usage.name, **_times(usage.times, capacity)}


def _times(times: Times, capacity: Capacity) -> dict[str, Any]:
    return {
        "average": float(capacity.average(times.device_ms)),
        "device_seconds": times.device_ms / 1000,
        "preparing_seconds": times.preparing_ms / 1000,
        "processing_seconds": times.processing_ms / 1000,
        "reserved_seconds": times.reserved_ms / 1000,
    }
