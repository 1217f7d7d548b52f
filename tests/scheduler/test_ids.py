"""Ids and resume keys after an older database was restored: none is given out twice, none opens somebody else's job."""

import tracemalloc
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, Max
from django.utils.crypto import salted_hmac
from pytest_django import DjangoAssertNumQueries

from backends.models import Agent, Backend, Device
from core.clock import db_now
from core.errors import NotFound
from scheduler.ids import keep_ids_new
from scheduler.models import Allocation, IdClock, Job, SkippedIds, UnknownWorker, Worker
from scheduler.services.submission import resume_job, resume_key
from scheduler.services.workers import lose_worker
from scheduler.work import sweep, tick_all
from tests import make
from tests.api import events
from tests.transitions import unchecked

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def started(node: Backend) -> tuple[Job, Worker]:
    """Make a job whose worker runs."""
    job = make.running_job(node)
    return job, Worker.objects.get(job=job)


def restore(ago: timedelta, jobs: int, workers: int) -> None:
    """Forget all that came after the ids of some job and worker, as a database of that time would."""
    Allocation.objects.filter(job__gt=jobs).delete()
    Worker.objects.filter(pk__gt=workers).delete()
    Job.objects.filter(pk__gt=jobs).delete()
    for model, last in ((Job, jobs), (Worker, workers)):
        table = model._meta.db_table
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, last])
            else:
                cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [last, table])
    IdClock.objects.update(at=db_now() - ago)


def test_no_id_of_a_job_or_a_worker_is_given_out_twice() -> None:
    node = make.ready_backend(8)
    first, worker = started(node)
    lost = [started(node) for _time in range(3)]
    restore(HOUR, first.pk, worker.pk)
    with unchecked():
        Device.objects.filter(backend=node).exclude(index=0).update(status="IDLE")
    keep_ids_new(db_now())
    Agent.objects.update(last_seen=db_now())
    new = [started(node) for _time in range(3)]
    assert min(job.pk for job, _worker in new) > max(job.pk for job, _worker in lost) + 3_590_000
    assert min(worker.pk for _job, worker in new) > max(worker.pk for _job, worker in lost) + 3_590_000
    ids = [job.pk for job, _worker in new]
    assert ids == list(range(ids[0], ids[0] + 3))  # they were skipped once


def test_after_a_restore_nothing_starts_on_a_node_before_its_agent_has_said_what_runs_there() -> None:
    node, worker = lost_worker()
    job = make.job(request_id="new")
    tick_all()
    job.refresh_from_db()
    assert (job.status, job.num_devices) == ("WAITING", 1)
    make.hello(node, 2, running={worker: [0]})
    make.answer(node, "CLEAN")
    tick_all()
    job.refresh_from_db()
    assert job.status == "SUBMITTED"
    assert list(Allocation.objects.filter(job=job).values_list("device__index", flat=True)) == [1]
    assert make.statuses(node) == ["SHUTDOWN", "PREPARING"]


def test_skipping_millions_of_ids_costs_no_more_than_skipping_one() -> None:
    first = make.job()
    IdClock.objects.update(at=db_now() - HOUR)
    tracemalloc.start()
    try:
        keep_ids_new(db_now())
        _now, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < 1_000_000
    assert make.job().pk == SkippedIds.objects.get(table="scheduler_job").last + 1 > first.pk + 3_600_000


def test_while_somebody_serves_ids_follow_each_other(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    first = make.job()
    IdClock.objects.update(at=db_now() - timedelta(seconds=4))
    assert make.job().pk == first.pk + 1
    assert SkippedIds.objects.count() == 0
    now = db_now()
    keep_ids_new(now)
    with django_assert_num_queries(1):
        keep_ids_new(now)


def test_a_clock_that_was_set_back_skips_nothing() -> None:
    first = make.job()
    IdClock.objects.update(at=db_now() + HOUR)
    assert make.job().pk == first.pk + 1
    assert IdClock.objects.get().at <= db_now()


def test_the_key_of_a_lost_job_opens_no_later_job_with_its_id() -> None:
    job = make.job(request_id="one")
    key = resume_key(job)
    assert resume_job(job.token, job.pk, key) == job
    for changed in ({"request_id": "two"}, {"requested_at": F("requested_at") + timedelta(milliseconds=1)}):
        Job.objects.filter(pk=job.pk).update(**changed)
        with pytest.raises(NotFound):
            resume_job(job.token, job.pk, key)
        Job.objects.filter(pk=job.pk).update(request_id="one", requested_at=job.requested_at)


def test_clients_of_jobs_of_an_earlier_version_come_back_with_the_keys_they_have() -> None:
    job = make.job()
    old = salted_hmac("scheduler.resume", str(job.pk), algorithm="sha256").hexdigest()
    with pytest.raises(NotFound):
        resume_job(job.token, job.pk, old)
    Job.objects.filter(pk=job.pk).update(key_form=1)
    assert resume_job(job.token, job.pk, old) == job


def lost_worker() -> tuple[Backend, int]:
    """Make a node that runs a worker on device 0, of which its restored database does not know."""
    node = make.ready_backend(2)
    left, worker = started(node)
    Job.objects.filter(pk=left.pk).update(status="WAITING")
    make.job()
    after = (Job.objects.aggregate(Max("pk"))["pk__max"], worker.pk)
    restore(HOUR, *after)
    Worker.objects.all().delete()
    Allocation.objects.all().delete()
    Job.objects.all().delete()
    keep_ids_new(db_now())
    with unchecked():
        Device.objects.filter(backend=node).update(status="IDLE", why="")
    return node, worker.pk + 1


def states(node: Backend) -> list[tuple[str, str]]:
    return list(Device.objects.filter(backend=node).order_by("index").values_list("status", "why"))


def orders(node: Backend) -> list[tuple[str, int | None]]:
    return list(make.orders(node).values_list("verb", "ref"))


def test_a_worker_of_a_lost_time_runs_on_is_recorded_and_stopped_after_a_day(settings: Any) -> None:
    node, lost = lost_worker()
    make.hello(node, 2, boot=2, running={lost: [0]})
    assert states(node) == [("SHUTDOWN", "UNKNOWN_WORKER"), ("IDLE", "")]
    assert orders(node) == []
    assert events("KEEP_UNKNOWN_WORKERS") == [
        (f"backend/{node.pk}", {"workers": [{"worker": lost, "job": 0, "devices": [0]}]})
    ]
    make.hello(node, 2, boot=3, running={lost: [0]})
    sweep()
    assert (orders(node), len(events("KEEP_UNKNOWN_WORKERS"))) == ([], 1)
    UnknownWorker.objects.update(seen_at=db_now() - settings.MOREH_UNKNOWN_WORKER_GRACE)
    sweep()
    sweep()
    assert orders(node) == [("STOP", lost)]
    make.answer(node)
    assert (states(node), UnknownWorker.objects.count()) == ([("IDLE", ""), ("IDLE", "")], 0)


def test_a_worker_of_a_lost_time_that_ends_frees_its_devices() -> None:
    node, lost = lost_worker()
    make.hello(node, 2, boot=2, running={lost: [0]})
    lose_worker(node, lost, error="it ended")
    make.answer(node, "CLEAN")
    assert states(node) == [("IDLE", ""), ("IDLE", "")]
    assert events("UNKNOWN_WORKER_ENDED") == [(f"backend/{node.pk}", {"worker": lost, "job": 0})]


def test_nothing_is_placed_under_a_worker_of_a_lost_time() -> None:
    node, lost = lost_worker()
    make.hello(node, 2, boot=2, running={lost: [0]})
    jobs = [make.job(), make.job()]
    tick_all()
    held = Allocation.objects.filter(job__in=jobs, ended_at=None).values_list("device__index", flat=True)
    assert list(held) == [1]


def test_a_worker_that_was_never_given_out_is_stopped_at_once(settings: Any) -> None:
    node, lost = lost_worker()
    strange = SkippedIds.objects.filter(table="scheduler_worker").aggregate(Max("last"))["last__max"] + 1
    make.hello(node, 2, boot=2, running={strange: [1]})
    assert orders(node) == [("STOP", strange)]
    settings.MOREH_UNKNOWN_WORKER_GRACE = timedelta(0)
    make.answer(node)
    make.hello(node, 2, boot=3, running={lost: [0]})
    assert orders(node) == [("STOP", lost)]
