"""Random faults of every kind under load, without an operator: the laws of repairs. `hour.py` does it in processes."""

import os
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Count

from backends.choices import Verdict
from backends.models import Device
from events.models import Event
from fleet.faults import FAULTS
from fleet.faults.table import FaultEffect
from remediation.choices import OPEN, RepairState
from remediation.models import Repair, RepairStep
from remediation.work import sweep
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job
from scheduler.reconcile import reconcile
from scheduler.services.checks import give_due_checks
from scheduler.services.jobs import finish_job
from scheduler.services.watch import note_unusable
from tests import make
from tests.remediation.site import ALL, allow
from tests.remediation.world import SimulatedNode, struck

pytestmark = pytest.mark.django_db

KINDS = [
    name
    for name, fault in FAULTS.items()
    if fault.effect not in (FaultEffect.SILENT, FaultEffect.FROZEN, FaultEffect.ENDS_WORKERS)
]
SEED = int(os.environ.get("MOREH_TEST_REPAIR_SEED", "1"))
NODES, ROUNDS = 6, 40


def test_faults_of_every_kind_under_load(tmp_path: Path, settings: Any) -> None:
    settings.MOREH_REPAIR_SETTLE = timedelta()
    chance = random.Random(SEED)  # noqa: S311 - a simulation
    allow(**ALL, preflight=True, check_every_h=1, repair_attempts=100, repair_percent=34)
    nodes = [SimulatedNode(tmp_path) for _ in range(NODES)]
    accelerator, faults, happened = make.sda(1), chance.sample(KINDS, len(KINDS)), []
    for number in range(ROUNDS):
        if faults and number % 2 == 0:
            happened.append(struck(nodes, chance, faults))
        _work(accelerator, chance)
        _live(nodes)
    Device.objects.update(checked_at=None)
    for _ in range(20):
        _end_jobs(chance, all_of_them=True)
        give_due_checks()
        _live(nodes)
    _check(nodes, happened)
    assert reconcile() == []


def _work(accelerator: Any, chance: random.Random) -> None:
    for _ in range(3):
        job = make.job(accelerator)
        tick(job.group_id)
    _end_jobs(chance)


def _end_jobs(chance: random.Random, *, all_of_them: bool = False) -> None:
    for job in Job.objects.filter(status=JobStatus.RUNNING):
        if all_of_them or chance.random() < 0.4:
            finish_job(job, exit_code=0, actor=make.ACTOR)


def _live(nodes: list[SimulatedNode]) -> None:
    for node in nodes:
        node.answer()
        node.power()
    note_unusable()
    Repair.objects.filter(next_at__isnull=False).update(next_at="2026-01-01T00:00Z")
    sweep()


def _check(nodes: list[SimulatedNode], happened: list[tuple[SimulatedNode, int, str]]) -> None:
    lost = Allocation.objects.filter(job__status=JobStatus.FAILED, job__cause=Cause.WORKER_ERROR)
    per_device = dict(lost.values_list("device").annotate(Count("job", distinct=True)))
    for node, index, fault in happened:
        device = Device.objects.get(backend=node.row, index=index)
        steps = RepairStep.objects.filter(repair__backend=node.row).order_by("pk")
        told = list(steps.values_list("repair_id", "verb", "state", "devices", "code"))
        repairs = list(Repair.objects.filter(backend=node.row).values_list("pk", "state", "waits_for", "hands_reason"))
        place = f"{node.row.name}/{index} {fault} {node.faults()} {repairs} {told}"
        assert per_device.get(device.pk, 0) <= 1, place
        if index in node.failed():  # only an exchange ends this
            assert (device.verdict, device.status) == (Verdict.FAILED, "SHUTDOWN"), place
            repair = Repair.objects.get(backend=node.row, state__in=OPEN)
            assert (repair.state, f"{index:02}: " in repair.evidence) == (RepairState.NEEDS_HANDS, True), place
        else:
            assert (device.verdict in (Verdict.HEALTHY, Verdict.SUSPECT), device.status) == (True, "IDLE"), place
    faulty = {(node.row.pk, index) for node, index, _fault in happened}
    failed = Event.objects.filter(action="SET_DEVICE_VERDICT", request__verdict="FAILED")
    named = {(int(one.subject.split("/")[1]), one.request["device"]) for one in failed}
    assert named <= faulty
    assert set(Device.objects.filter(in_repair=True).values_list("backend_id", "index")) <= faulty
    assert set(RepairStep.objects.filter(state="SUCCEEDED").values_list("verb", flat=True)) >= {
        *("CLEAN", "RESET", "REBOOT", "POWER_CYCLE", "CHECK"),
    }
