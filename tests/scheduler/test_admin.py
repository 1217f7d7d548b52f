"""What the admin shows of jobs, and does to them through the services."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.html import strip_tags

from accounts.choices import Role
from backends.models import Device
from core.clock import db_now, to_ms
from events.models import Event
from scheduler.admin.picture import shelves, steps
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.pending_reason import TEXTS, describe_pending_reason
from scheduler.policy.decisions import PendingReason
from scheduler.policy.forecast import Basis
from scheduler.services.jobs import finish_job
from tests import make
from tests.admin_world import address, client_of
from tests.console.jobs_data import past_job
from tokens.services import update_token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def act(browser: Client, job: Job, action: str, **data: object) -> Any:
    return browser.post(reverse(f"admin:scheduler_job_{action}", args=[job.pk]), {"agreed": "1", **data})


def page(browser: Client, job: Job) -> str:
    return browser.get(address(Job, "change", job.pk)).content.decode()


def test_a_running_job_is_canceled_by_the_operator(browser: Client) -> None:
    job = make.running_job(make.ready_backend(1))
    act(browser, job, "cancel")
    job.refresh_from_db()
    assert (job.status, job.cause) == ("CANCELED", "BY_OPERATOR")
    event = Event.objects.get(action="CANCELED_JOB")
    assert (event.subject, event.referer_protocol) == (f"job/{job.pk}", "admin")


def test_a_job_that_is_over_is_not_canceled_again(browser: Client) -> None:
    job = make.job()
    act(browser, job, "cancel")
    answer = act(browser, job, "cancel")
    assert "The job is over." in browser.get(answer.headers["Location"]).content.decode()


def test_a_waiting_job_gets_another_priority_and_place(browser: Client) -> None:
    first, second = make.job(), make.job()
    assert "2 of 2 in default_backend_group" in page(browser, second)
    act(browser, second, "change_priority", priority=7)
    second.refresh_from_db()
    assert second.priority == 7
    assert "1 of 2 in default_backend_group" in page(browser, second)
    assert "2 of 2 in default_backend_group" in page(browser, first)
    assert Event.objects.latest("id").action == "SET_JOB_PRIORITY"


def test_a_priority_out_of_range_shows_the_form_again(browser: Client) -> None:
    job = make.job()
    assert act(browser, job, "change_priority", priority=100).status_code == 200
    job.refresh_from_db()
    assert job.priority == 0


def test_the_page_has_the_pending_reason_with_its_numbers(browser: Client) -> None:
    make.running_job(make.ready_backend(2))
    head, behind = make.job(num_devices=2), make.job()
    tick(0)
    assert "It needs 2 devices; free: 1." in page(browser, head)
    assert f"Job #{head.pk} is in front of it and needs devices first." in page(browser, behind)


def test_the_list_has_the_start_estimate_of_waiting_jobs(browser: Client) -> None:
    node = make.ready_backend(2)
    running, waiting, unknown = make.running_job(node), make.job(num_devices=2), make.job(num_devices=99)
    cache.set("outlook:0", {waiting.pk: (to_ms(db_now() + timedelta(hours=2)), Basis.HISTORY.value)})
    rows = browser.get(address(Job, "changelist")).context["cl"]
    columns = {row.pk: strip_tags(rows.model_admin.start_column(row)) for row in rows.result_list}
    at = timezone.localtime(db_now() + timedelta(hours=2))
    assert (columns[running.pk], columns[unknown.pk]) == ("–", "unknown")  # noqa: RUF001 - the sign for "no value"
    assert columns[waiting.pk] in {f"about {at - timedelta(minutes=late):%Y-%m-%d %H:%M} (history)" for late in (0, 1)}


def test_every_reason_has_its_words() -> None:
    assert set(TEXTS) == set(PendingReason)
    job = Job(pending_reason=PendingReason.NOT_ENOUGH_DEVICES, pending_needed=4, pending_available=2)
    assert describe_pending_reason(job, None) == "It needs 4 devices; free: 2."
    job.pending_needed = 1
    assert describe_pending_reason(job, None) == "It needs 1 device; free: 2."
    with translation.override("ko"):
        assert describe_pending_reason(job, None) == "디바이스 1개가 필요합니다. 여유: 2개."
    job.pending_reason, job.pending_needed, job.pending_available = PendingReason.OVER_TOKEN_LIMIT, 2, 1
    assert describe_pending_reason(job, None) == "Its token may hold 1 device at once; with it: 2."
    job.pending_reason = PendingReason.BLOCKED_BY_HEAD
    assert describe_pending_reason(job, 12) == "Job #12 is in front of it and needs devices first."


def test_the_page_of_a_running_job_shows_its_worker_and_devices(browser: Client) -> None:
    node = make.ready_backend(1)
    html = page(browser, make.running_job(node))
    assert node.name in html
    assert "10.0.0.1:30000" in html


def test_all_allocations_of_a_job_are_those_of_no_other(browser: Client) -> None:
    node = make.ready_backend(2)
    job = make.running_job(node)
    update_token(make.running_job(node).token, description=f"customer {job.pk}", actor=make.ACTOR)
    (found,) = re.findall(r'href="(/admin/scheduler/allocation/\?[^"]*)"', page(browser, job))
    assert [one.job_id for one in browser.get(found).context["cl"].result_list] == [job.pk]


def test_the_filter_lists_ended_jobs(browser: Client) -> None:
    job = make.job()
    act(browser, job, "cancel")
    name = job.token.description
    lists = address(Job, "changelist")
    browser.get(lists)  # takes the message of the cancellation away
    assert name not in browser.get(lists).content.decode()
    assert name in browser.get(lists + "?phase=over").content.decode()


@pytest.mark.parametrize("action", ["cancel", "change_priority"])
def test_a_read_only_operator_cannot(action: str) -> None:
    assert act(client_of(Role.READ_ONLY), make.job(), action, priority=1).status_code == 403


MOMENT = datetime(2026, 3, 1, 12, tzinfo=UTC)
# Which of requested, submitted, started and ended (in seconds after MOMENT) → title and seconds of each step
STEPS: dict[str, tuple[str, list[int | None], list[tuple[str, int | None, bool]]]] = {
    "waiting": ("WAITING", [0, None, None, None], [("Requested", 100, True)]),
    "submitted": ("SUBMITTED", [0, 60, None, None], [("Requested", 60, False), ("Submitted", 40, True)]),
    "running": (
        "RUNNING", [0, 60, 62, None], [("Requested", 60, False), ("Submitted", 2, False), ("Running", 38, True)],
    ),
    "completed": (
        "COMPLETED",
        [0, 60, 62, 90],
        [("Requested", 60, False), ("Submitted", 2, False), ("Running", 28, False), ("Completed", None, False)],
    ),
    "canceled while it waited": (
        "CANCELED", [0, None, None, 90], [("Requested", 90, False), ("Canceled", None, False)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STEPS)
def test_the_states_of_a_job_stand_in_a_line_with_how_long_they_lasted(case: str) -> None:
    status, seconds, wanted = STEPS[case]
    times = [None if after is None else MOMENT + timedelta(seconds=after) for after in seconds]
    job = Job(status=status, requested_at=MOMENT, submitted_at=times[1], started_at=times[2], ended_at=times[3])
    found = steps(job, MOMENT + timedelta(seconds=100))
    assert [(str(step.title), step.lasted, step.goes_on) for step in found] == wanted


def test_the_page_pictures_the_devices_of_a_job_by_node(browser: Client) -> None:
    node, other = make.ready_backend(2, name="gpu-1"), make.ready_backend(4, name="gpu-2")
    make.running_job(node)
    job = make.running_job(other, 5)
    assert [(shelf.name, shelf.devices) for shelf in shelves(job)] == [
        ("gpu-1", [(0, False), (1, True)]),
        ("gpu-2", [(0, True), (1, True), (2, True), (3, True)]),
    ]
    assert "Devices that it holds" in page(browser, job)
    finish_job(job, exit_code=0, actor=make.ACTOR)
    job.refresh_from_db()
    assert [shelf.name for shelf in shelves(job)] == ["gpu-1", "gpu-2"]
    assert "Devices that it held" in page(browser, job)


def test_a_job_of_the_past_shows_what_it_was_allocated(browser: Client) -> None:
    job = past_job(make.ready_backend(3, name="gpu-1"), device=1)
    assert [(shelf.name, shelf.devices) for shelf in shelves(job)] == [
        ("gpu-1", [(0, False), (1, True), (2, False)]),
    ]
    assert "Devices that it held" in page(browser, job)


def test_the_page_of_a_job_that_waits_tells_how_many_devices_have_failed(browser: Client) -> None:
    node = make.ready_backend(2)
    waiting = make.job(num_devices=2)
    Device.objects.filter(backend=node).update(status="SHUTDOWN", why="DEVICE_FAILED", verdict="FAILED")
    tick(waiting.group_id)
    waiting.refresh_from_db()
    wanted = "It needs 2 devices; free: 0. 2 devices of its group have failed or are in repair."
    assert wanted in page(browser, waiting)
    Device.objects.update(verdict="HEALTHY")
    assert "have failed" not in page(browser, waiting)


def test_the_page_speaks_korean(browser: Client) -> None:
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "ko"
    html = page(browser, make.running_job(make.ready_backend(1)))
    for word in ("사용 중인 디바이스", "요청", "제출", "할당 기간 보기"):
        assert word in html
