"""Actions of a list: up to fifty rows at once, more by workers; what was agreed to is exactly what is done, once."""

import re
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import Client

from accounts.choices import Role
from backends.choices import BackendStatus
from backends.models import Backend
from bulk import work
from bulk.choices import BulkState, ItemState
from bulk.models import BulkAction, BulkItem
from core.admin import confirmation
from events.models import Event
from tests import make
from tests.admin_world import address, client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
HIDDEN = re.compile(r'<input type="hidden" name="(agreed|selection|key)" value="([^"]*)">')


@pytest.fixture
def browser() -> Client:
    return client_of(Role.GENERAL)


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows are few, three are many; and a turn is long enough for all of them."""
    monkeypatch.setattr(confirmation, "AT_ONCE", 2)
    monkeypatch.setattr(work, "RUN_S", 600.0)


def nodes(number: int = 3) -> list[Backend]:
    return [make.backend(0) for _ in range(number)]


def chosen(rows: list[Backend], action: str = "shut_down", **more: str) -> dict[str, Any]:
    return {ACTION_CHECKBOX_NAME: [row.pk for row in rows], "action": action, "select_across": "0", **more}


def ask(browser: Client, data: dict[str, Any], page: str = "") -> dict[str, str]:
    """Return what the page that asks would send when one agrees."""
    shown = browser.post(page or address(Backend, "changelist"), data).content.decode()
    return dict(HIDDEN.findall(shown))


def agree(browser: Client, data: dict[str, Any], page: str = "") -> Any:
    page = page or address(Backend, "changelist")
    return browser.post(page, {**data, **ask(browser, data, page)})


def down() -> set[str]:
    return set(Backend.objects.filter(status=BackendStatus.SHUTDOWN, why="OPERATOR").values_list("name", flat=True))


def test_many_rows_become_a_bulk_action_with_exactly_these_items(browser: Client) -> None:
    three = nodes()
    answer = agree(browser, chosen(three))
    bulk = BulkAction.objects.get()
    assert answer.headers["Location"] == address(BulkAction, "change", bulk.pk)
    assert (bulk.noun, bulk.verb, bulk.state, bulk.total, bulk.protocol, bulk.ip_address) == (
        "backends.Backend", "shut_down", "QUEUED", 3, "admin", "127.0.0.1",
    )  # fmt: skip
    items = sorted(bulk.items.values_list("object_pk", "name", "state"))
    assert items == sorted((str(node.pk), node.name, "WAITING") for node in three)
    assert not down()
    begun = Event.objects.get(action="BEGIN_BULK")
    assert (begun.subject, begun.actor, begun.request["number"]) == (f"bulk/{bulk.pk}", bulk.actor, 3)


def test_a_worker_does_each_item_as_who_agreed_and_events_name_the_bulk_action(browser: Client) -> None:
    three = nodes()
    agree(browser, chosen(three))
    bulk = BulkAction.objects.get()
    assert work.carry_on(bulk.pk) is False
    bulk.refresh_from_db()
    assert (bulk.state, bulk.done, bulk.failed, bulk.skipped, bulk.left) == (BulkState.ENDED, 3, 0, 0, 0)
    assert down() == {node.name for node in three}
    events = Event.objects.filter(action="SET_BACKEND_STATUS", referer_protocol="admin")
    assert [(event.actor, event.request["bulk"]) for event in events] == [(bulk.actor, bulk.pk)] * 3
    ended = Event.objects.get(action="END_BULK").request
    assert ended == {"done": 3, "failed": 0, "skipped": 0, "left": 0}


def test_all_rows_of_a_filtered_list_are_meant_beyond_the_page(browser: Client) -> None:
    wanted = [make.backend(0, description="rack-seven") for _ in range(4)]
    make.backend(0, description="rack 8")
    page = address(Backend, "changelist") + "?q=rack-seven"
    agree(browser, chosen(wanted[:1], select_across="1"), page)
    assert {int(pk) for pk in BulkItem.objects.values_list("object_pk", flat=True)} == {node.pk for node in wanted}


def test_a_double_click_begins_one_bulk_action_and_leads_to_it_twice(browser: Client) -> None:
    data = chosen(nodes())
    sent = {**data, **ask(browser, data)}
    first, second = (browser.post(address(Backend, "changelist"), sent) for _ in range(2))
    bulk = BulkAction.objects.get()
    assert first.headers["Location"] == second.headers["Location"] == address(BulkAction, "change", bulk.pk)


def test_a_double_click_on_few_rows_does_them_once(browser: Client) -> None:
    two = nodes(2)
    data = chosen(two, "power_status")
    sent = {**data, **ask(browser, data)}
    for _ in range(2):
        answer = browser.post(address(Backend, "changelist"), sent)
    assert Event.objects.filter(action="POWER").count() == 2
    shown = browser.get(answer.headers["Location"]).content.decode()
    assert "This form was sent before. What it asked for was done once." in shown
    assert "Another power action is under way" not in shown


def test_a_double_click_on_the_deletion_of_one_row_leads_to_the_list(browser: Client) -> None:
    (node,) = nodes(1)
    page = address(Backend, "change", node.pk).replace("change/", "delete/")
    sent = dict(HIDDEN.findall(browser.get(page).content.decode()))
    for _ in range(2):
        answer = browser.post(page, {**sent, "force": ""})
    assert answer.headers["Location"] == address(Backend, "changelist")
    assert Event.objects.filter(action="DELETE_BACKEND").count() == 1


def test_as_many_other_rows_than_were_agreed_to_ask_again(browser: Client) -> None:
    wanted = [make.backend(0, description="rack-seven") for _ in range(3)]
    page = address(Backend, "changelist") + "?q=rack-seven"
    data = chosen(wanted[:1], select_across="1")
    sent = {**data, **ask(browser, data, page)}
    Backend.objects.filter(pk=wanted[0].pk).update(description="elsewhere")
    make.backend(0, description="rack-seven")
    shown = browser.post(page, sent).content.decode()
    assert "The list has changed meanwhile" in shown
    assert not BulkAction.objects.exists()


def test_the_page_that_asks_names_the_first_twenty_and_says_that_workers_do_it(browser: Client) -> None:
    many = nodes(23)
    shown = browser.post(address(Backend, "changelist"), chosen(many)).content.decode()
    assert "Shut down: 23 backends" in shown
    assert "and 3 more" in shown
    assert "Workers carry it out." in shown


def test_more_rows_than_a_bulk_action_takes_are_refused(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmation, "MOST", 3)
    answer = browser.post(address(Backend, "changelist"), chosen(nodes(4)))
    assert "At most 3 rows at once" in browser.get(answer.headers["Location"]).content.decode()


def test_a_read_only_operator_begins_nothing() -> None:
    client_of(Role.READ_ONLY).post(address(Backend, "changelist"), {**chosen(nodes()), "agreed": "3"})
    assert not BulkAction.objects.exists()
    assert not down()


def test_what_the_form_said_reaches_each_row(browser: Client) -> None:
    three = [make.ready_backend(1) for _ in range(3)]
    data = chosen(three, "device_status", status="BUSY")
    agree(browser, data)
    work.carry_on(BulkAction.objects.get().pk)
    assert [make.statuses(node) for node in three] == [["BUSY"]] * 3
    told = BulkItem.objects.first()
    assert told is not None
    assert told.message == {
        "text": "Devices changed: %(changed)s; draining: %(draining)s.",
        "values": {"changed": 1, "draining": 0},
    }


def test_the_names_of_a_selection_cost_no_query_per_row(browser: Client, django_assert_max_num_queries: Any) -> None:
    data = chosen(nodes(30))
    sent = {**data, **ask(browser, data)}
    with django_assert_max_num_queries(28):
        browser.post(address(Backend, "changelist"), sent)
    assert BulkAction.objects.get().total == 30


def test_the_doorbell_is_rung_after_commit(browser: Client, django_capture_on_commit_callbacks: Any) -> None:
    with patch("bulk.tasks.carry_on.apply_async") as rung, django_capture_on_commit_callbacks(execute=True):
        agree(browser, chosen(nodes()))
    rung.assert_called_once_with(kwargs={"bulk_id": BulkAction.objects.get().pk}, retry=False)
    assert BulkItem.objects.filter(state=ItemState.WAITING).count() == 3
