"""Access tokens: one's own are listed and ended; whoever loses rights loses them all."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from accounts.choices import Role
from accounts.models import AccessToken, Operator
from accounts.services.access import open_access
from accounts.services.operators import update_operator
from core.clock import db_now
from events.models import Event
from tests import make
from tests.api import V2, done, events, refused

pytestmark = pytest.mark.django_db
OWN = f"{V2}/auth/tokens"


def program(operator: Operator) -> APIClient:
    """Return a client with an access token of its own."""
    made = APIClient()
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {open_access(operator, actor=make.ACTOR).value}")
    return made


def test_ones_own_are_listed_without_their_values() -> None:
    lee = make.operator(Role.READ_ONLY)
    one, two = program(lee), program(lee)
    program(make.operator())
    answer = two.get(OWN)
    rows = answer.json()
    assert [set(row) for row in rows] == [{"id", "createdAt", "expiresAt", "lastUsedAt", "current"}] * 2
    assert [row["current"] for row in rows] == [False, True]
    assert [row["lastUsedAt"] is None for row in rows] == [True, False]
    assert answer.headers["X-Total-Count"] == "2"
    secret = AccessToken.objects.order_by("created").first()
    assert secret is not None
    assert secret.digest not in answer.content.decode()
    assert one.get(OWN).json()[0]["current"] is True


def test_any_of_ones_own_is_ended_and_nobody_elses() -> None:
    lee, kim = make.operator(Role.READ_ONLY), make.operator()
    one, two, others = program(lee), program(lee), program(kim)
    first = one.get(OWN).json()[0]["id"]
    assert refused(others.delete(f"{OWN}?id={first}")) == (404, "NOT_FOUND", ["id"])
    assert done(two.delete(f"{OWN}?id={first}")) == {}
    assert refused(one.get(OWN)) == (401, "UNAUTHENTICATED", [])
    assert refused(two.delete(f"{OWN}?id={first}")) == (404, "NOT_FOUND", ["id"])
    assert two.get(OWN).status_code == 200
    assert events("REVOKE_ACCESS") == [(f"operator/{lee.pk}", {"id": first})]


@pytest.mark.parametrize(
    ("given", "wanted"), [({}, ["id"]), ({"id": "x"}, ["id"]), ({"number": "1"}, ["id", "number"])]
)
def test_which_one_must_be_said(given: dict[str, str], wanted: list[str]) -> None:
    status, code, named = refused(program(make.operator()).delete(OWN, given))
    assert (status, code) == (400, "INVALID_PARAMETER")
    assert set(named) <= set(wanted)
    assert named


def test_a_browser_sees_and_ends_them_too() -> None:
    lee = make.operator()
    inside = program(lee)
    browser = APIClient()
    browser.force_login(lee)
    row = browser.get(OWN).json()[0]
    assert row["current"] is False
    assert done(browser.delete(OWN, {"id": row["id"]})) == {}
    assert inside.get(OWN).status_code == 401


def test_use_is_noted_once_a_minute() -> None:
    inside = program(make.operator())
    inside.get(OWN)
    first = AccessToken.objects.get().last_used_at
    inside.get(OWN)
    assert first is not None
    assert AccessToken.objects.get().last_used_at == first
    AccessToken.objects.update(last_used_at=db_now() - timedelta(seconds=61))
    inside.get(OWN)
    assert AccessToken.objects.filter(last_used_at__gte=first).exists()


def test_an_ended_one_is_removed_at_the_next_log_in() -> None:
    lee = make.operator()
    program(lee)
    AccessToken.objects.update(expiry=db_now() - timedelta(seconds=1))
    program(lee)
    assert AccessToken.objects.count() == 1


LOSSES: dict[str, tuple[Role, dict[str, Any], bool]] = {
    "deactivated": (Role.GENERAL, {"is_active": False}, True),
    "demoted": (Role.MASTER, {"role": Role.GENERAL}, True),
    "demoted to look only": (Role.GENERAL, {"role": Role.READ_ONLY}, True),
    "given another password": (Role.GENERAL, {"password": "three green birds"}, True),
    "given another address": (Role.GENERAL, {"email": "new@example.com"}, True),
    "declared not verified": (Role.GENERAL, {"email_verified": False}, True),
    "promoted": (Role.GENERAL, {"role": Role.MASTER}, False),
    "renamed": (Role.GENERAL, {"username": "somebody-else"}, False),
    "given another language": (Role.GENERAL, {"language": "ko"}, False),
}


@pytest.mark.parametrize("case", LOSSES)
def test_access_when_an_operator_is(case: str) -> None:
    role, change, ends = LOSSES[case]
    make.operator(Role.MASTER)
    lee, kim = make.operator(role), make.operator()
    inside, also, others = program(lee), program(lee), program(kim)
    update_operator(lee, actor=make.ACTOR, **change)
    assert [client.get(OWN).status_code for client in (inside, also)] == [401 if ends else 200] * 2
    assert AccessToken.objects.filter(user=lee).count() == (0 if ends else 2)
    assert others.get(OWN).status_code == 200
    told = events("REVOKE_ACCESS")
    assert told == ([(f"operator/{lee.pk}", {"number": 2})] if ends else [])


def test_reactivation_does_not_bring_an_old_one_back() -> None:
    lee = make.operator(Role.GENERAL)
    inside = program(lee)
    update_operator(lee, actor=make.ACTOR, is_active=False)
    update_operator(lee, actor=make.ACTOR, is_active=True)
    assert inside.get(OWN).status_code == 401


GARBAGE = ["x", "Ã¤", "0" * 5000, "' OR 1=1 --", "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")]


@pytest.mark.parametrize("value", GARBAGE)
def test_what_is_no_token_is_refused(value: str) -> None:
    stranger = APIClient()
    assert refused(stranger.get(OWN, HTTP_AUTHORIZATION=f"Bearer {value}")) == (401, "UNAUTHENTICATED", [])


def test_only_digests_are_kept() -> None:
    lee = make.operator()
    value = open_access(lee, actor=make.ACTOR).value
    row = AccessToken.objects.get()
    assert isinstance(row.number, UUID)
    assert value not in f"{list(AccessToken.objects.values())}{list(Event.objects.values())}"
    assert row.digest not in f"{row}{row!r}"
