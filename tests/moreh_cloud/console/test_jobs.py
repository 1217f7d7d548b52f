"""The page of jobs: the queue as it will be tried, in true numbers, and what each role may do about it."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from backends.services.groups import update_backend_group
from moreh_cloud.accounts.choices import Role
from moreh_cloud.console.queries import jobs as reads
from moreh_cloud.events.models import Event
from scheduler.models import Job
from scheduler.services.jobs import set_job_priority
from scheduler.tick import tick
from tests import make
from tests.admin_world import client_of
from tests.moreh_cloud.console.jobs_world import CLOCK, JOBS, cells, failed_job, page, past_job, queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
QUERIES = 12 + CLOCK


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def shown_jobs(shown: str) -> list[int]:
    return [int(pk) for pk in re.findall(r'data-job="(\d+)"', shown)]


def cards(shown: str) -> dict[str, tuple[str, str]]:
    found = re.findall(r'<a class="mc-card" href="([^"]+)"><span>(.*?)</span><strong class="mc-figure">(\d+)', shown)
    return {title: (figure, address.replace("&amp;", "&")) for address, title, figure in found}


def test_the_queue_stands_in_the_order_in_which_it_will_be_tried_and_says_why(browser: Client) -> None:
    node = make.ready_backend(2)
    running = make.running_job(node)
    first = make.job(num_devices=4, process_name="train.py", framework="pytorch 2.4", version="0.1.0")
    behind = make.job(num_devices=1, framework="pytorch 2.4", version="0.1.0")
    high = set_job_priority(make.job(num_devices=2), 7, actor=make.ACTOR)
    tick(0)
    shown = page(browser, JOBS)
    assert shown_jobs(shown) == [high.pk, first.pk, behind.pk, running.pk]
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
    assert found["Devices free"][1] == "/admin/backends/device/?status__exact=IDLE"


FILTERS: dict[str, Callable[[Job], dict[str, object]]] = {
    "a number": lambda job: {"q": f"#{job.pk}"},
    "a part of the customer's name": lambda _: {"q": "aurora"},
    "a part of the process": lambda _: {"q": "special"},
    "two words that both fit": lambda _: {"q": "vision special"},
    "a token": lambda job: {"token": job.token_id},
    "a token and waiting": lambda job: {"token": job.token_id, "status": "waiting"},
}


@pytest.mark.parametrize("case", FILTERS)
def test_a_filter_finds_just_what_it_says_and_keeps_the_place(browser: Client, case: str) -> None:
    make.job()
    job = make.job(make.sda(description="Aurora Vision"), process_name="special.py")
    assert shown_jobs(shown := page(browser, JOBS, **FILTERS[case](job))) == [job.pk]
    assert 'data-place="2"' in shown


@pytest.mark.parametrize("asked", [{"q": "nobody"}, {"group": 999}, {"status": "running"}, {"q": "vision nobody"}])
def test_a_filter_that_finds_nothing_says_so(browser: Client, asked: dict[str, object]) -> None:
    make.job(make.sda(description="Aurora Vision"))
    assert shown_jobs(shown := page(browser, JOBS, **asked)) == []
    assert "mc-empty" in shown


@pytest.mark.parametrize(
    "asked", [{"group": "x"}, {"page": "-3"}, {"token": "9" * 30}, {"status": "gone"}, {"q": "\0"}]
)
def test_what_makes_no_sense_is_not_asked_for(browser: Client, asked: dict[str, object]) -> None:
    job = make.job()
    assert shown_jobs(page(browser, JOBS, **asked)) == [job.pk]


def test_pages_go_on_where_the_last_one_ended(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PAGE", 2)
    running = make.running_job(make.ready_backend(1))
    waiting = [make.job().pk for _ in range(4)]
    found = [shown_jobs(page(browser, JOBS, page=number)) for number in (1, 2, 3)]
    assert found == [waiting[:2], waiting[2:], [running.pk]]
    assert [row[1] for row in cells(page(browser, JOBS, page=2))] == ["⠿ 3", "⠿ 4"]
    assert shown_jobs(page(browser, JOBS, page=99)) == [running.pk]


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


def test_a_part_that_renews_itself_comes_alone_and_asks_less(browser: Client) -> None:
    job = make.job()
    tick(0)
    parts = {
        part: browser.get(JOBS, headers={"X-Live-Part": part}).content.decode() for part in ("jobs-cards", "jobs-queue")
    }
    assert [shown_jobs(shown) for shown in parts.values()] == [[], [job.pk]]
    assert cards(parts["jobs-cards"])["Waiting"][0] == "1"
    assert [part for part, shown in parts.items() if f'id="{part}"' in shown and "<html" not in shown] == list(parts)


# What is asked of the outlook, with jobs a, b, c of priorities 0, 0, 5 → priority and words
OUTLOOKS: dict[str, tuple[str, dict[str, object], int, str]] = {
    "a new priority": ("a", {"priority": 6}, 6, "Place in default_backend_group: 2 → 1 of 3."),
    "in front of a younger one of a higher priority": (
        "b",
        {"before": "c"},
        5,
        "Place in default_backend_group: 3 → 1 of 3.",
    ),
    "in front of an older tie": ("b", {"before": "a"}, 1, "Place in default_backend_group: 3 → 2 of 3."),
    "behind the last": ("c", {"behind": "b"}, 0, "Place in default_backend_group: 1 → 3 of 3."),
    "behind the first of two ties that are older": ("c", {"behind": "a"}, 0, "so it goes past them."),
}


@pytest.mark.parametrize("case", OUTLOOKS)
def test_the_outlook_says_what_a_change_would_do_and_it_comes_true(browser: Client, case: str) -> None:
    jobs = {"a": make.job(), "b": make.job(), "c": make.job()}
    set_job_priority(jobs["c"], 5, actor=make.ACTOR)
    name, asked, priority, words = OUTLOOKS[case]
    wish: dict[str, Any] = {key: jobs[value].pk if isinstance(value, str) else value for key, value in asked.items()}
    said: Any = browser.get(f"{JOBS}{jobs[name].pk}/outlook", wish).json()
    assert said["priority"] == priority
    assert words in " ".join(said["says"])
    assert Event.objects.filter(action="SET_JOB_PRIORITY").count() == 1  # nothing is written
    body = json.dumps({"id": jobs[name].pk, "priority": said["priority"]})
    assert browser.put("/api/v2/scheduler/queue", body, content_type="application/json").status_code == 200
    place = re.search(r"→ (\d) of 3", " ".join(said["says"]))
    assert place
    assert shown_jobs(page(browser, JOBS)).index(jobs[name].pk) + 1 == int(place[1])


@pytest.mark.parametrize(("wish", "priority"), [({"before": "a"}, 1), ({"behind": "c"}, -1), ({"priority": 3}, 3)])
def test_in_a_fair_group_a_move_changes_the_priority_only_and_says_so(
    browser: Client, wish: dict[str, object], priority: int
) -> None:
    update_backend_group(make.default_group(), actor=make.ACTOR, policy="fair")
    owner = make.sda(1, max_duplicates=0)
    jobs = {"a": make.job(owner), "b": make.job(owner), "c": make.job(make.sda(1))}
    tick(0)
    assert shown_jobs(page(browser, JOBS)) == [jobs["a"].pk, jobs["c"].pk, jobs["b"].pk]  # they take turns
    asked: dict[str, Any] = {key: jobs[value].pk if isinstance(value, str) else value for key, value in wish.items()}
    said: Any = browser.get(f"{JOBS}{jobs['b'].pk}/outlook", asked).json()
    words = " ".join(said["says"])
    assert said["priority"] == priority
    assert "This group is fair" in words
    body = json.dumps({"id": jobs["b"].pk, "priority": priority})
    assert browser.put("/api/v2/scheduler/queue", body, content_type="application/json").status_code == 200
    tick(0)
    place = re.search(r": (\d) → (\d) of 3", words)
    assert place
    assert (place[1], shown_jobs(page(browser, JOBS)).index(jobs["b"].pk) + 1) == ("3", int(place[2]))


CHANGED = "The queue has changed meanwhile. Please look again."
REFUSED: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"before": "itself"}, 409, CHANGED),
    ({"behind": 99}, 409, CHANGED),
    ({}, 409, CHANGED),
    ({"priority": 100}, 400, "A priority is a whole number from -99 to 99."),
    ({"priority": "x"}, 400, "A priority is a whole number from -99 to 99."),
)


def test_the_outlook_refuses_what_cannot_be(browser: Client) -> None:
    first, second = make.job(), make.job()
    set_job_priority(first, 99, actor=make.ACTOR)
    answer = browser.get(f"{JOBS}{second.pk}/outlook", {"before": first.pk})
    assert (answer.status_code, "No priority brings it there" in answer.json()["message"]) == (409, True)
    for wish, status, said in REFUSED:
        given = {name: second.pk if value == "itself" else value for name, value in wish.items()}
        answer = browser.get(f"{JOBS}{second.pk}/outlook", given)
        assert (answer.status_code, answer.json()["message"]) == (status, said)
    Job.objects.filter(pk=second.pk).update(status="RUNNING")
    answer = browser.get(f"{JOBS}{second.pk}/outlook", {"priority": 1})
    assert (answer.status_code, answer.json()["message"]) == (409, "The job is no longer waiting.")


WRITING = ("jobs-bulk", "mc-grip", "mc-priority", "data-cancel", "jobs-move")


def test_who_only_reads_has_no_button_and_is_refused() -> None:
    job, browser = make.job(), client_of(Role.READ_ONLY)
    shown = page(browser, JOBS)
    assert shown_jobs(shown) == [job.pk]
    assert [word for word in WRITING if word in shown] == []
    body = {"id": job.pk, "priority": 3}
    for method in (browser.put, browser.delete):
        assert method("/api/v2/scheduler/queue", json.dumps(body), content_type="application/json").status_code == 403
    browser.post("/admin/scheduler/job/", {"action": "cancel", "_selected_action": job.pk, "agreed": "1"})
    job.refresh_from_db()
    assert (job.status, job.priority) == ("WAITING", 0)


@pytest.mark.parametrize("role", [Role.GENERAL, Role.MASTER])
def test_who_operates_has_every_button(role: Role) -> None:
    make.job()
    shown = page(client_of(role), JOBS)
    assert [word for word in WRITING if word not in shown] == []


def test_a_stranger_is_led_to_the_login() -> None:
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
