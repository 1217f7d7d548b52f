"""Log-in through a provider: only who is an operator already comes in, and no lie of a provider's token is believed."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from joserfc.jwk import OctKey

from accounts.choices import Role
from accounts.login import oidc
from accounts.models import Operator
from accounts.services.operators import update_operator
from accounts.tasks import clear_sessions
from core.clock import db_now
from tests import make
from tests.accounts import provider as providers
from tests.accounts.provider import CLIENT, FOREIGN_KEY, SECRET, Provider
from tests.admin_world import client_of

pytestmark = [
    pytest.mark.only_sqlite,  # what a provider says does not depend on the database
    pytest.mark.django_db,
    pytest.mark.usefixtures("static_files"),
]
EMAIL = "lee@example.com"


@pytest.fixture
def provider(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """A provider that knows lee, and settings that name it."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with providers.running() as running:
        running.claims = {"sub": "lee-1", "email": EMAIL, "email_verified": True}
        settings.MOREH_OIDC_ISSUER = running.url
        settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, settings.OIDC_BACKEND]
        settings.MOREH_OIDC_CLIENT_ID, settings.MOREH_OIDC_CLIENT_SECRET = CLIENT, SECRET
        settings.MOREH_OIDC_AUTHORIZATION_URL = f"{running.url}/authorize"
        settings.MOREH_OIDC_TOKEN_URL = f"{running.url}/token"
        settings.MOREH_OIDC_USERINFO_URL = f"{running.url}/userinfo"
        settings.MOREH_OIDC_KEYS_URL = f"{running.url}/keys"
        yield running


def lee(role: Role = Role.GENERAL, **fields: Any) -> Operator:
    operator = make.operator(role)
    Operator.objects.filter(pk=operator.pk).update(**{"email": EMAIL, **fields})
    return operator


def log_in(provider: Provider, browser: Client) -> Any:
    away = browser.get(reverse("oidc_authentication_init"))
    return browser.get(provider.log_in(away.headers["Location"]))


def is_in(browser: Client) -> bool:
    return browser.get(reverse("admin:index")).status_code == 200


@pytest.mark.parametrize("email", [EMAIL, "LEE@Example.COM"])
def test_an_operator_comes_in_and_keeps_the_role(provider: Provider, email: str) -> None:
    operator, browser = lee(Role.READ_ONLY), Client()
    provider.claims["email"] = email
    assert log_in(provider, browser).headers["Location"] == reverse("admin:index")
    assert is_in(browser)
    assert browser.session["_auth_user_id"] == str(operator.pk)
    assert Operator.objects.get(pk=operator.pk).role == Role.READ_ONLY
    assert provider.asked["code_challenge_method"] == "S256"


@pytest.mark.usefixtures("provider", "broker")
def test_log_ins_that_are_only_begun_are_few_and_their_sessions_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(oidc, "BEGUN_A_MINUTE", 3)
    begun = [Client().get(reverse("oidc_authentication_init")) for _ in range(5)]
    assert [answer.status_code for answer in begun] == [302, 302, 302, 429, 429]
    assert int(begun[-1]["Retry-After"]) >= 1
    assert Session.objects.count() == 3
    ends = Session.objects.values_list("expire_date", flat=True)
    assert max(ends) - db_now() <= timedelta(seconds=oidc.LOGIN_TIMEOUT)
    Session.objects.update(expire_date=db_now() - timedelta(seconds=1))
    browser = client_of(Role.MASTER)
    clear_sessions()
    assert (Session.objects.count(), is_in(browser)) == (1, True)


def test_a_session_remembers_what_version_0_1_0_remembered_and_not_more_than_50(provider: Provider) -> None:
    operator, browser = lee(), Client()
    browser.get(reverse("oidc_authentication_init"))
    session = browser.session
    session["oidc_states"] = {
        f"old-{n}": {"nonce": "n", "code_verifier": "v" * 64, "added_on": time.time()} for n in range(60)
    }
    session.save()
    back = provider.log_in(browser.get(reverse("oidc_authentication_init")).headers["Location"])
    begun = browser.session["oidc_states"]
    assert [*begun] == [*(f"old-{n}" for n in range(11, 60)), provider.asked["state"]]
    assert all(one.keys() == {"nonce", "code_verifier", "added_on"} for one in begun.values())
    browser.get(back)
    assert browser.session["_auth_user_id"] == str(operator.pk)


@pytest.mark.usefixtures("broker")
def test_who_comes_in_through_the_provider_stays_as_long_as_others(provider: Provider) -> None:
    lee()
    browser = Client()
    log_in(provider, browser)
    assert browser.session.get_expiry_age() == settings.SESSION_COOKIE_AGE


def test_the_login_page_leads_there(provider: Provider) -> None:
    assert reverse("oidc_authentication_init") in Client().get(reverse("admin:login")).content.decode()


PEOPLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "nobody that we know": ({"email": "kim@example.com"}, {}),
    "somebody with an address that the provider has not verified": ({"email_verified": False}, {}),
    "somebody of whose address the provider says nothing": ({"email_verified": None}, {}),
    "somebody whose address is verified in words": ({"email_verified": "true"}, {}),
    "somebody without an address": ({"email": ""}, {}),
    "another person than in the ID token": ({"sub": "kim-1"}, {}),
    "an operator with an address that we have not verified": ({}, {"email_verified_at": None}),
    "an operator who was deactivated": ({}, {"is_active": False}),
    "an operator who is no staff": ({}, {"is_staff": False}),
}


@pytest.mark.parametrize("case", PEOPLE)
def test_out_stays(provider: Provider, case: str) -> None:
    claims, fields = PEOPLE[case]
    lee(**fields)
    provider.claims.update(claims)
    browser, before = Client(), Operator.objects.count()
    answer = log_in(provider, browser)
    assert answer.headers["Location"] == reverse("admin:login")
    assert "did not work" in browser.get(answer.headers["Location"]).content.decode()
    assert not is_in(browser)
    assert (Operator.objects.count(), provider.exchanges) == (before, 1)


LIES: dict[str, dict[str, Any]] = {
    "for another client": {"token": {"aud": "another"}},
    "for nobody": {"token": {"aud": None}},
    "by another provider": {"token": {"iss": "https://evil.example"}},
    "that has ended": {"token": {"exp": time.time() - 3600}},
    "that never ends": {"token": {"exp": None}},
    "for another log-in": {"token": {"nonce": "another"}},
    "about nobody": {"token": {"sub": None}},
    "that another key has signed": {"key": FOREIGN_KEY},
    "signed with the client's secret": {"key": OctKey.import_key(SECRET), "algorithm": "HS256"},
    "that nobody has signed": {"key": OctKey.import_key(SECRET), "algorithm": "none"},
}


@pytest.mark.parametrize("case", LIES)
@pytest.mark.filterwarnings("ignore:The HMAC key is")
def test_no_id_token_is_believed(provider: Provider, case: str) -> None:
    lee()
    for name, value in LIES[case].items():
        setattr(provider, name, value)
    browser = Client()
    assert log_in(provider, browser).headers["Location"] == reverse("admin:login")
    assert not is_in(browser)


def test_two_with_one_address_are_nobody(provider: Provider) -> None:
    lee()
    lee()
    browser = Client()
    log_in(provider, browser)
    assert not is_in(browser)


def test_what_nobody_asked_for_is_refused(provider: Provider) -> None:
    lee()
    browser = Client()
    back = provider.log_in(browser.get(reverse("oidc_authentication_init")).headers["Location"])
    for link in (back.replace("state=", "state=x"), reverse("oidc_authentication_callback"), back + "&error=denied"):
        assert browser.get(link).headers["Location"] == reverse("admin:login")
    assert Client().get(back).headers["Location"] == reverse("admin:login")  # another browser
    assert (is_in(browser), provider.exchanges) == (False, 0)


def test_a_code_is_used_once(provider: Provider) -> None:
    lee()
    browser = Client()
    back = provider.log_in(browser.get(reverse("oidc_authentication_init")).headers["Location"])
    browser.get(back)
    browser.get(back)
    assert provider.exchanges == 1


def test_a_provider_that_is_away_is_no_error_of_ours(provider: Provider, settings: Any) -> None:
    settings.MOREH_OIDC_TOKEN_URL = "http://127.0.0.1:1/token"
    assert log_in(provider, Client()).headers["Location"] == reverse("admin:login")


DEEP = "[" * 100_000
SHAPES: dict[str, dict[str, str]] = {
    "tokens in a list": {"/token": "[]"},
    "no tokens": {"/token": "{}"},
    "tokens that are null": {"/token": "null"},
    "an ID token that is a number": {"/token": '{"id_token": 5, "access_token": "the-access"}'},
    "tokens without end": {"/token": DEEP},
    "keys in a list": {"/keys": "[]"},
    "no keys": {"/keys": "{}"},
    "keys that are numbers": {"/keys": '{"keys": [5]}'},
    "keys without a name": {"/keys": '{"keys": [{}]}'},
    "keys that are null": {"/keys": '{"keys": null}'},
    "a key without a kind": {"/keys": '{"keys": [{"kid": "one"}]}'},
    "claims in a list": {"/userinfo": "[]"},
    "a word for claims": {"/userinfo": '"lee"'},
    "claims without end": {"/userinfo": DEEP},
    "an address that is a list": {"/userinfo": '{"sub": "lee-1", "email": ["lee"], "email_verified": true}'},
    "what is no JSON": {"/userinfo": "<html>"},
}


@pytest.mark.parametrize("case", SHAPES)
def test_an_answer_of_another_shape_is_no_error_of_ours(provider: Provider, case: str) -> None:
    lee()
    provider.raw = SHAPES[case]
    browser = Client()
    assert log_in(provider, browser).headers["Location"] == reverse("admin:login")
    assert not is_in(browser)


@pytest.mark.parametrize("end", ["1e999", "-1e999", '"abc"', "null", "[]", "9" * 25])
def test_a_time_that_is_none_ends_no_id_token_with_an_error(provider: Provider, end: str) -> None:
    lee()
    provider.token = {"exp": json.loads(end)}
    browser = Client()
    log_in(provider, browser)
    assert is_in(browser) == (end == "9" * 25)


def test_who_is_deactivated_is_out_at_once(provider: Provider) -> None:
    operator, browser = lee(), Client()
    log_in(provider, browser)
    assert is_in(browser)
    update_operator(operator, actor=make.ACTOR, is_active=False)
    assert not is_in(browser)


def test_it_leads_to_no_other_site(provider: Provider) -> None:
    lee()
    browser = Client()
    away = browser.get(reverse("oidc_authentication_init"), {"next": "https://evil.example/"})
    assert browser.get(provider.log_in(away.headers["Location"])).headers["Location"] == reverse("admin:index")


def test_it_is_off_unless_it_is_set() -> None:
    browser = Client()
    for name in ("oidc_authentication_init", "oidc_authentication_callback"):
        assert browser.get(reverse(name)).status_code == 404
    assert "oidc" not in browser.get(reverse("admin:login")).content.decode()


def test_half_of_the_settings_are_refused_by_name(tmp_path: Path) -> None:
    env = {**os.environ, "MOREH_DATA_DIR": str(tmp_path), "MOREH_OIDC_ISSUER": "https://id.example", "DATABASE_URL": ""}
    env["MOREH_OIDC_CLIENT_ID"] = "moreh"
    command = [sys.executable, "-c", "import moreh_cloud.settings"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert "so these must be too: MOREH_OIDC_CLIENT_SECRET, MOREH_OIDC_AUTHORIZATION_URL," in done.stderr
    assert "MOREH_OIDC_CLIENT_ID," not in done.stderr
