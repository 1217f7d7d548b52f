"""Rows of long ago that hold what can no longer come in: lists, files and orders go on."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from accounts.choices import Role
from backends.choices import DEFAULT_GROUP
from backends.models import Order
from bulk.models import BulkAction
from core.clock import db_now
from core.crypto import fernet
from events.models import Event
from scheduler.choices import Cause, JobStatus
from scheduler.cycle.tick import tick
from scheduler.rpc.messages import read_orders
from tests import make
from tests.admin_world import address, client_of
from tests.api import V2, client
from tokens.models import Token

SEEN = "\ufffdA"
NO_CIPHER = "gAAAAABbroken"


def spoil(table: str, column: str, pk: int, value: object) -> None:
    """Write JSON past the ORM, as an older version stored it; environments are encrypted."""
    stored = json.dumps(value)
    if value == NO_CIPHER:
        stored = NO_CIPHER
    elif column == "env":
        stored = fernet().encrypt(stored.encode()).decode()
    with connection.cursor() as cursor:
        cursor.execute(f'UPDATE "{table}" SET "{column}" = %s WHERE id = %s', [stored, pk])  # noqa: S608


@pytest.fixture
def half(db: None) -> Token:
    """A token, its event and a bulk action with a half of a character as a name; only SQLite can hold them."""
    token = make.token(env={"A": "x"})
    spoil("tokens_token", "env", token.pk, {"\ud800A": "\udfff"})
    # Events never change, so this one is written as the ORM wrote it before there was a rule.
    about = {"action": "UPDATE_TOKEN", "subject": f"token/{token.pk}", "actor": "kim", "token_id": token.pk}
    Event.objects.create(**about, request={"env": ["\ud800A"]}, event_time=Event.objects.latest("id").event_time)
    return token


@pytest.mark.only_sqlite
def test_rest_lists_and_files_show_them(half: Token) -> None:
    api = client(Role.MASTER)
    (token,) = api.get(f"{V2}/token").json()
    assert token["env"] == {SEEN: "\ufffd"}
    assert SEEN in str(api.get(f"{V2}/log/sdamanager/event").json())
    for path in ("/token", "/log/sdamanager/event"):
        answer: Any = api.get(V2 + path, HTTP_ACCEPT="text/csv")
        assert SEEN in b"".join(answer.streaming_content).decode()


@pytest.mark.only_sqlite
@pytest.mark.usefixtures("static_files")
def test_the_admin_shows_them_on_pages_and_in_files(half: Token) -> None:
    browser: Client = client_of(Role.MASTER)
    bulk = BulkAction.objects.create(
        noun="tokens.Token", verb="delete", actor="kim", total=1, requested_at=Event.objects.latest("id").event_time
    )
    item = bulk.items.create(object_pk="1", name="a")
    spoil("bulk_bulkitem", "message", item.pk, {"text": "a \ud800A"})
    event = Event.objects.get(action="UPDATE_TOKEN")
    pages = [
        address(Token, "changelist"), address(Token, "change", half.pk), address(Event, "changelist"),
        address(Event, "change", event.pk), address(BulkAction, "change", bulk.pk),
    ]  # fmt: skip
    assert {page: browser.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)
    for kind in ("csv", "json"):
        for model in (Token, Event):
            answer: Any = browser.get(address(model, "changelist") + f"export.{kind}")
            shown = b"".join(answer.streaming_content).decode()
            assert (SEEN if model is Event else half.description) in shown, (model, kind)


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
@pytest.mark.parametrize("request_", [5, [], ["x"], "x"])
def test_an_event_whose_request_is_no_object_stops_no_page(request_: object) -> None:
    token = make.token()
    Event.objects.create(action="TELL", subject=f"token/{token.pk}", event_time=db_now(), request=request_)
    browser = client_of(Role.MASTER)
    pages = [address(Event, "changelist"), address(Token, "change", token.pk)]
    pages.append(address(Event, "change", Event.objects.latest("id").pk))
    assert {page: browser.get(page).status_code for page in pages} == dict.fromkeys(pages, 200)
    assert client().get(f"{V2}/log/sdamanager/event").status_code == 200


@pytest.mark.only_sqlite
def test_a_job_of_such_a_token_starts(half: Token) -> None:
    node = make.ready_backend(1)
    make.job(make.sda(owner=half))
    tick(DEFAULT_GROUP)
    ((_order, message),) = read_orders([node.pk], lambda _order: True).due
    assert dict(message.order.start.env) == {SEEN: "\ufffd"}


UNWRITABLE: dict[str, Any] = {
    "a value that is no text": {"A": 5},
    "no object": ["A"],
    "what no key decrypts": NO_CIPHER,
    "more than a message can hold": {f"V{number}": "x" * 4000 for number in range(300)},
}


@pytest.mark.django_db
@pytest.mark.parametrize("case", UNWRITABLE)
def test_an_order_that_cannot_be_written_fails_and_the_others_are_delivered(case: str) -> None:
    node = make.ready_backend(2)
    bad, good = make.job(), make.job()
    tick(DEFAULT_GROUP)
    spoil("tokens_token", "env", bad.token_id, UNWRITABLE[case])
    found = read_orders([node.pk], lambda _order: True)
    assert [message.order.start.job_id for _order, message in found.due] == [good.pk]
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.status, bad.cause, good.status) == (JobStatus.FAILED, Cause.WORKER_ERROR, JobStatus.SUBMITTED)
    assert bad.detail.startswith(f"{node.name}: the order cannot be written: ")
    assert Order.objects.get(state="FAILED").error == bad.detail.partition(": ")[2]
    again = read_orders([node.pk], lambda _order: True)
    assert sorted(message.order.WhichOneof("verb") or "" for _order, message in again.due) == ["start", "stop"]
