"""Every address of the REST contract is there, under exactly its methods."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.choices import Role
from tests import make

pytestmark = pytest.mark.django_db

READS: dict[str, Any] = {
    "/api/v2/backend": [],
    "/api/v2/backend/group": None,
    "/api/v2/sdamodel": [],
    "/api/v2/sdamodel/group": [],
    "/api/v2/sda": [],
    "/api/v2/sda/utilizations": [],
    "/api/v2/token": [],
    "/api/v2/token/group": [],
    "/api/v2/scheduler/queue": [],
    "/api/v2/scheduler/history": {"jobs": [], "totalCount": 0},
    "/api/v2/membership": [],
    "/api/v2/log/sdamanager/event": [],
}
WRITES = {
    "/api/v2/backend": "post put delete",
    "/api/v2/backend/group": "post put delete",
    "/api/v2/backend/device/status": "put",
    "/api/v2/backend/grouping": "post put delete",
    "/api/v2/sdamodel": "post delete",
    "/api/v2/sdamodel/grouping": "post delete",
    "/api/v2/sdamodel/group": "post put delete",
    "/api/v2/sda": "post put delete",
    "/api/v2/token": "post put delete",
    "/api/v2/token/grouping": "post delete",
    "/api/v2/token/group": "post put delete",
    "/api/v2/scheduler/queue": "put delete",
    "/api/v2/membership": "post delete",
}


@pytest.fixture
def api() -> APIClient:
    client = APIClient()
    client.force_login(make.operator())
    return client


def test_there_are_46_addresses() -> None:
    assert len(READS) + 2 + sum(len(methods.split()) for methods in WRITES.values()) == 46  # and check, usage


@pytest.mark.parametrize("address", READS)
def test_a_new_installation_answers_every_list(api: APIClient, address: str) -> None:
    answer = api.get(address)
    assert answer.status_code == 200, answer.json()
    assert READS[address] is None or answer.json() == READS[address]


@pytest.mark.parametrize(("address", "method"), [(a, m) for a, methods in WRITES.items() for m in methods.split()])
def test_a_write_without_parameters_is_refused_by_name(api: APIClient, address: str, method: str) -> None:
    answer = getattr(api, method)(address, {})
    assert answer.status_code == 400
    body = answer.json()
    assert body["code"] == "INVALID_PARAMETER"
    assert body["details"]


@pytest.mark.parametrize("address", sorted({*READS, *WRITES, "/api/v2/usage"}))
def test_a_stranger_gets_401_and_a_wrong_method_405(api: APIClient, address: str) -> None:
    assert (Client().get(address).status_code, Client().get(address).json()["code"]) == (401, "UNAUTHENTICATED")
    for method in ("patch", "options"):
        answer = getattr(api, method)(address)
        assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(("address", "method"), [(a, m) for a, methods in WRITES.items() for m in methods.split()])
def test_a_read_only_operator_may_not_write(address: str, method: str) -> None:
    client = APIClient()
    client.force_login(make.operator(Role.READ_ONLY))
    answer = getattr(client, method)(address, {})
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


def test_what_is_no_address_is_a_failure_in_json(api: APIClient) -> None:
    answer = api.post("/api/v2/backends", {})
    assert (answer.status_code, answer.json()) == (
        404,
        {"code": "NOT_FOUND", "message": "There is no such address.", "details": {}},
    )
