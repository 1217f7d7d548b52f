"""Node grid and heat map in Debian's chromium: by keyboard, live, and on to the page that asks."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Browser, Page

from accounts.choices import Role
from alerts.codes import Code
from alerts.services import raise_alert
from alerts.subjects import node as node_subject
from backends.choices import BackendStatus
from backends.models import Backend
from backends.services.nodes import set_backend_status, update_backend
from tests import make
from tests.moreh_cloud.test_admin_browser import chromium, log_in

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.django_db(transaction=True),
    pytest.mark.only_sqlite,  # what a browser makes of a page does not depend on the database that filled it
    pytest.mark.usefixtures("static_files", "own_watcher"),
]


def opened(browser: Browser, server: "LiveServer", path: str) -> tuple[Page, list[str]]:
    """Log in, open a page and give it with the list of errors that it will have had."""
    make.operator(Role.GENERAL, username="kim")
    page = log_in(browser, server.url, "light")
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(server.url + path)
    return page, problems


def test_the_grid_by_keyboard_and_live(chromium: Browser, live_server: "LiveServer") -> None:
    first, second = make.ready_backend(2, name="gpu-1"), make.ready_backend(2, name="gpu-2")
    job = make.running_job(first, 2)
    page, problems = opened(chromium, live_server, "/admin/console/nodes/")
    page.get_by_label("Select gpu-1").press("Tab")  # to the node
    page.keyboard.press("Tab")  # to its devices, one stop
    page.keyboard.press("ArrowRight")
    tip = page.locator(".mc-tip")
    assert f"01 MI250 · processing\njob #{job.pk} of {job.token.description} since" in str(tip.text_content())
    assert page.locator(".mc-same").count() == 2
    page.keyboard.press("Escape")
    assert tip.is_hidden()

    page.get_by_label("Select gpu-1").check()
    page.get_by_text("1 ticked on this page").wait_for()
    update_backend(second, description="moved to rack 9", actor=make.ACTOR)
    page.get_by_text("moved to rack 9").wait_for()
    assert page.get_by_label("Select gpu-1").is_checked()

    page.get_by_label("Action").select_option("shut_down")
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("Shut down: 1 backend").wait_for()
    page.get_by_role("button", name="Shut down").click()
    page.get_by_text("Shut down: 1 of 1.").wait_for()
    assert Backend.objects.get(status=BackendStatus.SHUTDOWN) == first
    assert problems == []


def test_all_that_the_filter_finds(chromium: Browser, live_server: "LiveServer") -> None:
    for name in ("a-1", "a-2", "b-1"):
        make.backend(name=name)
    page, problems = opened(chromium, live_server, "/admin/console/nodes/?q=a-")
    page.get_by_label("All that the filter finds: 2").check()
    page.get_by_label("Action").select_option("drain")
    page.get_by_role("button", name="Continue").click()
    page.get_by_text("Drain: 2 backends").wait_for()
    assert page.locator("li", has_text=re.compile("^[ab]-1$|^a-2$")).all_text_contents() == ["a-1", "a-2"]
    assert problems == []


def test_the_heat_map_by_keyboard_and_live(chromium: Browser, live_server: "LiveServer") -> None:
    busy = make.ready_backend(2, name="gpu-1")
    job = make.running_job(busy)
    idle = make.ready_backend(1, name="gpu-2")
    raise_alert(Code.CHECK_FAILED, node_subject(busy.pk), node=busy.name, error="ECC")
    page, problems = opened(chromium, live_server, "/admin/console/heat/")
    page.wait_for_function("performance.getEntriesByName('heat:drawn').length")
    announced = page.locator("#heat-announced")
    page.locator("#heat canvas").focus()
    page.keyboard.press("ArrowRight")
    assert announced.text_content() == "gpu-2 · default_backend_group\n1 idle"
    page.keyboard.press("Home")
    page.wait_for_function(
        "document.querySelector('#heat-announced').textContent.includes('job #')"
    )  # read after the squares
    lines = str(announced.text_content()).split("\n")
    assert lines[:2] == ["gpu-1 · default_backend_group", "1 in use · 1 idle"]
    assert lines[2].startswith(f"job #{job.pk} of {job.token.description} since ")
    assert lines[3] == "alert, warning: GPU error, gpu-1: health check failed: ECC"

    before = page.locator("#heat canvas").evaluate("canvas => canvas.toDataURL()")
    set_backend_status(idle, BackendStatus.SHUTDOWN, actor=make.ACTOR)
    page.wait_for_function("before => document.querySelector('#heat canvas').toDataURL() !== before", arg=before)
    page.keyboard.press("End")
    assert str(announced.text_content()).startswith("gpu-2 · default_backend_group · shut down for new jobs")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/admin/backends/backend/{idle.pk}/change/")
    assert problems == []


def test_the_question_of_what_if_fits_a_phone(chromium: Browser, live_server: "LiveServer") -> None:
    make.ready_backend(1, name="gpu-1")
    page, problems = opened(chromium, live_server, "/admin/console/what-if/?drain=*")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert problems == []


@pytest.mark.parametrize("path", ["/admin/console/nodes/", "/admin/backends/backend/{pk}/change/"])
def test_values_become_old_without_any_news(
    path: str, chromium: Browser, live_server: "LiveServer", settings: Any
) -> None:
    settings.MOREH_SILENT_AFTER = timedelta(seconds=8)
    settings.MOREH_NODE_LOST_AFTER = timedelta(hours=1)
    make.operator(Role.GENERAL, username="kim")
    page = log_in(chromium, live_server.url, "light")
    node = make.ready_backend(1)
    page.goto(live_server.url + path.format(pk=node.pk))
    page.locator("[data-old-in]").first.wait_for(timeout=8000)
    page.get_by_text("as of ").first.wait_for(timeout=20000)
    assert page.locator("[data-old-in]").count() == 0
