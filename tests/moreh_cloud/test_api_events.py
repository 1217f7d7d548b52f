import json
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.choices import Role
from core.api.times import iso
from events.models import Event
from events.services import record
from tests import make
from tests.api import V2, client, refused
from tokens.models import Token

pytestmark = pytest.mark.django_db
URL = f"{V2}/log/sdamanager/event"


@pytest.fixture
def api() -> APIClient:
    return client()


def test_an_event_is_shaped_as_the_contract_says(api: APIClient) -> None:
    token = make.token()
    made = api.get(URL, {"token": token.value}).json()
    event = Event.objects.get()
    assert made == [
        {
            "id": event.pk,
            "token": api.get(f"{V2}/token", {"token": token.value}).json()[0],
            "action": "CREATE_TOKEN",
            "subject": f"token/{token.pk}",
            "request": json.dumps({"description": token.description}),
            "response": "{}",
            "eventTime": iso(event.event_time),
            "referer": {"protocol": "test", "ipAddress": "127.0.0.1"},
            "actor": "operator-1",
        }
    ]
    assert token.value not in client(Role.READ_ONLY).get(URL).content.decode()


def test_events_outlive_their_token(api: APIClient) -> None:
    token = make.token(description="gone")
    api.delete(f"{V2}/token", {"token": token.value})
    assert [row["token"]["description"] for row in api.get(URL).json()] == ["gone", "gone"]
    assert Token.objects.get(pk=token.pk).deleted_at
    mine = api.get(URL, {"token": token.value}).json()
    assert [row["action"] for row in mine] == ["DELETE_TOKEN", "CREATE_TOKEN"]


FILTERS = {
    "an action, in any case": ({"action": "create_sda"}, ["CREATE_SDA"]),
    "an unknown action": ({"action": "EXPLODE"}, []),
    "a time to come": ({"from": "2100-01-01 00:00"}, []),
    "a time that is over": ({"to": "2000-01-01T00:00:00Z"}, []),
    "a part": ({"limit": "1", "offset": "1"}, ["CREATE_SDAMODEL"]),
    "a token of nobody": ({"token": "nobody's"}, []),
}


@pytest.mark.parametrize("case", FILTERS)
def test_events_are_filtered_by(api: APIClient, case: str) -> None:
    make.sda()
    asked, expected = FILTERS[case]
    assert [row["action"] for row in api.get(URL, asked).json()] == expected
    assert refused(api.get(URL, {"from": "soon"})) == (400, "INVALID_PARAMETER", ["from"])


def test_events_come_newest_first_at_most_500_and_page_by_the_last_id(api: APIClient) -> None:
    for number in range(501):
        record("TEST", actor=make.ACTOR, number=number)
    first = api.get(URL)
    numbers = [json.loads(row["request"])["number"] for row in first.json()]
    assert (numbers, first["X-Total-Count"]) == (list(range(500, 0, -1)), "501")
    rest = api.get(URL, {"after": first.json()[-1]["id"]}).json()
    assert [json.loads(row["request"]) for row in rest] == [{"number": 0}]


@pytest.mark.parametrize("rows", [5, 50])
def test_the_list_costs_the_same_number_of_queries(api: APIClient, rows: int, django_assert_num_queries: Any) -> None:
    for _ in range(rows):
        make.token()
    with django_assert_num_queries(8):  # session, operator, stamps, number, events, current SDAs, tokens, links
        assert len(api.get(URL).json()) == rows
