"""Who comes in through REST: log-in, access tokens, roles."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.choices import Role
from accounts.models import AccessToken, Operator
from core.clock import db_now
from events.models import Event
from tests import make
from tests.api import V2, client, done, events, refused

pytestmark = pytest.mark.django_db
URL = f"{V2}/auth/token"
PASSWORD = "correct horse"


def bearer(access: str) -> APIClient:
    made = APIClient()
    made.credentials(HTTP_AUTHORIZATION=f"Bearer {access}")
    return made


def log_in(operator: Operator) -> Any:
    return done(APIClient().post(URL, {"id": operator.username, "password": PASSWORD}))


def test_a_program_logs_in_renews_and_leaves() -> None:
    operator = make.operator(Role.GENERAL)
    first = log_in(operator)
    assert set(first) == {"access", "expiresAt"}
    assert first["expiresAt"].endswith("Z")
    assert bearer(first["access"]).get(f"{V2}/token").status_code == 200
    second = done(bearer(first["access"]).post(f"{URL}/refresh"))
    assert refused(bearer(first["access"]).get(f"{V2}/token")) == (401, "UNAUTHENTICATED", [])
    assert done(bearer(second["access"]).delete(URL)) == {}
    assert refused(bearer(second["access"]).delete(URL)) == (401, "UNAUTHENTICATED", [])
    subject = f"operator/{operator.pk}"
    assert [events(f"{verb}_ACCESS") for verb in ("OPEN", "RENEW", "CLOSE")] == [[(subject, {})]] * 3


def test_access_is_not_stored_and_ends_in_time() -> None:
    access = log_in(make.operator())["access"]
    assert access not in str(list(AccessToken.objects.values()))
    AccessToken.objects.update(expiry=db_now() - timedelta(seconds=1))
    assert refused(bearer(access).get(f"{V2}/token")) == (401, "UNAUTHENTICATED", [])


WRONG: dict[str, dict[str, Any]] = {
    "a wrong password": {"password": "wrong"},
    "an unknown id": {"id": "nobody"},
    "an account that was closed": {"is_active": False},
    "an account that is no staff": {"is_staff": False},
    "an e-mail address that was not verified": {"email_verified_at": None},
}


@pytest.mark.parametrize("case", WRONG)
def test_log_in_is_refused_with(case: str) -> None:
    operator = make.operator()
    wrong = WRONG[case]
    asked = {name: wrong[name] for name in ("id", "password") if name in wrong}
    Operator.objects.filter(pk=operator.pk).update(**{k: v for k, v in wrong.items() if k not in asked})
    answer = APIClient().post(URL, {"id": operator.username, "password": PASSWORD, **asked})
    assert refused(answer) == (401, "UNAUTHENTICATED", [])
    assert (AccessToken.objects.count(), Event.objects.filter(action="OPEN_ACCESS").count()) == (0, 0)


def test_log_in_names_what_is_missing() -> None:
    assert refused(APIClient().post(URL, {"password": "x"})) == (400, "INVALID_PARAMETER", ["id"])
    assert refused(APIClient().post(URL, {})) == (400, "INVALID_PARAMETER", ["id", "password"])


def test_an_old_access_token_does_not_stand_in_the_way_of_the_next_log_in() -> None:
    operator = make.operator()
    answer = bearer("ended").post(URL, {"id": operator.username, "password": PASSWORD})
    assert answer.status_code == 200


def test_an_operator_who_may_no_longer_enter_is_out_at_once() -> None:
    operator = make.operator()
    inside = bearer(log_in(operator)["access"])
    Operator.objects.filter(pk=operator.pk).update(email_verified_at=None)
    assert refused(inside.get(f"{V2}/token"))[0] in (401, 403)


def test_a_session_needs_the_csrf_token_to_write() -> None:
    operator = make.operator()
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(operator)
    assert browser.get(f"{V2}/token").status_code == 200
    assert refused(browser.post(f"{V2}/token", {"desc": "x"})) == (403, "FORBIDDEN", [])


ROLES = {Role.MASTER: 200, Role.GENERAL: 200, Role.READ_ONLY: 403}


@pytest.mark.parametrize("role", ROLES)
def test_who_may_write(role: Role) -> None:
    api = client(role)
    assert api.get(f"{V2}/token").status_code == 200
    assert api.post(f"{V2}/token", {"desc": "x"}).status_code == ROLES[role]


def test_the_documentation_is_for_operators(settings: Any) -> None:
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    api = client(Role.READ_ONLY)
    page = api.get("/api-docs/")
    assert page.status_code == 200
    assert "cdn" not in page.content.decode()
    assert "https://" not in page.content.decode()
    assert api.get("/api-docs/schema").status_code == 200
    stranger = APIClient()
    assert stranger.get("/api-docs/")["Location"].startswith(reverse("admin:login"))
    assert stranger.get("/api-docs/schema").status_code == 401
