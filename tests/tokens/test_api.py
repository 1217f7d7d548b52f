"""Tokens and user groups in REST."""

from typing import Any

import pytest
from django.db.models import F, TextField
from django.db.models.functions import Cast
from rest_framework.test import APIClient

from accounts.choices import Role
from events.models import Event
from tests import make
from tests.api import V2, client, done, events, refused
from tokens.models import Token, TokenGroup
from tokens.services import create_token_group, update_token

pytestmark = pytest.mark.django_db
URL = f"{V2}/token"


@pytest.fixture
def api() -> APIClient:
    return client()


def text_of(answer: Any) -> str:
    return b"".join(answer).decode()


def team(*tokens: Token, name: str = "team") -> TokenGroup:
    return create_token_group(name=name, tokens=tokens, actor=make.ACTOR)


def test_a_token_has_the_fields_of_the_contract(api: APIClient) -> None:
    token = make.token(description="customer", env={"A": "1"})
    sda, group = make.sda(owner=token), team(token)
    expected: dict[str, Any] = {
        "value": token.value,
        "description": "customer",
        "priority": 0,
        "maxSdaCount": 1,
        "maxDuplicates": 1,
        "targetSdaId": sda.pk,
        "accessLevel": "USER",
        "env": {"A": "1"},
        "grouplist": [{"id": group.pk, "name": "team", "description": "", "index": 0, "combine": False}],
        "maxDevices": None,
        "customFields": {},
    }
    assert api.get(URL).json() == [expected]
    listed = [{**expected["grouplist"][0], "tokenlist": [token.value]}]
    assert api.get(URL, {"token": token.value}).json() == [{**expected, "grouplist": listed}]
    assert api.get(URL, {"expand": "tokenlist"}).json() == [{**expected, "grouplist": listed}]
    inside = {**expected, "grouplist": ["team"], "env": {}}
    del inside["customFields"]
    assert api.get(f"{URL}/group").json() == [
        {
            "id": group.pk,
            "name": "team",
            "description": "",
            "index": 0,
            "combine": False,
            "tokenlist": [inside],
            "maxDevices": None,
        }
    ]


def test_a_read_only_operator_sees_masked_values_everywhere() -> None:
    token = make.token()
    team(token)
    looker = client(Role.READ_ONLY)
    for address in (URL, f"{URL}?expand=tokenlist", f"{URL}/group", f"{V2}/membership"):
        answer = looker.get(address)
        assert token.value not in answer.content.decode()
        assert token.masked in answer.json()[0].get("value", token.masked)


def test_only_who_may_change_a_token_reads_its_environment_and_only_from_the_token_itself(
    api: APIClient,
) -> None:
    token = make.token(env={"KEY": "s3cret"})
    make.sda(owner=token)
    team(token)
    update_token(token, priority=3, actor=make.ACTOR)
    looker = client(Role.READ_ONLY)
    assert api.get(URL).json()[0]["env"] == {"KEY": "s3cret"}
    assert looker.get(URL).json()[0]["env"] == {"KEY": "…"}
    for address in ("token/group", "membership", "sda", "log/sdamanager/event", "backend/group", "scheduler/queue"):
        for accept in ("application/json", "text/csv"):
            assert "s3cret" not in text_of(api.get(f"{V2}/{address}", HTTP_ACCEPT=accept)), address
    assert "s3cret" not in text_of(looker.get(URL, HTTP_ACCEPT="text/csv"))
    stored = Token.objects.annotate(cipher=Cast(F("env"), TextField())).values_list("cipher", flat=True).get()
    assert stored.startswith("gAAAA")


FILTERS = {
    "duplicates": ({"maxDuplicates": "0"}, ["b"]),
    "an unknown value": ({"token": "nobody's"}, []),
    "a group that is not there": ({"group": "999"}, []),
    "a part of the description": ({"description": "B"}, ["b"]),
    "an ordering": ({"ordering": "-priority"}, ["b", "a"]),
}


@pytest.mark.parametrize("case", FILTERS)
def test_tokens_are_filtered_by(api: APIClient, case: str) -> None:
    make.token(description="a")
    make.token(description="b", priority=5, max_duplicates=0)
    params, expected = FILTERS[case]
    assert [row["description"] for row in api.get(URL, params).json()] == expected


@pytest.mark.parametrize("rows", [5, 50])
def test_lists_cost_the_same_number_of_queries(api: APIClient, rows: int, django_assert_num_queries: Any) -> None:
    tokens = [make.sda().token for _ in range(rows)]
    for number in range(3):
        team(*tokens, name=f"team {number}")
    with django_assert_num_queries(7):  # session, operator, stamps, current SDAs, tokens, links, custom fields
        assert len(api.get(URL).json()) == rows
    with django_assert_num_queries(8):
        assert len(api.get(URL, {"expand": "tokenlist"}).json()[0]["grouplist"][0]["tokenlist"]) == rows
    with django_assert_num_queries(8):
        assert [len(row["tokenlist"]) for row in api.get(f"{URL}/group").json()] == [rows] * 3


def test_a_token_is_created_with_its_value(api: APIClient) -> None:
    params = {
        "desc": "customer",
        "priority": -99,
        "maxSdaCount": 3,
        "accessLevel": "developer",
        "env": {"KEY": "s3cret"},
    }
    made = done(api.post(URL, params))
    row = Token.objects.get()
    assert made == api.get(URL, {"token": row.value}).json()[0]
    assert (made["value"], made["accessLevel"], made["env"]) == (row.value, "DEVELOPER", {"KEY": "s3cret"})
    (event,) = Event.objects.filter(action="CREATE_TOKEN")
    assert (event.token_id, event.request["env"]) == (row.pk, ["KEY"])
    assert row.value not in str(event.request)


def test_env_may_be_json_in_a_form(api: APIClient) -> None:
    body = 'desc=x&env={"A":"1"}'
    assert done(api.post(URL, body, content_type="application/x-www-form-urlencoded"))["env"] == {"A": "1"}


BAD_NEW: dict[str, tuple[dict[str, Any], tuple[int, str, list[str]]]] = {
    "without a description": ({}, (400, "INVALID_PARAMETER", ["desc"])),
    "with too high a priority": ({"desc": "x", "priority": 100}, (400, "INVALID_PARAMETER", ["priority"])),
    "with half a priority": ({"desc": "x", "priority": 1.5}, (400, "INVALID_PARAMETER", ["priority"])),
    "with no SDA at all": ({"desc": "x", "maxSdaCount": 0}, (400, "INVALID_PARAMETER", ["maxSdaCount"])),
    "with duplicates and several SDAs": (
        {"desc": "x", "maxSdaCount": 2, "maxDuplicates": 2},
        (400, "INVALID_PARAMETER", ["maxDuplicates"]),
    ),
    "with another level": ({"desc": "x", "accessLevel": "ROOT"}, (400, "INVALID_PARAMETER", ["accessLevel"])),
    "with an environment of numbers": ({"desc": "x", "env": {"A": {}}}, (400, "INVALID_PARAMETER", ["env"])),
    "with an environment that is no JSON": ({"desc": "x", "env": "A=1"}, (400, "INVALID_PARAMETER", ["env"])),
    **{
        f"with {number} in an environment as JSON": (
            {"desc": "x", "env": f'{{"A": {number}}}'},
            (400, "INVALID_PARAMETER", ["env"]),
        )
        for number in ("1e999", "-1e999", "NaN", "Infinity", "[1e999]")
    },
    "with a value of one's own": ({"desc": "x", "value": "mine"}, (400, "INVALID_PARAMETER", ["value"])),
}


@pytest.mark.parametrize("case", BAD_NEW)
def test_a_token_is_not_created(api: APIClient, case: str) -> None:
    wrong, expected = BAD_NEW[case]
    assert refused(api.post(URL, wrong)) == expected
    assert (Token.objects.count(), Event.objects.count()) == (0, 0)


def test_a_token_is_changed_and_another_sda_made_current(api: APIClient) -> None:
    token = make.token(max_sda_count=2)
    make.sda(owner=token)
    second = make.sda(owner=token)
    changed = done(api.put(URL, {"token": token.value, "desc": "new", "priority": 7, "targetSdaId": second.pk}))
    assert (changed["description"], changed["priority"], changed["targetSdaId"]) == ("new", 7, second.pk)
    assert events("SET_CURRENT_SDA") == [(f"sda/{second.pk}", {})]
    other = make.sda()
    answer = api.put(URL, {"token": token.value, "priority": 9, "targetSdaId": other.pk})
    assert refused(answer) == (404, "NOT_FOUND", ["targetSdaId"])
    token.refresh_from_db()
    assert token.priority == 7


def test_an_unknown_token_is_not_repeated(api: APIClient) -> None:
    answer = api.put(URL, {"token": "somebody-elses-secret", "priority": 1})
    assert refused(answer) == (404, "NOT_FOUND", ["token"])
    assert "somebody-elses-secret" not in answer.content.decode()


def test_a_token_leaves_only_without_sdas(api: APIClient) -> None:
    owner, free = make.sda().token, make.token()
    status, code, _named = refused(api.delete(URL, {"token": owner.value}))
    assert (status, code) == (409, "TOKEN_HAS_SDA")
    assert done(api.delete(URL, {"token": free.value})) == {}
    assert [row["value"] for row in api.get(URL).json()] == [owner.value]
    assert events("DELETE_TOKEN") == [(f"token/{free.pk}", {})]


def test_user_groups_are_made_changed_and_deleted(api: APIClient) -> None:
    one, two = make.token(), make.token()
    url = f"{URL}/group"
    made = done(api.post(url, {"label": "team", "description": "first", "tokens": [one.value, two.value]}))
    assert [row["value"] for row in made["tokenlist"]] == [one.value, two.value]
    changed = done(api.put(url, {"id": made["id"], "label": "crew", "index": 4, "tokens": two.value}))
    assert (changed["name"], changed["index"], [row["value"] for row in changed["tokenlist"]]) == (
        "crew",
        4,
        [two.value],
    )
    assert refused(api.post(url, {"label": "crew"})) == (409, "DUPLICATE", ["label"])
    assert refused(api.post(url, {"label": "x", "tokens": ["nobody's"]})) == (404, "NOT_FOUND", ["tokens"])
    assert refused(api.delete(url, {"id": made["id"]})) == (409, "GROUP_NOT_EMPTY", ["id", "tokens"])
    assert done(api.delete(url, {"id": made["id"], "force": "true"})) == {}
    assert api.get(url).json() == []


def test_deleted_tokens_do_not_block_the_deletion_of_their_group(api: APIClient) -> None:
    token = make.token()
    made = done(api.post(f"{URL}/group", {"label": "team", "tokens": token.value}))
    done(api.delete(URL, {"token": token.value}))
    assert done(api.delete(f"{URL}/group", {"id": made["id"]})) == {}


def test_a_token_joins_and_leaves_a_group(api: APIClient) -> None:
    token, group = make.token(), team()
    params = {"group": group.pk, "token": token.value}
    url = f"{URL}/grouping"
    assert [row["value"] for row in done(api.post(url, params))["tokenlist"]] == [token.value]
    assert done(api.delete(url, params))["tokenlist"] == []
    assert refused(api.delete(url, params)) == (404, "NOT_FOUND", ["group"])
    subject = f"usergroup/{group.pk}"
    assert [events(f"{verb}_GROUP")[0][0] for verb in ("ADD_TOKEN_TO", "REMOVE_TOKEN_FROM")] == [subject, subject]
