"""The what-if page: its parameters, its links and actions, and its queries."""

import re
from typing import Any

import pytest
from django.test import Client

from accounts.choices import Role
from backends.models import Backend
from scheduler.estimates.start_estimates import refresh_estimates
from tests import make
from tests.admin_world import client_of
from tests.console.jobs_data import JOBS, cells, group, page, queries
from tests.console.whatif.data import PAGE, SmallQueue

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a node that is not there": ({"drain": "gpu-99, gpu-0*"}, "There is no such node in this group: gpu-99"),
    "a node of another group": ({"drain": "lonely"}, "There is no such node in this group: lonely"),
    "names of another group": ({"drain": "lone*"}, "There is no such node in this group: lone*"),
    "more than is read": ({"drain": "gpu-01 " * 428 + "gpu-021"}, "Drain nodes: at most 3,000 characters."),
    "nodes that move nowhere": ({"move": "gpu-01"}, "Choose the group that the nodes move to."),
    "nodes that move to no group": ({"move": "gpu-01", "to": 99}, "Choose the group that the nodes move to."),
    "a node both ways": ({"move": "gpu-01", "drain": "gpu-01", "to": "other"}, "A node may be drained or moved"),
    "maintenance without an end": ({"maintain": "gpu-01"}, "Choose until when the maintenance lasts."),
    "maintenance to no time": ({"maintain": "gpu-01", "until": "soon"}, "Maintenance: Write it as YYYY-MM-DD HH:MM."),
    "maintenance that is over": ({"maintain": "gpu-01", "until": "2026-01-01 00:00"}, "later than now."),
    "a node drained and maintained": (
        {"maintain": "gpu-01", "until": "8999-01-01", "drain": "gpu-01"},
        "A node in maintenance cannot be drained",
    ),
    "too many nodes": ({"add": 1001}, "1 to 1000 nodes may be added."),
    "a priority that is none": ({"job": "head", "priority": 100}, "A priority is a whole number from -99 to 99."),
    "a job that does not wait": ({"job": 999_999, "priority": 1}, "The job is no longer waiting."),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_parameter_has_a_message(browser: Client, case: str) -> None:
    other = group("other")
    queue = SmallQueue()
    make.ready_backend(1, group=other, name="lonely")
    params, words = WRONG[case]
    names = {"head": queue.head.pk, "other": other.pk}
    shown = page(browser, PAGE, **{name: names.get(value, value) for name, value in params.items()})
    assert words in shown
    assert cells(shown) == []


def test_a_name_with_a_star_only_finds_nodes_of_the_chosen_group(browser: Client) -> None:
    other = group("other")
    SmallQueue()
    make.ready_backend(4, group=other, name="gpu-91")
    shown = page(browser, PAGE, group=other.pk, drain="gpu-*")
    assert re.findall(r'name="_selected_action" value="(\d+)"', shown) == [str(Backend.objects.get(name="gpu-91").pk)]
    assert "0 of 4 devices would be left." in shown


@pytest.mark.only_sqlite  # the same on both, and slow
def test_every_name_arrives_whole_and_as_it_is_written(browser: Client) -> None:
    for name in ("gpu-1", "GPU-2", "rack 1, left", 'the "new" one', "all*"):
        make.backend(0, name=name)
    for number in range(300):
        make.backend(0, name=f"n-{number:03}")
    cases = {
        ", ".join(f"n-{number:03}" for number in range(300)): [f"n-{number:03}" for number in range(300)],
        "gpu-*": ["gpu-1"],
        '"rack 1, left" gpu-1': ["gpu-1", "rack 1, left"],
        '"the ""new"" one"': ['the "new" one'],
        '"all*"': ["all*"],
    }
    for drain, names in cases.items():
        shown = page(browser, PAGE, group=0, drain=drain)
        chosen = re.findall(r'name="_selected_action" value="(\d+)"', shown)
        assert [Backend.objects.get(pk=pk).name for pk in chosen] == names, drain
    odd = Backend.objects.get(name="rack 1, left")
    assert f'href="{PAGE}?group=0&amp;drain=%22rack%201%2C%20left%22"' in page(
        browser, f"/admin/backends/backend/{odd.pk}/change/"
    )
    form = {"action": "drain", "_selected_action": [odd.pk] * 10_000, "select_across": "0"}
    assert browser.post("/admin/backends/backend/", form).status_code == 200


def test_without_a_change_or_waiting_jobs_there_is_a_message(browser: Client) -> None:
    assert "There is no change yet." in page(browser, PAGE)
    make.ready_backend(2, name="gpu-01")
    assert "Nothing waits in this group." in page(browser, PAGE, drain="gpu-01")


def test_the_queries_are_as_many_for_50_jobs_as_for_5(browser: Client) -> None:
    queue = SmallQueue()
    for _ in range(2):
        make.job()
    params = {"group": 0, "add": 3, "size": 8, "drain": "gpu-0*", "job": queue.head.pk, "priority": 3}
    few = queries(browser, PAGE, **params)
    for _ in range(45):
        make.job()
    assert queries(browser, PAGE, **params) == few


@pytest.mark.parametrize("role", [Role.READ_ONLY, Role.GENERAL])
def test_only_operators_get_the_actions_and_confirm_them_first(role: Role) -> None:
    queue = SmallQueue()
    browser = client_of(role)
    shown = page(browser, PAGE, drain="gpu-02", job=queue.second.pk, priority=1, policy="fair")
    found = re.findall(r'name="action" value="(\w+)"', shown.split("The question", 1)[1])
    assert found == (["drain", "change_priority"] if role == Role.GENERAL else [])
    form = {"action": "drain", "_selected_action": queue.two.pk, "select_across": "0"}
    answer = browser.post("/admin/backends/backend/", form)
    assert set(make.statuses(queue.two)) == {"IDLE"}
    assert ("Drain" in answer.content.decode()) is (role == Role.GENERAL)


def test_the_page_is_reached_from_the_queue_the_job_the_node_and_the_group(browser: Client) -> None:
    queue = SmallQueue()
    for address, link in {
        JOBS: PAGE,
        f"/admin/scheduler/job/{queue.head.pk}/change/": f"{PAGE}?job={queue.head.pk}",
        f"/admin/backends/backend/{queue.one.pk}/change/": f"{PAGE}?group=0&amp;drain=gpu-01",
        "/admin/backends/backendgroup/0/change/": f"{PAGE}?group=0",
    }.items():
        assert f'href="{link}"' in page(browser, address), address


def test_queue_and_page_of_a_job_show_the_estimate(browser: Client) -> None:
    queue = SmallQueue()
    refresh_estimates(0)
    shown = {row[2]: row[10] for row in cells(page(browser, JOBS))}
    latest = "at the latest (time limits)"
    assert latest in shown[f"#{queue.head.pk}"]
    assert latest in page(browser, f"/admin/scheduler/job/{queue.head.pk}/change/")
    rows = browser.get("/api/v2/scheduler/queue", {"status": "waiting"}).json()
    assert {(row["estimateBasis"], row["timeLimit"]) for row in rows} == {("LIMITS", 3600), ("LIMITS", 1800)}
    assert all(row["estimatedStart"] for row in rows)


def test_the_page_speaks_korean(browser: Client) -> None:
    SmallQueue()
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "ko"
    shown = page(browser, PAGE, drain="*", group=0)
    for word in ("가정해 보기", "노드 드레인", "결과", "시작"):
        assert word in shown
