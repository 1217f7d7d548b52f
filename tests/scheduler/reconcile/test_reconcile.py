"""The reconciler finds every planted inconsistency, repairs it towards the safe side, and says so.

What is planted is written past all services, as a crash or a person at the database would leave it.
"""

import pytest
from django.core.management import call_command

from alerts.models import Alert
from alerts.services import acknowledge_alert
from backends.node_capacity import wrong_node_capacities
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job, Queue
from scheduler.reconcile import reconcile
from scheduler.reconcile.checks import Inconsistency
from scheduler.services.jobs import end_job
from tests import make
from tests.scheduler.reconcile.world import World, make_world, on, repairs
from usage.audit import audit_usage

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    return make_world()


def test_the_billing_of_a_job_that_is_over_ends_with_it(world: World) -> None:
    on(world, "UPDATE scheduler_job SET status = 'FAILED', ended_at = {now} WHERE id = {job}")
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
    on(world, "UPDATE scheduler_queue SET lease_until = '2999-01-01 00:00:00+00' WHERE group_id = 0")
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
    assert findings == [Inconsistency(f"job/{jobs[0].pk}", "two jobs at once on a reserved SDA")]
    assert set(Job.objects.filter(sda=world.sda).values_list("status", "cause")) == {("FAILED", "INCONSISTENT")}
    make.answer(world.rest)
    assert make.statuses(world.rest) == ["PREPARING", "PREPARING", "BUSY"]
    assert reconcile() == []


def test_what_cannot_be_repaired_now_is_reported_each_time_and_repaired_later(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    on(world, "DELETE FROM scheduler_allocation WHERE sda_id = {sda}")
    on(world, "UPDATE backends_device SET status = 'BUSY' WHERE backend_id = {rest}")
    wrong = Inconsistency(
        f"sda/{world.sda.pk}", "held 0 of 2 reserved devices, and 1 more are not free", repaired=False
    )
    assert reconcile() == [wrong]
    call_command("reconcile")
    assert capsys.readouterr().out == f"{wrong[0]}: {wrong[1]}; not repaired\n0 inconsistencies repaired.\n"
    alert = Alert.objects.get(category="INCONSISTENCY")
    assert (alert.text, alert.times) == (f"{wrong[0]}: {wrong[1]}; not repaired.", 2)
    assert repairs() == []
    on(world, "UPDATE backends_device SET status = 'IDLE' WHERE backend_id = {rest}")
    assert reconcile() == [Inconsistency(wrong[0], "held 0 of 2 reserved devices")]
    assert Allocation.objects.filter(sda=world.sda, ended_at=None).count() == 2


def test_an_alert_ends_when_it_was_acknowledged_and_its_cause_is_gone(world: World) -> None:
    on(world, "UPDATE scheduler_job SET leaves_at = {now} WHERE id = {waiting}")
    reconcile()
    alert = Alert.objects.get(category="INCONSISTENCY")
    reconcile()
    assert Alert.objects.get(pk=alert.pk).cleared_at is None
    acknowledge_alert(alert, actor=make.ACTOR)
    on(world, "UPDATE scheduler_job SET leaves_at = {now} WHERE id = {waiting}")
    reconcile()
    assert Alert.objects.get(pk=alert.pk).cleared_at is None
    reconcile()
    assert Alert.objects.get(pk=alert.pk).cleared_at is not None


def test_a_wrong_fair_rank_is_replaced_by_the_next_tick(world: World) -> None:
    on(world, "UPDATE scheduler_job SET turn = 7 WHERE id = {waiting}")
    tick(0)
    assert Job.objects.get(pk=world.waiting.pk).fair_rank == 0


@pytest.mark.only_postgresql
def test_a_node_capacity_that_differs_from_the_devices_is_counted_again(world: World) -> None:
    on(world, "UPDATE backends_room SET idle = 7, size = 4, group_id = 5 WHERE backend_id = {node}")
    on(world, "DELETE FROM backends_room WHERE backend_id = {rest}")
    wrong = [
        (f"backend/{world.rest.pk}", "kept as nothing, has 0 of 3 devices free (mask 0) for group 0"),
        (
            f"backend/{world.node.pk}",
            "kept as 3 of 4 devices free (mask 7) for group 5, has 1 of 3 devices free (mask 4) for group 0",
        ),
    ]
    assert reconcile() == [Inconsistency(*one) for one in wrong]
    assert repairs() == wrong
    assert wrong_node_capacities() == []
    assert reconcile() == []


def test_a_consistent_world_is_left_alone(world: World) -> None:
    assert reconcile() == []
    assert not Alert.objects.exists()
    assert audit_usage().differences == []
