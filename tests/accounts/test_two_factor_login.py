"""Logging in with a second factor, on the web and through REST; wrong codes lock out; a setting demands it."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.choices import Role
from accounts.login import two_factor
from accounts.login.lockout import unlock_operator
from accounts.models import AccessAttempt, Operator, SecondFactor
from accounts.services.access import open_access
from accounts.services.operators import update_operator
from tests import make
from tests.accounts.phone import code_of, switch_on
from tests.api import V2, done, events, refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
PASSWORD = "correct horse"
HERE = "192.0.2.1"
HOME = "/admin/"
CODE, LOGIN, PAGE = "/accounts/code/", "/admin/login/", "/accounts/two-factor/"


@pytest.fixture
def kim() -> Operator:
    operator = make.operator(Role.GENERAL, username="kim")
    switch_on(operator)
    return operator


def password(browser: Client, following: str = "", ip: str = HERE) -> Any:
    sent = {"username": "kim", "password": PASSWORD}
    return browser.post(f"{LOGIN}?next={following}" if following else LOGIN, sent, REMOTE_ADDR=ip)


def code(browser: Client, given: str, ip: str = HERE) -> Any:
    return browser.post(CODE, {"code": given}, REMOTE_ADDR=ip)


def rest(ip: str = HERE, **more: str) -> Any:
    return APIClient().post(f"{V2}/auth/token", {"id": "kim", "password": PASSWORD, **more}, REMOTE_ADDR=ip)


def test_the_password_alone_lets_nobody_in(kim: Operator) -> None:
    browser = Client()
    assert password(browser).headers["Location"] == CODE
    assert browser.get(HOME).status_code == 302
    assert refused(browser.get(f"{V2}/token"))[:2] == (401, "UNAUTHENTICATED")
    assert Operator.objects.get(pk=kim.pk).last_login is None


@pytest.mark.parametrize("recovery", [False, True], ids=["a code of the app", "a recovery code"])
def test_password_and_then_a_code_lead_where_one_wanted_to_go(recovery: bool) -> None:
    operator = make.operator(Role.GENERAL, username="kim")
    codes = switch_on(operator)
    browser = Client()
    password(browser, "/admin/console/usage/")
    assert browser.get(CODE).status_code == 200
    answer = code(browser, codes[0] if recovery else code_of(operator))
    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/console/usage/")
    assert browser.get(HOME).status_code == 200
    assert two_factor.AWAITED not in browser.session
    assert AccessAttempt.objects.filter(failures_since_start__gt=0).count() == 0


def test_nobody_is_led_to_another_host(kim: Operator) -> None:
    browser = Client()
    password(browser, "https://evil.example/")
    assert code(browser, code_of(kim)).headers["Location"] == HOME


def test_without_a_password_there_is_no_second_step(kim: Operator) -> None:
    answer = code(Client(), code_of(kim))
    assert (answer.status_code, answer.headers["Location"]) == (302, LOGIN)
    assert code_of(kim)  # and the code was not used
    assert done(rest(code=code_of(kim)))["access"]


def test_a_password_is_not_held_for_long(kim: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(two_factor, "TIMEOUT", timedelta(seconds=-1))
    browser = Client()
    password(browser)
    assert code(browser, code_of(kim)).headers["Location"] == LOGIN


CHANGES: dict[str, dict[str, Any]] = {
    "another password": {"password": "three green birds"},
    "an account that was closed": {"is_active": False},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changes_meanwhile_ends_the_second_step(kim: Operator, change: dict[str, Any]) -> None:
    make.operator()
    browser = Client()
    password(browser)
    update_operator(kim, actor=make.ACTOR, **change)
    assert code(browser, code_of(kim)).headers["Location"] == LOGIN


def test_programs_give_a_code_and_are_told_so(kim: Operator) -> None:
    assert refused(rest()) == (401, "UNAUTHENTICATED", ["code"])
    given = code_of(kim)
    assert refused(rest(code="000000")) == (401, "UNAUTHENTICATED", [])
    assert set(done(rest(code=given))) == {"access", "expiresAt"}
    assert refused(rest(code=given)) == (401, "UNAUTHENTICATED", [])


def test_a_wrong_password_does_not_tell_that_there_is_a_second_factor(kim: Operator) -> None:
    make.operator(username="lee")
    answers = [APIClient().post(f"{V2}/auth/token", {"id": name, "password": "wrong"}) for name in ("kim", "lee")]
    assert answers[0].json() == answers[1].json()


def test_an_account_without_one_logs_in_as_before() -> None:
    make.operator(Role.GENERAL, username="kim")
    assert set(done(rest())) == {"access", "expiresAt"}
    browser = Client()
    assert password(browser).headers["Location"] == HOME


def test_wrong_codes_lock_out_on_both_doors_and_a_right_one_does_not_help(settings: Any, kim: Operator) -> None:
    settings.MOREH_LOGIN_ATTEMPTS = 3
    browser = Client()
    password(browser)
    assert [code(browser, "000000").status_code, rest(code="000000").status_code] == [200, 401]
    answer = code(browser, "000000")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "900")
    assert b"Too many wrong passwords or codes; try again later." in answer.content
    assert code(browser, code_of(kim)).status_code == 429
    assert refused(rest(code=code_of(kim)))[:2] == (429, "THROTTLED")
    assert events("LOCK_OUT") == [(f"operator/{kim.pk}", {})]


def test_right_passwords_between_do_not_give_wrong_codes_back(settings: Any, kim: Operator) -> None:
    settings.MOREH_LOGIN_ATTEMPTS = 3
    statuses = []
    for _ in range(4):
        browser = Client()
        password(browser)
        statuses.append(code(browser, "000000").status_code)
    assert statuses == [200, 200, 429, 302]


def test_codes_are_not_guessed_from_many_addresses(settings: Any, kim: Operator) -> None:
    settings.MOREH_LOGIN_ATTEMPTS = 3
    tried = [rest(ip=f"198.51.100.{number}", code="000000").status_code for number in range(5)]
    assert tried == [401, 401, 401, 429, 429]
    unlock_operator(kim, actor=make.ACTOR)
    assert done(rest(code=code_of(kim)))


def test_one_attempt_is_enough_for_password_and_code(settings: Any, kim: Operator) -> None:
    settings.MOREH_LOGIN_ATTEMPTS = 1
    assert done(rest(code=code_of(kim)))
    browser = Client()
    password(browser)
    assert code(browser, code_of(kim, 1)).status_code == 302


ROLES = {"masters": {Role.MASTER}, "all": set(Role), "optional": set()}


@pytest.mark.parametrize(("value", "owing"), ROLES.items(), ids=ROLES)
def test_a_setting_demands_it_and_leads_to_its_page(settings: Any, value: str, owing: set[Role]) -> None:
    settings.MOREH_TWO_FACTOR = value
    for role in Role:
        name = f"of-{role}"
        operator = make.operator(role, username=name)
        held = open_access(operator, actor=make.ACTOR).value
        browser = Client()
        browser.post(LOGIN, {"username": name, "password": PASSWORD})
        web = [browser.get(page) for page in (HOME, "/admin/console/jobs/", "/api-docs/", PAGE, f"{V2}/token")]
        log_in = APIClient().post(f"{V2}/auth/token", {"id": name, "password": PASSWORD})
        bearer = APIClient().get(f"{V2}/token", headers={"Authorization": f"Bearer {held}"})
        led = [302, 302, 302, 200, 403, 403, 403] if role in owing else [200] * 7
        assert [answer.status_code for answer in (*web, log_in, bearer)] == led, role
        if role in owing:
            assert web[0].headers["Location"] == PAGE
            assert [refused(answer)[1] for answer in (web[4], log_in, bearer)] == ["FORBIDDEN"] * 3
            assert browser.post("/admin/logout/").status_code == 200


def test_whoever_was_led_there_switches_it_on_and_goes_on(settings: Any) -> None:
    settings.MOREH_TWO_FACTOR = "all"
    operator = make.operator(username="kim")
    browser = Client()
    password(browser)
    assert browser.post(PAGE, {"verb": "begin"}).headers["Location"] == PAGE
    sent = {"verb": "enable", "password": PASSWORD, "code": code_of(operator)}
    assert len(browser.post(PAGE, sent).context["codes"]) == 10
    assert browser.get(HOME).status_code == 200


def test_a_provider_s_log_in_is_the_provider_s_matter(settings: Any) -> None:
    settings.MOREH_TWO_FACTOR = "all"
    settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, "accounts.login.oidc.OidcBackend"]
    browser = Client()
    browser.force_login(make.operator(), "accounts.login.oidc.OidcBackend")
    assert browser.get(HOME).status_code == 200


def test_the_page_wants_the_password_too(settings: Any, kim: Operator) -> None:
    settings.MOREH_LOGIN_ATTEMPTS = 2
    browser = Client()
    browser.force_login(kim)
    sent = {"verb": "disable", "password": "wrong", "code": code_of(kim)}
    first, second = browser.post(PAGE, sent), browser.post(PAGE, sent)
    assert (first.status_code, first.context["form"].errors) == (200, {"password": ["The password is wrong."]})
    assert second.status_code == 429
    assert SecondFactor.objects.filter(operator=kim).exists()


def test_the_page_wants_a_right_code(kim: Operator) -> None:
    browser = Client()
    browser.force_login(kim)
    answer = browser.post(PAGE, {"verb": "disable", "password": PASSWORD, "code": "000000"})
    assert answer.context["form"].errors == {"code": ["The code is wrong or was used before."]}
    assert browser.post(PAGE, {"verb": "disable", "password": PASSWORD, "code": code_of(kim)}).status_code == 302
    assert not SecondFactor.objects.filter(operator=kim).exists()
    assert browser.get(HOME).status_code == 200


def test_a_key_is_shown_only_while_it_is_set_up_and_kept_by_no_browser(kim: Operator) -> None:
    browser = Client()
    browser.force_login(kim)
    page = browser.get(PAGE)
    assert "no-store" in page.headers["Cache-Control"]
    assert SecondFactor.objects.get(operator=kim).secret[:4].encode() not in page.content
    assert b"10 recovery codes are left." in page.content
    assert Client().get(PAGE).headers["Location"] == f"{LOGIN}?next={PAGE}"


def test_who_has_no_password_gives_none() -> None:
    operator = make.operator(username="kim")
    operator.set_unusable_password()
    operator.save()
    browser = Client()
    browser.force_login(operator)
    browser.post(PAGE, {"verb": "begin"})
    assert list(browser.get(PAGE).context["form"].fields) == ["code"]
    assert len(browser.post(PAGE, {"verb": "enable", "code": code_of(operator)}).context["codes"]) == 10


def test_what_was_begun_can_be_forgotten() -> None:
    browser = Client()
    browser.force_login(make.operator())
    browser.post(PAGE, {"verb": "begin"})
    assert browser.post(PAGE, {"verb": "forget", "password": "", "code": ""}).status_code == 302
    assert SecondFactor.objects.count() == 0
    assert b"Two-factor log-in is off" in browser.get(PAGE).content


def test_reverse_names_are_where_they_are_documented() -> None:
    assert [reverse(name) for name in ("enter_code", "two_factor", "admin:login")] == [CODE, PAGE, LOGIN]
