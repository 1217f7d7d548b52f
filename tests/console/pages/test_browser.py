"""Home and usage in Debian's chromium: charts, their tables, explanations, and cards that renew themselves."""

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, expect

from accounts.choices import Role
from core.clock import db_now
from tests import make
from tests.console.allocations import HOUR, MINUTE, hold
from tests.moreh_cloud.test_admin_browser import chromium, log_in

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.only_sqlite,
    pytest.mark.timeout(180),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("static_files", "own_watcher"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_home_draws_explains_and_renews_itself(chromium: Browser, live_server: "LiveServer", scheme: str) -> None:
    make.operator(Role.READ_ONLY, username="kim")
    node = make.ready_backend(2)
    hold(make.token(), node, db_now() - HOUR, None)
    page = log_in(chromium, live_server.url, scheme)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    expect(page.locator("#home-devices")).to_have_attribute("data-state", "drawn")
    page.get_by_text("As a table").first.click()
    expect(page.locator("details[data-of=home-devices] tbody tr").last).to_contain_text("1")
    expect(page.locator("details[data-of=home-devices] thead")).to_contain_text("highest")
    page.get_by_role("button", name="What is counted").first.click()
    expect(page.locator("#why-nodes")).to_contain_text("One of its devices is held")
    page.keyboard.press("Escape")
    expect(page.locator("#why-nodes")).to_be_hidden()
    expect(page.locator("[data-part=db]")).to_have_text("working")
    expect(page.get_by_role("region", name="Nodes", exact=True).locator(".mc-figure")).to_have_text("1")
    make.ready_backend(1)
    expect(page.get_by_role("region", name="Nodes", exact=True).locator(".mc-figure")).to_have_text("2", timeout=20_000)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert problems == []


def test_a_range_is_chosen_and_a_token_followed_to_its_jobs(chromium: Browser, live_server: "LiveServer") -> None:
    make.operator(Role.READ_ONLY, username="kim")
    token = make.token(description="Aurora")
    held = hold(token, make.ready_backend(1), db_now() - 30 * MINUTE, db_now() - 10 * MINUTE)
    page = log_in(chromium, live_server.url, "light")
    page.goto(f"{live_server.url}/admin/console/usage/")
    expect(page.locator("#usage-chart")).to_have_attribute("data-state", "drawn")
    page.locator(".mc-table").get_by_role("link", name="Aurora").click()
    expect(page.get_by_role("link", name=f"#{held.job_id}")).to_be_visible()
    page.get_by_label("From").fill("2024-01-02T00:00")
    page.get_by_label("To").fill("2024-01-01T00:00")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("The end must be after the start.")).to_be_visible()
    with page.expect_download() as file:
        page.goto(f"{live_server.url}/admin/console/usage/")
        page.get_by_role("link", name="Export CSV").click()
    assert file.value.suggested_filename.startswith("usage-token-")
