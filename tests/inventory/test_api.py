"""Tags, definitions and values of all nouns over REST."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.choices import Role
from sda.models import SdaModel
from tests import make
from tests.api import V2, client, done, refused

pytestmark = pytest.mark.django_db
FIELD, TAG = f"{V2}/inventory/field", f"{V2}/inventory/tag"


@pytest.fixture
def api() -> APIClient:
    return client()


def test_definitions_are_made_listed_changed_and_deleted(api: APIClient) -> None:
    made = done(api.post(FIELD, {"noun": "token", "name": "region", "kind": "choice", "choices": ["eu", "kr"]}, "json"))
    assert made == {
        "id": made["id"],
        "noun": "token",
        "name": "region",
        "label": "",
        "description": "",
        "kind": "choice",
        "choices": ["eu", "kr"],
        "required": False,
        "inLists": False,
        "index": 0,
    }
    changed = done(api.put(FIELD, {"id": made["id"], "label": "Region", "inLists": True}, "json"))
    assert changed == {**made, "label": "Region", "inLists": True}
    assert api.get(FIELD, {"noun": "token"}).json() == [changed]
    assert api.get(FIELD, {"noun": "backend"}).json() == []
    token = done(api.post(f"{V2}/token", {"desc": "c", "customFields": {"region": "kr"}}, "json"))
    assert token["customFields"] == {"region": "kr"}
    assert refused(api.delete(FIELD, {"id": made["id"]})) == (409, "FIELD_IN_USE", ["id", "values"])
    done(api.delete(FIELD, {"id": made["id"], "force": "true"}))
    assert api.get(FIELD).json() == []
    assert api.get(f"{V2}/token").json()[0]["customFields"] == {}


def test_a_read_only_operator_reads_and_changes_nothing() -> None:
    looker = client(Role.READ_ONLY)
    assert looker.get(FIELD).json() == looker.get(TAG).json() == []
    assert looker.post(TAG, {"name": "a"}).status_code == looker.post(FIELD, {}).status_code == 403


def test_tags_are_made_listed_changed_and_deleted(api: APIClient) -> None:
    made = done(api.post(TAG, {"name": "liquid", "colour": "info"}))
    assert made == {"id": made["id"], "name": "liquid", "colour": "info", "description": ""}
    assert refused(api.post(TAG, {"name": "LIQUID"})) == (409, "DUPLICATE", ["name"])
    assert refused(api.post(TAG, {"name": "b", "colour": "pink"})) == (400, "INVALID_PARAMETER", ["colour"])
    changed = done(api.put(TAG, {"id": made["id"], "description": "cold"}))
    assert api.get(TAG).json() == [changed] == [{**made, "description": "cold"}]
    done(api.delete(TAG, {"id": made["id"]}))
    assert api.get(TAG).json() == []


NOUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "backend": ("backend", {"node": "127.0.0.1", "label": "n", "group": 0, "workerip": "10.0.0.9"}),
    "backendgroup": ("backend/group", {"label": "g"}),
    "token": ("token", {"desc": "c"}),
    "sdamodel": ("sdamodel", {"name": "m", "numDevices": 1}),
}


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_has_custom_fields(api: APIClient, noun: str) -> None:
    path, given = NOUNS[noun]
    done(api.post(FIELD, {"noun": noun, "name": "size", "kind": "integer", "required": True}, "json"))
    address = f"{V2}/{path}"
    assert refused(api.post(address, given, "json")) == (400, "INVALID_PARAMETER", ["cf_size"])
    made = done(api.post(address, {**given, "customFields": {"size": 8}}, "json"))
    assert made["customFields"] == {"size": 8}
    assert [row["customFields"] for row in api.get(address, {"cf_size": "8"}).json()] == [{"size": 8}]
    assert api.get(address, {"cf_size": "9"}).json() == []


def test_a_change_of_a_group_and_of_a_token_takes_custom_fields(api: APIClient) -> None:
    for noun in ("backendgroup", "token"):
        done(api.post(FIELD, {"noun": noun, "name": "team"}, "json"))
    group = done(
        api.put(f"{V2}/backend/group", {"id": 0, "customFields": {"team": "a"}, "preferOneRack": True}, "json")
    )
    assert (group["customFields"], group["preferOneRack"]) == ({"team": "a"}, True)
    token = make.token()
    changed = done(api.put(f"{V2}/token", {"token": token.value, "customFields": {"team": "b"}}, "json"))
    assert changed["customFields"] == {"team": "b"}
    assert not SdaModel.objects.exists()
