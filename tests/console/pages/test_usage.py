"""The usage page: its tables, its chart, and who may see it."""

import re
from html import unescape
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.choices import Role
from backends.models import Device
from console.queries import usage as queries
from scheduler.choices import JobStatus
from scheduler.models import Allocation, Job
from tests import make
from tests.admin_world import client_of
from tests.console.allocations import HOUR, MINUTE, NINE, hold
from tests.console.pages.usage_data import CHART, NOTHING, PAGE, TWO_HOURS, export, lines, read, table, two_customers
from tokens.services import create_token_group

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


def test_the_table_is_exact_and_adds_up() -> None:
    two_customers()
    assert table(read(client_of(Role.READ_ONLY))) == [
        ["둘째", "0", "2", "1.00", "2.00", "67 %", "0.00", "0.00"],
        ["=HYPERLINK(1)", "0", "1", "0.50", "1.00", "33 %", "0.00", "0.00"],
        ["Total", "1", "2", "1.50", "3.00", "100 %", "0.00", "0.00"],
    ]


def test_waiting_and_cleaning_are_shown_with_usage_but_not_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = two_customers()
    job = second.jobs.earliest("pk")
    times = {"requested_at": NINE - HOUR, "submitted_at": NINE + HOUR, "ended_at": NINE + 2 * HOUR}
    second.jobs.filter(pk=job.pk).update(**times, num_devices=4, status=JobStatus.COMPLETED)
    Allocation.objects.filter(job=job).update(clean_at=NINE + 2 * HOUR + 15 * MINUTE)
    browser = client_of(Role.READ_ONLY)
    unbilled = [(row["waiting_ms"], row["waiting_jobs"], row["cleaning_ms"]) for row in lines(export(browser))]
    assert unbilled == [("7200000", "1", "900000"), ("0", "0", "0")]
    assert [row[-4:] for row in table(read(browser))] == [
        ["2.00", "67 %", "2.00", "0.25"],
        ["1.00", "33 %", "0.00", "0.00"],
        ["3.00", "100 %", "2.00", "0.25"],
    ]
    text = re.sub(r"\s+", " ", read(browser, token=second.pk).content.decode())
    assert 'Waiting (not billed)</h2></header><p class="mc-figure">2.00 <small>device-hours · 1 job</small>' in text
    assert 'Cleaning (not billed)</h2></header><p class="mc-figure">0.25 <small>device-hours</small>' in text
    assert 'not billed)</h2></header><p class="mc-figure">0.00 <small>device-hours · 0 jobs' in re.sub(
        r"\s+", " ", read(browser, token=first.pk).content.decode()
    )
    monkeypatch.setattr(queries, "MOST_ALLOCATIONS", 0)
    left_out = read(browser).content.decode()
    assert "Waiting and cleaning are left out" in left_out
    assert [len(row) for row in table(read(browser))] == [6, 6, 6]


def test_percentages_refer_to_the_devices_that_existed() -> None:
    two_customers()
    Device.objects.update(created_at=None)
    text = re.sub(r"\s+", " ", read(client_of(Role.READ_ONLY)).content.decode())
    assert "1.50 <small>devices · 38 %</small>" in text
    assert (
        "Percentages refer to the average number of devices (4.00) over the time in which there were devices." in text
    )
    assert "From 2024-03-11 18:30:00 until 2024-03-11 20:30:00, counted to the millisecond." in text


def test_a_token_links_to_its_jobs_and_its_reserved_sdas() -> None:
    first, _second = two_customers()
    browser = client_of(Role.READ_ONLY)
    assert f"token={first.pk}" in read(browser).content.decode()
    found = read(browser, token=first.pk)
    job = first.jobs.get()
    assert table(found) == [
        [f"#{job.pk}", NOTHING, "1", "2024-03-11 18:00:00", "2024-03-11 19:00:00", "0.50", "50 %"],
        [f"reserved SDA #{job.sda_id}", NOTHING, "1", "2024-03-11 20:00:00", "still held", "0.50", "50 %"],
        ["Total", "1.00", "100 %"],
    ]
    assert first.value not in found.content.decode()


def test_groups_that_share_a_token_are_subtracted_before_the_total() -> None:
    first, second = two_customers()
    for name, tokens in (("one", [first, second]), ("two", [second])):
        create_token_group(name=name, actor=make.ACTOR, tokens=tokens)
    rows = table(read(client_of(Role.READ_ONLY), by="group"))
    assert rows == [
        ["one", "1", "2", "1.50", "3.00", "100 %"],
        ["two", "0", "2", "1.00", "2.00", "67 %"],
        ["Counted in several user groups", "", "", "", "\u22122.00", ""],
        ["Total", "1", "2", "1.50", "3.00", "100 %"],
    ]


def test_reserved_sdas_count_for_a_backend_group_too() -> None:
    two_customers()
    rows = table(read(client_of(Role.READ_ONLY), by="backends"))
    assert [(row[0], row[4]) for row in rows] == [
        ("default_backend_group", "3.00"),
        ("Total", "3.00"),
    ]


def test_the_chart_shows_the_pieces_of_the_range() -> None:
    first, _second = two_customers()
    browser = client_of(Role.READ_ONLY)
    found = browser.get(CHART, TWO_HOURS).json()
    assert (found["unit"], found["labels"]) == ("device-hours", ["03-11 18:30", "03-11 19:00", "03-11 20:00"])
    assert found["series"][0]["values"] == [0.5, 2.0, 0.5]
    assert browser.get(CHART, {**TWO_HOURS, "token": str(first.pk)}).json()["series"][0]["values"] == [0.5, 0.0, 0.5]
    assert browser.get(CHART, {**TWO_HOURS, "start": "2024-03-12T00:00", "end": "2024-03-11T00:00"}).status_code == 400


@pytest.mark.parametrize("by", ["backends", "models", "devices"])
def test_a_row_links_to_its_jobs(by: str) -> None:
    two_customers()
    Device.objects.update(model="MI300X")
    Job.objects.update(status=JobStatus.COMPLETED, ended_at=NINE + 2 * HOUR, submitted_at=NINE, started_at=NINE)
    browser = client_of(Role.READ_ONLY)
    addresses = {
        unescape(address) for address in re.findall(r'href="(/admin/console/history/[^"]+)"', table_body(browser, by))
    }
    assert len(addresses) == {"backends": 1, "models": 2, "devices": 1}[by]
    pages = "".join(browser.get(address).content.decode() for address in addresses)
    found = [int(number) for number in re.findall(r'<a class="mc-link"[^>]*>#(\d+)</a>', pages)]
    assert sorted(found) == sorted(Allocation.objects.filter(job__isnull=False).values_list("job", flat=True))


def table_body(browser: Client, by: str) -> str:
    """Return the table's rows."""
    text: str = read(browser, by=by).content.decode()
    return text.partition("<tbody>")[2].partition("</table>")[0]


def test_without_lowest_and_highest_the_rest_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    two_customers()
    monkeypatch.setattr(queries, "MOST_ALLOCATIONS", 1)
    browser = client_of(Role.READ_ONLY)
    answer = read(browser, by="backends")
    assert table(answer)[1] == ["Total", NOTHING, NOTHING, "1.50", "3.00", "100 %"]
    assert "Lowest and highest are left out" in answer.content.decode()
    first = lines(export(browser, by="backends"))[0]
    assert (first["min"], first["max"], first["average"]) == ("", "", "1.5")


def test_more_tokens_than_fit_come_in_pages() -> None:
    node = make.backend(8)
    for number in range(52):
        token = make.token(description=f"customer {number:02}")
        hold(token, node, NINE + number * MINUTE, NINE + (number + 1) * MINUTE, with_job=False)
    browser = client_of(Role.READ_ONLY)
    params = {"start": "2024-03-11T18:00"}
    first = read(browser, **params)
    assert (len(table(first)), "1–50 / 52" in first.content.decode()) == (51, True)  # noqa: RUF001
    assert len(table(read(browser, **params, page=2))) == 3
    assert len(lines(export(browser, **params))) == 52


WAYS: dict[str, dict[str, str]] = {"by token": {}, "by group": {"by": "group"}, "by backends": {"by": "backends"}}


QUERIES = {"by token": 18, "by group": 18, "by backends": 17}


@pytest.mark.parametrize("way", WAYS)
def test_the_queries_do_not_grow_with_the_rows(way: str) -> None:
    browser = client_of(Role.MASTER)
    address = f"{PAGE}?{urlencode({**TWO_HOURS, **WAYS[way]})}"
    for _ in range(2):
        two_customers()
        with CaptureQueriesContext(connection) as seen:
            browser.get(address)
        assert len([query for query in seen.captured_queries if "clock_timestamp" not in query["sql"]]) == QUERIES[way]


@pytest.mark.parametrize("role", Role)
def test_every_role_may_look(role: Role) -> None:
    two_customers()
    assert "둘째" in read(client_of(role)).content.decode()


def test_the_page_speaks_korean() -> None:
    first, _second = two_customers()
    browser = client_of(Role.READ_ONLY)
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "ko"
    text = read(browser).content.decode()
    for words in ("밀리초 단위로 집계합니다", "사용자 그룹별", "상위 사용자", "CSV 내보내기", "지난달"):
        assert words in text
    assert "이 기간의 작업과 예약" in read(browser, token=first.pk).content.decode()
    assert "YYYY-MM-DD HH:MM 형식으로" in read(browser, start="x").content.decode()
