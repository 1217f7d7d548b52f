"""A channel that several rules use hears each thing of an alert once."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from alerts.choices import Level
from alerts.models import Alert
from core.clock import db_now
from notifications.models import Rule
from notifications.services import update_rule
from notifications.work import sweep
from outbox.models import Delivery
from tests import make
from tests.make import ACTOR
from tests.notifications.world import channel, find, lose, notices, pass_minutes, rule, told

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
SEOUL = ZoneInfo("Asia/Seoul")


def test_a_rule_that_is_made_or_switched_on_tells_no_channel_what_another_rule_told_it() -> None:
    backend, shared, own = make.backend(1, name="node-01"), channel("shared"), channel("own")
    rule(shared, name="one")
    lose(backend, Level.WARNING)
    second = rule(shared, own, name="two", enabled=False)
    update_rule(second, enabled=True, actor=ACTOR)
    rule(shared, name="three")
    assert told() == [("shared", "RAISED", "node-01"), ("own", "RAISED", "node-01")]
    assert notices() == [("one", "NOTIFIED"), ("two", "NOTIFIED"), ("three", "NOTIFIED")]
    lose(backend, Level.CRITICAL)
    assert sorted(told()[2:]) == [("own", "RAISED", "node-01"), ("shared", "RAISED", "node-01")]
    find(backend)
    assert sorted(told()[4:]) == [("own", "CLEARED", "node-01"), ("shared", "CLEARED", "node-01")]


def test_a_rule_whose_hours_begin_tells_no_channel_what_another_rule_told_it() -> None:
    backend, where = make.backend(1, name="node-01"), channel()
    rule(where, name="always", least_level=Level.WARNING)
    now = db_now().astimezone(SEOUL)
    later = {"from_time": (now + HOUR).time(), "to_time": (now + 2 * HOUR).time(), "time_zone": "Asia/Seoul"}
    made = rule(where, name="later", **later)
    lose(backend, Level.WARNING)
    Rule.objects.filter(pk=made.pk).update(from_time=None, to_time=None)
    sweep()
    assert told() == [("on-call", "RAISED", "node-01")]
    assert notices() == [("always", "NOTIFIED"), ("later", "NOTIFIED")]


def test_what_was_given_up_or_was_less_urgent_is_told_by_the_next_rule() -> None:
    backend, where = make.backend(1, name="node-01"), channel()
    rule(where, name="one")
    lose(backend, Level.WARNING)
    Delivery.objects.update(state="FAILED")
    rule(where, name="two")
    assert len(told()) == 2
    Alert.objects.update(level=Level.CRITICAL)
    rule(where, name="three")
    rule(where, name="four")
    assert len(told()) == 3


def test_a_channel_of_two_rules_hears_a_repetition_as_often_as_the_more_frequent_one_repeats() -> None:
    where = channel()
    rule(where, name="half", repeat_min=30)
    lose(make.backend(1))
    pass_minutes(10)
    rule(where, name="quarter", repeat_min=15)
    heard = []
    for minute in range(10, 70, 5):
        before = len(told())
        sweep()
        heard += [minute] * (len(told()) - before)
        pass_minutes(5)
    assert heard == [25, 40, 55]
