"""Deliveries that are given up, canceled or deleted, and what is left when a worker dies."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.models import Alert
from core.clock import db_now
from core.lease import LeaseLost
from outbox import signals, work
from outbox.choices import AttemptResult
from outbox.errors import NotEnded, NothingToSend
from outbox.models import Attempt, Channel, Delivery, OutgoingMessage
from outbox.queries import due_channels
from outbox.rendering import KINDS
from outbox.sending import SendOutcome
from outbox.services import cancel_deliveries, delete_channel, update_channel
from outbox.services.again import send_again
from outbox.services.channels import HEALTHY
from outbox.services.outcomes import Sent
from outbox.services.sending import lease_channel, store_outcomes, take_messages
from outbox.services.sweeping import delete_old, give_up_waiting
from tests.make import ACTOR
from tests.outbox.receiver import HttpReceiver, answers, receiving
from tests.outbox.world import channel, log, make_due, notes, states

pytestmark = pytest.mark.django_db(transaction=True)


def numbers(receiver: HttpReceiver) -> list[list[int]]:
    return [got.json["data"]["numbers"] for got in receiver.received]


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


def test_what_nobody_takes_for_a_day_is_given_up_and_can_be_sent_again(
    receiver: HttpReceiver, heard: list[tuple[str, dict[str, Any]]]
) -> None:
    with receiving(lambda _r, _s: answers("400 No")) as refusing:
        where = channel(refusing.url)
        notes(where, 1)
        work.send_channel(where.pk)
        OutgoingMessage.objects.update(give_up_at=db_now())
        make_due()
        work.send_channel(where.pk)
    assert states() == {1: "FAILED"}
    assert heard == [("deliveries_failed", {"channel_id": where.pk, "number": 1})]
    assert due_channels(db_now()) == []
    message = OutgoingMessage.objects.get()
    update_channel(where, url=receiver.url, actor=ACTOR)
    delivery = Delivery.objects.get()
    send_again(delivery, actor=ACTOR)
    with pytest.raises(NotEnded):
        send_again(delivery, actor=ACTOR)
    work.send_channel(where.pk)
    send_again(delivery, actor=ACTOR)
    work.send_channel(where.pk)
    assert states() == {1: "SENT"}
    assert [got.headers["webhook-id"] for got in receiver.received] == [str(message)] * 2


def test_what_waited_too_long_is_given_up_without_an_attempt(
    receiver: HttpReceiver, settings: Any, heard: list[tuple[str, dict[str, Any]]]
) -> None:
    where = channel(receiver.url, enabled=False)
    notes(where, 1, 2)
    notes(where, 3, not_before=db_now() + timedelta(hours=1))
    assert due_channels(db_now()) == []
    assert work.send_channel(where.pk) is False
    settings.MOREH_OUTBOX_GIVE_UP = timedelta(0)
    give_up_waiting()
    assert states() == {1: "FAILED", 2: "FAILED", 3: "PENDING"}
    assert heard == [("deliveries_failed", {"channel_id": where.pk, "number": 2})]
    update_channel(where, enabled=True, actor=ACTOR)
    settings.MOREH_OUTBOX_GIVE_UP = timedelta(days=1)
    send_again(Delivery.objects.get(payload__number=1), actor=ACTOR)
    work.send_channel(where.pk)
    assert numbers(receiver) == [[1]]


def test_what_was_tried_and_is_too_old_is_given_up_also_where_nobody_sends(
    receiver: HttpReceiver, heard: list[tuple[str, dict[str, Any]]]
) -> None:
    with receiving(lambda _r, _s: answers("500 No")) as broken:
        off, paused = channel(broken.url, "off"), channel(broken.url, "paused")
        for number, where in enumerate((off, paused), 1):
            notes(where, number)
            work.send_channel(where.pk)
            notes(where, number + 2)
    update_channel(off, enabled=False, actor=ACTOR)
    assert states() == {1: "SENDING", 2: "SENDING", 3: "PENDING", 4: "PENDING"}
    OutgoingMessage.objects.update(give_up_at=db_now())
    Delivery.objects.filter(state="PENDING").update(not_before=db_now() - timedelta(days=1))
    give_up_waiting()
    ended = [("deliveries_failed", {"channel_id": where.pk, "number": 2}) for where in (off, paused)]
    assert (states(), heard) == (dict.fromkeys((1, 2, 3, 4), "FAILED"), ended)
    assert not OutgoingMessage.objects.filter(next_at__isnull=False).exists()
    assert {alert.text for alert in Alert.objects.filter(cleared_at=None)} == {
        "Messages to off could not be delivered: 2 given up",
        "Messages to paused could not be delivered: 2 given up",
    }
    update_channel(off, enabled=True, url=receiver.url, actor=ACTOR)
    notes(off, 5)
    work.send_channel(off.pk)
    assert numbers(receiver) == [[5]]
    assert [str(alert.subject) for alert in Alert.objects.filter(cleared_at=None)] == [f"channel/{paused.pk}"]


def test_a_worker_sends_nothing_that_is_too_old(receiver: HttpReceiver) -> None:
    where = channel(receiver.url)
    notes(where, 1, ordering_key="a")
    lease = lease_channel(where.pk)
    assert lease is not None
    take_messages(lease)
    lease.release()
    notes(where, 2)
    OutgoingMessage.objects.update(give_up_at=db_now())
    Delivery.objects.filter(payload__number=2).update(not_before=db_now() - timedelta(days=1))
    notes(where, 3, ordering_key="a")
    work.send_channel(where.pk)
    assert (states(), numbers(receiver)) == ({1: "FAILED", 2: "FAILED", 3: "SENT"}, [[3]])


def test_a_worker_that_died_leaves_what_the_next_one_sends_and_its_late_writes_change_nothing(
    receiver: HttpReceiver,
) -> None:
    where = channel(receiver.url)
    notes(where, 1)
    lease = lease_channel(where.pk)
    assert lease is not None
    ((message, outgoing),) = take_messages(lease)
    assert lease_channel(where.pk) is None  # nobody else meanwhile
    assert due_channels(db_now()) == []
    Channel.objects.update(lease_until=db_now())
    assert due_channels(db_now()) == [where.pk]
    work.send_channel(where.pk)
    with pytest.raises(LeaseLost):
        store_outcomes(lease, [Sent(message, SendOutcome(AttemptResult.TIMEOUT))])
    with pytest.raises(LeaseLost):
        take_messages(lease)
    assert (states(), log()) == ({1: "SENT"}, [(1, "OK", 200)])
    assert receiver.received[0].headers["webhook-id"] == str(message)
    assert receiver.received[0].body.decode() == outgoing.content


def test_what_cannot_be_rendered_is_given_up_at_once_and_made_when_it_is_sent_again(receiver: HttpReceiver) -> None:
    where = channel(receiver.url)
    kind = KINDS.pop("note")
    notes(where, 1)
    work.send_channel(where.pk)
    assert (states(), log(), receiver.received) == ({1: "FAILED"}, [(1, "NOT_RENDERED", None)], [])
    KINDS["note"] = kind
    send_again(Delivery.objects.get(), actor=ACTOR)
    work.send_channel(where.pk)
    assert (states(), numbers(receiver)) == ({1: "SENT"}, [[1]])


def test_deliveries_of_a_deleted_channel_and_about_some_things_are_canceled(receiver: HttpReceiver) -> None:
    where, other = channel(receiver.url), channel(receiver.url, "other")
    notes(where, 1, ordering_key="alert/1")
    notes(other, 2, ordering_key="alert/1")
    notes(other, 3, ordering_key="alert/2")
    assert cancel_deliveries(ordering_keys=["alert/1"], channel_ids=[other.pk]) == 1
    delete_channel(where, actor=ACTOR)
    assert states() == {1: "CANCELED", 2: "CANCELED", 3: "PENDING"}
    notes(where, 4)
    give_up_waiting()
    assert states()[4] == "CANCELED"
    with pytest.raises(NothingToSend):
        send_again(Delivery.objects.get(payload__number=2), actor=ACTOR)
    where.refresh_from_db()
    assert (where.url, where.secret) == ("", "")


def test_a_channel_that_is_deleted_while_its_worker_waits_stays_at_rest(
    heard: list[tuple[str, dict[str, Any]]],
) -> None:
    def deleting(_received: Any, _sock: Any) -> bytes:
        deleted = threading.Thread(target=delete)
        deleted.start()
        deleted.join()
        return answers("500 No")

    def delete() -> None:
        delete_channel(Channel.objects.get(), actor=ACTOR)
        connection.close()

    with receiving(deleting) as receiver:
        where = channel(receiver.url)
        notes(where, 1)
        work.send_channel(where.pk)
    where.refresh_from_db()
    assert {name: getattr(where, name) for name in HEALTHY} == HEALTHY
    assert (states(), log(), OutgoingMessage.objects.get().next_at) == ({1: "CANCELED"}, [(1, "REFUSED", 500)], None)
    assert heard == []


def test_the_log_is_kept_for_some_days(receiver: HttpReceiver, settings: Any) -> None:
    where = channel(receiver.url)
    notes(where, 1, 2, group_key="g")
    work.send_channel(where.pk)
    delete_old()
    assert (Delivery.objects.count(), OutgoingMessage.objects.count(), Attempt.objects.count()) == (2, 1, 1)
    settings.MOREH_OUTBOX_KEPT = timedelta(0)
    notes(where, 3)
    delete_old()
    assert (states(), OutgoingMessage.objects.count(), Attempt.objects.count()) == ({3: "PENDING"}, 0, 0)


def test_a_worker_takes_a_fixed_number_of_queries(receiver: HttpReceiver) -> None:
    where = channel(receiver.url)
    counts = []
    for many in (5, 50):
        notes(where, *range(many))
        lease = lease_channel(where.pk)
        assert lease is not None
        with CaptureQueriesContext(connection) as taken:
            messages = take_messages(lease)
        with CaptureQueriesContext(connection) as stored:
            store_outcomes(lease, [Sent(message, SendOutcome(AttemptResult.OK, 200)) for message, _ in messages])
        counts.append((len(taken), len(stored), len(messages)))
        lease.release()
    assert counts[0][:2] == counts[1][:2]
    assert counts[1][2] == 50
