"""The preview of a priority change: it is true, and nothing is written."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from accounts.choices import Role
from backends.services.groups import update_backend_group
from events.models import Event
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.services.jobs import set_job_priority
from scheduler.services.sdas import create_sda
from tests import make
from tests.admin_world import client_of
from tests.console.jobs_data import JOBS, job_ids, page
from tests.transitions import unchecked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


# The change of jobs a, b, c with priorities 0, 0, 5 → new priority and a sentence
CHANGES: dict[str, tuple[str, dict[str, object], int, str]] = {
    "a new priority": ("a", {"priority": 6}, 6, "Place in default_backend_group: 2 → 1 of 3."),
    "in front of a younger one of a higher priority": (
        "b",
        {"before": "c"},
        5,
        "Place in default_backend_group: 3 → 1 of 3.",
    ),
    "in front of an older tie": ("b", {"before": "a"}, 1, "Place in default_backend_group: 3 → 2 of 3."),
    "behind the last": ("c", {"behind": "b"}, 0, "Place in default_backend_group: 1 → 3 of 3."),
    "behind the first of two ties that are older": ("c", {"behind": "a"}, 0, "so this job also passes them."),
}


@pytest.mark.parametrize("case", CHANGES)
def test_the_preview_of_a_change_comes_true(browser: Client, case: str) -> None:
    jobs = {"a": make.job(), "b": make.job(), "c": make.job()}
    set_job_priority(jobs["c"], 5, actor=make.ACTOR)
    name, change, priority, words = CHANGES[case]
    params: dict[str, Any] = {key: jobs[value].pk if isinstance(value, str) else value for key, value in change.items()}
    preview: Any = browser.get(f"{JOBS}{jobs[name].pk}/outlook", params).json()
    assert preview["priority"] == priority
    assert words in " ".join(preview["says"])
    assert Event.objects.filter(action="SET_JOB_PRIORITY").count() == 1  # nothing is written
    body = json.dumps({"id": jobs[name].pk, "priority": preview["priority"]})
    assert browser.put("/api/v2/scheduler/queue", body, content_type="application/json").status_code == 200
    place = re.search(r"→ (\d) of 3", " ".join(preview["says"]))
    assert place
    assert job_ids(page(browser, JOBS)).index(jobs[name].pk) + 1 == int(place[1])


@pytest.mark.parametrize(("change", "priority"), [({"before": "a"}, 1), ({"behind": "c"}, -1), ({"priority": 3}, 3)])
def test_in_a_fair_group_only_the_priority_changes_and_the_preview_has_a_note(
    browser: Client, change: dict[str, object], priority: int
) -> None:
    update_backend_group(make.default_group(), actor=make.ACTOR, policy="fair")
    owner = make.sda(1, max_duplicates=0)
    jobs = {"a": make.job(owner), "b": make.job(owner), "c": make.job(make.sda(1))}
    tick(0)
    assert job_ids(page(browser, JOBS)) == [jobs["a"].pk, jobs["c"].pk, jobs["b"].pk]  # they take turns
    params: dict[str, Any] = {key: jobs[value].pk if isinstance(value, str) else value for key, value in change.items()}
    preview: Any = browser.get(f"{JOBS}{jobs['b'].pk}/outlook", params).json()
    words = " ".join(preview["says"])
    assert preview["priority"] == priority
    assert "This group is fair" in words
    body = json.dumps({"id": jobs["b"].pk, "priority": priority})
    assert browser.put("/api/v2/scheduler/queue", body, content_type="application/json").status_code == 200
    tick(0)
    place = re.search(r": (\d) → (\d) of 3", words)
    assert place
    assert (place[1], job_ids(page(browser, JOBS)).index(jobs["b"].pk) + 1) == ("3", int(place[2]))


def test_in_a_fair_group_jobs_on_reserved_sdas_have_places_too(browser: Client) -> None:
    make.ready_backend(1)
    reserved = create_sda(make.token(), make.sda_model(1), reserved=True, actor=make.ACTOR)
    make.job(reserved)
    tick(0)
    update_backend_group(make.default_group(), actor=make.ACTOR, policy="fair")
    waiting, job = make.job(reserved), make.job(make.sda(1))
    set_job_priority(waiting, 5, actor=make.ACTOR)
    tick(0)
    for priority, place in ((4, 2), (6, 1)):
        preview: Any = browser.get(f"{JOBS}{job.pk}/outlook", {"priority": priority}).json()
        assert f": 2 → {place} of 2" in " ".join(preview["says"])


CHANGED = "The queue has changed meanwhile. Please look again."


REFUSED: tuple[tuple[dict[str, Any], int, str], ...] = (
    ({"before": "itself"}, 409, CHANGED),
    ({"behind": 99}, 409, CHANGED),
    ({}, 409, CHANGED),
    ({"priority": 100}, 400, "A priority is a whole number from -99 to 99."),
    ({"priority": "x"}, 400, "A priority is a whole number from -99 to 99."),
)


def test_the_preview_refuses_impossible_changes(browser: Client) -> None:
    first, second = make.job(), make.job()
    set_job_priority(first, 99, actor=make.ACTOR)
    answer = browser.get(f"{JOBS}{second.pk}/outlook", {"before": first.pk})
    assert (answer.status_code, "No priority brings it there" in answer.json()["message"]) == (409, True)
    for change, status, message in REFUSED:
        given = {name: second.pk if value == "itself" else value for name, value in change.items()}
        answer = browser.get(f"{JOBS}{second.pk}/outlook", given)
        assert (answer.status_code, answer.json()["message"]) == (status, message)
    with unchecked():
        Job.objects.filter(pk=second.pk).update(status="RUNNING")
    answer = browser.get(f"{JOBS}{second.pk}/outlook", {"priority": 1})
    assert (answer.status_code, answer.json()["message"]) == (409, "The job is no longer waiting.")
