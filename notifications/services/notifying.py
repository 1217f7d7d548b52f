"""What rules say of alerts: stored as deliveries, in the transaction that raises or clears them.

An alert that is silenced, or raised outside of a rule's hours, is held back. The sweep notifies of it later if it is
still open then; one that is over by then is dropped.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction

from alerts.choices import SEVERITY, Change, Level
from alerts.models import Alert
from alerts.queries import KnownAlert, alerts_with
from alerts.services import AlertChange
from core.bulk import insert_rows, update_rows
from core.clock import db_now
from notifications.choices import NOTICE_TRANSITIONS, NoticeState
from notifications.messages import ALERT, payload_of
from notifications.models import Notice
from notifications.queries import (
    LastHeard,
    LoadedRule,
    last_heard_of,
    load_rules,
    load_silences,
    silence_of,
    unnotified_alerts,
)
from outbox.services import NewDelivery, enqueue

COLUMNS = ("rule_id", "alert_id", "state", "notified_at", "next_at")
NOTHING_HEARD: Mapping[tuple[int, int], LastHeard] = {}
SLACK = timedelta(minutes=1)  # rules look for repetitions every 10 seconds, and repeat every 5 minutes at most
ENDED = (NoticeState.DROPPED, NoticeState.RESOLVED)


class Pair(NamedTuple):
    """A rule, and an alert that it means."""

    rule: LoadedRule
    known: KnownAlert

    @property
    def key(self) -> tuple[int, int]:
        """Return the ids of alert and rule, of which there is one notice."""
        return self.known.alert.pk, self.rule.pk


def notify_of_changes(changes: Sequence[AlertChange]) -> None:
    """Notify of changes of alerts, in the transaction that makes them; the alerts are locked by the caller."""
    over = [change.alert_id for change in changes if change.change == Change.CLEARED]
    new = [change.alert_id for change in changes if change.change != Change.CLEARED]
    if over:
        _notify_of_cleared(over)
    if new and (rules := load_rules()):
        _notify_of_open(alerts_with(new), rules)


@transaction.atomic
def catch_up(*, since: datetime | None = None, rule_ids: Collection[int] | None = None) -> int:
    """Notify of open alerts of which a rule has said nothing yet; return how many notices are new.

    It is called for a rule that is created, changed or switched on, and by the sweep for alerts that were raised in
    the same moment.
    """
    rules = load_rules(rule_ids)
    if not rules:
        return 0
    untold = list(unnotified_alerts(since, [rule.pk for rule in rules]).values_list("pk", flat=True))
    # Whoever raises or clears one of them comes before or after this transaction.
    locked = Alert.objects.select_for_update(no_key=True).filter(pk__in=untold, cleared_at__isnull=True)
    ids = list(locked.order_by("pk").values_list("pk", flat=True))
    return _notify_of_open(alerts_with(ids), rules, again=False) if ids else 0


def _notify_of_open(alerts: Iterable[KnownAlert], rules: Sequence[LoadedRule], *, again: bool = True) -> int:
    """Notify of open alerts, or hold them back; return how many notices are new.

    `again`: also alerts of which the rule has notified before.
    """
    pairs = [Pair(rule, known) for known in alerts for rule in rules if rule.match.fits(known)]
    if not pairs:
        return 0
    now = db_now()
    rows = Notice.objects.select_for_update(no_key=True, of=("self",))
    rows = rows.filter(alert__in={pair.known.alert.pk for pair in pairs}).order_by("pk")
    stored = {(alert, rule): pk for alert, rule, pk in rows.values_list("alert_id", "rule_id", "pk")}
    allowed = {pair.key for pair in without_held(pairs, now)}
    new = [pair for pair in pairs if pair.key not in stored]
    insert_rows(Notice, COLUMNS, (_notice_row(pair, now, notified=pair.key in allowed) for pair in new))
    known_before = [pair for pair in pairs if pair.key in stored and pair.key in allowed and again]
    mark_notified({stored[pair.key]: pair.rule for pair in known_before}, now)
    told = [pair for pair in (*new, *known_before) if pair.key in allowed]
    store_deliveries(told, Change.RAISED, now, heard=NOTHING_HEARD if again else last_heard(told))
    return len(new)


def _notify_of_cleared(alert_ids: Collection[int]) -> None:
    """Notify that alerts are over, by the rules that have notified of them; drop what was held back."""
    rows = Notice.objects.filter(alert__in=alert_ids).exclude(state__in=ENDED)
    locked = rows.select_for_update(no_key=True, of=("self",)).order_by("pk")
    notices = list(locked.values_list("rule_id", "alert_id", "state"))
    if not notices:
        return
    for state in ENDED:
        rows.filter(state__in=NOTICE_TRANSITIONS.before(state)).update(state=state, next_at=None)
    told = [(rule, alert) for rule, alert, state in notices if state == NoticeState.NOTIFIED]
    rules = {rule.pk: rule for rule in load_rules({rule for rule, _alert in told}) if rule.send_resolved}
    alerts = {known.alert.pk: known for known in alerts_with({alert for _rule, alert in told})}
    pairs = [Pair(rules[rule], alerts[alert]) for rule, alert in told if rule in rules and alert in alerts]
    store_deliveries(pairs, Change.CLEARED, db_now())


def without_held(pairs: Sequence[Pair], now: datetime) -> list[Pair]:
    """Return the pairs that are notified now: nothing silences the alert, and it is within the rule's hours."""
    silenced = load_silences(now) if pairs else []
    return [pair for pair in pairs if pair.rule.hours.include(now) and silence_of(pair.known, silenced) is None]


def mark_notified(notices: Mapping[int, LoadedRule], now: datetime) -> None:
    """Store that locked notices, held back or notified before, are notified now, and when again; one statement."""
    rows = ((pk, NoticeState.NOTIFIED.value, now, _again(rule, now)) for pk, rule in notices.items())
    update_rows(Notice, ("state", "notified_at", "next_at"), rows)


def _again(rule: LoadedRule, now: datetime) -> datetime | None:
    return now + rule.repeat if rule.repeat else None


def last_heard(pairs: Iterable[Pair]) -> Mapping[tuple[int, int], LastHeard]:
    """Return what channels of rules heard last of the alerts, by channel and alert, in one query."""
    found = list(pairs)
    channels = {channel for pair in found for channel in pair.rule.channels}
    return last_heard_of({pair.known.alert.pk for pair in found}, channels) if found else {}


def store_deliveries(
    pairs: Iterable[Pair],
    change: Change,
    now: datetime,
    *,
    heard: Mapping[tuple[int, int], LastHeard] = NOTHING_HEARD,
    repeated: bool = False,
) -> None:
    """Put what rules say of alerts into the outbox; a channel of several rules hears of an alert once.

    `heard`: what channels have heard already, also by other rules. `repeated`: they hear it again, but not sooner than
    the rule repeats.
    """
    done: set[tuple[int, int]] = set()
    deliveries = []
    for rule, known in pairs:
        payload = payload_of(known, change, rule.name, repeated=repeated)
        for channel in rule.channels:
            key = channel, known.alert.pk
            if key in done or (key in heard and _is_known(heard[key], rule, known, now if repeated else None)):
                continue
            done.add(key)
            deliveries.append(
                NewDelivery(
                    channel_id=channel,
                    kind=ALERT,
                    payload=payload,
                    ordering_key=f"alert/{known.alert.pk}",
                    group_key=f"rule/{rule.pk}",
                    not_before=now + rule.wait,
                )
            )
    enqueue(deliveries)


def _is_known(last: LastHeard, rule: LoadedRule, known: KnownAlert, repeated_at: datetime | None) -> bool:
    """Whether a channel has heard of an alert at its level; if it is repeated: a short time ago."""
    if SEVERITY[Level(known.alert.level)] > last.severity:
        return False
    return repeated_at is None or rule.repeat is None or last.at > repeated_at - rule.repeat + SLACK


def _notice_row(pair: Pair, now: datetime, *, notified: bool) -> tuple[Any, ...]:
    alert, rule = pair.known.alert.pk, pair.rule
    if notified:
        return rule.pk, alert, NoticeState.NOTIFIED, now, _again(rule, now)
    return rule.pk, alert, NoticeState.HELD, None, None
