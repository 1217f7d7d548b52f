"""A node whose power-off is confirmed is out of service in the very transaction that says so."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.db.models import F

from backends.choices import PowerStatus
from backends.models import Agent, Backend
from backends.services.power_readings import PowerReading, store_power_readings
from core.clock import db_now
from events.models import Event
from scheduler.choices import JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Allocation, Job
from tests import make
from tests.scheduler.cycle.test_reserved import reserved

pytestmark = pytest.mark.django_db
OFF = PowerReading(PowerStatus.OFF)


def _spoke_before(*nodes: Backend) -> None:
    Agent.objects.filter(pk__in=[node.pk for node in nodes]).update(last_seen=F("last_seen") - timedelta(seconds=1))


def test_nothing_is_placed_on_it_and_what_ran_there_has_ended() -> None:
    node = make.ready_backend(4)
    running, sda = make.running_job(node), reserved(1)
    _spoke_before(node)
    store_power_readings({node.pk: OFF}, at=db_now())
    node.refresh_from_db()
    assert (node.status, node.why, make.statuses(node)) == ("SHUTDOWN", "POWERED_OFF", ["SHUTDOWN"] * 4)
    assert Job.objects.values_list("status", "cause").get(pk=running.pk) == ("FAILED", "POWERED_OFF")
    assert list(Allocation.objects.filter(ended_at=None).values_list("sda", flat=True)) == [sda.pk]
    waiting = make.job()
    tick(waiting.group_id)
    waiting.refresh_from_db()
    assert (waiting.status, waiting.pending_reason) == (JobStatus.WAITING, "NO_ACTIVE_BACKEND")


def test_what_notes_it_and_what_it_ends_are_one_transaction() -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    _spoke_before(node)
    with transaction.atomic():
        store_power_readings({node.pk: OFF}, at=db_now())
        transaction.set_rollback(True)
    node.refresh_from_db()
    assert (node.status, node.bmc.status, make.statuses(node)) == ("ACTIVE", "unknown", ["PROCESSING"])
    assert Job.objects.get(pk=job.pk).status == JobStatus.RUNNING


def test_many_that_are_off_at_once_are_all_out_and_those_that_spoke_since_stay() -> None:
    nodes = [make.ready_backend(1) for _ in range(25)]
    _spoke_before(*nodes[1:])
    Agent.objects.filter(pk=nodes[0].pk).update(last_seen=F("last_seen") + timedelta(minutes=1))
    store_power_readings({node.pk: OFF for node in nodes}, at=db_now())
    assert list(Backend.objects.filter(status="ACTIVE")) == nodes[:1]
    assert Event.objects.filter(action="BACKEND_LOST", request__why="POWERED_OFF").count() == 24
