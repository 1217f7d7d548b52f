"""Times of the hour that clocks repeat: what a form offers it takes back, and what it refuses can be corrected."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.test import Client

from accounts.choices import Role
from console.pages import usage_params
from events.models import Event
from tests.admin_world import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
SECOND = "2024-11-03T01:30:00-05:00"  # 01:30 comes twice; this is the second time
LATER = "2024-11-03T03:00:00-05:00"
HISTORY, TIMELINE, USAGE = (f"/admin/console/{page}/" for page in ("history", "history/timeline", "usage"))
PAGES = {
    HISTORY: ("ended_from", "ended_to"),
    TIMELINE: ("from", "to"),
    USAGE: ("start", "end"),
}


@pytest.fixture
def browser(settings: Any) -> Client:
    settings.TIME_ZONE = "America/New_York"
    return client_of(Role.GENERAL)


def fields(page: str, names: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Return type and text of some inputs by name."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        attributes = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if attributes.get("name") in names and attributes["type"] != "hidden":
            found[attributes["name"]] = (attributes["type"], unescape(attributes.get("value", "")))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_time_of_the_hour_that_clocks_repeat(browser: Client, page: str) -> None:
    start, end = PAGES[page]
    refusal = "In America/New_York this time does not exist or exists twice. Add an offset, as in +09:00."
    shown = browser.get(page, {start: SECOND, end: LATER}).content.decode()
    offered = fields(shown, PAGES[page])
    short = len("2024-11-03T03:00" if page == USAGE else "2024-11-03T03:00:00")
    assert offered == {start: ("text", SECOND), end: ("datetime-local", LATER[:short])}
    again = browser.get(page, {name: text for name, (_type, text) in offered.items()}).content.decode()
    assert refusal not in again
    assert fields(again, PAGES[page]) == offered
    wrong = browser.get(page, {start: SECOND[:short], end: LATER}).content.decode()
    assert refusal in wrong
    assert fields(wrong, PAGES[page])[start] == ("text", SECOND[:short])  # which takes an offset


def test_a_preset_that_ends_in_this_hour_can_be_sent_as_it_is(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_params, "db_now", lambda: datetime.fromisoformat(SECOND).astimezone(UTC))
    offered = fields(browser.get(USAGE, {"range": "today"}).content.decode(), PAGES[USAGE])
    assert offered == {"start": ("datetime-local", "2024-11-03T00:00"), "end": ("text", SECOND)}


def test_the_filter_of_a_list_takes_an_hour_with_its_offset(browser: Client) -> None:
    for at in ("2024-11-03T05:30Z", "2024-11-03T06:30Z"):
        Event.objects.create(action=at, event_time=datetime.fromisoformat(at))
    ends = {"event_time_from_0": "2024-11-03", "event_time_to_0": "2024-11-03"}
    ends |= {"event_time_from_1": "01:30-05:00", "event_time_to_1": "02:00"}
    shown = browser.get("/admin/events/event/", ends)
    assert [row.action for row in shown.context["cl"].result_list] == ["2024-11-03T06:30Z"]
    ends["event_time_from_1"] = "01:30"
    assert "Add an offset" in browser.get("/admin/events/event/", ends).content.decode()
