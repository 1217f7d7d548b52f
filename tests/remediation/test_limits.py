"""What bounds the loop: the breaker, attempts, dry runs, and operators who have the node."""

from datetime import timedelta
from typing import Any

import pytest

from backends.choices import DeviceStatus
from backends.models import Backend, Device, PowerAction
from backends.services.findings import ReportedFact
from core.clock import db_now
from remediation.models import RepairStep
from scheduler.services.nodes import activate_backend, set_device_status
from tests import make
from tests.alerts.heard import AlertChanges, by_category
from tests.remediation.site import (
    ALL,
    LOST,
    alerts,
    allow,
    described,
    device_of,
    faulty,
    look,
    lose,
    report,
    settle,
    state,
    steps,
    sweep,
)

pytestmark = pytest.mark.django_db


def test_a_few_nodes_of_a_group_are_repaired_at_once_and_the_others_wait_with_an_alert(
    alert_changes: AlertChanges,
) -> None:
    allow(repair_reset=True, repair_percent=50)
    nodes = [make.ready_backend(1) for _ in range(4)]
    repairs = [faulty(node) for node in nodes[:3]]
    assert [repair.state for repair in repairs] == ["REMEDY", "REMEDY", "QUARANTINED"]
    sweep()
    assert (described(repairs[2])[1], alerts()) == ("BREAKER", [("REPAIR_BREAKER", "backendgroup/0")])
    report(device_of(nodes[0]))
    settle(nodes[0])
    look(repairs[0])
    settle(nodes[0])
    look(repairs[0])
    look(repairs[2])
    sweep()
    assert (described(repairs[2])[0], alerts()) == ("REMEDY", [])
    breaker = [change for category, change in by_category(alert_changes) if category == "REPAIR_BREAKER"]
    assert breaker == ["RAISED", "CLEARED"]


def test_attempts_are_counted_by_node_and_day() -> None:
    allow(**ALL, repair_attempts=1)
    node = make.ready_backend(2)
    repair = faulty(node)
    settle(node, ok=False, error="busy")
    look(repair)
    assert (described(repair), steps(repair)) == (("NEEDS_HANDS", "", "ATTEMPTS"), [("CLEAN", "FAILED", [0])])
    RepairStep.objects.update(started_at=db_now() - timedelta(days=2))
    faulty(node, 1)
    assert settle(node) == "CLEAN [1]"


def test_the_evidence_for_a_technician_is_bounded() -> None:
    node = make.ready_backend(1)
    facts = [ReportedFact("ECC_UNCORRECTABLE", number=number, text="x" * 512) for number in range(32)]
    report(device_of(node), *facts)
    assert len(look().evidence) == 4000


def test_a_dry_run_stores_what_it_would_do_and_does_nothing() -> None:
    allow(**ALL, repair_dry_run=True)
    node = make.ready_backend(2)
    repair = faulty(node)
    assert described(repair) == ("NEEDS_HANDS", "", "DRY_RUN")
    assert steps(repair) == [(verb, "PLANNED", [0]) for verb in ("CLEAN", "RESET", "REBOOT", "POWER_CYCLE")]
    assert (make.orders(node).count(), PowerAction.objects.count()) == (0, 0)
    assert make.statuses(node) == ["SHUTDOWN", "IDLE"]


def test_a_second_device_is_repaired_while_the_first_one_waits_for_hands() -> None:
    allow(repair_reset=True)
    node = make.ready_backend(2)
    repair = faulty(node)
    settle(node, ok=False, error="in use")
    assert look(repair).state == "NEEDS_HANDS"
    assert faulty(node, 1).pk == repair.pk
    assert settle(node) == "RESET [1]"
    report(device_of(node, 1))
    look(repair)
    settle(node)
    assert (look(repair).state, state(device_of(node, 1))[0]) == ("NEEDS_HANDS", "HEALTHY")
    assert state(device_of(node))[0] == "FAILED"


def _keep_out(node: Backend, device: Device) -> None:
    set_device_status(node, DeviceStatus.BUSY, actor=make.ACTOR, index=device.index)


def _shut_down(node: Backend, device: Device) -> None:
    set_device_status(node, DeviceStatus.SHUTDOWN, actor=make.ACTOR, index=device.index)


@pytest.mark.parametrize("takes", [_keep_out, _shut_down])
def test_nothing_happens_while_an_operator_has_the_device(takes: Any) -> None:
    allow(**ALL)
    node = make.ready_backend(2)
    device = device_of(node)
    report(device, LOST)
    takes(node, device)
    repair = look()
    assert (described(repair), steps(repair)) == (("QUARANTINED", "OPERATOR", ""), [])
    set_device_status(node, DeviceStatus.IDLE, actor=make.ACTOR, index=0)
    assert look(repair).state == "REMEDY"


def test_the_end_of_an_operators_drain_brings_back_nothing_that_is_in_repair() -> None:
    node = make.ready_backend(2)
    lose(node)
    repair = look()
    make.hello(node, 2, boot=2)
    make.answer(node, "CLEAN")
    activate_backend(node, actor=make.ACTOR)
    assert set_device_status(node, DeviceStatus.IDLE, actor=make.ACTOR) == {0: "unchanged", 1: "unchanged"}
    assert make.statuses(node) == ["SHUTDOWN"] * 2
    assert repair.state == "NEEDS_HANDS"
