"""How measured usage looks on the wire."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from moreh_cloud.lib.api.shapes import Showing
from moreh_cloud.lib.api.times import iso
from moreh_cloud.lib.clock import db_now, to_ms
from moreh_cloud.lib.errors import InvalidParameter
from tokens.models import Token
from usage.beside import beside
from usage.breakdown import FIELDS, GroupBy, Names, Share
from usage.calendar import Unit, bounds
from usage.capacity import capacities
from usage.metering import Beside, Times, percentage
from usage.queries import TokenUsage, UsageReport, usage_by
from usage.rollups.measure import Key, Tokens
from usage.series import usage_between

MOST_INTERVALS = 1000


def total_use(report: UsageReport, token: str) -> dict[str, Any]:
    total = report.total
    return {
        "token": token,
        "min": total.minimum,
        "max": total.maximum,
        "average": float(total.average),
        "min_percentage": float(report.percent(total.minimum)),
        "max_percentage": float(report.percent(total.maximum)),
        "average_percentage": float(report.average_percent),
        "total_devices": report.total_devices,
    }


def token_use(row: TokenUsage, showing: Showing) -> dict[str, Any]:
    return {
        "token": showing.secret(row.value),
        "min": row.held.minimum,
        "max": row.held.maximum,
        "average": row.held.device_ms / row.held.span_ms if row.held.span_ms else 0.0,
        "device_seconds": row.held.device_ms / 1000,
    }


def groups(start: datetime, end: datetime, by: GroupBy, tokens: Tokens) -> list[dict[str, Any]]:
    """Tell a range apart."""
    end = min(end, db_now())
    found = usage_by(start, end, [FIELDS[by]], tokens)
    return [_share(share, to_ms(end) - to_ms(start)) for share in _names(by, [found]).shares(found)]


def intervals(start: datetime, end: datetime, unit: Unit, by: GroupBy | None, tokens: Tokens) -> list[dict[str, Any]]:
    """Cut a range, to now, at local hours, days or months. Raises InvalidParameter for too many of them."""
    end = min(end, db_now())
    if start >= end:
        return []
    cuts = bounds(start, end, unit, timezone.get_default_timezone())
    if len(cuts) > MOST_INTERVALS + 1:
        text = _("A range has at most %(most)s intervals; choose longer ones.") % {"most": MOST_INTERVALS}
        raise InvalidParameter(text, parameter="interval")
    found = usage_between(cuts, unit, [FIELDS[by] if by else "token"], tokens)
    names = _names(by, found) if by else None
    there = capacities(cuts)
    return [_interval(*piece) for piece in zip(pairwise(cuts), found, there, [names] * len(found), strict=True)]


def not_billed(start: datetime, end: datetime, by: GroupBy | None, tokens: Tokens) -> dict[str, Any]:
    """Tell of a range what nobody pays: in all, and by token where it is told apart by token."""
    found = beside(start, end, tokens)
    total = _unbilled(sum(found.values(), Beside()))
    if by != GroupBy.TOKEN:
        return total
    names = dict(Token.objects.filter(pk__in=found).values_list("pk", "description"))
    return {**total, "tokens": [{"id": pk, "name": names[pk], **_unbilled(found[pk])} for pk in sorted(found)]}


def _unbilled(times: Beside) -> dict[str, Any]:
    return {
        "waiting_seconds": times.waiting_ms / 1000,
        "waiting_jobs": times.waiting_jobs,
        "cleaning_seconds": times.cleaning_ms / 1000,
    }


def _interval(
    span: tuple[datetime, datetime], found: Mapping[Key, Times], capacity: int, names: Names | None
) -> dict[str, Any]:
    length, total = to_ms(span[1]) - to_ms(span[0]), sum(found.values(), Times())
    return {
        "start": iso(span[0]),
        "end": iso(span[1]),
        "average_percentage": float(percentage(total.device_ms, capacity)),
        **_times(total, length),
        **({"groups": [_share(share, length) for share in names.shares(found)]} if names else {}),
    }


def _names(by: GroupBy, found: Sequence[Mapping[Key, Times]]) -> Names:
    keys = sorted({key[0] for piece in found for key in piece}) if by == GroupBy.TOKEN else []
    return Names(by, keys)


def _share(share: Share, length: int) -> dict[str, Any]:
    return {"id": share.id, "name": share.name, **_times(share.times, length)}


def _times(times: Times, length: int) -> dict[str, Any]:
    return {
        "average": times.device_ms / length if length > 0 else 0.0,
        "device_seconds": times.device_ms / 1000,
        "preparing_seconds": times.preparing_ms / 1000,
        "processing_seconds": times.processing_ms / 1000,
        "reserved_seconds": times.reserved_ms / 1000,
    }
