"""What the what-if page shows comes true, and the page changes nothing."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from backends.models import Backend, BackendGroup
from backends.services.groups import move_backend, update_backend_group
from core.clock import db_now
from events.models import Event
from scheduler.choices import JobStatus
from scheduler.cycle.tick import tick
from scheduler.models import Job
from scheduler.services.jobs import set_job_priority
from scheduler.services.nodes import drain_backend
from tests import make
from tests.console.jobs_data import group, page
from tests.console.whatif.data import PAGE, SmallQueue, effects

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


# The parameters, how the change is then made, and which jobs start at once
CHANGES: dict[str, tuple[dict[str, str], Callable[[SmallQueue], object], list[str]]] = {
    "a raised priority": (
        {"job": "second", "priority": "5"},
        lambda queue: set_job_priority(queue.second, 5, actor=make.ACTOR),
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
    "a drained node": ({"drain": "gpu-02"}, lambda queue: drain_backend(queue.two, actor=make.ACTOR), []),
    "a node that moves": (
        {"move": "gpu-02", "to": "other"},
        lambda queue: move_backend(queue.two, BackendGroup.objects.get(name="other"), actor=make.ACTOR),
        [],
    ),
}


@pytest.mark.parametrize("case", CHANGES)
def test_the_effect_that_is_shown_comes_true(browser: Client, case: str) -> None:
    group("other")
    queue = SmallQueue()
    params, do, starts = CHANGES[case]
    names = {"second": queue.second.pk, "other": BackendGroup.objects.get(name="other").pk}
    events = Event.objects.count()
    found = effects(page(browser, PAGE, **{name: names.get(value, value) for name, value in params.items()}))
    assert Event.objects.count() == events
    at_once = [job for job, (word, _, _) in found.items() if word == "starts at once"]
    assert at_once == [f"#{getattr(queue, name).pk}" for name in starts]
    do(queue)
    tick(0)
    waiting = (queue.head, queue.second, queue.third)
    assert [f"#{job.pk}" for job in waiting if queue.status(job) == JobStatus.SUBMITTED] == at_once


def test_a_later_start_is_shown_with_both_estimates_and_their_basis(browser: Client) -> None:
    queue = SmallQueue()
    found = effects(page(browser, PAGE, job=f"#{queue.third.pk}", priority=9))
    time = r"\d{4}-\d\d-\d\d \d\d:\d\d at the latest \(time limits\)"
    word, before, after = found[f"#{queue.head.pk}"]
    assert word == "later" or before == after
    assert re.fullmatch(time, before)
    assert found[f"#{queue.third.pk}"][0] == "starts at once"
    assert found[f"#{queue.third.pk}"][2] == "at any moment"


def test_a_job_that_can_never_start_comes_first(browser: Client) -> None:
    other = group("other")
    queue = SmallQueue()
    shown = page(browser, PAGE, move="gpu-02", to=other.pk)
    assert next(iter(effects(shown).items()))[0] == f"#{queue.head.pk}"
    assert effects(shown)[f"#{queue.head.pk}"][0] == "can never start"
    assert "It needs 4 devices; its group has at most 2." in shown


def test_a_node_that_moves_helps_the_other_queue_with_what_is_free_on_it(browser: Client) -> None:
    other = group("other")
    SmallQueue()
    empty = make.ready_backend(1, group=other, name="lonely")
    waiting = make.job(num_devices=2)
    Job.objects.filter(pk=waiting.pk).update(group=other)
    tick(other.pk)
    found = effects(page(browser, PAGE, move="gpu-02", to=other.pk))
    assert found[f"#{waiting.pk}"][0] == "starts at once"
    move_backend(Backend.objects.get(name="gpu-02"), other, actor=make.ACTOR)
    tick(other.pk)
    assert Job.objects.get(pk=waiting.pk).status == JobStatus.SUBMITTED
    assert set(make.statuses(empty)) == {"IDLE"}


def test_a_drain_that_leaves_no_device_lets_no_job_start(browser: Client) -> None:
    queue = SmallQueue()
    other = make.job(num_devices=1)  # without a start estimate
    tick(0)
    shown = page(browser, PAGE, drain="*")
    assert "0 of 4 devices would be left." in shown
    waiting = (queue.head, queue.second, queue.third, other)
    assert {job: word for job, (word, _, _) in effects(shown).items()} == {
        f"#{job.pk}": "can never start" for job in waiting
    }
    assert "Nothing changes" not in shown


def test_devices_that_are_drained_already_do_not_count_as_left(browser: Client) -> None:
    queue = SmallQueue()
    drain_backend(queue.two, actor=make.ACTOR)
    tick(0)
    shown = page(browser, PAGE, group="0", drain="gpu-01")
    assert "0 of 2 devices would be left." in shown
    assert {word for word, _without, _with in effects(shown).values()} == {"can never start"}


def test_a_drain_of_a_silent_node_counts_its_devices_too(browser: Client) -> None:
    queue = SmallQueue()
    Backend.objects.filter(pk=queue.two.pk).update(status="SHUTDOWN")
    shown = page(browser, PAGE, drain="gpu-02")
    assert "2 of 4 devices would be left." in shown
    assert effects(shown)[f"#{queue.head.pk}"][0] == "can never start"


def test_a_silent_node_that_moves_brings_its_devices(browser: Client) -> None:
    other = group("other")
    queue = SmallQueue()
    make.ready_backend(1, group=other, name="lonely")
    waiting = make.job(num_devices=2)
    Job.objects.filter(pk=waiting.pk).update(group=other)
    Backend.objects.filter(pk=queue.two.pk).update(status="SHUTDOWN")
    shown = page(browser, PAGE, move="gpu-02", to=other.pk)
    assert "2 of 4 devices would be left." in shown
    assert "3 devices instead of 1." in shown
    assert "its group has at most 1" not in shown


def test_a_start_that_is_not_known_is_not_shown_as_unchanged(browser: Client) -> None:
    make.running_job(make.ready_backend(2, name="gpu-01"), 2)
    make.ready_backend(1, name="gpu-02")
    make.job(num_devices=2)
    tick(0)
    shown = page(browser, PAGE, drain="gpu-02")
    assert "2 of 3 devices would be left." in shown
    assert "No known start changes." in shown
    assert "Jobs without a start estimate, with the change or without it: 1." in shown
    assert "Nothing changes" not in shown
    assert "3 devices, as before." in page(browser, PAGE, policy="backfill")
    assert "11 devices instead of 3." in page(browser, PAGE, add=1, size=8)


def test_a_drain_shows_the_jobs_that_it_waits_for(browser: Client) -> None:
    SmallQueue()
    shown = page(browser, PAGE, drain="*")
    assert "Running jobs on nodes that leave: 1. They continue to their end." in shown
    assert "The last is expected to end about" in shown
    assert 'id="timeline"' in shown


def test_planned_maintenance_delays_whom_it_leaves_too_few_devices(browser: Client) -> None:
    queue = SmallQueue()
    begins = timezone.localtime(db_now() + timedelta(minutes=20))
    times = {"from": f"{begins:%Y-%m-%dT%H:%M}", "until": f"{begins + timedelta(hours=9):%Y-%m-%dT%H:%M}"}
    shown = page(browser, PAGE, maintain="gpu-02", **times)
    found = effects(shown)
    end = f"{(begins + timedelta(hours=9)):%Y-%m-%d %H:%M}"
    assert found[f"#{queue.head.pk}"][0] == "later"
    assert f"about {end} (end of maintenance)" in found[f"#{queue.head.pk}"][2]
    assert 'name="action" value="maintain"' in shown
