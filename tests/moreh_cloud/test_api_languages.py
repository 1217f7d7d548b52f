"""A failure is told in the language that the caller reads; its code is the same in all."""

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.choices import Role
from tests import make
from tests.api import V2, client

pytestmark = pytest.mark.django_db


def a_stranger(language: str) -> Any:
    return APIClient().get(f"{V2}/token", HTTP_ACCEPT_LANGUAGE=language)


def a_typo(language: str) -> Any:
    return client().post(f"{V2}/token/group", {"label": "a", "lable": "a"}, HTTP_ACCEPT_LANGUAGE=language)


def a_role_too_low(language: str) -> Any:
    return client(Role.READ_ONLY).post(f"{V2}/token/group", {"label": "a"}, HTTP_ACCEPT_LANGUAGE=language)


def a_name_twice(language: str) -> Any:
    api = client()
    api.post(f"{V2}/token/group", {"label": "a"})
    return api.post(f"{V2}/token/group", {"label": "a"}, HTTP_ACCEPT_LANGUAGE=language)


def a_token_in_use(language: str) -> Any:
    owner = make.sda().token
    return client().delete(f"{V2}/token", {"token": owner.value}, HTTP_ACCEPT_LANGUAGE=language)


FAILURES: dict[str, tuple[Callable[[str], Any], str, dict[str, str]]] = {
    "nobody is logged in": (
        a_stranger,
        "UNAUTHENTICATED",
        {"en": "Authentication credentials were not provided.", "ko": "자격 인증 데이터가 제공되지 않았습니다."},
    ),
    "a parameter is misspelled": (
        a_typo,
        "INVALID_PARAMETER",
        {"en": "Not valid: lable.", "ko": "올바르지 않은 값: lable."},
    ),
    "the role may only read": (
        a_role_too_low,
        "FORBIDDEN",
        {"en": "You do not have permission to perform this action.", "ko": "이 작업을 수행할 권한이 없습니다."},
    ),
    "the name is taken": (
        a_name_twice,
        "DUPLICATE",
        {"en": "This name is taken.", "ko": "이미 사용 중인 이름입니다."},
    ),
    "the token has SDAs": (
        a_token_in_use,
        "TOKEN_HAS_SDA",
        {"en": "The token still owns SDAs.", "ko": "토큰에 SDA가 남아 있습니다."},
    ),
}


@pytest.mark.parametrize("language", ["en", "ko"])
@pytest.mark.parametrize("case", FAILURES)
def test_what_is_told_when(case: str, language: str) -> None:
    fail, code, messages = FAILURES[case]
    answer = fail(language).json()
    assert (answer["code"], answer["message"]) == (code, messages[language])
