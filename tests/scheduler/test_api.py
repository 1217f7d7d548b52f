import json
from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from moreh_cloud.accounts.choices import Role
from moreh_cloud.lib.api.times import iso
from moreh_cloud.lib.clock import db_now
from scheduler.choices import Cause
from scheduler.models import Job
from scheduler.services.jobs import finish_job, set_job_priority
from scheduler.tick import tick
from tests import make
from tests.api import V2, client, done, events, refused

pytestmark = pytest.mark.django_db
QUEUE, HISTORY = f"{V2}/scheduler/queue", f"{V2}/scheduler/history"


@pytest.fixture
def api() -> APIClient:
    return client()


def ended(**fields: Any) -> Job:
    """Make a job that is over."""
    job = make.job(**fields)
    finish_job(job, exit_code=0, actor=make.ACTOR)
    return job


def test_jobs_are_shaped_as_the_contract_says(api: APIClient) -> None:
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
    }


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
def test_why_a_job_waits_is_said_in_the_callers_language(api: APIClient, language: str) -> None:
    make.running_job(make.ready_backend(2))
    head, behind = make.job(num_devices=2), make.job()
    tick(0)
    last = make.job()
    rows = {row["id"]: row for row in api.get(QUEUE, {"status": "waiting"}, HTTP_ACCEPT_LANGUAGE=language).json()}
    for job, words in zip((head, behind), REASONS[language], strict=True):
        assert words.format(head=head.pk) in rows[job.pk]["pendingReason"]
    told = [(row["queuePosition"], row["pendingCode"], row["estimatedStart"]) for row in rows.values()]
    assert told == [(1, "NOT_ENOUGH_DEVICES", None), (2, "BLOCKED_BY_HEAD", None), (3, None, None)]
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
    asked, expected = FILTERS[case]
    assert {row["id"] for row in api.get(QUEUE, asked).json()} == {jobs[name] for name in expected}
    assert refused(api.get(QUEUE, {"status": "done"})) == (400, "INVALID_PARAMETER", ["status"])


CANCELS = {
    "a portal, for its user": ({}, Cause.BY_USER),
    "an operator on the web": ({"isWeb": "true"}, Cause.BY_OPERATOR),
}


@pytest.mark.parametrize("case", CANCELS)
def test_a_job_is_canceled_by(api: APIClient, case: str) -> None:
    asked, cause = CANCELS[case]
    job = make.running_job(make.ready_backend(1))
    told = done(api.delete(QUEUE, {"id": job.pk, **asked}))
    assert (told["status"], told["reason"], told["endTime"] is None) == ("Canceled", cause, False)
    assert events("CANCELED_JOB")[0][1]["cause"] == cause
    assert refused(api.delete(QUEUE, {"id": job.pk})) == (409, "JOB_FINISHED", ["id"])
    assert refused(api.put(QUEUE, {"id": job.pk, "priority": 1})) == (409, "JOB_NOT_WAITING", ["id"])


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


def test_history_has_the_newest_end_first_and_pages_by_the_last_id(api: APIClient) -> None:
    jobs = [ended() for _ in range(5)]
    same = db_now()
    Job.objects.filter(pk__in=[jobs[1].pk, jobs[2].pk]).update(ended_at=same - timedelta(hours=1))
    Job.objects.filter(pk=jobs[0].pk).update(ended_at=same + timedelta(hours=1))
    order = [jobs[i].pk for i in (0, 4, 3, 2, 1)]
    answer = api.get(HISTORY)
    assert ([row["id"] for row in answer.json()["jobs"]], answer.json()["totalCount"]) == (order, 5)
    seen: list[int] = []
    while page := api.get(HISTORY, {"limit": 2, **({"after": seen[-1]} if seen else {})}).json()["jobs"]:
        seen += [row["id"] for row in page]
    assert seen == order
    part = api.get(HISTORY, {"offset": 1, "limit": 2})
    assert ([row["id"] for row in part.json()["jobs"]], part["X-Total-Count"]) == (order[1:3], "5")
    assert api.get(HISTORY, {"after": 999_999}).json() == {"jobs": [], "totalCount": 5}


HISTORY_FILTERS = {
    "a status": ({"status": "completed"}, 1),
    "several statuses": ({"status": "Completed,canceled"}, 2),
    "a part of the description": ({"token": "cme i"}, 1),
    "a time in UTC": ({"endtimeFrom": "2020-01-01T00:00:00.000Z"}, 2),
    "a time of the installation": ({"endtimeTo": "2020-01-01 00:00"}, 0),
    "a time with milliseconds": ({"endtimeTo": "2020-01-01 00:00:00.123"}, 0),
    "a start that never was": ({"starttimeFrom": "2020-01-01 00:00:00"}, 0),
}


@pytest.mark.parametrize("case", HISTORY_FILTERS)
def test_history_is_filtered_by(api: APIClient, case: str) -> None:
    ended(accelerator=make.sda(description="Acme Inc."))
    done(api.delete(QUEUE, {"id": make.job().pk}))
    asked, expected = HISTORY_FILTERS[case]
    assert api.get(HISTORY, asked).json()["totalCount"] == expected


def test_a_part_of_a_value_finds_jobs_only_for_those_who_see_values(api: APIClient) -> None:
    part = ended().token.value[5:20]
    ended()
    assert api.get(HISTORY, {"token": part}).json()["totalCount"] == 1
    assert client(Role.READ_ONLY).get(HISTORY, {"token": part}).json()["totalCount"] == 0


BAD_HISTORY: dict[str, tuple[dict[str, str | list[str]], list[str]]] = {
    "a day that does not exist": ({"endtimeTo": "2020-02-30 00:00"}, ["endtimeTo"]),
    "the end of time": ({"endtimeTo": "9999-12-31T23:59:59-12:00"}, ["endtimeTo"]),
    "a time given twice": ({"endtimeTo": ["2020-01-01 00:00", "2020-01-02 00:00"]}, ["endtimeTo"]),
    "a live status": ({"status": "running"}, ["status"]),
    "a negative offset": ({"offset": "-1"}, ["offset"]),
    "a last id in words": ({"after": "x"}, ["after"]),
}


@pytest.mark.parametrize("case", BAD_HISTORY)
def test_history_refuses(api: APIClient, case: str) -> None:
    asked, named = BAD_HISTORY[case]
    assert refused(api.get(HISTORY, asked)) == (400, "INVALID_PARAMETER", named)


@pytest.mark.parametrize("rows", [5, 50])
def test_lists_cost_the_same_number_of_queries(api: APIClient, rows: int, django_assert_num_queries: Any) -> None:
    for _ in range(rows):
        make.job()
        ended()
    with django_assert_num_queries(9):  # session, operator, stamps, jobs, current SDAs, tokens, links, workers, places
        assert len(api.get(QUEUE).json()) == rows
    with django_assert_num_queries(9):  # and here the number of jobs instead of places
        assert len(api.get(HISTORY).json()["jobs"]) == rows


def outlook(api: APIClient, **asked: Any) -> Any:
    answer = api.get(f"{V2}/scheduler/outlook", asked)
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_before_a_job_is_submitted_it_is_told_what_would_become_of_it_and_that_comes_true(api: APIClient) -> None:
    make.running_job(make.ready_backend(2))
    small, large = make.sda(1), make.sda(2)
    told = outlook(api, token=small.token.value)
    assert (told["starts"], told["deviceCount"], told["queuePosition"], told["changes"]) == (True, 1, 1, [])
    assert told["estimateBasis"] == "FREE"
    told = outlook(api, token=large.token.value)
    waits = ("NOT_ENOUGH_DEVICES", "It needs 2 devices; free: 1.", None, [{"change": "nodes", "value": 1}])
    assert (told["pendingCode"], told["pendingReason"], told["estimatedStart"], told["changes"]) == waits
    waiting = make.job(large)
    tick(0)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.pending_reason) == ("WAITING", "NOT_ENOUGH_DEVICES")
    told = outlook(api, token=small.token.value)
    assert (told["pendingCode"], told["queuePosition"]) == ("BLOCKED_BY_HEAD", 2)
    assert told["changes"] == [{"change": "priority", "value": 1}, {"change": "nodes", "value": 1}]
    job = set_job_priority(make.job(small), 1, actor=make.ACTOR)
    tick(0)
    job.refresh_from_db()
    assert job.status == "SUBMITTED"


def test_a_limit_and_an_sda_that_is_busy_are_told_before(api: APIClient) -> None:
    make.ready_backend(4)
    limited = make.sda(2, max_devices=1)
    told = outlook(api, token=limited.token.value)
    assert (told["pendingCode"], told["changes"]) == ("OVER_TOKEN_LIMIT", [{"change": "maxDevices", "value": 2}])
    busy = make.sda(1)
    make.job(busy)
    tick(0)
    assert outlook(api, token=busy.token.value)["pendingCode"] == "SDA_BUSY"
    assert outlook(api, token=busy.token.value, model=make.sda_model(2).pk, timeLimit=60)["starts"] is True
    never = outlook(api, token=busy.token.value, model=make.sda_model(32).pk)
    assert (never["pendingCode"], never["changes"]) == ("NEVER_FITS", [{"change": "nodes", "value": 8}])


@pytest.mark.parametrize(
    ("asked", "status"), [({}, 400), ({"token": "nobody"}, 404), ({"model": 99}, 404), ({"timeLimit": 0}, 400)]
)
def test_an_outlook_names_what_it_cannot_read(api: APIClient, asked: dict[str, Any], status: int) -> None:
    known = {} if asked in ({}, {"token": "nobody"}) else {"token": make.sda(1).token.value}
    assert api.get(f"{V2}/scheduler/outlook", known | asked).status_code == status


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
