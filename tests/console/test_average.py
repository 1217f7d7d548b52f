"""The average of 7 days is one value, on the first page, on the usage page and its files, and in REST."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse

from accounts.choices import Role
from backends.models import Device
from core.clock import db_now
from events.models import Event
from tests import make
from tests.admin_world import client_of
from tests.api import V2, client
from tests.console.allocations import MINUTE, hold
from usage.calendar import floor_hour

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]


def test_the_average_of_seven_days_is_one_value_everywhere() -> None:
    """Four devices came 40 minutes ago, and two of them were held for 20 minutes: 1.00 of 4, a quarter."""
    now = db_now()
    node, token = make.backend(4), make.token()
    Event.objects.create(pk=0, action="BEGIN", actor="operator-1", event_time=now - timedelta(days=10))
    Device.objects.update(created_at=now - 40 * MINUTE)
    for index in range(2):
        hold(token, node, now - 30 * MINUTE, now - 10 * MINUTE, index=index)
    browser = client_of(Role.GENERAL)
    home = browser.get(reverse("console:home-cards")).content.decode()
    assert re.search(r"1\.00 <small>devices · 25 %</small>", home)
    page = browser.get(reverse("console:usage"), {"range": "7d"}).content.decode()
    assert re.search(r"1\.00 <small>devices · 25 %</small>", page)
    file = browser.get(reverse("console:usage-file", args=["json"]), {"range": "7d"}).json()
    assert file["total"]["average"] == file["rows"][0]["average"] == pytest.approx(1, rel=0.05)
    params = {"starttime": (floor_hour(now) - timedelta(days=7)).isoformat(), "endtime": now.isoformat()}
    total = client().get(f"{V2}/usage", params).json()["total_usage"]
    assert (total["average"], total["average_percentage"]) == (1.0, 25.0)
