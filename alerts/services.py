"""The verbs of alerts. Changes are announced by `alerts_changed`, in bulk and in their transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet

from alerts.choices import SEVERITY, Category, Change, Level, SubjectKind
from alerts.codes import Code, category_of
from alerts.models import IDENTITY, OPEN, Alert
from alerts.params import to_params
from alerts.signals import alerts_changed
from alerts.subjects import Subject
from core.bulk import update_rows
from core.clock import db_now
from core.texts import LONGEST, require_texts
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
        rows.append((pk, new.code.value, to_params(new.params), new.level.value, times + 1, now))
        if not times:
            changes.append(AlertChange(pk, Change.RAISED))
        elif SEVERITY[new.level] > SEVERITY[Level(level)]:
            changes.append(AlertChange(pk, Change.ESCALATED))
    update_rows(Alert, ("code", "params", "level", "times", "last_at"), rows)
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


@transaction.atomic
def settle_alerts(category: Category, alerts: Iterable[NewAlert], *, kind: SubjectKind) -> None:
    """Make these the open alerts of a category about things of one kind: raise what is new or changed, clear the rest.

    An alert that is open and says the same is not counted again. Nothing is locked where nothing changes.
    """
    wanted = {alert.subject: alert for alert in alerts}
    fields = ("subject_id", "code", "level", "params")
    rows = Alert.objects.filter(OPEN, category=category, subject_kind=kind).values_list(*fields)
    known = {Subject(kind, pk): said for pk, *said in rows}
    raise_alerts(
        alert
        for subject, alert in wanted.items()
        if known.get(subject) != [alert.code, alert.level, to_params(alert.params)]
    )
    if gone := known.keys() - wanted.keys():
        clear_alerts(category, gone)


@transaction.atomic
def hold_alerts(category: Category, alerts: Collection[NewAlert], *, quiet: timedelta) -> None:
    """Open alerts whose causes come and go, and clear those of the category whose causes were last seen `quiet` ago.

    One that is open already only notes that its cause was seen, and that not more often than needed.
    """
    now = db_now()
    rows = Alert.objects.filter(OPEN, category=category).values_list("pk", "subject_kind", "subject_id", "last_at")
    known = {Subject(kind, subject_id): (pk, last_at) for pk, kind, subject_id, last_at in rows}
    raise_alerts(alert for alert in alerts if alert.subject not in known)
    held = [known[alert.subject] for alert in alerts if alert.subject in known]
    if stale := [pk for pk, last_at in held if last_at is None or last_at < now - quiet / 4]:
        Alert.objects.filter(pk__in=stale).update(last_at=now)
    clear_quiet_alerts(category, before=now - quiet)


def clear_quiet_alerts(category: Category, *, before: datetime) -> None:
    """Close the alerts whose causes were last seen before a time."""
    _clear(Alert.objects.filter(Q(last_at__lt=before) | Q(last_at=None, raised_at__lt=before), category=category))


def keep_alerts(category: Category, subjects: Collection[Subject]) -> None:
    """Close the alerts of a category but those about some things: only their causes are still there."""
    rows = Alert.objects.filter(category=category)
    _clear(rows.exclude(_among((category.value, *subject) for subject in subjects)) if subjects else rows)


def clear_alert(category: Category, subject: Subject) -> None:
    """Close the open alert of this thing, if there is one."""
    clear_alerts(category, [subject])


def clear_alerts(category: Category, subjects: Iterable[Subject]) -> None:
    """Close the open alerts of many things."""
    clear_alerts_of([category], subjects)


def clear_alerts_of(categories: Iterable[Category], subjects: Iterable[Subject]) -> None:
    """Close the open alerts of several categories about many things, in one announcement."""
    known = list(subjects)
    if keys := [(category.value, *subject) for category in categories for subject in known]:
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
def acknowledge_alert(alert: Alert, *, actor: Actor, note: str = "") -> bool:
    """Record who looks after it, and a note; the first one only. Return whether it was this one.

    Raises InvalidParameter for a note that is not one good line.
    """
    note = note.strip()
    require_texts(LONGEST, note=note)
    unseen = Alert.objects.filter(pk=alert.pk, acknowledged_at__isnull=True)
    if not unseen.update(acknowledged_at=db_now(), acknowledged_by=actor.name, note=note):
        return False
    details: dict[str, Any] = {"note": note} if note else {}
    record("ACKNOWLEDGE_ALERT", actor=actor, subject=f"alert/{alert.pk}", **details)
    return True
