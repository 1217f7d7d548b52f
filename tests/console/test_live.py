"""The pulse that keeps pages up to date, as a stream and as plain JSON."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from accounts.choices import Role
from backends.choices import BackendStatus
from backends.services.nodes import set_backend_status
from console.live import views
from console.live.topics import TABLES, read_pulse
from console.live.watcher import Watcher
from tests import make
from tests.admin_world import client_of

pytestmark = pytest.mark.django_db(transaction=True)
STREAM, PULSE = "/admin/console/live/stream", "/admin/console/live/pulse"


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    """Return the views a watcher of this test, with room for two."""
    fresh = Watcher(read_pulse, 2)
    monkeypatch.setattr(views, "watcher", fresh)
    yield fresh
    fresh.stop()
    if thread := fresh._thread:
        thread.join(5)


def frame(stream: Iterator[bytes]) -> dict[str, str]:
    name, _retry, data = next(stream).decode().strip().split("\n")
    assert name == "event: pulse"
    known: dict[str, str] = json.loads(data.removeprefix("data: "))
    return known


def test_every_topic_is_of_tables_whose_changes_are_stamped() -> None:
    assert {table for tables in TABLES.values() for table in tables} <= set(settings.MOREH_WATCHED_TABLES)


def test_the_pulse_of_a_topic_changes_with_its_rows_and_only_then(django_assert_num_queries: Any) -> None:
    node = make.ready_backend(2)
    with django_assert_num_queries(1):
        before = read_pulse()
    assert read_pulse() == before
    set_backend_status(node, BackendStatus.SHUTDOWN, actor=make.ACTOR)
    changed = {topic for topic, sign in read_pulse().items() if sign != before[topic]}
    assert changed == {"nodes", "events"}


@pytest.mark.parametrize("address", [STREAM, PULSE])
def test_a_stranger_is_redirected_to_the_login(address: str) -> None:
    answer = Client().get(address)
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={address}")


def test_the_stream_sends_at_once_and_at_each_change(watcher: Watcher) -> None:
    answer: Any = client_of(Role.READ_ONLY).get(STREAM)
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/event-stream")
    stream = iter(answer.streaming_content)
    first = frame(stream)
    assert first == read_pulse()
    make.ready_backend(1)
    assert frame(stream)["nodes"] != first["nodes"]
    answer.close()
    assert watcher.wait_after(0, 0) is not None


def test_json_has_the_same_pulse() -> None:
    make.ready_backend(1)
    assert client_of(Role.GENERAL).get(PULSE).json() == read_pulse()


def test_with_too_many_streams_the_answer_is_503_until_one_ends(watcher: Watcher) -> None:
    browser = client_of(Role.MASTER)
    answers: list[Any] = [browser.get(STREAM), browser.get(STREAM), browser.get(STREAM)]
    assert [(a.status_code, a.headers.get("Retry-After")) for a in answers] == [(200, None), (200, None), (503, "30")]
    answers[0].close()
    assert browser.get(STREAM).status_code == 200


def test_streams_end_with_their_worker(watcher: Watcher) -> None:
    serving = [True]
    watcher.serve_while(lambda: serving[0])
    stream = iter(client_of(Role.MASTER).get(STREAM).streaming_content)  # type: ignore[attr-defined]
    frame(stream)
    serving.clear()
    serving.append(False)
    assert list(stream) == []
