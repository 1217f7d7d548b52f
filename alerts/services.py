"""The verbs of alerts. Changes are announced by `alerts_changed`, in bulk and in their transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet

from alerts.choices import SEVERITY, Category, Change, Level
from alerts.codes import Code, category_of
from alerts.models import IDENTITY, OPEN, Alert
from alerts.params import to_params
from alerts.signals import alerts_changed
from alerts.subjects import Subject
from core.bulk import update_rows
from core.clock import db_now
from events.actor import Actor
from events.services import record

BATCH = 500
Key = tuple[str, str, int]  # category, kind and id of the subject


class NewAlert(NamedTuple):
    """An alert to be raised; `params` are those of its code, never secrets."""

    code: Code
    subject: Subject
    params: Mapping[str, object]
    level: Level = Level.WARNING


class AlertChange(NamedTuple):
    """What happened to an alert."""

    alert_id: int
    change: Change


def raise_alert(code: Code, subject: Subject, /, *, level: Level = Level.WARNING, **params: object) -> None:
    """Open an alert, or count once more the one that is open for this thing."""
    raise_alerts([NewAlert(code, subject, params, level)])


def raise_alerts(alerts: Iterable[NewAlert]) -> None:
    """Open alerts, or count those once more that are open; they say what is said now. The last of one thing counts."""
    wanted: dict[Key, NewAlert] = {(category_of(alert.code), *alert.subject): alert for alert in alerts}
    if wanted:
        _raise(wanted)


@transaction.atomic
def _raise(wanted: Mapping[Key, NewAlert]) -> None:
    now = db_now()
    Alert.objects.bulk_create(
        (_row(key, wanted[key], raised_at=now) for key in sorted(wanted)), ignore_conflicts=True, batch_size=BATCH
    )
    # Whoever inserted a row first has locked it: a row that nobody has counted yet is ours.
    found = _locked(Alert.objects.filter(_among(wanted))).values_list("pk", *IDENTITY, "level", "times")
    rows, changes = [], []
    for pk, category, kind, subject_id, level, times in found:
        new = wanted[category, kind, subject_id]
        rows.append((pk, new.code.value, to_params(new.params), new.level.value, times + 1))
        if not times:
            changes.append(AlertChange(pk, Change.RAISED))
        elif SEVERITY[new.level] > SEVERITY[Level(level)]:
            changes.append(AlertChange(pk, Change.ESCALATED))
    update_rows(Alert, ("code", "params", "level", "times"), rows)
    _announce(changes)


def _row(key: Key, alert: NewAlert, **values: Any) -> Alert:
    return Alert(**dict(zip(IDENTITY, key, strict=True)), code=alert.code, level=alert.level, times=0, **values)


def _among(keys: Iterable[Key]) -> Q:
    ids: dict[tuple[str, str], list[int]] = defaultdict(list)
    for category, kind, subject_id in keys:
        ids[category, kind].append(subject_id)
    among = Q()
    for (category, kind), some in ids.items():
        among |= Q(category=category, subject_kind=kind, subject_id__in=some)
    return among


def _locked(rows: "QuerySet[Alert]") -> "QuerySet[Alert]":
    return rows.filter(OPEN).select_for_update(no_key=True).order_by("pk")


def clear_alert(category: Category, subject: Subject) -> None:
    """Close the open alert of this thing, if there is one."""
    clear_alerts(category, [subject])


def clear_alerts(category: Category, subjects: Iterable[Subject]) -> None:
    """Close the open alerts of many things."""
    if keys := [(category.value, *subject) for subject in subjects]:
        _clear(Alert.objects.filter(_among(keys)))


def clear_alerts_about(subject: Subject) -> None:
    """Close all open alerts of a thing that is gone."""
    _clear(Alert.objects.filter(subject_kind=subject.kind, subject_id=subject.id))


def clear_seen_alerts(category: Category, *, but: Collection[Subject]) -> None:
    """Close the alerts that somebody has acknowledged, but those of some things: their causes are still there."""
    seen = Alert.objects.filter(category=category, acknowledged_at__isnull=False)
    _clear(seen.exclude(_among((category.value, *subject) for subject in but)) if but else seen)


@transaction.atomic
def _clear(alerts: "QuerySet[Alert]") -> None:
    """Close those of some alerts that are open: one query, and an update if there are any."""
    if ids := list(_locked(alerts).values_list("pk", flat=True)):
        Alert.objects.filter(pk__in=ids).update(cleared_at=db_now())
        _announce([AlertChange(pk, Change.CLEARED) for pk in ids])


def _announce(changes: list[AlertChange]) -> None:
    if changes:
        alerts_changed.send(Alert, changes=changes)


@transaction.atomic
def acknowledge_alert(alert: Alert, *, actor: Actor) -> bool:
    """Record who looks after it, the first one only. Return whether it was this one."""
    unseen = Alert.objects.filter(pk=alert.pk, acknowledged_at__isnull=True)
    if not unseen.update(acknowledged_at=db_now(), acknowledged_by=actor.name):
        return False
    record("ACKNOWLEDGE_ALERT", actor=actor, subject=f"alert/{alert.pk}")
    return True
