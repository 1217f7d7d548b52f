"""Events reach portals: at least once, in order, behind the watermark; the example receiver reads them."""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.urls import reverse

from accounts.choices import Role
from alerts import subjects
from alerts.choices import Category
from alerts.codes import Code
from alerts.services import clear_alert, raise_alert
from events.models import Event
from events.services import record
from events.settled import advance_settled, settled_id
from outbox import work as outbox_work
from outbox.models import Channel, Delivery
from subscriptions import work
from subscriptions.models import Subscription
from subscriptions.services import create_subscription
from tests import services
from tests.admin_world import client_of
from tests.api import V2, client, done, events, refused
from tests.make import ACTOR
from tests.outbox.conftest import _patience, receiver  # noqa: F401 - fixtures
from tests.outbox.receiver import HttpReceiver

pytestmark = pytest.mark.django_db(transaction=True)
URL = f"{V2}/outbox/subscription"
EXAMPLE = Path(__file__).parents[2] / "docs/examples/webhook_receiver.py"


def subscribe(url: str, *kinds: str, name: str = "portal") -> tuple[Subscription, str]:
    work.feed()
    return create_subscription(name=name, kinds=kinds or ["JOB", "SDA", "TOKEN", "USAGE"], url=url, actor=ACTOR)


def payloads() -> list[tuple[str, str]]:
    return [(row.payload["type"], row.payload["subject"]) for row in Delivery.objects.order_by("pk")]


def test_events_of_the_wanted_kinds_arrive_in_order(receiver: HttpReceiver) -> None:  # noqa: F811
    record("START_JOB", actor=ACTOR, subject="job/1")
    row, _secret = subscribe(receiver.url, "JOB", "SDA")
    for action, subject in (("SUBMIT_JOB", "job/2"), ("CREATE_SDA", "sda/1"), ("START_JOB", "job/2")):
        record(action, actor=ACTOR, subject=subject, token_id=5, devices=2)
    record("CREATE_SDAMODEL", actor=ACTOR, subject="sdamodel/1")
    record("CREATE_TOKEN", actor=ACTOR, subject="token/1")
    work.feed()
    work.feed()
    assert payloads() == [("job.submit_job", "job/2"), ("sda.create_sda", "sda/1"), ("job.start_job", "job/2")]
    outbox_work.send_channel(row.channel_id)
    (message,) = [got.json for got in receiver.received]
    event = Event.objects.get(action="SUBMIT_JOB")
    assert message["type"] == "events"
    assert message["data"]["events"][0] == {
        "id": event.pk,
        "type": "job.submit_job",
        "action": "SUBMIT_JOB",
        "subject": "job/2",
        "token": 5,
        "actor": ACTOR.name,
        "eventTime": f"{event.event_time:%Y-%m-%dT%H:%M:%S}.{event.event_time.microsecond // 1000:03}Z",
        "request": {"devices": 2},
    }
    assert [one["type"] for one in message["data"]["events"]] == [name for name, _subject in payloads()]


def test_without_a_subscription_nothing_is_stored() -> None:
    record("START_JOB", actor=ACTOR, subject="job/1")
    work.feed()
    work.feed()
    assert (Delivery.objects.count(), settled_id()) == (0, Event.objects.latest("pk").pk)


@contextmanager
def uncommitted(act: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """Do something in a transaction of another thread; yields what commits it."""
    acted, go = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with transaction.atomic():
                act()
                acted.set()
                go.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    acted.wait(20)

    def commit() -> None:
        go.set()
        thread.join()

    try:
        yield commit
    finally:
        commit()


@pytest.mark.only_postgresql
def test_an_event_whose_transaction_commits_late_is_not_missed(
    receiver: HttpReceiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("events.settled.WAIT", 0.1)
    subscribe(receiver.url)
    before = settled_id()
    with uncommitted(lambda: record("START_JOB", actor=ACTOR, subject="job/1")) as commit:
        record("START_JOB", actor=ACTOR, subject="job/2")  # a higher id, committed first
        assert advance_settled() == before
        work.feed()
        assert payloads() == []
        api = client()
        assert api.get(f"{V2}/log/sdamanager/event", {"ordering": "id", "after": str(before)}).json() == []
        commit()
    work.feed()
    assert payloads() == [("job.start_job", "job/1"), ("job.start_job", "job/2")]
    rows = api.get(f"{V2}/log/sdamanager/event", {"ordering": "id", "after": str(before)}).json()
    assert [row["subject"] for row in rows if row["action"] == "START_JOB"] == ["job/1", "job/2"]


@pytest.mark.only_postgresql
def test_a_transaction_that_is_rolled_back_holds_up_nothing(receiver: HttpReceiver) -> None:  # noqa: F811
    subscribe(receiver.url)
    with transaction.atomic():
        record("START_JOB", actor=ACTOR, subject="job/1")
        transaction.set_rollback(True)
    record("START_JOB", actor=ACTOR, subject="job/2")
    work.feed()
    assert payloads() == [("job.start_job", "job/2")]


def test_who_dies_between_two_batches_loses_and_repeats_nothing(
    receiver: HttpReceiver,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(work, "BATCH", 3)
    subscribe(receiver.url)
    for number in range(8):
        record("START_JOB", actor=ACTOR, subject=f"job/{number}")
    settled = advance_settled()
    assert work._feed_some(settled) is True
    assert len(payloads()) == 3
    with transaction.atomic():
        work._feed_some(settled)
        transaction.set_rollback(True)  # as a kill before the commit
    work.feed()
    assert [subject for _type, subject in payloads()] == [f"job/{number}" for number in range(8)]


def test_alerts_are_told_in_their_transaction(receiver: HttpReceiver) -> None:  # noqa: F811
    subscribe(receiver.url, "ALERT")
    raise_alert(Code.CHECK_FAILED, subjects.node(3), node="gpu-3", error="one")
    clear_alert(Category.GPU_ERROR, subjects.node(3))
    assert [name for name, _subject in payloads()] == ["alert.raised", "alert.cleared"]
    told = Delivery.objects.order_by("pk")[0].payload
    assert (told["request"]["about"], told["subject"].partition("/")[0]) == ("backend/3", "alert")


def test_subscriptions_over_rest() -> None:
    api = client()
    given = {"name": "portal", "kinds": ["job", "USAGE"], "url": "https://portal.example.com/in"}
    made = done(api.post(URL, given, "json"))
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    channel = Channel.objects.get()
    assert made == {
        "id": made["id"],
        "name": "portal",
        "kinds": ["JOB", "USAGE"],
        "channel": channel.pk,
        "url": "https://portal.example.com/***",
        "enabled": True,
        "failingSince": None,
        "since": made["since"],
    }
    changed = done(api.put(URL, {"id": made["id"], "kinds": ["ALERT"], "enabled": False, "name": "p2"}, "json"))
    assert changed == {**made, "kinds": ["ALERT"], "enabled": False, "name": "p2"}
    assert api.get(URL).json() == [changed]
    assert refused(api.post(URL, {**given, "kinds": []}, "json")) == (400, "INVALID_PARAMETER", ["kinds"])
    assert refused(api.post(URL, {**given, "url": "http:/x"}, "json")) == (400, "INVALID_PARAMETER", ["url"])
    assert refused(api.post(URL, {**given, "name": "p2"}, "json")) == (409, "DUPLICATE", ["name"])
    looker = client(Role.READ_ONLY)
    assert (looker.post(URL, given, "json").status_code, looker.get(URL).json()) == (403, [changed])
    done(api.delete(URL, {"id": made["id"]}))
    channel.refresh_from_db()
    assert (api.get(URL).json(), channel.deleted_at is not None, channel.secret) == ([], True, "")
    assert [subject for subject, _request in events("DELETE_SUBSCRIPTION")] == [f"subscription/{made['id']}"]


@pytest.mark.usefixtures("static_files")
def test_the_channel_of_a_subscription_is_renamed_and_deleted_with_it_alone() -> None:
    row, _secret = subscribe("https://portal.example.com/in")
    api, url, before = client(), f"{V2}/outbox/channel", events("UPDATE_CHANNEL")
    refusal = "구독 portal의 채널입니다. 구독의 이름을 바꾸거나 구독을 삭제하세요."
    for method, given in (("delete", {"id": row.channel_id}), ("put", {"id": row.channel_id, "name": "other"})):
        answer = getattr(api, method)(url, given, "json", HTTP_ACCEPT_LANGUAGE="ko")
        assert (answer.status_code, answer.json()["message"]) == (409, refusal)
        assert list(answer.json()["details"]) == [list(given)[-1]]
    browser = client_of(Role.GENERAL)
    change = reverse("admin:outbox_channel_change", args=[row.channel_id])
    shown = browser.post(change, {"name": "other", "language": "en", "enabled": "on", "recipients": ""})
    assert (
        "The channel belongs to the subscription portal: rename or delete the subscription." in shown.content.decode()
    )
    page = reverse("admin:outbox_channel_delete", args=[row.channel_id])
    asked = browser.get(page).context
    browser.post(page, {"agreed": "1", "key": asked["key"], "selection": asked["selection"]})
    row.channel.refresh_from_db()
    assert (row.channel.name, row.channel.deleted_at, events("UPDATE_CHANNEL")) == ("portal", None, before)
    done(api.put(url, {"id": row.channel_id, "name": "portal", "enabled": False}, "json"))
    done(api.put(URL, {"id": row.pk, "name": "p2"}, "json"))
    row.channel.refresh_from_db()
    assert (row.channel.name, row.channel.enabled) == ("p2", False)


@pytest.fixture
def example(tmp_path: Path) -> Iterator[Callable[[str], tuple[str, Any]]]:
    """Start the receiver of the documentation with a secret; its address, and its output."""
    running: list[subprocess.Popen[str]] = []

    def start(secret: str) -> tuple[str, Any]:
        port = services.free_port()
        command = [sys.executable, str(EXAMPLE), str(port), str(tmp_path / "seen.sqlite3")]
        process = subprocess.Popen(command, env={"WEBHOOK_SECRET": secret}, stdout=subprocess.PIPE, text=True)
        running.append(process)
        services._wait_until(lambda: _listens(port), "the example", tmp_path / "none")
        return f"http://127.0.0.1:{port}/", process.stdout

    yield start
    for process in running:
        process.kill()
        process.communicate()


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.only_sqlite
def test_the_example_receiver_verifies_and_deduplicates(example: Callable[[str], tuple[str, Any]]) -> None:
    row, secret = subscribe("http://127.0.0.1:1/")
    url, output = example(secret)
    api = client()
    done(api.put(URL, {"id": row.pk, "url": url}))
    record("START_JOB", actor=ACTOR, subject="job/1")
    work.feed()
    outbox_work.send_channel(row.channel_id)
    delivery = Delivery.objects.get(payload__subject="job/1")
    again = {"id": delivery.pk, "command": "SEND_AGAIN"}
    done(api.put(f"{V2}/outbox/delivery", again))
    outbox_work.send_channel(row.channel_id)  # the same message a second time
    record("START_JOB", actor=ACTOR, subject="job/2")
    work.feed()
    outbox_work.send_channel(row.channel_id)
    assert [json.loads(output.readline())["subject"] for _ in range(2)] == ["job/1", "job/2"]
    done(api.post(f"{V2}/outbox/channel/secret", {"id": row.channel_id, "keepHours": 0}))
    told = done(api.post(f"{V2}/outbox/channel/test", {"id": row.channel_id}))
    assert (told["result"], told["statusCode"]) == ("REFUSED", 401)
