"""The page of what-if: it understands the question, says what comes true, and writes nothing."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from backends.models import Backend, BackendGroup
from backends.services.groups import move_backend, update_backend_group
from moreh_cloud.accounts.choices import Role
from moreh_cloud.events.models import Event
from scheduler.choices import JobStatus
from scheduler.models import Job
from scheduler.outlook import look_ahead
from scheduler.services.jobs import set_job_priority
from scheduler.services.sdas import drain_backend
from scheduler.tick import tick
from tests import make
from tests.admin_world import client_of
from tests.moreh_cloud.console.jobs_world import JOBS, cells, group, page, queries

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
ASK = "/admin/console/what-if/"


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def said(shown: str) -> dict[str, tuple[str, str, str]]:
    """Give, by job, the outcome and the start without and with the change."""
    return {row[0].split(" ")[0]: (row[4], row[5], row[6]) for row in cells(shown)}


class World:
    """Two nodes of two devices; a head that wants all four, and two behind it that want two each."""

    def __init__(self) -> None:
        self.one, self.two = make.ready_backend(2, name="gpu-01"), make.ready_backend(2, name="gpu-02")
        self.held = make.running_job(self.one)
        limit = timedelta(hours=1)
        Job.objects.filter(pk=self.held.pk).update(time_limit=limit)
        self.head = make.job(num_devices=4, time_limit=limit)
        self.second = make.job(num_devices=2, time_limit=limit / 2)
        self.third = make.job(num_devices=2, time_limit=limit)
        tick(0)

    def status(self, job: Job) -> str:
        return str(Job.objects.values_list("status", flat=True).get(pk=job.pk))


# The question, how it is then done, and who starts at once
CHANGES: dict[str, tuple[dict[str, str], Callable[[World], object], list[str]]] = {
    "a raised priority": (
        {"job": "second", "priority": "5"},
        lambda world: set_job_priority(world.second, 5, actor=make.ACTOR),
        ["second"],
    ),
    "another policy": (
        {"group": "0", "policy": "backfill"},
        lambda _: update_backend_group(make.default_group(), actor=make.ACTOR, policy="backfill"),
        ["second"],
    ),
    "one more node": (
        {"group": "0", "add": "1", "size": "1"},
        lambda _: make.ready_backend(1),
        ["head"],
    ),
    "two more nodes": (
        {"group": "0", "add": "2", "size": "4"},
        lambda _: [make.ready_backend(4), make.ready_backend(4)],
        ["head", "second", "third"],
    ),
    "a drained node": ({"drain": "gpu-02"}, lambda world: drain_backend(world.two, actor=make.ACTOR), []),
    "a node that moves": (
        {"move": "gpu-02", "to": "other"},
        lambda world: move_backend(world.two, BackendGroup.objects.get(name="other"), actor=make.ACTOR),
        [],
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_is_said_comes_true(browser: Client, case: str) -> None:
    group("other")
    world = World()
    asked, do, starts = CHANGES[case]
    names = {"second": world.second.pk, "other": BackendGroup.objects.get(name="other").pk}
    events = Event.objects.count()
    found = said(page(browser, ASK, **{name: names.get(value, value) for name, value in asked.items()}))
    assert Event.objects.count() == events
    at_once = [job for job, (word, _, _) in found.items() if word == "starts at once"]
    assert at_once == [f"#{getattr(world, name).pk}" for name in starts]
    do(world)
    tick(0)
    waiting = (world.head, world.second, world.third)
    assert [f"#{job.pk}" for job in waiting if world.status(job) == JobStatus.SUBMITTED] == at_once


def test_a_later_start_is_told_before_and_after_with_what_it_rests_on(browser: Client) -> None:
    world = World()
    found = said(page(browser, ASK, job=f"#{world.third.pk}", priority=9))
    time = r"\d{4}-\d\d-\d\d \d\d:\d\d at the latest \(time limits\)"
    word, before, after = found[f"#{world.head.pk}"]
    assert word == "later" or before == after
    assert re.fullmatch(time, before)
    assert found[f"#{world.third.pk}"][0] == "starts at once"
    assert found[f"#{world.third.pk}"][2] == "at any moment"


def test_what_can_never_start_again_stands_first(browser: Client) -> None:
    other = group("other")
    world = World()
    shown = page(browser, ASK, move="gpu-02", to=other.pk)
    assert next(iter(said(shown).items()))[0] == f"#{world.head.pk}"
    assert said(shown)[f"#{world.head.pk}"][0] == "can never start"
    assert "It needs 4 devices; its group has at most 2." in shown


def test_a_node_that_moves_helps_the_other_queue_with_what_is_free_on_it(browser: Client) -> None:
    other = group("other")
    World()
    empty = make.ready_backend(1, group=other, name="lonely")
    waiting = make.job(num_devices=2)
    Job.objects.filter(pk=waiting.pk).update(group=other)
    tick(other.pk)
    found = said(page(browser, ASK, move="gpu-02", to=other.pk))
    assert found[f"#{waiting.pk}"][0] == "starts at once"
    move_backend(Backend.objects.get(name="gpu-02"), other, actor=make.ACTOR)
    tick(other.pk)
    assert Job.objects.get(pk=waiting.pk).status == JobStatus.SUBMITTED
    assert set(make.statuses(empty)) == {"IDLE"}


def test_a_drain_says_what_it_waits_for(browser: Client) -> None:
    World()
    shown = page(browser, ASK, drain="*")
    assert "Running jobs on nodes that go: 1. They run on to their end." in shown
    assert "The last is expected to end about" in shown
    assert 'id="timeline"' in shown


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a node that is not there": ({"drain": "gpu-99, gpu-0*"}, "There is no such node: gpu-99"),
    "nodes that move nowhere": ({"move": "gpu-01"}, "Choose the group that the nodes move to."),
    "nodes that move to no group": ({"move": "gpu-01", "to": 99}, "Choose the group that the nodes move to."),
    "a node both ways": ({"move": "gpu-01", "drain": "gpu-01", "to": "other"}, "A node may be drained or moved"),
    "too many nodes": ({"add": 1001}, "1 to 1000 nodes may be added."),
    "a priority that is none": ({"job": "head", "priority": 100}, "A priority is a whole number from -99 to 99."),
    "a job that does not wait": ({"job": 999_999, "priority": 1}, "The job is no longer waiting."),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_not_understood_is_said(browser: Client, case: str) -> None:
    other = group("other")
    world = World()
    asked, words = WRONG[case]
    names = {"head": world.head.pk, "other": other.pk}
    shown = page(browser, ASK, **{name: names.get(value, value) for name, value in asked.items()})
    assert words in shown
    assert cells(shown) == []


def test_nothing_is_asked_and_nothing_waits(browser: Client) -> None:
    assert "Nothing is asked yet." in page(browser, ASK)
    make.ready_backend(2, name="gpu-01")
    assert "Nothing waits in this group." in page(browser, ASK, drain="gpu-01")


def test_the_queries_are_as_many_for_50_jobs_as_for_5(browser: Client) -> None:
    world = World()
    for _ in range(2):
        make.job()
    asked = {"group": 0, "add": 3, "size": 8, "drain": "gpu-0*", "job": world.head.pk, "priority": 3}
    few = queries(browser, ASK, **asked)
    for _ in range(45):
        make.job()
    assert queries(browser, ASK, **asked) == few


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.GENERAL])
def test_only_who_operates_is_offered_to_do_it_and_that_asks_first(role: Role) -> None:
    world = World()
    browser = client_of(role)
    shown = page(browser, ASK, drain="gpu-02", job=world.second.pk, priority=1, policy="fair")
    found = re.findall(r'name="action" value="(\w+)"', shown.split("The question", 1)[1])
    assert found == (["drain", "change_priority"] if role == Role.GENERAL else [])
    wish = {"action": "drain", "_selected_action": world.two.pk, "select_across": "0"}
    answer = browser.post("/admin/backends/backend/", wish)
    assert set(make.statuses(world.two)) == {"IDLE"}
    assert ("Drain" in answer.content.decode()) is (role == Role.GENERAL)


def test_the_page_is_reached_from_the_queue_the_job_the_node_and_the_group(browser: Client) -> None:
    world = World()
    for address, way in {
        JOBS: ASK,
        f"/admin/scheduler/job/{world.head.pk}/change/": f"{ASK}?job={world.head.pk}",
        f"/admin/backends/backend/{world.one.pk}/change/": f"{ASK}?group=0&amp;drain=gpu-01",
        "/admin/backends/backendgroup/0/change/": f"{ASK}?group=0",
    }.items():
        assert f'href="{way}"' in page(browser, address), address


def test_queue_and_page_of_a_job_tell_the_estimate(browser: Client) -> None:
    world = World()
    look_ahead(0)
    shown = {row[2]: row[10] for row in cells(page(browser, JOBS))}
    latest = "at the latest (time limits)"
    assert latest in shown[f"#{world.head.pk}"]
    assert latest in page(browser, f"/admin/scheduler/job/{world.head.pk}/change/")
    rows = browser.get("/api/v2/scheduler/queue", {"status": "waiting"}).json()
    assert {(row["estimateBasis"], row["timeLimit"]) for row in rows} == {("LIMITS", 3600), ("LIMITS", 1800)}
    assert all(row["estimatedStart"] for row in rows)


def test_it_speaks_korean(browser: Client) -> None:
    World()
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "ko"
    shown = page(browser, ASK, drain="*", group=0)
    for word in ("가정해 보기", "노드 드레인", "결과", "시작"):
        assert word in shown
