"""Who may ask what: every address and method of the schema, and every page of the admin, for everybody there is."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from accounts.choices import Role
from accounts.models import AccessToken, Operator
from accounts.services.access import open_access
from core.clock import db_now
from tests import make
from tests.admin_world import address, client_of, nouns, populate
from tests.schema import committed
from tests.turns import by_turns

CALLS = [(path, method) for path, methods in committed()["paths"].items() for method in methods]
WHO = ["stranger", "read-only", "general", "master", "expired", "deactivated", "unverified", "deleted"]
INSIDE = {"read-only": Role.READ_ONLY, "general": Role.GENERAL, "master": Role.MASTER}
# Without parameters: what an operator who may do it is told. Everything else wants parameters: 400.
OPEN = {("/api/check", "get"): (200, 503), ("/api/v2/auth/token", "post"): (400,)}
OWN = {
    ("/api/v2/auth/token", "delete"): (200,),
    ("/api/v2/auth/token/refresh", "post"): (200,),
    ("/api/v2/auth/tokens", "delete"): (400,),
}
NEEDY = (
    *("/api/v2/usage", "/api/v2/scheduler/outlook", "/api/v2/backend/maintenance/holdings"),
    *("/api/v2/scheduler/log", "/api/v2/backend/device/history"),
)
READS = {(path, "get"): (400,) for path in NEEDY}


def wanted(who: str, path: str, method: str) -> tuple[int, ...]:
    """Return the statuses that are right for this call without parameters."""
    if (path, method) in OPEN:
        return OPEN[path, method]
    if who not in INSIDE:
        return (401,)
    if (path, method) in OWN:
        return OWN[path, method]
    if method == "get":
        return READS.get((path, method), (200,))
    return (403,) if who == "read-only" else (400,)


def caller(who: str) -> APIClient:
    """Return a program of this kind, with an access token where it has one."""
    made = APIClient()
    if who == "stranger":
        return made
    operator = make.operator(INSIDE.get(who, Role.MASTER))
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {open_access(operator, actor=make.ACTOR).value}")
    if who == "expired":
        AccessToken.objects.filter(user=operator).update(expiry=db_now() - timedelta(milliseconds=1))
    elif who == "deleted":
        operator.delete()
    elif who not in INSIDE:  # behind the service's back: even then the token must not do
        lack: dict[str, dict[str, Any]] = {
            "deactivated": {"is_active": False},
            "unverified": {"email_verified_at": None},
        }
        Operator.objects.filter(pk=operator.pk).update(**lack[who])
    return made


@pytest.mark.django_db
@pytest.mark.parametrize("who", by_turns(WHO))
def test_rest(who: str) -> None:
    wrong, same = {}, caller(who)
    for path, method in CALLS:
        asking = caller(who) if (path, method) in OWN else same  # an access token that was ended serves nobody
        answer = getattr(asking, method)(path)
        if answer.status_code not in wanted(who, path, method):
            wrong[path, method] = answer.status_code
    assert wrong == {}


def test_the_schema_names_every_address_of_rest() -> None:
    known = set(committed()["paths"])
    assert {path for path in addresses() if path.startswith("/api/")} - known == set()
    assert len(CALLS) >= 46


def addresses(patterns: list[URLPattern | URLResolver] | None = None, before: str = "/") -> list[str]:
    """Return every address that the web knows, with its parameters as written."""
    found = []
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        path = before + str(pattern.pattern)
        found += addresses(pattern.url_patterns, path) if isinstance(pattern, URLResolver) else [path]
    return [path for path in found if "^" not in path]


OPEN_PAGES = {"/admin/login/", "/accounts/reset/", "/i18n/setlang/", "/livez", "/readyz", "/api/check"}
TO_LOGIN = {"/accounts/password/", "/accounts/verify/"}  # without the key of a mail


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
def test_a_stranger_opens_no_page(settings: Any) -> None:
    settings.MOREH_METRICS_KEY = "key-of-prometheus"  # without one there is nothing to open
    wrong = {}
    for path in addresses():
        if path in OPEN_PAGES or path.startswith("/api/v2"):
            continue
        filled = path.replace("<path:object_id>", "1").replace("<app_label>", "auth").replace("<int:", "<")
        if "<" in filled or "(" in filled or "/oidc/" in filled:  # off, so not there
            continue
        answer = Client().get(filled)
        location = answer.headers.get("Location", "")
        if answer.status_code not in (401, 302) or (answer.status_code == 302 and "/admin/" not in location):
            wrong[path] = answer.status_code
    assert wrong == {}
    assert set(addresses()) >= TO_LOGIN


@pytest.mark.django_db
@pytest.mark.usefixtures("static_files")
@pytest.mark.parametrize("role", by_turns(Role))
def test_admin_actions(role: Role) -> None:
    """Every action's page opens only for who may use it: Read-only none, General none about administrators."""
    populate()
    browser = client_of(role)
    wrong = {}
    for model in nouns():
        row = model._default_manager.first()
        assert row is not None
        change = address(model, "change", row.pk)
        for action in browser_actions(model):
            status = browser.get(change.replace("change/", f"{action}/")).status_code
            barred = role == Role.READ_ONLY or (role == Role.GENERAL and model is Operator)
            if barred and status not in (302, 403, 404, 405):
                wrong[model._meta.label, action] = status
    assert wrong == {}


def browser_actions(model: type) -> list[str]:
    from django.contrib.admin import site

    return list(site._registry[model].actions_detail or ())  # type: ignore[attr-defined]
