"""An operator's whole way with a second factor, in Debian's chromium, in both languages and both themes."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page

from accounts.choices import Role
from accounts.models import Operator
from events.models import Event
from tests import make
from tests.accounts.phone import code_of
from tests.console.every_page import View, axe_in, window
from tests.moreh_cloud.test_admin_browser import chromium

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_sqlite,  # what a browser makes of a page does not depend on the database that filled it
    pytest.mark.usefixtures("static_files"),
]
PASSWORD = "correct horse"
VIEWS = [View("GENERAL", "en", "light"), View("GENERAL", "ko", "dark")]
PAGE = "/accounts/two-factor/"


def log_in(page: Page, server: str, code: str = "") -> None:
    page.goto(f"{server}/admin/")
    page.locator("#id_username").fill("kim")
    page.locator("#id_password").fill(PASSWORD)
    page.locator("#id_password").press("Enter")
    if code:
        page.locator("#id_code").fill(code)
        page.locator("#id_code").press("Enter")
    page.locator("#nav-sidebar").wait_for()


def _leave(page: Page) -> None:
    """Forget who is logged in, and end the page first: the answers that it waits for set cookies, too."""
    page.goto("about:blank")
    page.context.clear_cookies()


def prove(page: Page, code: str, verb: str) -> None:
    page.locator("#id_password").fill(PASSWORD)
    page.locator("#id_code").fill(code)
    page.locator(f"button[value={verb}]").click()


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_an_operator_sets_it_up_uses_it_and_switches_it_off(
    chromium: Browser, live_server: "LiveServer", tmp_path: Path, view: View
) -> None:
    kim, server, axe = make.operator(Role.GENERAL, username="kim"), live_server.url, axe_in(tmp_path)
    context, visit = window(chromium, view)
    page, wrong = visit.page, []
    log_in(page, server)
    # From one's own menu.
    page.locator(f'a[href="{PAGE}"]').dispatch_event("click")
    page.wait_for_url(f"**{PAGE}")
    wrong += visit.open(server + PAGE) + visit.barriers(axe, {})
    page.locator("button[value=begin]").click()
    page.locator("svg.mc-qr").wait_for()
    wrong += visit.open(server + PAGE) + visit.barriers(axe, {})
    prove(page, "000000", "enable")
    page.locator("#id_code").wait_for()
    assert Operator.objects.get(pk=kim.pk).two_factor_at is None
    prove(page, code_of(kim, -1), "enable")
    page.locator(".mc-codes").wait_for()
    wrong += visit.barriers(axe, {})
    codes = page.locator(".mc-codes code").all_inner_texts()
    with page.expect_download() as file:
        page.locator("a[download]").click()
    assert file.value.suggested_filename == "moreh-cloud-recovery-codes.txt"
    assert Path(file.value.path()).read_text() == "\n".join(["Moreh Cloud: kim", *codes, ""])
    page.goto(server + PAGE)
    assert page.locator(".mc-codes").count() == 0
    _leave(page)
    log_in(page, server, code_of(kim))
    _leave(page)
    page.goto(f"{server}/admin/")
    page.locator("#id_username").fill("kim")
    page.locator("#id_password").fill(PASSWORD)
    page.locator("#id_password").press("Enter")
    page.locator("#id_code").wait_for()
    wrong += visit.barriers(axe, {})
    page.locator("#id_code").fill(codes[0])
    page.locator("#id_code").press("Enter")
    page.locator("#nav-sidebar").wait_for()
    wrong += visit.open(server + PAGE) + visit.barriers(axe, {})
    prove(page, codes[1], "disable")
    page.locator("button[value=begin]").wait_for()
    context.close()
    told = list(Event.objects.order_by("pk").values_list("action", "actor", "request"))
    assert told == [
        ("ENABLE_TWO_FACTOR", "kim", {}),
        ("USE_RECOVERY_CODE", "kim", {"left": 9}),
        ("USE_RECOVERY_CODE", "kim", {"left": 8}),
        ("DISABLE_TWO_FACTOR", "kim", {}),
    ]
    assert wrong == [], "\n".join(wrong)
