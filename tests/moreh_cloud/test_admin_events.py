"""The event log in the admin: filters, links, what a request held, and pages without end."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.choices import Role
from core.clock import db_now
from events.actor import Actor
from events.models import Event
from events.queries import known_actions
from events.services import NewEvent, record, record_all
from tests import make
from tests.admin_world import address, client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
LIST = "/admin/events/event/"


@pytest.fixture
def browser() -> Client:
    return client_of(Role.READ_ONLY)


def shown(browser: Client, **query: Any) -> list[int]:
    return [row.pk for row in browser.get(LIST, query).context["cl"].result_list]


def many(number: int, action: str = "LOOK") -> list[int]:
    record_all([NewEvent(action, f"backend/{n}", None, {}) for n in range(number)], actor=make.ACTOR)
    return list(Event.objects.filter(action=action).order_by("-pk").values_list("pk", flat=True))


def test_it_is_filtered_by_action_actor_customer_subject_and_time(browser: Client) -> None:
    token = make.token(description="Aurora Vision")
    make.backend()
    created = Event.objects.get(action="CREATE_TOKEN")
    record("LOOK", actor=Actor("kim", "admin", "10.0.0.9"), subject="job/7")
    look = Event.objects.get(action="LOOK")
    assert shown(browser, action="CREATE_TOKEN") == [created.pk]
    assert shown(browser, actor="kim") == [look.pk]
    assert shown(browser, customer="vision") == shown(browser, token_id=token.pk) == [created.pk]
    assert shown(browser, subject="job/7") == shown(browser, referer_protocol="admin") == [look.pk]
    tomorrow = timezone.localtime(db_now()) + timedelta(days=1)
    assert shown(browser, event_time_from_0=f"{tomorrow:%Y-%m-%d}", event_time_from_1="00:00:00") == []
    assert shown(browser, event_time_from_0=f"{tomorrow:%Y-%m-%d}") == []
    assert look.pk in shown(browser, event_time_to_0=f"{tomorrow:%Y-%m-%d}")


def test_the_actions_to_choose_from_are_those_that_have_happened() -> None:
    assert known_actions() == []
    many(3), many(2, "ZOOM"), many(1, "ACT")
    assert known_actions() == ["ACT", "LOOK", "ZOOM"]


def test_subjects_and_customers_lead_to_their_pages(browser: Client) -> None:
    token, node = make.token(description="Kim"), make.backend()
    record("LOOK", actor=make.ACTOR, subject="comet/1")
    page = browser.get(LIST).content.decode()
    assert address(type(token), "change", token.pk) in page
    assert f'href="{address(type(node), "change", node.pk)}">backend/{node.pk}</a>' in page
    assert "comet/1" in page


def test_every_kind_of_subject_has_a_page() -> None:
    from events.admin import SUBJECTS

    assert all(reverse(f"admin:{page}_change", args=[1]) for page in SUBJECTS.values())


def test_a_request_is_readable_and_its_secrets_are_masked(browser: Client) -> None:
    record("LOOK", actor=make.ACTOR, subject="job/7", password="hunter-2-hunter", priority=5)
    event = Event.objects.get(action="LOOK")
    page = browser.get(address(Event, "change", event.pk)).content.decode()
    assert "hunter" not in page
    assert "{\n  &quot;password&quot;: &quot;***&quot;,\n  &quot;priority&quot;: 5\n}" in page


def test_pages_go_on_without_end_both_ways(browser: Client) -> None:
    events = many(120)
    first = browser.get(LIST, {"action": "LOOK"}).context["cl"]
    assert [row.pk for row in first.result_list] == events[:50]
    assert first.newer == ""
    second = browser.get(LIST + first.older).context["cl"]
    third = browser.get(LIST + second.older).context["cl"]
    assert [row.pk for row in second.result_list] == events[50:100]
    assert ([row.pk for row in third.result_list], third.older) == (events[100:], "")
    back = browser.get(LIST + third.newer).context["cl"]
    assert [row.pk for row in back.result_list] == events[50:100]
    top = browser.get(LIST + back.newer).context["cl"]
    assert ([row.pk for row in top.result_list], top.newer) == (events[:50], "")
    assert "action=LOOK" in second.newest
    assert shown(browser, before="x", after="9" * 30, action="LOOK") == events[:50]


def test_the_last_page_costs_what_the_first_does(browser: Client) -> None:
    events = many(400)
    browser.get(LIST)
    costs = []
    for query in ({}, {"before": events[200]}, {"before": events[-2]}):
        with CaptureQueriesContext(connection) as seen:
            browser.get(LIST, query)
        costs.append(len(seen))
        assert not any("OFFSET" in query["sql"] or "COUNT(" in query["sql"] for query in seen)
    assert costs == [6, 6, 6]
