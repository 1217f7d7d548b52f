"""Enqueueing, sending in order and in groups, and retries."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import redis
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries
from structlog.testing import capture_logs

from alerts.models import Alert
from core.clock import db_now
from core.postgresql import is_postgresql
from outbox import signals, tasks, work
from outbox.choices import AttemptResult
from outbox.due import due_rows
from outbox.models import Attempt, Channel, Delivery, OutgoingMessage
from outbox.queries import due_channels
from outbox.services import NewDelivery, enqueue
from outbox.services.again import send_again
from outbox.services.channels import HEALTHY
from outbox.services.sending import lease_channel, take_messages
from tests.make import ACTOR
from tests.outbox.receiver import HttpReceiver, answers, mailbox, receiving, silent
from tests.outbox.world import channel, log, make_due, notes, states

pytestmark = pytest.mark.django_db(transaction=True)


def numbers(receiver: HttpReceiver) -> list[list[int]]:
    return [got.json["data"]["numbers"] for got in receiver.received]


def test_deliveries_leave_and_are_logged(receiver: HttpReceiver) -> None:
    where = channel(receiver.url)
    notes(where, 1, 2)
    assert due_channels(db_now()) == [where.pk]
    assert work.send_channel(where.pk) is False
    assert states() == {1: "SENT", 2: "SENT"}
    assert sorted(numbers(receiver)) == [[1], [2]]
    assert log() == [(1, "OK", 200)] * 2
    got = receiver.received[0].json
    message = OutgoingMessage.objects.get(subject=f"en: {got['data']['numbers']}")
    assert (got["type"], receiver.received[0].headers["webhook-id"]) == ("note.made", str(message))
    assert message.next_at is None
    assert Attempt.objects.values_list("size", flat=True)[0] == len(receiver.received[0].body)
    assert due_channels(db_now()) == []


def test_nothing_of_a_transaction_that_is_rolled_back_leaves(receiver: HttpReceiver, broker: redis.Redis) -> None:
    where = channel(receiver.url)
    broker.flushall()
    with transaction.atomic():
        notes(where, 1)
        transaction.set_rollback(True)
    assert broker.llen("outbox") == 0
    with transaction.atomic():
        notes(where, 2, 3)
        notes(where, 4)
    assert broker.llen("outbox") == 1  # one wake-up
    tasks.send_channel(channel_id=where.pk)
    assert states() == {2: "SENT", 3: "SENT", 4: "SENT"}


def test_enqueueing_takes_one_statement_however_many(
    receiver: HttpReceiver, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    where = channel(receiver.url)
    with transaction.atomic(), django_assert_num_queries(2):
        notes(where, *range(100))
    assert Delivery.objects.count() == 100


def test_what_is_about_one_thing_arrives_in_order_and_one_at_a_time(receiver: HttpReceiver) -> None:
    where = channel(receiver.url)
    notes(where, 1, 2, ordering_key="alert/1")
    notes(where, 11, 12, ordering_key="alert/2")
    notes(where, 3, ordering_key="alert/1")
    lease = lease_channel(where.pk)
    assert lease is not None
    first = take_messages(lease)
    assert [message.subject for message, _outgoing in first] == ["en: [1]", "en: [11]"]
    assert [message.pk for message, _ in take_messages(lease)] == [
        message.pk for message, _ in first
    ]  # as after a kill
    lease.release()
    for _round in range(3):
        work.send_channel(where.pk)
    assert [n for (n,) in numbers(receiver) if n < 10] == [1, 2, 3]
    assert [n for (n,) in numbers(receiver) if n > 10] == [11, 12]


def test_a_later_delivery_does_not_pass_an_earlier_one_that_is_not_due(receiver: HttpReceiver) -> None:
    where = channel(receiver.url)
    notes(where, 1, ordering_key="alert/1", not_before=db_now() + timedelta(hours=1))
    notes(where, 2, ordering_key="alert/1")
    notes(where, 3, ordering_key="alert/2")
    work.send_channel(where.pk)
    assert states() == {1: "PENDING", 2: "PENDING", 3: "SENT"}
    Delivery.objects.update(not_before=db_now())
    work.send_channel(where.pk)
    assert numbers(receiver) == [[3], [1], [2]]


def test_a_group_that_is_due_together_is_one_message(receiver: HttpReceiver) -> None:
    where, other = channel(receiver.url), channel(receiver.url, "other")
    notes(where, 1, ordering_key="alert/1", group_key="rack-1")
    notes(where, 2, ordering_key="alert/2", group_key="rack-2")
    notes(where, 3, ordering_key="alert/3", group_key="rack-1")
    notes(where, 4, ordering_key="alert/1", group_key="rack-1")
    notes(where, 5, ordering_key="alert/1", group_key="rack-2")  # behind 4, which is in the other group
    notes(where, 6, ordering_key="alert/5", group_key="rack-1", not_before=db_now() + timedelta(hours=1))
    notes(other, 7, ordering_key="alert/1", group_key="rack-1")
    work.send_channel(where.pk)
    assert sorted(numbers(receiver)) == [[1, 3, 4], [2], [5]]
    assert numbers(receiver)[-1] == [5]
    assert states() == {1: "SENT", 2: "SENT", 3: "SENT", 4: "SENT", 5: "SENT", 6: "PENDING", 7: "PENDING"}


def test_a_group_is_split_before_it_is_too_long_for_receivers(receiver: HttpReceiver) -> None:
    where = channel(receiver.url)
    long = [*["\ud55c" * 33_333] * 4, "x" * 300_000, "x"]  # three of 100 kB are too long, and one of 300 kB is alone
    enqueue(
        NewDelivery(where.pk, "note", {"number": number, "more": more}, f"job/{number % 2}", "events")
        for number, more in enumerate(long, 1)
    )
    work.send_channel(where.pk)
    assert numbers(receiver) == [[1, 2], [3, 4], [5], [6]]


def test_what_is_due_is_found_by_indexes_and_what_is_ahead_once_on_sqlite() -> None:
    where = channel("https://a.example.com/")
    enqueue(NewDelivery(where.pk, "note", {}, ordering_key=f"alert/{number}") for number in range(2000))
    if is_postgresql():
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE outbox_delivery")
        assert "Index Scan using delivery_order" in due_rows(where.pk, db_now())[:1000].explain()
    else:
        plan = due_rows(where.pk, db_now())[:1000].explain()
        assert ("CORRELATED" in plan, "delivery_channel" in plan) == (False, False)
        assert ("INDEX delivery_pending" in plan, "INDEX outgoing_next" in plan) == (True, True)


def test_a_refused_message_is_sent_again_with_the_same_id_and_content() -> None:
    turns = iter([answers("500 No"), answers("400 No"), answers("200 OK")])
    with receiving(lambda _r, _s: next(turns)) as receiver:
        where = channel(receiver.url)
        notes(where, 1)
        work.send_channel(where.pk)
        where.refresh_from_db()
        assert (where.failures, states()) == (1, {1: "SENDING"})
        assert due_channels(db_now()) == []
        make_due()
        update_language = Channel.objects.filter(pk=where.pk).update(language="ko")
        assert update_language
        work.send_channel(where.pk)
        make_due()
        work.send_channel(where.pk)
        assert log() == [(1, "REFUSED", 500), (2, "REFUSED", 400), (3, "OK", 200)]
        assert len({(got.headers["webhook-id"], got.body) for got in receiver.received}) == 1
    where.refresh_from_db()
    assert (states(), where.failures, where.failing_since) == ({1: "SENT"}, 0, None)


def test_a_refusal_of_one_message_does_not_hold_up_the_others() -> None:
    def manners(got: Any, _sock: Any) -> bytes:
        return answers("422 No") if got.json["data"]["numbers"] == [1] else answers("200 OK")

    with receiving(manners) as receiver:
        where = channel(receiver.url)
        notes(where, 1, ordering_key="a")
        notes(where, 2, ordering_key="a")
        notes(where, 3)
        work.send_channel(where.pk)
    assert states() == {1: "SENDING", 2: "PENDING", 3: "SENT"}
    where.refresh_from_db()
    assert {name: getattr(where, name) for name in HEALTHY} == HEALTHY


def test_a_channel_that_fails_gets_one_message_at_a_time_and_delays_no_other(receiver: HttpReceiver) -> None:
    with receiving(silent) as dead:
        broken, good = channel(dead.url, "broken"), channel(receiver.url, "good")
        notes(broken, *range(100))
        notes(good, *range(200, 210))
        work.send_channel(broken.pk)
        assert len(dead.received) <= 16
        tried = len(dead.received)
        assert due_channels(db_now()) == [good.pk]
        work.send_channel(good.pk)
        make_due()
        work.send_channel(broken.pk)
        assert len(dead.received) == tried + 1
    assert Counter(states().values())["SENT"] == 10


def test_a_pause_that_is_asked_for_is_kept_within_bounds(settings: Any) -> None:
    settings.MOREH_OUTBOX_RETRY_MOST = timedelta(seconds=900)
    waits = iter(["600", "99999999"])
    with receiving(lambda _r, _s: answers("429 Later", f"Retry-After: {next(waits)}")) as receiver:
        where = channel(receiver.url)
        notes(where, 1)
        for least, most in ((595, 600), (895, 900)):
            before = db_now()
            work.send_channel(where.pk)
            where.refresh_from_db()
            assert where.next_at is not None
            assert least <= (where.next_at - before).total_seconds() <= most + 5
            make_due()


@pytest.fixture
def heard() -> Any:
    """What the signals told."""
    told: list[tuple[str, dict[str, Any]]] = []
    listeners = {}
    for name in ("channel_failing", "channel_recovered", "deliveries_failed"):

        def listen(sender: Any, signal: Any, name: str = name, **more: Any) -> None:
            told.append((name, more))

        listeners[name] = listen
        getattr(signals, name).connect(listen)
    yield told
    for name, listen in listeners.items():
        getattr(signals, name).disconnect(listen)


def test_who_watches_is_told_that_a_channel_fails_and_that_it_works_again(
    settings: Any, heard: list[tuple[str, dict[str, Any]]]
) -> None:
    settings.MOREH_OUTBOX_REPORT_AFTER = timedelta(0)
    turns = iter([answers("500 No"), answers("500 No"), answers("200 OK"), answers("200 OK")])
    with receiving(lambda _r, _s: next(turns)) as receiver:
        where = channel(receiver.url)
        notes(where, 1)
        for _attempt in range(3):
            work.send_channel(where.pk)
            make_due()
        notes(where, 2)
        work.send_channel(where.pk)
    since = heard[0][1].pop("since")
    assert abs((db_now() - since).total_seconds()) < 60
    assert heard == [
        ("channel_failing", {"channel_id": where.pk, "result": AttemptResult.REFUSED, "code": 500}),
        ("channel_recovered", {"channel_id": where.pk}),
    ]


def test_a_message_that_fails_oddly_is_logged_once_and_takes_no_other_with_it(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    with mailbox() as (box, settings.EMAIL_PORT), capture_logs() as logged:
        where = channel("", kind="MAIL", recipients=["ops@example.com"])
        notes(where, 1, 2, 3)
        lease = lease_channel(where.pk)
        assert lease is not None
        odd = take_messages(lease)[1][0]
        lease.release()
        OutgoingMessage.objects.filter(pk=odd.pk).update(content="{")
        work.send_channel(where.pk)
    assert states() == {1: "SENT", 2: "SENDING", 3: "SENT"}
    assert [(one["event"], one["message"], one["error"]) for one in logged] == [
        ("message_not_sent", str(odd), "JSONDecodeError")
    ]
    assert sorted(Attempt.objects.values_list("result", "detail")) == [
        ("GARBAGE", "JSONDecodeError"),
        ("OK", ""),
        ("OK", ""),
    ]
    assert len(box.mails) == 2
    where.refresh_from_db()
    assert {name: getattr(where, name) for name in HEALTHY} == HEALTHY


def test_a_channel_that_refuses_each_message_for_long_fails_whatever_the_code(
    heard: list[tuple[str, dict[str, Any]]],
) -> None:
    manners = iter([*[answers("410 Gone")] * 4, answers("200 OK"), answers("200 OK")])
    with receiving(lambda _r, _s: next(manners)) as receiver:
        where = channel(receiver.url)
        notes(where, 1, 2)
        work.send_channel(where.pk)
        where.refresh_from_db()
        assert ({name: getattr(where, name) for name in HEALTHY}, heard) == (HEALTHY, [])
        long_ago = db_now() - timedelta(minutes=6)
        Attempt.objects.update(at=long_ago)
        make_due()
        work.send_channel(where.pk)
        where.refresh_from_db()
        assert (where.failing_since, where.failures, where.next_at) == (long_ago, 0, None)
        alert = Alert.objects.get()
        assert (alert.category, str(alert.subject)) == ("DELIVERY_FAILED", f"channel/{where.pk}")
        assert alert.text == "Messages to portal could not be delivered: refused; 410"
        make_due()
        work.send_channel(where.pk)
    where.refresh_from_db()
    assert {name: getattr(where, name) for name in HEALTHY} == HEALTHY
    assert [name for name, _more in heard] == ["channel_failing", "channel_recovered"]
    alert.refresh_from_db()
    assert alert.cleared_at is not None


def test_recipients_who_are_refused_for_now_are_tried_again_alone_and_hold_up_no_others(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    with mailbox() as (box, settings.EMAIL_PORT):
        box.refuse = {"b@a.com": "451 greylisted", "c@a.com": "550 no such user"}
        where = channel("", kind="MAIL", recipients=["a@a.com", "b@a.com", "c@a.com"])
        notes(where, 1, 2, ordering_key="k")
        work.send_channel(where.pk)
        assert (states(), log()) == ({1: "SENT", 2: "SENT"}, [(1, "OK", 250), (1, "OK", 250)])
        assert Attempt.objects.values_list("detail", flat=True)[0] == "refused: b@a.com (451), c@a.com (550)"
        assert OutgoingMessage.objects.values_list("settled", flat=True)[0] == {"a@a.com": 250, "c@a.com": 550}
        make_due()
        work.send_channel(where.pk)
        where.refresh_from_db()
        assert {name: getattr(where, name) for name in HEALTHY} == HEALTHY
        box.refuse = {}
        make_due()
        work.send_channel(where.pk)
        make_due()
        work.send_channel(where.pk)
    assert log()[2:] == [(2, "REFUSED", 451)] * 2 + [(3, "OK", 250)] * 2
    got = Counter((mail["X-RcptTo"], mail["Message-ID"], mail["To"]) for mail in box.mails)
    assert Counter(to for to, _id, _all in got) == {"a@a.com": 2, "b@a.com": 2}
    assert (len({mail for _to, mail, _all in got}), {everybody for _to, _mail, everybody in got}) == (
        2,
        {"a@a.com, b@a.com, c@a.com"},
    )
    assert not OutgoingMessage.objects.filter(next_at__isnull=False).exists()


def test_recipients_who_are_refused_for_a_day_are_reported(settings: Any) -> None:
    settings.EMAIL_BACKEND, settings.EMAIL_HOST = "django.core.mail.backends.smtp.EmailBackend", "127.0.0.1"
    with mailbox() as (box, settings.EMAIL_PORT):
        box.refuse = {"b@a.com": "452 mailbox full"}
        where = channel("", kind="MAIL", recipients=["a@a.com", "b@a.com"])
        notes(where, 1)
        work.send_channel(where.pk)
        OutgoingMessage.objects.update(give_up_at=db_now())
        work.send_channel(where.pk)
        assert (states(), log()) == ({1: "SENT"}, [(1, "OK", 250)])
        assert Alert.objects.get().text == "Messages to portal could not be delivered: 1 given up"
        send_again(Delivery.objects.get(), actor=ACTOR)
        box.refuse = {}
        work.send_channel(where.pk)
    assert [mail["X-RcptTo"] for mail in box.mails] == ["a@a.com", "a@a.com, b@a.com"]
