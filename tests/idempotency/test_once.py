"""Idempotency-Key: the same POST twice is carried out once, and its first answer comes again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from accounts.choices import Role
from core.clock import db_now
from idempotency.models import KeptAnswer
from idempotency.services import forget_answers
from tests import make
from tests.api import V2, client, done, events, refused
from tokens.models import Token

pytestmark = pytest.mark.django_db
URL = f"{V2}/token"
KEY: dict[str, Any] = {"HTTP_IDEMPOTENCY_KEY": "one"}


@pytest.fixture
def api() -> APIClient:
    return client()


def test_the_same_key_gives_the_first_answer_again(api: APIClient) -> None:
    first = api.post(URL, {"desc": "Acme"}, **KEY)
    again = api.post(URL, {"desc": "Acme"}, **KEY)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert (first.get("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (None, "true")
    assert (Token.objects.count(), len(events("CREATE_TOKEN"))) == (1, 1)


def test_the_kept_answer_is_no_place_to_read_tokens(api: APIClient) -> None:
    value = done(api.post(URL, {"desc": "Acme"}, **KEY))["value"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT fingerprint, body FROM answers_keptanswer")
        ((fingerprint, body),) = cursor.fetchall()
    assert value not in body
    assert body.startswith("gAAAA")
    assert len(fingerprint) == 64


OTHERS: dict[str, dict[str, Any]] = {
    "another parameter": {"data": {"desc": "Acme", "priority": 1}},
    "another value": {"data": {"desc": "Other"}},
    "another address": {"path": f"{URL}/group", "data": {"label": "Acme"}},
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_key_is_refused_with(api: APIClient, case: str) -> None:
    done(api.post(URL, {"desc": "Acme"}, **KEY))
    assert refused(api.post(**{"path": URL, **OTHERS[case], **KEY})) == (422, "KEY_REUSED", ["Idempotency-Key"])
    assert Token.objects.count() == 1


def test_the_same_parameters_in_another_way_are_the_same(api: APIClient) -> None:
    first = api.post(f"{URL}?priority=1", {"desc": "Acme"}, **KEY)
    again = api.post(f"{URL}?desc=Acme&priority=1", **KEY)
    assert again.content == first.content


def test_a_key_is_its_operators_own() -> None:
    done(client().post(URL, {"desc": "Acme"}, **KEY))
    done(client().post(URL, {"desc": "Acme"}, **KEY))
    assert Token.objects.count() == 2


def test_a_refusal_of_the_service_comes_again_whatever_has_changed(api: APIClient) -> None:
    group = {"label": "team"}
    done(api.post(f"{URL}/group", group))
    first = api.post(f"{URL}/group", group, **KEY)
    assert refused(first) == (409, "DUPLICATE", ["label"])
    assert done(api.delete(f"{URL}/group", {"id": api.get(f"{URL}/group").json()[0]["id"]})) == {}
    assert api.post(f"{URL}/group", group, **KEY).content == first.content
    assert api.get(f"{URL}/group").json() == []


def break_down(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
    """Be a database that refuses to add tokens, and does all else."""
    if sql.startswith('INSERT INTO "tokens_token"'):
        raise RuntimeError("a bug")
    return execute(sql, *rest)


def test_what_broke_down_is_tried_again(api: APIClient) -> None:
    with connection.execute_wrapper(break_down):
        assert refused(api.post(URL, {"desc": "Acme"}, **KEY))[:2] == (500, "INTERNAL_ERROR")
    assert KeptAnswer.objects.count() == 0
    done(api.post(URL, {"desc": "Acme"}, **KEY))
    assert Token.objects.count() == 1


NOT_KEPT: dict[str, tuple[dict[str, Any], int]] = {
    "broken JSON": ({"data": "{", "content_type": "application/json"}, 400),
    "another content type": ({"data": "<desc/>", "content_type": "text/xml"}, 415),
}


@pytest.mark.parametrize("case", NOT_KEPT)
def test_what_cannot_be_read_is_not_kept(api: APIClient, case: str) -> None:
    given, status = NOT_KEPT[case]
    assert api.post(URL, **given, **KEY).status_code == status
    done(api.post(URL, {"desc": "Acme"}, **KEY))


def test_who_may_not_write_keeps_nothing() -> None:
    assert refused(client(Role.READ_ONLY).post(URL, {"desc": "x"}, **KEY))[:2] == (403, "FORBIDDEN")
    assert KeptAnswer.objects.count() == 0


@pytest.mark.parametrize("key", ["", "with space", "k" * 256, "한글".encode().decode("latin-1")])
def test_a_key_must_be_printable_and_short(api: APIClient, key: str) -> None:
    answer = api.post(URL, {"desc": "x"}, HTTP_IDEMPOTENCY_KEY=key)
    assert refused(answer) == (400, "INVALID_PARAMETER", ["Idempotency-Key"])
    assert Token.objects.count() == 0


def test_a_key_counts_for_24_hours(api: APIClient) -> None:
    done(api.post(URL, {"desc": "Acme"}, **KEY))
    done(api.post(URL, {"desc": "Acme"}, HTTP_IDEMPOTENCY_KEY="young"))
    KeptAnswer.objects.filter(key="one").update(kept_at=db_now() - timedelta(hours=24))
    done(api.post(URL, {"desc": "Other"}, **KEY))
    assert Token.objects.count() == 3
    KeptAnswer.objects.filter(key="one").update(kept_at=db_now() - timedelta(hours=24))
    assert forget_answers() == 1
    assert KeptAnswer.objects.get().key == "young"


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_are_one() -> None:
    operator = make.operator()

    def post(_number: int) -> Any:
        api = APIClient()
        api.force_authenticate(operator)
        try:
            return api.post(URL, {"desc": "Acme"}, **KEY)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(post, range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum(answer.get("Idempotency-Replayed") is None for answer in answers) == 1
    assert Token.objects.count() == 1


def test_log_in_is_never_answered_from_what_was_kept() -> None:
    operator = make.operator()
    login = {"id": operator.username, "password": "correct horse"}
    first = done(APIClient().post(f"{V2}/auth/token", login, **KEY))
    second = done(APIClient().post(f"{V2}/auth/token", login, **KEY))
    assert first["access"] != second["access"]
    api = APIClient()
    api.credentials(HTTP_AUTHORIZATION=f"Bearer {first['access']}")
    done(api.post(f"{V2}/auth/token/refresh", **KEY))
    assert KeptAnswer.objects.count() == 0
