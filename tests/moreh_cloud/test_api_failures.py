"""Every failure has a code of the closed list, the status that belongs to it and no traceback."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIClient
from rest_framework.views import APIView

from backends.errors import TooManyHellos
from core.api.failures import STATUS, answer_failure
from core.errors import DomainError
from scheduler.errors import TooManyJobs
from tests.api import V2, refused
from tokens.errors import BudgetSpent

# Jobs are asked for, and agents say hello, there alone, and the list of REST's codes is closed.
ONLY_ON_STREAMS = {BudgetSpent, TooManyJobs, TooManyHellos}


def every_domain_error() -> Iterator[type[DomainError]]:
    kinds = [DomainError]
    for kind in kinds:
        kinds += kind.__subclasses__()
        if not kind.__module__.startswith("moreh_cloud.rpc") and kind not in ONLY_ON_STREAMS:
            yield kind


def test_every_error_of_the_domain_has_a_status() -> None:
    assert {kind.code for kind in every_domain_error()} <= set(STATUS)


ERRORS = {
    "the database is away": (OperationalError("password=s3cret"), 503, "DATABASE_ERROR"),
    "a connection broke": (InterfaceError("the connection is closed"), 503, "DATABASE_ERROR"),
    "the broker is away": (redis.ConnectionError("s3cret"), 503, "BROKER_ERROR"),
    "somebody else was first": (IntegrityError("s3cret"), 409, "CONFLICT"),
    "a value that no column holds": (DataError("s3cret"), 400, "INVALID_PARAMETER"),
    "a bug": (RuntimeError("s3cret"), 500, "INTERNAL_ERROR"),
}
raised: list[Exception] = []


class Failing(APIView):
    authentication_classes = ()
    permission_classes = ()

    def get(self, _request: Request) -> Response:
        """Fail."""
        raise raised.pop()


urlpatterns = [path("fail", Failing.as_view())]


@pytest.mark.parametrize("case", ERRORS)
def test_what_happens_when(case: str, settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    error, status, code = ERRORS[case]
    raised.append(error)
    answer = APIClient(raise_request_exception=False).get("/fail")
    assert refused(answer)[:2] == (status, code)
    assert "s3cret" not in answer.content.decode()
    assert "Traceback" not in answer.content.decode()
    assert (status == 503) == ("Retry-After" in answer)


def test_a_bug_gets_a_number_to_quote() -> None:
    answer = answer_failure(RuntimeError("x"), {})
    assert answer.data["details"]["id"] in answer.data["message"]


@pytest.mark.django_db
def test_a_stranger_is_told_how_to_come_in() -> None:
    answer = APIClient().get(f"{V2}/token")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("host", ["elsewhere.example", "a:b", "[::1"])
def test_a_host_that_is_not_served_is_refused_in_json(host: str) -> None:
    for address in (f"{V2}/token", "/api/check", "/api/nothing"):
        assert refused(APIClient().get(address, headers={"host": host})) == (400, "INVALID_PARAMETER", [])
    assert APIClient().get("/admin/", headers={"host": host}).headers["Content-Type"] == "text/html; charset=utf-8"
