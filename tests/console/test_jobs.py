"""The jobs page: its queue, its numbers, its filters, and what each role may do."""

import json
import re
from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from accounts.choices import Role
from backends.choices import BackendStatus
from backends.models import Backend
from backends.services.groups import delete_backend_group
from console.queries import jobs as reads
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.services.jobs import set_job_priority
from tests import make
from tests.admin_world import client_of
from tests.console.jobs_data import CLOCK, JOBS, cells, failed_job, group, job_ids, page, past_job, queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


QUERIES = 12 + CLOCK


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def cards(shown: str) -> dict[str, tuple[str, str]]:
    found = re.findall(r'<a class="mc-card" href="([^"]+)"><span>(.*?)</span><strong class="mc-figure">(\d+)', shown)
    return {title: (figure, address.replace("&amp;", "&")) for address, title, figure in found}


def test_the_queue_is_in_scheduling_order_with_pending_reasons(browser: Client) -> None:
    node = make.ready_backend(2)
    running = make.running_job(node)
    first = make.job(num_devices=4, process_name="train.py", framework="pytorch 2.4", version="0.1.0")
    behind = make.job(num_devices=1, framework="pytorch 2.4", version="0.1.0")
    high = set_job_priority(make.job(num_devices=2), 7, actor=make.ACTOR)
    tick(0)
    shown = page(browser, JOBS)
    assert job_ids(shown) == [high.pk, first.pk, behind.pk, running.pk]
    rows = cells(shown)
    when = f"{timezone.localtime(high.requested_at):%Y-%m-%d %H:%M:%S}"
    versions = "pytorch 2.4 0.1.0"
    assert [[*row[1:3], *row[5:8]] for row in rows] == [
        ["⠿ 1", f"#{high.pk}", "waiting", "2 1 missing", ""],
        ["⠿ 2", f"#{first.pk} train.py", "waiting", "4 2 missing", versions],
        ["⠿ 3", f"#{behind.pk}", "waiting", "1", versions],
        ["", f"#{running.pk}", "running", "1", ""],
    ]
    assert [row[3] for row in rows] == [
        f"{job.token.description} default_backend_group" for job in (high, first, behind, running)
    ]
    assert "customer's: 0" in rows[0][4]
    assert "customer's" not in rows[1][4]
    assert rows[0][8] == when
    assert [row[10] for row in rows] == [
        "It needs 2 devices; free: 1. Start: unknown",
        "It needs 4 devices; its group has at most 2. Start: unknown",
        f"Job #{high.pk} is in front of it and needs devices first. Start: unknown",
        "",
    ]


def test_a_job_that_can_never_start_is_not_blamed_for_those_behind_it(browser: Client) -> None:
    make.running_job(make.ready_backend(2))
    never, head, behind = make.job(num_devices=4), make.job(num_devices=2), make.job(num_devices=2)
    tick(0)
    why = {row[2]: row[10] for row in cells(page(browser, JOBS))}
    assert why[f"#{behind.pk}"] == f"Job #{head.pk} is in front of it and needs devices first. Start: unknown"
    assert why[f"#{never.pk}"] == "It needs 4 devices; its group has at most 2. Start: unknown"


def test_the_cards_count_the_last_24_hours_and_lead_to_their_lists(browser: Client) -> None:
    node = make.ready_backend(4)
    make.running_job(node)
    out = make.ready_backend(1)  # its device is idle, but no job gets it
    Backend.objects.filter(pk=out.pk).update(status=BackendStatus.SHUTDOWN)
    make.job(num_devices=8)
    past_job(node)
    past_job(node, minutes_ago=24 * 60 + 5)
    failed_job(node)
    tick(0)
    found = cards(page(browser, JOBS))
    assert {title: figure for title, (figure, _) in found.items()} == {
        "In 24 hours": "4",
        "Waiting": "1",
        "Running": "1",
        "Completed": "1",
        "Canceled": "0",
        "Failed": "1",
        "Devices free": "3",
        "Devices asked for": "8",
    }
    assert len(cells(page(browser, found["Completed"][1]))) == 1
    assert len(cells(page(browser, found["In 24 hours"][1]))) == 2
    assert len(cells(page(browser, found["Waiting"][1]))) == 1
    free = browser.get(found["Devices free"][1]).context["cl"].queryset
    assert list(free.values_list("backend", "index")) == [(node.pk, index) for index in (1, 2, 3)]


def test_jobs_of_a_deleted_group_are_still_chosen_by_their_group(browser: Client) -> None:
    gone, empty = group("gone"), group("empty")
    job = make.job()
    Job.objects.filter(pk=job.pk).update(group=gone)
    for one in (gone, empty):
        delete_backend_group(one, actor=make.ACTOR)
    tabs = browser.get(JOBS).context["groups"]
    assert [(name, number) for name, _address, number, _chosen in tabs] == [("All groups", 1), ("gone (deleted)", 1)]
    assert job_ids(page(browser, tabs[1][1])) == [job.pk]


FILTERS: dict[str, Callable[[Job], dict[str, object]]] = {
    "a number": lambda job: {"q": f"#{job.pk}"},
    "a part of the customer's name": lambda _: {"q": "aurora"},
    "a part of the process": lambda _: {"q": "special"},
    "two words that both fit": lambda _: {"q": "vision special"},
    "a token": lambda job: {"token": job.token_id},
    "a token and waiting": lambda job: {"token": job.token_id, "status": "waiting"},
}


@pytest.mark.parametrize("case", FILTERS)
def test_a_filter_finds_the_matching_jobs_with_their_places(browser: Client, case: str) -> None:
    make.job()
    job = make.job(make.sda(description="Aurora Vision"), process_name="special.py")
    assert job_ids(shown := page(browser, JOBS, **FILTERS[case](job))) == [job.pk]
    assert 'data-place="2"' in shown


@pytest.mark.parametrize("params", [{"q": "nobody"}, {"group": 999}, {"status": "running"}, {"q": "vision nobody"}])
def test_a_filter_that_finds_nothing_shows_a_message(browser: Client, params: dict[str, object]) -> None:
    make.job(make.sda(description="Aurora Vision"))
    assert job_ids(shown := page(browser, JOBS, **params)) == []
    assert "mc-empty" in shown


@pytest.mark.parametrize(
    "params", [{"group": "x"}, {"page": "-3"}, {"token": "9" * 30}, {"status": "gone"}, {"q": "\0"}]
)
def test_a_wrong_parameter_is_ignored(browser: Client, params: dict[str, object]) -> None:
    job = make.job()
    assert job_ids(page(browser, JOBS, **params)) == [job.pk]


def test_pages_go_on_where_the_last_one_ended(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PAGE", 2)
    running = make.running_job(make.ready_backend(1))
    waiting = [make.job().pk for _ in range(4)]
    found = [job_ids(page(browser, JOBS, page=number)) for number in (1, 2, 3)]
    assert found == [waiting[:2], waiting[2:], [running.pk]]
    assert [row[1] for row in cells(page(browser, JOBS, page=2))] == ["⠿ 3", "⠿ 4"]
    assert job_ids(page(browser, JOBS, page=99)) == [running.pk]


def test_the_queries_are_as_many_for_50_rows_as_for_5(browser: Client) -> None:
    node = make.ready_backend(1)
    make.running_job(node)
    past_job(node)
    for _ in range(5):
        make.job()
    tick(0)
    page(browser, JOBS)
    assert queries(browser, JOBS) == QUERIES
    for _ in range(45):
        make.job()
    tick(0)
    assert queries(browser, JOBS) == QUERIES


def test_a_part_that_renews_itself_comes_alone_with_fewer_queries(browser: Client) -> None:
    job = make.job()
    tick(0)
    parts = {
        part: browser.get(JOBS, headers={"X-Live-Part": part}).content.decode() for part in ("jobs-cards", "jobs-queue")
    }
    assert [job_ids(shown) for shown in parts.values()] == [[], [job.pk]]
    assert cards(parts["jobs-cards"])["Waiting"][0] == "1"
    assert [part for part, shown in parts.items() if f'id="{part}"' in shown and "<html" not in shown] == list(parts)


WRITING = ("jobs-bulk", "mc-grip", "mc-priority", "data-cancel", "jobs-move")


def test_a_read_only_operator_has_no_button_and_is_refused() -> None:
    job, browser = make.job(), client_of(Role.READ_ONLY)
    shown = page(browser, JOBS)
    assert job_ids(shown) == [job.pk]
    assert [word for word in WRITING if word in shown] == []
    body = {"id": job.pk, "priority": 3}
    for method in (browser.put, browser.delete):
        assert method("/api/v2/scheduler/queue", json.dumps(body), content_type="application/json").status_code == 403
    browser.post("/admin/scheduler/job/", {"action": "cancel", "_selected_action": job.pk, "agreed": "1"})
    job.refresh_from_db()
    assert (job.status, job.priority) == ("WAITING", 0)


@pytest.mark.parametrize("role", [Role.GENERAL, Role.MASTER])
def test_an_operator_has_every_button(role: Role) -> None:
    make.job()
    shown = page(client_of(role), JOBS)
    assert [word for word in WRITING if word not in shown] == []


def test_a_stranger_is_redirected_to_the_login() -> None:
    assert Client().get(JOBS)["Location"] == f"/admin/login/?next={JOBS}"


def test_the_page_speaks_korean(browser: Client) -> None:
    make.job(num_devices=8)
    tick(0)
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "ko"
    shown = page(browser, JOBS)
    for word in (
        "대기열",
        "우선순위",
        "요청된 디바이스",
        "예상 시작",
        "필터 결과 %(number)s개 모두 선택",
        "작업 취소",
    ):
        assert word in shown or word.encode("unicode_escape").decode() in shown
    assert "Waiting" not in shown
