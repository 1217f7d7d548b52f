"""Each transition of the table of repairs happens, and nothing else."""

from typing import Any

import pytest

from backends.choices import DeviceStatus, ShutdownReason
from backends.models import Device
from backends.services.devices import transition_devices
from core.clock import db_now
from remediation.choices import REPAIR_TRANSITIONS, STEP_TRANSITIONS
from remediation.models import Repair, RepairStep
from remediation.services import operators
from scheduler.choices import JobStatus
from scheduler.models import Job
from scheduler.services.jobs import end_jobs
from scheduler.services.nodes import delete_backend, set_device_status
from tests import make
from tests.remediation.site import ALL, allow, device_of, faulty, look, report, settle, sweep
from tests.transitions import recorded

pytestmark = pytest.mark.django_db

NONE = dict.fromkeys(ALL, False)


def quarantined() -> Repair:
    under_remedy()
    allow(repair_percent=1)
    return faulty(make.ready_backend(1))


def draining() -> Repair:
    allow(**NONE | {"repair_reboot": True}, repair_percent=100)
    node = make.ready_backend(2)
    others = Device.objects.filter(status=DeviceStatus.IDLE).exclude(backend=node)
    transition_devices(list(others.values_list("pk", flat=True)), DeviceStatus.SHUTDOWN, why=ShutdownReason.OPERATOR)
    make.running_job(node)
    return faulty(node, node.devices.get(status="IDLE").index)


def under_remedy() -> Repair:
    allow(**ALL, repair_percent=100)
    return faulty(make.ready_backend(2))


def in_validation() -> Repair:
    return look(operators.open_repair(make.ready_backend(2), indexes=[0], actor=make.ACTOR))


def needing_hands() -> Repair:
    allow(**NONE)
    return faulty(make.ready_backend(1))


def taken_over() -> Repair:
    repair = needing_hands()
    operators.take_over(repair, actor=make.ACTOR)
    return repair


def close(repair: Repair) -> None:
    delete_backend(repair.backend, actor=make.ACTOR, force=True)
    Repair.objects.filter(pk=repair.pk).update(next_at=db_now())
    sweep()


def answered(repair: Repair, **result: Any) -> None:
    settle(repair.backend, **result)
    look(repair)


def of_draining() -> None:
    repair = draining()
    (idle,) = repair.targets.all()
    set_device_status(repair.backend, DeviceStatus.BUSY, actor=make.ACTOR, index=idle.device.index)  # type: ignore[union-attr]
    look(repair)  # an operator has it: QUARANTINED
    repair = draining()
    end_jobs(Job.objects.all(), JobStatus.CANCELED, actor=make.ACTOR)
    make.answer(repair.backend)
    look(repair)  # REMEDY
    repair = draining()
    report(repair.targets.get().device)  # type: ignore[arg-type]
    look(repair)  # VALIDATION
    repair = draining()
    Repair.objects.filter(pk=repair.pk).update(drain_until=db_now())
    look(repair)  # NEEDS_HANDS


def happens() -> None:
    for maker in (quarantined, draining, under_remedy, in_validation, needing_hands, taken_over):
        close(maker())
        if maker is not taken_over:
            operators.take_over(maker(), actor=make.ACTOR)
    of_draining()
    answered(under_remedy())
    answered(under_remedy(), ok=False)
    answered(in_validation())
    answered(in_validation(), failed=[0])
    repair = needing_hands()
    report(device_of(repair.backend))
    sweep()  # QUARANTINED, and on
    operators.validate(needing_hands(), actor=make.ACTOR)
    operators.bring_back(needing_hands(), reason="fine", actor=make.ACTOR)
    for verb in (operators.validate, operators.need_hands, operators.hand_back):
        verb(taken_over(), actor=make.ACTOR)
    operators.bring_back(taken_over(), reason="fine", actor=make.ACTOR)


@pytest.mark.only_sqlite
def test_all_that_the_tables_allow_happens() -> None:
    with recorded(RepairStep) as steps, recorded(Repair) as repairs:
        happens()
    assert steps == STEP_TRANSITIONS.pairs()
    assert repairs == REPAIR_TRANSITIONS.pairs()
