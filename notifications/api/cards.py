"""The shapes of rules and silences on the wire."""

from typing import Any

from core.api.times import iso
from notifications.models import AlertMatch, Rule, Silence


def rule_card(rule: Rule) -> dict[str, Any]:
    """Return a rule; it was read with what it refers to."""
    return {
        "id": rule.pk,
        "name": rule.name,
        "enabled": rule.enabled,
        "channels": sorted(channel.pk for channel in rule.channels.all()),
        **_match(rule),
        "groupWait": rule.group_wait_s,
        "repeatEvery": rule.repeat_min,
        "sendResolved": rule.send_resolved,
        "weekdays": rule.weekdays,
        "fromTime": _clock(rule.from_time),
        "toTime": _clock(rule.to_time),
        "timeZone": rule.time_zone,
    }


def silence_card(silence: Silence) -> dict[str, Any]:
    """Return a silence; it was read with what it refers to."""
    return {
        "id": silence.pk,
        **_match(silence),
        "about": str(silence.subject or ""),
        "from": iso(silence.starts_at),
        "to": iso(silence.ends_at),
        "comment": silence.comment,
        "createdBy": silence.actor,
        "createdAt": iso(silence.created_at),
    }


def _match(row: AlertMatch) -> dict[str, Any]:
    return {
        "categories": row.categories,
        "leastLevel": row.least_level,
        "groups": sorted(group.pk for group in row.groups.all()),
        "tags": sorted(tag.name for tag in row.tags.all()),
        "tokens": sorted(token.pk for token in row.tokens.all()),
    }


def _clock(at: Any) -> str | None:
    return f"{at:%H:%M}" if at is not None else None
