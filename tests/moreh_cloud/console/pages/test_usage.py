"""The usage page: its range, its table, a token's jobs, and the same as a file."""

import csv
import io
import re
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from backends.models import Device
from moreh_cloud.accounts.choices import Role
from moreh_cloud.console.queries import usage as queries
from scheduler.choices import JobStatus
from scheduler.models import Allocation, Job
from tests import make
from tests.admin_world import client_of
from tests.moreh_cloud.console.world import HOUR, MINUTE, NINE, hold
from tokens.models import Token
from tokens.services import create_token_group
from usage.services import recount_hours

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
PAGE, CHART, FILE = "/admin/console/usage/", "/admin/console/usage/chart", "/admin/console/usage/file."
TWO_HOURS = {"range": "free", "start": "2024-03-11T18:30", "end": "2024-03-11T20:30"}  # of Seoul: 9:30 to 11:30
NOTHING = "\u2013"
CELL = re.compile(r"<t[dh][^>]*>(?:<a [^>]*>)?([^<]*)")


def world() -> tuple[Token, Token]:
    node, first, second = make.backend(4), make.token(description="=HYPERLINK(1)"), make.token(description="둘째")
    hold(first, node, NINE, NINE + HOUR, index=0)
    hold(first, node, NINE + 2 * HOUR, None, index=0, with_job=False)
    for index in (1, 2):
        hold(second, node, NINE + HOUR, NINE + 2 * HOUR, index=index)
    recount_hours(NINE, NINE + HOUR, actor=make.ACTOR)
    recount_hours(NINE + HOUR, NINE + HOUR + HOUR, actor=make.ACTOR)
    return first, second


def read(browser: Client, **asked: Any) -> Any:
    answer: Any = browser.get(PAGE, {**TWO_HOURS, **asked})
    assert answer.status_code == 200
    return answer


def table(answer: Any) -> list[list[str]]:
    body = answer.content.decode().partition("<tbody>")[2].partition("</table>")[0]
    return [[cell.strip() for cell in CELL.findall(row)] for row in body.split("</tr>") if "<td" in row]


def test_the_table_is_exact_and_adds_up() -> None:
    world()
    assert table(read(client_of(Role.READ_ONLY))) == [
        ["둘째", "0", "2", "1.00", "2.00", "67 %", "0.00", "0.00"],
        ["=HYPERLINK(1)", "0", "1", "0.50", "1.00", "33 %", "0.00", "0.00"],
        ["Total", "1", "2", "1.50", "3.00", "100 %", "0.00", "0.00"],
    ]


def test_waiting_and_cleaning_stand_beside_usage_and_are_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = world()
    job = second.jobs.earliest("pk")
    times = {"requested_at": NINE - HOUR, "submitted_at": NINE + HOUR, "ended_at": NINE + 2 * HOUR}
    second.jobs.filter(pk=job.pk).update(**times, num_devices=4, status=JobStatus.COMPLETED)
    Allocation.objects.filter(job=job).update(clean_at=NINE + 2 * HOUR + 15 * MINUTE)
    browser = client_of(Role.READ_ONLY)
    beside = [(row["waiting_ms"], row["waiting_jobs"], row["cleaning_ms"]) for row in lines(export(browser))]
    assert beside == [("7200000", "1", "900000"), ("0", "0", "0")]
    assert [row[-4:] for row in table(read(browser))] == [
        ["2.00", "67 %", "2.00", "0.25"],
        ["1.00", "33 %", "0.00", "0.00"],
        ["3.00", "100 %", "2.00", "0.25"],
    ]
    shown = re.sub(r"\s+", " ", read(browser, token=second.pk).content.decode())
    assert 'Waiting (not billed)</h2></header><p class="mc-figure">2.00 <small>device-hours · 1 job</small>' in shown
    assert 'Cleaning (not billed)</h2></header><p class="mc-figure">0.25 <small>device-hours</small>' in shown
    assert 'not billed)</h2></header><p class="mc-figure">0.00 <small>device-hours · 0 jobs' in re.sub(
        r"\s+", " ", read(browser, token=first.pk).content.decode()
    )
    monkeypatch.setattr(queries, "MOST_ALLOCATIONS", 0)
    left_out = read(browser).content.decode()
    assert "Waiting and cleaning are left out" in left_out
    assert [len(row) for row in table(read(browser))] == [6, 6, 6]


def test_percentages_are_of_the_devices_there_were() -> None:
    world()
    Device.objects.update(created_at=None)
    shown = re.sub(r"\s+", " ", read(client_of(Role.READ_ONLY)).content.decode())
    assert "1.50 <small>devices · 38 %</small>" in shown
    assert "Percentages are of the 4.00 devices there were, averaged over the time in which there were any." in shown
    assert "From 2024-03-11 18:30:00 until 2024-03-11 20:30:00, counted to the millisecond." in shown


def test_a_token_leads_to_its_jobs_and_its_reserved_sdas() -> None:
    first, _second = world()
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


def test_groups_that_share_a_token_are_taken_off_before_the_total() -> None:
    first, second = world()
    for name, tokens in (("one", [first, second]), ("two", [second])):
        create_token_group(name=name, actor=make.ACTOR, tokens=tokens)
    rows = table(read(client_of(Role.READ_ONLY), by="group"))
    assert rows == [
        ["one", "1", "2", "1.50", "3.00", "100 %"],
        ["two", "0", "2", "1.00", "2.00", "67 %"],
        ["Counted in several user groups", "", "", "", "\u22122.00", ""],
        ["Total", "1", "2", "1.50", "3.00", "100 %"],
    ]


def test_reserved_sdas_are_of_a_backend_group_too() -> None:
    world()
    rows = table(read(client_of(Role.READ_ONLY), by="backends"))
    assert [(row[0], row[4]) for row in rows] == [
        ("default_backend_group", "3.00"),
        ("Total", "3.00"),
    ]


WRONG = {
    "no start": ({"start": ""}, "start", "A time is missing."),
    "a day that is not": ({"start": "2024-02-30T00:00"}, "start", "Write it as YYYY-MM-DD HH:MM."),
    "a start to come": (
        {"start": "2999-01-01T00:00", "end": "2999-02-01T00:00"},
        "start",
        "This time has not come yet.",
    ),
    "long ago": ({"start": "1999-12-31T00:00"}, "start", "Nothing was measured before the year 2000."),
    "an end before the start": ({"end": "2024-03-11T18:30"}, "end", "The end must be after the start."),
    "an end without a meaning": ({"end": "tomorrow"}, "end", "Write it as YYYY-MM-DD HH:MM."),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_bad_date_is_said_at_its_field_and_nothing_is_shown(case: str) -> None:
    asked, field, problem = WRONG[case]
    world()
    browser = client_of(Role.READ_ONLY)
    shown = read(browser, **asked).content.decode()
    assert f'<span class="mc-wrong" id="id_{field}_error">{problem}</span>' in shown
    assert re.search(rf'<input type="datetime-local" name="{field}"[^>]*aria-invalid="true"', shown)
    assert "<table" not in shown
    assert "Nothing is shown, because the range cannot be read." in shown
    for address in (CHART, FILE + "csv"):
        assert browser.get(address, {**TWO_HOURS, **asked}).status_code == 400
    assert browser.get(FILE + "csv", {**TWO_HOURS, **asked}).content.decode() == problem


STRANGE = {
    "a token that never was": ({"token": "999999"}, 404),
    "a token that is no number": ({"token": "1;drop"}, 404),
    "a number beyond the database": ({"group": "9" * 40}, 404),
    "an unknown breakdown": ({"by": "colour"}, 200),
    "an unknown range": ({"range": "fortnight"}, 200),
    "a page that is none": ({"page": "x"}, 200),
}


@pytest.mark.parametrize("case", STRANGE)
def test_strange_addresses_do_no_harm(case: str) -> None:
    asked, status = STRANGE[case]
    world()
    assert client_of(Role.READ_ONLY).get(PAGE, {**TWO_HOURS, **asked}).status_code == status


def test_ranges_have_names_and_an_empty_one_says_so() -> None:
    world()
    browser = client_of(Role.READ_ONLY)
    for name in ("today", "7d", "month"):
        assert "=HYPERLINK(1)" in browser.get(PAGE, {"range": name}).content.decode()
    shown = read(browser, start="2023-01-01T00:00", end="2023-02-01T00:00").content.decode()
    assert "No device was held in this range." in shown
    usual = browser.get(PAGE)
    assert usual.context["wish"].named == "7d"


def test_an_end_to_come_is_cut_to_now() -> None:
    world()
    answer = read(client_of(Role.READ_ONLY), end="2999-01-01T00:00")
    over = answer.context["over"]
    assert over.end - over.start > timedelta(days=1)
    assert over.end.year < 2999


def test_the_chart_shows_the_pieces_of_the_range() -> None:
    first, _second = world()
    browser = client_of(Role.READ_ONLY)
    found = browser.get(CHART, TWO_HOURS).json()
    assert (found["unit"], found["labels"]) == ("device-hours", ["03-11 18:30", "03-11 19:00", "03-11 20:00"])
    assert found["series"][0]["values"] == [0.5, 2.0, 0.5]
    assert browser.get(CHART, {**TWO_HOURS, "token": str(first.pk)}).json()["series"][0]["values"] == [0.5, 0.0, 0.5]
    assert browser.get(CHART, {**TWO_HOURS, "start": "2024-03-12T00:00", "end": "2024-03-11T00:00"}).status_code == 400


def export(browser: Client, kind: str = "csv", **asked: Any) -> Any:
    answer: Any = browser.get(FILE + kind, {**TWO_HOURS, **asked})
    assert answer.status_code == 200
    return answer


def lines(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode("utf-8")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


def test_a_file_holds_every_row_exactly_and_no_formula() -> None:
    first, second = world()
    answer = export(client_of(Role.READ_ONLY))
    name = 'attachment; filename="usage-token-20240311-1830-to-20240311-2030.csv"'
    assert (answer["Content-Disposition"], answer["Content-Type"].partition(";")[0]) == (name, "text/csv")
    rows = lines(answer)
    assert [list(row.values()) for row in rows] == [
        [str(second.pk), "둘째", "0", "2", "1.0", "7200000", "2.0", "66.66666666666667", "0", "0", "0"],
        [str(first.pk), "'=HYPERLINK(1)", "0", "1", "0.5", "3600000", "1.0", "33.333333333333336", "0", "0", "0"],
    ]
    held = ["id", "name", "min", "max", "average", "device_ms", "device_hours", "share_percent"]
    assert list(rows[0]) == [*held, "waiting_ms", "waiting_jobs", "cleaning_ms"]
    assert [*lines(export(client_of(Role.READ_ONLY), by="models"))[0]] == held


def test_json_says_the_same_with_the_total() -> None:
    first, second = world()
    found = export(client_of(Role.READ_ONLY), "json").json()
    assert (found["from"], found["to"]) == ("2024-03-11T18:30:00.000+09:00", "2024-03-11T20:30:00.000+09:00")
    assert (found["by"], found["total"]["device_ms"], found["total"]["max"]) == ("token", 10_800_000, 2)
    assert [(row["id"], row["name"], row["device_ms"]) for row in found["rows"]] == [
        (second.pk, "둘째", 7_200_000), (first.pk, "=HYPERLINK(1)", 3_600_000)
    ]  # fmt: skip


def test_files_of_groups_and_of_a_tokens_jobs_add_up() -> None:
    first, second = world()
    for name, tokens in (("one", [first, second]), ("two", [second])):
        create_token_group(name=name, actor=make.ACTOR, tokens=tokens)
    browser = client_of(Role.READ_ONLY)
    for asked, total in (
        ({"by": "group"}, 10_800_000),
        ({"by": "backends"}, 10_800_000),
        ({"by": "models"}, 10_800_000),
        ({"by": "devices"}, 10_800_000),
        ({"token": first.pk}, 3_600_000),
    ):
        assert sum(int(row["device_ms"]) for row in lines(export(browser, **asked))) == total, asked
    job, reserved = lines(export(browser, token=first.pk))
    assert (job["job"], job["until"], reserved["job"], reserved["until"]) == (
        str(first.jobs.get().pk), "2024-03-11T19:00:00.000+09:00", "", ""
    )  # fmt: skip


@pytest.mark.parametrize("by", ["backends", "models", "devices"])
def test_a_row_leads_to_the_jobs_behind_it(by: str) -> None:
    world()
    Device.objects.update(model="MI300X")
    Job.objects.update(status=JobStatus.COMPLETED, ended_at=NINE + 2 * HOUR, submitted_at=NINE, started_at=NINE)
    browser = client_of(Role.READ_ONLY)
    ways = {unescape(way) for way in re.findall(r'href="(/admin/console/history/[^"]+)"', part(browser, by))}
    assert len(ways) == {"backends": 1, "models": 2, "devices": 1}[by]
    pages = "".join(browser.get(way).content.decode() for way in ways)
    found = [int(number) for number in re.findall(r'<a class="mc-link"[^>]*>#(\d+)</a>', pages)]
    assert sorted(found) == sorted(Allocation.objects.filter(job__isnull=False).values_list("job", flat=True))


def part(browser: Client, by: str) -> str:
    """Give the table's rows."""
    text: str = read(browser, by=by).content.decode()
    return text.partition("<tbody>")[2].partition("</table>")[0]


def test_without_lowest_and_highest_the_rest_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    world()
    monkeypatch.setattr(queries, "MOST_ALLOCATIONS", 1)
    browser = client_of(Role.READ_ONLY)
    answer = read(browser, by="backends")
    assert table(answer)[1] == ["Total", NOTHING, NOTHING, "1.50", "3.00", "100 %"]
    assert "Lowest and highest are left out" in answer.content.decode()
    first = lines(export(browser, by="backends"))[0]
    assert (first["min"], first["max"], first["average"]) == ("", "", "1.5")


def test_only_known_kinds_of_files() -> None:
    assert client_of(Role.READ_ONLY).get(FILE + "exe", TWO_HOURS).status_code == 404


@pytest.mark.parametrize("address", [PAGE, CHART, FILE + "csv"])
def test_strangers_are_led_to_the_login(address: str) -> None:
    answer = Client().get(address)
    assert (answer.status_code, answer["Location"]) == (302, f"/admin/login/?next={address}")


@pytest.mark.parametrize("role", Role)
def test_every_role_may_look(role: Role) -> None:
    world()
    assert "둘째" in read(client_of(role)).content.decode()


def test_the_page_speaks_korean() -> None:
    first, _second = world()
    browser = client_of(Role.READ_ONLY)
    browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "ko"
    shown = read(browser).content.decode()
    for text in ("밀리초 단위로 집계합니다", "사용자 그룹별", "상위 사용자", "CSV 내보내기", "지난달"):
        assert text in shown
    assert "이 기간의 작업과 예약" in read(browser, token=first.pk).content.decode()
    assert "YYYY-MM-DD HH:MM 형식으로" in read(browser, start="x").content.decode()


def test_more_tokens_than_fit_come_in_pages() -> None:
    node = make.backend(8)
    for number in range(52):
        token = make.token(description=f"customer {number:02}")
        hold(token, node, NINE + number * MINUTE, NINE + (number + 1) * MINUTE, with_job=False)
    browser = client_of(Role.READ_ONLY)
    asked = {"start": "2024-03-11T18:00"}
    first = read(browser, **asked)
    assert (len(table(first)), "1–50 / 52" in first.content.decode()) == (51, True)  # noqa: RUF001
    assert len(table(read(browser, **asked, page=2))) == 3
    assert len(lines(export(browser, **asked))) == 52


WAYS: dict[str, dict[str, str]] = {"by token": {}, "by group": {"by": "group"}, "by backends": {"by": "backends"}}
QUERIES = {"by token": 18, "by group": 18, "by backends": 17}


@pytest.mark.parametrize("way", WAYS)
def test_the_queries_do_not_grow_with_the_rows(way: str) -> None:
    browser = client_of(Role.MASTER)
    address = f"{PAGE}?{urlencode({**TWO_HOURS, **WAYS[way]})}"
    for _ in range(2):
        world()
        with CaptureQueriesContext(connection) as seen:
            browser.get(address)
        assert len([query for query in seen.captured_queries if "clock_timestamp" not in query["sql"]]) == QUERIES[way]
