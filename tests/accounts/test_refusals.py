"""Wrong access tokens are held back by their address, without a query, and nobody else is."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.api import entry
from accounts.api.refusals import Refusals
from accounts.services.access import open_access
from tests import make
from tests.api import V2, refused

pytestmark = pytest.mark.django_db
HERE, THERE = "192.0.2.1", "198.51.100.7"


@pytest.fixture(autouse=True)
def _few(settings: Any, monkeypatch: pytest.MonkeyPatch, broker: Any) -> None:
    settings.MOREH_REST_RATE, settings.MOREH_REST_BURST = 0.01, 3
    monkeypatch.setattr(entry, "refusals", Refusals())


def ask(value: str, ip: str = HERE, address: str = f"{V2}/auth/tokens") -> Any:
    return APIClient().get(address, HTTP_AUTHORIZATION=f"Bearer {value}", REMOTE_ADDR=ip)


def test_the_fourth_and_later_ones_are_refused_without_a_query(django_assert_num_queries: Any) -> None:
    assert [ask("wrong").status_code for _ in range(4)] == [401] * 4
    with django_assert_num_queries(0):
        answer = ask("wrong")
    assert refused(answer) == (429, "THROTTLED", [])
    assert 1 <= int(answer.headers["Retry-After"]) <= 100
    assert ask("wrong", THERE).status_code == 401


def test_who_was_let_in_just_now_is_let_in_among_wrong_ones() -> None:
    good = open_access(make.operator(), actor=make.ACTOR).value
    assert ask(good).status_code == 200
    assert [ask("wrong").status_code for _ in range(5)] == [401, 401, 401, 401, 429]
    assert ask(good).status_code == 200


def test_a_health_check_with_a_wrong_token_is_answered_as_to_a_stranger() -> None:
    for _ in range(5):
        ask("wrong")
    assert [*ask("wrong", HERE, "/api/check?type=api").json()["api"]] == ["status", "latency"]
