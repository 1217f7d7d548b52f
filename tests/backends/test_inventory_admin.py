"""The inventory of nodes in the console: forms, columns, filters, actions, files that come back unchanged, search."""

from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client
from django.urls import reverse
from django.utils import translation

from accounts.choices import Role
from backends.models import Backend
from bulk import work
from events.admin import request_line
from events.models import Event
from inventory.models import CustomField, Tag
from inventory.services import create_custom_field
from tests import make
from tests.admin_world import address, client_of
from tests.bulk.imports import carry_out, dry_run, fates
from tokens.models import Token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
LIST = "/admin/backends/backend/"
HARD = ["=1+1", "ö, ü", "두 단어", '"quoted"', "-x"]


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a turn be long enough for every item, however slow the machine is."""
    monkeypatch.setattr(work, "RUN_S", 600.0)


def field(name: str, **rules: Any) -> CustomField:
    return create_custom_field(**{"noun": "backend", "name": name, "actor": make.ACTOR, **rules})


def form_of(node: Backend, **changes: object) -> dict[str, object]:
    own = {"name": node.name, "group": node.group_id, "ip": node.ip, "port": node.port, "bmc_port": 623}
    return {**own, "bmc_ip": "127.0.0.1", **changes}


def names(browser: Client, page: str, query: dict[str, str]) -> list[str]:
    context = browser.get(page, query).context
    return sorted(row.name for row in (context["cl"].result_list if "cl" in context else context["cards"]))


def test_the_form_sets_rack_tags_and_custom_fields_and_names_what_is_wrong(browser: Client) -> None:
    field("slots", kind="integer", label="Slots")
    field("room", kind="choice", choices=["a", "b"], in_lists=True)
    node = make.backend()
    page = address(Backend, "change", node.pk)
    sent = form_of(node, rack="A-07", unit="3", serial="S1", tag_names="b, a", cf_slots="4", cf_room="b")
    assert browser.post(page, sent).status_code == 302
    node.refresh_from_db()
    assert (node.rack, node.unit, node.serial) == ("A-07", 3, "S1")
    event = Event.objects.filter(action="UPDATE_BACKEND").latest("id")
    assert event.request["customFields"] == {"slots": 4, "room": "b"}
    line = "cf_room: b, cf_slots: 4, rack: A-07, serial: S1, tags: a; b, unit: 3"
    assert ", ".join(sorted(request_line(event).split(", "))) == line  # PostgreSQL keeps no order of keys
    shown = browser.get(page).content.decode()
    assert all(text in shown for text in ("A-07 · 3", "S1", "Slots", 'value="a, b"', "<dd>4</dd>", "<dd>b</dd>"))
    assert all(text in shown for text in ('value="4"', '<option value="b" selected'))
    wrong = browser.post(page, form_of(node, rack="B", unit="3", cf_slots="many", tag_names="a, b"))
    assert wrong.context["adminform"].form.errors == {"cf_slots": ["Enter a whole number."]}
    wrong = browser.post(page, form_of(node, rack="", unit="3", cf_slots="4", tag_names="a, b"))
    assert wrong.context["adminform"].form.errors == {"unit": ["A unit needs a rack."]}
    node.refresh_from_db()
    assert node.rack == "A-07"


def test_a_new_node_needs_what_is_required(browser: Client) -> None:
    field("owner", required=True)
    sent = {"name": "n", "group": 0, "ip": "10.0.0.1", "port": 21545, "bmc_port": 623, "devices": 0}
    assert "cf_owner" in browser.post(address(Backend, "add"), sent).context["adminform"].form.errors
    assert browser.post(address(Backend, "add"), {**sent, "cf_owner": "Vision"}).status_code == 200  # its key
    assert Backend.objects.get().custom_values.get().value == "Vision"


def test_a_read_only_operator_sees_the_inventory_and_no_fields(browser: Client) -> None:
    field("owner")
    node = make.backend(rack="A", serial="S1", tags=["liquid"], custom_fields={"owner": "Vision"})
    shown = client_of(Role.READ_ONLY).get(address(Backend, "change", node.pk)).content.decode()
    assert all(text in shown for text in ("S1", "liquid", "Vision"))
    assert 'name="cf_owner"' not in shown
    assert 'name="cf_owner"' in browser.get(address(Backend, "change", node.pk)).content.decode()


def test_lists_have_the_columns_that_their_definitions_ask_for(browser: Client) -> None:
    field("owner", in_lists=True, label="Owned by")
    field("slots", kind="integer")
    make.backend(tags=["liquid"], custom_fields={"owner": "Vision", "slots": 7654})
    shown = browser.get(LIST).content.decode()
    assert all(text in shown for text in ("Owned by", "Vision", "liquid"))
    assert "7654" not in shown


FILTERS = {
    "a rack": ({"rack": "A"}, ["one"]),
    "a tag": ({"tag": "LIQUID"}, ["two"]),
    "a part of a serial number": ({"serial": "70"}, ["one"]),
    "a word of the search": ({"q": "CN701"}, ["one"]),
    "a custom field": ({"cf": "owner=Vision"}, ["one"]),
    "a custom field without a value": ({"cf": "cf_owner="}, ["two"]),
    "a custom field that does not exist": ({"cf": "colour=red"}, []),
    "no equals sign": ({"cf": "Vision"}, []),
}


@pytest.mark.parametrize("page", [LIST, "/admin/console/nodes/"])
def test_the_list_and_the_grid_are_filtered_by(browser: Client, page: str) -> None:
    field("owner")
    make.backend(name="one", rack="A", serial="CN701", custom_fields={"owner": "Vision"})
    make.backend(name="two", tags=["liquid"])
    page = reverse("console:nodes") if "console" in page else page
    assert {case: names(browser, page, query) for case, (query, _found) in FILTERS.items()} == {
        case: found for case, (_query, found) in FILTERS.items()
    }
    heat = browser.get(reverse("console:heat-nodes"), {"tag": "liquid"}).json()
    assert heat["name"] == ["two"]


def act(browser: Client, nodes: list[Backend], action: str, **data: str) -> Any:
    ticked = {ACTION_CHECKBOX_NAME: [node.pk for node in nodes], "action": action, "select_across": "0"}
    return browser.post(LIST, {**ticked, "agreed": str(len(nodes)), **data})


def test_actions_tag_and_place_many_nodes(browser: Client) -> None:
    nodes = [make.backend(rack="A", unit=1), make.backend()]
    act(browser, nodes, "add_tag", tag="Liquid")
    assert [list(node.tags.values_list("name", flat=True)) for node in nodes] == [["Liquid"]] * 2
    act(browser, nodes, "remove_tag", tag="liquid")
    assert not any(node.tags.exists() for node in nodes)
    act(browser, nodes, "set_rack", rack="B")
    assert list(Backend.objects.values_list("rack", "unit")) == [("B", None)] * 2
    assert Tag.objects.get().name == "Liquid"


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_file_of_nodes_comes_back_unchanged_and_sets_everything_elsewhere(browser: Client, kind: str) -> None:
    for name, rules in {"t": {}, "i": {"kind": "integer"}, "d": {"kind": "decimal"}, "b": {"kind": "boolean"}}.items():
        field(name, **rules)
    values = {"t": "=cmd|'x'", "i": -4, "d": "-1.25", "b": False}
    tags = [name for name in HARD if "," not in name]
    make.backend(name="full", rack="=A", unit=2, serial="-S", tags=tags, custom_fields=values)
    make.backend(name="empty")
    file = b"".join(browser.get(f"{LIST}export.{kind}").streaming_content)  # type: ignore[attr-defined]
    assert fates(dry_run(browser, Backend, file)) == [("SKIPPED", "Unchanged.")] * 2
    moved = file.replace(b"full", b"twin").replace(b"=A", b"=B")
    carry_out(browser, dry_run(browser, Backend, moved))
    twin = Backend.objects.get(name="twin")
    assert (twin.rack, twin.unit, twin.serial) == ("=B", 2, "-S")
    assert sorted(twin.tags.values_list("name", flat=True)) == sorted(tags)
    assert {one.field.name: one.value for one in twin.custom_values.select_related("field")} == {
        "t": "=cmd|'x'",
        "i": "-4",
        "d": "-1.25",
        "b": "false",
    }


@pytest.mark.usefixtures("patient")
def test_a_file_changes_and_empties_and_names_the_column(browser: Client) -> None:
    field("slots", kind="integer")
    node = make.backend(name="n", rack="A", unit=1, tags=["a", "b"], custom_fields={"slots": 3})
    dry = dry_run(browser, Backend, "name,rack,unit,tags,cf_slots\nn,,,b;C,\n")
    assert fates(dry) == [("DONE", "Changed: rack: A → –; unit: 1 → –; tags: a, b → C, b; cf_slots: 3 → –")]  # noqa: RUF001
    assert not Tag.objects.filter(name="C").exists()
    carry_out(browser, dry)
    node.refresh_from_db()
    assert (node.rack, node.unit, list(node.tags.values_list("name", flat=True))) == ("", None, ["b", "C"])
    assert not node.custom_values.exists()
    for name, unit in (("m", None), ("o", 2), ("p", 3)):
        make.backend(name=name, rack="B", unit=unit)
    dry = dry_run(browser, Backend, "name,rack,unit,bmc_port\nn,A,201,\nm,B,1,70000\no,B,3,\n")
    with translation.override("ko"):
        assert fates(dry) == [
            ("FAILED", "값이 올바르지 않습니다. (unit: 200 이하의 값을 입력해 주세요.)"),
            ("FAILED", "값이 올바르지 않습니다. (bmc_port: 65535 이하의 값을 입력해 주세요.)"),
            (
                "FAILED",
                "노드 p이(가) 이미 이 랙의 이 유닛을 사용하고 있습니다. 먼저 그 노드의 유닛을 비우세요. (unit: 3)",
            ),
        ]
    dry = dry_run(browser, Backend, "name,cf_slots\nn,many\n")
    assert fates(dry) == [("FAILED", "A value is not valid. (cf_slots: Enter a whole number.)")]


def test_definitions_are_made_in_the_console_and_tokens_have_them(browser: Client) -> None:
    sent = {"noun": "token", "name": "region", "kind": "choice", "choices": "eu\n kr \n", "index": 0}
    assert browser.post(address(CustomField, "add"), sent).status_code == 302
    assert CustomField.objects.get().choices == ["eu", "kr"]
    token = make.token(custom_fields={"region": "kr"})
    page = browser.get(address(Token, "change", token.pk)).content.decode()
    assert '<option value="kr" selected' in page
    refused = browser.post(address(CustomField, "change", CustomField.objects.get().pk), {**sent, "choices": "eu"})
    assert "choices" in refused.context["adminform"].form.errors


def test_the_search_finds_serial_numbers_and_tags(browser: Client) -> None:
    make.backend(name="gpu-1", serial="CN7016345F", tags=["liquid-cooled"])
    for text, found in {"7016345": "gpu-1", "liquid": "liquid-cooled"}.items():
        results = browser.get("/admin/search/", {"s": text, "extended": "1"}).context["results"]
        assert found in [one.title for one in results], text


def test_units_are_exchanged_as_the_error_says(browser: Client) -> None:
    for name, unit in (("o", 2), ("p", 3)):
        make.backend(name=name, rack="B", unit=unit)
    exchange = "name,unit\no,3\np,2\n"
    assert [fate for fate, _text in fates(dry_run(browser, Backend, exchange))] == ["FAILED", "FAILED"]
    for file in ("name,unit\no,\np,\n", exchange):
        carry_out(browser, dry_run(browser, Backend, file))
    assert dict(Backend.objects.values_list("name", "unit")) == {"o": 3, "p": 2}
