"""Answers are written as JSON by one rule, whatever is in them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ErrorDetail

from moreh_cloud.lib.api.rendering import Json

WRITTEN: dict[str, tuple[Any, bytes]] = {
    "an object without spaces": ({"a": [1, 2.5, None, True]}, b'{"a":[1,2.5,null,true]}'),
    "text of Korea as it is": ({"이름": "한글"}, '{"이름":"한글"}'.encode()),
    "a marked text": (_("Log in first."), b'"Log in first."'),
    "a detail of an error": ([ErrorDetail("no", code="invalid")], b'["no"]'),
    "places of a list that are wrong": ({0: ["no"]}, b'{"0":["no"]}'),
    "a number that is none": (float("nan"), b"null"),
    "the largest id": (2**63 - 1, b"9223372036854775807"),
    "a UUID": (UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
    "a time as Django REST writes it": (datetime(2026, 1, 1, tzinfo=UTC), b'"2026-01-01T00:00:00Z"'),
    "no answer at all": (None, b""),
}


@pytest.mark.parametrize("case", WRITTEN)
def test_is_written(case: str) -> None:
    value, text = WRITTEN[case]
    assert Json().render(value) == text
