"""Credentials are passed only over stdin, and no text of the product contains them."""

from dataclasses import replace
from pathlib import Path

import pytest

from backends.power.driver import BmcAddress
from backends.power.errors import PowerError, UnusableLogin, WeakAuth
from backends.power.login import BmcLogin
from backends.power.pool import DriverPool, PooledBmc
from backends.power.redfish.http import Request, Response
from tests.backends.power.bmcs import PASSWORD, USER, Fleet


def test_no_login_in_arguments_or_environment(fleet: Fleet, pool: DriverPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOREH_SECRET_KEY", "a key drivers need not know")
    own = DriverPool(healthy=1)
    try:
        own.state(fleet.one().login)
        [pid] = own.pids()
        seen = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
    finally:
        own.close()
    assert b"backends.power.driver_process" in seen
    assert [secret for secret in (USER, PASSWORD, b"MOREH", b"need not know") if secret in seen] == []


def test_a_driver_process_is_light(fleet: Fleet, pool: DriverPool) -> None:
    pool.state(fleet.one().login)
    kib = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4 for pid in pool.pids()]
    assert max(kib) < 40 * 1024


@pytest.mark.parametrize("simulated", ["fleet", "redfish"])
def test_texts_hide_the_login(simulated: str, request: pytest.FixtureRequest, pool: DriverPool) -> None:
    bmcs: Fleet = request.getfixturevalue(simulated)
    wrong = replace(bmcs.one().login, user=b"someone", password=b"battery staple")
    with pytest.raises(PowerError) as caught:
        pool.state(wrong)
    texts = f"{wrong!r} {wrong} {PooledBmc(pool, wrong)!r} {caught.value!r} {caught.value}"
    assert [secret for secret in ("someone", "battery", "staple") if secret in texts] == []


def test_texts_hide_session_tokens() -> None:
    asked = Request("POST", "/redfish/v1/Sessions", {"X-Auth-Token": "a token"}, b"a password")
    answer = Response(201, {"x-auth-token": "a token"}, b"a password")
    assert f"{asked} {asked!r} {answer}" == "<Request POST /redfish/v1/Sessions> " * 2 + "<Response 201>"


@pytest.mark.parametrize("password", [b"", b"\0\0\0"], ids=["empty", "only zeros"])
def test_an_empty_password_is_refused_before_any_packet(password: bytes) -> None:
    with pytest.raises(WeakAuth):
        BmcLogin(BmcAddress("127.0.0.1"), USER, password)


def test_a_password_longer_than_ipmi_knows_is_refused() -> None:
    with pytest.raises(UnusableLogin, match="20 bytes"):
        BmcLogin(BmcAddress("127.0.0.1"), USER, b"x" * 21)
