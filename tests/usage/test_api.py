import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.choices import Role
from backends.models import Device
from core.clock import db_now
from scheduler.models import Allocation
from scheduler.services.sdas import delete_sda
from tests import make
from tests.api import V2, client, refused
from tokens.services import create_token_group, delete_token
from usage.services import recount_hours

pytestmark = pytest.mark.django_db
URL = f"{V2}/usage"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
HOURS = timedelta(hours=1)
HOUR = {"starttime": "2026-01-01T12:00:00Z", "endtime": "2026-01-01T13:00:00Z"}


@pytest.fixture
def api() -> APIClient:
    return client()


def held(sda: Any, device: Any, minutes: int, *, after: int = 0) -> None:
    start = NOON + timedelta(minutes=after)
    end = start + timedelta(minutes=minutes, milliseconds=1)
    Allocation.objects.create(sda=sda, token=sda.token, device=device, started_at=start, ended_at=end)


def test_usage_is_counted_over_the_range(api: APIClient) -> None:
    one, two = make.backend(4).devices.all()[:2]
    Device.objects.update(created_at=None)  # they were there before
    first, second = make.sda(), make.sda()
    held(first, one, 30)
    held(second, two, 60)
    rows = [
        {"token": first.token.value, "min": 0, "max": 1, "average": 1_800_001 / 3_600_000, "device_seconds": 1800.001},
        {"token": second.token.value, "min": 1, "max": 1, "average": 1.0, "device_seconds": 3600.0},
    ]
    total = {"token": "", "min": 1, "max": 2, "average": 5_400_001 / 3_600_000, "total_devices": 4}
    percentages = {"min_percentage": 25.0, "max_percentage": 50.0, "average_percentage": 5_400_001 / 144_000}
    assert api.get(URL, HOUR).json() == {
        "code": "SUCCESS",
        "total_usage": {**total, **percentages},
        "usage_list": rows,
    }
    one_token = api.get(URL, {**HOUR, "token": second.token.value}).json()
    assert (one_token["total_usage"]["token"], one_token["usage_list"]) == (second.token.value, rows[1:])
    masked = client(Role.READ_ONLY).get(URL, HOUR).json()["usage_list"]
    assert [row["token"] for row in masked] == [first.token.masked, second.token.masked]


def test_times_are_read_in_the_installations_zone(api: APIClient) -> None:
    held(make.sda(), make.backend(1).devices.get(), 60)
    seoul = {"starttime": "2026-01-01 21:00", "endtime": "2026-01-01 21:59:59.999"}
    assert api.get(URL, seoul).json()["usage_list"][0]["device_seconds"] == 3599.999


def test_the_usage_of_a_deleted_token_is_found_by_its_value(api: APIClient) -> None:
    sda = make.sda()
    token, device = sda.token, make.backend(1).devices.get()
    Device.objects.update(created_at=None)
    held(sda, device, 30)
    requested = {**HOUR, "token": token.value, "group_by": "token", "interval": "hour"}
    before = api.get(URL, requested).json()
    assert before["total_usage"]["max"] == 1
    assert before["usage_list"][0]["device_seconds"] == 1800.001
    assert [one["device_seconds"] for one in before["intervals"]] == [1800.001]
    delete_sda(sda, actor=make.ACTOR)
    delete_token(token, actor=make.ACTOR)
    assert api.get(URL, requested).json() == before
    assert api.get(URL, HOUR).json()["usage_list"] == before["usage_list"]


def test_an_unknown_token_has_used_nothing(api: APIClient) -> None:
    body = api.get(URL, {**HOUR, "token": "nobody's"}).json()
    assert (body["usage_list"], body["total_usage"]["max"]) == ([], 0)


BAD = {
    "no range": ({}, ["endtime", "starttime"]),
    "a range that is no time": ({**HOUR, "starttime": "yesterday"}, ["starttime"]),
    "a range backwards": ({"starttime": HOUR["endtime"], "endtime": HOUR["starttime"]}, ["endtime"]),
    "more hours than are told": ({**HOUR, "starttime": "2002-01-01 00:00", "interval": "hour"}, ["interval"]),
    "a thousand hours and a part of one": (
        {"starttime": "2026-01-01T00:00:00Z", "endtime": "2026-02-11T16:00:00.001Z", "interval": "hour"},
        ["interval"],
    ),
    "the end of time": ({**HOUR, "endtime": "9999-12-31T23:59:59-12:00"}, ["endtime"]),
}


@pytest.mark.parametrize("case", BAD)
def test_usage_refuses(api: APIClient, case: str) -> None:
    requested, named = BAD[case]
    assert refused(api.get(URL, requested)) == (400, "INVALID_PARAMETER", named)


def test_usage_that_goes_on_is_never_not_modified(api: APIClient) -> None:
    sda, now = make.sda(), db_now()
    device = make.backend(1).devices.get()
    Allocation.objects.create(sda=sda, token=sda.token, device=device, started_at=now - timedelta(minutes=1))
    requested = {"starttime": str(now - timedelta(minutes=2)), "endtime": str(now + timedelta(days=1))}
    first = api.get(URL, requested)
    time.sleep(0.01)
    again = api.get(URL, requested, headers={"If-None-Match": first["ETag"]})
    assert again.status_code == 200
    assert again.json()["usage_list"][0]["device_seconds"] > first.json()["usage_list"][0]["device_seconds"]
    known = api.get(URL, HOUR)
    assert api.get(URL, HOUR, headers={"If-None-Match": known["ETag"]}).status_code == 304


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("rows", [5, 50])
def test_usage_costs_the_same_number_of_queries(
    api: APIClient, rows: int, closed: bool, django_assert_num_queries: Any
) -> None:
    device = make.backend(1).devices.get()
    for number in range(rows):
        held(make.sda(), device, 0, after=number)
    if closed:
        recount_hours(NOON, NOON + timedelta(hours=1), actor=make.ACTOR)
    clock = 1 if connection.vendor == "postgresql" else 0  # there the clock is read by a query
    with django_assert_num_queries(
        9 + clock
    ):  # session, operator, stamps, closed hours, by token, in all, tokens, devices, capacity
        assert len(api.get(URL, HOUR).json()["usage_list"]) == rows


def test_usage_by_group_adds_up(api: APIClient) -> None:
    one, two = make.backend(2, device_model="MI250").devices.all()
    first, second = make.sda(), make.sda()
    held(first, one, 30)
    held(second, two, 60)
    team = create_token_group(name="team", actor=make.ACTOR, tokens=[first.token, second.token])
    wanted = {
        "token": [
            (second.token_id, second.token.description, 3600.0),
            (first.token_id, first.token.description, 1800.001),
        ],
        "sdaModel": [(second.model_id, second.model.name, 3600.0), (first.model_id, first.model.name, 1800.001)],
        "deviceModel": [(None, "MI250", 5400.001)],
        "backendGroup": [(0, "default_backend_group", 5400.001)],
        "tokenGroup": [(team.pk, "team", 5400.001)],
    }
    for by, rows in wanted.items():
        found = api.get(URL, {**HOUR, "group_by": by.upper()}).json()["groups"]
        assert [(row["id"], row["name"], row["device_seconds"]) for row in found] == rows, by
        assert sum(row["reserved_seconds"] for row in found) == 5400.001
    alone = api.get(URL, {**HOUR, "group_by": "token", "token": first.token.value}).json()["groups"]
    assert [row["id"] for row in alone] == [first.token_id]
    nobody = api.get(URL, {**HOUR, "group_by": "token", "token": "nobody's"}).json()
    assert nobody["groups"] == []


def test_unbilled_time_is_returned_with_usage_by_group(api: APIClient) -> None:
    one = make.backend(1).devices.get()
    jobs = [make.job(num_devices=2), make.job()]
    for job, waited in zip(jobs, (20, 5), strict=True):
        times = {"requested_at": NOON, "submitted_at": NOON + timedelta(minutes=waited), "ended_at": NOON + HOURS}
        type(job).objects.filter(pk=job.pk).update(**times, status="COMPLETED")
    held(jobs[0].sda, one, 30, after=20)
    Allocation.objects.update(clean_at=NOON + timedelta(minutes=50, milliseconds=1501))
    tokens = [
        {"id": jobs[0].token_id, "name": jobs[0].token.description, "waiting_seconds": 2400.0, "waiting_jobs": 1},
        {"id": jobs[1].token_id, "name": jobs[1].token.description, "waiting_seconds": 300.0, "waiting_jobs": 1},
    ]
    total = {"waiting_seconds": 2700.0, "waiting_jobs": 2, "cleaning_seconds": 1.5}
    assert "not_billed" not in api.get(URL, HOUR).json()
    assert api.get(URL, {**HOUR, "interval": "day"}).json()["not_billed"] == total
    found = api.get(URL, {**HOUR, "group_by": "token"}).json()
    cleaned = (1.5, 0.0)
    entries = [{**token, "cleaning_seconds": time} for token, time in zip(tokens, cleaned, strict=True)]
    assert found["not_billed"] == {**total, "tokens": entries}
    assert found["usage_list"][0]["device_seconds"] == 1800.001
    alone = api.get(URL, {**HOUR, "group_by": "sdaModel", "token": jobs[1].token.value}).json()["not_billed"]
    assert alone == {"waiting_seconds": 300.0, "waiting_jobs": 1, "cleaning_seconds": 0.0}


def test_averages_are_counted_from_the_first_moment_with_devices(api: APIClient) -> None:
    """Of two hours, devices were there in the second one's last three quarters only."""
    device = make.backend(2).devices.all()[0]
    Device.objects.update(created_at=NOON + timedelta(minutes=75))
    held(make.sda(), device, 30, after=90)
    requested = {"starttime": "2026-01-01T12:00:00Z", "endtime": "2026-01-01T14:00:00Z", "interval": "hour"}
    found = api.get(URL, {**requested, "group_by": "token"}).json()
    share = 1_800_000 / 2_700_000
    total = found["total_usage"]
    assert (total["average"], total["average_percentage"]) == (share, pytest.approx(100 * share / 2))
    assert [one["average"] for one in (*found["usage_list"], *found["groups"])] == [share, share]
    assert [(one["average"], one["average_percentage"]) for one in found["intervals"]] == [
        (0.0, 0.0),
        (share, pytest.approx(100 * share / 2)),
    ]


@pytest.mark.parametrize("closed", [False, True])
def test_usage_over_time_is_cut_at_the_local_clocks(api: APIClient, closed: bool) -> None:
    device = make.backend(1).devices.get()
    Device.objects.update(created_at=None)
    sda = make.sda()
    held(sda, device, 300, after=60)  # 13:00 to 18:00 UTC; midnight in Seoul is at 15:00
    if closed:
        recount_hours(NOON - timedelta(days=1), NOON + timedelta(days=2), actor=make.ACTOR)
    requested = {"starttime": "2026-01-01T12:00:00Z", "endtime": "2026-01-03T00:00:00Z", "interval": "day"}
    found = api.get(URL, {**requested, "group_by": "token"}).json()["intervals"]
    assert [(one["start"], one["device_seconds"], one["average"]) for one in found] == [
        ("2026-01-01T12:00:00.000Z", 7200.0, 7200 / 10_800),
        ("2026-01-01T15:00:00.000Z", 10_800.001, 10_800_001 / 86_400_000),
        ("2026-01-02T15:00:00.000Z", 0.0, 0.0),
    ]
    assert [[row["device_seconds"] for row in one["groups"]] for one in found] == [[7200.0], [10_800.001], []]
    assert found[0]["average_percentage"] == 100 * 7200 / 10_800
    whole = {"starttime": "2026-01-01T15:00:00Z", "endtime": "2026-01-02T15:00:00Z", "interval": "hour"}
    hours = api.get(URL, whole).json()["intervals"]
    assert [one["device_seconds"] for one in hours] == [3600.0] * 3 + [0.001] + [0.0] * 20
