"""The admin in Debian's chromium against a live server: log in, look, power a node off, in both themes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page

from accounts.choices import Role
from backends.models import PowerAction
from tests import make
from tests.console.every_page import without_live
from tokens.models import Token

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_sqlite,  # what a browser makes of a page does not depend on the database that filled it
    pytest.mark.usefixtures("static_files"),
]
# How bright the page's background is, 0 to 1, however the style sheet names its colour.
BRIGHTNESS = """() => {
  const dot = document.createElement("canvas").getContext("2d");
  dot.fillStyle = getComputedStyle(document.body).backgroundColor;
  dot.fillRect(0, 0, 1, 1);
  return dot.getImageData(0, 0, 1, 1).data.slice(0, 3).reduce((sum, part) => sum + part) / 765;
}"""


@pytest.fixture
def chromium(running_chromium: Browser) -> Iterator[Browser]:
    """A browser without windows; those that a test opens are closed after it."""
    yield running_chromium
    for context in running_chromium.contexts:
        context.close()


def log_in(browser: Browser, server: str, scheme: Any, *, live: bool = True) -> Page:
    page = browser.new_context(viewport={"width": 1366, "height": 768}, color_scheme=scheme).new_page()
    if not live:
        without_live(page)
    page.goto(f"{server}/admin/")
    page.get_by_label("Username").fill("kim")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("heading", name="Nodes").wait_for()
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_operator_logs_in_and_powers_a_node_off(chromium: Browser, live_server: "LiveServer", scheme: str) -> None:
    make.operator(Role.GENERAL, username="kim")
    node = make.backend(name="gpu-7")
    page = log_in(chromium, live_server.url, scheme, live=False)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.locator('a[href="/admin/backends/backend/"]').first.click()
    page.get_by_role("link", name="gpu-7").click()
    page.goto(f"{live_server.url}/admin/backends/backend/{node.pk}/power_off/")
    page.get_by_role("button", name="Power off").click()
    page.get_by_text("Power off: 1 of 1.").wait_for()
    assert PowerAction.objects.get().command == "off"
    assert problems == []
    assert (page.evaluate(BRIGHTNESS) < 0.5) == (scheme == "dark")


def test_an_impatient_click_makes_one_token(chromium: Browser, live_server: "LiveServer") -> None:
    make.operator(Role.GENERAL, username="kim")
    page = log_in(chromium, live_server.url, "light", live=False)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.method == "POST" else None)
    page.goto(f"{live_server.url}/admin/tokens/token/add/")
    page.get_by_label("Description").fill("lab")
    place = page.get_by_role("button", name="Save", exact=True).bounding_box()
    assert place
    page.mouse.move(place["x"] + 9, place["y"] + 9)
    for _ in range(3):
        page.mouse.down()
        page.mouse.up()
        page.wait_for_timeout(30)
    page.get_by_text("Value of the token").wait_for()
    assert asked == [f"{live_server.url}/admin/tokens/token/add/"]
    assert Token.objects.get().description == "lab"
