"""The first page: what it shows to whom, where its cards lead, and what it costs."""

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.choices import Role
from alerts.codes import Code
from alerts.services import raise_alert
from alerts.subjects import node as node_subject
from backends.choices import BackendStatus
from backends.services.maintenance import create_window, end_window
from backends.services.nodes import set_backend_status
from core.clock import db_now
from scheduler.choices import Cause
from scheduler.models import Job
from scheduler.services.jobs import cancel_job
from scheduler.work import maintain
from tests import make
from tests.admin_world import client_of
from tests.console.allocations import HOUR, hold

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
PARTS = ("cards", "alerts", "top")
CARDS = "/admin/console/home/cards"
MAINTENANCE = "/admin/console/home/maintenance"
HISTORY = re.compile(r'<p class="mc-count">Jobs: ([\d,]+)</p>')
ROW = re.compile(r'<dt><a href="([^"]+)">([^<]+)</a></dt><dd>([\d,]+)')


def page(browser: Client, address: str = "/admin/") -> str:
    answer = browser.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def cluster() -> None:
    """Make nodes of every use, jobs of several fates, and an alert."""
    node = make.ready_backend(2)
    make.running_job(node)
    set_backend_status(make.ready_backend(2), BackendStatus.SHUTDOWN, actor=make.ACTOR)
    make.ready_backend(1)
    make.job(num_devices=8)
    cancel_job(make.job(num_devices=8), cause=Cause.BY_OPERATOR, actor=make.ACTOR)
    old = make.job(num_devices=8)
    cancel_job(old, cause=Cause.BY_OPERATOR, actor=make.ACTOR)
    day = timedelta(hours=25)
    Job.objects.filter(pk=old.pk).update(ended_at=db_now() - day, requested_at=db_now() - 2 * day)
    raise_alert(Code.CHECK_FAILED, node_subject(node.pk), node=node.name, error="A GPU fell off the bus.")


def test_every_part_of_a_card_leads_to_exactly_the_rows_that_it_counts() -> None:
    cluster()
    browser = client_of(Role.READ_ONLY)
    rows = [(unescape(address), int(number)) for address, _label, number in ROW.findall(page(browser, CARDS))]
    lists = [(address, number) for address, number in rows if not address.startswith("/admin/console/")]
    past = [(address, number) for address, number in rows if address.startswith("/admin/console/history/")]
    assert [number for _address, number in past] == [0, 1, 0]
    assert [HISTORY.findall(page(browser, address)) for address, _number in past] == [["0"], ["1"], ["0"]]
    assert len(lists) == 3 + 3 + 2 + 3 + 3
    assert sum(number > 0 for _address, number in lists) == 3 + 3 + 2 + 2 + 1
    for address, number in lists:
        answer: Any = browser.get(address)
        assert (answer.status_code, len(answer.context["cl"].result_list)) == (200, number), address


def test_the_cards_show_numbers_and_percentages() -> None:
    cluster()
    shown = page(client_of(Role.READ_ONLY), CARDS)
    found = [(label, number) for _address, label, number in ROW.findall(shown)]
    assert found[:8] == [
        ("in use", "1"), ("available", "1"), ("unavailable", "1"),
        ("in use", "1"), ("available", "2"), ("unavailable", "2"),
        ("devices in use", "1"), ("devices in service", "3"),
    ]  # fmt: skip
    assert re.findall(r"<small>(\d+ %)</small>", shown) == ["33 %", "33 %", "33 %", "20 %", "40 %", "40 %"]
    assert '<p class="mc-figure">33 % <small>now</small></p>' in shown


def test_with_jobs_the_page_appears_before_its_figures_are_read() -> None:
    cluster()
    browser = client_of(Role.READ_ONLY)
    shown, parts = page(browser), [page(browser, f"/admin/console/home/{part}") for part in ("cards", "top")]
    assert re.findall(r'id="home-(\w+)"[^>]* data-later aria-busy="true"', shown) == ["cards", "top"]
    titles = re.findall(r"<h2>([^<]+)</h2></header><p class=\"mc-figure\">…</p>", shown)
    assert titles == [unescape(title) for title in re.findall(r"<h2[^>]*><a[^>]*>([^<]+)</a></h2>", parts[0])]
    assert (ROW.findall(shown), [part.count("data-later") for part in parts]) == ([], [0, 0])


def test_the_page_travels_compressed() -> None:
    answer: Any = client_of(Role.READ_ONLY).get("/admin/", headers={"accept-encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("role", Role)
def test_every_role_sees_all_parts(role: Role) -> None:
    cluster()
    browser = client_of(role)
    shown = page(browser)
    for part in PARTS:
        assert f'id="home-{part}"' in shown
        assert f'id="home-{part}"' in page(browser, f"/admin/console/home/{part}")
    checked = re.findall(r'data-part="(\w+)"', shown)
    assert checked == ["api", "db", "broker", "worker", "powerWorker", "outbox", "beat", "tick", "grpc", "ipmi"]
    assert "A GPU fell off the bus." in shown


@pytest.mark.parametrize("address", ["cards", "alerts", "top", "devices", "queue"])
def test_strangers_are_redirected_to_the_login(address: str) -> None:
    answer = Client().get(f"/admin/console/home/{address}")
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next=/admin/console/home/{address}")


def test_an_empty_installation_shows_first_steps_with_links_for_who_may_follow_them() -> None:
    add = ["/admin/backends/backend/add/", "/admin/sda/sdamodel/add/", "/admin/tokens/token/add/"]
    shown = page(client_of(Role.GENERAL))
    assert "To the first job" in shown
    assert [way in shown for way in add] == [True, True, True]
    assert "Nothing needs attention." in shown
    assert "No token has held a device in the last 7 days." in shown
    assert "data-begin" in shown
    looking = page(client_of(Role.READ_ONLY))
    assert "To the first job" in looking
    assert [way in looking for way in add] == [False, False, False]


def test_the_first_steps_are_gone_with_the_first_job() -> None:
    make.ready_backend(1)
    browser = client_of(Role.GENERAL)
    assert "mc-done" in page(browser)
    assert "data-begin" not in page(browser)
    make.job()
    assert "To the first job" not in page(browser)


def test_the_page_speaks_korean() -> None:
    cluster()
    browser = client_of(Role.GENERAL)
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "ko"
    shown = page(browser)
    for text in ("서비스 효율", "7일 평균 사용", "사용 불가", "브로커", "토큰별 사용량", "대기열 길이"):
        assert text in shown
    assert browser.get("/admin/console/home/devices").json()["series"][0]["name"] == "평균"


def test_the_charts_follow_devices_and_queue() -> None:
    make.job(num_devices=8)
    hold(make.token(), make.backend(1), db_now() - HOUR, None)
    browser = client_of(Role.READ_ONLY)
    devices, queue = [browser.get(f"/admin/console/home/{name}").json() for name in ("devices", "queue")]
    assert (devices["unit"], queue["unit"]) == ("devices", "jobs")
    for course in (devices, queue):
        assert [one["name"] for one in course["series"]] == ["average", "highest"]
        assert {len(one["values"]) for one in course["series"]} == {len(course["times"])}
    assert devices["series"][1]["values"][-1] == 1
    assert queue["series"][1]["values"][-1] == 2  # the second job is what `hold` params for


def queries(browser: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        browser.get(address)
    return len([query for query in seen.captured_queries if "clock_timestamp" not in query["sql"]])


QUERIES = {
    "/admin/": 6,
    CARDS: 13,
    "/admin/console/home/alerts": 3,
    MAINTENANCE: 3,
    "/admin/console/home/top": 6,
    "/admin/console/home/devices": 5,
    "/admin/console/home/queue": 5,
}


def test_the_queries_do_not_grow_with_the_rows() -> None:
    browser = client_of(Role.MASTER)
    for _ in range(2):
        cluster()
        assert {address: queries(browser, address) for address in QUERIES} == QUERIES


def test_maintenance_that_lasts_or_comes_next_is_shown() -> None:
    browser, now = client_of(Role.READ_ONLY), db_now()
    node = make.backend(1)
    assert 'id="home-maintenance"' in page(browser)
    assert "hidden" in page(browser, MAINTENANCE)
    windows = [
        create_window(
            [node.pk],
            starts_at=now + start * HOUR,
            ends_at=now + (start + 1) * HOUR,
            reason=f"step {start}",
            actor=make.ACTOR,
        )
        for start in (9, 2, 4, 6, 11, 0)
    ]
    maintain()
    end_window(windows[1], actor=make.ACTOR)
    shown = page(browser, MAINTENANCE)
    assert "hidden" not in shown
    assert re.findall(r"step \d+(?=<)", shown) == ["step 0", "step 4", "step 6", "step 9"]
    assert [shown.count(word) for word in (">active<", ">scheduled<", ">1 node<")] == [1, 3, 4]
