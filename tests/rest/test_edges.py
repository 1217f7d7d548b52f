"""Filters and times at their edges: 400 with the name of the parameter, the same on every address."""

import json
from typing import Any

import pytest
from django.test import override_settings
from django.utils import timezone
from rest_framework.test import APIClient

from tests.api import V2, client, refused
from tokens.models import Token

pytestmark = pytest.mark.django_db
TEXTS = [
    ("token", "description"),
    ("token", "token"),
    ("token/group", "name"),
    ("backend", "name"),
    ("backend/group", "name"),
    ("sdamodel", "name"),
    ("sdamodel", "token"),
    ("sdamodel/group", "name"),
    ("sda", "token"),
    ("sda/utilizations", "token"),
    ("scheduler/queue", "token"),
    ("scheduler/history", "token"),
    ("log/sdamanager/event", "token"),
    ("log/sdamanager/event", "action"),
    ("log/sdamanager/event", "subject"),
]
RANGES = [
    ("usage", "starttime", "endtime"),
    ("scheduler/history", "starttimeFrom", "starttimeTo"),
    ("scheduler/history", "endtimeFrom", "endtimeTo"),
    ("log/sdamanager/event", "from", "to"),
]
# zone, time → whether it names one moment of the range that is kept
TIMES = {
    "the first year": ("Asia/Seoul", "0001-01-01", False),
    "the first year in the west": ("America/New_York", "0001-01-01 00:00", False),
    "the last year": ("Asia/Seoul", "9999-12-31 23:59:59", False),
    "the last year in the west": ("America/New_York", "9999-12-31 23:59:59", False),
    "the last year with an offset": ("Asia/Seoul", "9999-12-31T23:59:59-23:59", False),
    "an hour that clocks skipped": ("Asia/Seoul", "1987-05-10 02:30", False),
    "an hour that clocks repeated": ("Asia/Seoul", "1988-10-09 02:30", False),
    "an hour that clocks repeat, with an offset": ("Asia/Seoul", "1988-10-09T02:30:00+10:00", True),
    "half an hour that clocks repeat": ("Australia/Lord_Howe", "2026-04-05 01:45", False),
    "midnight that clocks repeat": ("America/Havana", "2026-11-01T00:30:00", False),
    "midnight that clocks repeat, with an offset": ("America/Havana", "2026-11-01T00:30:00-05:00", True),
    "an hour before": ("America/Havana", "2026-10-31T23:30:00", True),
    "no time": ("Asia/Seoul", "abc", False),
    "a number": ("Asia/Seoul", "1e999", False),
    "the 25th hour": ("Asia/Seoul", "2026-01-01 24:30", False),
}


@pytest.fixture
def api() -> APIClient:
    return client()


@pytest.mark.parametrize(("path", "name"), TEXTS)
def test_a_text_filter_that_is_given_twice_is_refused(api: APIClient, path: str, name: str) -> None:
    assert refused(api.get(f"{V2}/{path}", {name: ["a", "b"]})) == (400, "INVALID_PARAMETER", [name])


@pytest.mark.parametrize("case", TIMES)
def test_a_time_is_read_alike_by_every_address(api: APIClient, case: str) -> None:
    zone, time, good = TIMES[case]
    with override_settings(TIME_ZONE=zone):
        for path, start, end in RANGES:
            for name, other in ((start, end), (end, start)):
                asked: dict[str, Any] = {name: time}
                if path == "usage":
                    asked[other] = "2030-01-01T00:00:00Z" if name == start else "1980-01-01T00:00:00Z"
                answer = api.get(f"{V2}/{path}", asked)
                if good:
                    assert answer.status_code == 200, (path, name, answer.json())
                else:
                    assert refused(answer) == (400, "INVALID_PARAMETER", [name])
    timezone.deactivate()


@pytest.mark.parametrize("digits", ["²", "\u0661", "1e999", "NaN", "9" * 25, str(2**64), "1_0", " ", "0x10"])
def test_a_number_of_other_digits_is_refused(api: APIClient, digits: str) -> None:
    for path, name in (("token", "group"), ("backend", "id"), ("scheduler/history", "id"), ("token", "limit")):
        answer = api.get(f"{V2}/{path}", {name: digits})
        if digits.strip():
            assert refused(answer) == (400, "INVALID_PARAMETER", [name]), (path, name)


@pytest.mark.parametrize("name", ["desc", "priority", "env", "group", "nothing"])
def test_a_number_that_is_infinite_is_refused_in_every_parameter(api: APIClient, name: str) -> None:
    for value in ("1e999", "-1e999", '{"a": [1e999]}'):
        answer = api.generic("POST", f"{V2}/token", f'{{"{name}": {value}}}', content_type="application/json")
        assert refused(answer) == (400, "INVALID_PARAMETER", [name]), value
        assert answer.json()["details"][name] == ["A number is too large."]
    assert not Token.objects.exists()


@pytest.mark.parametrize("order", [5, 1.5, True, {"a": 1}, [{"a": 1}], "id,nothing"])
def test_an_order_that_is_no_column_is_refused(api: APIClient, order: object) -> None:
    for path in ("token", "backend", "sdamodel", "scheduler/queue", "log/sdamanager/event"):
        body = json.dumps({"ordering": order})
        answer = api.generic("GET", f"{V2}/{path}", body, content_type="application/json")
        assert refused(answer) == (400, "INVALID_PARAMETER", ["ordering"]), path
