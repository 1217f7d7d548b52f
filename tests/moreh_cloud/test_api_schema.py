"""The committed openapi.yaml is fresh, and real answers keep to it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from jsonschema import Draft4Validator  # type: ignore[import-untyped]

from backends.services.maintenance import create_window
from core.clock import db_now
from scheduler.services.jobs import finish_job
from tests import make
from tests.api import V2, client
from tests.schema import COMMITTED, committed

HOUR = timedelta(hours=1)
NOT_FOR_PORTALS = 5  # log in, renew, leave, list and end access tokens
# Dry run, sensors, logs, findings and their end, checks, former cards, custom fields (4), tags (4), maintenance (5),
# repairs (3), channels (6), deliveries (2), attempts, subscriptions (4), alerts (2), rules (4), silences (4), output of
# workers, history of values
ADDED = 48


@pytest.fixture
def schema() -> dict[str, Any]:
    return committed()


def test_the_committed_schema_is_fresh(tmp_path: Path) -> None:
    fresh = tmp_path / "openapi.yaml"
    call_command("spectacular", file=str(fresh), validate=True, fail_on_warn=True)
    assert fresh.read_text() == COMMITTED.read_text(), "run: python manage.py spectacular --file openapi.yaml"


def test_it_describes_every_address(schema: dict[str, Any]) -> None:
    assert sum(len(methods) for methods in schema["paths"].values()) == 46 + ADDED + NOT_FOR_PORTALS


@pytest.mark.django_db
def test_answers_keep_to_it(schema: dict[str, Any]) -> None:
    node = make.ready_backend(2)
    running = make.running_job(node)
    finish_job(make.job(), exit_code=1, actor=make.ACTOR)
    waiting = make.job()
    api = client()
    addresses = [path for path, methods in schema["paths"].items() if path.startswith(V2) and "get" in methods]
    assert len(addresses) == 33
    window = create_window([node.pk], starts_at=None, ends_at=db_now() + HOUR, reason="fans", actor=make.ACTOR)
    for address in addresses:
        asked = {"starttime": "2026-01-01", "endtime": "2026-01-02", "expand": "tokenlist"}
        asked_of: dict[str, dict[str, Any]] = {
            f"{V2}/scheduler/outlook": {"token": waiting.token.value},
            f"{V2}/scheduler/log": {"job": running.pk},
            f"{V2}/backend/device/history": {"backend": node.pk},
            f"{V2}/backend/maintenance": {"expand": "backends"},
            f"{V2}/backend/maintenance/holdings": {"id": window.pk},
        }
        answer = api.get(address, {**asked, **asked_of.get(address, {})})
        described = schema["paths"][address]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        Draft4Validator({**_nullable(described), "components": _nullable(schema["components"])}).validate(answer.json())


@pytest.mark.django_db
def test_both_answers_to_a_command_keep_to_it(schema: dict[str, Any]) -> None:
    node, api = make.ready_backend(1), client()
    described = schema["paths"][f"{V2}/backend"]["put"]["responses"]["200"]["content"]["application/json"]["schema"]
    check = Draft4Validator({**_nullable(described), "components": _nullable(schema["components"])})
    check.validate(api.put(f"{V2}/backend", {"id": node.pk, "command": "update", "description": "second row"}).json())
    make.running_job(node)
    assert api.put(f"{V2}/backend", {"id": node.pk, "command": "cycle", "drain": 600}).status_code == 202
    canceled = api.put(f"{V2}/backend", {"id": node.pk, "command": "cancel"})
    check.validate(canceled.json())
    assert (canceled.status_code, canceled.json()["result"]["state"]) == (200, "CANCELED")


def _nullable(part: Any) -> Any:
    """Turn OpenAPI 3.0's nullable into what JSON Schema knows."""
    if isinstance(part, list):
        return [_nullable(item) for item in part]
    if not isinstance(part, dict):
        return part
    plain = {name: _nullable(item) for name, item in part.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if part.get("nullable") is True else plain
