"""Every planted inconsistency is found, repaired towards the safe side, and reported."""

from typing import NamedTuple

import pytest

from alerts.models import Alert
from backends.models import Order
from scheduler.models import Allocation, Job, Queue, Worker
from scheduler.reconcile import reconcile
from tests import make
from tests.scheduler.reconcile.world import World, make_world, numbers_of, on, repairs

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


class Planted(NamedTuple):
    """What is written, what is said of which subject, and how job and devices are then and when all agents answered."""

    sql: tuple[str, ...]
    findings: tuple[tuple[str, str], ...]
    job: str
    devices: str
    at_last: str
    reserved: str = "PREPARING PREPARING BUSY"


FAILED = ("FAILED/INCONSISTENT", "CLEANING CLEANING IDLE", "IDLE IDLE IDLE")


RUNS = ("RUNNING/", "PROCESSING PROCESSING IDLE", "PROCESSING PROCESSING IDLE")


CASES: dict[str, Planted] = {
    "a live job with fewer devices than it needs": Planted(
        ("DELETE FROM scheduler_allocation WHERE job_id = {job} AND device_id = {first}",),
        (("job/{job}", "held 1 of 2 devices"), ("device/{first}", "PROCESSING, but nobody held it")),
        *FAILED,
    ),
    "a live job with more devices than it needs": Planted(
        (
            "INSERT INTO scheduler_allocation (job_id, sda_id, token_id, device_id, started_at) SELECT job_id, "
            "sda_id, token_id, device_id + 2, started_at FROM scheduler_allocation "
            "WHERE job_id = {job} AND device_id = {first}",
        ),
        (("job/{job}", "held 3 of 2 devices"),),
        *FAILED,
    ),
    "a job that is over and still holds devices": Planted(
        ("UPDATE scheduler_job SET status = 'FAILED', ended_at = submitted_at WHERE id = {job}",),
        (
            ("job/{job}", "over, but held 2 devices"),
            ("job/{job}", "an attempt of it is over, but its workers had not been told to stop"),
        ),
        "FAILED/",
        *FAILED[1:],
    ),
    "devices in use by nobody": Planted(
        (
            "UPDATE scheduler_job SET status = 'COMPLETED', ended_at = {now} WHERE id = {job}",
            "UPDATE scheduler_allocation SET ended_at = {now} WHERE job_id = {job}",
        ),
        (
            ("job/{job}", "an attempt of it is over, but its workers had not been told to stop"),
            ("device/{first}", "PROCESSING, but nobody held it"),
            ("device/{second}", "PROCESSING, but nobody held it"),
        ),
        "COMPLETED/",
        *FAILED[1:],
    ),
    "a held device that looks free": Planted(
        ("UPDATE backends_device SET status = 'IDLE' WHERE id = {first}",),
        (("device/{first}", "IDLE, but somebody held it"),),
        *RUNS,
    ),
    "a device under a job that an operator's statement took out": Planted(
        ("UPDATE backends_device SET status = 'BUSY' WHERE id = {first}",),
        (("device/{first}", "BUSY, but a job held it"),),
        *RUNS,
    ),
    "a device under a job that is being cleaned": Planted(
        ("UPDATE backends_device SET status = 'CLEANING' WHERE id = {first}",),
        (("job/{job}", "a device was taken away under it"),),
        *FAILED,
    ),
    "a device under a job that was given up": Planted(
        ("UPDATE backends_device SET status = 'SHUTDOWN', why = 'NODE_LOST' WHERE id = {first}",),
        (("job/{job}", "a device was taken away under it"),),
        *FAILED,
    ),
    "a free device that was to leave": Planted(
        ("UPDATE backends_device SET drain_to = 'SHUTDOWN' WHERE id = {third}",),
        (("device/{third}", "IDLE, but it was to be SHUTDOWN"),),
        "RUNNING/",
        "PROCESSING PROCESSING SHUTDOWN",
        "PROCESSING PROCESSING SHUTDOWN",
    ),
    "a CLEANING device that nobody cleans": Planted(
        ("UPDATE backends_device SET status = 'CLEANING', cleaner = NULL WHERE id = {third}",),
        (("device/{third}", "CLEANING, but nobody was to clean it"),),
        "RUNNING/",
        "PROCESSING PROCESSING CLEANING",
        RUNS[2],
    ),
    "a CLEANING device whose order is settled": Planted(
        ("UPDATE backends_device SET status = 'CLEANING', cleaner = '" + "0" * 31 + "1' WHERE id = {third}",),
        (("device/{third}", "CLEANING by an order that is settled"),),
        "RUNNING/",
        "PROCESSING PROCESSING CLEANING",
        RUNS[2],
    ),
    "a live job without workers": Planted(
        ("DELETE FROM scheduler_worker WHERE job_id = {job}",),
        (("job/{job}", "held devices on which no worker of it is"),),
        *FAILED,
    ),
    "a live job whose worker is gone": Planted(
        ("UPDATE scheduler_worker SET state = 'GONE' WHERE job_id = {job}",),
        (("job/{job}", "held devices on which no worker of it is"),),
        *FAILED,
    ),
    "a live job with a worker where it holds nothing": Planted(
        (
            "INSERT INTO scheduler_worker (job_id, attempt, backend_id, devices, state, address, error) "
            "VALUES ({job}, 1, {rest}, '[2]', 'RUNNING', '', '')",
        ),
        (("job/{job}", "had a worker where it holds no device"),),
        *FAILED,
    ),
    "a worker that nobody was told to start": Planted(
        (
            "UPDATE scheduler_job SET status = 'SUBMITTED' WHERE id = {job}",
            "UPDATE scheduler_worker SET state = 'STARTING' WHERE job_id = {job}",
        ),
        (("job/{job}", "nobody had been told to start its worker"),),
        *FAILED,
    ),
    "a worker of an attempt that is over": Planted(
        (
            "INSERT INTO scheduler_worker (job_id, attempt, backend_id, devices, state, address, error) "
            "VALUES ({job}, 0, {node}, '[2]', 'RUNNING', '', '')",
        ),
        (("job/{job}", "an attempt of it is over, but its workers had not been told to stop"),),
        *RUNS,
    ),
    "a worker that stops without an order": Planted(
        (
            "INSERT INTO scheduler_worker (job_id, attempt, backend_id, devices, state, address, error) "
            "VALUES ({job}, 0, {node}, '[2]', 'STOPPING', '', '')",
        ),
        (("worker/{worker}", "stopping for job {job}, but nobody was to stop it"),),
        *RUNS,
    ),
    "a START order whose job no longer wants it": Planted(
        (
            "INSERT INTO backends_order (id, backend_id, verb, ref, devices, state, error, created_at) "
            "VALUES ('00000000000000000000000000000002', {node}, 'START', 987654, '[2]', 'PENDING', '', {now})",
        ),
        (("order/00000000-0000-0000-0000-000000000002", "START of worker 987654, whose job no longer wants it"),),
        *RUNS,
    ),
    "a waiting job that still has what it ran on": Planted(
        ("UPDATE scheduler_job SET status = 'WAITING' WHERE id = {job}",),
        (
            ("job/{job}", "waiting, but had begun and held 2 devices"),
            ("job/{job}", "an attempt of it is over, but its workers had not been told to stop"),
        ),
        "WAITING/",
        *FAILED[1:],
    ),
    "a live job that never began": Planted(
        ("UPDATE scheduler_job SET submitted_at = NULL WHERE id = {job}",),
        (("job/{job}", "held devices since nobody knows when"),),
        *FAILED,
    ),
    "a live job of a deleted SDA": Planted(
        ("UPDATE sda_sda SET deleted_at = {now} WHERE id = (SELECT sda_id FROM scheduler_job WHERE id = {job})",),
        (("job/{job}", "its SDA is deleted"),),
        *FAILED,
    ),
    "a notice of preemption to a job that waits": Planted(
        ("UPDATE scheduler_job SET leaves_at = {now} WHERE id = {waiting}",),
        (("job/{waiting}", "notice of preemption from another attempt"),),
        *RUNS,
    ),
    "a notice of preemption of an old attempt": Planted(
        ("UPDATE scheduler_job SET leaves_at = '2020-01-01 00:00:00+00' WHERE id = {job}",),
        (("job/{job}", "notice of preemption from another attempt"),),
        *RUNS,
    ),
    "an allocation that is billed to another customer": Planted(
        (
            "UPDATE scheduler_allocation SET token_id = (SELECT token_id FROM sda_sda WHERE id = {sda}) "
            "WHERE job_id = {job} AND device_id = {first}",
        ),
        (("job/{job}", "1 devices were billed to another customer or SDA"),),
        *RUNS,
    ),
    "a reserved SDA without its allocations": Planted(
        (
            "DELETE FROM scheduler_allocation WHERE sda_id = {sda}",
            "UPDATE backends_device SET status = 'IDLE' WHERE backend_id = {rest}",
        ),
        (("sda/{sda}", "held 0 of 2 reserved devices"),),
        *RUNS,
        reserved="PREPARING PREPARING IDLE",
    ),
    "a reserved SDA that holds too much": Planted(
        (
            "INSERT INTO scheduler_allocation (sda_id, token_id, device_id, started_at) SELECT sda_id, token_id, "
            "device_id + 2, started_at FROM scheduler_allocation WHERE sda_id = {sda} AND device_id = {on_rest}",
            "UPDATE backends_device SET status = 'PREPARING' WHERE backend_id = {rest}",
        ),
        (("sda/{sda}", "held 3 of 2 reserved devices"),),
        *RUNS,
        reserved="PREPARING PREPARING IDLE",
    ),
    "what an SDA holds that reserves nothing any more": Planted(
        ("UPDATE sda_sda SET reserved = '0' WHERE id = {sda}",),
        (("sda/{sda}", "reserves nothing any more, but held 2 devices"),),
        *RUNS,
        reserved="IDLE IDLE BUSY",
    ),
    "a reserved device in use by no job": Planted(
        ("UPDATE backends_device SET status = 'PROCESSING' WHERE id = {on_rest}",),
        (("device/{on_rest}", "PROCESSING, but no job ran on its reservation"),),
        *RUNS,
    ),
    "a queue leased by the dead": Planted(
        ("UPDATE scheduler_queue SET lease_until = '2999-01-01 00:00:00+00' WHERE group_id = 0",),
        (("queue/0", "its queue was leased until 2999-01-01T00:00:00Z"),),
        *RUNS,
    ),
    "a queue whose head does not wait": Planted(
        (
            "UPDATE scheduler_queue SET head = {job} WHERE group_id = 0",
            "UPDATE scheduler_job SET submitted_at = '2020-01-01 00:00:00+00' WHERE id = {job}",
            "UPDATE scheduler_job SET requested_at = '2020-01-01 00:00:00+00' WHERE id = {waiting}",
        ),
        (("queue/0", "job {job} was said to block its queue, but it does not wait there"),),
        *RUNS,
    ),
}


@pytest.mark.parametrize("planted", CASES.values(), ids=CASES)
def test_it_is_found_repaired_and_reported(world: World, planted: Planted) -> None:
    for sql in planted.sql:
        assert on(world, sql) >= 1
    numbers = numbers_of(world)
    expected = [(subject.format(**numbers), wrong.format(**numbers)) for subject, wrong in planted.findings]
    found = reconcile()
    assert [one[:3] for one in found] == [(*finding, True) for finding in expected]
    assert repairs() == expected
    last = dict(expected)
    alerts = Alert.objects.filter(category="INCONSISTENCY", cleared_at=None)
    about = {one.subject: one.about for one in found}
    assert {alert.subject: alert.text for alert in alerts} == {
        about[subject]: f"{subject}: {wrong}; repaired." for subject, wrong in last.items()
    }
    assert (_job(world), " ".join(make.statuses(world.node))) == (planted.job, planted.devices)
    assert reconcile() == []
    make.answer(world.node), make.answer(world.rest)
    assert " ".join(make.statuses(world.node)) == planted.at_last
    assert " ".join(make.statuses(world.rest)) == planted.reserved
    assert reconcile() == []
    _assert_nothing_is_left(world)


def _job(world: World) -> str:
    job = Job.objects.get(pk=world.job.pk)
    return f"{job.status}/{job.cause}"


def _assert_nothing_is_left(world: World) -> None:
    """Who is over, or waits, holds nothing; who runs holds what is its due; what can be proved is true."""
    held = Allocation.objects.filter(ended_at=None, job=world.job)
    assert held.filter(token=world.job.token_id).count() == (2 if _job(world) == "RUNNING/" else 0)
    present = Worker.objects.filter(job=world.job).exclude(state="GONE")
    assert present.count() == (1 if _job(world) == "RUNNING/" else 0)
    assert not Order.objects.filter(settled_at=None).exists()
    assert Queue.objects.get().lease_until is None
    assert not Job.objects.filter(preempt_at__isnull=False).exists()
