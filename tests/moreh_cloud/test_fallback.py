"""Who steps in when beat, the workers or the broker are gone, and that nobody does while they are there."""

import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import redis
from celery.beat import ScheduleEntry
from celery.schedules import schedule
from django.db import connection
from django.test.utils import CaptureQueriesContext
from kombu import pools

from backends.models import ManagerPresence
from backends.tasks import drive_power
from core import wakeups
from core.clock import db_now
from liveness import services
from liveness.models import Sign
from liveness.queries import heartbeats
from moreh_cloud.beat import SteadyScheduler
from moreh_cloud.celery import app, note_begun, note_done
from moreh_cloud.fallback import Fallback
from moreh_cloud.settings.beat import CELERY_BEAT_SCHEDULE
from scheduler.choices import Cause, JobStatus
from scheduler.models import Job
from scheduler.tasks import tick, tick_all
from tests import make
from tests import services as servers

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _nothing_written_yet() -> Iterator[None]:
    services._written.clear()
    yield
    wakeups.carry_out_with(None)
    wakeups._client, wakeups._well, wakeups._away_until = (
        None,
        True,
        0.0,
    )  # a thread may have connected to a broker of the test


@pytest.fixture
def away(settings: Any) -> Iterator[None]:
    """No broker."""
    nowhere, before = f"redis://127.0.0.1:{servers.free_port()}/0", settings.CELERY_BROKER_URL
    settings.REDIS_URL = nowhere
    _use(nowhere)
    yield
    _use(before)


def _use(broker: str) -> None:
    wakeups._client, wakeups._well, wakeups._away_until = None, True, 0.0
    celery: Any = app
    celery.conf.broker_url = broker
    celery.amqp._producer_pool = celery._pool = None
    pools.reset()


def helper(up_for: float = 3600.0, queues: tuple[str, ...] = ("celery",), processes: tuple[str, ...] = ()) -> Fallback:
    """Make one that has been up for so many seconds."""
    made = Fallback("helper", queues, processes)
    made._begun -= up_for
    return made


def looked(one: Fallback) -> None:
    """Look, and wait until all that was begun is done."""
    one.run_once()
    one._threads.shutdown()


def seen(name: str, ago: float, *, fallback: bool = False) -> None:
    at = db_now() - timedelta(seconds=ago)
    Sign.objects.update_or_create(
        name=name, defaults={"begun_at": at, "seen_at": at, "by": "worker@there", "fallback": fallback}
    )


def everything_seen(ago: float = 1.0) -> None:
    for name in CELERY_BEAT_SCHEDULE:
        seen(name, ago)


def stepped_in() -> set[str]:
    return set(Sign.objects.filter(by__startswith="helper@").values_list("name", flat=True))


def test_nobody_steps_in_while_the_workers_work_and_that_costs_one_query() -> None:
    everything_seen()
    one = helper()
    with CaptureQueriesContext(connection) as queries:
        one.run_once()
    assert len(queries) == 1
    assert stepped_in() == set()


def waiting_job() -> Job:
    """Make a job that waits, and a node for it, of which no worker has heard."""
    job = make.job()
    make.ready_backend(1)
    assert Job.objects.get(pk=job.pk).status == JobStatus.WAITING
    return job


def test_what_is_overdue_is_done_by_who_looks_and_by_one_alone() -> None:
    job = waiting_job()
    everything_seen()
    seen("tick", 13)
    seen("sweep", 17)
    looked(helper())
    begun = heartbeats()["tick"].begun_at
    looked(helper())
    assert stepped_in() == {"tick"}
    assert (heartbeats()["tick"].fallback, heartbeats()["tick"].begun_at) == (True, begun)
    assert Job.objects.get(pk=job.pk).status == JobStatus.SUBMITTED


def test_all_that_beat_asks_for_can_be_done_by_who_steps_in(caplog: pytest.LogCaptureFixture) -> None:
    for name in CELERY_BEAT_SCHEDULE:
        seen(name, 100_000, fallback=True)
    looked(Fallback("helper", {"celery", "power", "outbox"}))
    assert stepped_in() == CELERY_BEAT_SCHEDULE.keys() - {"look_ahead"}
    assert [record.getMessage() for record in caplog.records if "fallback_failed" in record.getMessage()] == []


def test_who_stepped_in_goes_on_at_the_usual_pace_until_a_worker_is_back() -> None:
    everything_seen()
    seen("tick", 2.5, fallback=True)
    seen("sweep", 4, fallback=True)
    looked(helper())
    assert stepped_in() == {"tick"}
    note_begun(tick_all)
    note_done(tick_all)
    assert not heartbeats()["tick"].fallback
    looked(helper())
    assert stepped_in() == set()


def test_a_lost_client_is_found_without_the_workers(settings: Any) -> None:
    job = waiting_job()
    past = db_now() - 2 * settings.MOREH_CLIENT_GRACE
    Job.objects.update(client_seen_at=past)
    ManagerPresence.objects.update(since=past)
    everything_seen()
    seen("sweep", 19)
    looked(helper())
    job.refresh_from_db()
    assert (job.status, job.cause) == (JobStatus.FAILED, Cause.CLIENT_LOST)


def test_who_has_just_come_leaves_it_to_those_who_may_be_coming_too() -> None:
    looked(helper(up_for=10))
    assert Sign.objects.count() == 0
    looked(helper(up_for=13))
    assert stepped_in() == {"tick"}


def test_only_work_of_its_own_queues_is_done() -> None:
    looked(helper(queues=("power",)))
    assert stepped_in() == {"power-sweep", "power-probe", "power-pick-up", "power-monitor"}


def test_a_process_is_seen_by_its_sign_of_life() -> None:
    everything_seen()
    looked(helper(processes=("worker",)))
    assert (heartbeats()["worker"].within(2), heartbeats()["worker"].by) == (True, f"helper@{socket.gethostname()}")
    assert heartbeats().get("power worker") is None


def test_beat_asks_for_what_the_settings_name_and_goes_on_from_when_it_was_last_begun() -> None:
    seen("bulk-tidy", 3000)
    beat: Any = SteadyScheduler(app=app)
    assert {name: entry.schedule.run_every.total_seconds() for name, entry in beat.schedule.items()} == {
        name: entry["schedule"] for name, entry in CELERY_BEAT_SCHEDULE.items()
    }
    assert beat.schedule["power-sweep"].options == {"expires": 20, "queue": "power"}
    due, after = beat.schedule["bulk-tidy"].is_due()
    assert (due, 500 < after <= 600) == (False, True)
    seen("bulk-tidy", 3700)
    assert SteadyScheduler(app=app).schedule["bulk-tidy"].is_due()[0]
    assert not beat.schedule["clear-sessions"].is_due()[0]  # never begun: a period after the start


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("ring", [wakeups.enqueue, wakeups.enqueue_once])
def test_what_no_broker_takes_is_done_where_it_is_asked_for(ring: Any, caplog: pytest.LogCaptureFixture) -> None:
    job, one = waiting_job(), helper()
    wakeups.carry_out_with(one.carry_out)
    for _time in range(3):
        ring(tick, group_id=job.group_id)
    one._threads.shutdown()
    assert Job.objects.get(pk=job.pk).status == JobStatus.SUBMITTED
    assert [record.levelname for record in caplog.records if "broker_lost" in str(record.msg)] == ["WARNING"]
    assert not one.carry_out(drive_power, {"action_id": 1})  # that is for who has a driver


def test_a_broker_that_answers_but_takes_nothing_is_told_of_once(
    broker: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    wakeups._client, wakeups._well, wakeups._away_until = None, True, 0.0
    broker.config_set("maxmemory", 1)
    try:
        for number in range(5):
            wakeups.enqueue_once(tick, group_id=number)
            wakeups.accept_wakeup(tick, group_id=number)
            wakeups._publish("job 1")
    finally:
        broker.config_set("maxmemory", 0)
    wakeups._away_until = 0.0  # one of those may have been slow
    wakeups.accept_wakeup(tick, group_id=1)
    wakeups.enqueue_once(tick, group_id=1)
    told = [word for record in caplog.records for word in ("broker_lost", "broker_found") if word in str(record.msg)]
    assert told == ["broker_lost", "broker_found"]


@pytest.mark.usefixtures("away")
def test_beat_tells_once_of_a_broker_that_is_away(caplog: pytest.LogCaptureFixture) -> None:
    beat: Any = SteadyScheduler(app=app, lazy=True)
    for number in range(3):
        beat.apply_entry(
            ScheduleEntry(name=str(number), task="scheduler.tasks.tick_all", schedule=schedule(2), app=app)
        )
    lines = [record for record in caplog.records if record.name == "moreh_cloud.beat"]
    assert [("broker_lost" in str(line.msg), line.exc_info) for line in lines] == [(True, None)]


def test_a_broker_that_accepts_and_does_not_answer_is_not_waited_for_again_and_again(settings: Any) -> None:
    job, one = waiting_job(), helper()
    wakeups.carry_out_with(one.carry_out)
    before = settings.CELERY_BROKER_URL
    with socket.create_server(("127.0.0.1", 0)) as hole:
        settings.REDIS_URL = f"redis://127.0.0.1:{hole.getsockname()[1]}/0"
        _use(settings.REDIS_URL)
        begun = time.monotonic()
        for _time in range(20):
            wakeups.enqueue_once(tick, group_id=job.group_id)
        assert time.monotonic() - begun < 10  # one wait, with the tries of the client
    _use(before)
    one._threads.shutdown()
    assert Job.objects.get(pk=job.pk).status == JobStatus.SUBMITTED
