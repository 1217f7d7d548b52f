"""When channels get what rules say: what is collected, what hurries, what was held back, and who hears the end."""

from datetime import timedelta

import pytest
from django.db.models import F
from pytest_django import DjangoAssertNumQueries

from alerts.choices import Level
from alerts.codes import Code
from alerts.models import Alert
from alerts.services import NewAlert, acknowledge_alert, raise_alerts
from alerts.subjects import node
from core.clock import db_now
from notifications.services import create_silence, update_rule
from notifications.work import sweep
from outbox.due import due_deliveries
from outbox.models import Delivery
from tests import make
from tests.make import ACTOR
from tests.notifications.world import channel, find, lose, notices, rule, told

pytestmark = pytest.mark.django_db


def end_silences() -> None:
    from notifications.models import Silence

    Silence.objects.update(starts_at=F("starts_at") - timedelta(hours=9), ends_at=db_now())


def test_what_a_rule_says_while_it_collects_is_due_at_once() -> None:
    rule(channel(), group_wait_s=60)
    for number in range(3):
        lose(make.backend(1))
        if not number:
            Delivery.objects.update(not_before=F("not_before") - timedelta(seconds=30))
    assert len(set(Delivery.objects.values_list("not_before", flat=True))) == 1
    Delivery.objects.update(not_before=db_now())
    lose(make.backend(1))  # too late for the first message
    assert len(set(Delivery.objects.values_list("not_before", flat=True))) == 2


def test_the_rule_that_collects_for_the_shortest_time_tells_a_channel() -> None:
    where, other = channel(), channel("other")
    rule(where, other, name="digest", group_wait_s=3600)
    rule(where, name="at once", least_level=Level.CRITICAL)
    lose(make.backend(1))
    due = due_deliveries(where.pk, db_now(), ["channel_id", "payload"], 10)
    assert [(channel_id, payload["rule"]) for channel_id, payload in due] == [(where.pk, "at once")]
    assert sorted(Delivery.objects.values_list("channel__name", "group_key")) == [
        ("on-call", f"rule/{rule_id('at once')}"),
        ("other", f"rule/{rule_id('digest')}"),
    ]


def rule_id(name: str) -> int:
    from notifications.models import Rule

    return Rule.objects.get(name=name).pk


def test_an_alert_that_rises_does_not_wait_behind_what_a_slow_rule_says() -> None:
    where, backend = channel(), make.backend(1)
    rule(where, name="digest", group_wait_s=3600)
    rule(where, name="at once", least_level=Level.CRITICAL)
    lose(make.backend(1), Level.WARNING)
    lose(backend, Level.WARNING)
    lose(backend, Level.CRITICAL)
    due = due_deliveries(where.pk, db_now(), ["payload"], 10)
    assert [(payload["rule"], payload["level"]) for (payload,) in due] == [
        ("digest", "WARNING"),
        ("at once", "CRITICAL"),
    ]
    assert Delivery.objects.filter(not_before__gt=db_now()).count() == 1


def test_a_level_that_rises_during_a_silence_is_told_when_it_is_over() -> None:
    backend = make.backend(1, name="node-01")
    rule(channel())
    lose(backend, Level.WARNING)
    create_silence(ends_at=db_now() + timedelta(hours=1), comment="cables", categories=["NODE_LOST"], actor=ACTOR)
    lose(backend, Level.CRITICAL)
    sweep()
    assert ([change for _channel, change, _name in told()], notices()) == (["RAISED"], [("nodes", "HELD")])
    end_silences()
    sweep()
    sweep()
    levels = [payload["level"] for payload in Delivery.objects.order_by("pk").values_list("payload", flat=True)]
    assert (levels, notices()) == (["WARNING", "CRITICAL"], [("nodes", "NOTIFIED")])


def test_an_alert_that_ends_while_its_rise_is_held_back_is_told_to_be_over() -> None:
    backend = make.backend(1, name="node-01")
    rule(channel())
    lose(backend, Level.WARNING)
    create_silence(ends_at=db_now() + timedelta(hours=1), comment="cables", categories=["NODE_LOST"], actor=ACTOR)
    lose(backend, Level.CRITICAL)
    find(backend)
    assert ([change for _channel, change, _name in told()], notices()) == (
        ["RAISED", "CLEARED"],
        [("nodes", "RESOLVED")],
    )


def test_an_alert_that_somebody_looks_after_is_not_told_at_the_end_of_a_silence() -> None:
    rule(channel())
    create_silence(ends_at=db_now() + timedelta(hours=1), comment="cables", categories=["NODE_LOST"], actor=ACTOR)
    acknowledge_alert(lose(make.backend(1)), actor=ACTOR)
    end_silences()
    sweep()
    assert (told(), notices()) == ([], [("nodes", "HELD")])


def test_who_has_heard_of_an_alert_hears_of_its_end_also_when_the_rule_has_other_channels() -> None:
    backend = make.backend(1, name="node-01")
    old, new = channel("old"), channel("new")
    made = rule(old)
    lose(backend)
    update_rule(made, channels=[new], actor=ACTOR)
    find(backend)
    assert told() == [("old", "RAISED", "node-01"), ("old", "CLEARED", "node-01")]


def test_a_channel_of_a_rule_that_tells_no_end_hears_none_by_another_rule() -> None:
    backend = make.backend(1, name="node-01")
    rule(channel("one"), name="one")
    rule(channel("two"), name="two", send_resolved=False)
    lose(backend)
    find(backend)
    assert sorted(told()) == [
        ("one", "CLEARED", "node-01"),
        ("one", "RAISED", "node-01"),
        ("two", "RAISED", "node-01"),
    ]


def test_many_alerts_take_as_many_queries_as_few(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    rule(channel(), channel("two"), group_wait_s=60)
    nodes = [make.backend(1) for _ in range(30)]
    lose(nodes.pop())
    with django_assert_max_num_queries(24):
        raise_alerts(NewAlert(Code.NODE_LOST, node(one.pk), {"node": one.name}) for one in nodes)
    assert Delivery.objects.count() == 2 * Alert.objects.count() == 60
