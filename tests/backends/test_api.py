from typing import Any

import pytest
from rest_framework.test import APIClient

from backends.choices import BackendStatus, DeviceStatus
from backends.models import Backend, BackendGroup, Device, Telemetry
from backends.services.groups import create_backend_group
from moreh_cloud.accounts.choices import Role
from moreh_cloud.events.models import Event
from moreh_cloud.lib.clock import db_now
from tests import make
from tests.api import V2, client, done, entitle, events, refused

pytestmark = pytest.mark.django_db
URL = f"{V2}/backend"
NEW = {"node": "10.1.0.1", "label": "gpu-1", "group": 0, "workerip": "10.2.0.1"}


@pytest.fixture
def api() -> APIClient:
    return client()


def group(name: str = "fast", **fields: Any) -> BackendGroup:
    return create_backend_group(name=name, actor=make.ACTOR, **fields)


def test_a_backend_is_shaped_as_the_contract_says(api: APIClient) -> None:
    node = make.backend(1, name="back-node03", ip="10.0.0.3", description="third")
    (device,) = Device.objects.filter(backend=node)
    Telemetry.objects.create(device=device, used_memory=512, temperature=61.5, power=300, at=db_now())
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
                    "memoryTemperature": 0.0,
                    "utilization": 0.0,
                    "memoryUtilization": 0.0,
                    "power": 300.0,
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
            "ipmi": {"ip": "127.0.0.1", "status": -1, "target": None, "checkedAt": None},
        }
    ]


def test_a_device_says_who_holds_it(api: APIClient) -> None:
    node = make.ready_backend(2)
    job = make.running_job(node)
    held, free = api.get(URL, {"id": node.pk}).json()[0]["devices"]
    names = ("jobId", "sdaId", "token", "processName", "status")
    assert [held[name] for name in names] == [job.pk, job.sda_id, job.token.value, "", "PROCESSING"]
    assert [free[name] for name in names] == [None, None, None, None, "IDLE"]
    (masked,) = client(Role.READ_ONLY).get(URL).json()
    assert masked["devices"][0]["token"] == job.token.masked


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
    asked, expected = FILTERS[case]
    if asked.get("id") == "1":
        asked = {"id": str(first.pk)}
    answer = api.get(URL, asked)
    assert [row["name"] for row in answer.json()] == expected
    assert answer["X-Total-Count"] == ("2" if "limit" in asked else str(len(expected)))


BAD_FILTERS = {
    "an id that is no number": ({"id": "x"}, ["id"]),
    "a status that does not exist": ({"status": "ASLEEP"}, ["status"]),
    "an ordering that does not exist": ({"ordering": "colour"}, ["ordering"]),
    "a limit of nothing": ({"limit": "0"}, ["limit"]),
}


@pytest.mark.parametrize("case", BAD_FILTERS)
def test_a_list_refuses(api: APIClient, case: str) -> None:
    asked, named = BAD_FILTERS[case]
    assert refused(api.get(URL, asked)) == (400, "INVALID_PARAMETER", named)


@pytest.mark.parametrize("rows", [5, 50])
def test_the_list_costs_the_same_number_of_queries(api: APIClient, rows: int, django_assert_num_queries: Any) -> None:
    for _ in range(rows):
        make.backend(2)
        entitle(make.token(), BackendGroup.objects.get(pk=0))
    make.running_job(make.ready_backend(1))
    with django_assert_num_queries(7):  # session, operator, stamps, backends, devices, allocations, reserved SDAs' jobs
        assert len(api.get(URL).json()) == rows + 1
    with django_assert_num_queries(9):  # and here: groups, backends inside, memberships, current SDAs, tokens, links
        assert len(api.get(f"{URL}/group").json()[0]["tokenlist"]) == rows


def test_a_backend_is_created_with_its_key_for_the_agent(api: APIClient) -> None:
    asked = {
        **NEW,
        "port": "30000",
        "devices": 2,
        "deviceModel": "MI250",
        "user": "ipmi",
        "pwd": "s3cret",
        "bmcPort": 700,
    }
    made = done(api.post(URL, asked))
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
        (400, "INVALID_PARAMETER", ["body"]),
    ),
    "half a character as a name": (r'{"\ud800": 1}', "application/json", (400, "INVALID_PARAMETER", ["body"])),
    "100,000 lists in one another": (
        '{"label": ' + "[" * 100_000 + "]" * 100_000 + "}",
        "application/json",
        (400, "INVALID_PARAMETER", []),
    ),
    "2,000 fields": (
        "&".join(f"a{number}=1" for number in range(2000)),
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
    asked = {"id": node.pk, "command": "UPDATE", "label": "new", "workerip": "10.9.9.9", "port": 1, "node": "10.8.8.8"}
    changed = done(api.put(URL, {**asked, "bmcPort": 99, "description": "", "status": "shutdown", "pwd": " p "}))
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


def test_devices_are_set_and_drain_while_held(api: APIClient) -> None:
    node = make.ready_backend(2)
    make.running_job(node)
    url = f"{URL}/device/status"
    result = done(api.put(url, {"id": node.pk, "status": "busy"}))
    assert result == {
        "id": node.pk,
        "devices": [{"index": 0, "result": "draining"}, {"index": 1, "result": "changed"}],
    }
    assert make.statuses(node) == [DeviceStatus.PROCESSING, DeviceStatus.BUSY]
    one = done(api.put(url, {"id": node.pk, "status": "IDLE", "device": 1}))
    assert one["devices"] == [{"index": 1, "result": "changed"}]
    assert refused(api.put(url, {"id": node.pk, "status": "IDLE", "device": 9})) == (404, "NOT_FOUND", ["device", "id"])
    assert refused(api.put(url, {"id": node.pk, "status": "CLEANING"})) == (400, "INVALID_PARAMETER", ["status"])


def test_backend_groups_are_made_changed_and_deleted(api: APIClient) -> None:
    one, two = make.backend(0), make.backend(0)
    url = f"{URL}/group"
    made = done(api.post(url, {"group": "fast", "combine": "false", "backends": f"{one.pk},{two.pk}"}))
    pk = made["id"]
    assert made == {
        "id": pk,
        "name": "fast",
        "description": "",
        "index": 0,
        "combine": False,
        "tokenlist": [],
        "backends": [{"id": one.pk, "name": one.name}, {"id": two.pk, "name": two.name}],
        "policy": "strict",
        "guardSeconds": 3600,
        "preempt": False,
        "minRunSeconds": 600,
        "noticeSeconds": 60,
        "draining": False,
    }
    changed = done(api.put(url, {"id": pk, "label": "faster", "index": -1, "backends": [two.pk]}))
    assert [changed[name] for name in ("name", "index", "backends")] == [
        "faster",
        -1,
        [{"id": two.pk, "name": two.name}],
    ]
    assert [row["id"] for row in api.get(url).json()] == [pk, 0]
    assert [row["name"] for row in api.get(url, {"id": pk}).json()] == ["faster"]
    assert refused(api.delete(url, {"id": pk})) == (409, "GROUP_NOT_EMPTY", ["backends", "id"])
    assert done(api.delete(url, {"id": pk, "force": True})) == {}
    assert Backend.objects.get(pk=two.pk).group_id == 0
    assert [len(events(name)) for name in ("CREATE_BACKEND_GROUP", "UPDATE_BACKEND_GROUP", "DELETE_BACKEND_GROUP")] == (
        [1, 1, 1]
    )


def test_backend_groups_that_stay(api: APIClient) -> None:
    url = f"{URL}/group"
    group("fast")
    assert refused(api.delete(url, {"id": 0})) == (409, "DEFAULT_GROUP", ["id"])
    assert refused(api.post(url, {"label": "fast"})) == (409, "DUPLICATE", ["label"])
    assert refused(api.post(url, {})) == (400, "INVALID_PARAMETER", ["label"])
    assert refused(api.post(url, {"label": "x", "backends": [99_999]})) == (404, "NOT_FOUND", ["backends"])
    assert BackendGroup.objects.live().count() == 2


def test_a_backend_moves_between_groups(api: APIClient) -> None:
    node, fast, slow = make.backend(0), group("fast"), group("slow")
    url = f"{URL}/grouping"
    assert done(api.post(url, {"group": fast.pk, "backend": node.pk}))["backends"] == [
        {"id": node.pk, "name": node.name}
    ]
    assert refused(api.post(url, {"group": slow.pk, "backend": node.pk})) == (409, "CONFLICT", ["backend"])
    said = api.post(url, {"group": slow.pk, "backend": node.pk}).json()["message"]
    assert said == "The node is not in the group that it was to leave."
    assert done(api.put(url, {"group": slow.pk, "backend": node.pk}))["name"] == "slow"
    assert refused(api.delete(url, {"group": fast.pk, "backend": node.pk})) == (409, "CONFLICT", ["backend"])
    assert done(api.delete(url, {"group": slow.pk, "backend": node.pk}))["backends"] == []
    assert refused(api.delete(url, {"group": 0, "backend": node.pk})) == (409, "DEFAULT_GROUP", ["group"])
    assert [request["group"] for _subject, request in events("MOVE_BACKEND")] == [fast.pk, slow.pk, 0]
