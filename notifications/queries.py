"""Rules and silences as plain values, and which alerts are held back."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from alerts.choices import SEVERITY, Level
from alerts.models import OPEN, Alert
from alerts.queries import KnownAlert, about_customers, about_groups, about_tagged
from notifications.choices import NoticeState
from notifications.hours import Hours
from notifications.matching import Match
from notifications.models import AlertMatch, Notice, Rule, Silence
from outbox.models import Channel

PARTS = ("groups", "tags", "tokens")


@dataclass(frozen=True, slots=True)
class LoadedRule:
    """A rule that is in force, with the channels that are not deleted."""

    pk: int
    name: str
    match: Match
    hours: Hours
    channels: tuple[int, ...]
    wait: timedelta
    repeat: timedelta | None
    send_resolved: bool


@dataclass(frozen=True, slots=True)
class ActiveSilence:
    """A silence that lasts now: until when, who created it, why, and which alerts it means."""

    pk: int
    ends_at: datetime
    actor: str
    comment: str
    match: Match


def live_rules() -> QuerySet[Rule]:
    """Return the rules that are not deleted, by name, with all that they refer to."""
    channels = Prefetch("channels", Channel.objects.live().order_by("name", "pk"))
    return Rule.objects.live().prefetch_related(channels, *PARTS).order_by("name", "pk")


def silences() -> QuerySet[Silence]:
    """Return all silences, the last one created first, with all that they refer to."""
    return Silence.objects.prefetch_related(*PARTS).order_by("-pk")


def rules_losing(channel_ids: Collection[int]) -> list[tuple[Rule, list[Channel]]]:
    """Return the rules that use some channels, each with the channels that are left without these, in a few queries."""
    users = Rule.channels.through.objects.filter(channel__in=channel_ids).values("rule")
    return [
        (rule, [channel for channel in rule.channels.all() if channel.pk not in channel_ids])
        for rule in live_rules().filter(pk__in=users)
    ]


def load_rules(only: Iterable[int] | None = None) -> list[LoadedRule]:
    """Return the rules that are in force and have a channel, in five queries; in one if there are none."""
    rows = live_rules().filter(enabled=True)
    loaded = [_loaded(row) for row in (rows if only is None else rows.filter(pk__in=only)).order_by("pk")]
    return [rule for rule in loaded if rule.channels]


def load_silences(now: datetime) -> list[ActiveSilence]:
    """Return the silences that last now, that which ends last first, in four queries; in one if none does."""
    rows = silences().filter(starts_at__lte=now, ends_at__gt=now).order_by("-ends_at", "-pk")
    return [ActiveSilence(row.pk, row.ends_at, row.actor, row.comment, match_of(row)) for row in rows]


def silence_of(known: KnownAlert, active: Iterable[ActiveSilence]) -> ActiveSilence | None:
    """Return the silence that holds an open alert the longest; None if none does."""
    if known.alert.cleared_at:
        return None
    return next((silence for silence in active if silence.match.fits(known)), None)


def silenced(now: datetime) -> Q:
    """Return which alerts are open and held by a silence that lasts now; the same as `silence_of` says."""
    held = Q(pk__in=())
    for row in silences().filter(starts_at__lte=now, ends_at__gt=now):
        held |= _meant_by(row)
    return OPEN & held


def _meant_by(row: AlertMatch) -> Q:
    levels = [level for level in Level if SEVERITY[level] >= SEVERITY.get(row.least_level, 0)]
    meant = Q(level__in=levels)
    if row.categories:
        meant &= Q(category__in=row.categories)
    if row.subject:
        meant &= Q(subject_kind=row.subject.kind, subject_id=row.subject.id)
    for name, about in (("groups", about_groups), ("tags", about_tagged), ("tokens", about_customers)):
        if ids := [one.pk for one in getattr(row, name).all()]:
            meant &= about(ids)
    return meant


def match_of(row: AlertMatch) -> Match:
    """Return the conditions of a rule or a silence."""
    return Match(
        categories=frozenset(row.categories),
        least_level=row.least_level,
        groups=frozenset(group.pk for group in row.groups.all()),
        tags=frozenset(tag.name for tag in row.tags.all()),
        tokens=frozenset(token.pk for token in row.tokens.all()),
        subject=row.subject,
    )


NO_ZONES = ("localtime", "Factory")  # files beside the time zones: what they say depends on the machine


def zone_of(name: str) -> ZoneInfo:
    """Return a time zone by its name, that of the installation for "". Raises ValueError for an unknown one."""
    if name in NO_ZONES:
        raise ValueError(name)
    try:
        return ZoneInfo(name or settings.TIME_ZONE)
    except (KeyError, OSError) as error:  # ZoneInfoNotFoundError is a KeyError
        raise ValueError(name) from error


def _loaded(row: Rule) -> LoadedRule:
    return LoadedRule(
        pk=row.pk,
        name=row.name,
        match=match_of(row),
        hours=hours_of(row),
        channels=tuple(channel.pk for channel in row.channels.all()),
        wait=timedelta(seconds=row.group_wait_s),
        repeat=timedelta(minutes=row.repeat_min) if row.repeat_min else None,
        send_resolved=row.send_resolved,
    )


def hours_of(row: Rule) -> Hours:
    """Return the hours of a rule."""
    return Hours(row.weekdays, row.from_time, row.to_time, _zone_of(row))


def _zone_of(row: Rule) -> ZoneInfo:
    """Return the time zone of a rule; that of the installation if the machine does not know it any more."""
    try:
        return zone_of(row.time_zone)
    except ValueError:
        return zone_of("")


def held_notices() -> QuerySet[Notice]:
    """Return the notices that are held back and whose alerts are open, and looked after by nobody."""
    return _of_open_alerts(Notice.objects.filter(state=NoticeState.HELD, alert__acknowledged_at__isnull=True))


def due_repeats(now: datetime) -> QuerySet[Notice]:
    """Return the notices that are to be repeated: their alerts are open and not acknowledged."""
    rows = Notice.objects.filter(next_at__lte=now, state=NoticeState.NOTIFIED, alert__acknowledged_at__isnull=True)
    return _of_open_alerts(rows)


def _of_open_alerts(rows: QuerySet[Notice]) -> QuerySet[Notice]:
    in_force = {"rule__deleted_at__isnull": True, "rule__enabled": True}
    return rows.filter(alert__cleared_at__isnull=True, **in_force)


def unnotified_alerts(since: datetime | None, rule_ids: list[int]) -> QuerySet[Alert]:
    """Return the open alerts, raised since then, of which one of some rules has said nothing yet."""
    rows = Alert.objects.filter(OPEN)
    if since is not None:
        rows = rows.filter(raised_at__gte=since)
    missing: Any = None
    for pk in rule_ids:
        one = ~Exists(Notice.objects.filter(alert=OuterRef("pk"), rule=pk))
        missing = one if missing is None else missing | one
    return rows.filter(missing).order_by("pk") if rule_ids else rows.none()
