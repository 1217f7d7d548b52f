"""SDAs, their models, groups and memberships in REST."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from backends.models import Device, Telemetry
from backends.services.groups import create_backend_group
from core.clock import db_now
from scheduler.models import Allocation
from sda.models import Sda, SdaModel
from tests import make
from tests.api import V2, client, done, entitle, events, refused
from tokens.services import create_token_group

pytestmark = pytest.mark.django_db
MODELS, SDAS = f"{V2}/sdamodel", f"{V2}/sda"


@pytest.fixture
def api() -> APIClient:
    return client()


def test_a_model_is_open_until_it_is_grouped(api: APIClient) -> None:
    made = done(api.post(MODELS, {"name": "Small.64GB", "numDevices": "1", "desc": "one GPU"}))
    plain = {"id": made["id"], "name": "Small.64GB", "numDevices": 1, "description": "one GPU", "customFields": {}}
    assert made == {**plain, "open": True, "groups": [], "group": None}
    group = done(api.post(f"{MODELS}/group", {"label": "small ones"}))
    assert group == {
        "id": group["id"],
        "name": "small ones",
        "description": "",
        "index": 0,
        "combine": True,
        "backendGroup": {"id": 0, "name": "default_backend_group"},
        "tokenlist": [],
        "sdamodels": [],
    }
    params = {"sdamodel": made["id"], "group": group["id"]}
    named = {"id": made["id"], "name": "Small.64GB", "numDevices": 1}
    assert done(api.post(f"{MODELS}/grouping", params))["sdamodels"] == [named]
    inside = {name: group[name] for name in ("id", "name", "description", "index", "combine", "backendGroup")}
    assert api.get(MODELS).json() == [{**plain, "open": False, "groups": [inside], "group": inside}]
    assert done(api.delete(f"{MODELS}/grouping", params))["sdamodels"] == []
    assert refused(api.delete(f"{MODELS}/grouping", params)) == (404, "NOT_FOUND", ["group"])
    assert events("CREATE_SDAMODEL") == [(f"sdamodel/{made['id']}", {"name": "Small.64GB", "numDevices": 1})]


def test_what_a_token_may_use_has_an_entry_per_group(api: APIClient) -> None:
    token, model, free = make.token(), make.sda_model(), make.sda_model()
    fast = create_backend_group(name="fast", actor=make.ACTOR)
    first = entitle(token, fast, model)
    second = entitle(token, make.default_group(), model)
    found = api.get(MODELS, {"token": token.value})
    assert [(row["id"], row["group"] and row["group"]["id"]) for row in found.json()] == [
        (model.pk, first.pk),
        (model.pk, second.pk),
        (free.pk, None),
    ]
    assert found["X-Total-Count"] == "3"
    assert found.json()[0]["group"]["backendGroup"] == {"id": fast.pk, "name": "fast"}
    assert [row["value"] for row in found.json()[0]["group"]["tokenlist"]] == [token.value]
    assert [row["id"] for row in api.get(f"{MODELS}?token={token.value}&id={free.pk}").json()] == [free.pk]
    assert api.get(MODELS, {"token": "nobody's"}).json() == []


BAD_MODELS: dict[str, tuple[dict[str, Any], tuple[int, str, list[str]]]] = {
    "without anything": ({}, (400, "INVALID_PARAMETER", ["name", "numDevices"])),
    "of no devices": ({"name": "x", "numDevices": 0}, (400, "INVALID_PARAMETER", ["numDevices"])),
    "of many devices in words": ({"name": "x", "numDevices": "two"}, (400, "INVALID_PARAMETER", ["numDevices"])),
    "of a known name": ({"name": "known", "numDevices": 1}, (409, "DUPLICATE", ["name"])),
}


@pytest.mark.parametrize("case", BAD_MODELS)
def test_a_model_is_not_made(api: APIClient, case: str) -> None:
    make.sda_model(name="known")
    wrong, expected = BAD_MODELS[case]
    assert refused(api.post(MODELS, wrong)) == expected
    assert SdaModel.objects.count() == 1


def test_a_model_in_use_stays(api: APIClient) -> None:
    sda = make.sda()
    assert refused(api.delete(MODELS, {"sdamodel": sda.model_id})) == (409, "MODEL_IN_USE", ["sdamodel"])
    unused = make.sda_model()
    assert done(api.delete(f"{MODELS}?sdamodel={unused.pk}")) == {}
    assert [row["id"] for row in api.get(MODELS).json()] == [sda.model_id]


def test_model_groups_are_bound_and_changed(api: APIClient) -> None:
    fast = create_backend_group(name="fast", actor=make.ACTOR, combine=False)
    one, two = make.sda_model(), make.sda_model()
    url = f"{MODELS}/group"
    made = done(api.post(url, {"label": "g", "groupId": fast.pk, "sdamodels": [one.pk]}))
    assert (made["backendGroup"]["name"], made["combine"], made["sdamodels"][0]["id"]) == ("fast", False, one.pk)
    changed = done(api.put(url, {"id": made["id"], "groupId": 0, "sdamodels": f"{two.pk}", "label": "h"}))
    assert (changed["backendGroup"]["id"], changed["name"], changed["sdamodels"][0]["id"]) == (0, "h", two.pk)
    assert refused(api.delete(f"{V2}/backend/group", {"id": 0})) == (409, "DEFAULT_GROUP", ["id"])
    assert done(api.put(url, {"id": made["id"], "groupId": fast.pk}))["backendGroup"]["id"] == fast.pk
    assert refused(api.delete(f"{V2}/backend/group", {"id": fast.pk})) == (409, "GROUP_IN_USE", ["id"])
    assert refused(api.delete(url, {"id": made["id"]})) == (409, "GROUP_IN_USE", ["id"])
    assert done(api.delete(url, {"id": made["id"], "force": True})) == {}


def test_deleted_members_do_not_block_the_deletion_of_a_model_group(api: APIClient) -> None:
    model, team = make.sda_model(), create_token_group(name="team", actor=make.ACTOR)
    group = done(api.post(f"{MODELS}/group", {"label": "models", "sdamodels": model.pk}))
    done(api.post(f"{V2}/membership", {"parentId": team.pk, "childId": group["id"]}))
    assert done(api.delete(f"{V2}/token/group", {"id": team.pk})) == {}
    assert refused(api.delete(f"{MODELS}/group", {"id": group["id"]})) == (409, "GROUP_IN_USE", ["id"])
    assert done(api.delete(MODELS, {"sdamodel": model.pk})) == {}
    assert done(api.delete(f"{MODELS}/group", {"id": group["id"]})) == {}


def test_an_sda_leaves_a_model_group_by_another_way_to_its_model(api: APIClient) -> None:
    token, model = make.token(), make.sda_model()
    first = entitle(token, make.default_group(), model)
    sda = done(api.post(SDAS, {"token": token.value, "model": model.pk, "desc": "", "reserved": False}))
    params = {"id": first.pk, "sdaid": sda["id"]}
    assert sda["groupId"] == first.pk
    assert refused(api.delete(f"{MODELS}/group", params)) == (403, "MODEL_NOT_ALLOWED", ["sdaid"])
    second = entitle(token, make.default_group(), model)
    assert done(api.delete(f"{MODELS}/group", params)) == {}
    assert Sda.objects.get(pk=sda["id"]).model_group_id == second.pk
    assert refused(api.delete(f"{MODELS}/group", params)) == (404, "NOT_FOUND", ["sdaid"])


def test_memberships_join_groups(api: APIClient) -> None:
    token = make.token()
    team = create_token_group(name="team", tokens=[token], actor=make.ACTOR)
    group = done(api.post(f"{MODELS}/group", {"label": "models"}))
    params = {"parentId": team.pk, "childId": group["id"]}
    made = done(api.post(f"{V2}/membership", params))
    assert (made["id"], [row["value"] for row in made["tokenlist"]]) == (team.pk, [token.value])
    child = {name: value for name, value in group.items() if name != "tokenlist"}
    assert made["sdamodelgroups"] == [child]
    assert refused(api.post(f"{V2}/membership", params)) == (409, "DUPLICATE", ["childId"])
    assert api.get(f"{V2}/membership", {"group": team.pk}).json() == [made]
    assert api.get(f"{V2}/membership", {"group": 999}).json() == []
    assert done(api.delete(f"{V2}/membership", params))["sdamodelgroups"] == []
    assert refused(api.delete(f"{V2}/membership", params)) == (404, "NOT_FOUND", ["childId", "parentId"])
    assert [len(events(f"{verb}_MEMBERSHIP")) for verb in ("CREATE", "DELETE")] == [1, 1]


def test_a_reserved_sda_holds_its_devices(api: APIClient) -> None:
    node, token, model = make.ready_backend(3), make.token(), make.sda_model(2)
    params = {"token": token.value, "model": model.pk, "desc": "mine", "reserved": "true"}
    made = done(api.post(SDAS, params))
    (backend,) = made.pop("backends")
    html = {**api.get(f"{V2}/token", {"token": token.value}).json()[0]}
    assert made == {
        "id": made["id"],
        "modelId": model.pk,
        "sdamodelName": model.name,
        "groupId": None,
        "token": html,
        "reserved": True,
        "current": True,
        "numDevices": 2,
        "description": "mine",
    }
    assert (backend["id"], [device["index"] for device in backend["devices"]]) == (node.pk, [0, 1])
    assert {(device["sdaId"], device["jobId"], device["token"]) for device in backend["devices"]} == {
        (made["id"], None, token.value)
    }
    assert refused(api.post(SDAS, params))[:2] == (409, "MAX_SDA_REACHED")
    other = {**params, "token": make.token().value}
    assert refused(api.post(SDAS, other)) == (409, "NOT_ENOUGH_DEVICES", ["available", "missing", "needed"])
    assert (Sda.objects.count(), Allocation.objects.count()) == (1, 2)


BAD_SDAS: dict[str, tuple[dict[str, Any], tuple[int, str, list[str]]]] = {
    "without anything": ({}, (400, "INVALID_PARAMETER", ["desc", "model", "reserved", "token"])),
    "of no model": ({"model": 999}, (404, "NOT_FOUND", ["model"])),
    "of nobody": ({"token": "nobody's"}, (404, "NOT_FOUND", ["token"])),
    "reserved perhaps": ({"reserved": "perhaps"}, (400, "INVALID_PARAMETER", ["reserved"])),
    "of a model that the token may not use": ({"model": "closed"}, (403, "MODEL_NOT_ALLOWED", ["model"])),
}


@pytest.mark.parametrize("case", BAD_SDAS)
def test_an_sda_is_not_made(api: APIClient, case: str) -> None:
    token, closed = make.token(), make.sda_model()
    entitle(make.token(), make.default_group(), closed)
    wrong, expected = BAD_SDAS[case]
    good = {"token": token.value, "model": make.sda_model().pk, "desc": "", "reserved": False} if wrong else {}
    params = {**good, **wrong, **({"model": closed.pk} if wrong.get("model") == "closed" else {})}
    assert refused(api.post(SDAS, params)) == expected
    assert not Sda.objects.exists()


def test_an_sda_changes_its_model_unless_in_use(api: APIClient) -> None:
    job, bigger = make.job(), make.sda_model(4)
    params = {"token": job.token.value, "model": bigger.pk}
    assert refused(api.put(SDAS, params)) == (409, "SDA_IN_USE", ["sdaId"])
    assert done(api.delete(f"{V2}/scheduler/queue", {"id": job.pk}))["status"] == "Canceled"
    changed = done(api.put(SDAS, {**params, "sdaId": job.sda_id}))
    assert (changed["modelId"], changed["numDevices"]) == (bigger.pk, 4)
    assert events("UPDATE_SDA") == [(f"sda/{job.sda_id}", {"model": bigger.name})]


def test_all_sdas_of_a_token_are_deleted_or_none(api: APIClient) -> None:
    token = make.token(max_sda_count=2)
    first, second = make.sda(owner=token), make.sda(owner=token)
    make.job(second)
    assert refused(api.delete(SDAS, {"token": token.value})) == (409, "SDA_IN_USE", ["sdaId"])
    assert Sda.objects.live().count() == 2
    assert done(api.delete(SDAS, {"token": token.value, "sdaId": first.pk})) == {}
    assert [(row["id"], row["current"]) for row in api.get(SDAS, {"token": token.value}).json()] == [(second.pk, True)]
    assert done(api.delete(SDAS, {"token": token.value, "force": True})) == {}
    assert api.get(SDAS).json() == []
    assert refused(api.delete(SDAS, {"token": token.value})) == (404, "NOT_FOUND", ["sdaId"])


def test_utilization_of_running_jobs(api: APIClient) -> None:
    node = make.ready_backend(2)
    job = make.running_job(node, 2)
    make.job()
    now = db_now()
    for device, celsius in zip(Device.objects.filter(backend=node).order_by("index"), (60, 70), strict=True):
        Telemetry.objects.create(
            device=device, used_memory=100, temperature=celsius, power=250, utilization=celsius, at=now
        )
    (found,) = api.get(f"{SDAS}/utilizations", {"token": job.token.value}).json()
    (use,) = found.pop("sdautils")
    assert found == {"id": job.pk, "pid": 0, "ptype": "C", "processName": ""}
    assert use.pop("sda") == api.get(SDAS, {"token": job.token.value}).json()[0]
    assert use == {
        "totalMemory": 131_072,
        "usedMemory": 200,
        "temperature": 70.0,
        "gpuPower": 500.0,
        "utilization": 65.0,
    }
    assert api.get(f"{SDAS}/utilizations", {"token": "nobody's"}).json() == []


def test_what_no_device_of_a_running_job_measured_is_null(api: APIClient) -> None:
    job = make.running_job(make.ready_backend(1))
    (found,) = api.get(f"{SDAS}/utilizations", {"token": job.token.value}).json()
    names = ("usedMemory", "temperature", "gpuPower", "utilization")
    assert [found["sdautils"][0][name] for name in names] == [None] * len(names)


@pytest.mark.parametrize("rows", [5, 50])
def test_lists_cost_the_same_number_of_queries(api: APIClient, rows: int, django_assert_num_queries: Any) -> None:
    node = make.ready_backend(5)
    for number in range(rows):
        job = make.running_job(node) if number < 5 else make.job()
        entitle(job.token, make.default_group(), make.sda_model())
    lists = {SDAS: 13, f"{SDAS}/utilizations": 14, MODELS: 6, f"{MODELS}/group": 9, f"{V2}/membership": 10}
    for address, queries in lists.items():
        with django_assert_num_queries(queries):
            assert len(api.get(address).json()) == {f"{SDAS}/utilizations": 5, MODELS: 2 * rows}.get(address, rows)
