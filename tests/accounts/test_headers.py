"""Headers and cookies that keep browsers out of trouble, on every kind of page."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from accounts.choices import Role
from tests import make
from tests.admin_world import client_of
from tests.api import V2, refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
PAGES = ["/admin/", "/admin/login/", "/accounts/reset/", "/api-docs/", f"{V2}/token", "/api/check?type=api", "/livez"]
HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@pytest.mark.parametrize("page", PAGES)
def test_every_answer_has_them(page: str) -> None:
    answer = client_of(Role.GENERAL).get(page)
    wanted = HEADERS | ({"Cross-Origin-Opener-Policy": "unsafe-none"} if page == "/api-docs/" else {})  # Swagger's own
    assert {name: answer.headers.get(name) for name in HEADERS} == wanted


@pytest.mark.parametrize("page", ["/accounts/reset/", "/admin/login/", "/admin/"])
def test_pages_of_people_are_kept_by_no_cache(page: str) -> None:
    assert "no-store" in client_of(Role.GENERAL).get(page).headers["Cache-Control"]


def test_the_session_is_for_this_site_and_no_script() -> None:
    name = make.operator().username
    browser = Client()
    browser.post("/admin/login/", {"username": name, "password": "correct horse"})
    cookie = browser.cookies["sessionid"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


def test_with_tls_cookies_travel_only_there(settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True
    browser = Client()
    browser.get("/admin/login/", secure=True)
    name = make.operator().username
    browser.post("/admin/login/", {"username": name, "password": "correct horse"}, secure=True)
    assert (browser.cookies["sessionid"]["secure"], browser.cookies["csrftoken"]["secure"]) == (True, True)


WRITES = [("post", "token"), ("put", "token"), ("delete", "token"), ("delete", "auth/tokens"), ("post", "backend")]


@pytest.mark.parametrize(("method", "noun"), WRITES)
def test_another_site_cannot_write_with_somebodys_session(method: str, noun: str) -> None:
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(make.operator(Role.MASTER))
    assert refused(getattr(browser, method)(f"{V2}/{noun}", {"desc": "x"})) == (403, "FORBIDDEN", [])


@pytest.mark.parametrize("page", ["/admin/login/", "/accounts/reset/", "/admin/password_change/", "/i18n/setlang/"])
def test_forms_come_only_from_our_pages(page: str) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(make.operator())
    assert browser.post(page, {}).status_code == 403
