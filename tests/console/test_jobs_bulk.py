"""Bulk on the page of jobs means exactly what its filter finds: it posts to the admin's list with the same filters."""

import re

import pytest
from django.test import Client

from accounts.choices import Role
from scheduler.choices import Cause
from scheduler.models import Job
from scheduler.services.jobs import cancel_job
from tests import make
from tests.admin_world import client_of
from tests.console.jobs_data import JOBS, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


def jobs_to_filter() -> dict[str, Job]:
    running = make.running_job(make.ready_backend(1))
    aurora = make.token(description="Aurora 100%_Vision", max_sda_count=3)
    jobs = {
        "mine": make.job(make.sda(owner=aurora), process_name="train.py"),
        "mine too": make.job(make.sda(owner=aurora), process_name="serve.py"),
        "another's": make.job(process_name="train.py"),
        "running": running,
    }
    over = make.job(make.sda(owner=aurora))
    cancel_job(over, cause=Cause.BY_USER, actor=make.ACTOR)
    return {**jobs, "over": over}


FILTERS: dict[str, tuple[dict[str, object], set[str]]] = {
    "nothing narrows": ({}, {"mine", "mine too", "another's", "running"}),
    "waiting": ({"status": "waiting"}, {"mine", "mine too", "another's"}),
    "running": ({"status": "running"}, {"running"}),
    "a token": ({"token": "mine"}, {"mine", "mine too"}),
    "a text": ({"q": "train"}, {"mine", "another's"}),
    "a text with signs that mean something in SQL": ({"q": "100%_vision"}, {"mine", "mine too"}),
    "a number": ({"q": "#mine"}, {"mine"}),
    "all of them": ({"status": "waiting", "token": "mine", "q": "serve", "group": 0}, {"mine too"}),
}


@pytest.mark.parametrize("case", FILTERS)
def test_all_that_the_filter_finds_and_nothing_else_is_canceled(browser: Client, case: str) -> None:
    jobs = jobs_to_filter()
    params, wanted = FILTERS[case]
    given = {
        name: jobs["mine"].token_id if name == "token" else str(value).replace("mine", str(jobs["mine"].pk))
        for name, value in params.items()
    }
    shown = page(browser, JOBS, **given)
    listed = {int(pk) for pk in re.findall(r'data-job="(\d+)"', shown)}
    assert listed == {jobs[name].pk for name in wanted}
    address = re.search(r'id="jobs-bulk"[^>]* action="([^"]+)"', shown)
    assert address
    assert f'data-number="{len(wanted)}"' in shown
    form = {"action": "cancel", "select_across": "1", "_selected_action": "0"}
    where = address[1].replace("&amp;", "&")
    asks = browser.post(where, form).content.decode()
    assert f"Cancel: {len(wanted)} job" in asks
    browser.post(where, {**form, "agreed": str(len(wanted))})
    now = {name for name, job in jobs.items() if Job.objects.get(pk=job.pk).cause == Cause.BY_OPERATOR}
    assert now == wanted


def test_only_ticked_ones(browser: Client) -> None:
    first, second = make.job(), make.job()
    form = {"action": "cancel", "select_across": "0", "_selected_action": str(second.pk), "agreed": "1"}
    browser.post("/admin/scheduler/job/?status__in=WAITING,SUBMITTED,RUNNING", form)
    assert list(Job.objects.order_by("pk").values_list("status", flat=True)) == ["WAITING", "CANCELED"]
    assert first.pk < second.pk
