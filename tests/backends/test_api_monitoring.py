"""Sensors, event logs and waiting power actions in REST."""

import csv
import io
from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from backends.choices import ActionState
from backends.models import Bmc, PowerAction
from backends.power.monitoring import (
    LogEntry,
    LogPortion,
    SensorReading,
    SensorState,
    SensorUnit,
    Thresholds,
)
from backends.services.bmc_requests import take_bmcs
from backends.services.monitoring import store_log, store_sensors
from core.clock import db_now
from events.models import Event
from tests import make
from tests.api import V2, client, done, refused

pytestmark = pytest.mark.django_db
URL = f"{V2}/backend"
AT = 1_760_000_000_000  # ms


@pytest.fixture
def api() -> APIClient:
    return client()


def _monitored() -> int:
    node = make.backend(0, name="gpu-7")
    readings = [
        SensorReading("Fan 1", SensorUnit.RPM, None, SensorState.UNKNOWN),
        SensorReading("CPU", SensorUnit.CELSIUS, 97.0, SensorState.CRITICAL, Thresholds(None, None, 85.0, 95.0)),
    ]
    entries = [LogEntry(str(n), AT + n if n > 1 else None, "CPU", SensorState.CRITICAL, "too hot") for n in (1, 2, 3)]
    store_sensors(node.pk, readings, at=db_now())
    store_log(node.pk, LogPortion(tuple(entries), more=False))
    return node.pk


def test_sensors_are_listed_with_values_states_and_limits(api: APIClient) -> None:
    node = _monitored()
    cpu, fan = api.get(f"{URL}/sensors").json()
    assert cpu | {"id": 0, "readAt": ""} == {
        "id": 0,
        "backendId": str(node),
        "backendName": "gpu-7",
        "name": "CPU",
        "unit": "celsius",
        "value": 97.0,
        "state": "critical",
        "lowerCritical": None,
        "lowerWarning": None,
        "upperWarning": 85.0,
        "upperCritical": 95.0,
        "readAt": "",
    }
    assert (fan["value"], fan["state"]) == (None, "unknown")
    assert [row["name"] for row in api.get(f"{URL}/sensors?state=critical&backend={node}").json()] == ["CPU"]
    assert api.get(f"{URL}/sensors?backend={node + 1}").json() == []


def test_log_entries_are_listed_in_pages_and_as_a_file(api: APIClient) -> None:
    node = _monitored()
    first = api.get(f"{URL}/sel?limit=2")
    assert ([row["record"] for row in first.json()], first.headers["X-Total-Count"]) == (["3", "2"], "3")
    [last] = api.get(f"{URL}/sel?limit=2&after={first.json()[-1]['id']}").json()
    assert (last["record"], last["time"], last["severity"], last["message"]) == ("1", None, "critical", "too hot")
    sheet = b"".join(api.get(f"{URL}/sel?backend={node}", headers={"Accept": "text/csv"}).streaming_content)  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(sheet.decode("utf-8-sig"))))
    assert [(row["record"], row["sensor"]) for row in rows] == [("3", "CPU"), ("2", "CPU"), ("1", "CPU")]


def test_reading_and_clearing_are_power_actions(api: APIClient) -> None:
    node = make.backend(0)
    for command in ("read", "clear_log"):
        assert done(api.put(URL, {"id": node.pk, "command": command}), 202)["command"] == command
        done(api.put(URL, {"id": node.pk, "command": "cancel"}))
    requested = Event.objects.filter(action="POWER").order_by("pk")
    assert [event.request["command"] for event in requested] == ["read", "clear_log"]


def test_a_bmc_that_was_asked_too_often_is_not_read(api: APIClient, settings: object) -> None:
    node = make.backend(0)
    Bmc.objects.filter(pk=node.pk).update(paced_until=db_now() + timedelta(seconds=90))
    answer = api.put(URL, {"id": node.pk, "command": "read"})
    assert refused(answer) == (429, "THROTTLED", ["seconds"])
    assert 30 <= int(answer.headers["Retry-After"]) <= 33
    assert take_bmcs([node.pk], most=timedelta(seconds=1)).ids == frozenset()


def test_a_command_can_wait_for_a_drain_and_be_canceled(api: APIClient) -> None:
    node = make.ready_backend(1)
    make.running_job(node)
    asked = {"id": node.pk, "command": "cycle", "drain": 600}
    result = done(api.put(URL, asked), 202)
    action = PowerAction.objects.get()
    assert action.drain_until
    assert (result["state"], result["waitsFor"], action.drain_force) == ("DRAINING", "DRAIN", False)
    assert 590 < (action.drain_until - db_now()).total_seconds() <= 600
    assert make.statuses(node) == ["PROCESSING"]
    assert refused(api.put(URL, asked)) == (409, "ACTION_UNDER_WAY", ["id"])
    assert done(api.put(URL, {"id": node.pk, "command": "cancel"}))["state"] == "CANCELED"
    assert refused(api.put(URL, {"id": node.pk, "command": "cancel"})) == (404, "NOT_FOUND", ["id"])
    forced = done(api.put(URL, {**asked, "drainForce": True}), 202)
    assert (forced["state"], forced["waitsFor"]) == (ActionState.DRAINING, "DRAIN_FORCE")
    assert refused(api.put(URL, {"id": node.pk, "command": "on", "drain": 5})) == (
        400,
        "INVALID_PARAMETER",
        ["drain"],
    )
    assert refused(api.put(URL, {**asked, "drain": 0}))[:2] == (400, "INVALID_PARAMETER")
