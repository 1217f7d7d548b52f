"""What there is now: the numbers are those of the console."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from alerts.choices import Category, Level
from alerts.codes import Code
from alerts.services import clear_alert, raise_alert
from alerts.subjects import node as node_subject
from backends.choices import BackendStatus
from backends.models import Backend, BackendGroup, Device
from console.queries.home import counts
from core.clock import db_now
from liveness.models import Sign
from scheduler.models import Job
from tests import make
from tests.console.allocations import HOUR, NINE, hold
from tests.console.jobs_data import CLOCK, group
from tests.moreh_cloud.metrics.scrape import KEY, Series, ask, scrape, some
from usage.services import recount_hours

pytestmark = pytest.mark.django_db
HERE = "default_backend_group"


@pytest.fixture(autouse=True)
def _key(settings: Any) -> None:
    settings.MOREH_METRICS_KEY = KEY


def test_a_new_installation_tells_zeros() -> None:
    told = scrape()
    assert told["moreh_jobs"] == {(HERE, status): 0 for status in ("WAITING", "SUBMITTED", "RUNNING")}
    assert told["moreh_nodes"] == {(HERE, "ACTIVE"): 0, (HERE, "SHUTDOWN"): 0}
    assert (len(told["moreh_devices"]), some(told["moreh_devices"])) == (6, {})
    assert told["moreh_queue_oldest_wait_seconds"] == {(HERE,): 0}
    assert told["moreh_alerts_open"] == {("NOTICE",): 0, ("WARNING",): 0, ("CRITICAL",): 0}
    assert told["moreh_device_seconds_total"] == {("preparing",): 0, ("processing",): 0, ("reserved",): 0}


def test_nodes_and_devices_by_group_and_state_are_those_of_the_console() -> None:
    busy, other = make.ready_backend(4), make.backend(2, group=group("서울"))
    make.running_job(busy, 3)
    Device.objects.filter(backend=busy, index=3).update(status="BUSY")
    Backend.objects.filter(pk=other.pk).update(status=BackendStatus.SHUTDOWN)
    Backend.objects.filter(pk=make.backend(8).pk).update(deleted_at=db_now())
    told, console = scrape(), counts(db_now())
    assert some(told["moreh_devices"]) == {(HERE, "PROCESSING"): 3, (HERE, "BUSY"): 1, ("서울", "SHUTDOWN"): 2}
    assert some(told["moreh_nodes"]) == {(HERE, "ACTIVE"): 1, ("서울", "SHUTDOWN"): 1}
    assert told["moreh_fleet_devices"] == {("in-use",): 3, ("available",): 0, ("unavailable",): 3}
    assert told["moreh_fleet_nodes"] == {("in-use",): 1, ("available",): 0, ("unavailable",): 1}
    assert _plain(told["moreh_fleet_devices"]) == console.devices
    assert _plain(told["moreh_fleet_nodes"]) == console.nodes


def _plain(series: Series) -> dict[str, float]:
    return {label: value for (label,), value in some(series).items()}


def test_live_jobs_and_the_longest_wait() -> None:
    make.running_job(make.ready_backend(1))
    first, _second = make.job(), make.job()
    Job.objects.filter(pk=first.pk).update(requested_at=db_now() - timedelta(minutes=7))
    before = Job.objects.get(pk=first.pk).requested_at
    earliest, told, latest = db_now(), scrape(), db_now()
    assert some(told["moreh_jobs"]) == {(HERE, "RUNNING"): 1, (HERE, "WAITING"): 2}
    waited = timedelta(seconds=told["moreh_queue_oldest_wait_seconds"][HERE,])
    assert earliest - before <= waited <= latest - before


def test_open_alerts_by_level() -> None:
    for number, level in enumerate((Level.WARNING, Level.WARNING, Level.CRITICAL, Level.NOTICE)):
        raise_alert(Code.CHECK_FAILED, node_subject(number), node="-", error="-", level=level)
    clear_alert(Category.GPU_ERROR, node_subject(3))
    told = scrape()["moreh_alerts_open"]
    assert told == {("NOTICE",): 0, ("WARNING",): 2, ("CRITICAL",): 1}
    assert _plain(told) == counts(db_now()).alerts


def test_a_name_that_would_end_its_line_does_not() -> None:
    BackendGroup.objects.update(name='a "b"\\\nc')
    assert scrape()["moreh_queue_oldest_wait_seconds"] == {('a "b"\\\nc',): 0}


def test_the_ages_of_processes_and_of_periodic_work_are_told() -> None:
    assert (some(scrape()["moreh_tick_fallback"]), "moreh_process_age_seconds" in scrape()) == ({}, False)
    at = db_now() - timedelta(seconds=40)
    for name in ("worker", "power worker", "beat", "tick", "sweep"):
        Sign.objects.create(name=name, begun_at=at, seen_at=at, fallback=name == "tick")
    Sign.objects.create(name="roll-up", begun_at=at)
    told = scrape()
    assert {name for (name,) in told["moreh_process_age_seconds"]} == {"worker", "power worker", "beat"}
    assert {name for (name,) in told["moreh_periodic_age_seconds"]} == {"tick", "sweep"}
    assert 40 <= told["moreh_periodic_age_seconds"]["sweep",] < 45
    assert told["moreh_tick_fallback"] == {(): 1}


def test_as_many_queries_for_two_customers_as_for_twenty() -> None:
    _customers(2)
    recount_hours(NINE, NINE + 3 * HOUR, actor=make.ACTOR)
    few = _queries()
    _customers(18)
    recount_hours(NINE, NINE + 3 * HOUR, actor=make.ACTOR)
    assert len(scrape()["moreh_token_device_seconds_total"]) == 20
    assert few == _queries() == 31 + 5 * CLOCK


def _customers(number: int) -> None:
    """Make customers, each with a node in a group of its own, a job that ran, one that waits, and an alert."""
    for _ in range(number):
        node = make.backend(1, group=group(f"group {BackendGroup.objects.count()}"))
        hold(make.token(), node, NINE, NINE + HOUR)
        raise_alert(Code.NODE_LOST, node_subject(node.pk), node="-")


def _queries() -> int:
    with CaptureQueriesContext(connection) as seen:
        assert ask().status_code == 200
    return len(seen)


def test_waiting_jobs_by_reason_and_the_devices_that_tokens_hold() -> None:
    node = make.ready_backend(4)
    running = make.running_job(node, 3)
    waiting, wide = make.job(), make.job(num_devices=2)
    Job.objects.filter(pk=wide.pk).update(pending_reason="NOT_ENOUGH_DEVICES")
    told = scrape()
    assert some(told["moreh_queue_jobs"]) == {(HERE, "NOT_PLANNED"): 1, (HERE, "NOT_ENOUGH_DEVICES"): 1}
    assert some(told["moreh_queue_devices"]) == {(HERE, "NOT_PLANNED"): 1, (HERE, "NOT_ENOUGH_DEVICES"): 2}
    assert told["moreh_token_devices"] == {(HERE, str(running.token_id)): 3}
    assert waiting.token_id != running.token_id
