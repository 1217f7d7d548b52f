"""Alerts, channels and rules of the tests, and what the outbox holds of them."""

from datetime import timedelta
from typing import Any

from django.db.models import F

from alerts.choices import Category, Level
from alerts.codes import Code
from alerts.models import Alert
from alerts.services import clear_alert, raise_alert
from alerts.subjects import Subject, node
from backends.models import Backend
from notifications.models import Notice, Rule
from notifications.services import create_rule
from outbox.models import Channel, Delivery
from outbox.services import create_channel
from tests.make import ACTOR


def channel(name: str = "on-call", **fields: Any) -> Channel:
    """Make a mail channel."""
    made, _secret = create_channel(name=name, kind="MAIL", recipients=["ops@example.com"], actor=ACTOR, **fields)
    return made


def rule(*channels: Channel, name: str = "nodes", **fields: Any) -> Rule:
    """Make a rule that tells some channels at once."""
    return create_rule(name=name, channels=list(channels), actor=ACTOR, **{"group_wait_s": 0, **fields})


def lose(backend: Backend, level: Level = Level.CRITICAL) -> Alert:
    """Raise the alert of a lost node."""
    raise_alert(Code.NODE_LOST, node(backend.pk), level=level, node=backend.name)
    return Alert.objects.latest("pk")


def find(backend: Backend) -> None:
    """Clear the alert of a lost node."""
    clear_alert(Category.NODE_LOST, Subject(*node(backend.pk)))


def told() -> list[tuple[str, str, str]]:
    """Return what was stored for channels: channel, change, name of the subject."""
    rows = Delivery.objects.filter(kind="alert").order_by("pk").values_list("channel__name", "payload")
    return [(name, payload["change"], payload["name"]) for name, payload in rows]


def notices() -> list[tuple[str, str]]:
    """Return rule and state of every notice."""
    return list(Notice.objects.order_by("pk").values_list("rule__name", "state"))


def pass_minutes(minutes: int) -> None:
    """Let what rules wait for come nearer: everything was stored some minutes earlier."""
    by = timedelta(minutes=minutes)
    Notice.objects.update(next_at=F("next_at") - by, notified_at=F("notified_at") - by)
    Delivery.objects.update(created_at=F("created_at") - by)
