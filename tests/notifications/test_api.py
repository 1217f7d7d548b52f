"""Rules and silences over REST: every field there and back, clear refusals, events."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from accounts.choices import Role
from backends.services.groups import create_backend_group
from inventory.services import create_tag
from notifications.models import Rule, Silence
from tests import make
from tests.api import V2, client, done, events, refused
from tests.make import ACTOR
from tests.notifications.world import channel, lose, rule, told

pytestmark = pytest.mark.django_db
RULE, SILENCE = f"{V2}/alert/rule", f"{V2}/alert/silence"
LATER = (timezone.now() + timedelta(days=30)).isoformat()


@pytest.fixture
def api() -> APIClient:
    return client()


def test_a_rule_is_made_listed_changed_and_deleted(api: APIClient) -> None:
    where, group, token = channel(), create_backend_group(name="racks", actor=ACTOR), make.token()
    create_tag(name="Liquid", actor=ACTOR)
    given: dict[str, Any] = {
        "name": "nights",
        "channels": [where.pk],
        "categories": ["NODE_LOST", "bmc_weak"],
        "leastLevel": "warning",
        "groups": [group.pk],
        "tags": ["liquid"],
        "tokens": [token.pk],
        "groupWait": 30,
        "repeatEvery": 60,
        "sendResolved": False,
        "weekdays": ["SAT", "SUN"],
        "fromTime": "22:00",
        "toTime": "06:00",
        "timeZone": "Asia/Seoul",
    }
    made = done(api.post(RULE, given, "json"))
    wanted = {"categories": ["NODE_LOST", "BMC_WEAK"], "leastLevel": "WARNING", "tags": ["Liquid"], "enabled": True}
    assert made == {**given, **wanted, "id": made["id"]}
    ((subject, _request),) = events("CREATE_RULE")
    assert subject == f"rule/{made['id']}"
    changed = done(api.put(RULE, {"id": made["id"], "tags": [], "fromTime": None, "toTime": None}, "json"))
    assert changed == {**made, "tags": [], "fromTime": None, "toTime": None}
    assert api.get(RULE, {"name": "NIGHT"}).json() == [changed]
    done(api.delete(RULE, {"id": made["id"]}))
    assert api.get(RULE).json() == []
    assert Rule.objects.get().deleted_at is not None
    assert events("DELETE_RULE") == [(subject, {"name": "nights"})]


REFUSED: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no channel": ({"channels": []}, ["channels"]),
    "a category that is none": ({"categories": ["NODE_GONE"]}, ["categories"]),
    "a day that is none": ({"weekdays": ["HOLIDAY"]}, ["weekdays"]),
    "half of the hours": ({"fromTime": "22:00"}, ["toTime"]),
    "a time that is none": ({"fromTime": "25:00", "toTime": "06:00"}, ["fromTime"]),
    "a time zone that is none": ({"timeZone": "Mars/Base"}, ["timeZone"]),
    "what the machine has beside time zones": ({"timeZone": "localtime"}, ["timeZone"]),
    "a time with an offset": ({"fromTime": "22:00+09:00", "toTime": "06:00"}, ["fromTime"]),
    "a path as a time zone": ({"timeZone": "../../etc/passwd"}, ["timeZone"]),
    "too long a wait": ({"groupWait": 3601}, ["groupWait"]),
    "too short a repetition": ({"repeatEvery": 1}, ["repeatEvery"]),
    "no name": ({"name": " "}, ["name"]),
    "something else": ({"sound": "loud"}, ["sound"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_value_is_named_and_changes_nothing(api: APIClient, case: str) -> None:
    wrong, named = REFUSED[case]
    answer = refused(api.post(RULE, {"name": "r", "channels": [channel().pk], **wrong}, "json"))
    assert answer == (400, "INVALID_PARAMETER", named)
    assert Rule.objects.count() == 0


def test_a_name_is_taken_once_and_what_does_not_exist_is_named(api: APIClient) -> None:
    where = channel()
    done(api.post(RULE, {"name": "r", "channels": [where.pk]}, "json"))
    assert refused(api.post(RULE, {"name": "r", "channels": [where.pk]}, "json")) == (409, "DUPLICATE", ["name"])
    for name, value in {"channels": [where.pk + 1], "groups": [999], "tags": ["none"], "tokens": [999]}.items():
        answer = refused(api.post(RULE, {"name": "s", "channels": [where.pk], name: value}, "json"))
        assert answer == (404, "NOT_FOUND", [name])


def test_a_silence_is_made_listed_changed_and_ended(api: APIClient) -> None:
    node = make.backend(1, name="node-01")
    rule(channel())
    made = done(api.post(SILENCE, {"about": f"backend/{node.pk}", "to": LATER, "comment": "cables"}, "json"))
    assert {name: made[name] for name in ("about", "comment", "categories", "leastLevel", "groups", "tags")} == {
        "about": f"backend/{node.pk}",
        "comment": "cables",
        "categories": [],
        "leastLevel": "NOTICE",
        "groups": [],
        "tags": [],
    }
    lose(node)
    assert told() == []
    changed = done(api.put(SILENCE, {"id": made["id"], "comment": "new cables"}, "json"))
    assert changed == {**made, "comment": "new cables"}
    assert api.get(SILENCE, {"state": "active"}).json() == [changed]
    done(api.delete(SILENCE, {"id": made["id"]}))
    assert api.get(SILENCE, {"state": "active"}).json() == []
    assert [one["id"] for one in api.get(SILENCE, {"state": "ended"}).json()] == [made["id"]]
    assert refused(api.delete(SILENCE, {"id": made["id"]})) == (409, "CONFLICT", ["id"])
    assert [subject for subject, _request in events("END_SILENCE")] == [f"silence/{made['id']}"]


WRONG_SILENCES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "of everything": ({}, ["categories"]),
    "of no thing": ({"about": "backend"}, ["about"]),
    "in the past": ({"categories": ["NODE_LOST"], "to": "2020-01-01T00:00:00Z"}, ["to"]),
    "for more than a year": ({"categories": ["NODE_LOST"], "to": "2099-01-01T00:00:00Z"}, ["to"]),
    "without a reason": ({"categories": ["NODE_LOST"], "comment": " "}, ["comment"]),
}


@pytest.mark.parametrize("case", WRONG_SILENCES)
def test_a_wrong_silence_is_refused(api: APIClient, case: str) -> None:
    wrong, named = WRONG_SILENCES[case]
    soon = (timezone.now() + timedelta(hours=1)).isoformat()
    answer = refused(api.post(SILENCE, {"comment": "c", "to": soon, **wrong}, "json"))
    assert answer == (400, "INVALID_PARAMETER", named)
    assert Silence.objects.count() == 0


def test_a_silence_of_what_does_not_exist_is_refused(api: APIClient) -> None:
    answer = refused(api.post(SILENCE, {"comment": "c", "to": LATER, "about": "backend/999"}, "json"))
    assert answer == (404, "NOT_FOUND", ["about"])


def test_who_only_reads_changes_nothing() -> None:
    looker = client(Role.READ_ONLY)
    assert looker.get(RULE).json() == looker.get(SILENCE).json() == []
    assert looker.post(RULE, {}).status_code == looker.post(SILENCE, {}).status_code == 403


def test_lists_take_as_many_queries_for_any_number(
    api: APIClient, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    where = channel()
    for number in range(3):
        rule(where, name=f"r{number}")
    api.get(RULE)
    with django_assert_max_num_queries(9):
        assert len(api.get(RULE).json()) == 3
