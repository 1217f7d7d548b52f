"""Every page of the console in Debian's chromium, for every role, in both languages and both themes."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser

from accounts.choices import Role
from backends.models import Backend, BackendGroup, Device
from bulk.models import BulkAction
from events.models import Event
from scheduler.choices import JobStatus
from scheduler.models import Job
from sda.models import SdaModel
from tests.admin_world import address, client_of, populate
from tests.console.every_page import FORMS, View, Visit, axe_in, window
from tests.moreh_cloud.test_admin_browser import chromium
from tokens.models import Token

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.only_sqlite,  # what a browser makes of a page does not depend on the database that filled it
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("static_files"),
]
VIEWS = [View(Role.MASTER, "ko", "dark"), View(Role.GENERAL, "en", "light"), View(Role.READ_ONLY, "ko", "light")]
MENU = '() => [...document.querySelectorAll("#nav-sidebar-apps a[href^=\\"/admin/\\"]")].map((link) => link.pathname)'
# What no template of ours can undo: the rule of axe, a part of the place, and why.
EXCEPTED = {
    ("list", ".select2-selection__rendered"): "Django's own select2 4.0 puts its search field into the list itself",
    ("label", ".select2-search__field"): "Django's own select2 4.0 names the list, and not the field in it",
}


def details() -> Iterator[str]:
    """Return the page of one of each of the nouns that people look at, and what the menu does not name."""
    yield address(Backend, "change", Backend.objects.latest("pk").pk)
    yield address(Job, "change", Job.objects.get(status=JobStatus.RUNNING).pk)
    yield address(Job, "change", Job.objects.get(status=JobStatus.WAITING).pk)
    for model in (BackendGroup, Device, Token, SdaModel, Event, BulkAction):
        yield address(model, "change", model._default_manager.latest("pk").pk)
    yield "/admin/console/history/timeline/"
    yield "/admin/console/what-if/?drain=*&add=2&policy=backfill"


def log_in(visit: Visit, server: str, browser: Client) -> None:
    name = settings.SESSION_COOKIE_NAME
    visit.page.context.add_cookies([{"name": name, "value": browser.cookies[name].value, "url": server}])


def sweep(visit: Visit, server: str, axe: str) -> Iterator[tuple[str, str]]:
    """Return what is wrong with each page of one view."""
    values = [token.value for token in Token.objects.all()]
    visit.page.goto(f"{server}/admin/")
    menu = visit.page.evaluate(MENU)
    assert len(menu) >= 25
    for path in [*menu, *details()]:
        wrong = visit.open(server + path)
        if visit.view.role == Role.READ_ONLY:
            wrong += [f"form {action}" for action in visit.page.evaluate(FORMS)]
            wrong += ["token value" for value in values if value in visit.page.content()]
        else:
            wrong += visit.barriers(axe, EXCEPTED)
        yield from ((path, text) for text in wrong)


def test_every_page_is_in_order_for_everybody(chromium: Browser, live_server: "LiveServer", tmp_path: Path) -> None:
    populate()
    axe, server, wrong = axe_in(tmp_path), live_server.url, []
    browsers = {role: client_of(Role(role)) for role in Role.values}
    for view in VIEWS:
        context, visit = window(chromium, view)
        before = visit.open(f"{server}/admin/login/") + visit.barriers(axe, EXCEPTED)
        wrong += [f"{view} log-in: {text}" for text in before]
        log_in(visit, server, browsers[view.role])
        wrong += [f"{view} {path}: {text}" for path, text in sweep(visit, server, axe)]
        context.close()
    assert wrong == [], "\n".join(wrong)
