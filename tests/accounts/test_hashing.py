"""A crowd of log-ins hashes few passwords at a time, and the rest of the web goes on."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Any, ClassVar

import pytest
from django.conf import settings as product
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from accounts.errors import TooManyLogins
from accounts.login import hashing
from accounts.login.hashing import AT_ONCE, LoginQueue
from moreh_cloud.settings import security
from tests import make
from tests.api import V2, client, refused

RIGHT = "correct horse"


class Watched(hashing.BoundedHasher):
    """Counts how many work at once, in what the bound stands around."""

    iterations = 20_000
    now: ClassVar[int] = 0
    most: ClassVar[int] = 0
    lock: ClassVar[Lock] = Lock()

    @classmethod
    def step(cls, by: int) -> None:
        with cls.lock:
            cls.now += by
            cls.most = max(cls.most, cls.now)


def test_few_passwords_are_hashed_at_once(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.Watched"]
    plain = PBKDF2PasswordHasher.encode

    def encode(self: Any, *args: Any) -> Any:
        Watched.step(1)
        try:
            return plain(self, *args)
        finally:
            Watched.step(-1)

    monkeypatch.setattr(PBKDF2PasswordHasher, "encode", encode)
    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(make_password, [RIGHT] * 32))
    assert Watched.most == AT_ONCE


def test_the_product_hashes_with_the_bound() -> None:
    assert hashing.BoundedHasher.algorithm == "pbkdf2_sha256"  # as passwords are stored since the first version
    assert security.PASSWORD_HASHERS == ["accounts.login.hashing.BoundedHasher"]


@pytest.fixture
def _crowd() -> Any:
    """Fill the line of log-ins."""
    lines = [hashing.login_queue.place(f"site {number}") for number in range(product.MOREH_WEB_THREADS // 2)]
    for line in lines:
        line.__enter__()
    yield
    for line in lines:
        line.__exit__(None, None, None)


@pytest.mark.django_db
@pytest.mark.usefixtures("_crowd", "static_files")
def test_a_full_line_refuses_for_a_moment_on_both_interfaces_and_counts_no_attempt() -> None:
    name = make.operator().username
    for _ in range(product.MOREH_LOGIN_ATTEMPTS + 1):
        answer = APIClient().post(f"{V2}/auth/token", {"id": name, "password": RIGHT})
        assert refused(answer) == (429, "THROTTLED", [])
        assert answer.headers["Retry-After"] == "2"
        page = Client().post(reverse("admin:login"), {"username": name, "password": RIGHT})
        assert (page.status_code, page.headers["Retry-After"]) == (429, "2")
        assert "Too many log-ins at once; try again in a moment." in page.content.decode()


@pytest.mark.django_db
@pytest.mark.usefixtures("_crowd")
def test_a_full_line_refuses_without_a_query(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert APIClient().post(f"{V2}/auth/token", {"id": "kim", "password": RIGHT}).status_code == 429


def test_one_address_takes_half_of_the_line_and_leaves_the_rest_to_others() -> None:
    line = LoginQueue(4)
    with line.place("here"), line.place("here"):
        with pytest.raises(TooManyLogins), line.place("here"):
            pass
        with line.place("there"), line.place("elsewhere"), pytest.raises(TooManyLogins):
            line.require_space("a fourth")
    with line.place("here"):
        line.require_space("here")


@pytest.mark.django_db
@pytest.mark.usefixtures("_crowd")
def test_who_is_logged_in_is_served_beside_a_crowd() -> None:
    assert client().get(f"{V2}/token").status_code == 200
