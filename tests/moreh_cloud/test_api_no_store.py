"""No browser and no proxy keeps an answer that holds a token's value."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from scheduler.services.jobs import finish_job
from tests import make
from tests.api import V2, client, entitle
from tokens.models import Token

pytestmark = pytest.mark.django_db
LOGIN = {"id": "kim", "password": "correct horse"}


def test_log_in_and_refresh() -> None:
    make.operator(username="kim")
    api = APIClient()
    answer = api.post(f"{V2}/auth/token", LOGIN)
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {answer.json()['result']['access']}")
    answer = api.post(f"{V2}/auth/token/refresh")
    assert (answer.status_code, answer["Cache-Control"]) == (200, "no-store")
    assert APIClient().get(f"{V2}/token")["Cache-Control"] == "no-store"  # a refusal


def test_a_token_that_is_made_and_changed() -> None:
    made = client().post(f"{V2}/token", {"desc": "Kim"})
    assert (made.status_code // 100, made["Cache-Control"]) == (2, "no-store")
    changed = client().put(f"{V2}/token", {"token": Token.objects.get().value, "desc": "Lee"})
    assert (changed.status_code, changed["Cache-Control"]) == (200, "no-store")


HOLDERS = ["token", "sda", "scheduler/queue", "scheduler/history", "token?format=csv", "log/sdamanager/event"]


@pytest.mark.parametrize("address", HOLDERS)
def test_lists_that_show_tokens_and_their_304(address: str) -> None:
    finish_job(make.job(), exit_code=0, actor=make.ACTOR)
    entitle(make.running_job(make.ready_backend(1)).token, make.default_group(), make.sda_model())
    answer: Any = client().get(f"{V2}/{address}")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    if tag := answer.headers.get("ETag"):
        again: Any = client().get(f"{V2}/{address}", HTTP_IF_NONE_MATCH=tag)
        assert (again.status_code, again["Cache-Control"]) == (304, "private, no-store")


def test_lists_without_tokens_may_be_kept_and_asked_for_again() -> None:
    assert client().get(f"{V2}/sdamodel")["Cache-Control"] == "private, no-cache"
