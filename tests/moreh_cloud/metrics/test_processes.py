"""What processes count: stored by each, added up over all, and never falling when one of them ends or sleeps."""

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from core.clock import db_now
from core.measures import Counter, Gauge, Histogram, Measure
from liveness.models import ENDED, ProcessCounts
from liveness.services import add_up_ended
from moreh_cloud.metrics.processes import DEFINED_IN
from moreh_cloud.metrics.recorder import Recorder, measure_statements
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.reconcile import reconcile
from tests import make
from tests.api import V2, client
from tests.console.jobs_data import group
from tests.moreh_cloud.metrics.scrape import KEY, Series, scrape

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _own_measures(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with measures that have counted nothing."""
    settings.MOREH_METRICS_KEY = KEY
    for name in DEFINED_IN:
        import_module(name)
    for measure in Measure.every.values():
        monkeypatch.setattr(measure, "_numbers", {})


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> tuple[Counter, Gauge, Histogram]:
    monkeypatch.setattr(Measure, "every", dict(Measure.every))
    return (
        Counter("moreh_test_total", "A test.", ("who",)),
        Gauge("moreh_test", "A test."),
        Histogram("moreh_test_seconds", "A test.", ("group",), (1.0, 5.0)),
    )


def test_counts_of_processes_are_added_up_and_groups_told_by_name(own: tuple[Counter, Gauge, Histogram]) -> None:
    counter, gauge, histogram = own
    far = group("서울")
    first, second = Recorder("web"), Recorder("worker")
    counter.add("a")
    gauge.put(number=3)
    for value in (1.0, 1.5, 7.0):
        histogram.add(str(far.pk), value=value)
    first.store()
    counter.add("b", number=0)
    second.store()
    told = scrape()
    assert told["moreh_test_total"] == {("a",): 2, ("b",): 0}
    assert told["moreh_test"] == {("web",): 3, ("worker",): 3}
    assert told["moreh_test_seconds_bucket"] == {("서울", "1.0"): 2, ("서울", "5.0"): 4, ("서울", "+Inf"): 6}
    assert (told["moreh_test_seconds_count"], told["moreh_test_seconds_sum"]) == ({("서울",): 6}, {("서울",): 19})
    assert told["moreh_processes"] == {("web",): 1, ("worker",): 1}


def test_a_process_that_has_ended_or_slept_takes_nothing_back(own: tuple[Counter, Gauge, Histogram]) -> None:
    counter, gauge, _histogram = own
    process = Recorder("web")
    counter.add("a")
    gauge.put(number=3)
    process.store()
    asleep()
    add_up_ended()
    assert list(ProcessCounts.objects.values_list("pk", flat=True)) == [ENDED]
    assert (scrape()["moreh_test_total"], "moreh_test" in scrape()) == ({("a",): 1}, False)
    counter.add("a")
    process.store()
    assert (scrape()["moreh_test_total"], scrape()["moreh_test"]) == ({("a",): 2}, {("web",): 3})
    asleep()
    add_up_ended()
    assert scrape()["moreh_test_total"] == {("a",): 2}


def asleep() -> None:
    ProcessCounts.objects.update(seen_at=db_now() - timedelta(minutes=11))


def test_more_sets_of_labels_than_we_keep_are_told_as_others(
    own: tuple[Counter, Gauge, Histogram], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.measures.MOST", 2)
    for who in "abcd":
        own[0].add(who)
    assert own[0].snapshot() == [(["a"], [1]), (["b"], [1]), (["other"], [2])]


def counted(name: str) -> Series:
    Recorder("web").store()
    return scrape()[name]


def test_requests_by_route_without_ids() -> None:
    Client().get(f"/admin/backends/backend/{make.backend().pk}/change/")
    client().get(f"{V2}/backend?id=7")
    Client().get("/no/such?token=s3cret")
    Client().get("/api/v2/no/such")
    Client().generic("BREW", "/livez")
    assert counted("moreh_http_request_duration_seconds_count") == {
        ("GET", "admin/backends/backend/<path:object_id>/change/", "3xx"): 1,
        ("GET", "api/v2/backend", "2xx"): 1,
        ("GET", "none", "4xx"): 2,
        ("OTHER", "livez", "2xx"): 1,
    }


def test_statements_by_their_first_word() -> None:
    measure_statements(connection)
    try:
        list(Job.objects.all())
        Job.objects.update(priority=0)
        measure_statements(connection)
    finally:
        connection.execute_wrappers.clear()
    assert counted("moreh_database_statement_duration_seconds_count") == {("SELECT",): 1, ("UPDATE",): 1}


def test_cycles_and_how_long_their_jobs_had_waited(django_capture_on_commit_callbacks: Any) -> None:
    make.ready_backend(2)
    first, second = make.job(), make.job()
    Job.objects.filter(pk=first.pk).update(requested_at=db_now() - timedelta(minutes=4))
    with django_capture_on_commit_callbacks(execute=True):
        tick(second.group_id)
    waits = counted("moreh_job_wait_seconds_bucket")
    sums = {le: waits["default_backend_group", le] for le in ("1.0", "60.0", "300.0", "86400.0", "+Inf")}
    assert sums == {"1.0": 1, "60.0": 1, "300.0": 2, "86400.0": 2, "+Inf": 2}
    assert counted("moreh_tick_duration_seconds_count")[()] == 2


def test_what_the_reconciler_finds() -> None:
    make.backend()
    reconcile()
    assert set(counted("moreh_inconsistencies_total").values()) == {0}
    job = make.running_job(make.ready_backend(1))
    make.sql("UPDATE scheduler_allocation SET ended_at = started_at WHERE job_id = %s", job.pk)
    reconcile()
    assert counted("moreh_inconsistencies_total")["job",] == 1


@pytest.mark.only_postgresql
def test_connections_in_the_pool() -> None:
    told = counted("moreh_database_pool_connections")
    assert set(told) == {("web", "idle"), ("web", "used")}
    assert sum(told.values()) >= 1
    assert scrape()["moreh_database_pool_limit"] == {("web",): 40}
    assert scrape()["moreh_database_pool_waiting"] == {("web",): 0}


def test_memory_of_processes() -> None:
    assert 2**25 < counted("moreh_process_resident_memory_bytes")["web",] < 2**31


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_logged_once_and_delays_the_counts(
    own: tuple[Counter, Gauge, Histogram], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("django.db.connections.close_all", lambda: None)
    process = Recorder("web")
    own[0].add("a")

    def refuse(*_query: Any) -> None:
        raise OperationalError("password=s3cret")

    with connection.execute_wrapper(refuse):
        for _ in range(3):
            process.try_to_store()
    process.try_to_store()
    assert scrape()["moreh_test_total"] == {("a",): 1}
    lines = [record.getMessage() for record in caplog.records if "counts_not_stored" in record.getMessage()]
    assert (len(lines), "s3cret" in caplog.text) == (1, False)
