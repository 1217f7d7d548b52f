"""A drain and its end by every interface, and actions that change nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db.models import Model
from django.urls import reverse
from django.utils.html import strip_tags

from accounts.choices import Role
from alerts.codes import Code
from alerts.models import Alert
from alerts.services import raise_alert
from alerts.subjects import node as node_subject
from backends.admin.status_colours import device_badge
from backends.choices import BackendStatus, DeviceStatus, ShutdownReason
from backends.models import Backend, Device
from backends.services.nodes import set_backend_status
from bulk.choices import ItemState
from bulk.models import BulkItem
from bulk.services import BulkRequest, begin_bulk
from bulk.work import carry_on
from events.models import Event
from scheduler.cycle.tick import tick
from scheduler.services.jobs import finish_job
from scheduler.services.nodes import activate_backend, check_backend, drain_backend, set_device_status
from scheduler.services.sdas import create_sda
from sda.models import Sda
from tests import make
from tests.admin_world import client_of
from tests.api import V2, client, done, events
from tests.scheduler.cycle.test_reserved import power_off
from tokens.models import Token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


def by_console(node: Backend, action: str) -> list[str]:
    """Run a confirmed action on one node as its page does; return the messages."""
    return messages_of(node, action)


def messages_of(row: Model, action: str, **data: object) -> list[str]:
    """Run a confirmed action on one row as its page does; return the messages."""
    opts = row._meta
    page = reverse(f"admin:{opts.app_label}_{opts.model_name}_{action}", args=[row.pk])
    answer = client_of(Role.MASTER).post(page, {"agreed": "1", **data})
    assert answer.status_code == 302
    return [str(message) for message in get_messages(answer.wsgi_request)]


def _by_rest(node: Backend, status: str) -> None:
    done(client().put(f"{V2}/backend", {"command": "update", "id": node.pk, "status": status}))


ENDS: dict[str, Callable[[Backend], object]] = {
    "the console": lambda node: by_console(node, "activate"),
    "REST": lambda node: _by_rest(node, "ACTIVE"),
    "the service": lambda node: activate_backend(node, actor=make.ACTOR),
}


@pytest.mark.parametrize("case", ENDS)
def test_activate_ends_a_drain_of_free_used_and_reserved_devices(case: str) -> None:
    node = make.ready_backend(4)
    running = make.running_job(node)
    create_sda(make.token(), make.sda_model(1), reserved=True, actor=make.ACTOR)
    assert drain_backend(node, actor=make.ACTOR) == {0: "draining", 1: "changed", 2: "changed", 3: "changed"}
    assert make.statuses(node) == ["PROCESSING", "SHUTDOWN", "SHUTDOWN", "SHUTDOWN"]
    ENDS[case](node)
    assert make.statuses(node) == ["PROCESSING", "PREPARING", "IDLE", "IDLE"]
    assert not Device.objects.filter(backend=node).exclude(drain_to="", drained=False).exists()
    finish_job(running, exit_code=0, actor=make.ACTOR)
    make.answer(node)
    assert make.statuses(node) == ["IDLE", "PREPARING", "IDLE", "IDLE"]
    assert events("END_DRAIN") == [(f"backend/{node.pk}", {"devices": [0, 1, 2, 3]})]


def test_a_device_that_drained_under_its_job_comes_back_too() -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    drain_backend(node, actor=make.ACTOR)
    finish_job(job, exit_code=0, actor=make.ACTOR)
    make.answer(node)
    assert list(Device.objects.values_list("status", "why", "drained")) == [("SHUTDOWN", "OPERATOR", True)]
    activate_backend(node, actor=make.ACTOR)
    waiting = make.job()
    tick(0)
    waiting.refresh_from_db()
    assert waiting.status == "SUBMITTED"


def test_a_node_that_never_said_hello_is_drained_at_once_and_stays_down_after_its_hello() -> None:
    node = make.backend(1)
    assert drain_backend(node, actor=make.ACTOR) == {0: "changed"}
    assert drain_backend(node, actor=make.ACTOR) == {0: "unchanged"}
    shown = strip_tags(device_badge(node.devices.get()))
    assert shown == "drained"
    make.hello(node, 1)
    make.answer(node)
    assert make.statuses(node) == ["SHUTDOWN"]
    assert strip_tags(device_badge(node.devices.get())) == "drained"


def test_what_an_operator_had_taken_out_before_the_drain_stays_out() -> None:
    node = make.ready_backend(4)
    set_device_status(node, DeviceStatus.SHUTDOWN, index=0, actor=make.ACTOR)
    set_device_status(node, DeviceStatus.BUSY, index=1, actor=make.ACTOR)
    assert drain_backend(node, actor=make.ACTOR) == {0: "unchanged", 1: "unchanged", 2: "changed", 3: "changed"}
    set_device_status(node, DeviceStatus.SHUTDOWN, index=3, actor=make.ACTOR)  # from now on it is one of those
    activate_backend(node, actor=make.ACTOR)
    assert make.statuses(node) == ["SHUTDOWN", "BUSY", "IDLE", "SHUTDOWN"]


def test_a_lost_node_that_is_drained_stays_out_when_it_is_back_until_the_drain_ends() -> None:
    node = make.ready_backend(2)
    Device.objects.filter(backend=node).update(status=DeviceStatus.SHUTDOWN, why=ShutdownReason.NODE_LOST)
    assert set(drain_backend(node, actor=make.ACTOR).values()) == {"changed"}  # no job will end there
    make.hello(node, 2, boot=2)
    make.answer(node)
    assert make.statuses(node) == ["SHUTDOWN"] * 2
    activate_backend(node, actor=make.ACTOR)
    assert make.statuses(node) == ["IDLE"] * 2


def test_activating_a_node_that_is_off_reports_that_its_devices_wait_for_its_agent() -> None:
    node = make.ready_backend(2)
    power_off(node)
    messages = by_console(node, "activate")
    assert [text.partition(": ")[2] for text in messages[:1]] == ["Devices that come back when its agent reports: 2."]
    assert make.statuses(node) == ["SHUTDOWN"] * 2
    make.hello(node, 2, boot=2)
    make.answer(node)
    assert make.statuses(node) == ["IDLE"] * 2


def test_a_drained_node_differs_from_one_that_was_shut_down() -> None:
    drained, shut = make.ready_backend(1), make.ready_backend(1)
    drain_backend(drained, actor=make.ACTOR)
    set_device_status(shut, DeviceStatus.SHUTDOWN, actor=make.ACTOR)
    page = client_of(Role.GENERAL).get(reverse("admin:backends_device_changelist")).content.decode()
    assert page.count(">drained<") + page.count("drained\n") >= 1
    assert "an operator shut it down" in page


def _sda() -> Sda:
    return make.sda()


def _alert() -> Alert:
    raise_alert(Code.NODE_LOST, node_subject(1), node="gone")
    return Alert.objects.get()


def _node(*acts: Callable[[Backend], object]) -> Callable[[], Backend]:
    def made() -> Backend:
        node = make.ready_backend(1)
        for act in acts:
            act(node)
        return node

    return made


def _taken_out(node: Backend) -> None:
    set_device_status(node, DeviceStatus.SHUTDOWN, actor=make.ACTOR)


def _acknowledged() -> Alert:
    alert = _alert()
    messages_of(alert, "acknowledge")
    return alert


CHANGED_NOTHING = "Nothing changed: it was like this already."
STILL_OUT = "It was active already; an operator has taken 1 of its devices out: set their status."
NOTHING: dict[str, tuple[Callable[[], Any], str, dict[str, object], str]] = {
    "an active node is activated": (_node(), "activate", {}, CHANGED_NOTHING),
    "a node whose devices were shut down is activated": (_node(_taken_out), "activate", {}, STILL_OUT),
    "a node that is shut down is shut down": (
        _node(lambda node: set_backend_status(node, BackendStatus.SHUTDOWN, actor=make.ACTOR)),
        "shut_down",
        {},
        CHANGED_NOTHING,
    ),
    "a drained node is drained": (
        _node(lambda node: drain_backend(node, actor=make.ACTOR)), "drain", {}, CHANGED_NOTHING,
    ),
    "free devices are set free": (_node(), "device_status", {"status": "IDLE"}, CHANGED_NOTHING),
    "a node moves to its own group": (_node(), "move_group", {"group": 0}, CHANGED_NOTHING),
    "a check that is asked for": (_node(check_backend), "health_check", {}, "It is asked for already."),
    "one free device is set free": (
        lambda: Device.objects.get(backend=make.ready_backend(1)), "device_status", {"status": "IDLE"}, CHANGED_NOTHING,
    ),
    "the current SDA is made current": (_sda, "make_current", {}, CHANGED_NOTHING),
    "a job gets the priority that it has": (make.job, "change_priority", {"priority": 0}, CHANGED_NOTHING),
    "an alert is acknowledged twice": (_acknowledged, "acknowledge", {}, CHANGED_NOTHING),
    "an operator who is not locked out is unlocked": (make.operator, "unlock", {}, CHANGED_NOTHING),
}  # fmt: skip


@pytest.mark.parametrize("case", NOTHING)
def test_an_action_that_changed_nothing_reports_it_and_records_no_event(case: str) -> None:
    prepare, action, data, wanted = NOTHING[case]
    row = prepare()
    before = Event.objects.count()
    messages = messages_of(row, action, **data)
    assert [text.partition(": ")[2] for text in messages[:1]] == [wanted]
    assert messages[1].endswith(": 0 of 1. 1 row was left as it is.")
    assert Event.objects.count() == before


def test_a_bulk_action_stores_for_each_row_whether_it_changed() -> None:
    active, shut = make.ready_backend(1), make.ready_backend(1)
    set_backend_status(shut, BackendStatus.SHUTDOWN, actor=make.ACTOR)
    rows = [(node.pk, node.name) for node in (active, shut)]
    bulk = begin_bulk(BulkRequest("backends.Backend", "activate", rows), operator=make.operator(), actor=make.ACTOR)
    carry_on(bulk.pk)
    items = list(BulkItem.objects.order_by("pk").values_list("state", "message__text"))
    assert items == [(ItemState.SKIPPED, CHANGED_NOTHING), (ItemState.DONE, None)]
    assert Backend.objects.get(pk=shut.pk).status == BackendStatus.ACTIVE


def test_rest_reports_which_devices_are_unchanged() -> None:
    node = make.ready_backend(2)
    set_device_status(node, DeviceStatus.BUSY, index=1, actor=make.ACTOR)
    found = done(client().put(f"{V2}/backend/device/status", {"id": node.pk, "status": "BUSY"}))
    assert [device["result"] for device in found["devices"]] == ["changed", "unchanged"]
    assert Token.objects.count() == 0
