"""The reconciler leaves alone what is sound, however odd it looks; what differs from it in one thing, it repairs.

In this world a job runs over two nodes, another on a reserved SDA, and one waits.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db.models import F

from backends.choices import DeviceStatus
from backends.models import Device
from core.clock import db_now
from scheduler.choices import Cause
from scheduler.models import Job, Queue, Worker
from scheduler.reconcile import reconcile
from scheduler.reconcile.checks import Inconsistency
from scheduler.services.jobs import cancel_job, finish_job
from scheduler.services.nodes import set_device_status
from tests import make
from tests.scheduler.reconcile.consistency import World, make_world, numbers_of

pytestmark = pytest.mark.django_db
LONG_AGO = "2020-01-01 00:00:00+00"


@pytest.fixture
def world() -> World:
    return make_world()


def _headless(world: World, **queue: Any) -> None:
    """Let the queue name a head that has long had its devices, while somebody has long been waiting."""
    Job.objects.filter(pk=world.job.pk).update(submitted_at=LONG_AGO)
    Job.objects.filter(pk=world.waiting.pk).update(requested_at=LONG_AGO)
    Queue.objects.update(**{"head": world.job.pk, "lease_until": None, "ticked_at": db_now(), **queue})


def _just_placed(world: World) -> None:
    _headless(world)
    Job.objects.filter(pk=world.job.pk).update(submitted_at=F("started_at"))


def _just_asked(world: World) -> None:
    _headless(world)
    Job.objects.filter(pk=world.waiting.pk).update(requested_at=db_now())


def _only_a_guest_waits(world: World) -> None:
    _headless(world)
    cancel_job(world.waiting, cause=Cause.BY_USER, actor=make.ACTOR)
    Job.objects.filter(pk=make.job(world.sda).pk).update(requested_at=LONG_AGO)


def _stuck(world: World) -> None:
    finish_job(world.job, exit_code=0, actor=make.ACTOR)
    assert make.answer(world.one, "STOP", ok=False, error="stuck") == 1


def _with_a_stranger(world: World) -> None:
    """Let a job have ended whose agent comes back without its worker, and with one that nobody knows."""
    finish_job(world.job, exit_code=0, actor=make.ACTOR)
    make.hello(world.one, 2, boot=2, running={999: [0]})
    assert Worker.objects.get(job=world.job, backend=world.one).state == "GONE"
    assert Device.objects.filter(backend=world.one, status=DeviceStatus.CLEANING, cleaner=None).count() == 1


def _kept_out(world: World) -> None:
    set_device_status(world.rest, DeviceStatus.BUSY, index=0, actor=make.ACTOR)
    finish_job(world.guest, exit_code=0, actor=make.ACTOR)
    make.answer(world.rest)
    assert make.statuses(world.rest) == ["BUSY", "PREPARING"]


SOUND: dict[str, Callable[[World], object]] = {
    "jobs run over nodes and on a reservation": lambda _world: None,
    "a job has ended and its agents have not answered": lambda w: finish_job(w.job, exit_code=0, actor=make.ACTOR),
    "a STOP that its agent could not carry out": _stuck,
    "a worker that nobody knows is being stopped": _with_a_stranger,
    "a device drains under its job": lambda w: set_device_status(w.one, DeviceStatus.SHUTDOWN, actor=make.ACTOR),
    "an operator keeps a device of a reservation out": _kept_out,
    "a tick is under way": lambda _w: Queue.objects.update(lease_until=db_now() + settings.MOREH_TICK_LEASE),
    "a tick that looks for the head": lambda w: _headless(w, lease_until=db_now() + timedelta(seconds=1)),
    "a queue that nobody has looked at since its head went": lambda w: _headless(w, ticked_at=LONG_AGO),
    "a head that has just got its devices": _just_placed,
    "those who wait have just come": _just_asked,
    "only somebody with a reservation waits": _only_a_guest_waits,
}


@pytest.mark.parametrize("case", SOUND)
def test_what_is_consistent_is_left_alone(world: World, case: str) -> None:
    SOUND[case](world)
    assert reconcile() == []


WORKER = "INSERT INTO scheduler_worker (job_id, attempt, backend_id, devices, state, address, error) VALUES "
HOLD = "INSERT INTO scheduler_allocation (job_id, sda_id, token_id, device_id, started_at, ended_at) VALUES "
UNSERVED = ("job/{job}", "held devices on which no worker of it is")
STALE = "an attempt of it is over, but its workers had not been told to stop"
WRONG: dict[str, tuple[tuple[str, ...], list[tuple[str, str]]]] = {
    "a job without a worker on one of its nodes": (
        ("DELETE FROM scheduler_worker WHERE job_id = {job} AND backend_id = {one}",),
        [UNSERVED],
    ),
    "a job whose worker on one of its nodes is of another attempt": (
        ("UPDATE scheduler_worker SET attempt = 0 WHERE job_id = {job} AND backend_id = {one}",),
        [UNSERVED],
    ),
    "a job with a worker where it held something once": (
        (
            WORKER + "({job}, 1, {spare}, '[0]', 'RUNNING', '', '')",
            HOLD + "({job}, {of_job}, {customer}, {free}, '2020-01-01 00:00:00+00', '2020-01-01 01:00:00+00')",
        ),
        [("job/{job}", "had a worker where it holds no device")],
    ),
    "a job on a reservation without a worker": (
        ("DELETE FROM scheduler_worker WHERE job_id = {guest}",),
        [("job/{guest}", "held devices on which no worker of it is")],
    ),
    "a job on a reservation with a device of its own": (
        (
            HOLD + "({guest}, {sda}, {owner}, {free}, '2020-01-01 00:00:00+00', NULL)",
            "UPDATE backends_device SET status = 'PREPARING' WHERE id = {free}",
        ),
        [
            ("job/{guest}", "held 1 of 0 devices"),
            ("device/{first}", "PROCESSING, but no job ran on its reservation"),
            ("device/{second}", "PROCESSING, but no job ran on its reservation"),
        ],
    ),
    "a reservation under a job that lacks a device": (
        ("DELETE FROM scheduler_allocation WHERE device_id = {first}",),
        [
            ("sda/{sda}", "held 1 of 2 reserved devices"),
            ("device/{first}", "PROCESSING, but nobody held it"),
        ],
    ),
    "a deleted SDA that still reserves": (
        ("UPDATE sda_sda SET deleted_at = {now} WHERE id = {sda}",),
        [("job/{guest}", "its SDA is deleted"), ("sda/{sda}", "reserves nothing any more, but held 2 devices")],
    ),
    "a device of a reservation in use that looks free": (
        ("UPDATE backends_device SET status = 'IDLE' WHERE id = {first}",),
        [("device/{first}", "IDLE, but somebody held it")],
    ),
    "a device that is prepared for nobody": (
        ("UPDATE backends_device SET status = 'PREPARING' WHERE id = {free}",),
        [("device/{free}", "PREPARING, but nobody held it")],
    ),
    "a device that nobody cleans, beside another node's worker that stops": (
        (
            "UPDATE scheduler_worker SET state = 'STOPPING' WHERE job_id = {guest}",
            "UPDATE backends_device SET status = 'CLEANING', cleaner = NULL WHERE id = {free}",
        ),
        [
            ("job/{guest}", "held devices on which no worker of it is"),
            ("worker/{at_guest}", "stopping for job {guest}, but nobody was to stop it"),
            ("device/{free}", "CLEANING, but nobody was to clean it"),
        ],
    ),
    "a waiting job of a deleted SDA": (
        ("UPDATE sda_sda SET deleted_at = {now} WHERE id = (SELECT sda_id FROM scheduler_job WHERE id = {waiting})",),
        [("job/{waiting}", "its SDA is deleted")],
    ),
    "a waiting job that got its devices once": (
        ("UPDATE scheduler_job SET submitted_at = {now} WHERE id = {waiting}",),
        [("job/{waiting}", "waiting, but had begun and held 0 devices")],
    ),
    "a waiting job with a worker of its coming attempt": (
        (WORKER + "({waiting}, 1, {spare}, '[0]', 'RUNNING', '', '')",),
        [("job/{waiting}", "waiting, but had begun and held 0 devices"), ("job/{waiting}", STALE)],
    ),
    "an allocation that is billed to another SDA": (
        ("UPDATE scheduler_allocation SET sda_id = {sda} WHERE device_id = {in_use}",),
        [("job/{job}", "1 devices were billed to another customer or SDA")],
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_differs_in_one_thing_is_repaired(world: World, case: str) -> None:
    statements, findings = WRONG[case]
    numbers = numbers_of(world)
    for statement in statements:
        assert make.sql(statement.format(**numbers)) >= 1
    assert reconcile() == [
        Inconsistency(subject.format(**numbers), wrong.format(**numbers)) for subject, wrong in findings
    ]
    assert reconcile() == []
    for node in (world.rest, world.one, world.two, world.spare):
        make.answer(node)
    assert reconcile() == []
    assert not Device.objects.filter(status=DeviceStatus.CLEANING).exists()
