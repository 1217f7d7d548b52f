"""The main job, end to end through the services: rows, events and allocations, exactly."""

from datetime import timedelta
from typing import Any

import pytest

from backends.choices import DeviceStatus
from backends.models import Device
from core.clock import db_now
from core.errors import InvalidParameter, NotFound
from events.models import Event
from scheduler.choices import Cause, JobStatus, WorkerState
from scheduler.cycle.tick import tick
from scheduler.errors import JobFinished, JobNotWaiting
from scheduler.models import Allocation, Job, Worker
from scheduler.services.heartbeats import ClientHeartbeat, store_heartbeats
from scheduler.services.jobs import cancel_job, end_job, finish_job, set_job_priority
from scheduler.services.sdas import delete_sda
from scheduler.services.submission import JobRequest, resume_job, resume_key, submit_job
from scheduler.services.tokens import stop_tokens
from scheduler.services.workers import take_result
from sda.queries import get_sda
from tests import make
from tokens.errors import BudgetSpent

pytestmark = pytest.mark.django_db


def _events(job: Job) -> list[str]:
    return list(Event.objects.filter(subject=f"job/{job.pk}").order_by("pk").values_list("action", flat=True))


def test_a_job_waits_gets_devices_runs_ends_and_gives_them_back() -> None:
    node = make.ready_backend(4)
    job = make.job(num_devices=3)
    assert job.status == JobStatus.WAITING

    tick(job.group_id)
    job.refresh_from_db()
    assert job.status == JobStatus.SUBMITTED
    assert make.statuses(node) == ["PREPARING"] * 3 + ["IDLE"]
    (worker,) = Worker.objects.filter(job=job)
    assert (worker.backend_id, worker.devices, worker.state) == (node.pk, [0, 1, 2], WorkerState.STARTING)

    assert make.answer(node, "START") == 1
    job.refresh_from_db()
    worker.refresh_from_db()
    assert (job.status, worker.state, worker.address) == (JobStatus.RUNNING, WorkerState.RUNNING, "10.0.0.1:30000")
    assert make.statuses(node) == ["PROCESSING"] * 3 + ["IDLE"]

    assert finish_job(job, exit_code=0, actor=make.ACTOR)
    job.refresh_from_db()
    assert (job.status, job.exit_code) == (JobStatus.COMPLETED, 0)
    assert make.statuses(node) == ["CLEANING"] * 3 + ["IDLE"]
    held = Allocation.objects.filter(job=job)
    assert [(row.started_at, row.ended_at) for row in held] == [(job.submitted_at, job.ended_at)] * 3

    assert make.answer(node, "STOP") == 1
    assert make.statuses(node) == ["CLEANING"] * 3 + ["IDLE"]
    assert make.answer(node, "CLEAN") == 1
    assert make.statuses(node) == ["IDLE"] * 4
    assert _events(job) == ["CREATE_JOB", "SUBMIT_JOB", "START_JOB", "COMPLETED_JOB"]


def test_the_same_request_id_gives_the_same_job() -> None:
    accelerator = make.sda()
    first = make.job(accelerator, request_id="r-1")
    again = make.job(accelerator, request_id="r-1")
    assert (again.pk, Job.objects.count()) == (first.pk, 1)


def test_two_tokens_may_use_the_same_request_id() -> None:
    assert make.job(request_id="r-1").pk != make.job(request_id="r-1").pk


@pytest.mark.parametrize("request_id", ["", "x" * 65])
def test_a_request_id_is_needed(request_id: str) -> None:
    accelerator = make.sda()
    with pytest.raises(InvalidParameter) as caught:
        submit_job(accelerator.token, JobRequest(request_id=request_id), actor=make.ACTOR)
    assert caught.value.details == {"parameter": "request_id"}
    assert not Job.objects.exists()


def test_the_same_request_id_gives_the_same_job_to_a_stopped_token_too() -> None:
    accelerator = make.sda()
    first = make.job(accelerator, request_id="r-1")
    why = {"kind": "MONEY", "limit": "1", "spent": "1", "unit": "KRW"}
    assert stop_tokens({accelerator.token_id: why}, actor=make.ACTOR) == [accelerator.token_id]
    accelerator.token.refresh_from_db()
    assert make.job(accelerator, request_id="r-1").pk == first.pk
    with pytest.raises(BudgetSpent):
        make.job(accelerator, request_id="r-2")


LIMITS: dict[str, tuple[dict[str, Any], str | None]] = {
    "the largest pid": ({"pid": 2**31 - 1}, None),
    "a pid that is too large": ({"pid": 2**31}, "pid"),
    "a pid below zero": ({"pid": -1}, "pid"),
    "the shortest time limit": ({"time_limit": timedelta(seconds=1)}, None),
    "a shorter one": ({"time_limit": timedelta(milliseconds=999)}, "time_limit"),
    "the longest time limit": ({"time_limit": timedelta(days=3650)}, None),
    "a longer one": ({"time_limit": timedelta(days=3650, milliseconds=1)}, "time_limit"),
    "the longest request id": ({"request_id": "x" * 64}, None),
}


@pytest.mark.parametrize("case", LIMITS)
def test_texts_of_a_client_are_stored_up_to_their_limits(case: str) -> None:
    ask, refused = LIMITS[case]
    accelerator = make.sda()
    if refused is None:
        assert make.job(accelerator, **ask).status == JobStatus.WAITING
        return
    with pytest.raises(InvalidParameter) as caught:
        make.job(accelerator, **ask)
    assert (caught.value.details, Job.objects.count()) == ({"parameter": refused}, 0)


def test_a_job_of_an_sda_that_was_deleted_meanwhile_is_not_found() -> None:
    accelerator = make.sda()
    stale = get_sda(accelerator.token, accelerator.pk)
    delete_sda(accelerator, actor=make.ACTOR)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scheduler.services.submission.get_sda", lambda _token, _sda_id: stale)
        with pytest.raises(NotFound):
            make.job(accelerator)
    assert not Job.objects.exists()


def test_a_job_that_is_over_waits_for_nothing_and_is_under_no_notice() -> None:
    make.ready_backend(1)
    waiting = make.job(num_devices=2)
    tick(waiting.group_id)
    Job.objects.filter(pk=waiting.pk).update(preempt_at=db_now())
    assert Job.objects.get().pending_reason == "NEVER_FITS"
    cancel_job(waiting, cause=Cause.BY_USER, actor=make.ACTOR)
    assert Job.objects.values_list("status", "pending_reason", "preempt_at").get() == ("CANCELED", "", None)


def test_an_sda_of_another_token_is_not_found() -> None:
    stranger, accelerator = make.token(), make.sda()
    with pytest.raises(NotFound):
        submit_job(stranger, JobRequest(request_id="r", sda_id=accelerator.pk), actor=make.ACTOR)


def test_without_an_sda_id_the_current_sda_is_meant() -> None:
    accelerator = make.sda(max_sda_count=2)
    make.sda(owner=accelerator.token)
    job = submit_job(accelerator.token, JobRequest(request_id="r"), actor=make.ACTOR)
    assert job.sda_id == accelerator.pk


def test_a_job_spans_nodes_and_runs_when_all_its_workers_are_up() -> None:
    nodes = [make.ready_backend(2), make.ready_backend(2)]
    job = make.job(num_devices=4)
    tick(job.group_id)
    make.answer(nodes[0], "START")
    job.refresh_from_db()
    assert job.status == JobStatus.SUBMITTED
    make.answer(nodes[1], "START")
    job.refresh_from_db()
    assert job.status == JobStatus.RUNNING


def test_a_worker_that_cannot_start_fails_its_job_and_frees_all_nodes() -> None:
    nodes = [make.ready_backend(2), make.ready_backend(2)]
    job = make.job(num_devices=4)
    tick(job.group_id)
    make.answer(nodes[0], "START")
    make.answer(nodes[1], "START", ok=False, error="no image")
    job.refresh_from_db()
    assert (job.status, job.cause, job.detail) == (JobStatus.FAILED, Cause.WORKER_ERROR, f"{nodes[1].name}: no image")
    for node in nodes:
        make.answer(node)
        assert make.statuses(node) == ["IDLE", "IDLE"]


def test_a_canceled_job_that_was_never_started_has_its_start_order_taken_back() -> None:
    node = make.ready_backend(2)
    job = make.job()
    tick(job.group_id)
    cancel_job(job, cause=Cause.BY_OPERATOR, actor=make.ACTOR)
    assert [order.verb for order in make.orders(node)] == ["STOP"]
    with pytest.raises(JobFinished):
        cancel_job(job, cause=Cause.BY_OPERATOR, actor=make.ACTOR)


def test_a_late_start_answer_of_a_canceled_job_changes_nothing() -> None:
    node = make.ready_backend(2)
    job = make.job()
    tick(job.group_id)
    (start,) = make.orders(node)
    cancel_job(job, cause=Cause.BY_USER, actor=make.ACTOR)
    take_result(node, start.pk, ok=True, address="10.0.0.1:1")
    job.refresh_from_db()
    assert (job.status, Worker.objects.get(job=job).state) == (JobStatus.CANCELED, WorkerState.STOPPING)


def test_a_job_ends_once() -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    assert end_job(job.pk, JobStatus.COMPLETED, actor=make.ACTOR) is True
    assert end_job(job.pk, JobStatus.FAILED, actor=make.ACTOR) is False
    job.refresh_from_db()
    assert job.status == JobStatus.COMPLETED


def test_an_exit_code_fails_the_job_with_its_reason() -> None:
    node = make.ready_backend(1)
    job = make.running_job(node)
    finish_job(job, exit_code=3, actor=make.ACTOR)
    job.refresh_from_db()
    assert (job.status, job.cause, job.exit_code) == (JobStatus.FAILED, Cause.EXIT_CODE, 3)


def test_priority_changes_the_place_of_a_waiting_job_only() -> None:
    node = make.ready_backend(1)
    first, second = make.job(), make.job()
    set_job_priority(second, 5, actor=make.ACTOR)
    tick(first.group_id)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == (JobStatus.WAITING, JobStatus.SUBMITTED)
    with pytest.raises(JobNotWaiting):
        set_job_priority(second, 1, actor=make.ACTOR)
    with pytest.raises(InvalidParameter):
        set_job_priority(first, 100, actor=make.ACTOR)
    assert make.statuses(node) == ["PREPARING"]


def test_a_client_resumes_with_its_key_and_only_with_it() -> None:
    job = make.job()
    assert resume_job(job.token, job.pk, resume_key(job)) == job
    with pytest.raises(NotFound):
        resume_job(job.token, job.pk, "wrong")
    with pytest.raises(NotFound):
        resume_job(make.token(), job.pk, resume_key(job))


def test_who_comes_back_is_alive() -> None:
    job = make.job()
    Job.objects.filter(pk=job.pk).update(client_seen_at="2020-01-01 00:00:00+00")
    before = db_now()
    resume_job(job.token, job.pk, resume_key(job))
    assert Job.objects.get().client_seen_at >= before


def test_the_latest_heartbeat_of_live_jobs_is_stored_and_pid_0_changes_nothing() -> None:
    live, over = make.job(pid=7), make.job(pid=8)
    end_job(over.pk, JobStatus.CANCELED, actor=make.ACTOR)
    before = db_now()
    value, other = live.token.value_digest, over.token.value_digest
    signs = [
        ClientHeartbeat(live.pk, value, 1, 1.0, 9),
        ClientHeartbeat(live.pk, value, 2, 50.5),
        ClientHeartbeat(over.pk, other, 3, 99.0, 9),
    ]
    store_heartbeats(signs)
    stored = Job.objects.order_by("pk").values_list("pk", "used_memory", "utilization", "pid")
    assert list(stored) == [(live.pk, 2, 50.5, 7), (over.pk, None, None, 8)]
    assert [job.client_seen_at >= before for job in Job.objects.order_by("pk")] == [True, False]
    store_heartbeats([ClientHeartbeat(live.pk, value, 4, 60.0, 9), ClientHeartbeat(live.pk, "earlier", 5, 1.0, 8)])
    latest = Job.objects.filter(pk=live.pk).values_list("used_memory", "utilization", "pid")
    assert list(latest) == [(4, 60.0, 9)]
    store_heartbeats([])


def test_a_drained_device_leaves_when_its_job_has_ended_and_it_is_clean() -> None:
    from scheduler.services.nodes import set_device_status

    node = make.ready_backend(2)
    job = make.running_job(node)
    assert set_device_status(node, DeviceStatus.SHUTDOWN, actor=make.ACTOR) == {0: "draining", 1: "changed"}
    assert make.statuses(node) == ["PROCESSING", "SHUTDOWN"]
    assert set_device_status(node, DeviceStatus.SHUTDOWN, actor=make.ACTOR) == {0: "unchanged", 1: "unchanged"}
    assert Event.objects.filter(action="SET_DEVICE_STATUS").count() == 1
    finish_job(job, exit_code=0, actor=make.ACTOR)
    make.answer(node)
    assert make.statuses(node) == ["SHUTDOWN", "SHUTDOWN"]
    assert set(Device.objects.filter(backend=node).values_list("why", "drain_to")) == {("OPERATOR", "")}


def test_force_ends_the_job_of_a_device_that_is_set_busy() -> None:
    from scheduler.services.nodes import set_device_status

    node = make.ready_backend(2)
    job = make.running_job(node)
    for _ in range(2):
        before = set_device_status(node, DeviceStatus.BUSY, actor=make.ACTOR, index=0)
    assert before == {0: "unchanged"}
    assert set_device_status(node, DeviceStatus.BUSY, actor=make.ACTOR, index=0, force=True) == {0: "draining"}
    job.refresh_from_db()
    assert (job.status, job.cause) == (JobStatus.CANCELED, Cause.BY_OPERATOR)
    make.answer(node)
    assert make.statuses(node) == ["BUSY", "IDLE"]
