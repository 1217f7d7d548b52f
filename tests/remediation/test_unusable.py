"""Devices that their agent no longer sees, or could not clean: failed, and repaired like others."""

from datetime import timedelta
from typing import Any

import pytest

from backends.choices import ShutdownReason
from backends.models import Agent, Backend, Device, Finding
from remediation.models import Repair
from scheduler.models import Worker
from scheduler.services.jobs import finish_job
from scheduler.services.watch import note_unusable
from tests import make
from tests.remediation.site import ALL, allow, described, device_of, look, reboot, settle, state, steps

pytestmark = pytest.mark.django_db

BACK = ("HEALTHY", "IDLE", "")


def vanished() -> tuple[Backend, Device]:
    """Make a node whose agent has said hello again without its second device."""
    node = make.ready_backend(2)
    make.hello(node, 1, boot=2)
    Agent.objects.update(boot_id="first")
    make.answer(node)
    return node, device_of(node, 1)


def not_cleaned() -> tuple[Backend, Device]:
    """Make a node whose agent could not clean its second device after a job."""
    node = make.ready_backend(2)
    make.running_job(node)
    job = make.running_job(node)
    finish_job(job, exit_code=0, actor=make.ACTOR)
    make.answer(node, "STOP")
    make.answer(node, "CLEAN", ok=False, error="process 4711 cannot be ended")
    return node, device_of(node, 1)


UNUSABLE = {"VANISHED": vanished, "NOT_CLEANED": not_cleaned}


def watch() -> Repair:
    """Look at all devices, and at the repair."""
    note_unusable()
    return look()


@pytest.mark.parametrize("why", UNUSABLE)
def test_it_waits_for_a_technician_with_its_evidence(why: str) -> None:
    _node, device = UNUSABLE[why]()
    assert state(device) == ("HEALTHY", "SHUTDOWN", why)
    repair = watch()
    assert state(device) == ("FAILED", "SHUTDOWN", why)
    assert (described(repair), repair.evidence) == (("NEEDS_HANDS", "", "NO_REMEDY"), f"01: {why}")
    note_unusable()
    assert Finding.objects.filter(ended_at=None).count() == 1


@pytest.mark.parametrize("why", UNUSABLE)
def test_it_is_validated_and_back_when_its_agent_comes_back_with_it(why: str) -> None:
    node, device = UNUSABLE[why]()
    repair = watch()
    running = {worker.pk: worker.devices for worker in Worker.objects.filter(state="RUNNING")}
    make.hello(node, 2, boot=3, running=running)
    assert (look(repair).state, state(device)) == ("NEEDS_HANDS", ("FAILED", "CLEANING", ""))
    make.answer(node, "CLEAN")
    assert state(device) == ("FAILED", "SHUTDOWN", "DEVICE_FAILED")
    note_unusable()
    assert look(repair).state == "VALIDATION"
    assert settle(node) == "CHECK [1]"
    assert (look(repair).state, state(device)) == ("RETURNED", ("HEALTHY", "CLEANING", ""))
    make.answer(node, "CLEAN")
    assert state(device) == BACK


@pytest.mark.parametrize(("verb", "tried"), [("CLEAN", []), ("RESET", ["CLEAN"])])
def test_a_remedy_frees_a_device_that_could_not_be_cleaned(verb: str, tried: list[str]) -> None:
    allow(**ALL)
    node, device = not_cleaned()
    repair = watch()
    for milder in tried:
        assert settle(node, ok=False, error="process 4711 cannot be ended") == f"{milder} [1]"
        look(repair)
    assert settle(node) == f"{verb} [1]"
    look(repair)
    assert (settle(node), state(device)) == ("CHECK [1]", ("FAILED", "SHUTDOWN", "DEVICE_FAILED"))
    assert described(look(repair)) == ("VALIDATION", "REPORT", "")
    note_unusable()
    assert (look(repair).state, state(device)) == ("RETURNED", ("HEALTHY", "CLEANING", ""))
    make.answer(node, "CLEAN")
    assert (state(device), make.statuses(node)[0]) == (BACK, "PROCESSING")


def test_a_reboot_brings_back_a_device_that_has_vanished(settings: Any) -> None:
    settings.MOREH_REPAIR_SETTLE = timedelta()
    allow(repair_reset=True, repair_reboot=True)
    node, device = vanished()
    repair = watch()
    assert settle(node, ok=False, error="there is no device 1") == "RESET [1]"
    look(repair)
    reboot(node, "second")
    note_unusable()
    assert look(repair).state == "VALIDATION"
    assert settle(node) == "CHECK [0, 1]"
    assert look(repair).state == "RETURNED"
    assert steps(repair) == [
        ("RESET", "FAILED", [1]),
        ("REBOOT", "SUCCEEDED", [1]),
        ("CHECK", "SUCCEEDED", [0, 1]),
    ]
    make.answer(node)
    assert (state(device_of(node, 0)), state(device)) == (BACK, BACK)


def test_a_device_that_still_cannot_be_cleaned_when_it_is_back_is_in_repair_again() -> None:
    allow(repair_reset=True, repair_attempts=1)
    node, device = not_cleaned()
    first = watch()
    settle(node)
    look(first)
    settle(node)
    note_unusable()
    assert look(first).state == "RETURNED"
    make.answer(node, "CLEAN", ok=False, error="process 4711 cannot be ended")
    second = watch()
    assert (second.pk > first.pk, described(second)) == (True, ("NEEDS_HANDS", "", "ATTEMPTS"))
    assert state(device) == ("FAILED", "SHUTDOWN", ShutdownReason.NOT_CLEANED)
