"""What operators do about repairs."""

from datetime import timedelta
from typing import Any

import pytest

from alerts.models import OPEN, Alert
from backends.models import Device
from backends.services.maintenance import begin_or_end_window, create_window, end_window
from backends.services.verdicts import clear_verdict
from core.clock import db_now
from core.errors import InvalidParameter
from events.models import Event
from remediation.errors import NotTakenOver, NotWaiting, RepairOpen, RepairOver
from remediation.models import Repair, RepairStep
from remediation.services import operators
from tests import make
from tests.remediation.site import ALL, LOST, allow, device_of, faulty, look, report, settle, state, steps, sweep

pytestmark = pytest.mark.django_db

BACK = ("HEALTHY", "IDLE", "")


def test_nothing_happens_to_a_repair_that_was_taken_over_until_its_operator_ends_it() -> None:
    allow(repair_reset=True)
    node = make.ready_backend(2)
    repair = faulty(node)
    operators.take_over(repair, actor=make.ACTOR)
    report(device_of(node))
    sweep()
    repair.refresh_from_db()
    assert (repair.state, repair.operator) == ("TAKEN_OVER", "operator-1")
    assert (steps(repair), make.orders(node).count()) == ([("RESET", "ABANDONED", [0])], 0)
    operators.hand_back(repair, actor=make.ACTOR)
    repair = look(repair)
    assert (repair.state, repair.operator) == ("VALIDATION", "")
    settle(node)
    assert look(repair).state == "RETURNED"


def test_a_technician_has_it_validated_and_it_waits_again_when_that_fails() -> None:
    node = make.ready_backend(2)
    repair = faulty(node)
    for failed in ([0], []):
        operators.validate(repair, actor=make.ACTOR)
        report(device_of(node))
        assert settle(node, failed=failed, error="bad HBM" if failed else "") == "CHECK [0]"
        look(repair)
        assert repair.state == ("NEEDS_HANDS" if failed else "RETURNED")
    make.answer(node)
    assert state(device_of(node)) == BACK
    assert RepairStep.objects.get(number=1).evidence == "00: CHECK_FAILED bad HBM\nbad HBM"
    assert not Alert.objects.filter(OPEN, category="REPAIR_EXHAUSTED").exists()


def test_an_operator_brings_it_back_without_a_validation_and_says_why() -> None:
    node = make.ready_backend(2)
    repair = faulty(node)
    with pytest.raises(InvalidParameter):
        operators.bring_back(repair, reason=" ", actor=make.ACTOR)
    operators.bring_back(repair, reason="known glitch", actor=make.ACTOR)
    make.answer(node)
    repair.refresh_from_db()
    assert (repair.state, state(device_of(node)), repair.targets.get().outcome) == ("RETURNED", BACK, "BY_OPERATOR")
    assert Event.objects.get(action="CLEAR_DEVICE_VERDICT").request["reason"] == "known glitch"


def test_a_verdict_that_an_operator_clears_ends_the_repair() -> None:
    node = make.ready_backend(2)
    repair = faulty(node)
    clear_verdict(device_of(node), reason="fine", actor=make.ACTOR)
    make.answer(node)
    sweep()
    make.answer(node)
    repair.refresh_from_db()
    assert (repair.state, state(device_of(node))) == ("CLOSED", BACK)


def test_a_repair_opened_by_hand_takes_a_device_out_and_validates_it() -> None:
    node = make.ready_backend(2)
    with pytest.raises(InvalidParameter):
        operators.open_repair(node, indexes=[7], actor=make.ACTOR)
    repair = operators.open_repair(node, indexes=[1], actor=make.ACTOR, reason="strange noise")
    assert make.statuses(node) == ["IDLE", "SHUTDOWN"]
    with pytest.raises(RepairOpen):
        operators.open_repair(node, actor=make.ACTOR)
    look(repair)
    assert settle(node) == "CHECK [1]"
    assert look(repair).state == "RETURNED"
    make.answer(node)
    assert make.statuses(node) == ["IDLE", "IDLE"]


def test_a_whole_node_in_repair_by_hand() -> None:
    node = make.ready_backend(2)
    repair = operators.open_repair(node, actor=make.ACTOR)
    look(repair)
    assert (settle(node, whole=True), make.statuses(node)) == ("CHECK []", ["SHUTDOWN"] * 2)
    look(repair)
    settle(node)
    assert look(repair).state == "RETURNED"


@pytest.mark.parametrize("indexes", [[], [0]])
def test_what_an_operator_lets_wait_for_a_technician_waits(indexes: list[int]) -> None:
    node = make.ready_backend(2)
    repair = operators.open_repair(node, actor=make.ACTOR, indexes=indexes)
    operators.take_over(repair, actor=make.ACTOR)
    operators.need_hands(repair, actor=make.ACTOR)
    for _look in range(2):
        sweep()
        repair.refresh_from_db()
        assert (repair.state, repair.hands_reason, steps(repair)) == ("NEEDS_HANDS", "BY_OPERATOR", [])
        report(device_of(node, 1), LOST)  # another device fails meanwhile, and waits too
    assert repair.targets.count() == 2
    operators.validate(repair, actor=make.ACTOR)
    verb, checked = ("CHECK", [0, 1]) if indexes else ("CHECK_NODE", [])
    assert steps(repair) == [(verb, "RUNNING", checked)]


def test_refusals_change_nothing() -> None:
    allow(repair_reset=True)
    node = make.ready_backend(1)
    repair = faulty(node)
    before = list(Repair.objects.values())
    refused: dict[Any, Any] = {
        operators.hand_back: NotTakenOver,
        operators.need_hands: NotTakenOver,
        operators.validate: NotWaiting,
    }
    for verb, error in refused.items():
        with pytest.raises(error):
            verb(repair, actor=make.ACTOR)
    assert list(Repair.objects.values()) == before
    operators.take_over(repair, actor=make.ACTOR)
    operators.need_hands(repair, actor=make.ACTOR)
    operators.bring_back(repair, reason="done", actor=make.ACTOR)
    with pytest.raises(RepairOver):
        operators.take_over(repair, actor=make.ACTOR)
    assert not Device.objects.filter(in_repair=True).exists()


def test_the_system_does_nothing_while_the_node_is_in_maintenance() -> None:
    allow(**ALL)
    node = make.ready_backend(2)
    until = db_now() + timedelta(hours=1)
    window = create_window([node.pk], starts_at=None, ends_at=until, reason="fans", actor=make.ACTOR)
    assert begin_or_end_window(window.pk)
    repair = faulty(node)
    assert (repair.state, repair.waits_for, steps(repair)) == ("QUARANTINED", "OPERATOR", [])
    end_window(window, actor=make.ACTOR)
    assert (look(repair).state, steps(repair)) == ("REMEDY", [("CLEAN", "RUNNING", [0])])
