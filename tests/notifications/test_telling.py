"""What rules say of alerts, when they hold it back, and that it is said once."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import transaction
from pytest_django import DjangoAssertNumQueries

from alerts.choices import Category, Level
from alerts.codes import Code
from alerts.models import Alert
from alerts.services import NewAlert, acknowledge_alert, clear_alerts, raise_alerts
from alerts.subjects import customer, node
from backends.services.groups import create_backend_group
from core.clock import db_now
from inventory.services import create_tag
from notifications.hours import Hours
from notifications.models import Notice, Rule
from notifications.services import create_silence, delete_rule, end_silence, update_rule
from notifications.work import sweep
from outbox.models import Delivery
from tests import make
from tests.make import ACTOR
from tests.notifications.world import channel, find, lose, notices, pass_minutes, rule, told

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
SEOUL = ZoneInfo("Asia/Seoul")


def test_a_lost_node_is_told_once_and_that_it_is_back_once() -> None:
    backend = make.backend(1, name="node-01")
    rule(channel(), group_wait_s=5)
    alert = lose(backend)
    lose(backend)  # a repetition is no news
    assert told() == [("on-call", "RAISED", "node-01")]
    delivery = Delivery.objects.get()
    assert (delivery.kind, delivery.ordering_key) == ("alert", f"alert/{alert.pk}")
    assert round((delivery.not_before - delivery.created_at).total_seconds()) == 5
    assert notices() == [("nodes", "NOTIFIED")]
    find(backend)
    find(backend)
    assert told() == [("on-call", "RAISED", "node-01"), ("on-call", "CLEARED", "node-01")]
    assert notices() == [("nodes", "RESOLVED")]
    sweep()
    assert len(told()) == 2
    lose(backend)
    assert [change for _channel, change, _name in told()] == ["RAISED", "CLEARED", "RAISED"]


def test_nothing_is_stored_when_the_transaction_that_raises_fails() -> None:
    backend = make.backend(1)
    rule(channel())
    with transaction.atomic():
        lose(backend)
        transaction.set_rollback(True)
    assert (told(), notices(), Alert.objects.count()) == ([], [], 0)


def test_rules_that_cannot_be_read_prevent_no_alert_and_are_caught_up_when_they_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    backend = make.backend(1, name="node-01")
    made = rule(channel())
    with monkeypatch.context() as broken:
        broken.setattr("notifications.services.notifying.load_rules", lambda: 1 // 0)
        lose(backend)
    assert (Alert.objects.filter(cleared_at=None).count(), told(), notices()) == (1, [], [])
    Rule.objects.update(weekdays=[], least_level="HIGHEST", time_zone="Mars/Base")
    sweep()
    assert told() == [("on-call", "RAISED", "node-01")]
    assert made.pk == Rule.objects.get().pk


MATCHES: dict[str, tuple[dict[str, Any], bool]] = {
    "no condition": ({}, True),
    "its category": ({"categories": ["NODE_LOST", "BMC_WEAK"]}, True),
    "another category": ({"categories": ["BMC_WEAK"]}, False),
    "its level": ({"least_level": "CRITICAL"}, True),
    "its group": ({"groups": "own"}, True),
    "another group": ({"groups": "other"}, False),
    "its tag": ({"tags": "own"}, True),
    "another tag": ({"tags": "other"}, False),
    "a token, which a node has not": ({"tokens": "other"}, False),
    "all of them": ({"categories": ["NODE_LOST"], "groups": "own", "tags": "own"}, True),
    "all but one": ({"categories": ["NODE_LOST"], "groups": "own", "tags": "other"}, False),
}


@pytest.mark.parametrize("case", MATCHES)
def test_which_alerts_a_rule_means(case: str) -> None:
    asked, expected = MATCHES[case]
    backend = make.backend(1)
    mine, other = create_tag(name="gpu", actor=ACTOR), create_tag(name="cpu", actor=ACTOR)
    backend.tags.add(mine)
    rows = {
        ("groups", "own"): backend.group,
        ("groups", "other"): create_backend_group(name="elsewhere", actor=ACTOR),
        ("tags", "own"): mine,
        ("tags", "other"): other,
        ("tokens", "other"): make.token(),
    }
    fields: dict[str, Any] = {
        name: value if isinstance(value, list) or name == "least_level" else [rows[name, value]]
        for name, value in asked.items()
    }
    rule(channel(), **fields)
    lose(backend)
    assert bool(told()) == expected
    assert bool(notices()) == expected


def test_a_rule_of_a_token_hears_of_the_customer() -> None:
    token, other = make.token(), make.token()
    rule(channel(), tokens=[token])
    for one in (token, other):
        values = {"month": "2026-11", "customer": "c", "subject": "s", "reason": "r"}
        raise_alerts([NewAlert(Code.STATEMENT_FAILED, customer(one.pk), values)])
    assert [row["payload"]["subject"] for row in Delivery.objects.values("payload")] == [f"token/{token.pk}"]


def test_a_level_that_rises_is_told_again_and_reaches_who_only_hears_of_the_worst() -> None:
    backend = make.backend(1, name="node-01")
    rule(channel("all"), name="all")
    rule(channel("worst"), name="worst", least_level=Level.CRITICAL)
    lose(backend, Level.WARNING)
    assert told() == [("all", "RAISED", "node-01")]
    lose(backend, Level.CRITICAL)
    assert sorted(told()[1:]) == [("all", "RAISED", "node-01"), ("worst", "RAISED", "node-01")]


def test_a_channel_of_two_rules_hears_of_an_alert_once() -> None:
    backend, where = make.backend(1, name="node-01"), channel()
    rule(where, name="one")
    rule(where, name="two")
    lose(backend)
    find(backend)
    assert told() == [("on-call", "RAISED", "node-01"), ("on-call", "CLEARED", "node-01")]
    assert notices() == [("one", "RESOLVED"), ("two", "RESOLVED")]


def test_a_silence_holds_back_and_what_is_open_at_its_end_is_told() -> None:
    first, second = make.backend(1, name="node-01"), make.backend(1, name="node-02")
    rule(channel())
    silence = create_silence(ends_at=db_now() + HOUR, comment="cables", categories=["NODE_LOST"], actor=ACTOR)
    lose(first)
    lose(second)
    sweep()
    find(first)
    assert (told(), notices()) == ([], [("nodes", "DROPPED"), ("nodes", "HELD")])
    end_silence(silence, actor=ACTOR)
    sweep()
    sweep()
    assert told() == [("on-call", "RAISED", "node-02")]
    assert notices() == [("nodes", "DROPPED"), ("nodes", "NOTIFIED")]


def test_a_silence_of_one_thing_lets_others_be_told() -> None:
    first, second = make.backend(1, name="node-01"), make.backend(1, name="node-02")
    rule(channel())
    create_silence(ends_at=db_now() + HOUR, comment="cables", subject=node(first.pk), actor=ACTOR)
    lose(first)
    lose(second)
    assert told() == [("on-call", "RAISED", "node-02")]


def test_a_new_rule_is_told_of_what_is_open_and_a_changed_one_of_what_it_did_not_mean() -> None:
    backend = make.backend(1, name="node-01")
    lose(backend)
    made = rule(channel(), categories=["BMC_WEAK"])
    assert told() == []
    update_rule(made, categories=["NODE_LOST"], actor=ACTOR)
    assert told() == [("on-call", "RAISED", "node-01")]
    update_rule(made, name="again", actor=ACTOR)
    rule(channel("second"), name="second")
    assert told()[1:] == [("second", "RAISED", "node-01")]


def test_an_alert_that_was_raised_while_its_rule_was_made_is_found_by_the_sweep() -> None:
    backend = make.backend(1, name="node-01")
    rule(channel())
    lose(backend)
    Notice.objects.all().delete()
    Delivery.objects.all().delete()
    sweep()
    assert told() == [("on-call", "RAISED", "node-01")]


def test_an_open_alert_is_repeated_until_somebody_acknowledges_it() -> None:
    backend = make.backend(1, name="node-01")
    rule(channel(), repeat_min=5)
    alert = lose(backend)
    notice = Notice.objects.get()
    assert notice.next_at is not None
    assert notice.notified_at is not None
    assert notice.next_at - notice.notified_at == timedelta(minutes=5)
    sweep()
    assert len(told()) == 1
    pass_minutes(5)
    sweep()
    sweep()
    assert len(told()) == 2
    assert list(Delivery.objects.order_by("pk").values_list("payload__repeated", flat=True)) == [False, True]
    acknowledge_alert(alert, actor=ACTOR)
    pass_minutes(5)
    sweep()
    assert len(told()) == 2


def test_who_is_off_or_deleted_or_has_no_channel_tells_nothing() -> None:
    backend = make.backend(1)
    rule(channel("a"), name="off", enabled=False)
    delete_rule(rule(channel("b"), name="deleted"), actor=ACTOR)
    lose(backend)
    find(backend)
    assert (told(), notices()) == ([], [])


def test_who_need_not_hear_the_end_does_not() -> None:
    backend = make.backend(1)
    rule(channel(), send_resolved=False)
    lose(backend)
    find(backend)
    assert [change for _channel, change, _name in told()] == ["RAISED"]
    assert notices() == [("nodes", "RESOLVED")]


HOURS: dict[str, tuple[list[str], str, str, str, bool]] = {
    "every day, all day": ([], "", "", "2026-11-29 03:00", True),
    "a day of the week": (["SUN"], "", "", "2026-11-29 03:00", True),
    "another day": (["MON"], "", "", "2026-11-29 23:59", False),
    "office hours begin": (["MON"], "09:00", "18:00", "2026-11-30 09:00", True),
    "office hours end": (["MON"], "09:00", "18:00", "2026-11-30 18:00", False),
    "before midnight": (["MON"], "22:00", "06:00", "2026-11-30 23:00", True),
    "after midnight of that night": (["MON"], "22:00", "06:00", "2026-12-01 05:59", True),
    "the morning of that day": (["MON"], "22:00", "06:00", "2026-11-30 05:59", False),
    "after the night": (["MON"], "22:00", "06:00", "2026-12-01 06:00", False),
}


@pytest.mark.only_sqlite
@pytest.mark.parametrize("case", HOURS)
def test_hours(case: str) -> None:
    days, begins, ends, at, expected = HOURS[case]
    from_time, to_time = (time.fromisoformat(one) if one else None for one in (begins, ends))
    hours = Hours(days, from_time, to_time, SEOUL)
    assert hours.include(datetime.fromisoformat(at).replace(tzinfo=SEOUL)) == expected


def test_outside_of_its_hours_a_rule_waits() -> None:
    backend = make.backend(1, name="node-01")
    now = db_now().astimezone(SEOUL)
    begins, ends = (now + HOUR).time(), (now + 2 * HOUR).time()
    made = rule(channel(), from_time=begins, to_time=ends, time_zone="Asia/Seoul")
    lose(backend)
    assert (told(), notices()) == ([], [("nodes", "HELD")])
    update_rule(made, from_time=(now - HOUR).time(), actor=ACTOR)
    sweep()
    assert told() == [("on-call", "RAISED", "node-01")]


def test_a_thousand_alerts_take_as_many_queries_as_one(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    backends = [make.backend(0) for _number in range(40)]
    rule(channel(), repeat_min=60)
    raise_alerts([])
    news = [NewAlert(Code.NODE_LOST, node(one.pk), {"node": one.name}, Level.CRITICAL) for one in backends]
    with django_assert_max_num_queries(24):
        raise_alerts(news)
    with django_assert_max_num_queries(24):
        clear_alerts(Category.NODE_LOST, [node(one.pk) for one in backends])
    assert len(told()) == 80
