"""Backend groups in REST, and which backend is in which group."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from backends.group_rules import GROUP_RULES
from backends.models import Backend, BackendGroup
from backends.services.groups import create_backend_group
from core.admin.cells import by_field
from core.errors import InvalidParameter
from tests import make
from tests.api import V2, client, done, events, refused

pytestmark = pytest.mark.django_db
URL = f"{V2}/backend"


@pytest.fixture
def api() -> APIClient:
    return client()


def group(name: str = "fast", **fields: Any) -> BackendGroup:
    return create_backend_group(name=name, actor=make.ACTOR, **fields)


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
        "powerOnNodes": 0,
        "powerOnSeconds": 0,
        "draining": False,
        "preferOneRack": False,
        "customFields": {},
        "checkCommand": "",
        "checkEveryHours": 0,
        "preflight": False,
        "repairClean": False,
        "repairReset": False,
        "repairReboot": False,
        "repairPowerCycle": False,
        "repairDryRun": False,
        "repairAttempts": 4,
        "repairPercent": 10,
        "repairDrainMinutes": 60,
        "repairForce": False,
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


def test_invalid_changes_of_backend_groups_are_refused(api: APIClient) -> None:
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
    text = api.post(url, {"group": slow.pk, "backend": node.pk}).json()["message"]
    assert text == "The node is not in the group that it was to leave."
    assert done(api.put(url, {"group": slow.pk, "backend": node.pk}))["name"] == "slow"
    assert refused(api.delete(url, {"group": fast.pk, "backend": node.pk})) == (409, "CONFLICT", ["backend"])
    assert done(api.delete(url, {"group": slow.pk, "backend": node.pk}))["backends"] == []
    assert refused(api.delete(url, {"group": 0, "backend": node.pk})) == (409, "DEFAULT_GROUP", ["group"])
    assert [request["group"] for _subject, request in events("MOVE_BACKEND")] == [fast.pk, slow.pk, 0]


@pytest.mark.parametrize(
    ("setting", "value"),
    [("checkEveryHours", 8761), ("repairPercent", 101), ("repairAttempts", 0), ("repairDrainMinutes", 30_001)],
)
def test_every_interface_knows_the_limits_of_a_setting(api: APIClient, setting: str, value: int) -> None:
    changed = {"id": group().pk, setting: value}
    assert refused(api.put(f"{URL}/group", changed)) == (400, "INVALID_PARAMETER", [setting])
    with pytest.raises(InvalidParameter):
        by_field(BackendGroup, GROUP_RULES[setting])(str(value))
