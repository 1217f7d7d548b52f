"""Alerts in REST."""

import csv
import io
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.choices import Role
from alerts.choices import Category, Level
from alerts.codes import Code
from alerts.models import Alert
from alerts.services import clear_alert, raise_alert
from alerts.subjects import customer, job, node
from backends.services.groups import create_backend_group
from events.models import Event
from tests import make
from tests.api import V2, client, done, refused

pytestmark = pytest.mark.django_db
URL = f"{V2}/alert"


@pytest.fixture
def api() -> APIClient:
    return client()


def ids(api: APIClient, **asked: Any) -> list[int]:
    answer = api.get(URL, asked)
    assert answer.status_code == 200, answer.json()
    return [card["id"] for card in answer.json()]


def test_a_card_has_the_text_in_the_language_of_the_request(api: APIClient) -> None:
    far = create_backend_group(name="far", actor=make.ACTOR)
    gpu = make.backend(1, name="gpu-7", group=far)
    raise_alert(Code.NODE_LOST, node(gpu.pk), level=Level.CRITICAL, node="gpu-7")
    (card,) = api.get(URL).json()
    assert card.pop("raisedAt") == card.pop("lastAt") != ""
    assert card == {
        "id": Alert.objects.get().pk,
        "category": "NODE_LOST",
        "level": "CRITICAL",
        "code": "NODE_LOST",
        "params": {"node": "gpu-7"},
        "text": "gpu-7 has been silent too long; it gets no jobs.",
        "subject": {
            "kind": "backend",
            "id": gpu.pk,
            "name": "gpu-7",
            "page": f"/admin/backends/backend/{gpu.pk}/change/",
        },
        "group": {"id": far.pk, "name": "far"},
        "customer": "",
        "tags": [],
        "times": 1,
        "clearedAt": None,
        "acknowledgedAt": None,
        "acknowledgedBy": "",
        "note": "",
        "silence": None,
    }
    english = api.get(URL, headers={"accept-language": "en"})
    korean = api.get(URL, headers={"accept-language": "ko"})
    assert korean.json()[0]["text"] == "gpu-7 노드가 너무 오래 응답하지 않아 더 이상 작업을 배정하지 않습니다."
    assert api.get(URL, headers={"accept-language": "ko", "if-none-match": korean["ETag"]}).status_code == 304
    assert api.get(URL, headers={"accept-language": "ko", "if-none-match": english["ETag"]}).status_code == 200


def test_the_filters_narrow_the_list_and_name_what_is_wrong(api: APIClient) -> None:
    far = create_backend_group(name="far", actor=make.ACTOR)
    gpu, other = make.backend(1, group=far), make.backend(1)
    waiting = make.job()
    raise_alert(Code.NODE_LOST, node(gpu.pk), level=Level.CRITICAL, node="-")
    raise_alert(Code.CHECK_FAILED, node(other.pk), node="-", error="-")
    raise_alert(Code.REPAIRED, job(waiting.pk), subject="-", problem="-")
    raise_alert(Code.JOBS_FAIL, customer(waiting.token_id), customer="-", failed=5)
    lost, failed, repaired, fails = Alert.objects.order_by("pk").values_list("pk", flat=True)
    clear_alert(Category.GPU_ERROR, node(other.pk))
    Alert.objects.filter(pk=lost).update(raised_at="2026-01-01T00:00:00Z")
    asked: dict[str, tuple[dict[str, object], list[int]]] = {
        "all": ({}, [fails, repaired, failed, lost]),
        "categories": ({"category": "node_lost,GPU_ERROR"}, [failed, lost]),
        "level": ({"level": "critical"}, [lost]),
        "code": ({"code": "check_failed"}, [failed]),
        "kind": ({"subjectKind": "backend"}, [failed, lost]),
        "subject": ({"subjectKind": "backend", "subjectId": gpu.pk}, [lost]),
        "open": ({"open": "true"}, [fails, repaired, lost]),
        "cleared": ({"open": "false"}, [failed]),
        "nobody's": ({"acknowledged": "true"}, []),
        "group": ({"group": far.pk}, [lost]),
        "default group": ({"group": 0}, [repaired, failed]),
        "token": ({"token": waiting.token.value}, [fails, repaired]),
        "no token": ({"token": "x"}, []),
        "time": ({"to": "2026-01-02"}, [lost]),
        "order": ({"ordering": "raisedAt", "limit": 1}, [lost]),
        "after": ({"after": failed}, [lost]),
    }
    assert {name: ids(api, **parameters) for name, (parameters, _ids) in asked.items()} == {
        name: wanted for name, (_parameters, wanted) in asked.items()
    }
    assert refused(api.get(URL, {"level": "loud"})) == (400, "INVALID_PARAMETER", ["level"])
    table = b"".join(api.get(URL, headers={"accept": "text/csv"}).streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert [row["category"] for row in csv.DictReader(io.StringIO(table))][-1] == "NODE_LOST"


def test_the_first_one_acknowledges_with_a_note(api: APIClient) -> None:
    raise_alert(Code.NODE_LOST, node(7), node="gpu-7")
    alert = Alert.objects.get()
    card = done(api.put(URL, {"id": alert.pk, "command": "acknowledge", "note": "replacing the riser"}))
    assert card["acknowledgedAt"]
    assert (card["note"], card["acknowledgedBy"]) == (
        "replacing the riser",
        Alert.objects.get().acknowledged_by,
    )
    assert done(client().put(URL, {"id": alert.pk, "command": "ACKNOWLEDGE", "note": "me too"}))["note"] == card["note"]
    events = Event.objects.filter(action="ACKNOWLEDGE_ALERT").values_list("subject", "request")
    assert list(events) == [(f"alert/{alert.pk}", {"note": "replacing the riser"})]
    wrong = {
        "no such alert": ({"id": 999_999, "command": "acknowledge"}, (404, "NOT_FOUND", ["id"])),
        "no such command": ({"id": alert.pk, "command": "mute"}, (400, "INVALID_PARAMETER", ["command"])),
        "two lines": (
            {"id": alert.pk, "command": "acknowledge", "note": "a\nb"},
            (400, "INVALID_PARAMETER", ["note"]),
        ),
    }
    assert {name: refused(api.put(URL, asked)) for name, (asked, _said) in wrong.items()} == {
        name: said for name, (_asked, said) in wrong.items()
    }
    assert client(Role.READ_ONLY).put(URL, {"id": alert.pk, "command": "acknowledge"}).status_code == 403


def test_the_list_takes_the_same_queries_for_any_number(api: APIClient, django_assert_max_num_queries: Any) -> None:
    for _ in range(9):
        raise_alert(Code.NODE_LOST, node(make.backend(1).pk), node="-")
    api.get(URL)
    with django_assert_max_num_queries(9):
        assert len(ids(api)) == 9
