"""Wrong passwords lock out by name and address together, on both doors alike, and nobody else."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db import connection
from django.db.models import F
from django.test import Client
from django.urls import reverse
from httpx import ReadError, post
from pytest_django.live_server_helper import LiveServer
from rest_framework.test import APIClient

from accounts.choices import Role
from accounts.login.lockout import unlock_operator
from accounts.models import AccessAttempt, Operator
from core.clock import db_now
from events.models import Event
from tests import make
from tests.admin_world import address, client_of
from tests.api import V2, refused

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_files")]
RIGHT, WRONG = "correct horse", "wrong horse"
HERE, THERE = "192.0.2.1", "198.51.100.7"


def rest(name: str, password: str, ip: str = HERE) -> Any:
    return APIClient().post(f"{V2}/auth/token", {"id": name, "password": password}, REMOTE_ADDR=ip)


def web(name: str, password: str, ip: str = HERE) -> Any:
    return Client().post(reverse("admin:login"), {"username": name, "password": password}, REMOTE_ADDR=ip)


DOORS: dict[str, tuple[Callable[..., Any], int, int]] = {"rest": (rest, 401, 200), "web": (web, 200, 302)}


@pytest.fixture(autouse=True)
def _three_attempts(settings: Any) -> None:
    settings.MOREH_LOGIN_ATTEMPTS = 3
    settings.MOREH_LOCKOUT_SECONDS = timedelta(seconds=600)


@pytest.mark.parametrize("door", DOORS)
def test_the_third_wrong_password_locks_out_and_the_right_one_does_not_help(door: str) -> None:
    log_in, wrong, _right = DOORS[door]
    name = make.operator().username
    assert [log_in(name, WRONG).status_code for _ in range(3)] == [wrong, wrong, 429]
    answer = log_in(name, RIGHT)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "600")
    assert b"Too many wrong passwords; try again later." in answer.content


@pytest.mark.parametrize("door", DOORS)
def test_neither_the_operator_elsewhere_nor_others_here_are_locked_out(door: str) -> None:
    log_in, _wrong, right = DOORS[door]
    name, other = make.operator().username, make.operator().username
    for _ in range(4):
        rest(name, WRONG)
    assert log_in(name, RIGHT).status_code == 429
    assert log_in(name, RIGHT, THERE).status_code == right
    assert log_in(other, RIGHT).status_code == right


def test_both_doors_count_together_and_say_it_in_their_own_way() -> None:
    name = make.operator().username
    assert [rest(name, WRONG).status_code, web(name, WRONG).status_code] == [401, 200]
    answer = rest(name, WRONG)
    assert refused(answer) == (429, "THROTTLED", [])
    assert answer.headers["Retry-After"] == "600"


def test_a_success_gives_the_attempts_back() -> None:
    name = make.operator().username
    codes = [rest(name, password).status_code for password in (WRONG, WRONG, RIGHT, WRONG, WRONG, RIGHT)]
    assert codes == [401, 401, 200, 401, 401, 200]
    assert [*AccessAttempt.objects.values_list("failures_since_start", flat=True)] == [4]  # of all names from here


def test_it_ends_in_time_and_waiting_is_not_prolonged_by_trying() -> None:
    name = make.operator().username
    for _ in range(3):
        rest(name, WRONG)
    AccessAttempt.objects.update(attempt_time=db_now() - timedelta(seconds=590))
    assert rest(name, RIGHT).status_code == 429
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(seconds=10))
    assert rest(name, RIGHT).status_code == 200


def test_a_master_ends_it() -> None:
    lee = make.operator()
    for ip in (HERE, THERE):
        for _ in range(3):
            rest(lee.username, WRONG, ip)
    page = client_of(Role.MASTER)
    assert THERE in page.get(address(Operator, "change", lee.pk)).content.decode()
    unlock = reverse("admin:accounts_operator_unlock", args=[lee.pk])
    assert client_of(Role.GENERAL).post(unlock, {"agreed": "1"}).status_code == 403
    assert rest(lee.username, RIGHT).status_code == 429
    assert page.post(unlock, {"agreed": "1"}).status_code == 302
    assert rest(lee.username, RIGHT).status_code == 200
    event = Event.objects.get(action="UNLOCK_OPERATOR")
    assert (event.subject, event.request) == (f"operator/{lee.pk}", {"addresses": 2})


def test_one_event_tells_of_it_and_no_row_holds_what_was_typed() -> None:
    lee = make.operator()
    for _ in range(5):
        rest(lee.username, WRONG)
        rest("my-p4ssword-in-the-wrong-field", WRONG)
    told = Event.objects.filter(action="LOCK_OUT").order_by("pk")
    assert [(event.subject, event.actor, event.referer_ip) for event in told] == [
        (f"operator/{lee.pk}", "stranger", HERE),
        ("", "stranger", HERE),
    ]
    kept = f"{list(AccessAttempt.objects.values())}{list(Event.objects.values())}"
    assert "my-p4ssword" not in kept
    assert WRONG not in kept


def test_unlocking_whom_nobody_locked_is_told_as_well() -> None:
    assert unlock_operator(make.operator(), actor=make.ACTOR) == 0


SITES = {
    "an IPv6 neighbour shares the attempts": ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", 429),
    "an IPv6 stranger does not": ("2001:db8:1:2::1", "2001:db8:1:3::1", 200),
    "an IPv4 address as IPv6 is the same": (HERE, f"::ffff:{HERE}", 429),
    "an IPv4 neighbour does not": (HERE, "192.0.2.2", 200),
}


@pytest.mark.parametrize("case", SITES)
def test_addresses(case: str) -> None:
    first, second, status = SITES[case]
    name = make.operator().username
    for _ in range(3):
        rest(name, WRONG, first)
    assert rest(name, RIGHT, second).status_code == status


@pytest.mark.parametrize("door", DOORS)
def test_wrong_passwords_of_many_names_lock_out_their_address_and_no_other(door: str, settings: Any) -> None:
    settings.MOREH_ADDRESS_ATTEMPTS = 4
    log_in, wrong, right = DOORS[door]
    name = make.operator().username
    assert [log_in(f"nobody{n}", WRONG).status_code for n in range(5)] == [wrong, wrong, wrong, 429, 429]
    assert [rest(name, RIGHT).status_code, web(name, RIGHT).status_code] == [429, 429]
    assert log_in(name, RIGHT, THERE).status_code == right
    assert [event.subject for event in Event.objects.filter(action="LOCK_OUT")] == [""]
    AccessAttempt.objects.update(attempt_time=F("attempt_time") - timedelta(seconds=600))
    assert log_in(name, RIGHT).status_code == right


def test_whoever_is_locked_out_and_goes_on_locks_nobody_else_out_of_their_address(settings: Any) -> None:
    settings.MOREH_ADDRESS_ATTEMPTS = 4
    program, lee = make.operator().username, make.operator().username
    assert [rest(program, WRONG).status_code for _ in range(6)] == [401, 401, 429, 429, 429, 429]
    assert rest(lee, RIGHT).status_code == 200


def test_a_success_gives_back_one_attempt_of_its_address_and_not_those_of_others(settings: Any) -> None:
    settings.MOREH_ADDRESS_ATTEMPTS = 3
    name = make.operator().username
    steps = [("nobody1", WRONG), (name, RIGHT), ("nobody2", WRONG), (name, RIGHT), ("nobody3", WRONG), (name, RIGHT)]
    assert [rest(*step).status_code for step in steps] == [401, 200, 401, 200, 429, 429]


def test_a_masters_unlock_opens_the_addresses_that_were_tried_from(settings: Any) -> None:
    settings.MOREH_ADDRESS_ATTEMPTS = 2
    lee = make.operator()
    rest("nobody", WRONG)
    assert [rest(lee.username, WRONG).status_code, rest(lee.username, RIGHT).status_code] == [429, 429]
    unlock_operator(lee, actor=make.ACTOR)
    assert rest(lee.username, RIGHT).status_code == 200


@pytest.mark.parametrize("page", ["choose_password", "verify_email"])
def test_wrong_links_count_as_attempts_of_their_address(page: str, settings: Any) -> None:
    settings.MOREH_ADDRESS_ATTEMPTS = 3
    answers = [Client().get(reverse(page), {"key": "1.wrong"}, REMOTE_ADDR=HERE) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [302, 302, 302, 429]
    assert answers[-1]["Retry-After"] == "600"
    assert rest(make.operator().username, RIGHT).status_code == 429


class Counting(PBKDF2PasswordHasher):
    """Counts what costs the time of a log-in."""

    iterations = 1000
    looked: ClassVar[list[str]] = []

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        self.looked.append(password)
        return super().encode(password, salt, iterations)


@pytest.mark.parametrize("door", [rest, web])
def test_an_unknown_name_costs_as_much_work_as_a_wrong_password(door: Callable[..., Any], settings: Any) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.Counting"]
    settings.MOREH_ADDRESS_ATTEMPTS = 20
    known, closed, invited = make.operator(), make.operator(), make.operator()
    Operator.objects.filter(pk=closed.pk).update(is_active=False)
    invited.set_unusable_password()
    invited.save()
    work = []
    for name in (known.username, closed.username, invited.username, "nobody"):
        Counting.looked.clear()
        answers = [door(name, WRONG).status_code for _ in range(4)]
        work.append((answers, len(Counting.looked)))
    assert len(work[0][0]) == 4
    assert work == [work[0]] * 4
    assert work[0][1] == 3  # one look for each attempt, none once locked out


@pytest.mark.django_db(transaction=True)
def test_64_attempts_at_once_get_three_looks(live_server: LiveServer, settings: Any) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.Counting"]
    name = make.operator().username
    Counting.looked.clear()

    def attempt(number: int) -> int:
        body = {"id": name, "password": f"guess {number}"}
        with suppress(ReadError):  # more at once than the test's server queues
            return post(f"{live_server.url}{V2}/auth/token", json=body, timeout=50).status_code
        return 0

    with ThreadPoolExecutor(64) as pool:
        codes = sorted(pool.map(attempt, range(64)))
    connection.close()
    assert len(Counting.looked) == 3
    assert 429 in codes
    assert set(codes) <= {0, 401, 429}  # a look that ends when all three are used up is told so: even all may be 429
    assert codes.count(401) <= 2
