"""What became of what rules say of alerts: the deliveries of each notice, or why it is held back."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Max, QuerySet

from alerts.models import Alert
from alerts.queries import alerts_with
from core.clock import db_now
from notifications.choices import NoticeState
from notifications.messages import ALERT
from notifications.models import Notice, Rule
from notifications.queries import ActiveSilence, hours_of, load_silences, silence_of
from outbox.models import Channel, Delivery
from outbox.queries import deliveries


@dataclass(frozen=True, slots=True)
class HeldBy:
    """What holds a notice back: a silence, and the hours of its rule until they begin."""

    silence: ActiveSilence | None = None
    outside: bool = False
    begins_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoticeReport:
    """A notice; what holds it back if it is held; the last delivery to each channel about the alert, read at `now`.

    A delivery of another rule counts, too, where it went to a channel of this rule: each channel hears once.
    """

    notice: Notice
    now: datetime
    channels: Sequence[Channel]
    held: HeldBy | None = None
    deliveries: Sequence[Delivery] = field(default=())


def reports_of_rule(rule: Rule, most: int) -> list[NoticeReport]:
    """Return what became of the latest notices of a rule, in a fixed number of queries."""
    return _reports(Notice.objects.filter(rule=rule), most)


def reports_of_alert(alert: Alert, most: int) -> list[NoticeReport]:
    """Return what became of the notices about an alert, in a fixed number of queries."""
    return _reports(Notice.objects.filter(alert=alert), most)


def _reports(rows: QuerySet[Notice], most: int) -> list[NoticeReport]:
    notices = list(rows.select_related("alert", "rule").order_by("-pk")[:most])
    if not notices:
        return []
    now = db_now()
    channels, sent = _channels_of(notices), _last_deliveries(notices)
    held = _held([one for one in notices if one.state == NoticeState.HELD and not one.alert.cleared_at], now)
    return [
        NoticeReport(one, now, channels.get(one.rule_id, ()), held.get(one.pk), _of(one, sent, channels))
        for one in notices
    ]


def _channels_of(notices: Sequence[Notice]) -> Mapping[int, list[Channel]]:
    found: dict[int, list[Channel]] = defaultdict(list)
    rows = Rule.channels.through.objects.filter(
        rule__in={one.rule_id for one in notices}, channel__deleted_at__isnull=True
    )
    for row in rows.select_related("channel").order_by("channel__name", "channel"):
        found[row.rule_id].append(row.channel)
    return found


def _last_deliveries(notices: Sequence[Notice]) -> Mapping[str, list[Delivery]]:
    """Return the last delivery of each rule to each channel, by what it is about, the newest first."""
    about = {f"alert/{one.alert_id}" for one in notices}
    rows = Delivery.objects.filter(kind=ALERT, ordering_key__in=about).order_by()
    last = rows.values("ordering_key", "channel", "group_key").annotate(last=Max("pk")).values_list("last", flat=True)
    found: dict[str, list[Delivery]] = defaultdict(list)
    for row in deliveries().filter(pk__in=list(last)):
        found[row.ordering_key].append(row)
    return found


def _of(
    notice: Notice, sent: Mapping[str, Sequence[Delivery]], channels: Mapping[int, Sequence[Channel]]
) -> list[Delivery]:
    own, mine = f"rule/{notice.rule_id}", {channel.pk for channel in channels.get(notice.rule_id, ())}
    found: dict[int, Delivery] = {}
    if notice.notified_at is not None:  # also of one that was told and is held back since its level has risen
        for row in sent.get(f"alert/{notice.alert_id}", ()):
            if row.group_key == own or row.channel_id in mine:
                found.setdefault(row.channel_id, row)
    return sorted(found.values(), key=lambda row: row.channel.name)


def _held(notices: Sequence[Notice], now: datetime) -> Mapping[int, HeldBy]:
    if not notices:
        return {}
    silences = load_silences(now)
    known = {one.alert.pk: one for one in alerts_with({one.alert_id for one in notices})} if silences else {}
    found = {}
    for one in notices:
        silence = silence_of(known[one.alert_id], silences) if one.alert_id in known else None
        hours = hours_of(one.rule)
        outside = not hours.include(now)
        found[one.pk] = HeldBy(silence, outside, hours.next_begin(now) if outside else None)
    return found
