"""Nodes, devices, groups and keys in the admin: changes through services, actions after a confirmation."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from backends.choices import BackendStatus, DeviceStatus, PowerVerb
from backends.models import Backend, BackendGroup, Bmc, Device, EnrolmentKey, PowerAction
from backends.queries import authenticate_node
from backends.services.groups import create_backend_group
from core.signs import NOTHING
from events.models import Event
from tests import make
from tests.admin_world import address, client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def on_page(browser: Client, node: Any, action: str, **data: object) -> Any:
    """Carry out an action of an object's page, confirmed for one row."""
    page = reverse(f"admin:{node._meta.app_label}_{node._meta.model_name}_{action}", args=[node.pk])
    return browser.post(page, {"agreed": "1", **data})


def on_list(browser: Client, rows: list[Backend], action: str, *, confirmed: int | None = None, **data: object) -> Any:
    """Carry out an action for selected rows of the list; without `confirmed` request only the confirmation page."""
    ticked = {ACTION_CHECKBOX_NAME: [row.pk for row in rows], "action": action, "select_across": "0"}
    answer = {} if confirmed is None else {"agreed": str(confirmed)}
    return browser.post(address(Backend, "changelist"), {**ticked, **answer, **data})


def last_event() -> tuple[str, str, str, str]:
    event = Event.objects.latest("id")
    return event.action, event.subject, event.referer_protocol, event.referer_ip


@pytest.mark.parametrize("verb", PowerVerb)
def test_each_power_command_becomes_an_action_of_the_operator(browser: Client, verb: PowerVerb) -> None:
    node = make.backend()
    answer = on_page(browser, node, f"power_{verb.value}")
    assert answer.status_code == 302
    action = PowerAction.objects.get(backend=node)
    assert (action.command, action.state) == (verb.value, "QUEUED")
    assert last_event() == ("POWER", f"backend/{node.pk}", "admin", "127.0.0.1")


def test_an_action_is_confirmed_before_it_does_anything(browser: Client) -> None:
    nodes = [make.backend(), make.backend()]
    html = on_list(browser, nodes, "power_off").content.decode()
    assert "Power off: 2 backends" in html
    assert all(node.name in html for node in nodes)
    assert not PowerAction.objects.exists()
    on_list(browser, nodes, "power_off", confirmed=2)
    assert PowerAction.objects.count() == 2


def test_another_number_of_rows_than_confirmed_is_confirmed_again(browser: Client) -> None:
    nodes = [make.backend(), make.backend()]
    html = on_list(browser, nodes, "power_off", confirmed=1).content.decode()
    assert "The list has changed meanwhile" in html
    assert not PowerAction.objects.exists()


def test_all_rows_of_a_filtered_list_can_be_selected_beyond_the_page(browser: Client) -> None:
    chosen = [make.backend(description="rack-seven") for _ in range(3)]
    make.backend(description="rack 8")
    page = address(Backend, "changelist") + "?q=rack-seven"
    data = {ACTION_CHECKBOX_NAME: [chosen[0].pk], "action": "shut_down", "select_across": "1", "agreed": "3"}
    browser.post(page, data)
    shut = Backend.objects.filter(status=BackendStatus.SHUTDOWN)
    assert set(shut) == set(chosen)


def test_one_refusal_is_reported_and_does_not_stop_the_others(browser: Client) -> None:
    busy, free = make.ready_backend(1), make.backend()
    make.running_job(busy)
    answer = on_list(browser, [busy, free], "power_off", confirmed=2)
    assert list(PowerAction.objects.values_list("backend", flat=True)) == [free.pk]
    html = browser.get(answer.headers["Location"]).content.decode()
    assert f"{busy.name}: Jobs or reservations still hold devices of this backend." in html
    assert "Power off: 1 of 2." in html


def test_force_is_handed_to_the_service(browser: Client) -> None:
    busy = make.ready_backend(1)
    make.running_job(busy)
    on_page(browser, busy, "power_off", force="on")
    assert PowerAction.objects.filter(backend=busy, command="off").exists()


Check = Callable[[Backend], object]
ACTIONS: dict[str, tuple[str, dict[str, object], str, Check]] = {
    "shutting down takes a node out of scheduling": (
        "shut_down", {}, "SET_BACKEND_STATUS", lambda node: (node.status, node.why) == ("SHUTDOWN", "OPERATOR")
    ),
    "draining shuts free devices down at once": (
        "drain", {}, "SET_DEVICE_STATUS", lambda node: make.statuses(node) == ["SHUTDOWN"] * 2
    ),
    "devices can be kept out": (
        "device_status", {"status": "BUSY"}, "SET_DEVICE_STATUS", lambda node: make.statuses(node) == ["BUSY"] * 2
    ),
    "deleting leaves a tombstone": ("delete", {}, "DELETE_BACKEND", lambda node: node.deleted_at is not None),
}  # fmt: skip


@pytest.mark.parametrize("case", ACTIONS)
def test_an_action_on_a_node(browser: Client, case: str) -> None:
    action, data, event, holds = ACTIONS[case]
    node = make.ready_backend(2)
    assert on_page(browser, node, action, **data).status_code == 302
    node.refresh_from_db()
    assert holds(node)
    assert last_event() == (event, f"backend/{node.pk}", "admin", "127.0.0.1")


def test_a_node_that_was_shut_down_is_activated(browser: Client) -> None:
    node = make.ready_backend(1)
    on_page(browser, node, "shut_down")
    on_page(browser, node, "activate")
    node.refresh_from_db()
    assert node.status == BackendStatus.ACTIVE


def test_moving_nodes_to_a_group(browser: Client) -> None:
    nodes = [make.backend(), make.backend()]
    group = create_backend_group(name="spare", actor=make.ACTOR)
    on_list(browser, nodes, "move_group", confirmed=2, group=group.pk)
    assert Backend.objects.filter(group=group).count() == 2
    assert last_event()[0] == "MOVE_BACKEND"


def test_a_rotated_node_key_is_shown_once_and_works(browser: Client) -> None:
    node = make.backend()
    answer = on_page(browser, node, "rotate_key")
    assert "no-store" in answer.headers["Cache-Control"]
    key = answer.context["secret"].value
    assert authenticate_node(key) == node
    assert key not in browser.get(address(Backend, "change", node.pk)).content.decode()
    assert key not in str(list(Event.objects.values()))


def test_a_created_node_gets_its_devices_and_its_login_and_shows_its_key_once(browser: Client) -> None:
    data = {
        "name": "gpu-1", "group": 0, "ip": "10.1.1.1", "port": 21545, "description": "", "devices": 4,
        "device_model": "MI250", "bmc_ip": "10.1.2.1", "bmc_port": 623, "bmc_user": "root", "bmc_password": "s3cret-9",
    }  # fmt: skip
    answer = browser.post(address(Backend, "add"), data)
    node = authenticate_node(answer.context["secret"].value)
    bmc = Bmc.objects.get(backend=node)
    assert (node.name, node.devices.count(), bmc.ip, bmc.user, bmc.password) == (
        "gpu-1", 4, "10.1.2.1", "root", "s3cret-9",
    )  # fmt: skip
    assert last_event()[:2] == ("CREATE_BACKEND", f"backend/{node.pk}")


def test_an_empty_login_leaves_the_stored_one(browser: Client) -> None:
    node = make.backend(bmc_user="root", bmc_password="s3cret-9")
    data = {
        "name": "renamed", "group": 0, "ip": node.ip, "port": 21545, "description": "", "bmc_ip": "127.0.0.1",
        "bmc_port": 624, "bmc_user": "", "bmc_password": "",
    }  # fmt: skip
    assert browser.post(address(Backend, "change", node.pk), data).status_code == 302
    node.refresh_from_db()
    bmc = Bmc.objects.get(backend=node)
    assert (node.name, bmc.port, bmc.user, bmc.password) == ("renamed", 624, "root", "s3cret-9")
    assert last_event()[:2] == ("UPDATE_BACKEND", f"backend/{node.pk}")


def test_saving_without_a_change_writes_nothing(browser: Client) -> None:
    node = make.backend()
    before = Event.objects.count()
    data = {
        "name": node.name, "group": 0, "ip": node.ip, "port": node.port, "description": "", "bmc_ip": "127.0.0.1",
        "bmc_port": 623, "bmc_user": "", "bmc_password": "",
    }  # fmt: skip
    for more in ({}, {"_continue": "1"}):
        answer = browser.post(address(Backend, "change", node.pk), {**data, **more})
        assert answer.status_code == 302
        told = [str(message) for message in get_messages(answer.wsgi_request)]
        assert set(told) == {"Nothing changed: it was like this already."}
    assert answer.headers["Location"] == address(Backend, "change", node.pk)
    assert Event.objects.count() == before


def test_a_duplicate_name_is_an_error_of_its_field(browser: Client) -> None:
    taken, node = make.backend(), make.backend()
    data = {"name": taken.name, "group": 0, "ip": node.ip, "port": 21545, "bmc_ip": "127.0.0.1", "bmc_port": 623}
    answer = browser.post(address(Backend, "change", node.pk), data)
    assert answer.status_code == 200
    assert list(answer.context["adminform"].form.errors) == ["name"]
    assert "This name is taken." in answer.content.decode()


def test_one_device_is_set_from_its_own_page(browser: Client) -> None:
    node = make.ready_backend(2)
    device = Device.objects.get(backend=node, index=1)
    on_page(browser, device, "device_status", status="BUSY")
    assert make.statuses(node) == [DeviceStatus.IDLE, DeviceStatus.BUSY]


def test_the_default_group_is_not_deleted(browser: Client) -> None:
    answer = on_page(browser, make.default_group(), "delete", force="on")
    html = browser.get(answer.headers["Location"]).content.decode()
    assert "The default backend group cannot be deleted" in html
    assert BackendGroup.objects.live().filter(pk=0).exists()


def test_a_group_is_made_changed_and_deleted(browser: Client) -> None:
    turns = {"power_on_nodes": 2, "power_on_s": 10}
    repairs = {"repair_attempts": 4, "repair_percent": 10, "repair_drain_min": 60}
    times = {"guard_s": 600, "min_run_s": 300, "notice_s": 30, "check_every_h": 0, **turns, **repairs}
    data = {"name": "spare", "description": "", "index": 3, "combine": "on", "policy": "strict", **times}
    browser.post(address(BackendGroup, "add"), data)
    group = BackendGroup.objects.get(name="spare")
    browser.post(address(BackendGroup, "change", group.pk), {**data, "index": 4, "policy": "backfill"})
    group.refresh_from_db()
    assert (group.index, group.policy, group.guard_s, last_event()[0]) == (4, "backfill", 600, "UPDATE_BACKEND_GROUP")
    on_page(browser, group, "delete")
    assert not BackendGroup.objects.live().filter(pk=group.pk).exists()
    assert last_event()[0] == "DELETE_BACKEND_GROUP"


def test_an_enrolment_key_is_shown_once(browser: Client) -> None:
    answer = browser.post(address(EnrolmentKey, "add"), {"group": 0, "hours": 2})
    key = answer.context["secret"].value
    row = EnrolmentKey.objects.get()
    assert (row.expires_at - row.created_at).total_seconds() == 7200
    assert key not in browser.get(address(EnrolmentKey, "changelist")).content.decode()


@pytest.mark.parametrize("action", ["power_off", "shut_down", "rotate_key", "delete"])
def test_a_read_only_operator_can_do_nothing(action: str) -> None:
    node = make.backend()
    assert on_page(client_of(Role.READ_ONLY), node, action).status_code == 403
    assert not PowerAction.objects.exists()


def test_a_deleted_node_is_hidden_by_default_and_has_no_actions(browser: Client) -> None:
    node = make.backend(name="gone-1")
    on_page(browser, node, "delete")
    page = address(Backend, "changelist")
    assert "gone-1" not in browser.get(page).content.decode().replace("Delete: 1 of 1", "")
    assert "gone-1" in browser.get(page + "?deleted=only").content.decode()
    refused = on_page(browser, node, "activate")
    assert [str(one) for one in get_messages(refused.wsgi_request)][-1] == "It is deleted."


def test_histories_lead_to_the_devices_of_a_deleted_node(browser: Client) -> None:
    node = make.ready_backend(1, name="gone-1")
    make.running_job(node)
    on_page(browser, node, "delete", force="on")
    page = address(Device, "change", node.devices.get().pk)
    assert f'href="{page}"' in browser.get("/admin/scheduler/allocation/").content.decode()
    shown = browser.get(page)
    assert (shown.status_code, "gone-1" in shown.content.decode()) == (200, True)
    refused = browser.post(page.replace("change/", "device_status/"))
    assert [str(one) for one in get_messages(refused.wsgi_request)][-1] == "It is deleted."
    assert list(browser.get(address(Device, "changelist")).context["cl"].result_list) == []


def test_actions_name_devices_with_their_node(browser: Client) -> None:
    node = make.ready_backend(2, name="gpu-7")
    make.running_job(node)
    ticked = {ACTION_CHECKBOX_NAME: [device.pk for device in node.devices.all()], "action": "device_status"}
    page = browser.post(address(Device, "changelist"), ticked)
    assert page.context["named"] == ["gpu-7/00", "gpu-7/01"]


def test_the_breadcrumb_shows_names_unchanged(browser: Client) -> None:
    node = make.backend(name="gpu-7")
    html = browser.get(address(Backend, "change", node.pk)).content.decode()
    crumbs = re.findall(r'tracking-tight">\s*([^<]+?)\s*<', html)
    assert crumbs[-2:] == ["Backends", "gpu-7"]


def test_memory_that_no_agent_has_reported_is_a_dash_and_not_0(browser: Client) -> None:
    make.backend(1)
    make.ready_backend(1)
    html = browser.get(address(Device, "changelist")).content.decode()
    cells = re.findall(r"field-total_memory_column[^>]*>\s*(?:<[^>]*>\s*)*([^<\s]*)", html)
    assert sorted(cells) == ["65536", NOTHING]
