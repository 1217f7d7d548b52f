"""Backends in REST."""

from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from backends.choices import BackendStatus
from backends.models import Backend, BackendGroup, Device, Telemetry
from events.models import Event
from tests import make
from tests.api import V2, client, done, entitle, events, refused

pytestmark = pytest.mark.django_db
URL = f"{V2}/backend"
NEW = {"node": "10.1.0.1", "label": "gpu-1", "group": 0, "workerip": "10.2.0.1"}


@pytest.fixture
def api() -> APIClient:
    return client()


def test_a_backend_has_the_fields_of_the_contract(api: APIClient) -> None:
    node = make.backend(1, name="back-node03", ip="10.0.0.3", description="third")
    (device,) = Device.objects.filter(backend=node)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    Telemetry.objects.create(device=device, used_memory=512, temperature=61.5, power=300, at=at)
    answer = api.get(URL)
    assert answer["X-Total-Count"] == "1"
    assert answer.json() == [
        {
            "id": node.pk,
            "type": "UCX",
            "ip": "10.0.0.3",
            "port": "21545",
            "name": "back-node03",
            "description": "third",
            "status": "ACTIVE",
            "reason": "",
            "lastSeen": None,
            "agentVersion": "",
            "rack": "",
            "unit": None,
            "serial": "",
            "tags": [],
            "customFields": {},
            "devices": [
                {
                    "id": device.pk,
                    "index": 0,
                    "name": "back-node03/00",
                    "backendId": str(node.pk),
                    "status": "SHUTDOWN",
                    "reason": "NEW",
                    "drainTo": "",
                    "model": "",
                    "totalMemory": 0,
                    "usedMemory": 512,
                    "temperature": 61.5,
                    "memoryTemperature": None,
                    "utilization": None,
                    "memoryUtilization": None,
                    "power": 300.0,
                    "measuredAt": "2026-01-01T00:00:00.000Z",
                    "verdict": "HEALTHY",
                    "verdictAt": None,
                    "checkedAt": None,
                    "uuid": "",
                    "serial": "",
                    "pciAddress": "",
                    "driverVersion": "",
                    "firmwareVersion": "",
                    "jobId": None,
                    "sdaId": None,
                    "token": None,
                    "processName": None,
                }
            ],
            "group": {
                "id": 0,
                "name": "default_backend_group",
                "description": BackendGroup.objects.get(pk=0).description,
                "index": 0,
                "combine": True,
            },
            "ipmi": {"ip": "127.0.0.1", "driver": "ipmi", "status": -1, "target": None, "checkedAt": None},
        }
    ]


FILTERS = {
    "an id": ({"id": "1"}, ["one"]),
    "a name": ({"name": "two"}, ["two"]),
    "a status in any case": ({"status": "shutdown"}, ["two"]),
    "a group": ({"group": "0"}, ["one", "two"]),
    "an unknown id": ({"id": "99999"}, []),
    "an ordering": ({"ordering": "-name"}, ["two", "one"]),
    "a part": ({"limit": "1", "offset": "1"}, ["two"]),
    "an unknown parameter, which a GET lets pass": ({"colour": "red"}, ["one", "two"]),
}


@pytest.mark.parametrize("case", FILTERS)
def test_lists_are_filtered_by(api: APIClient, case: str) -> None:
    first = make.backend(0, name="one")
    Backend.objects.filter(pk=make.backend(0, name="two").pk).update(status=BackendStatus.SHUTDOWN)
    params, expected = FILTERS[case]
    if params.get("id") == "1":
        params = {"id": str(first.pk)}
    answer = api.get(URL, params)
    assert [row["name"] for row in answer.json()] == expected
    assert answer["X-Total-Count"] == ("2" if "limit" in params else str(len(expected)))


BAD_FILTERS = {
    "an id that is no number": ({"id": "x"}, ["id"]),
    "a status that does not exist": ({"status": "ASLEEP"}, ["status"]),
    "an ordering that does not exist": ({"ordering": "colour"}, ["ordering"]),
    "a limit of nothing": ({"limit": "0"}, ["limit"]),
}


@pytest.mark.parametrize("case", BAD_FILTERS)
def test_a_list_refuses(api: APIClient, case: str) -> None:
    params, named = BAD_FILTERS[case]
    assert refused(api.get(URL, params)) == (400, "INVALID_PARAMETER", named)


@pytest.mark.parametrize("rows", [5, 50])
def test_the_list_costs_the_same_number_of_queries(api: APIClient, rows: int, django_assert_num_queries: Any) -> None:
    for _ in range(rows):
        make.backend(2)
        entitle(make.token(), BackendGroup.objects.get(pk=0))
    make.running_job(make.ready_backend(1))
    # Session, operator, stamps, backends, tags, custom fields, devices, allocations, reserved SDAs' jobs.
    with django_assert_num_queries(9):
        assert len(api.get(URL).json()) == rows + 1
    with django_assert_num_queries(
        10
    ):  # and here: groups, custom fields, backends inside, memberships, current SDAs, tokens, links
        assert len(api.get(f"{URL}/group").json()[0]["tokenlist"]) == rows


def test_a_backend_is_created_with_its_key_for_the_agent(api: APIClient) -> None:
    params = {
        **NEW,
        "port": "30000",
        "devices": 2,
        "deviceModel": "MI250",
        "user": "ipmi",
        "pwd": "s3cret",
        "bmcPort": 700,
    }
    made = done(api.post(URL, params))
    row = Backend.objects.select_related("bmc").get()
    assert len(made.pop("agentKey")) == 43
    assert made == api.get(URL, {"id": row.pk}).json()[0]
    assert (made["port"], [device["model"] for device in made["devices"]]) == ("30000", ["MI250", "MI250"])
    assert (row.bmc.ip, row.bmc.port, row.bmc.user, row.bmc.password) == ("10.1.0.1", 700, "ipmi", "s3cret")
    (event,) = Event.objects.filter(action="CREATE_BACKEND")
    assert (event.subject, event.referer_protocol, event.referer_ip) == (f"backend/{row.pk}", "rest", "127.0.0.1")
    assert "s3cret" not in str(event.request)


PLACES = {
    "the query string": lambda api: api.post(f"{URL}?node=10.1.0.1&label=gpu-1&group=0&workerip=10.2.0.1"),
    "a JSON body": lambda api: api.post(URL, NEW, format="json"),
    "a form": lambda api: api.post(
        URL, "node=10.1.0.1&label=gpu-1&group=0&workerip=10.2.0.1", content_type="application/x-www-form-urlencoded"
    ),
    "a form of many parts": lambda api: api.post(URL, NEW, format="multipart"),
    "both, where the body wins": lambda api: api.post(f"{URL}?label=other&node=1.1.1.1", NEW, format="json"),
}


@pytest.mark.parametrize("place", PLACES)
def test_parameters_may_stand_in(api: APIClient, place: str) -> None:
    assert done(PLACES[place](api))["name"] == "gpu-1"


BAD_NEW: dict[str, tuple[dict[str, Any], tuple[int, str, list[str]]]] = {
    "without a node": ({"node": None}, (400, "INVALID_PARAMETER", ["node"])),
    "with a BMC that is no address": ({"node": "bmc-1"}, (400, "INVALID_PARAMETER", ["node"])),
    "with a worker that is no address": ({"workerip": "300.1.1.1"}, (400, "INVALID_PARAMETER", ["workerip"])),
    "without a name": ({"label": ""}, (400, "INVALID_PARAMETER", ["label"])),
    "with a name too long": ({"label": "x" * 129}, (400, "INVALID_PARAMETER", ["label"])),
    "with a control character": ({"label": "a\u0007b"}, (400, "INVALID_PARAMETER", ["label"])),
    "with NUL": ({"description": "a\u0000b"}, (400, "INVALID_PARAMETER", ["description"])),
    "with a port out of range": ({"port": 65536}, (400, "INVALID_PARAMETER", ["port"])),
    "with a port that is a truth": ({"port": True}, (400, "INVALID_PARAMETER", ["port"])),
    "with more devices than fit": ({"devices": 33}, (400, "INVALID_PARAMETER", ["devices"])),
    "with another type": ({"type": "TCP"}, (400, "INVALID_PARAMETER", ["type"])),
    "with an unknown parameter": ({"lable": "x"}, (400, "INVALID_PARAMETER", ["lable"])),
    "in a group that is not there": ({"group": 77}, (404, "NOT_FOUND", ["group"])),
    "in a group with a huge number": ({"group": 10**30}, (400, "INVALID_PARAMETER", ["group"])),
    "with a list as a name": ({"label": ["a", "b"]}, (400, "INVALID_PARAMETER", ["label"])),
    "with a taken name": ({"label": "taken"}, (409, "DUPLICATE", ["label"])),
}


@pytest.mark.parametrize("case", BAD_NEW)
def test_a_backend_is_not_created(api: APIClient, case: str) -> None:
    make.backend(0, name="taken")
    before = Event.objects.count()
    wrong, expected = BAD_NEW[case]
    assert refused(api.post(URL, {**NEW, **wrong})) == expected
    assert (Backend.objects.count(), Event.objects.count()) == (1, before)


BAD_BODIES = {
    "broken JSON": ('{"node":', "application/json", (400, "INVALID_PARAMETER", [])),
    "half a character": (
        r'{"label": "\ud800", "node": "1.1.1.1", "workerip": "1.1.1.1", "group": 0}',
        "application/json",
        (400, "INVALID_PARAMETER", ["label"]),
    ),
    "half a character as a name": (r'{"\ud800": 1}', "application/json", (400, "INVALID_PARAMETER", ["body"])),
    "100,000 lists in one another": (
        '{"label": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "application/json",
        (400, "INVALID_PARAMETER", []),
    ),
    "20,001 fields": (
        "&".join(f"a{number}=1" for number in range(20_001)),
        "application/x-www-form-urlencoded",
        (400, "INVALID_PARAMETER", []),
    ),
    "a list": ("[1]", "application/json", (400, "INVALID_PARAMETER", ["body"])),
    "a number": ("1", "application/json", (400, "INVALID_PARAMETER", ["body"])),
    "XML": ("<a/>", "application/xml", (415, "UNSUPPORTED_MEDIA_TYPE", [])),
    "10 MB": ('{"label": "' + "x" * 10_000_000 + '"}', "application/json", (413, "PAYLOAD_TOO_LARGE", [])),
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_body_is_refused(api: APIClient, case: str) -> None:
    body, kind, expected = BAD_BODIES[case]
    assert refused(api.post(URL, body, content_type=kind)) == expected
    assert not Backend.objects.exists()


def test_a_backend_is_changed(api: APIClient) -> None:
    node = make.backend(0)
    params = {"id": node.pk, "command": "UPDATE", "label": "new", "workerip": "10.9.9.9", "port": 1, "node": "10.8.8.8"}
    changed = done(api.put(URL, {**params, "bmcPort": 99, "description": "", "status": "shutdown", "pwd": " p "}))
    row = Backend.objects.select_related("bmc").get()
    assert (changed["name"], changed["ip"], changed["port"], changed["status"], changed["reason"]) == (
        ("new", "10.9.9.9", "1", "SHUTDOWN", "OPERATOR")
    )
    assert (row.bmc.ip, row.bmc.port, row.bmc.password) == ("10.8.8.8", 99, " p ")
    assert [subject for subject, _request in events("UPDATE_BACKEND")] == [f"backend/{node.pk}"]
    assert events("SET_BACKEND_STATUS")[0][1]["status"] == "SHUTDOWN"
    assert " p " not in str(events("UPDATE_BACKEND"))


BAD_CHANGES: dict[str, tuple[dict[str, Any], tuple[int, str, list[str]]]] = {
    "without a command": ({"id": 1}, (400, "INVALID_PARAMETER", ["command"])),
    "with another command": ({"id": 1, "command": "explode"}, (400, "INVALID_PARAMETER", ["command"])),
    "without an id": ({"command": "update"}, (400, "INVALID_PARAMETER", ["id"])),
    "of nobody": ({"id": 999_999, "command": "update"}, (404, "NOT_FOUND", ["id"])),
    "to a status of devices": ({"command": "update", "status": "IDLE"}, (400, "INVALID_PARAMETER", ["status"])),
    "to wait for an hour": ({"command": "on", "wait": 3600}, (400, "INVALID_PARAMETER", ["wait"])),
    "of a BMC that is not there": ({"command": "reconnect", "node": "10.3.3.3"}, (404, "NOT_FOUND", ["node"])),
}


@pytest.mark.parametrize("case", BAD_CHANGES)
def test_a_backend_is_not_changed(api: APIClient, case: str) -> None:
    node = make.backend(0)
    before = Event.objects.count()
    wrong, expected = BAD_CHANGES[case]
    if wrong.get("id") == 1:
        wrong = {**wrong, "id": node.pk}
    assert refused(api.put(URL, wrong)) == expected
    assert Event.objects.count() == before


def test_a_backend_in_use_is_deleted_only_by_force(api: APIClient) -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    assert refused(api.delete(URL, {"id": node.pk})) == (409, "BACKEND_IN_USE", ["id"])
    assert done(api.delete(f"{URL}?id={node.pk}&force=true")) == {}
    job.refresh_from_db()
    assert (job.status, Backend.objects.live().count(), events("DELETE_BACKEND")[0][1]) == (
        "CANCELED",
        0,
        {"force": True},
    )
    assert refused(api.delete(URL, {"id": node.pk})) == (404, "NOT_FOUND", ["id"])
