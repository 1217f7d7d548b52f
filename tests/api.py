"""A portal's view of the product: clients of every role, and what a good answer to a write holds."""

from typing import Any
from uuid import uuid4

from rest_framework.test import APIClient

from accounts.choices import Role
from accounts.models import Operator
from backends.models import BackendGroup
from core.clock import db_now
from events.models import Event
from sda.models import SdaModel, SdaModelGroup
from sda.services.models import create_membership, create_sda_model_group
from tests.make import ACTOR
from tokens.models import Token
from tokens.services import create_token_group

V2 = "/api/v2"


def client(role: Role = Role.GENERAL) -> APIClient:
    """Log an operator of this role in (without a password, whose hashing takes long)."""
    operator = Operator.objects.create(
        username=f"{role.lower()}-{uuid4().hex[:8]}", role=role, is_staff=True, email_verified_at=db_now()
    )
    made = APIClient()
    made.force_login(operator)
    return made


def done(answer: Any, status: int = 200) -> Any:
    """Return the result of a write that must have succeeded."""
    body = answer.json()
    assert (answer.status_code, body.get("code")) == (status, "SUCCESS"), body
    return body["result"]


def refused(answer: Any) -> tuple[int, str, list[str]]:
    """Return status, code and the named parameters of a failure."""
    body = answer.json()
    assert set(body) == {"code", "message", "details"}, body
    assert body["message"]
    return answer.status_code, body["code"], sorted(body["details"])


def entitle(token: Token, backends: BackendGroup, *models: SdaModel) -> SdaModelGroup:
    """Return a token these models on a backend group, by a membership of groups of their own."""
    name = uuid4().hex
    own = create_token_group(name=f"users {name}", tokens=[token], actor=ACTOR)
    group = create_sda_model_group(name=f"models {name}", backend_group=backends, models=models, actor=ACTOR)
    create_membership(own, group, actor=ACTOR)
    return group


def events(action: str) -> list[tuple[str, dict[str, Any]]]:
    """Return subject and request of the events of one action, oldest first."""
    found = Event.objects.filter(action=action).order_by("pk")
    return [(event.subject, event.request) for event in found]
