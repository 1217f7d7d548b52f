"""What pages say of notices: what became of them, and why they are held back."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.choices import Role
from alerts.choices import Level
from alerts.models import Alert
from alerts.services import acknowledge_alert
from core.clock import db_now
from notifications.hours import Hours
from notifications.models import Notice
from notifications.reports import reports_of_alert, reports_of_rule
from notifications.services import create_silence, update_rule
from outbox.models import Channel, Delivery, OutgoingMessage
from outbox.services import delete_channel
from tests import make
from tests.admin_world import client_of
from tests.make import ACTOR
from tests.notifications.world import channel, find, lose, rule

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
SEOUL = ZoneInfo("Asia/Seoul")


@pytest.fixture
def browser() -> Client:
    return client_of(Role.READ_ONLY)


def rows_of(browser: Client, row: Any, title: str) -> list[list[str]]:
    """Return the texts in the rows of a table on the page of a row."""
    options = row._meta
    page = browser.get(reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[row.pk]))
    (table,) = [one for one in page.context["tables"] if str(one.title) == title]
    return [[re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", str(cell))).strip() for cell in cells] for cells in table.rows]


def seen(at: datetime | None) -> str:
    assert at is not None
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"


def test_a_refused_message_is_not_told_but_tried_again_and_given_up_at_last(browser: Client) -> None:
    made = rule(channel(), name="nodes")
    alert = lose(make.backend(1, name="node-01"))
    delivery = Delivery.objects.get()

    def states() -> list[str]:
        return [
            rows_of(browser, made, "Alerts it told of or holds back")[0][1],
            rows_of(browser, alert, "Notifications")[0][3],
        ]

    assert states() == [f"waiting {seen(delivery.not_before)}"] * 2
    later = db_now() + timedelta(hours=1)
    given = {"kind": "alert", "created_at": later, "give_up_at": later}
    message = OutgoingMessage.objects.create(channel=delivery.channel, tries=1, next_at=later, **given)
    Delivery.objects.update(state="SENDING", message=message)
    assert states() == [f"will be tried again {seen(later)}"] * 2
    Delivery.objects.update(state="FAILED", ended_at=later)
    assert states() == ["given up"] * 2
    Delivery.objects.update(state="SENDING", ended_at=None)
    Delivery.objects.update(state="SENT", ended_at=later)
    assert states() == ["sent"] * 2
    assert rows_of(browser, alert, "Notifications") == [["nodes", "on-call", "raised", "sent", seen(later)]]
    Delivery.objects.all().delete()
    assert states() == ["no longer in the log"] * 2


def test_each_channel_of_each_rule_is_listed_and_who_told_a_channel_that_two_share(browser: Client) -> None:
    shared = channel("shared")
    rule(shared, channel("desk"), name="one")
    second = rule(shared, name="two")
    backend = make.backend(1, name="node-01")
    alert = lose(backend)
    find(backend)
    Delivery.objects.filter(channel=shared, payload__change="RAISED").update(state="FAILED")
    Delivery.objects.filter(channel=shared, payload__change="CLEARED").update(state="CANCELED")
    shown = [[*row[:3], re.sub(" [0-9].*", "", row[3])] for row in rows_of(browser, alert, "Notifications")]
    assert shown == [
        ["two", "shared", "cleared", "canceled by rule one"],
        ["one", "desk", "cleared", "waiting"],
        ["one", "shared", "cleared", "canceled"],
    ]
    assert rows_of(browser, second, "Alerts it told of or holds back")[0][1] == "canceled by rule one"


def test_what_is_held_back_of_an_acknowledged_alert_says_so(browser: Client) -> None:
    rule(channel())
    create_silence(ends_at=db_now() + timedelta(hours=1), comment="cables", categories=["NODE_LOST"], actor=ACTOR)
    alert = lose(make.backend(1))
    acknowledge_alert(alert, actor=ACTOR)
    assert rows_of(browser, alert, "Notifications")[0][3] == "held back the alert is acknowledged"


def test_what_is_held_back_says_why_and_until_when(browser: Client) -> None:
    backend = make.backend(1, name="node-01")
    where = channel()
    now = db_now().astimezone(SEOUL)
    begins = (now + timedelta(hours=1)).replace(second=0, microsecond=0)
    ends = begins + timedelta(hours=1)
    made = rule(where, name="nodes", from_time=begins.time(), to_time=ends.time(), time_zone="Asia/Seoul")
    until = now + timedelta(hours=2)
    create_silence(ends_at=now + timedelta(hours=1), comment="shorter", categories=["NODE_LOST"], actor=ACTOR)
    silence = create_silence(ends_at=until, comment="cables", categories=["NODE_LOST"], actor=ACTOR)
    alert = lose(backend)

    def why() -> str:
        (row,) = rows_of(browser, alert, "Notifications")
        assert row[:3] == ["nodes", "on-call" if where.deleted_at is None else "–", "–"]  # noqa: RUF001
        assert row[3].replace(" ,", ",") == rows_of(browser, made, "Alerts it told of or holds back")[0][1].replace(
            " ,", ","
        )
        return row[3].replace(" ,", ",")

    silenced = f"silence #{silence.pk} until {seen(until)}"
    assert why() == f"held back {silenced}, outside of the hours of the rule until {seen(begins)}"
    type(silence).objects.update(ends_at=db_now())
    assert why() == f"held back outside of the hours of the rule until {seen(begins)}"
    Notice.objects.filter(rule=made).update(state="HELD")
    type(made).objects.update(from_time=None, to_time=None)
    assert why() == "held back it is told within seconds"
    update_rule(made, enabled=False, actor=ACTOR)
    assert why() == "held back the rule is switched off"
    update_rule(made, enabled=True, actor=ACTOR)
    delete_channel(where, actor=ACTOR, force=True)
    where.refresh_from_db()
    assert why() == "held back the rule has no channel"
    find(backend)
    assert rows_of(browser, alert, "Notifications")[0][3] == "over before it was told"


def test_a_level_that_rises_while_it_is_silent_is_held_back_beside_what_was_sent(browser: Client) -> None:
    backend = make.backend(1, name="node-01")
    made = rule(channel(), name="nodes")
    alert = lose(backend, Level.WARNING)
    Delivery.objects.update(state="CANCELED")
    silence = create_silence(ends_at=db_now() + timedelta(hours=1), comment="c", categories=["NODE_LOST"], actor=ACTOR)
    lose(backend, Level.CRITICAL)
    held = f"held back silence #{silence.pk} until {seen(silence.ends_at)}"
    assert [row[3] for row in rows_of(browser, alert, "Notifications")] == ["canceled", held]
    assert rows_of(browser, made, "Alerts it told of or holds back")[0][1] == f"canceled {held}"


def test_reports_take_as_many_queries_for_any_number(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    channels = [channel(f"c{number}") for number in range(3)]
    made = [rule(*channels, name=f"r{number}") for number in range(3)]
    alerts = [lose(make.backend(0)) for _number in range(3)]
    create_silence(ends_at=db_now() + timedelta(hours=1), comment="c", categories=["NODE_LOST"], actor=ACTOR)
    lose(make.backend(0))
    with django_assert_max_num_queries(12):
        assert len(reports_of_rule(made[0], 20)) == 4
    with django_assert_max_num_queries(12):
        assert len(reports_of_alert(Alert.objects.latest("pk"), 20)) == 3
    assert [len(one.deliveries) for one in reports_of_alert(alerts[0], 20)] == [3, 3, 3]
    assert Channel.objects.count() == 3


NEXT: dict[str, tuple[list[str], str, str, str, str | None]] = {
    "today": ([], "09:00", "18:00", "2026-11-30 08:00", "2026-11-30 09:00"),
    "tomorrow": ([], "09:00", "18:00", "2026-11-30 19:00", "2026-12-01 09:00"),
    "on the next of its days": (["SAT"], "22:00", "06:00", "2026-11-30 19:00", "2026-12-05 22:00"),
    "a day without times": (["SUN"], "", "", "2026-11-30 19:00", "2026-12-06 00:00"),
    "in a week": (["MON"], "09:00", "18:00", "2026-11-30 18:00", "2026-12-07 09:00"),
    "never": (["MOON"], "", "", "2026-11-30 18:00", None),
}


@pytest.mark.only_sqlite
@pytest.mark.parametrize("case", NEXT)
def test_hours_begin_next(case: str) -> None:
    days, begins, ends, at, expected = NEXT[case]
    from_time, to_time = (time.fromisoformat(one) if one else None for one in (begins, ends))
    found = Hours(days, from_time, to_time, SEOUL).next_begin(
        datetime.fromisoformat(at).replace(tzinfo=SEOUL).astimezone(UTC)
    )
    assert (f"{found:%Y-%m-%d %H:%M}" if found else None) == expected
