"""The reconciler finds every planted inconsistency, repairs it towards the safe side, and says so.

What is planted is written past all services, as a crash or a person at the database would leave it.
"""

from typing import Any, NamedTuple

import pytest
from django.core.management import call_command
from django.utils import timezone

from backends.models import Backend, Device, Order
from backends.rooms import wrong_rooms
from moreh_cloud.alerts.models import Alert
from moreh_cloud.alerts.services import acknowledge_alert
from moreh_cloud.events.models import Event
from scheduler.models import Allocation, Job, Queue, Worker
from scheduler.reconcile import reconcile
from scheduler.reconcile.looks import Finding
from scheduler.services.jobs import end_job
from scheduler.services.sdas import create_sda
from scheduler.tick import tick
from sda.models import Sda
from tests import make
from usage.proof import prove

pytestmark = pytest.mark.django_db


class World(NamedTuple):
    """A node of three devices, of which a job has two; one of four waits; a reserved SDA has a node of its own."""

    node: Backend
    job: Job
    waiting: Job
    rest: Backend
    sda: Sda


@pytest.fixture
def world() -> World:
    rest = make.ready_backend(3)
    sda = create_sda(make.token(), make.sda_model(2), reserved=True, actor=make.ACTOR)
    node = make.ready_backend(3)
    make.sql("UPDATE backends_device SET status = 'BUSY' WHERE status = 'IDLE' AND backend_id = %s", rest.pk)
    job = make.running_job(node, num_devices=2)
    waiting = make.job(num_devices=4)
    tick(0)
    assert reconcile() == []
    return World(node, job, waiting, rest, sda)


def _on(world: World, sql: str) -> int:
    """Run a statement in which {job}, {node}, … stand for numbers of the world."""
    return make.sql(sql.format(**_numbers(world), now=f"'{timezone.now():%Y-%m-%d %H:%M:%S.%f}+00'"))


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
def test_it_is_found_repaired_and_told(world: World, planted: Planted) -> None:
    for sql in planted.sql:
        assert _on(world, sql) >= 1
    numbers = _numbers(world)
    expected = [(subject.format(**numbers), wrong.format(**numbers)) for subject, wrong in planted.findings]
    assert reconcile() == [Finding(*finding) for finding in expected]
    assert _said() == expected
    last = dict(expected)
    assert dict(Alert.objects.filter(category="INCONSISTENCY", cleared_at=None).values_list("subject", "content")) == {
        subject: f"{subject}: {wrong}; repaired." for subject, wrong in last.items()
    }
    assert (_job(world), " ".join(make.statuses(world.node))) == (planted.job, planted.devices)
    assert reconcile() == []
    make.answer(world.node), make.answer(world.rest)
    assert " ".join(make.statuses(world.node)) == planted.at_last
    assert " ".join(make.statuses(world.rest)) == planted.reserved
    assert reconcile() == []
    _assert_nothing_is_left(world)


def _numbers(world: World) -> dict[str, Any]:
    first, second, third = Device.objects.filter(backend=world.node).order_by("index").values_list("pk", flat=True)
    on_rest = Device.objects.filter(backend=world.rest).order_by("index").values_list("pk", flat=True)[0]
    worker = Worker.objects.latest("pk").pk if Worker.objects.exists() else 0
    numbers = {name: row.pk for name, row in world._asdict().items()}
    return numbers | {"first": first, "second": second, "third": third, "on_rest": on_rest, "worker": worker}


def _said() -> list[tuple[str, str]]:
    events = Event.objects.filter(action="REPAIR").order_by("pk")
    return [(event.subject, event.request["wrong"]) for event in events]


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
    assert not Job.objects.filter(leaves_at__isnull=False).exists()


def test_the_billing_of_a_job_that_is_over_ends_with_it(world: World) -> None:
    _on(world, "UPDATE scheduler_job SET status = 'FAILED', ended_at = {now} WHERE id = {job}")
    ended_at = Job.objects.get(pk=world.job.pk).ended_at
    assert ended_at
    reconcile()
    spans = Allocation.objects.filter(job=world.job).values_list("started_at", "ended_at")
    assert [max(start, ended_at) == end for start, end in spans] == [True, True]


def test_a_queue_leased_by_the_dead_ticks_again_under_another_epoch(world: World) -> None:
    before = Queue.objects.get().epoch
    end_job(world.job.pk, "CANCELED", actor=make.ACTOR)  # type: ignore[arg-type]
    make.answer(world.node)
    Job.objects.filter(pk=world.waiting.pk).update(num_devices=1)
    _on(world, "UPDATE scheduler_queue SET lease_until = '2999-01-01 00:00:00+00' WHERE group_id = 0")
    tick(0)
    assert Job.objects.get(pk=world.waiting.pk).status == "WAITING"
    reconcile()
    tick(0)
    assert Job.objects.get(pk=world.waiting.pk).status == "SUBMITTED"
    assert Queue.objects.get().epoch == before + 2


def test_two_jobs_at_once_on_a_reservation_both_fail(world: World) -> None:
    jobs = [make.job(world.sda), make.job(world.sda)]
    tick(0)
    make.answer(world.rest, "START")
    make.sql("UPDATE scheduler_job SET status = 'RUNNING', submitted_at = requested_at WHERE sda_id = %s", world.sda.pk)
    findings = [finding for finding in reconcile() if finding.subject.startswith("job/")]
    assert findings == [Finding(f"job/{jobs[0].pk}", "two jobs at once on a reserved SDA")]
    assert set(Job.objects.filter(sda=world.sda).values_list("status", "cause")) == {("FAILED", "INCONSISTENT")}
    make.answer(world.rest)
    assert make.statuses(world.rest) == ["PREPARING", "PREPARING", "BUSY"]
    assert reconcile() == []


def test_what_cannot_be_repaired_now_is_said_each_time_and_repaired_later(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    _on(world, "DELETE FROM scheduler_allocation WHERE sda_id = {sda}")
    _on(world, "UPDATE backends_device SET status = 'BUSY' WHERE backend_id = {rest}")
    said = Finding(f"sda/{world.sda.pk}", "held 0 of 2 reserved devices, and 1 more are not free", repaired=False)
    assert reconcile() == [said]
    call_command("reconcile")
    assert capsys.readouterr().out == f"{said[0]}: {said[1]}; not repaired\n0 inconsistencies repaired.\n"
    alert = Alert.objects.get(category="INCONSISTENCY")
    assert (alert.content, alert.times) == (f"{said[0]}: {said[1]}; not repaired.", 2)
    assert _said() == []
    _on(world, "UPDATE backends_device SET status = 'IDLE' WHERE backend_id = {rest}")
    assert reconcile() == [Finding(said[0], "held 0 of 2 reserved devices")]
    assert Allocation.objects.filter(sda=world.sda, ended_at=None).count() == 2


def test_an_alert_is_over_when_it_was_seen_and_its_cause_is_gone(world: World) -> None:
    _on(world, "UPDATE scheduler_job SET leaves_at = {now} WHERE id = {waiting}")
    reconcile()
    alert = Alert.objects.get(category="INCONSISTENCY")
    reconcile()
    assert Alert.objects.get(pk=alert.pk).cleared_at is None
    acknowledge_alert(alert, actor=make.ACTOR)
    _on(world, "UPDATE scheduler_job SET leaves_at = {now} WHERE id = {waiting}")
    reconcile()
    assert Alert.objects.get(pk=alert.pk).cleared_at is None
    reconcile()
    assert Alert.objects.get(pk=alert.pk).cleared_at is not None


def test_a_stale_turn_is_mended_by_the_next_tick(world: World) -> None:
    _on(world, "UPDATE scheduler_job SET turn = 7 WHERE id = {waiting}")
    tick(0)
    assert Job.objects.get(pk=world.waiting.pk).turn == 0


@pytest.mark.only_postgresql
def test_a_room_that_is_not_what_the_devices_say_is_counted_again(world: World) -> None:
    _on(world, "UPDATE backends_room SET idle = 7, size = 4, group_id = 5 WHERE backend_id = {node}")
    _on(world, "DELETE FROM backends_room WHERE backend_id = {rest}")
    said = [
        (f"backend/{world.rest.pk}", "kept as nothing, has 0 of 3 devices free (mask 0) for group 0"),
        (
            f"backend/{world.node.pk}",
            "kept as 3 of 4 devices free (mask 7) for group 5, has 1 of 3 devices free (mask 4) for group 0",
        ),
    ]
    assert reconcile() == [Finding(*one) for one in said]
    assert _said() == said
    assert wrong_rooms() == []
    assert reconcile() == []


def test_a_sound_world_is_left_alone(world: World) -> None:
    assert reconcile() == []
    assert not Alert.objects.exists()
    assert prove().differences == []
