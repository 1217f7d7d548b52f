"""The page of ended jobs: filters, pages of any depth, and files of exactly what the filters find."""

import csv
import json
import re
from datetime import timedelta
from html import unescape
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.choices import Role
from backends.models import Backend, BackendGroup, Device
from console.pages.exports import COLUMNS
from console.queries import history as reads
from scheduler.models import Job
from scheduler.services.sdas import switch_model
from tests import make
from tests.admin_world import client_of
from tests.console.jobs_data import HISTORY, JOBS, cells, failed_job, group, page, past_job, queries
from tokens.models import Token

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
QUERIES = 7


@pytest.fixture
def browser() -> Client:
    return client_of(Role.READ_ONLY)


@pytest.fixture
def node() -> Backend:
    return make.ready_backend(2)


def local(job: Job, name: str) -> str:
    return f"{timezone.localtime(getattr(job, name)):%Y-%m-%d %H:%M:%S}"


def listed(shown: str) -> list[int]:
    return [int(row[0].split()[0].removeprefix("#")) for row in cells(shown)]


def test_a_row_has_everything_about_an_ended_job(browser: Client, node: Backend) -> None:
    make.job()
    job = failed_job(node, minutes_ago=5, ran_s=3661, priority=3, framework="pytorch 2.4", version="0.1.0")
    assert cells(page(browser, HISTORY)) == [
        [
            f"#{job.pk} train.py",
            f"{job.token.description} default_backend_group",
            "3 customer's: 0",
            "failed",
            "1",
            "pytorch 2.4 0.1.0",
            f"{local(job, 'requested_at')} {local(job, 'started_at')}",
            local(job, "ended_at"),
            "0:00:30 1:01:01",
            "the program failed: exit code 3",
        ]
    ]


def ended_jobs(node: Backend) -> dict[str, Job]:
    aurora = make.token(description="Aurora Vision", max_sda_count=2)
    jobs = {
        "old": past_job(node, minutes_ago=300, owner=aurora, name="serve.py"),
        "middle": failed_job(node, minutes_ago=120, ran_s=600),
        "new": past_job(node, minutes_ago=10, owner=aurora),
        "canceled": past_job(node, minutes_ago=5, status="CANCELED", cause="BY_USER", group_id=group("Other").pk),
        "waiting": make.job(),
    }
    Job.objects.filter(pk=jobs["canceled"].pk).update(started_at=None)
    return jobs


def at(job: Job, name: str, seconds: int = 0) -> str:
    return f"{timezone.localtime(getattr(job, name)) + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


FILTERS: dict[str, tuple[Any, list[str]]] = {
    "nothing narrows": (lambda _: {}, ["canceled", "new", "middle", "old"]),
    "a status": (lambda _: {"status": "FAILED"}, ["middle"]),
    "two statuses": (lambda _: {"status": ["FAILED", "CANCELED"]}, ["canceled", "middle"]),
    "a cause": (lambda _: {"cause": "BY_USER"}, ["canceled"]),
    "a group": (lambda j: {"group": j["canceled"].group_id}, ["canceled"]),
    "a token": (lambda j: {"token": j["new"].token_id}, ["new", "old"]),
    "an id": (lambda j: {"id": j["middle"].pk}, ["middle"]),
    "an id of a job that waits": (lambda j: {"id": j["waiting"].pk}, []),
    "a text": (lambda _: {"q": "aurora serve"}, ["old"]),
    "ended from": (lambda j: {"ended_from": at(j["middle"], "ended_at")}, ["canceled", "new", "middle"]),
    "ended until": (lambda j: {"ended_to": at(j["middle"], "ended_at", 1)}, ["middle", "old"]),
    "started from": (lambda j: {"started_from": at(j["middle"], "started_at")}, ["new", "middle"]),
    "started until": (lambda j: {"started_to": at(j["middle"], "started_at")}, ["old"]),
    "several": (lambda j: {"status": "COMPLETED", "q": "aurora", "ended_from": at(j["middle"], "ended_at")}, ["new"]),
}


@pytest.mark.parametrize("case", FILTERS)
def test_list_and_files_hold_exactly_what_the_filters_find(browser: Client, node: Backend, case: str) -> None:
    jobs = ended_jobs(node)
    params, names = FILTERS[case][0](jobs), FILTERS[case][1]
    wanted = [jobs[name].pk for name in names]
    shown = page(browser, HISTORY, **params)
    assert listed(shown) == wanted
    assert f"Jobs: {len(wanted)}" in shown
    files = re.findall(r'href="([^"]+/export\.(?:csv|json)[^"]*)"', shown)
    for address in files:
        assert [int(row["id"]) for row in export(browser, address.replace("&amp;", "&"))] == wanted
    assert len(files) == 2


def test_jobs_of_a_deleted_group_and_token_are_found(browser: Client, node: Backend) -> None:
    canceled = ended_jobs(node)["canceled"]
    Token.objects.filter(pk=canceled.token_id).update(deleted_at=canceled.ended_at)
    BackendGroup.objects.filter(pk=canceled.group_id).update(deleted_at=canceled.ended_at)
    shown = page(browser, HISTORY, group=canceled.group_id, token=canceled.token_id)
    assert listed(shown) == [canceled.pk]
    assert re.search(rf'<option value="{canceled.group_id}" selected>Other \(deleted\)</option>', shown)


def export(browser: Client, address: str) -> list[dict[str, Any]]:
    answer: Any = browser.get(address)
    assert answer.status_code == 200
    text = b"".join(answer).decode()
    if ".json" in address:
        assert answer["Content-Type"] == "application/json; charset=utf-8"
        rows: list[dict[str, Any]] = json.loads(text)
        return rows
    assert text.startswith("\ufeff")
    assert re.fullmatch(r'attachment; filename="jobs-\d{8}-\d{6}\.csv"', answer["Content-Disposition"])
    return list(csv.DictReader(StringIO(text[1:], newline="")))


def test_a_file_has_everything_about_a_job_and_no_formula(browser: Client, node: Backend) -> None:
    job = failed_job(node, owner=make.token(description="=HYPERLINK(1)"), framework='a "b", c', process_name="+1")
    (row,) = export(browser, f"{HISTORY}export.json")
    assert tuple(row) == COLUMNS
    assert row == {
        "id": job.pk, "customer": "=HYPERLINK(1)", "token_id": job.token_id, "backend_group": "default_backend_group",
        "priority": 0, "status": "FAILED", "cause": "EXIT_CODE", "detail": "exit code 3", "exit_code": 3,
        "num_devices": 1, "process_name": "+1", "framework": 'a "b", c', "version": "",
        **{name: timezone.localtime(getattr(job, name)).isoformat(sep=" ", timespec="milliseconds")
           for name in ("requested_at", "submitted_at", "started_at", "ended_at")},
    }  # fmt: skip
    (line,) = export(browser, f"{HISTORY}export.csv")
    assert (line["customer"], line["process_name"], line["framework"]) == ("'=HYPERLINK(1)", "'+1", 'a "b", c')
    assert job.token.value not in json.dumps([row, line])


def test_a_long_file_comes_in_pieces_and_whole(browser: Client, node: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PIECE_ROWS", 3)
    jobs = [past_job(node, minutes_ago=100 - 10 * n).pk for n in range(7)]
    Job.objects.filter(pk__in=jobs[2:5]).update(ended_at=Job.objects.get(pk=jobs[2]).ended_at)  # a tie over an edge
    for kind in ("csv", "json"):
        found = [int(row["id"]) for row in export(browser, f"{HISTORY}export.{kind}")]
        assert found == [jobs[n] for n in (6, 5, 4, 3, 2, 1, 0)]


def test_files_of_nothing_are_whole_files(browser: Client) -> None:
    assert export(browser, f"{HISTORY}export.csv") == []
    assert export(browser, f"{HISTORY}export.json") == []
    assert browser.get(f"{HISTORY}export.xml").status_code == 404


NONSENSE = (
    {"id": "x"},
    {"status": "GONE"},
    {"group": "99"},
    {"ended_from": "yesterday"},
    {"cause": "?"},
    {"token": "0"},
    {"ended_from": "2026-01-02T00:00", "ended_to": "2026-01-01T00:00"},
    {"started_from": "2026-01-02T00:00", "ended_to": "2026-01-01T00:00"},
)


@pytest.mark.parametrize("params", NONSENSE, ids=str)
def test_a_wrong_filter_shows_a_message_and_no_jobs(browser: Client, node: Backend, params: Any) -> None:
    past_job(node)
    shown = page(browser, HISTORY, **params)
    assert cells(shown) == []
    assert "mc-error" in shown
    assert "Nothing was searched." in shown
    assert "Jobs: 0" not in shown
    assert "export.csv" not in shown
    assert browser.get(f"{HISTORY}export.csv", params).status_code == 400


def test_a_page_that_is_empty_and_a_customer_that_is_not_there_are_named_so(browser: Client, node: Backend) -> None:
    job = past_job(node)
    for position in ({"after": job.pk}, {"before": job.pk}, {"after": 999}):
        shown = page(browser, HISTORY, **position)
        assert "There are no jobs on this page." in shown, position
        assert f'<a class="mc-link" href="{HISTORY}">Newest</a>' in shown, position
    assert listed(page(browser, HISTORY, after="0")) == [job.pk]
    for address in (HISTORY, JOBS):
        assert "Customer: #999<" in page(browser, address, token=999)


def test_pages_lead_to_every_job_and_back(browser: Client, node: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PAGE", 2)
    jobs = [past_job(node, minutes_ago=100 - 10 * n, framework="kept").pk for n in range(5)]
    past_job(node, minutes_ago=1)
    Job.objects.filter(pk__in=jobs[1:4]).update(ended_at=Job.objects.get(pk=jobs[1]).ended_at)
    Job.objects.exclude(pk__in=jobs).update(process_name="other")

    def walk(rel: str, shown: str) -> list[list[int]]:
        found = [listed(shown)]
        while to := re.search(rf'rel="{rel}" href="([^"]+)"', shown):
            shown = page(browser, to[1].replace("&amp;", "&"))
            found.append(listed(shown))
        last.append(shown)
        return found

    last: list[str] = []
    down = walk("next", page(browser, HISTORY, q="train"))
    assert down == [[jobs[4], jobs[3]], [jobs[2], jobs[1]], [jobs[0]]]
    assert walk("prev", last[0]) == [[jobs[0]], [jobs[2], jobs[1]], [jobs[4], jobs[3]]]


def test_a_filtered_list_is_counted_to_a_limit(browser: Client, node: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "MOST_COUNTED", 2)
    monkeypatch.setattr(reads, "PAGE", 1)
    for _ in range(3):
        past_job(node)
    assert "Jobs: more than 2" in page(browser, HISTORY, status="COMPLETED")
    assert "Jobs: 3" in page(browser, HISTORY)


def test_jobs_are_found_by_what_they_are_billed_as(browser: Client, node: Backend) -> None:
    first, second = past_job(node), past_job(node, device=1)
    Device.objects.filter(backend=node, index=1).update(model="MI300X")
    model = second.sda.model
    switch_model(second.sda, make.sda_model(1), actor=make.ACTOR)
    assert listed(page(browser, HISTORY, sda_model=model.pk)) == [second.pk]
    assert listed(page(browser, HISTORY, device_model="MI300X")) == [second.pk]
    assert listed(page(browser, HISTORY, device_model=node.devices.get(index=0).model)) == [first.pk]
    assert listed(page(browser, HISTORY, sda_model=first.sda.model_id, device_model="MI300X")) == []
    assert "Ensure this value is greater than or equal to 1." in page(browser, HISTORY, sda_model=0)


def test_the_queries_are_as_many_for_50_rows_as_for_5(browser: Client, node: Backend) -> None:
    for _ in range(5):
        past_job(node)
    page(browser, HISTORY)
    assert queries(browser, HISTORY) == QUERIES
    for _ in range(45):
        past_job(node)
    assert queries(browser, HISTORY) == QUERIES


def test_an_empty_history_explains_how_jobs_come_here(browser: Client) -> None:
    assert "A job comes here when it completes, fails or is canceled." in page(browser, HISTORY)


def test_the_page_speaks_korean(browser: Client, node: Backend) -> None:
    failed_job(node)
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "ko"
    shown = page(browser, HISTORY)
    for word in ("이력", "작업: 1개", "CSV 내보내기", "실패", "종료 이유", "타임라인"):
        assert word in shown


@pytest.mark.parametrize("address", [HISTORY, f"{HISTORY}export.csv", f"{HISTORY}timeline/"])
def test_a_stranger_is_redirected_to_the_login(address: str) -> None:
    assert Client().get(address)["Location"] == f"/admin/login/?next={address}"


def test_a_text_is_searched_in_the_newest_jobs_and_the_page_shows_since_when(
    browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = make.ready_backend(1)
    old, *_others = [past_job(node, minutes_ago=minutes, name="mine.py") for minutes in (50, 40, 30)]
    assert "is looked for" not in page(browser, HISTORY, q="mine")
    monkeypatch.setattr(reads, "MOST_SEARCHED", 1)
    shown = page(browser, HISTORY, q="mine")
    assert "Jobs: 2</p>" in shown
    assert "A text is searched in the newest 1 jobs" in shown
    further = re.search(r'<a class="mc-link" href="([^"]+)">Search before that', shown)
    assert further
    monkeypatch.setattr(reads, "MOST_SEARCHED", 9)
    assert f"/job/{old.pk}/" in page(browser, unescape(further[1]))
    monkeypatch.setattr(reads, "MOST_SEARCHED", 1)
    assert "is looked for" not in page(browser, HISTORY, q="mine", token=old.token_id)
    assert "is looked for" not in page(browser, HISTORY)
