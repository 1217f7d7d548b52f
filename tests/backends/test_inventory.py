"""Rack, unit, serial number, tags and custom fields of nodes over REST, with what is refused and what events tell."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from backends.models import Backend
from backends.services.enrolment import create_enrolment_key, enrol_backend
from backends.services.inventory import add_tag, remove_tag
from backends.services.nodes import delete_backend, update_backend
from core.errors import Duplicate, InvalidParameter
from inventory.services import create_custom_field
from tests import make
from tests.api import V2, client, done, events, refused

pytestmark = pytest.mark.django_db
URL = f"{V2}/backend"
NODE = {"node": "127.0.0.1", "group": 0, "workerip": "10.0.0.9"}
FIELDS: dict[str, dict[str, Any]] = {
    "owner": {},
    "slots": {"kind": "integer"},
    "price": {"kind": "decimal"},
    "leased": {"kind": "boolean"},
    "until": {"kind": "date"},
    "room": {"kind": "choice", "choices": ["colo-1", "colo-2"]},
    "wiki": {"kind": "url"},
}
VALUES = {
    "owner": "Vision",
    "slots": 4,
    "price": "10.5",
    "leased": False,
    "until": "2028-03-31",
    "room": "colo-1",
    "wiki": "https://wiki.example/n",
}


@pytest.fixture
def api() -> APIClient:
    for name, rules in FIELDS.items():
        create_custom_field(noun="backend", name=name, actor=make.ACTOR, **rules)
    return client()


def post(api: APIClient, **given: Any) -> Any:
    return api.post(URL, {**NODE, "label": "gpu-1", **given}, format="json")


def test_a_node_is_made_with_its_inventory_and_changed(api: APIClient) -> None:
    place = {"rack": "A-07", "unit": 12, "serial": "CN701"}
    made = done(post(api, **place, tags=["Zone-b", "liquid"], customFields=VALUES))
    assert {name: made[name] for name in ("rack", "unit", "serial", "tags", "customFields")} == {
        **place,
        "tags": ["liquid", "Zone-b"],
        "customFields": VALUES,
    }
    ((_subject, told),) = events("CREATE_BACKEND")
    assert told["tags"] == ["liquid", "Zone-b"]
    assert (told["customFields"], told["rack"], told["unit"]) == (VALUES, "A-07", 12)
    change: dict[str, Any] = {"rack": "", "unit": None, "tags": [], "customFields": {"owner": None, "slots": "5"}}
    changed = done(api.put(URL, {"command": "update", "id": made["id"], **change}, format="json"))
    left = {name: value for name, value in VALUES.items() if name != "owner"} | {"slots": 5}
    assert (changed["rack"], changed["unit"], changed["tags"], changed["customFields"]) == ("", None, [], left)
    ((_subject, told),) = events("UPDATE_BACKEND")
    assert (told["tags"], told["customFields"]) == ([], {"owner": None, "slots": 5})
    assert "serial" not in told


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a unit without a rack": ({"unit": 3}, "unit"),
    "a unit of 0": ({"rack": "A", "unit": 0}, "unit"),
    "a unit above every rack": ({"rack": "A", "unit": 201}, "unit"),
    "a rack of two lines": ({"rack": "A\nB"}, "rack"),
    "a serial number that is too long": ({"serial": "x" * 65}, "serial"),
    "a tag with a comma": ({"tags": ["a;b"]}, "tags"),
    "too many tags": ({"tags": [f"t{number}" for number in range(51)]}, "tags"),
    "an unknown custom field": ({"customFields": {"colour": "red"}}, "cf_colour"),
    "a text for an integer": ({"customFields": {"slots": "many"}}, "cf_slots"),
    "another choice": ({"customFields": {"room": "colo-9"}}, "cf_room"),
    "custom fields that are no object": ({"customFields": ["owner"]}, "customFields"),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_names_the_field_and_changes_nothing(api: APIClient, case: str) -> None:
    given, named = WRONG[case]
    assert refused(post(api, **given)) == (400, "INVALID_PARAMETER", [named])
    node = make.backend(serial="kept")
    change = {"command": "update", "id": node.pk, "serial": "lost", **given}
    assert refused(api.put(URL, change, format="json"))[2] == [named]
    assert list(Backend.objects.values_list("serial", flat=True)) == ["kept"]


def test_two_live_nodes_of_a_rack_have_different_units(api: APIClient) -> None:
    first = make.backend(rack="A", unit=3)
    assert refused(post(api, rack="A", unit=3)) == (409, "DUPLICATE", ["unit"])
    make.backend(rack="B", unit=3)
    second = make.backend(rack="A", unit=4)
    with pytest.raises(Duplicate):
        update_backend(second, actor=make.ACTOR, unit=3)
    delete_backend(first, actor=make.ACTOR, force=True)
    assert update_backend(second, actor=make.ACTOR, unit=3).unit == 3


FILTERS: dict[str, tuple[dict[str, str], list[str]]] = {
    "a rack": ({"rack": "A"}, ["one", "two"]),
    "a serial number": ({"serial": "S1"}, ["one"]),
    "a tag in any case": ({"tag": "LIQUID"}, ["two"]),
    "a text": ({"cf_owner": "Vision"}, ["one"]),
    "a number as it is written elsewhere": ({"cf_price": "10.50"}, ["one"]),
    "a word for no": ({"cf_leased": "no"}, ["one"]),
    "two at once": ({"cf_owner": "Vision", "tag": "liquid"}, []),
    "no value": ({"cf_owner": ""}, ["two"]),
}


@pytest.mark.parametrize("case", FILTERS)
def test_the_list_is_filtered_by(api: APIClient, case: str) -> None:
    make.backend(name="one", rack="A", unit=1, serial="S1", custom_fields=VALUES)
    make.backend(name="two", rack="A", unit=2, tags=["liquid"])
    params, expected = FILTERS[case]
    assert [row["name"] for row in api.get(URL, {**params, "ordering": "name"}).json()] == expected


def test_a_filter_by_a_field_that_is_not_there_is_refused_and_a_list_is_read_again_when_values_change(
    api: APIClient,
) -> None:
    assert refused(api.get(URL, {"cf_colour": "red"})) == (400, "INVALID_PARAMETER", ["cf_colour"])
    assert refused(api.get(URL, {"cf_slots": "many"})) == (400, "INVALID_PARAMETER", ["cf_slots"])
    node = make.backend()
    etag = api.get(URL)["ETag"]
    assert api.get(URL, headers={"If-None-Match": etag}).status_code == 304
    add_tag(node, "new", actor=make.ACTOR)
    later = api.get(URL, headers={"If-None-Match": etag})
    assert (later.status_code, later.json()[0]["tags"]) == (200, ["new"])
    update_backend(node, actor=make.ACTOR, custom_fields={"owner": "Speech"})
    assert api.get(URL, headers={"If-None-Match": later["ETag"]}).json()[0]["customFields"] == {"owner": "Speech"}


def test_required_fields_are_asked_of_operators_and_not_of_agents(api: APIClient) -> None:
    create_custom_field(noun="backend", name="cost_centre", required=True, actor=make.ACTOR)
    assert refused(post(api)) == (400, "INVALID_PARAMETER", ["cf_cost_centre"])
    made = done(post(api, customFields={"cost_centre": "7"}))
    emptied = {"command": "update", "id": made["id"], "customFields": {"cost_centre": ""}}
    assert refused(api.put(URL, emptied, format="json"))[2] == ["cf_cost_centre"]
    done(api.put(URL, {"command": "update", "id": made["id"], "description": "x"}))
    key = create_enrolment_key(group=make.default_group(), actor=make.ACTOR)
    enrolled, _key = enrol_backend(key, name="enrolled", ip="10.0.0.8", instance_id="i", actor=make.ACTOR)
    assert not enrolled.custom_values.exists()


def test_adding_and_removing_a_tag_tells_what_the_node_has_then() -> None:
    node = make.backend(tags=["a"])
    assert add_tag(node, "B", actor=make.ACTOR)
    assert not add_tag(node, "b", actor=make.ACTOR)
    assert remove_tag(node, "A", actor=make.ACTOR)
    assert not remove_tag(node, "A", actor=make.ACTOR)
    assert [told["tags"] for _subject, told in events("UPDATE_BACKEND")] == [["a", "B"], ["B"]]
    with pytest.raises(InvalidParameter):
        add_tag(node, "x;y", actor=make.ACTOR)
