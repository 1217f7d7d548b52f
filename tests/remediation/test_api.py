"""Repairs in REST."""

import csv
import io
from typing import Any

import pytest
from rest_framework.test import APIClient

from accounts.choices import Role
from tests import make
from tests.api import V2, client, done, refused
from tests.remediation.site import allow, device_of, faulty, look, report, settle

pytestmark = pytest.mark.django_db
URL = f"{V2}/backend/repair"


@pytest.fixture
def api() -> APIClient:
    return client()


def without_times(card: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in card.items() if name not in ("since", "openedAt", "startedAt", "addedAt")}


def test_a_repair_is_listed_with_what_it_is_about_and_its_steps(api: APIClient) -> None:
    allow(repair_reset=True)
    node = make.ready_backend(2, name="gpu-7")
    repair = faulty(node)
    settle(node, ok=False, error="in use by another client")
    look(repair)
    (card,) = api.get(URL, {"open": "true", "backend": str(node.pk), "state": "needs_hands,returned"}).json()
    (target,), (step,) = card.pop("targets"), card.pop("steps")
    assert without_times(card) == {
        "id": repair.pk,
        "backendId": str(node.pk),
        "backendName": "gpu-7",
        "state": "NEEDS_HANDS",
        "waitsFor": "",
        "handsReason": "NO_REMEDY",
        "evidence": "00: LOST GPU is lost\nreset devices failed REFUSED",
        "operator": "",
        "openedBy": "system",
        "drainUntil": None,
        "endedAt": None,
    }
    assert without_times(target) == {"device": 0, "origin": "DEVICE_FAILED", "outcome": "", "endedAt": None}
    assert without_times(step) | {"endedAt": ""} == {
        "number": 1,
        "step": "RESET",
        "state": "FAILED",
        "dryRun": False,
        "devices": [0],
        "endedAt": "",
        "code": "REFUSED",
        "evidence": "in use by another client",
    }
    assert api.get(URL, {"open": "false"}).json() == []
    table = b"".join(api.get(URL, headers={"accept": "text/csv"}).streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(row["backendName"], row["state"]) for row in rows] == [("gpu-7", "NEEDS_HANDS")]


def test_the_list_takes_the_same_number_of_queries_for_any_number(
    api: APIClient, django_assert_max_num_queries: Any
) -> None:
    for _ in range(3):
        faulty(make.ready_backend(1))
    api.get(URL)
    with django_assert_max_num_queries(8):
        assert len(api.get(URL).json()) == 3


def test_the_verbs_of_operators(api: APIClient) -> None:
    node = make.ready_backend(2)
    opened = done(api.post(URL, {"id": node.pk, "devices": "1", "reason": "strange noise"}))
    assert ([one["device"] for one in opened["targets"]], opened["state"]) == ([1], "QUARANTINED")
    assert refused(api.post(URL, {"id": node.pk})) == (409, "CONFLICT", ["id"])
    assert refused(api.post(URL, {"id": node.pk, "devices": "7"}))[:2] == (400, "INVALID_PARAMETER")
    pk = opened["id"]
    assert refused(api.put(URL, {"id": pk, "command": "handback"})) == (409, "CONFLICT", ["id"])
    assert refused(api.put(URL, {"id": pk, "command": "explode"})) == (400, "INVALID_PARAMETER", ["command"])
    states = [done(api.put(URL, {"id": pk, "command": one}))["state"] for one in ("takeover", "hands", "validate")]
    assert states == ["TAKEN_OVER", "NEEDS_HANDS", "VALIDATION"]
    assert settle(node) == "CHECK [1]"
    look()
    again = faulty(node)
    assert refused(api.put(URL, {"id": again.pk, "command": "return"})) == (400, "INVALID_PARAMETER", ["reason"])
    back = done(api.put(URL, {"id": again.pk, "command": "return", "reason": "reseated"}))
    assert (back["state"], back["targets"][0]["outcome"]) == ("RETURNED", "BY_OPERATOR")
    report(device_of(node))
    assert refused(api.put(URL, {"id": pk, "command": "takeover"})) == (409, "CONFLICT", ["id"])
    assert client(Role.READ_ONLY).post(URL, {"id": node.pk}).status_code == 403
