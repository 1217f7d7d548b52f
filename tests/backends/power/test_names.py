"""Each failure has a name of its own, and the names that forbid another try come at once."""

import time
from typing import Any

import pytest

from backends.power.driver import BmcAddress, BmcLogin, PowerError, PowerState
from backends.power.pool import DriverPool
from tests.backends.power.bmcs import PASSWORD, USER, Fleet

FAULTS: dict[str, tuple[dict[str, Any], str, bool]] = {
    "a black hole": ({"black_hole": True}, "BMC_SILENT", False),
    "silent after the open session": ({"silent_at": "rakp2"}, "BMC_SILENT", False),
    "garbage": ({"garbage": True}, "BMC_GARBAGE", False),
    "all sessions taken": ({"sessions_full": True}, "SESSIONS_FULL", False),
}
LOGINS = {
    "a wrong password": (USER, b"battery staple"),
    "an unknown user": (b"nobody", PASSWORD),
    "another user's case": (b"Admin", PASSWORD),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_its_name(fleet: Fleet, pool: DriverPool, fault: str) -> None:
    faults, code, fatal = FAULTS[fault]
    bmc = fleet.one().fails(**faults)
    with pytest.raises(PowerError) as caught:
        pool.state(bmc.login, timeout=1.0)
    assert (caught.value.code, caught.value.fatal) == (code, fatal)
    bmc.fails(**dict.fromkeys(faults, False))
    assert pool.state(bmc.login) is PowerState.ON


@pytest.mark.parametrize("case", LOGINS)
def test_a_wrong_login_is_refused_at_once_and_told_from_nobody_home(fleet: Fleet, pool: DriverPool, case: str) -> None:
    bmc, begun = fleet.one(), time.monotonic()
    with pytest.raises(PowerError) as caught:
        pool.state(BmcLogin(bmc.address, *LOGINS[case]))
    assert (caught.value.code, caught.value.fatal) == ("WRONG_LOGIN", True)
    assert time.monotonic() - begun < 1.0


def test_nobody_home_is_unreachable_and_may_be_tried_again(pool: DriverPool) -> None:
    with pytest.raises(PowerError) as caught:
        pool.state(BmcLogin(BmcAddress("127.0.0.1", 9), USER, PASSWORD))
    assert (caught.value.code, caught.value.fatal) == ("BMC_UNREACHABLE", False)


def test_a_late_bmc_is_only_late(fleet: Fleet, pool: DriverPool) -> None:
    assert pool.state(fleet.one().fails(late=0.3).login) is PowerState.ON


def test_a_password_changed_under_an_open_session_is_found_by_reconnect(fleet: Fleet, pool: DriverPool) -> None:
    bmc = fleet.one()
    assert pool.state(bmc.login) is PowerState.ON
    pool.reconnect(bmc.login)
    with pytest.raises(PowerError) as caught:
        pool.reconnect(BmcLogin(bmc.address, USER, b"old password"))
    assert caught.value.code == "WRONG_LOGIN"


def test_an_address_outside_the_networks_is_never_called(pool: DriverPool) -> None:
    login = BmcLogin(BmcAddress("198.51.100.7"), USER, PASSWORD)
    with pytest.raises(PowerError) as caught:
        pool.state(login)
    assert (caught.value.code, caught.value.fatal) == ("ADDRESS_NOT_ALLOWED", True)
    [(_, seen)] = pool.sweep([("far", login)], deadline=1.0)
    assert isinstance(seen, PowerError)
    assert seen.code == "ADDRESS_NOT_ALLOWED"
