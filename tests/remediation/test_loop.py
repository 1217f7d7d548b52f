"""The loop: quarantined, draining, remedy, validation, and back or to a technician."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import translation

from alerts.models import Alert
from backends.choices import ActionState, PowerVerb
from backends.models import Agent, PowerAction
from core.clock import db_now
from events.models import Event
from remediation.choices import RepairState
from remediation.models import Repair, RepairStep
from scheduler.choices import Cause, JobStatus
from scheduler.services.checks import give_due_checks
from scheduler.services.jobs import finish_job
from scheduler.services.nodes import delete_backend
from scheduler.services.workers import note_health
from tests import make
from tests.alerts.heard import AlertChanges, by_category
from tests.remediation.site import (
    ALL,
    alerts,
    allow,
    described,
    device_of,
    end_power,
    faulty,
    look,
    lose,
    reboot,
    report,
    settle,
    state,
    steps,
    sweep,
)

pytestmark = pytest.mark.django_db

BACK = ("HEALTHY", "IDLE", "")


def test_without_remedies_a_faulty_device_waits_for_hands_and_is_validated_when_its_finding_ends(
    alert_changes: AlertChanges,
) -> None:
    node = make.ready_backend(2)
    device = device_of(node)
    repair = faulty(node)
    assert described(repair) == ("NEEDS_HANDS", "", "NO_REMEDY")
    assert repair.evidence == "00: LOST GPU is lost"
    assert alerts() == [("REPAIR_EXHAUSTED", f"backend/{node.pk}")]
    sweep()
    assert described(repair) == ("NEEDS_HANDS", "", "NO_REMEDY")
    report(device)  # reseated
    sweep()
    assert (described(repair), alerts()) == (("VALIDATION", "ORDER", ""), [])
    exhausted = [change for category, change in by_category(alert_changes) if category == "REPAIR_EXHAUSTED"]
    assert exhausted == ["RAISED", "CLEARED"]
    assert settle(node) == "CHECK [0]"
    repair = look(repair)
    assert (repair.state, steps(repair)) == ("RETURNED", [("CHECK", "SUCCEEDED", [0])])
    make.answer(node)
    assert state(device) == BACK
    told = Event.objects.filter(subject=f"backend/{node.pk}", action__contains="REPAIR").order_by("pk")
    assert [(one.action, one.request.get("state")) for one in told] == [
        ("OPEN_REPAIR", None),
        ("SET_REPAIR_STATE", "NEEDS_HANDS"),
        ("SET_REPAIR_STATE", "QUARANTINED"),
        ("SET_REPAIR_STATE", "VALIDATION"),
        ("BEGIN_REPAIR_STEP", None),
        ("END_REPAIR_STEP", "SUCCEEDED"),
        ("SET_REPAIR_STATE", "RETURNED"),
    ]


def test_a_healthy_device_that_failed_one_check_is_out_for_one_more() -> None:
    node = make.ready_backend(1)
    allow(check_every_h=1)
    give_due_checks()
    settle(node, failed=[0], error="flaky")
    repair = look()
    assert (described(repair), state(device_of(node))) == (
        ("VALIDATION", "ORDER", ""),
        ("FAILED", "SHUTDOWN", "DEVICE_FAILED"),
    )
    settle(node)
    assert look(repair).state == "RETURNED"
    make.answer(node)
    assert state(device_of(node)) == BACK


def test_remedies_follow_each_other_until_the_validation_succeeds(settings: Any) -> None:
    allow(**ALL)
    node = make.ready_backend(2)
    Agent.objects.update(boot_id="first")
    first, second = device_of(node, 0), device_of(node, 1)
    repair = faulty(node)
    assert settle(node) == "CLEAN [0]"
    look(repair)
    assert settle(node) == "CHECK [0]"
    assert look(repair).waits_for == "REPORT"  # it is still reported as lost
    settings.MOREH_REPAIR_SETTLE = timedelta()
    look(repair)
    assert settle(node) == "RESET [0]"
    look(repair)
    assert (state(second), settle(node, failed=[0])) == (BACK, "CHECK [0]")
    assert (look(repair).state, state(second)) == ("REMEDY", ("HEALTHY", "SHUTDOWN", "REPAIR"))
    report(first)
    reboot(node, "second")
    assert look(repair).state == "VALIDATION"
    assert settle(node) == "CHECK [0, 1]"
    assert look(repair).state == RepairState.RETURNED
    make.answer(node)
    assert (state(first), state(second)) == (BACK, BACK)
    assert steps(repair) == [
        ("CLEAN", "SUCCEEDED", [0]),
        ("CHECK", "FAILED", [0]),
        ("RESET", "SUCCEEDED", [0]),
        ("CHECK", "FAILED", [0]),
        ("REBOOT", "SUCCEEDED", [0]),
        ("CHECK", "SUCCEEDED", [0, 1]),
    ]
    found = RepairStep.objects.get(repair=repair, number=2)
    assert (found.code, found.evidence) == ("NOT_PASSED", "00: LOST GPU is lost")


def test_a_remedy_for_a_device_waits_for_its_job_and_leaves_its_neighbours_alone() -> None:
    allow(repair_reset=True)
    node = make.ready_backend(2)
    job = make.running_job(node)
    used = node.devices.exclude(status="IDLE").get()
    repair = faulty(node, used.index)
    assert described(repair) == ("DRAINING", "JOBS", "")
    assert make.statuses(node)[1 - used.index] == "IDLE"
    finish_job(job, exit_code=0, actor=make.ACTOR)
    make.answer(node)
    assert look(repair).state == "REMEDY"
    assert settle(node) == f"RESET [{used.index}]"


def test_a_reboot_drains_the_node_and_gives_up_when_jobs_go_on() -> None:
    allow(repair_reboot=True, repair_drain_min=10)
    node = make.ready_backend(2)
    job = make.running_job(node)
    idle = node.devices.get(status="IDLE")
    repair = faulty(node, idle.index)
    assert described(repair) == ("DRAINING", "JOBS", "")
    used = node.devices.exclude(pk=idle.pk).get()
    assert (used.status, used.drain_to, used.in_repair) == ("PROCESSING", "SHUTDOWN", True)
    Repair.objects.update(drain_until=db_now())
    assert (look(repair).state, repair.hands_reason) == ("NEEDS_HANDS", "NOT_DRAINED")
    used.refresh_from_db()
    assert (used.status, used.drain_to, used.in_repair) == ("PROCESSING", "", False)
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING


def test_jobs_are_ended_only_where_the_group_says_so() -> None:
    allow(repair_reboot=True, repair_force=True)
    node = make.ready_backend(2)
    job = make.running_job(node)
    repair = faulty(node, node.devices.get(status="IDLE").index)
    Repair.objects.update(drain_until=db_now())
    look(repair)
    job.refresh_from_db()
    assert (job.status, job.cause, job.detail) == ("FAILED", Cause.NODE_LOST, f"{node.name} is repaired")
    make.answer(node)
    assert look(repair).state == "REMEDY"
    assert settle(node) == "REBOOT []"


def test_a_lost_node_is_power_cycled_and_validated_before_it_takes_jobs() -> None:
    allow(**ALL)
    node = make.ready_backend(2)
    lose(node)
    repair = look()
    assert described(repair) == ("REMEDY", "POWER", "")
    action = PowerAction.objects.get()
    assert (action.command, action.actor) == (PowerVerb.CYCLE, "system")
    end_power(ActionState.SUCCEEDED)
    assert look(repair).waits_for == "BOOT"
    reboot(node, "second")
    assert (make.statuses(node), look(repair).state) == (["SHUTDOWN"] * 2, "VALIDATION")
    assert settle(node, whole=True) == "CHECK []"
    look(repair)
    assert settle(node) == "CHECK [0, 1]"
    assert look(repair).state == "RETURNED"
    make.answer(node)
    assert make.statuses(node) == ["IDLE"] * 2
    assert steps(repair) == [
        ("CLEAN", "SKIPPED", []),
        ("REBOOT", "SKIPPED", []),
        ("POWER_CYCLE", "SUCCEEDED", [0, 1]),
        ("CHECK_NODE", "SUCCEEDED", []),
        ("CHECK", "SUCCEEDED", [0, 1]),
    ]


def test_a_lost_node_that_cannot_be_power_cycled_waits_and_is_validated_when_it_is_back() -> None:
    allow(**ALL)
    node = make.ready_backend(2)
    lose(node)
    repair = look()
    end_power(ActionState.FAILED, code="BMC_SILENT")
    assert (look(repair).state, repair.hands_reason) == ("NEEDS_HANDS", "NO_REMEDY")
    assert repair.evidence.splitlines()[0] == "node: its agent went silent"
    assert RepairStep.objects.get(verb="POWER_CYCLE").code == "BMC_SILENT"
    assert alerts() == [("REPAIR_EXHAUSTED", f"backend/{node.pk}")]
    with translation.override("ko"):
        text = Alert.objects.get(category="REPAIR_EXHAUSTED").text
    assert text.startswith(f"{node.name}: 아직 시도하지 않은 허용된 복구 조치가 없음. 노드: 에이전트")
    make.hello(node, 2, boot=2)
    make.answer(node, "CLEAN")
    sweep()
    assert described(repair) == ("VALIDATION", "ORDER", "")


def test_a_lost_node_without_remedies_waits_and_only_its_loss_is_an_alert() -> None:
    node = make.ready_backend(2)
    lose(node)
    assert described(look()) == ("NEEDS_HANDS", "", "NO_REMEDY")
    assert [alert.category for alert in Alert.objects.all()] == ["NODE_LOST"]


def test_an_unhealthy_node_lets_its_jobs_go_on_and_is_validated_when_it_is_well_again() -> None:
    node = make.ready_backend(2)
    job = make.running_job(node)
    note_health(node, ok=False, error="no device can be read")
    repair = look()
    assert described(repair) == ("NEEDS_HANDS", "", "NO_REMEDY")
    note_health(node, ok=True)
    sweep()
    settle(node, whole=True)
    look(repair)
    settle(node)
    assert look(repair).state == "RETURNED"
    make.answer(node, "CLEAN")
    job.refresh_from_db()
    assert (job.status, sorted(make.statuses(node))) == ("RUNNING", ["IDLE", "PROCESSING"])
    finish_job(job, exit_code=0, actor=make.ACTOR)
    make.answer(node)
    assert make.statuses(node) == ["IDLE"] * 2


def test_a_deleted_node_is_not_repaired() -> None:
    node = make.ready_backend(1)
    repair = faulty(node)
    delete_backend(node, actor=make.ACTOR)
    sweep()
    assert described(repair)[0] == "CLOSED"
    assert repair.targets.get().outcome == "DELETED"


def test_a_late_order_is_withdrawn_and_the_next_remedy_tried(settings: Any) -> None:
    allow(repair_clean=True, repair_reset=True)
    node = make.ready_backend(1)
    settings.MOREH_REPAIR_ORDER_TIMEOUT = timedelta()
    repair = faulty(node)
    look(repair)
    look(repair)
    assert described(repair)[0] == "NEEDS_HANDS"
    assert list(RepairStep.objects.order_by("number").values_list("verb", "state", "code")) == [
        ("CLEAN", "FAILED", "NO_ANSWER"),
        ("RESET", "FAILED", "NO_ANSWER"),
    ]
    withdrawn = node.orders.filter(state="WITHDRAWN").order_by("created_at")
    assert list(withdrawn.values_list("verb", flat=True)) == ["CLEAN", "RESET"]
