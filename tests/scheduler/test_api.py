"""The queue, dry runs and rules of the scheduler in the API."""

import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from backends.services.groups import create_backend_group
from core.api.times import iso
from scheduler.choices import Cause
from scheduler.cycle.tick import tick
from scheduler.services.jobs import cancel_job, set_job_priority
from tests import make
from tests.api import V2, done, events, refused

pytestmark = pytest.mark.django_db
QUEUE = f"{V2}/scheduler/queue"


def test_jobs_have_the_fields_of_the_contract(api: APIClient) -> None:
    node = make.ready_backend(2, name="back-node03")
    running = make.running_job(node, 2)
    waiting = make.job(num_devices=3, pid=7, process_name="python", framework="pytorch", version="1.2")
    tick(0)
    first, second = api.get(QUEUE).json()
    assert (first["id"], first["status"], first["startTime"]) == (running.pk, "Running", iso(running.started_at))
    assert json.loads(first["deviceInfo"]) == {"device_info": [{"host": "back-node03", "devices": [0, 1]}]}
    assert (first["queuePosition"], first["pendingReason"], first["estimatedStart"]) == (None, None, None)
    waiting.refresh_from_db()
    assert second == {
        "id": waiting.pk,
        "token": api.get(f"{V2}/token", {"ordering": "id"}).json()[1],
        "sdaId": waiting.sda_id,
        "priority": 0,
        "status": "Waiting",
        "reason": "",
        "detail": "",
        "clientPid": 7,
        "processName": "python",
        "framework": "pytorch",
        "version": "1.2",
        "requestTime": iso(waiting.requested_at),
        "startTime": None,
        "endTime": None,
        "referer": {"protocol": "test", "ipAddress": "127.0.0.1"},
        "deviceCount": 3,
        "deviceInfo": '{"device_info": []}',
        "queuePosition": 1,
        "pendingReason": "It needs 3 devices; its group has at most 2.",
        "pendingCode": "NEVER_FITS",
        "estimatedStart": None,
        "estimateBasis": None,
        "timeLimit": None,
        "maintenanceFrom": None,
    }


def test_a_job_that_waits_for_devices_tells_how_many_are_faulty(api: APIClient) -> None:
    node, elsewhere = (
        make.ready_backend(4),
        make.ready_backend(2, group=create_backend_group(name="b", actor=make.ACTOR)),
    )
    waiting, never = make.job(num_devices=2), make.job(num_devices=9)
    out = {"status": "SHUTDOWN", "why": "REPAIR"}
    node.devices.filter(index=0).update(**out, in_repair=True)
    node.devices.filter(index__in=(1, 2)).update(**out, in_repair=True, verdict="FAILED")
    node.devices.filter(index=3).update(status="SHUTDOWN", why="OPERATOR")
    elsewhere.devices.update(**out, in_repair=True)
    tick(0)
    rows = {row["id"]: row["pendingReason"] for row in api.get(QUEUE).json()}
    sentence = "3 devices of its group have failed or are in repair."
    assert rows[waiting.pk] == f"It needs 2 devices; free: 0. {sentence}"
    assert rows[never.pk] == "It needs 9 devices; its group has at most 4."
    asked = {"token": waiting.token.value, "sdaId": str(waiting.sda_id)}
    dry = api.get(f"{V2}/scheduler/outlook", asked).json()
    assert dry["pendingCode"] == "BLOCKED_BY_HEAD"
    assert sentence not in dry["pendingReason"]
    cancel_job(waiting, cause=Cause.BY_USER, actor=make.ACTOR)
    dry = api.get(f"{V2}/scheduler/outlook", asked).json()
    assert dry["pendingReason"] == f"It needs 2 devices; free: 0. {sentence}"


def test_the_queue_is_listed_in_the_order_in_which_it_is_tried(api: APIClient) -> None:
    late, early = make.job(), make.job()
    changed = done(api.put(QUEUE, {"id": early.pk, "priority": 99}))
    assert (changed["priority"], changed["queuePosition"]) == (99, 1)
    assert [(row["id"], row["queuePosition"]) for row in api.get(QUEUE).json()] == [(early.pk, 1), (late.pk, 2)]
    assert events("SET_JOB_PRIORITY") == [(f"job/{early.pk}", {"priority": 99})]


REASONS = {
    "en": ["It needs 2 devices; free: 1.", "Job #{head} is in front of it and needs devices first."],
    "ko": ["디바이스 2개가 필요합니다. 여유: 1개.", "작업 #{head}이(가) 먼저"],
}


@pytest.mark.parametrize("language", REASONS)
def test_the_pending_reason_is_in_the_callers_language(api: APIClient, language: str) -> None:
    make.running_job(make.ready_backend(2))
    head, behind = make.job(num_devices=2), make.job()
    tick(0)
    last = make.job()
    rows = {row["id"]: row for row in api.get(QUEUE, {"status": "waiting"}, HTTP_ACCEPT_LANGUAGE=language).json()}
    for job, words in zip((head, behind), REASONS[language], strict=True):
        assert words.format(head=head.pk) in rows[job.pk]["pendingReason"]
    result = [(row["queuePosition"], row["pendingCode"], row["estimatedStart"]) for row in rows.values()]
    assert result == [(1, "NOT_ENOUGH_DEVICES", None), (2, "BLOCKED_BY_HEAD", None), (3, None, None)]
    assert language == "ko" or rows[last.pk]["pendingReason"] == "The scheduler has not looked at it yet."


FILTERS = {
    "running, also submitted": ({"status": "RUNNING"}, ["running", "submitted"]),
    "waiting": ({"status": "waiting"}, ["waiting"]),
    "an unknown id": ({"id": "999"}, []),
    "a stranger's token": ({"token": "nobody's"}, []),
}


@pytest.mark.parametrize("case", FILTERS)
def test_the_queue_is_filtered_by(api: APIClient, case: str) -> None:
    node = make.ready_backend(2)
    jobs = {"running": make.running_job(node).pk, "submitted": make.job().pk}
    tick(0)
    jobs["waiting"] = make.job().pk
    requested, expected = FILTERS[case]
    assert {row["id"] for row in api.get(QUEUE, requested).json()} == {jobs[name] for name in expected}
    assert refused(api.get(QUEUE, {"status": "done"})) == (400, "INVALID_PARAMETER", ["status"])


CANCELS = {
    "a portal, for its user": ({}, Cause.BY_USER),
    "an operator on the web": ({"isWeb": "true"}, Cause.BY_OPERATOR),
}


@pytest.mark.parametrize("case", CANCELS)
def test_a_job_is_canceled_by(api: APIClient, case: str) -> None:
    requested, cause = CANCELS[case]
    job = make.running_job(make.ready_backend(1))
    result = done(api.delete(QUEUE, {"id": job.pk, **requested}))
    assert (result["status"], result["reason"], result["endTime"] is None) == ("Canceled", cause, False)
    assert events("CANCELED_JOB")[0][1]["cause"] == cause
    assert refused(api.delete(QUEUE, {"id": job.pk})) == (409, "JOB_FINISHED", ["id"])
    assert refused(api.put(QUEUE, {"id": job.pk, "priority": 1})) == (409, "JOB_NOT_WAITING", ["id"])


def test_a_job_that_does_something_else_by_now_is_not_canceled(api: APIClient) -> None:
    node = make.ready_backend(2)
    running, starting = make.running_job(node), make.job()
    tick(0)
    waiting = make.job()
    for job, wrong, status in (
        (running, "waiting", "RUNNING"),
        (running, "submitted", "RUNNING"),
        (starting, "waiting", "SUBMITTED"),
        (waiting, "running", "WAITING"),
    ):
        answer = api.delete(QUEUE, {"id": job.pk, "expectedStatus": wrong})
        assert refused(answer) == (409, "CONFLICT", ["id", "status"])
        assert answer.json()["details"]["status"] == status
        job.refresh_from_db()
        assert job.status == status
    for job, right in ((running, "running"), (starting, "Running"), (waiting, "waiting")):
        assert done(api.delete(QUEUE, {"id": job.pk, "expectedStatus": right}))["status"] == "Canceled"
        assert refused(api.delete(QUEUE, {"id": job.pk, "expectedStatus": right})) == (409, "JOB_FINISHED", ["id"])
    bad = {"id": waiting.pk, "expectedStatus": "canceled"}
    assert refused(api.delete(QUEUE, bad)) == (400, "INVALID_PARAMETER", ["expectedStatus"])


def test_a_priority_that_somebody_else_has_changed_is_not_changed(api: APIClient) -> None:
    job = make.job()
    done(api.put(QUEUE, {"id": job.pk, "priority": -50, "expectedPriority": 0}))
    answer = api.put(QUEUE, {"id": job.pk, "priority": 7, "expectedPriority": 0})
    assert refused(answer) == (409, "CONFLICT", ["id", "priority"])
    assert answer.json()["details"]["priority"] == -50
    job.refresh_from_db()
    assert job.priority == -50
    assert done(api.put(QUEUE, {"id": job.pk, "priority": -50, "expectedPriority": 0}))["priority"] == -50  # it is so
    assert done(api.put(QUEUE, {"id": job.pk, "priority": 7, "expectedPriority": -50}))["priority"] == 7


BAD_PRIORITIES: dict[str, tuple[dict[str, Any], tuple[int, str, list[str]]]] = {
    "nobody": ({"id": 999, "priority": 1}, (404, "NOT_FOUND", ["id"])),
    "too high": ({"priority": 100}, (400, "INVALID_PARAMETER", ["priority"])),
    "none": ({}, (400, "INVALID_PARAMETER", ["priority"])),
    "a word": ({"priority": "high"}, (400, "INVALID_PARAMETER", ["priority"])),
}


@pytest.mark.parametrize("case", BAD_PRIORITIES)
def test_a_priority_is_refused(api: APIClient, case: str) -> None:
    job = make.job()
    wrong, expected = BAD_PRIORITIES[case]
    assert refused(api.put(QUEUE, {"id": job.pk, **wrong})) == expected
    assert not events("SET_JOB_PRIORITY")


def dry_run(api: APIClient, **requested: Any) -> Any:
    answer = api.get(f"{V2}/scheduler/outlook", requested)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_a_dry_run_returns_what_then_happens_to_the_job(api: APIClient) -> None:
    make.running_job(make.ready_backend(2))
    small, large = make.sda(1), make.sda(2)
    result = dry_run(api, token=small.token.value)
    assert (result["starts"], result["deviceCount"], result["queuePosition"], result["changes"]) == (
        True,
        1,
        1,
        [],
    )
    assert result["estimateBasis"] == "FREE"
    result = dry_run(api, token=large.token.value)
    waits = ("NOT_ENOUGH_DEVICES", "It needs 2 devices; free: 1.", None, [{"change": "nodes", "value": 1}])
    assert (
        result["pendingCode"],
        result["pendingReason"],
        result["estimatedStart"],
        result["changes"],
    ) == waits
    waiting = make.job(large)
    tick(0)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.pending_reason) == ("WAITING", "NOT_ENOUGH_DEVICES")
    result = dry_run(api, token=small.token.value)
    assert (result["pendingCode"], result["queuePosition"]) == ("BLOCKED_BY_HEAD", 2)
    assert result["changes"] == [{"change": "priority", "value": 1}, {"change": "nodes", "value": 1}]
    job = set_job_priority(make.job(small), 1, actor=make.ACTOR)
    tick(0)
    job.refresh_from_db()
    assert job.status == "SUBMITTED"


def test_a_dry_run_finds_a_limit_and_a_busy_sda(api: APIClient) -> None:
    make.ready_backend(4)
    limited = make.sda(2, max_devices=1)
    result = dry_run(api, token=limited.token.value)
    assert (result["pendingCode"], result["changes"]) == (
        "OVER_TOKEN_LIMIT",
        [{"change": "maxDevices", "value": 2}],
    )
    busy = make.sda(1)
    make.job(busy)
    tick(0)
    assert dry_run(api, token=busy.token.value)["pendingCode"] == "SDA_BUSY"
    assert dry_run(api, token=busy.token.value, model=make.sda_model(2).pk, timeLimit=60)["starts"] is True
    never = dry_run(api, token=busy.token.value, model=make.sda_model(32).pk)
    assert (never["pendingCode"], never["changes"]) == ("NEVER_FITS", [{"change": "nodes", "value": 8}])


@pytest.mark.parametrize(
    ("requested", "status"), [({}, 400), ({"token": "nobody"}, 404), ({"model": 99}, 404), ({"timeLimit": 0}, 400)]
)
def test_a_dry_run_names_the_wrong_parameter(api: APIClient, requested: dict[str, Any], status: int) -> None:
    known = {} if requested in ({}, {"token": "nobody"}) else {"token": make.sda(1).token.value}
    assert api.get(f"{V2}/scheduler/outlook", known | requested).status_code == status


def test_the_rules_of_a_group_and_the_limits_of_tokens_are_read_and_written(api: APIClient) -> None:
    rules = {
        "policy": "backfill",
        "guardSeconds": 60,
        "preempt": True,
        "minRunSeconds": 5,
        "noticeSeconds": 7,
        "draining": True,
    }
    made = api.post(f"{V2}/backend/group", {"label": "west", **rules, "policy": "BackFill"}, format="json").json()
    assert {name: made["result"][name] for name in rules} == rules
    changed = api.put(f"{V2}/backend/group", {"id": made["result"]["id"], "policy": "fair"}, format="json").json()
    assert {name: changed["result"][name] for name in rules} == rules | {"policy": "fair"}
    token = api.post(f"{V2}/token", {"desc": "limited", "maxDevices": 16}, format="json").json()["result"]
    assert token["maxDevices"] == 16
    free = api.put(f"{V2}/token", {"token": token["value"], "maxDevices": None}, format="json").json()["result"]
    assert free["maxDevices"] is None
    group = api.post(f"{V2}/token/group", {"label": "team", "maxDevices": 8}, format="json").json()["result"]
    assert group["maxDevices"] == 8
    assert api.put(f"{V2}/token/group", {"id": group["id"], "maxDevices": 9}, format="json").json()["result"][
        "maxDevices"
    ] == (9)
