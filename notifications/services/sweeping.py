"""What time brings: the end of a silence, the hours of a rule, a repetition."""

from collections.abc import Callable, Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from alerts.choices import Change
from alerts.models import Alert
from alerts.queries import alerts_with
from core.clock import db_now
from notifications.models import Notice
from notifications.queries import due_repeats, held_notices, load_rules
from notifications.services.deliveries import Pair, last_heard, store_deliveries
from notifications.services.notifying import mark_notified, without_held

PAGE = 500  # notices in one transaction


def notify_held() -> int:
    """Notify of what was held back and may be notified now; return how many notices."""
    return sum(_notify_page(page) for page in _pages(lambda _now: held_notices()))


def repeat_due() -> int:
    """Notify again of what is open and not acknowledged, as often as its rule says; return how many notices."""
    return sum(_notify_page(page, repeated=True) for page in _pages(due_repeats))


def _pages(rows: Callable[[datetime], QuerySet[Notice]]) -> Iterator[QuerySet[Notice]]:
    """Yield queries of one page each; what stays held back is passed over."""
    last = 0
    while ids := list(rows(db_now()).filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:PAGE]):
        last = ids[-1]
        yield rows(db_now()).filter(pk__in=ids)


@transaction.atomic
def _notify_page(page: QuerySet[Notice], *, repeated: bool = False) -> int:
    # The alerts first, as whoever raises or clears one does: no other rule tells the same channels meanwhile.
    ids_of_alerts = page.order_by().values_list("alert_id", flat=True)
    list(Alert.objects.select_for_update(no_key=True).filter(pk__in=list(ids_of_alerts)).order_by("pk").values("pk"))
    notices = list(page.select_for_update(no_key=True, of=("self",), skip_locked=True).order_by("pk"))
    rules = {rule.pk: rule for rule in load_rules({notice.rule_id for notice in notices})} if notices else {}
    alerts = {known.alert.pk: known for known in alerts_with([notice.alert_id for notice in notices])}
    pairs = [
        Pair(rules[one.rule_id], alerts[one.alert_id])
        for one in notices
        if one.rule_id in rules and one.alert_id in alerts
    ]
    ids, now = {(one.alert_id, one.rule_id): one.pk for one in notices}, db_now()
    allowed = without_held(pairs, now)
    mark_notified({ids[pair.key]: pair.rule for pair in allowed}, now)
    store_deliveries(allowed, Change.RAISED, now, heard=last_heard(allowed), repeated=repeated)
    return len(allowed)
