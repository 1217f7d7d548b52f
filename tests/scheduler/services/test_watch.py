"""Devices that show by their values, or by the jobs on them, that something is wrong."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from alerts.models import Alert
from backends.choices import BackendStatus, ShutdownReason
from backends.health.failures import failing_devices
from backends.models import Backend, Device, Finding, Telemetry
from backends.services.nodes import set_backend_status
from backends.services.telemetry import TelemetryReport, store_telemetry
from core.clock import db_now
from scheduler import work
from scheduler.models import Job
from scheduler.services import workers
from scheduler.services.watch import note_failing, note_frozen, note_silent
from tests import make

pytestmark = pytest.mark.django_db

BUSY = (1000, 61.5, None, 97.0, 40.0, 412.25)
FIELDS = ("used_memory", "temperature", "memory_temperature", "utilization", "memory_utilization", "power")


def report(node: Backend, *devices: tuple[int, tuple[float | None, ...]]) -> None:
    """Let the node's agent report the values of some devices."""
    node.agent.refresh_from_db()
    agent = node.agent
    assert agent.session
    store_telemetry([TelemetryReport(node.pk, agent.session, agent.sequence + 1, 1.0, 1, 2, devices)])


def age(**ago: timedelta) -> None:
    """Move times of all telemetry into the past."""
    Telemetry.objects.update(**{name: db_now() - much for name, much in ago.items()})


def findings() -> list[tuple[str, int, bool]]:
    rows = Finding.objects.order_by("pk").values_list("code", "device__index", "ended_at")
    return [(code, index, ended is None) for code, index, ended in rows]


def verdicts(node: Backend) -> list[str]:
    return list(node.devices.order_by("index").values_list("verdict", flat=True))


def changed(device: int = 0) -> Any:
    return Telemetry.objects.get(device__index=device).changed_at


VALUES_CHANGE: dict[str, tuple[float | None, ...]] = {
    "a number": (1000, 61.5, None, 97.0, 40.0, 412.5),
    "it is measured now": (1000, 61.5, 50.0, 97.0, 40.0, 412.25),
    "it is not measured any more": (1000, None, None, 97.0, 40.0, 412.25),
}


@pytest.mark.parametrize("case", VALUES_CHANGE)
def test_a_row_keeps_the_time_of_its_last_change(case: str) -> None:
    node = make.ready_backend(1)
    report(node, (0, BUSY))
    age(at=timedelta(minutes=5), changed_at=timedelta(minutes=5))
    old = changed()
    report(node, (0, BUSY))
    assert (changed(), Telemetry.objects.get().at > old + timedelta(minutes=4)) == (old, True)
    report(node, (0, VALUES_CHANGE[case]))
    assert changed() == Telemetry.objects.get().at
    assert tuple(Telemetry.objects.values_list(*FIELDS).get()) == VALUES_CHANGE[case]


def test_a_device_in_use_whose_values_do_not_change_is_suspect_until_they_do() -> None:
    node = make.ready_backend(2)
    make.running_job(node)
    report(node, (0, BUSY), (1, BUSY))
    age(changed_at=timedelta(minutes=11))
    note_frozen()
    assert findings() == []  # it has not been in use for so long
    Device.objects.update(since=db_now() - timedelta(minutes=11))
    note_frozen()
    busy = Device.objects.get(status="PROCESSING").index
    assert (findings(), verdicts(node)[busy]) == ([("FROZEN", busy, True)], "SUSPECT")
    note_frozen()
    report(node, (busy, (*BUSY[:-1], 400.0)))
    note_frozen()
    assert (findings(), verdicts(node)) == ([("FROZEN", busy, False)], ["HEALTHY", "HEALTHY"])


def test_a_device_that_stopped_reporting_on_a_node_that_reports_is_suspect_until_it_does() -> None:
    node = make.ready_backend(2)
    report(node, (0, BUSY), (1, BUSY))
    age(at=timedelta(minutes=6))
    note_silent()
    assert verdicts(node) == ["SUSPECT", "SUSPECT"]
    assert findings() == [("SILENT", 0, True), ("SILENT", 1, True)]
    alert = Alert.objects.get(subject_id=node.pk, cleared_at=None)
    assert (alert.category, alert.level) == ("DEVICE_HEALTH", "WARNING")
    report(node, (0, BUSY))
    note_silent()
    assert findings() == [("SILENT", 0, False), ("SILENT", 1, True)]
    assert verdicts(node) == ["HEALTHY", "SUSPECT"]
    report(node, (1, BUSY))
    note_silent()
    assert (verdicts(node), Alert.objects.filter(cleared_at=None).count()) == (["HEALTHY", "HEALTHY"], 0)


def test_a_device_that_is_named_without_any_value_is_silent() -> None:
    node = make.ready_backend(1)
    report(node, (0, (None,) * 6))
    age(changed_at=timedelta(minutes=4))
    note_silent()
    assert findings() == []
    age(changed_at=timedelta(minutes=6))
    note_silent()
    assert (findings(), verdicts(node)) == ([("SILENT", 0, True)], ["SUSPECT"])


def _silent_node(node: Backend) -> None:
    node.agent.refresh_from_db()
    node.agent.last_seen = db_now() - timedelta(minutes=6)
    node.agent.save()


NOT_SILENT: dict[str, Callable[[Backend], object]] = {
    "the whole node is silent": _silent_node,
    "the node cannot read its devices": lambda node: set_backend_status(
        node, BackendStatus.SHUTDOWN, actor=make.ACTOR, why=ShutdownReason.UNHEALTHY
    ),
    "an operator has shut it down": lambda _node: Device.objects.update(status="SHUTDOWN", why=ShutdownReason.OPERATOR),
    "it has never had values": lambda _node: Telemetry.objects.all().delete(),
}


@pytest.mark.parametrize("case", NOT_SILENT)
def test_not_silent(case: str) -> None:
    node = make.ready_backend(1)
    report(node, (0, BUSY))
    age(at=timedelta(minutes=6))
    NOT_SILENT[case](node)
    note_silent()
    assert findings() == []


FAILURES: dict[str, tuple[list[tuple[int, int, int]], dict[int, int]]] = {
    "two are not many": ([(1, 10, 1), (1, 10, 2)], {}),
    "three on one device": ([(1, 10, 1), (1, 10, 2), (1, 10, 3), (1, 11, 3)], {10: 3}),
    "the same job counts once": ([(1, 10, 1), (1, 10, 1), (1, 10, 2)], {}),
    "jobs on all devices say nothing": ([(1, device, job) for device in (10, 11) for job in (1, 2, 3)], {}),
    "each node by itself": ([(n, 10 * n, j) for n in (1, 2) for j in (1, 2, 3, 4)], {10: 4, 20: 4}),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failing_devices(case: str) -> None:
    failures, expected = FAILURES[case]
    assert failing_devices(failures) == expected


def fail_job(node: Backend) -> None:
    job = make.running_job(node)
    workers.lose_worker(node, job.workers.get(attempt=1).pk, error="CUDA error")
    make.answer(node)


def test_a_device_that_fails_three_jobs_in_a_day_is_suspect() -> None:
    node = make.ready_backend(1)
    for _ in range(2):
        fail_job(node)
    note_failing()
    assert verdicts(node) == ["HEALTHY"]
    fail_job(node)
    note_failing()
    assert (verdicts(node), Finding.objects.get().count) == (["SUSPECT"], 3)
    Job.objects.update(ended_at=db_now() - timedelta(hours=25))
    note_failing()
    assert (verdicts(node), findings()) == (["HEALTHY"], [("JOB_FAILURES", 0, False)])


def test_the_looks_do_not_depend_on_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    node = make.ready_backend(1)
    report(node, (0, BUSY))
    age(at=timedelta(minutes=6))

    def broken() -> None:
        raise RuntimeError("broken")

    broken.__name__ = "note_frozen"
    monkeypatch.setattr(work, "note_frozen", broken)
    work.watch_devices()
    assert verdicts(node) == ["SUSPECT"]
