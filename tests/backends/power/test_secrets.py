"""Credentials travel over stdin only, and no text of ours shows them."""

from pathlib import Path

import pytest

from backends.power.driver import BmcAddress, BmcLogin, PowerError, WeakAuth, WrongLogin
from backends.power.pool import DriverPool, PooledBmc
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


def test_texts_hide_the_login(fleet: Fleet, pool: DriverPool) -> None:
    bmc = fleet.one()
    wrong = BmcLogin(bmc.address, b"someone", b"battery staple")
    with pytest.raises(PowerError) as caught:
        pool.state(wrong)
    texts = f"{wrong!r} {wrong} {PooledBmc(pool, wrong)!r} {caught.value!r} {caught.value}"
    assert [secret for secret in ("someone", "battery", "staple") if secret in texts] == []


@pytest.mark.parametrize("password", [b"", b"\0\0\0"], ids=["empty", "only zeros"])
def test_an_empty_password_is_refused_before_any_packet(password: bytes) -> None:
    with pytest.raises(WeakAuth):
        BmcLogin(BmcAddress("127.0.0.1"), USER, password)


def test_a_password_longer_than_ipmi_knows_is_refused() -> None:
    with pytest.raises(WrongLogin, match="20 bytes"):
        BmcLogin(BmcAddress("127.0.0.1"), USER, b"x" * 21)
