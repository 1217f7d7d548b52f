"""The usage page as a file: the same rows, exact to the millisecond."""

import pytest

from accounts.choices import Role
from scheduler.choices import JobStatus
from tests import make
from tests.admin_world import client_of
from tests.console.allocations import HOUR, NINE
from tests.console.pages.usage_data import FILE, TWO_HOURS, export, lines, two_customers
from tokens.services import create_token_group

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


def test_a_file_holds_every_row_exactly_and_no_formula() -> None:
    first, second = two_customers()
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


def test_json_has_the_same_rows_and_the_total() -> None:
    first, second = two_customers()
    found = export(client_of(Role.READ_ONLY), "json").json()
    assert (found["from"], found["to"]) == ("2024-03-11T18:30:00.000+09:00", "2024-03-11T20:30:00.000+09:00")
    assert (found["by"], found["total"]["device_ms"], found["total"]["max"]) == ("token", 10_800_000, 2)
    assert [(row["id"], row["name"], row["device_ms"]) for row in found["rows"]] == [
        (second.pk, "둘째", 7_200_000), (first.pk, "=HYPERLINK(1)", 3_600_000)
    ]  # fmt: skip


def test_files_of_groups_and_of_a_tokens_jobs_add_up() -> None:
    first, second = two_customers()
    for name, tokens in (("one", [first, second]), ("two", [second])):
        create_token_group(name=name, actor=make.ACTOR, tokens=tokens)
    browser = client_of(Role.READ_ONLY)
    for params, total in (
        ({"by": "group"}, 10_800_000),
        ({"by": "backends"}, 10_800_000),
        ({"by": "models"}, 10_800_000),
        ({"by": "devices"}, 10_800_000),
        ({"token": first.pk}, 3_600_000),
    ):
        assert sum(int(row["device_ms"]) for row in lines(export(browser, **params))) == total, params
    job, reserved = lines(export(browser, token=first.pk))
    assert (job["job"], job["until"], reserved["job"], reserved["until"]) == (
        str(first.jobs.get().pk), "2024-03-11T19:00:00.000+09:00", "", ""
    )  # fmt: skip


def test_only_known_kinds_of_files() -> None:
    assert client_of(Role.READ_ONLY).get(FILE + "exe", TWO_HOURS).status_code == 404


def test_tokens_that_only_waited_have_a_line_together() -> None:
    two_customers()
    for _ in range(2):
        job = make.job()
        ended = {"status": JobStatus.CANCELED, "cause": "BY_USER"}
        type(job).objects.filter(pk=job.pk).update(requested_at=NINE, ended_at=NINE + HOUR, **ended)
    browser = client_of(Role.READ_ONLY)
    last = lines(export(browser))[-1]
    assert (last["id"], last["name"], last["device_ms"]) == ("", "Tokens that held nothing", "0")
    assert (last["waiting_ms"], last["waiting_jobs"], last["cleaning_ms"]) == ("3600000", "2", "0")
    found = export(browser, "json").json()
    waits = [(row["waiting_ms"], row["waiting_jobs"]) for row in found["rows"]]
    assert (found["total"]["waiting_ms"], found["total"]["waiting_jobs"]) == tuple(map(sum, zip(*waits, strict=True)))
    assert found["total"]["waiting_jobs"] == 2
    assert "waiting_ms" not in export(browser, "json", by="models").json()["total"]
