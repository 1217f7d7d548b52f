"""Pages of the console keep filters as lists do."""

import pytest
from django.test import Client

from accounts.choices import Role
from console.models import SavedFilter
from tests.admin_world import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
PAGES = {
    "the node grid": ("/admin/console/nodes/", "status__exact=SHUTDOWN"),
    "the heat map": ("/admin/console/heat/", "status__exact=SHUTDOWN"),
    "jobs": ("/admin/console/jobs/", "status=waiting"),
    "history": ("/admin/console/history/", "q=train.py"),
    "the timeline": ("/admin/console/history/timeline/", "by=token"),
}


@pytest.fixture
def browser() -> Client:
    return client_of(Role.READ_ONLY)


@pytest.mark.parametrize("page", PAGES)
def test_a_filter_is_saved_shown_and_made_the_one_that_the_page_opens_with(page: str, browser: Client) -> None:
    path, query = PAGES[page]
    browser.post("/admin/console/filters/save", {"path": path, "query": query, "name": "mine"})
    saved = SavedFilter.objects.get()
    assert (saved.path, saved.query, saved.shared) == (path, query, False)
    shown = browser.get(path)
    assert shown.status_code == 200
    assert f'href="?{query}"' in shown.content.decode()
    browser.post(f"/admin/console/filters/{saved.pk}", {"do": "default"})
    assert browser.get(path)["Location"] == f"{path}?{query}"
    assert browser.get(f"{path}?p=1").status_code == 200


def test_a_page_without_filters_saves_none(browser: Client) -> None:
    browser.post("/admin/console/filters/save", {"path": "/admin/console/access/", "query": "token=1", "name": "no"})
    assert not SavedFilter.objects.exists()
