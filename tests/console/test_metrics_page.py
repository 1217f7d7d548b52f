"""The page that leads to the metrics, without their key."""

from typing import Any

import pytest

from accounts.choices import Role
from tests.admin_world import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files"), pytest.mark.only_sqlite]
PAGE = "/admin/console/metrics/"
OFF = "Metrics are off: this address answers 404 until MOREH_METRICS_KEY is set, and the product started again."


def test_the_search_leads_to_the_page_of_metrics_which_says_whether_they_are_on(settings: Any) -> None:
    settings.MOREH_PUBLIC_URL, settings.MOREH_METRICS_KEY = "https://cloud.example.com", ""
    browser = client_of(Role.READ_ONLY)
    for text in ("prometheus", "metrics", "메트릭"):
        found = browser.get("/admin/search/", {"s": text}).context["results"]
        assert [one.link for one in found] == [PAGE]
    page = browser.get(PAGE).content.decode()
    assert "https://cloud.example.com/metrics" in page
    assert "targets: [cloud.example.com]" in page
    assert OFF in page
    settings.MOREH_METRICS_KEY = "key-of-prometheus-1"
    page = browser.get(PAGE).content.decode()
    assert (OFF in page, "key-of-prometheus-1" in page) == (False, False)
