"""The verdicts on devices: which findings lead to them, what they do to scheduling, and how they end."""

from collections.abc import Callable
from typing import Any

import pytest

from alerts.models import OPEN, Alert
from backends.choices import DeviceStatus, ShutdownReason, Verdict
from backends.health.findings import REPORTED
from backends.health.verdict import verdict_of
from backends.models import Backend, Device, Finding
from backends.services import findings
from backends.services.findings import MOST_FINDINGS, ReportedFact
from backends.services.verdicts import clear_verdict
from core.errors import InvalidParameter
from events.models import Event
from scheduler.choices import JobStatus
from scheduler.cycle.tick import tick
from scheduler.services import health
from scheduler.services.jobs import finish_job
from scheduler.services.nodes import activate_backend, drain_backend, set_device_status
from scheduler.services.sdas import create_sda
from tests import make

pytestmark = pytest.mark.django_db

H, S, F = Verdict.HEALTHY, Verdict.SUSPECT, Verdict.FAILED
XID_79, XID_31 = ReportedFact("XID", 79, 1), ReportedFact("XID", 31, 1)
HOT = ReportedFact("THERMAL_SLOWDOWN")
JUDGED: dict[str, tuple[list[tuple[str, int]], Verdict, Verdict]] = {
    "nothing": ([], H, H),
    "errors of programs": ([("XID", 13), ("XID", 31), ("XID", 43)], H, H),
    "an XID that the table does not name": ([("XID", 9999)], H, H),
    "a code that this version does not know": ([("SOMETHING_NEW", 0)], H, H),
    "fallen off the bus": ([("XID", 79)], H, F),
    "uncorrectable errors": ([("ECC_UNCORRECTABLE", 0)], S, F),
    "errors in the life of the card": ([("ECC_UNCORRECTABLE_LIFETIME", 0)], H, H),
    "rows that wait": ([("ROW_REMAP_PENDING", 0)], H, S),
    "no spare rows": ([("ROW_REMAP_PENDING", 0), ("ROW_REMAP_FAILED", 0)], H, F),
    "lost": ([("LOST", 0)], H, F),
    "hot, and an error of a program": ([("XID", 31), ("THERMAL_SLOWDOWN", 0)], H, S),
    "suspect until its finding ends": ([], S, H),
    "failed although its finding has ended": ([], F, F),
    "failed, and now only hot": ([("THERMAL_SLOWDOWN", 0)], F, F),
}


@pytest.mark.parametrize("case", JUDGED)
def test_verdict(case: str) -> None:
    found, current, expected = JUDGED[case]
    assert verdict_of(found, current) == expected


def report(device: Device, *facts: ReportedFact) -> None:
    health.store_findings({device.pk: facts}, codes=REPORTED)
    device.refresh_from_db()


def state(device: Device) -> tuple[str, str, str, str]:
    device.refresh_from_db()
    return device.verdict, device.status, device.why, device.drain_to


def alerts() -> list[tuple[str, str]]:
    return [(str(alert.subject), alert.level) for alert in Alert.objects.filter(OPEN).order_by("pk")]


def first(node: Backend) -> Device:
    found: Device = node.devices.get(index=0)
    return found


def test_an_idle_device_that_fails_leaves_at_once() -> None:
    node = make.ready_backend(2)
    device = first(node)
    report(device, XID_31)
    assert (state(device), alerts()) == (("HEALTHY", "IDLE", "", ""), [])
    report(device, XID_31, XID_79)
    assert state(device) == ("FAILED", "SHUTDOWN", "DEVICE_FAILED", "")
    assert alerts() == [(f"backend/{node.pk}", "CRITICAL")]
    assert Alert.objects.get().text == (
        f"{node.name}: device 00 is failed. The GPU has fallen off the bus. Check its seat, power and cooling. (XID 79)"
    )
    event = Event.objects.filter(action="SET_DEVICE_VERDICT").get()
    assert (event.subject, event.request) == (
        f"backend/{node.pk}",
        {"device": 0, "verdict": "FAILED", "findings": ["XID 31", "XID 79"]},
    )
    job = make.job(num_devices=2)
    tick(job.group_id)
    job.refresh_from_db()
    assert job.status == JobStatus.WAITING


def test_a_device_that_fails_under_a_job_leaves_after_it() -> None:
    node = make.ready_backend(1)
    device, job = first(node), make.running_job(node)
    report(device, ReportedFact("ECC_UNCORRECTABLE", count=2))
    assert state(device) == ("FAILED", "PROCESSING", "", "SHUTDOWN")
    finish_job(job, exit_code=0, actor=make.ACTOR)
    assert state(device)[1] == "CLEANING"
    make.answer(node)
    assert state(device) == ("FAILED", "SHUTDOWN", "DEVICE_FAILED", "")
    report(device)
    assert state(device) == ("FAILED", "SHUTDOWN", "DEVICE_FAILED", "")


def test_a_verdict_ends_by_an_operator_and_the_device_is_cleaned_first() -> None:
    node = make.ready_backend(1)
    device = first(node)
    report(device, XID_79)
    with pytest.raises(InvalidParameter):
        clear_verdict(device, reason=" ", actor=make.ACTOR)
    assert set_device_status(node, DeviceStatus.IDLE, actor=make.ACTOR) == {0: "unchanged"}
    assert state(device) == ("FAILED", "SHUTDOWN", "DEVICE_FAILED", "")
    assert clear_verdict(device, reason="card reseated", actor=make.ACTOR)
    assert (state(device), alerts()) == (("HEALTHY", "CLEANING", "", ""), [])
    make.answer(node)
    assert state(device) == ("HEALTHY", "IDLE", "", "")
    assert not clear_verdict(device, reason="again", actor=make.ACTOR)
    event = Event.objects.get(action="CLEAR_DEVICE_VERDICT")
    assert event.request == {"device": 0, "verdict": "FAILED", "reason": "card reseated"}


def test_a_cleared_finding_counts_again_when_it_becomes_worse() -> None:
    device = first(make.ready_backend(1))
    report(device, ReportedFact("ECC_UNCORRECTABLE", count=2))
    clear_verdict(device, reason="watched", actor=make.ACTOR)
    report(device, ReportedFact("ECC_UNCORRECTABLE", count=2, text="UMC: 2"))
    assert state(device)[0] == "HEALTHY"
    report(device, ReportedFact("ECC_UNCORRECTABLE", count=3, text="UMC: 3"))
    assert state(device)[0] == "FAILED"
    finding = Finding.objects.get()
    assert (finding.count, finding.text, finding.cleared_at, finding.ended_at) == (3, "UMC: 3", None, None)


def test_a_suspect_device_is_used_and_recovers_by_itself() -> None:
    node = make.ready_backend(1)
    device = first(node)
    report(device, HOT)
    assert (state(device), alerts()) == (
        ("SUSPECT", "IDLE", "", ""),
        [(f"backend/{node.pk}", "WARNING")],
    )
    assert make.running_job(node).status == JobStatus.RUNNING
    report(device)
    assert (state(device), alerts()) == (("HEALTHY", "PROCESSING", "", ""), [])
    assert Finding.objects.get().ended_at is not None


def test_suspect_becomes_failed_with_one_open_alert() -> None:
    node = make.ready_backend(2)
    device = first(node)
    report(device, HOT)
    report(node.devices.get(index=1), HOT)
    report(device, HOT, ReportedFact("LOST", text="GPU is lost"))
    assert Alert.objects.get().text == (
        f"{node.name}: device 00 is failed. The driver no longer reaches the device. (LOST); "
        "device 01 is suspect. The hardware slows itself down because it is too hot. (THERMAL_SLOWDOWN)"
    )
    assert alerts() == [(f"backend/{node.pk}", "CRITICAL")]
    clear_verdict(device, reason="reset", actor=make.ACTOR)
    assert alerts() == [(f"backend/{node.pk}", "WARNING")]


def test_what_does_not_change_writes_nothing(django_assert_num_queries: Any) -> None:
    device = first(make.ready_backend(1))
    report(device, HOT, XID_31)
    before = list(Finding.objects.order_by("pk").values())
    with django_assert_num_queries(3):  # a savepoint, and the open findings
        health.store_findings({device.pk: [HOT, XID_31]}, codes=REPORTED)
    assert list(Finding.objects.order_by("pk").values()) == before


def test_old_findings_are_removed_and_open_ones_stay() -> None:
    device = first(make.ready_backend(1))
    report(device, XID_31)
    for number in range(100, 100 + MOST_FINDINGS + 5):
        report(device, XID_31, ReportedFact("XID", number, 1))
    kept = list(Finding.objects.order_by("pk").values_list("number", flat=True))
    assert len(kept) == MOST_FINDINGS + 1
    assert (kept[0], kept[-1]) == (31, 100 + MOST_FINDINGS + 4)


def _drained(node: Backend, device: Device) -> None:
    drain_backend(node, actor=make.ACTOR)
    report(device, XID_79)
    activate_backend(node, actor=make.ACTOR)


def _shut_down_by_an_operator(node: Backend, device: Device) -> None:
    set_device_status(node, DeviceStatus.SHUTDOWN, actor=make.ACTOR)
    report(device, XID_79)
    set_device_status(node, DeviceStatus.IDLE, actor=make.ACTOR)


def _kept_out(node: Backend, device: Device) -> None:
    set_device_status(node, DeviceStatus.BUSY, actor=make.ACTOR)
    report(device, XID_79)
    assert state(device)[1] == "BUSY"
    set_device_status(node, DeviceStatus.IDLE, actor=make.ACTOR)


def _vanished_and_back(node: Backend, device: Device) -> None:
    report(device, XID_79)
    Device.objects.filter(pk=device.pk).update(why=ShutdownReason.VANISHED)
    make.hello(node, 1)
    make.answer(node)


def _drained_and_failed_under_a_job(node: Backend, device: Device) -> None:
    job = make.running_job(node)
    drain_backend(node, actor=make.ACTOR)
    report(device, XID_79)
    activate_backend(node, actor=make.ACTOR)
    assert state(device) == ("FAILED", "PROCESSING", "", "SHUTDOWN")
    finish_job(job, exit_code=0, actor=make.ACTOR)
    make.answer(node)


def _undrained_under_a_job(node: Backend, device: Device) -> None:
    job = make.running_job(node)
    report(device, XID_79)
    assert set_device_status(node, DeviceStatus.IDLE, actor=make.ACTOR) == {0: "unchanged"}
    finish_job(job, exit_code=0, actor=make.ACTOR)
    make.answer(node)


def _while_it_is_cleaned(node: Backend, device: Device) -> None:
    finish_job(make.running_job(node), exit_code=0, actor=make.ACTOR)
    report(device, XID_79)
    make.answer(node)


WAYS: dict[str, Callable[[Backend, Device], None]] = {
    "a drain ends": _drained,
    "a drain ends under a job": _drained_and_failed_under_a_job,
    "an operator had shut it down": _shut_down_by_an_operator,
    "an operator had kept it out": _kept_out,
    "it had vanished": _vanished_and_back,
    "it was under a job": _undrained_under_a_job,
    "it was being cleaned": _while_it_is_cleaned,
}


@pytest.mark.parametrize("way", WAYS)
def test_nothing_but_the_end_of_the_verdict_brings_a_failed_device_back(way: str) -> None:
    node = make.ready_backend(1)
    device = first(node)
    WAYS[way](node, device)
    assert state(device) == ("FAILED", "SHUTDOWN", "DEVICE_FAILED", "")
    clear_verdict(device, reason="repaired", actor=make.ACTOR)
    make.answer(node)
    assert state(device) == ("HEALTHY", "IDLE", "", "")


def test_an_operators_drain_outlives_a_verdict() -> None:
    node = make.ready_backend(1)
    device, job = first(node), make.running_job(node)
    report(device, XID_79)
    assert set_device_status(node, DeviceStatus.SHUTDOWN, actor=make.ACTOR) == {0: "draining"}
    clear_verdict(device, reason="repaired", actor=make.ACTOR)
    assert state(device) == ("HEALTHY", "PROCESSING", "", "SHUTDOWN")
    finish_job(job, exit_code=0, actor=make.ACTOR)
    make.answer(node)
    assert state(device) == ("HEALTHY", "SHUTDOWN", "OPERATOR", "")


def test_a_reserved_device_without_a_job_leaves_at_once_and_comes_back_reserved() -> None:
    node = make.ready_backend(1)
    sda = create_sda(make.token(), make.sda_model(1), actor=make.ACTOR, reserved=True)
    device = first(node)
    assert state(device)[1] == "PREPARING"
    report(device, XID_79)
    assert state(device) == ("FAILED", "SHUTDOWN", "DEVICE_FAILED", "")
    job = make.job(sda)
    tick(job.group_id)
    job.refresh_from_db()
    assert (job.status, job.pending_reason) == (JobStatus.WAITING, "NOT_ENOUGH_DEVICES")
    clear_verdict(device, reason="repaired", actor=make.ACTOR)
    make.answer(node)
    assert state(device) == ("HEALTHY", "PREPARING", "", "")


def test_reports_of_a_former_stream_change_nothing() -> None:
    node = make.ready_backend(1)
    node.agent.refresh_from_db()
    former = node.agent.session
    make.hello(node, 1, boot=2)
    node.agent.refresh_from_db()
    current = node.agent.session
    assert former
    assert current
    health.store_reported_health([findings.ReportedHealth(node.pk, former, {0: [XID_79]})])
    assert Finding.objects.count() == 0
    health.store_reported_health([findings.ReportedHealth(node.pk, current, {0: [XID_79], 7: [HOT]})])
    assert [str(finding) for finding in Finding.objects.all()] == ["XID 79"]
