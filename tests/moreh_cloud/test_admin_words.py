"""What the pages of the admin are called, what an empty list says, and what stands where nothing can be shown."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import translation
from django.views.defaults import server_error

from accounts.choices import Role
from backends.models import Backend
from billing.choices import StatementStatus
from billing.models import Price, Statement
from core.clock import db_now
from scheduler.choices import Cause, JobStatus
from scheduler.models import Job
from scheduler.services.jobs import cancel_job
from sda.models import Membership
from sda.services.models import create_membership, create_sda_model_group
from tests import make
from tests.admin_world import address, client_of, populate
from tokens.models import Token
from tokens.services import create_token_group
from usage.models import ClosedDay, ClosedHour, ClosedMonth

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


def shown(browser: Client, page: str, language: str = "en") -> str:
    return browser.get(page, headers={"accept-language": language}).content.decode()


def named(page: str) -> tuple[str, list[str]]:
    """Return the title of a page and the steps of its header."""
    (title,) = re.findall(r"<title>\s*(.*?)\s*</title>", page, re.DOTALL)
    (header,) = re.findall(r"<h1 .*?</h1>", page, re.DOTALL)
    steps = re.findall(r'<(?:a|span)[^>]*truncate tracking-tight">\s*(.*?)\s*</', header, re.DOTALL)
    return re.sub(r"\s+", " ", title), steps


def test_pages_are_called_what_the_menu_calls_them() -> None:
    browser, node = client_of(Role.MASTER), make.backend(name="gpu-7")
    pages = {
        address(Token, "changelist"): ("Tokens | Moreh Cloud", ["Tokens"]),
        address(Token, "add"): ("Add token | Moreh Cloud", ["Tokens", "Add"]),
        address(Backend, "import"): ("Import | Moreh Cloud", ["Backends", "Import"]),
        address(Backend, "change", node.pk): ("gpu-7 | Backend | Moreh Cloud", ["Backends", "gpu-7"]),
    }
    assert {page: named(shown(browser, page)) for page in pages} == pages
    korean = named(shown(browser, address(Backend, "change", node.pk), "ko"))
    assert korean == ("gpu-7 | 노드 | Moreh Cloud", ["노드", "gpu-7"])
    assert named(shown(browser, address(Job, "changelist"), "ko")) == ("작업 | Moreh Cloud", ["작업"])


def test_an_empty_list_says_how_rows_come_and_a_filter_that_it_finds_nothing() -> None:
    browser, prices = client_of(Role.MASTER), address(Price, "changelist")
    empty, filtered = shown(browser, prices), shown(browser, f"{prices}?q=MI999")
    assert "Nothing here yet" in empty
    assert "What has no price costs nothing, and statements say so." in empty
    assert "Reset filters" not in empty
    assert "found (" not in empty
    assert "Nothing fits the filters" in filtered
    assert "Reset filters" in filtered
    assert '0 found (<a href="?">Show all</a>)' in filtered
    assert "아직 항목이 없습니다" in shown(browser, address(Statement, "changelist"), "ko")


def test_only_a_list_that_is_filtered_offers_to_show_all() -> None:
    browser, nodes = client_of(Role.MASTER), address(Backend, "changelist")
    make.backend(name="gpu-7")
    assert "Show all" not in shown(browser, nodes)
    assert '1 found (<a href="?">Show all</a>)' in shown(browser, f"{nodes}?q=gpu-7")


def test_what_is_off_is_not_red() -> None:
    browser = client_of(Role.MASTER)
    page = shown(browser, "/admin/backends/backendgroup/")
    assert 'title="no"' in page
    assert "bg-red-100 text-red-700" not in page


def test_a_membership_is_called_by_its_groups() -> None:
    group = create_sda_model_group(name="small ones", backend_group=make.default_group(), actor=make.ACTOR)
    row = create_membership(create_token_group(name="labs", actor=make.ACTOR), group, actor=make.ACTOR)
    browser = client_of(Role.MASTER)
    assert "labs → small ones</a>" in shown(browser, address(Membership, "changelist"))
    assert named(shown(browser, address(Membership, "change", row.pk)))[1] == ["Memberships", "labs → small ones"]


@pytest.mark.parametrize(("rows", "offer"), [(50, True), (49, False)])
def test_a_list_that_is_not_counted_does_not_count_what_all_is(rows: int, offer: bool) -> None:
    accelerator, browser = make.sda(max_duplicates=0), client_of(Role.GENERAL)
    for _ in range(rows):
        make.job(accelerator)
    page = shown(browser, address(Job, "changelist"))
    assert ("Select all rows of the list" in page) == offer
    assert f"0 of {rows} selected" in page
    assert "9999999999" not in page


def test_a_closed_month_is_called_by_its_month_here() -> None:
    start = datetime(2026, 9, 30, 15, tzinfo=UTC)
    times = {"until": datetime(2026, 10, 31, 15, tzinfo=UTC), "closed_at": datetime(2026, 11, 1, tzinfo=UTC)}
    sums = {"device_ms": 0, "minimum": 0, "maximum": 0}
    assert str(ClosedMonth(month=start, **times, **sums)) == "2026-10"
    assert str(ClosedDay(day=start, **times, **sums)) == "2026-10-01"
    assert str(ClosedHour(hour=start, **times, **sums, starts=0, ends=0)) == "2026-10-01 00:00"


def test_a_job_offers_what_it_can_still_take() -> None:
    browser, node = client_of(Role.GENERAL), make.ready_backend(2)
    running, waiting, over = make.running_job(node), make.job(), make.job()
    cancel_job(over, cause=Cause.BY_OPERATOR, actor=make.ACTOR)
    offered = {job: _offered(browser, job) for job in (waiting, running, over)}
    assert offered == {waiting: ["cancel", "change_priority"], running: ["cancel"], over: []}
    assert Job.objects.get(pk=over.pk).status == JobStatus.CANCELED


def _offered(browser: Client, row: Model) -> list[str]:
    page = shown(browser, address(type(row), "change", row.pk))
    links = re.findall(rf'href="/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/(\w+)/?"', page)
    return sorted(set(links) - {"change", "paper"})


def test_a_draft_is_made_and_issued_and_what_is_issued_is_corrected() -> None:
    populate()
    browser = client_of(Role.GENERAL)
    draft = Statement.objects.get()
    assert _offered(browser, draft) == ["issue", "make"]
    issued = {"number": "202601-1", "issued_at": db_now(), "issued_by": "kim"}
    Statement.objects.update(status=StatementStatus.ISSUED, **issued)
    assert _offered(browser, draft) == ["correct"]


def test_the_fields_of_a_question_begin_with_a_capital() -> None:
    populate()
    page = shown(client_of(Role.GENERAL), address(Price, "replace", Price.objects.get().pk))
    assert re.findall(r"<label[^>]*>\s*([^<]+?)\s*<", page) == ["Valid from", "Price of a device-hour"]


@pytest.mark.parametrize(
    ("language", "title", "home"), [("en", "There is no such page", "Home"), ("ko", "페이지를 찾을 수 없습니다", "홈")]
)
def test_an_address_that_is_not_there(language: str, title: str, home: str) -> None:
    answer = client_of(Role.MASTER).get("/admin/nowhere/", headers={"accept-language": language})
    assert answer.status_code == 404
    assert f"<h1>{title}</h1>" in answer.content.decode()
    assert f'<a href="/admin/">{home}</a>' in answer.content.decode()


def test_what_a_role_may_not_do() -> None:
    answer = client_of(Role.READ_ONLY).get(address(Token, "add"))
    assert (answer.status_code, "<h1>Your role does not allow this</h1>" in answer.content.decode()) == (403, True)


def test_a_form_that_is_older_than_the_log_in() -> None:
    answer = Client(enforce_csrf_checks=True).post(reverse("admin:login"), {"username": "kim", "password": "x"})
    assert (answer.status_code, "<h1>This page was too old</h1>" in answer.content.decode()) == (403, True)


def test_what_stands_where_the_server_failed() -> None:
    with translation.override("ko"):
        page = server_error(RequestFactory().get("/")).content.decode()
    assert "<h1>문제가 발생했습니다</h1>" in page


REFUSED: dict[str, tuple[type[Model], dict[str, Any], str]] = {
    "a name that is taken": (
        Backend,
        {"name": "gpu-7", "ip": "10.0.0.1", "bmc_ip": "127.0.0.9"},
        "This name is taken.",
    ),
    "several jobs on several SDAs": (
        Token,
        {"description": "lab", "max_sda_count": 2, "max_duplicates": 5, "priority": 0, "access_level": "USER"},
        "Several jobs at once on one SDA need a token that may own only one SDA.",
    ),
    "a price that ends before it begins": (
        Price,
        {"device_model": "MI250", "amount": 1, "valid_from": "2026-11-10", "valid_until": "2026-11-01"},
        "The end must be after the start.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_form_says_what_is_wrong_without_the_names_of_programs(case: str) -> None:
    make.backend(name="gpu-7")
    model, given, sentence = REFUSED[case]
    needed = {"group": 0, "port": 21545, "bmc_port": 623, "device_count": 8} if model is Backend else {}
    answer = client_of(Role.MASTER).post(address(model, "add"), {**needed, **given})
    errors = answer.context["adminform"].form.errors.get_json_data()
    assert [said["message"] for field in errors.values() for said in field] == [sentence]


def test_a_refused_action_names_the_row_once() -> None:
    browser = client_of(Role.MASTER)
    page = browser.post("/admin/backends/backendgroup/0/delete/", {"agreed": "1"}, follow=True).content.decode()
    assert "default_backend_group: The default backend group cannot be deleted" in page
    assert "(id: 0)" not in page
