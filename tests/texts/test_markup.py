"""No text from outside is more than text on any page of the admin and the console."""

import json
import re
from collections.abc import Iterator
from itertools import cycle
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib.admin import site
from django.test import Client
from playwright.sync_api import Browser, Dialog

from console.models import SavedFilter
from scheduler.models import Job
from tests.admin_world import address
from tests.bulk.imports import send
from tests.console.every_page import View, Visit, window
from tests.moreh_cloud.test_admin_browser import chromium
from tests.texts.payload_world import payload_world
from tests.texts.payloads import LONG, PAYLOADS, live_in, routes
from tokens.models import TokenGroup

if TYPE_CHECKING:
    from pytest_django.live_server_helper import LiveServer

__all__ = ["chromium"]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.only_sqlite,  # what a page shows does not depend on the database that filled it
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("static_files"),
]
NOT_PAGES = re.compile(r"/live/|/logout/|/oidc/|statement\.|/jsi18n/|setlang|api-docs|\^|/r/")
ROW = re.compile(r"<(?:path:object_id|int:pk)>")
CONSOLE = [
    "/admin/", "/admin/console/access/", "/admin/console/usage/", "/admin/console/nodes/", "/admin/console/heat/",
    "/admin/console/jobs/", "/admin/console/what-if/", "/admin/console/history/", "/admin/console/history/timeline/",
]  # fmt: skip
# What scripts have built counts as well: attributes that run, addresses that run, and scripts themselves.
LIVE = """() => {
  const runs = ({ name, value }) => value.includes("alert(") && (/^(on|x-|@|:|hx-on)/.test(name)
    || (/^(href|src|action|formaction)$/.test(name) && /^\\s*(javascript|data):/i.test(value)));
  const found = [...document.querySelectorAll("*")].flatMap((one) =>
    [...one.attributes].filter(runs).map(({ name }) => `<${one.tagName} ${name}>`));
  const scripts = [...document.scripts].filter((one) => !/json|plain/.test(one.type) && one.text.includes("alert("));
  return found.concat(scripts.map(() => "script"));
}"""


def pages() -> Iterator[str]:
    """Return the address of every page that a Master can open, those of rows for several of each noun."""
    noun_of = {address(model, "changelist"): model for model in site._registry}
    for route in routes():
        if NOT_PAGES.search(route) or not route.startswith(("/admin/", "/accounts/")):
            continue
        path = route.replace("<str:kind>", "json")
        if ROW.search(path):
            yield from (ROW.sub(str(pk), path) for pk in _rows(noun_of, path))
        else:
            yield path
    echoed = quote(LONG)
    yield from (f"{page}?q={echoed}&name={echoed}&token={echoed}&group={echoed}" for page in [*noun_of, *CONSOLE])
    for model in noun_of.values():  # what a link may fill a form with
        yield f"{address(model, 'add')}?" + "&".join(f"{field.name}={echoed}" for field in model._meta.get_fields())
    yield f"/admin/search/?s={quote('<img')}"
    yield f"/admin/nowhere/{quote(PAYLOADS[0], safe='')}/"


def _rows(noun_of: dict[str, Any], path: str) -> list[object]:
    """Return the rows whose page a route is, the latest first: those with payloads."""
    own: dict[str, Any] = {"/console/filters/": SavedFilter, "/console/jobs/": Job}
    model = next((model for part, model in [*own.items(), *noun_of.items()] if part in path), Job)
    some = len(PAYLOADS) if path.endswith("/change/") else 1
    return list(model._default_manager.order_by("-pk").values_list("pk", flat=True)[:some])


def test_no_payload_is_more_than_text_on_any_page(chromium: Browser, live_server: "LiveServer") -> None:
    browser, wrong = payload_world(), []
    opened, shown = set(), set()
    for page in pages():
        answer = browser.get(page)
        assert answer.status_code < 500, page
        if answer.status_code != 200 or not answer.headers.get("Content-Type", "").startswith("text/html"):
            continue
        text = answer.content.decode()
        opened.add(page)
        shown |= {page} if "alert(" in text and "<html" in text else set()  # a browser opens no pieces of pages
        wrong += [f"{page[:120]} {found}" for found in live_in(text)]
    wrong += [f"{place} {found}" for place, text in _refusals(browser) for found in live_in(text)]
    assert wrong == [], "\n".join(wrong)
    assert (len(opened) > 200, len(shown) > 180) == (True, True), (len(opened), len(shown))
    wrong = list(_in_a_browser(chromium, live_server.url, browser, [*CONSOLE, *one_of_each(shown)]))
    assert wrong == [], "\n".join(wrong)


def _refusals(browser: Client) -> Iterator[tuple[str, str]]:
    """Return the forms that come back with a payload in every field, and what refuses a file and a log-in."""
    for model in site._registry:
        page = address(model, "add")
        form = browser.get(page)
        if form.status_code == 200:
            fields = form.context["adminform"].form.fields
            answer = browser.post(page, dict(zip(fields, cycle(PAYLOADS), strict=False)))
            assert answer.status_code == 200, page
            yield page, answer.content.decode()
    for rows in ([dict.fromkeys(PAYLOADS, 1)], [{"name": text, "index": text, "members": [LONG]} for text in PAYLOADS]):
        answer = send(browser, TokenGroup, json.dumps(rows))
        shown = answer if answer.status_code == 200 else browser.get(answer.headers["Location"])
        yield "import", shown.content.decode()
    names = {"username": LONG, "password": "a", "next": PAYLOADS[-1]}
    yield "log-in", Client().post("/admin/login/", names).content.decode()


def one_of_each(shown: set[str]) -> list[str]:
    """Choose the pages that a browser opens: one of each kind that shows a payload, without those that only ask."""
    kinds = {re.sub(r"/\d+/", "/0/", page.partition("?")[0]): page for page in sorted(shown, reverse=True)}
    return sorted(page for kind, page in kinds.items() if "/0/" not in kind or kind.endswith("/change/"))


def _in_a_browser(chromium: Browser, server: str, browser: Client, chosen: list[str]) -> Iterator[str]:
    context, visit = window(chromium, View("MASTER", "en", "light"))
    name = settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": browser.cookies[name].value, "url": server}])
    visit.page.on("dialog", lambda dialog: _note(visit, dialog))
    for path in chosen:
        visit.complaints.clear()
        visit.page.goto(server + path)
        yield from (f"{path[:120]} {found}" for found in [*visit.complaints, *visit.page.evaluate(LIVE)])
    context.close()


def _note(visit: Visit, dialog: Dialog) -> None:
    visit.complaints.append(f"dialog {dialog.message}")
    dialog.dismiss()
