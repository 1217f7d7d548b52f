"""Each failure of a BMC has an error of its own, and fatal ones are raised at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from backends.power.driver import BmcAddress, PowerCommand, PowerState
from backends.power.errors import PowerError
from backends.power.login import BmcLogin
from backends.power.operation import PowerOperation
from backends.power.pool import DriverPool, PooledBmc
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
def test_a_wrong_login_fails_at_once_and_differs_from_a_silent_bmc(fleet: Fleet, pool: DriverPool, case: str) -> None:
    bmc, begun = fleet.one(), time.monotonic()
    with pytest.raises(PowerError) as caught:
        pool.state(BmcLogin(bmc.address, *LOGINS[case]))
    assert (caught.value.code, caught.value.fatal) == ("WRONG_LOGIN", True)
    assert time.monotonic() - begun < 1.0


def test_a_closed_port_is_unreachable_and_transient(pool: DriverPool) -> None:
    with pytest.raises(PowerError) as caught:
        pool.state(BmcLogin(BmcAddress("127.0.0.1", 9), USER, PASSWORD))
    assert (caught.value.code, caught.value.fatal) == ("BMC_UNREACHABLE", False)


def test_a_late_bmc_is_only_late(fleet: Fleet, pool: DriverPool) -> None:
    assert pool.state(fleet.one().fails(late=0.3).login) is PowerState.ON


def test_a_changed_password_is_found_at_the_next_login(fleet: Fleet, pool: DriverPool) -> None:
    bmc = fleet.one()
    assert pool.state(bmc.login) is PowerState.ON
    bmc.change_password("battery staple")
    assert pool.state(bmc.login) is PowerState.ON  # inside the open session
    with pytest.raises(PowerError) as caught:
        pool.reconnect(bmc.login)
    assert caught.value.code == "WRONG_LOGIN"
    assert pool.state(BmcLogin(bmc.address, USER, b"battery staple")) is PowerState.ON


def test_an_open_session_does_not_serve_another_login(fleet: Fleet, pool: DriverPool) -> None:
    bmc = fleet.one()
    assert pool.state(bmc.login) is PowerState.ON
    with pytest.raises(PowerError) as caught:
        pool.state(BmcLogin(bmc.address, USER, b"guessed"))
    assert caught.value.code == "WRONG_LOGIN"


def test_one_session_serves_many_operations(fleet: Fleet, pool: DriverPool) -> None:
    bmc = fleet.one()
    for _ in range(5):
        pool.state(bmc.login)
    pool.control(bmc.login, PowerCommand.OFF, lambda: None)
    assert bmc.logins() == 1


def test_a_flapping_bmc_is_retried_until_it_answers(fleet: Fleet, pool: DriverPool) -> None:
    bmc, done = fleet.one(), threading.Event()

    def flap() -> None:
        while not done.wait(0.4):
            bmc.fails(black_hole=True)
            done.wait(0.4)
            bmc.fails(black_hole=False)

    line = PooledBmc(pool, bmc.login, timeout=1.5)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(flap)
        operation = PowerOperation(line, lambda _: None, time.monotonic, time.sleep, command_gap=0, pauses=(0.3,) * 10)
        ends = [str(operation.carry_out(PowerCommand(word)).state) for word in ("off", "on")]
        done.set()
    assert (ends, bmc.executed()) == (["off", "on"], {"off": 1, "on": 1})


def test_an_address_outside_the_networks_is_never_called(pool: DriverPool) -> None:
    login = BmcLogin(BmcAddress("198.51.100.7"), USER, PASSWORD)
    with pytest.raises(PowerError) as caught:
        pool.state(login)
    assert (caught.value.code, caught.value.fatal) == ("ADDRESS_NOT_ALLOWED", True)
    [[(_, seen)]] = pool.sweep([("far", login)], deadline=1.0)
    assert isinstance(seen, PowerError)
    assert seen.code == "ADDRESS_NOT_ALLOWED"
