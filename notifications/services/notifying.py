"""What rules say of alerts: stored as deliveries, in the transaction that raises or clears them.

An alert that is silenced, or raised outside of a rule's hours, is held back. The sweep notifies of it later if it is
still open then; one that is over by then is dropped.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from alerts.choices import Change
from alerts.models import Alert
from alerts.queries import KnownAlert, alerts_with
from alerts.services import AlertChange
from core.bulk import insert_rows, update_rows
from core.clock import db_now
from notifications.choices import NOTICE_TRANSITIONS, NoticeState
from notifications.models import Notice
from notifications.queries import LoadedRule, load_rules, load_silences, silence_of, unnotified_alerts
from notifications.services.deliveries import NOTHING_HEARD, Pair, last_heard, store_deliveries, to_who_heard

COLUMNS = ("rule_id", "alert_id", "state", "notified_at", "next_at")
ENDED = (NoticeState.DROPPED, NoticeState.RESOLVED)


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
    before = [pair for pair in pairs if pair.key in stored and again]
    known_before = [pair for pair in before if pair.key in allowed]
    mark_notified({stored[pair.key]: pair.rule for pair in known_before}, now)
    _hold([stored[pair.key] for pair in before if pair.key not in allowed])
    told = [pair for pair in (*new, *known_before) if pair.key in allowed]
    store_deliveries(told, Change.RAISED, now, heard=NOTHING_HEARD if again else last_heard(told))
    return len(new)


def _notify_of_cleared(alert_ids: Collection[int]) -> None:
    """Notify that alerts are over, by the rules that have notified of them; drop what was held back."""
    rows = Notice.objects.filter(alert__in=alert_ids).exclude(state__in=ENDED)
    locked = rows.select_for_update(no_key=True, of=("self",)).order_by("pk")
    notices = list(locked.values_list("rule_id", "alert_id", "notified_at"))
    if not notices:
        return
    for state in ENDED:
        ending = rows.filter(state__in=NOTICE_TRANSITIONS.before(state))
        ending.filter(notified_at__isnull=state == NoticeState.DROPPED).update(state=state, next_at=None)
    told = [(rule, alert) for rule, alert, notified_at in notices if notified_at is not None]
    rules = {rule.pk: rule for rule in load_rules({rule for rule, _alert in told}) if rule.send_resolved}
    alerts = {known.alert.pk: known for known in alerts_with({alert for _rule, alert in told})}
    pairs = [Pair(rules[rule], alerts[alert]) for rule, alert in told if rule in rules and alert in alerts]
    store_deliveries(to_who_heard(pairs), Change.CLEARED, db_now())


def _hold(ids: Collection[int]) -> None:
    """Hold back that alerts that were told have become more urgent; the sweep tells it."""
    if ids:
        rows = Notice.objects.filter(pk__in=ids, state__in=NOTICE_TRANSITIONS.before(NoticeState.HELD))
        rows.update(state=NoticeState.HELD, next_at=None)


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


def _notice_row(pair: Pair, now: datetime, *, notified: bool) -> tuple[Any, ...]:
    alert, rule = pair.known.alert.pk, pair.rule
    if notified:
        return rule.pk, alert, NoticeState.NOTIFIED, now, _again(rule, now)
    return rule.pk, alert, NoticeState.HELD, None, None
