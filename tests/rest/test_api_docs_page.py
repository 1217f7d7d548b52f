"""/api-docs/ in Debian's chromium: after log-in on the web a GET is tried out there, and no other host is asked."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import sync_playwright

from accounts.choices import Role
from tests import make

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.only_sqlite,  # what a browser makes of a page does not depend on the database
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("static_files"),
]
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


def test_a_get_is_tried_out_from_the_page(
    live_server: "LiveServer", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Playwright's loop runs in this thread, which Django takes for asynchronous code.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    make.operator(Role.GENERAL, username="kim")
    token = make.token(description="Vision team")
    asked: list[str] = []
    problems: list[str] = []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS) as browser,
    ):
        page = browser.new_page(viewport={"width": 1366, "height": 900})
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
        page.goto(f"{live_server.url}/api-docs/")
        page.get_by_label("Username").fill("kim")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Log in").click()
        address = page.locator("#operations-token-token_list")
        address.locator(".opblock-summary-control").click()
        address.get_by_role("button", name="Try it out").click()
        address.locator("tr[data-param-name=description] input").fill("Vision")
        for name in ("after", "expand", "group", "limit", "maxDuplicates", "offset", "token"):
            field = address.locator(f"tr[data-param-name={name}] input")
            if field.count():
                field.fill("")
        with page.expect_response(lambda answer: "/api/v2/token" in answer.url) as answered:
            address.get_by_role("button", name="Execute").click()
        address.locator(".live-responses-table .response-col_status").first.wait_for()
        page.screenshot(path=str(tmp_path / "page.png"), full_page=False)
        answer = answered.value
        assert (answer.status, [found["value"] for found in answer.json()]) == (200, [token.value]), answer.url
    assert problems == []
    inside = (live_server.url, "data:", "blob:")
    assert [url for url in asked if not url.startswith(inside)] == []
