from collections.abc import Collection, Mapping

from django.db import transaction
from django.db.models import F

from alerts.choices import Category, Level
from alerts.models import OPEN, Alert
from core.clock import db_now
from events.actor import Actor
from events.services import record


@transaction.atomic
def raise_alert(category: Category, *, subject: str, content: str, level: Level = Level.WARNING) -> None:
    """Open an alert, or count once more the one that is open for this thing."""
    Alert.objects.bulk_create(
        [Alert(category=category, subject=subject, content=content, level=level, times=0, raised_at=db_now())],
        ignore_conflicts=True,
    )
    now_open = Alert.objects.filter(OPEN, category=category, subject=subject)
    now_open.update(times=F("times") + 1, content=content, level=level)


@transaction.atomic
def raise_alerts(category: Category, contents: Mapping[str, str], *, level: Level = Level.WARNING) -> None:
    """Open alerts of many things at once, by subject; one that is open already is counted and keeps its content."""
    new = {"category": category, "level": level, "times": 0, "raised_at": db_now()}
    rows = [Alert(subject=subject, content=content, **new) for subject, content in contents.items()]
    Alert.objects.bulk_create(rows, ignore_conflicts=True, batch_size=500)
    Alert.objects.filter(OPEN, category=category, subject__in=contents).update(times=F("times") + 1)


@transaction.atomic
def clear_alerts(category: Category, *, subjects: Collection[str]) -> None:
    """Close the open alerts of many things."""
    Alert.objects.filter(OPEN, category=category, subject__in=subjects).update(cleared_at=db_now())


@transaction.atomic
def clear_alert(category: Category, *, subject: str) -> None:
    """Close the open alert of this thing, if there is one."""
    Alert.objects.filter(OPEN, category=category, subject=subject).update(cleared_at=db_now())


@transaction.atomic
def clear_alerts_about(subject: str) -> None:
    """Close all open alerts of a thing that is gone."""
    Alert.objects.filter(OPEN, subject=subject).update(cleared_at=db_now())


@transaction.atomic
def clear_seen_alerts(category: Category, *, but: Collection[str]) -> None:
    """Close the alerts that somebody has acknowledged, but those of some things: their causes are still there."""
    seen = Alert.objects.filter(OPEN, category=category, acknowledged_at__isnull=False)
    seen.exclude(subject__in=but).update(cleared_at=db_now())


@transaction.atomic
def acknowledge_alert(alert: Alert, *, actor: Actor) -> bool:
    """Record who looks after it, the first one only. Return whether it was this one."""
    unseen = Alert.objects.filter(pk=alert.pk, acknowledged_at__isnull=True)
    if not unseen.update(acknowledged_at=db_now(), acknowledged_by=actor.name):
        return False
    record("ACKNOWLEDGE_ALERT", actor=actor, subject=f"alert/{alert.pk}")
    return True
