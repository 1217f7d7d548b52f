"""Power in the console: draining first, canceling what waits, sensors and event logs on pages."""

import json
from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from accounts.choices import Role
from backends.choices import ActionState, PowerVerb
from backends.models import Backend, BmcLogEntry, PowerAction, Sensor
from backends.power.monitoring import LogEntry, LogPortion, SensorReading, SensorState, SensorUnit, Thresholds
from backends.services.monitoring import store_log, store_sensors
from backends.services.power import request_power
from core.clock import db_now
from tests import make
from tests.admin_world import address, client_of
from tests.backends.test_admin import on_page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
OK = SensorState.OK


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def test_a_dangerous_command_can_drain_the_node_first(browser: Client) -> None:
    node = make.ready_backend(1)
    make.running_job(node)
    on_page(browser, node, "power_cycle", drain="on", drain_minutes="5", drain_force="on")
    action = PowerAction.objects.get()
    assert action.drain_until
    assert (action.state, action.drain_force, action.command) == (ActionState.DRAINING, True, "cycle")
    assert 290 < (action.drain_until - action.requested_at).total_seconds() <= 300
    page = browser.get(address(Backend, "change", node.pk)).content.decode()
    assert "waits for the last job of the node to end" in page
    on_page(browser, action, "cancel")
    action.refresh_from_db()
    assert action.state == ActionState.CANCELED
    assert "waits for the last job" not in browser.get(address(PowerAction, "changelist")).content.decode()


def test_what_has_begun_is_not_canceled(browser: Client) -> None:
    action = request_power(make.backend(0), PowerVerb.STATUS, actor=make.ACTOR)
    PowerAction.objects.update(state=ActionState.RUNNING)
    on_page(browser, action, "cancel")
    action.refresh_from_db()
    assert action.state == ActionState.RUNNING


def test_the_page_of_a_node_shows_the_worst_sensors_first_and_the_latest_entries() -> None:
    node = make.backend(0)
    readings = [
        SensorReading("Fan 1", SensorUnit.RPM, 6000.0, SensorState.OK),
        SensorReading("CPU <b>", SensorUnit.CELSIUS, 97.5, SensorState.CRITICAL),
    ]
    store_sensors(node.pk, readings, at=db_now())
    entries = tuple(LogEntry(str(n), None, "CPU", SensorState.CRITICAL, f"too hot {n}") for n in range(1, 8))
    store_log(node.pk, LogPortion(entries, more=False))
    shown = client_of(Role.READ_ONLY).get(address(Backend, "change", node.pk))
    found = shown.context["monitoring"]
    assert [(sensor.name, sensor.value, sensor.cell) for sensor in found.sensors] == [
        ("CPU <b>", "97.5 °C", "out"),
        ("Fan 1", "6000 rpm", "used"),
    ]
    assert [entry.message for entry in found.entries] == [f"too hot {n}" for n in (7, 6, 5, 4, 3)]
    assert "CPU &lt;b&gt;" in shown.content.decode()


@pytest.mark.parametrize("model", [Sensor, BmcLogEntry])
def test_sensors_and_entries_are_lists_that_nobody_changes(browser: Client, model: type[Sensor | BmcLogEntry]) -> None:
    node = make.backend(0, name="gpu-9")
    store_sensors(node.pk, [SensorReading("CPU", SensorUnit.CELSIUS, 97.5, SensorState.WARNING)], at=db_now())
    store_log(node.pk, LogPortion((LogEntry("1", 5, "CPU", SensorState.WARNING, "warm"),), more=False))
    page = browser.get(address(model, "changelist") + f"?backend={node.pk}").content.decode()
    assert "gpu-9" in page
    assert browser.get(address(model, "change", model.objects.get().pk)).status_code == 200
    assert browser.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add")).status_code == 403


def test_files_hold_plain_values_and_times() -> None:
    node, at = make.backend(0), db_now()
    hot = SensorReading("CPU", SensorUnit.CELSIUS, 97.5, SensorState.WARNING, Thresholds(upper_warning=85.0))
    store_sensors(node.pk, [hot], at=at)
    entries = LogEntry("1", 1893456000000, "CPU", SensorState.WARNING, "warm"), LogEntry("2", None, "", OK, "no clock")
    store_log(node.pk, LogPortion(entries, more=False))
    action = request_power(node, PowerVerb.STATUS, actor=make.ACTOR)
    reader = client_of(Role.READ_ONLY)
    [sensor], log, [asked] = (
        json.loads(reader.get(address(model, "changelist") + "export.json").getvalue())
        for model in (Sensor, BmcLogEntry, PowerAction)
    )
    assert (sensor["value"], sensor["unit"], sensor["upper_warning"], sensor["upper_critical"]) == (
        97.5,
        "celsius",
        85.0,
        None,
    )
    assert [row["at"] for row in log] == [None, "2030-01-01T09:00:00+09:00"]
    stored = BmcLogEntry.objects.values_list("stored_at", flat=True)
    assert [datetime.fromisoformat(row["stored"]) for row in log] == list(stored)
    assert datetime.fromisoformat(asked["asked"]) == action.requested_at
